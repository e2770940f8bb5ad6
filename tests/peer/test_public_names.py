"""Every public name of Gammapy's data reduction is here, or there is a reason; see public_names.py."""

import pytest
from public_names import PACKAGES, PAGE, Row, known_reasons, page_of, problems, rows, rows_in


@pytest.fixture(scope="module")
def table(gammapy):
    if tuple(map(int, gammapy.__version__.split(".")[:2])) != (2, 1):
        pytest.skip("the table is that of Gammapy 2.1")
    return rows()


def test_no_name_is_missing_without_a_reason(table):
    assert problems(table, strict=False) == []


def test_the_page_has_every_package_and_each_reason_has_names():
    assert {name.partition(".")[0] for name in rows_in(PAGE.read_text())} == set(PACKAGES)
    assert all(reason.strip() and names for names, reason in known_reasons())


def test_a_name_without_a_reason_is_found(table):
    found = problems([*table, Row("maps.Map.fly", here=False)], strict=False)
    assert any("maps.Map.fly: lightpool does not have it" in problem for problem in found)


def test_a_page_that_says_too_much_is_found(table, tmp_path, monkeypatch):
    page = tmp_path / "names.md"
    told = [Row(row.name, row.here or row.name == "datasets.FluxPointsDataset") for row in table]
    page.write_text(page_of(told))
    monkeypatch.setattr("public_names.PAGE", page)
    (problem,) = problems(table, strict=False)
    assert "datasets.FluxPointsDataset: names.md is out of date" in problem


def test_a_page_that_is_behind_is_found_only_by_the_strict_check(table, tmp_path, monkeypatch):
    page = tmp_path / "names.md"
    page.write_text(page_of([Row(row.name, row.here and row.name != "makers.MapDatasetMaker") for row in table]))
    monkeypatch.setattr("public_names.PAGE", page)
    assert problems(table, strict=False) == []
    assert any("makers.MapDatasetMaker: names.md is out of date" in problem for problem in problems(table, strict=True))


def test_classes_are_compared_with_their_members_and_parameters(table):
    names = {row.name: row for row in table}
    assert names["makers.MapDatasetMaker"].here
    assert names["makers.MapDatasetMaker"].same > 10
    assert not names["datasets.FluxPointsDataset"].here
    assert any("default of `dtype`" in note for note in names["maps.Map.from_geom"].notes)
