"""What the validation counts as equal, what explains a difference, and the page that is in the documentation."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """Makes the folder of the benchmarks importable, and forgets its modules afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("validation", "validate", "backends"):
            del sys.modules[name]


def compared(ours, theirs, name="exposure", **kwargs):
    from validation.measuring import Numbers
    from validation.measuring import compared as compare

    return compare(name, Numbers(np.asarray(ours), **kwargs), Numbers(np.asarray(theirs), **kwargs))


FLAT = np.ones((2, 3, 4))


def changed(place, value, start=FLAT):
    values = start.copy()
    values[place] = value
    return values


@pytest.mark.parametrize(
    ("ours", "theirs", "name", "n_beyond", "worst"),
    [
        (FLAT, FLAT, "exposure", 0, 0),
        (changed((1, 2, 3), 1 + 1e-11), FLAT, "exposure", 0, 1e-11),
        (changed((1, 2, 3), 1 + 2e-9), FLAT, "exposure", 1, 2e-9),
        (changed((1, 2, 3), np.nan), FLAT, "exposure", 1, np.inf),
        (changed((1, 2, 3), np.nan), changed((1, 2, 3), np.nan), "exposure", 0, 0),
        (changed((1, 2, 3), np.inf), FLAT, "exposure", 1, np.inf),
        (changed((1, 2, 3), 0.0), FLAT, "exposure", 1, 1),
        # a trillionth of the largest value in the plane is its rounding, a billionth is not
        (changed((1, 2, 3), 1e-12), changed((1, 2, 3), 0.0), "exposure", 0, 1e-9),
        (changed((1, 2, 3), 1e-9), changed((1, 2, 3), 0.0), "exposure", 1, 1e-6),
        # the other plane of energy is not what it is compared with
        (changed(1, 1e-12), changed(1, 0.0), "exposure", 12, 1),
        (changed((0, 0, 0), 1 + 1e-11), FLAT, "counts", 1, 1e-11),
        (changed((0, 0, 0), 2.0), FLAT, "OFF counts", 1, 0.5),
        (FLAT.astype(bool), changed((0, 0, 0), False, FLAT.astype(bool)), "safe mask", 1, 1),
        (changed((1, 2, 3), 1 + 1e-6), FLAT.astype(np.float32), "exposure", 0, 1e-6),
        (changed((1, 2, 3), 1 + 2e-5), FLAT.astype(np.float32), "exposure", 1, 2e-5),
        (np.zeros((2, 3)), np.zeros((2, 3)), "background", 0, 0),
        (np.zeros((0, 3)), np.zeros((0, 3)), "background", 0, 0),
        (np.full((2, 3), np.nan), np.full((2, 3), np.nan), "background", 0, 0),
        (np.array([3]), np.array([3]), "acceptance", 0, 0),
    ],
)
def test_a_number_that_is_not_that_of_gammapy_is_found(ours, theirs, name, n_beyond, worst):
    found = compared(ours, theirs, name)
    assert found.n_beyond == n_beyond
    assert found.worst == pytest.approx(worst, rel=1e-3)
    assert found.agrees == (n_beyond == 0)


def test_arrays_of_different_shapes_or_units_are_not_compared_bin_by_bin():
    from validation.measuring import Numbers
    from validation.measuring import compared as compare

    assert "shape (2, 3, 4)" in compared(FLAT, FLAT[:1]).note
    found = compare("exposure", Numbers(FLAT, "m2 s"), Numbers(1e4 * FLAT, "cm2 s"))
    assert found.agrees
    found = compare("exposure", Numbers(FLAT, "m2 s"), Numbers(FLAT, "TeV"))
    assert "unit 'm2 s', Gammapy 'TeV'" in found.note
    assert not found.agrees


def test_the_median_is_over_the_bins_that_have_a_value():
    ours, theirs = np.zeros((1, 100)), np.zeros((1, 100))
    theirs[0, :3] = 1.0
    ours[0, :3] = [1 + 1e-12, 1 + 2e-12, 1 + 9e-12]
    found = compared(ours, theirs)
    assert (found.n_bin, found.n_filled, found.n_different) == (100, 3, 3)
    assert found.median == pytest.approx(2e-12, rel=1e-3)


def test_numbers_that_were_computed_in_float32_and_stored_in_float64_are_recognized():
    from validation.measuring import precision_of

    values = np.random.default_rng(1).uniform(size=1000)
    assert precision_of(values) == "float64"
    assert precision_of(values.astype(np.float32)) == precision_of(values.astype(np.float32).astype(float)) == "float32"
    assert precision_of(np.arange(10.0)) == "float64"  # few numbers, which any type can hold


