"""How the pages of the documentation are run: tests/pages.py."""

import os
import sys
from pathlib import Path

import pytest
from pages import PageError, Reader, blocks_of, check_here, is_same_output, modules_of, pictures_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands of the pages are for bash")

PAGE = """
# A page

<!-- needs: numpy scipy -->

<!-- install -->
```sh
exit 9
```

```sh
export COLOR=red
mkdir sub && cd sub
```

<!-- file: words.txt -->
```yaml
one: 1
```

```sh
echo "$COLOR"; basename "$PWD"; cat ../words.txt
```

```text
red
sub
one: 1
```

```python
import math
print(math.pi)
```

```text
3.1416
```

It goes on in the same session.

```python
print(math.e, open("../words.txt").read())
```

```text
2.7183 one: 1
```

<!-- not run: nothing is there -->
```sh
exit 8
```

```text
something
```

```sh
date +%N
```

<!-- not compared: the time -->
```text
1
```

<!-- if installed: no_such_module -->
```python
import no_such_module
```

```text
of the module
```

<!-- if installed: json -->
```python
print(json := __import__("json").dumps(1))
```

```text
1
```

![A picture](picture.png)
"""


@pytest.fixture
def reader(tmp_path):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return Reader(tmp_path, {"PATH": path})


def test_blocks_have_their_marks_and_the_lines_where_they_stand():
    blocks = blocks_of(PAGE)
    assert [block.language for block in blocks[:3]] == ["sh", "sh", "yaml"]
    assert [(block.mark, block.value) for block in blocks if block.mark] == [
        ("install", ""),
        ("file", "words.txt"),
        ("not run", "nothing is there"),
        ("not compared", "the time"),
        ("if installed", "no_such_module"),
        ("if installed", "json"),
    ]
    assert all(PAGE.splitlines()[block.line - 1] == block.text.splitlines()[0] for block in blocks)
    assert modules_of(PAGE) == ["numpy", "scipy"]
    assert modules_of(PAGE, optional=True) == ["numpy", "scipy", "no_such_module", "json"]
    assert pictures_of(PAGE) == ["picture.png"]


def test_terminal_and_session_go_on_from_block_to_block(reader):
    with pytest.raises(PageError) as caught:
        reader.check(PAGE, "page.md")
    assert str(caught.value) == "page.md: no block writes the picture picture.png"


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("```sh\necho first\nfalse\necho never\n```\n", "page.md:2: exit code 1 of"),
        ("```sh\necho $NOT_SET\n```\n", "NOT_SET: unbound variable"),
        ("```python\nx = 1\nx.y\n```\n", "'int' object has no attribute 'y'"),
        ("```python\nimport os\nos._exit(0)\n```\n", "page.md:2: the session ends"),
        ("```text\nalone\n```\n", "page.md:2: this output follows no block that was run"),
        ("<!-- if installed: math -->\n```python\nnothing\n```\n", "name 'nothing' is not defined"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "page.md:6: the page has\n2\n"),
    ],
)
def test_what_is_wrong_in_a_page_is_named_with_its_line(reader, block, message):
    with pytest.raises(PageError) as caught:
        reader.check(block, "page.md")
    assert message in str(caught.value)


def test_a_traceback_names_the_line_of_the_block(reader):
    with pytest.raises(PageError, match=r'File "page.md:2", line 2, in <module>\n    x\.y'):
        reader.check("```python\nx = 1\nx.y\n```\n", "page.md")


def test_texts_of_a_page_are_replaced_and_outputs_are_then_not_compared(reader):
    page = "```python\nprint(open('demo').read())\n```\n\n```text\nof the demo\n```\n"
    (reader.folder / "own").write_text("something else")
    with pytest.raises(PageError, match="No such file"):
        reader.check(page)
    Reader(reader.folder, reader.environment, replaced={"demo": "own"}).check(page)


def test_what_only_a_new_installation_says_is_left_out(reader):
    said = "Matplotlib is building the font cache; this may take a moment."
    reader.check(f"```python\nprint({said!r})\nprint(1)\n```\n\n```text\n1\n```\n")


def test_a_page_is_run_by_this_python(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"```sh\npython -c 'import sys; print(sys.prefix)'\n```\n\n```text\n{sys.prefix}\n```\n")
    check_here(page, tmp_path)


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("a\n", "a  \n\n"),
        ("", ""),
        ("1.23", "1.24"),
        ("-1.2e-05 TeV", "-1.3e-05 TeV"),
        ("x = 2.00, y = 3", "x =  1.99, y = 3"),
        ("(1.5)", "(1.4500001)"),
        ("a ... z", "a b c z"),
        ("first\n...\nlast", "first\n2\n3\nlast"),
        ("first\n...\nlast", "first\nlast"),
        ("...", ""),
    ],
)
def test_outputs_that_are_the_same(expected, output):
    assert is_same_output(expected, output)


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("a", "b"),
        ("a", ""),
        ("", "a"),
        ("a", "a\nb"),
        ("1.23", "1.25"),
        ("1.23", "2.23"),
        ("7", "8"),  # whole numbers are counts
        ("7", "7.0"),
        ("1.2.3", "1.2.4"),  # a version
        ("v1.20", "v1.21"),
        ("1.2 TeV", "1.2 GeV"),
        ("1.2e-05", "1.2e-06"),
        ("a ... z", "a b c"),
        ("first\n...\nlast", "first\n2"),
    ],
)
def test_outputs_that_are_not_the_same(expected, output):
    assert not is_same_output(expected, output)
