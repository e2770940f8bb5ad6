"""What the source must be like for others to work on it: see CONTRIBUTING.md, code style."""

import pytest
from code_measures import (
    SOURCE,
    bare_any,
    files_in,
    foreign_private_names,
    import_cycles,
    too_long,
    without_parameters_section,
)

PATHS = files_in(SOURCE)


@pytest.mark.slow
def test_few_public_parameters_and_returns_have_no_type():
    """What remains is listed in docs/decisions/0010-types-and-sub-packages.md."""
    parameters, returns = bare_any(PATHS)
    assert parameters.fraction <= 0.03, "\n".join(parameters.against)
    assert returns.fraction <= 0.03, "\n".join(returns.against)


@pytest.mark.slow
def test_functions_of_several_parameters_describe_them():
    undocumented = without_parameters_section(PATHS)
    assert undocumented.fraction <= 0.15, "\n".join(undocumented.against)


def test_functions_and_classes_can_be_read_in_one_sitting():
    assert too_long(PATHS) == []


def test_private_names_are_used_where_they_are_defined():
    assert foreign_private_names(PATHS) == []


def test_no_two_modules_import_each_other():
    """Not inside of functions and not for types alone; only plots are imported by the methods that draw."""
    assert import_cycles(without="plot") == []


@pytest.mark.parametrize(
    ("code", "private"),
    [
        ("def f(x): return x._a", ["x._a"]),
        ("class C:\n    def f(self, other): self._a = 1; return other._a", []),
        ("class C(B):\n    def f(self): return self._a + super()._b()", []),
        ("from lightpool.maps.core import _a", ["lightpool.maps.core._a"]),
        ("def f(x): return x.__len__()", []),
    ],
)
def test_private_names_of_others_are_found(code, private, tmp_path, monkeypatch):
    monkeypatch.setattr("code_measures.SOURCE", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(code)
    assert [each.partition(" ")[2] for each in foreign_private_names([path])] == private


def test_cycles_are_found_inside_functions_and_through_packages(tmp_path, monkeypatch):
    monkeypatch.setattr("code_measures.SOURCE", tmp_path)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "__init__.py").write_text("from lightpool.maps.core import Map\n")
    (tmp_path / "maps" / "core.py").write_text("def f():\n    from lightpool.maps.geom import Geom\n")
    (tmp_path / "maps" / "geom.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lightpool.maps import Map\n"
    )
    (tmp_path / "maps" / "axis.py").write_text("from lightpool.maps.geom import Geom\n")
    assert import_cycles() == [["maps/core.py", "maps/geom.py"]]
