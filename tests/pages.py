"""Run the blocks of a page of the documentation in their order, as a reader does who has nothing but the page.

The blocks are fenced by three backticks and a language:

- ``sh``: commands of a terminal, run by ``bash -e``. What a block exports, activates or changes to holds for the next.
- ``python``: all of a page is typed into one session, that of the ``python`` of the terminal.
- ``text``: the output of the block before it, standard error included. What a run writes is compared with it: ``...``
  stands for any characters, a line with ``...`` only for any lines, and a number that is not whole may differ by one in
  its last digit.
- others, such as ``yaml``, are shown only.

A comment in the line before a block changes this:

- ``<!-- file: NAME -->``: the reader saves the block as a file of that name; it is not run by itself.
- ``<!-- install -->``: makes the environment. `Reader` leaves it out where the environment is there already.
- ``<!-- if installed: MODULE -->``: the block is run only where Python has the module.
- ``<!-- not run: REASON -->``; an output after it is only shown.
- ``<!-- not compared: REASON -->``: this output differs from run to run.

``<!-- needs: MODULE MODULE -->`` in a line of its own names what a page imports beside the requirements of the package.
A picture of the page that lies next to it has to be written by its blocks, to a file of the same name.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "HOW_TO",
    "Block",
    "PageError",
    "Reader",
    "blocks_of",
    "check_here",
    "is_same_output",
    "modules_of",
    "pictures_of",
]

HOW_TO = sorted(page for page in (Path(__file__).parents[1] / "docs/how_to").glob("*.md") if page.stem != "index")

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>file|install|if installed|not run|not compared)(?:: (?P<value>[^\n]*?))? -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)
_NUMBER = r"(?<![\w.])[-+]?\d+\.\d*(?:e[-+]?\d+)?(?!\.?\d)"
# Said once by a new installation, on slow machines.
_FIRST_TIME = "Matplotlib is building the font cache; this may take a moment.\n"
_END = "--- end of the block ---"
# The session reads blocks as lines of JSON and keeps their names. Its traceback is that of the block alone.
_SESSION = f"""
import json, linecache, sys, traceback
names = {{"__name__": "__main__"}}
for line in sys.stdin:
    block, place = json.loads(line)
    linecache.cache[place] = (len(block), None, block.splitlines(True), place)
    status = 0
    try:
        exec(compile(block, place, "exec"), names)
    except BaseException as error:
        status = 1
        frames = error.__traceback__.tb_next
        traceback.print_exception(type(error), error, frames)
    sys.stderr.flush()
    print("\\n{_END}", status, flush=True)
"""


class PageError(Exception):
    """A block of a page fails, or its output is not that of the page."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes
    ----------
    language, text : str
    line : int
        Line of the page where the text begins, from 1.
    mark, value : str
        The comment before the block: its key and what follows; empty without.
    """

    language: str
    text: str
    line: int
    mark: str = ""
    value: str = ""


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page in their order."""
    return [
        Block(
            language=found["language"],
            text=found["text"],
            line=page.count("\n", 0, found.start("text")) + 1,
            mark=found["mark"] or "",
            value=found["value"] or "",
        )
        for found in _BLOCK.finditer(page)
    ]


def modules_of(page: str, *, optional: bool = False) -> list[str]:
    """Return the modules that a page needs beside the requirements of the package, with those that some blocks need."""
    found = re.search(r"^<!-- needs: (.*) -->$", page, flags=re.MULTILINE)
    modules = found[1].split() if found else []
    return modules + [block.value for block in blocks_of(page) if optional and block.mark == "if installed"]


def pictures_of(page: str) -> list[str]:
    """Return the names of the pictures that lie next to the page."""
    return re.findall(r"^!\[[^]]*\]\(([^)/:]+)\)", page, flags=re.MULTILINE)