def context_of(**numbers):
    from validation.explaining import Context
    from validation.measuring import Numbers

    ours, theirs = ({name.replace("_", " "): Numbers(pair[i]) for name, pair in numbers.items()} for i in (0, 1))
    return Context(ours, theirs)


def explained(name, context):
    from validation.explaining import explained as explain
    from validation.measuring import compared as compare

    comparison = compare(name, context.ours[name], context.theirs[name])
    assert comparison.n_beyond
    return explain(name, comparison, context)


def test_an_empty_table_explains_the_background_next_to_it_and_nowhere_else():
    context = context_of(background=(changed(0, 2.0), FLAT))
    rows, left = explained("background", context)
    assert not rows  # nothing was announced
    assert left.sum() == 12
    context.announced = {"background beyond the outer nodes of a table with empty bins"}
    context.near_empty = np.array([True, False])
    rows, left = explained("background", context)
    assert rows == ["background in the outer half bin of a table in which the bin further in is empty"]
    assert not left.any()
    context.near_empty = np.array([False, True])
    rows, left = explained("background", context)
    assert not rows
    assert left.sum() == 12


@pytest.mark.parametrize(
    ("ours", "theirs", "n_left"), [(3.0, 3.0000005, 0), (0.0, 1e-7, 0), (4.0, 3.0, 1), (3.0000005, 3.0, 1)]
)
def test_only_noise_on_whole_numbers_is_that_of_transforms(ours, theirs, n_left):
    _, left = explained("OFF counts", context_of(OFF_counts=(changed((0, 0, 0), ours), changed((0, 0, 0), theirs))))
    assert left.sum() == n_left


def test_float32_explains_the_background_of_a_map_only():
    context = context_of(background=((1 + 5e-8) * FLAT, FLAT))
    rows, left = explained("background", context)
    assert not rows
    assert left.all()
    context.has_background_map = True
    rows, left = explained("background", context)
    assert rows == ["background given as a map of counts in float32, as of HAWC"]
    assert not left.any()


def test_an_explanation_is_about_its_quantities_only():
    context = context_of(exposure=(2 * FLAT, FLAT))
    from validation.explaining import EXPLANATIONS

    context.announced = {each.announced for each in EXPLANATIONS}
    context.near_empty = np.array([True, True])
    rows, left = explained("exposure", context)
    assert not rows
    assert left.all()


def test_every_explanation_is_a_row_of_the_list_of_differences_and_its_announcement_is_documented():
    from validation.explaining import EXPLANATIONS, documented

    page = (DOCS / "differences.md").read_text()
    headings = {
        re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in re.findall(r"^#+ (.*)$", page, re.M)
    }
    for explanation in EXPLANATIONS:
        assert documented(explanation.row).anchor in headings, explanation.row
        assert not explanation.announced or f"| {explanation.announced} |" in page, explanation.announced
    with pytest.raises(LookupError, match="no row that begins with 'the moon'"):
        documented("the moon")


def test_bins_of_energy_next_to_empty_bins_of_the_table_are_known():
    from types import SimpleNamespace

    from validation.explaining import planes_near_empty_bins

    from lightpool.maps import MapAxis

    table_axis = MapAxis.from_energy_edges([0.1, 1, 10, 100, 1000], unit="TeV")
    axis = MapAxis.from_energy_edges([0.05, 0.2, 0.5, 2, 8, 20, 50, 200], unit="TeV")
    values = np.ones((4, 2, 2))
    dataset = SimpleNamespace(counts=SimpleNamespace(geom=SimpleNamespace(axes={"energy": axis})))
    run = SimpleNamespace(bkg=SimpleNamespace(axes={"energy": table_axis}, data=values))
    assert_array_equal(planes_near_empty_bins(run, dataset), [True, *6 * [False]])  # the first begins below the table
    values[1, 0, 0] = 0  # centre at 3.16 TeV, neighbours at 0.316 and 31.6
    assert_array_equal(planes_near_empty_bins(run, dataset), [*6 * [True], False])
    assert not planes_near_empty_bins(SimpleNamespace(bkg=None), dataset).any()


def results_of(*outcomes, **kwargs):
    from validation.running import Results, Row

    place = {"kind": "maps", "field": "Crab", "quantity": "exposure", "tolerance": 1e-9}
    return Results([Row(run=str(i), outcome=outcome, **(place | kwargs)) for i, outcome in enumerate(outcomes)])


