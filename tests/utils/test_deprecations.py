"""What is deprecated still works, says so once for each place that uses it, and says what to do."""

import subprocess
import sys
import warnings

import pytest

from lightpool.errors import LightpoolDeprecationWarning, LightpoolError
from lightpool.makers import ThetaSquaredTable, make_theta_squared_table
from lightpool.utils.deprecations import deprecated, deprecated_argument


@deprecated("0.2", until="0.4", alternative="new_sum")
def old_sum(a, b=2):
    """Add two numbers."""
    return a + b


@deprecated("0.2", until="0.4", alternative="NewMap")
class OldMap:
    """A map."""

    def __init__(self, width):
        self.width = width


class Kept:
    @deprecated("0.2", until="0.4", alternative="area")
    def size(self):
        """Return the size."""
        return 7


@deprecated_argument("sigma", "width", since="0.2", until="0.4")
def smooth(values, width=1):
    """Smooth values."""
    return [value * width for value in values]


@pytest.mark.parametrize(
    ("use", "result", "text"),
    [
        (
            lambda: old_sum(1, b=4),
            5,
            "old_sum is deprecated since lightpool 0.2 and may be removed in 0.4; use new_sum instead",
        ),
        (
            lambda: OldMap(3).width,
            3,
            "OldMap is deprecated since lightpool 0.2 and may be removed in 0.4; use NewMap instead",
        ),
        (
            lambda: Kept().size(),
            7,
            "size is deprecated since lightpool 0.2 and may be removed in 0.4; use area instead",
        ),
        (
            lambda: smooth([1, 2], sigma=3),
            [3, 6],
            "the argument 'sigma' is deprecated since lightpool 0.2 and may be removed in 0.4; use 'width' instead",
        ),
    ],
    ids=["function", "class", "method", "argument"],
)
def test_a_use_works_and_warns_at_the_line_of_the_user(use, result, text):
    with pytest.warns(LightpoolDeprecationWarning) as found:
        assert use() == result
    assert [str(each.message) for each in found] == [text]
    assert found[0].filename == __file__


def test_new_names_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert smooth([1], width=2) == smooth([1], 2) == [2]
        Kept()


def test_both_names_of_an_argument_are_refused():
    with pytest.raises(TypeError, match="cannot specify both"), pytest.warns(LightpoolDeprecationWarning):
        smooth([1], sigma=3, width=2)


def test_the_docstring_says_it_too():
    assert "Add two numbers" in old_sum.__doc__
    assert ".. deprecated:: 0.2" in old_sum.__doc__


def test_it_is_no_error_of_the_package_so_that_nobody_catches_it_as_one():
    assert not issubclass(LightpoolDeprecationWarning, LightpoolError)


def test_a_script_sees_the_warning_also_from_its_modules_and_can_turn_it_off(tmp_path):
    (tmp_path / "helper.py").write_text(
        "from lightpool.utils.deprecations import deprecated\n"
        "@deprecated('0.2', until='0.4', alternative='new')\n"
        "def old():\n    return 1\n"
        "def use():\n    return old()\n"
    )
    quiet = (
        "import warnings; from lightpool.errors import LightpoolDeprecationWarning\n"
        "warnings.simplefilter('ignore', LightpoolDeprecationWarning)\n"
    )
    for before, n_warning in (("", 1), (quiet, 0)):
        script = f"{before}import helper; helper.use(); helper.use()"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
        assert done.stderr.count("LightpoolDeprecationWarning: old is deprecated") == n_warning


def test_what_gammapy_has_deprecated_is_deprecated_here():
    with pytest.warns(LightpoolDeprecationWarning, match="use ThetaSquaredTable instead"), pytest.raises(TypeError):
        make_theta_squared_table()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert callable(ThetaSquaredTable.run)