@dataclass
class Reader:
    """Somebody who does what a page says, in a folder, with a terminal and a Python session.

    Attributes
    ----------
    folder : Path
        The current folder.
    environment : mapping of str to str
        Variables of the terminal.
    installs : bool
        Whether blocks that make the environment are run.
    replaced : mapping of str to str
        Texts of the blocks and what the reader types in their place, such as the folder of own data. Outputs are not
        compared then.
    timeout : float
        Seconds that a block of the terminal may take.
    """

    folder: Path
    environment: Mapping[str, str]
    installs: bool = False
    replaced: Mapping[str, str] | None = None
    timeout: float = 900

    def read(self, page: str, name: str = "page") -> list[tuple[Block, str]]:
        """Run the blocks of a page, and return its blocks of output, each with what the output is now.

        Raises
        ------
        PageError
            If a block fails.
        """
        shown: list[tuple[Block, str]] = []
        output: str | None = None
        was_run = False
        with _session(self) as run_python:
            for block in blocks_of(page):
                place = f"{name}:{block.line}"
                if block.language == "text" and block.mark != "file":
                    if output is None:
                        raise PageError(f"{place}: this output follows no block that was run")
                    if was_run and block.mark != "not compared":
                        shown.append((block, output.replace(_FIRST_TIME, "")))
                    continue
                was_run = self._is_run(block)
                if block.mark == "file":
                    (self.folder / block.value).write_text(self._typed(block))
                elif not was_run:
                    output = ""
                elif block.language == "sh":
                    output = self._run_shell(self._typed(block), place)
                elif block.language == "python":
                    output = run_python(self._typed(block), place)
        return shown

    def check(self, page: str, name: str = "page") -> None:
        """Run the blocks of a page; an output that differs and a missing picture are errors too, named together."""
        faults = [
            f"{name}:{block.line}: the page has\n{block.text}\nwhere the output is\n{output}"
            for block, output in self.read(page, name)
            if not self.replaced and not is_same_output(block.text, output)
        ]
        faults += [
            f"{name}: no block writes the picture {picture}"
            for picture in pictures_of(page)
            if not (self.folder / picture).is_file()
        ]
        if faults:
            raise PageError("\n".join(faults))

    def _is_run(self, block: Block) -> bool:
        if block.mark == "if installed":
            try:
                self._run_shell(f"python -c 'import {block.value}'", block.value)
            except PageError:
                return False
        return block.mark not in ("file", "not run") and (block.mark != "install" or self.installs)

    def _typed(self, block: Block) -> str:
        text = block.text
        for old, new in (self.replaced or {}).items():
            text = text.replace(old, new)
        return text

    def _run_shell(self, commands: str, place: str) -> str:
        kept = self.folder / ".terminal"  # variables and the current folder of the terminal, from block to block
        before = f". {kept}\n" if kept.exists() else ""
        after = f"{{ declare -px; printf 'cd %q\\n' \"$PWD\"; }} > {kept}"
        script = f"{before}set -euo pipefail\n{commands}\n{after}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=self.timeout,
            check=False,
        )
        if done.returncode:
            raise PageError(f"{place}: exit code {done.returncode} of\n{commands}\n{done.stdout}")
        return done.stdout


@contextmanager
def _session(reader: Reader) -> Iterator[Any]:
    """Give a function that runs a block in the Python of the terminal, which is started with the first block."""
    session: subprocess.Popen[str] | None = None

    def run(block: str, place: str) -> str:
        nonlocal session
        if session is None:
            kept = reader.folder / ".terminal"
            start = (f". {kept}; " if kept.exists() else "") + 'exec python -c "$1"'
            session = subprocess.Popen(
                ["bash", "-c", start, "bash", _SESSION],
                cwd=reader.folder,
                env=dict(reader.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        assert session.stdin is not None
        assert session.stdout is not None
        session.stdin.write(json.dumps([block, place]) + "\n")
        session.stdin.flush()
        lines: list[str] = []
        for line in session.stdout:
            if line.startswith(_END):
                output = "".join(lines).removesuffix("\n")
                if line.split()[-1] != "0":
                    raise PageError(f"{place}: the block fails\n{output}")
                return output
            lines.append(line)
        raise PageError(f"{place}: the session ends\n{''.join(lines)}")

    try:
        yield run
    finally:
        if session is not None:
            assert session.stdin is not None
            session.stdin.close()
            session.wait(timeout=60)


def check_here(page: Path, folder: Path, replaced: Mapping[str, str] | None = None) -> None:
    """Run a page in a folder, with the Python that runs this, whose environment is ready."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    Reader(folder, os.environ | {"PATH": path}, replaced=replaced).check(page.read_text(), page.name)


def is_same_output(expected: str, output: str) -> bool:
    """Whether an output is what a page shows, see the top of this module."""
    wanted, got = ([line.rstrip() for line in text.strip("\n").rstrip().splitlines()] for text in (expected, output))
    return _lines_match(wanted, got)


def _lines_match(wanted: Sequence[str], got: Sequence[str]) -> bool:
    if not wanted:
        return not got
    if wanted[0].strip() == "...":
        return any(_lines_match(wanted[1:], got[skipped:]) for skipped in range(len(got) + 1))
    return bool(got) and _line_matches(wanted[0], got[0]) and _lines_match(wanted[1:], got[1:])


def _line_matches(wanted: str, got: str) -> bool:
    if wanted == got:
        return True
    pattern, numbers, begin = "", [], 0
    for found in re.finditer(rf"{_NUMBER}|\.\.\.| +", wanted):
        pattern += re.escape(wanted[begin : found.start()])
        if found[0] == "...":
            pattern += ".*?"
        elif found[0].isspace():
            pattern += " +"  # columns are as wide as their numbers
        else:
            numbers.append(found[0])
            pattern += rf"({_NUMBER})"
        begin = found.end()
    match = re.fullmatch(pattern + re.escape(wanted[begin:]), got)
    return match is not None and all(map(_are_close, numbers, match.groups()))


def _are_close(wanted: str, got: str) -> bool:
    """Whether two numbers differ by one in the last digit of the first, at most."""
    mantissa, _, exponent = wanted.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(float(wanted) - float(got)) < 1.5 * unit
