"""Different stacks never share a file, whatever they are called, and ordinary names stay as they are."""

import unicodedata

import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies
from small_reductions import MAP, SPECTRUM

from lightpool.batch import make_plan, run_batch
from lightpool.batch.storage.stack_names import StackKey, StackNames, label_of, labels_of
from lightpool.cli import main
from lightpool.config import Settings
from lightpool.data import DataStore
from lightpool.fits import read_fits

ORDINARY = ["Crab Nebula", "MSH 15-52", "PKS2155-304", "LS_5039", "1ES 0229+200", "Hz 4", "3C 273", "2004-03-26"]


def on_disk(name):
    """What macOS makes of a name."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def names_of(targets, groups):
    data = {"observations": {"datastore": "x"}, "targets": targets, "groups": groups}
    return StackNames(Settings.from_dict(data))


def test_ordinary_names_stay_as_they_are():
    assert labels_of(ORDINARY) == {text: text.replace(" ", "_") for text in ORDINARY}
    for text in ("12", "0.5", "yes", "-3", "1e+20", "nan"):
        assert label_of(text) == text
    names = names_of([MAP, SPECTRUM], [{"name": "all"}, {"name": "n", "by": "night"}])
    assert names.of(StackKey("crab", "all", "all")) == "crab"
    assert names.of(StackKey("spectrum", "n", "2004-03-26")) == "spectrum-n-2004-03-26"
    assert names.of_observation(23523, StackKey("crab", "all", "all")) == "23523-crab"


TRICKY = [
    "crab",
    "Crab",
    "Vela X 1",
    "Vela X/1",
    "Vela_X_1",
    "é",
    "e\u0301",
    "..",
    ".",
    "",
    "none",
    "all",
    "ALL",
    "a\0b",
]
TRICKY += [
    "-x",
    ".x",
    "con",
    "x" * 300,
    "x" * 301,
    "x_arf",
    "x",
    "../../etc",
    "a/b",
    "a\\b",
    "\u202e",
    "ß",
    "ss",
    "\ud800",
]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(strategies.lists(strategies.sampled_from(TRICKY) | strategies.text(max_size=20), unique=True, max_size=12))
def test_texts_have_labels_of_their_own_that_fit_into_a_file_name(texts):
    for labels in (labels_of(texts), {text: label_of(text) for text in texts}):
        assert len({on_disk(label) for label in labels.values()}) == len(texts)
        for label in labels.values():
            assert 0 < len(label.encode()) <= 60
            assert not set(label) & set('/\\\0:*?"<>|\n\x1b ')
            assert label != "all"


def files_of(names, targets, groups, labels):
    """All files that a reduction may write for its stacks."""
    for target in targets:
        for group in groups:
            for label in ["all"] if group.get("by", "all") == "all" else labels:
                name = names.of(StackKey(target["name"], group["name"], label))
                start, parts = ("pha_", ("", "_arf", "_rmf", "_bkg")) if target["kind"] == "spectrum" else ("", ("",))
                yield from (f"{start}{name}{part}.fits" for part in parts)


WORDS = strategies.sampled_from(["a", "A", "a-b", "b", "b-c", "c", "pha_a", "a_arf", "pha_a_arf", "a-b-c", "a-all"])


@settings(max_examples=100, deadline=None)
@given(
    strategies.lists(strategies.tuples(WORDS, strategies.booleans()), min_size=1, max_size=4, unique_by=lambda x: x[0]),
    strategies.lists(strategies.tuples(WORDS, strategies.booleans()), min_size=1, max_size=3, unique_by=lambda x: x[0]),
)
def test_stacks_have_files_of_their_own(some, ways):
    targets = [(SPECTRUM if is_spectrum else MAP) | {"name": name} for name, is_spectrum in some]
    groups = [{"name": name, "by": "all" if by_all else "night"} for name, by_all in ways]
    files = list(files_of(names_of(targets, groups), targets, groups, ["b", "c", "b-c", "2004-03-26"]))
    assert len({on_disk(file) for file in files}) == len(files)


@pytest.mark.parametrize("name", ["con", "NUL", "com1", "aux.x", "x" * 300])
def test_names_that_no_file_can_have_get_others(name):
    found = names_of([MAP | {"name": name}], [{"name": "all"}]).of(StackKey(name, "all", "all"))
    assert found.startswith(name[:100] + ("" if len(name) > 100 else "-"))
    assert len(found) <= 150


@pytest.mark.slow
def test_long_and_similar_names_are_reduced_and_shown_by_the_plan(settings_of, crab_store, tmp_path):
    import shutil

    store = shutil.copytree(crab_store, tmp_path / "store")
    table = DataStore.from_dir(store).obs_table
    table.replace_column("OBJECT", ["Vela X 1", "Vela X/1", "A" * 290, "A" * 291, "plain", "plain"])
    table.write(store / "obs-index.fits.gz", overwrite=True)
    by_object = {"name": "o", "by": "observations", "expression": "OBJECT"}
    settings_ = settings_of(
        targets=[MAP | {"name": "x" * 300}],
        observations={"datastore": str(store)},
        groups=[by_object],
        output={"observations": True},
    )
    plan = make_plan(settings_)
    result = run_batch(plan)
    assert result.n_failed == 0
    assert len(result.files) == 5
    counted = [read_fits(path).table("OUTCOMES") for path in result.files]
    assert all(len(table.columns["OBS_ID"]) == 6 for table in counted)
    (tmp_path / "crab.yaml").write_text(settings_.to_yaml())
    shown = CliRunner().invoke(main, ["plan", str(tmp_path / "crab.yaml")]).output
    assert "'Vela X/1'" in shown
    assert "'plain'" not in shown