@pytest.mark.parametrize(
    ("outcomes", "is_good"),
    [
        (["equal", "within", "explained"], True),
        (["equal", "not compared"], True),
        (["not compared"], False),
        ([], False),
        (["equal", "differs"], False),
        (["equal", "failed"], False),
    ],
)
def test_a_validation_is_good_if_something_was_compared_and_all_of_it_agrees(outcomes, is_good):
    assert results_of(*outcomes).is_good == is_good


WITHIN = {"outcome": "within", "worst": 1e-13}


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        (WITHIN, {"outcome": "within", "worst": 5e-13}, []),
        (WITHIN, {"outcome": "within", "worst": 5e-10}, ["deviated by 1.0e-13, by 5.0e-10 now"]),
        (WITHIN, {"outcome": "differs", "worst": 1}, ["was within, is differs"]),
        (WITHIN, {"outcome": "explained", "worst": 1}, ["was within, is explained"]),
        ({"outcome": "explained", "worst": 1}, {"outcome": "within", "worst": 1e-13}, []),
        ({"outcome": "explained", "n_beyond": 100}, {"outcome": "explained", "n_beyond": 104}, []),
        ({"outcome": "explained", "n_beyond": 100}, {"outcome": "explained", "n_beyond": 200}, ["100 bins beyond"]),
        ({"outcome": "equal"}, {"outcome": "failed"}, ["was equal, is failed"]),
        ({"outcome": "equal"}, {"outcome": "equal", "field": "MSH"}, ["Crab, 0, exposure: was compared, is not"]),
    ],
)  # fmt: skip
def test_what_became_worse_since_an_earlier_table_is_listed(tmp_path, before, now, changes):
    from validation.tables import changes_since, read_table, table_of

    def table(values):
        path = tmp_path / "table.ecsv"
        rest = {key: value for key, value in values.items() if key != "outcome"}
        table_of(results_of(values["outcome"], **rest)).write(path, overwrite=True)
        return read_table(path)

    found = changes_since(table(before), table(now))
    assert len(found) == len(changes)
    assert all(text in line for line, text in zip(found, changes, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "{folder}"], "contains no data set of the list above"),
        (["--data", "{folder}/missing"], "contains no data set of the list above"),
        (["--settings", "{folder}/missing.yaml"], "missing.yaml"),
        (["--settings", "{folder}/bad.yaml"], "targets"),
        (["--settings", "{folder}/remote.yaml"], "Gammapy reads local files only"),
        (["--data", "{folder}", "--compare", "{folder}/missing.ecsv"], "missing.ecsv"),
        (["--data", "{folder}", "--compare", "{folder}/bad.yaml"], "validate.py"),
        ([], "one of the arguments --data --settings is required"),
        (["--data", "{folder}", "--runs", "first"], "invalid int value"),
        (["--data", "{folder}", "--settings", "{folder}/bad.yaml"], "not allowed with"),
    ],
)
def test_arguments_that_cannot_be_used_are_told(tmp_path, capsys, arguments, message):
    from validate import main

    (tmp_path / "bad.yaml").write_text("observations: {datastore: .}\noutput: {folder: out}\n")
    maker = "makers: [{type: MapDatasetMaker}], energy: {min: 1 TeV, max: 10 TeV, nbin: 2}"
    (tmp_path / "remote.yaml").write_text(
        "observations: {datastore: 'https://example.org/store'}\noutput: {folder: out}\n"
        f"targets: [{{name: map, kind: map, center: {{lon: 83 deg, lat: 22 deg}}, width: 1 deg, {maker}}}]\n"
    )
    status = None
    try:
        status = main([argument.format(folder=tmp_path) for argument in arguments])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err


def test_the_page_of_the_documentation_is_that_of_its_table():
    from validation.running import GOOD
    from validation.tables import read_table

    folder = DOCS / "validation"
    page, table = (folder / "index.md").read_text(), read_table(folder / "validation.ecsv")
    assert set(table["outcome"]) <= set(GOOD)
    assert f"{len(table)} quantities of single" in page
    for outcome, text in {"equal": "bit-identical", "within": "within the tolerance"}.items():
        assert f"| {text} | {np.sum(table['outcome'] == outcome)} |" in page
    runs = {str(row["run"]) for row in table if str(row["kind"]).startswith("H.E.S.S.")} - {"stack"}
    assert len(runs) == 25
    pictures = re.findall(r"\]\((\w+\.png)\)", page)
    assert len(pictures) == len(set(pictures)) == 4
    assert all((folder / name).stat().st_size < 150_000 for name in pictures)
