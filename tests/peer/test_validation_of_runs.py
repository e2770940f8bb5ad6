"""`benchmarks/validate.py` compares simulated and real runs, and finds numbers that were changed on purpose."""

import sys
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
import yaml
from astropy.table import Table

from lightpool.makers import MapDatasetMaker

pytestmark = [pytest.mark.peer, pytest.mark.slow]

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CENTER = {"lon": "83.633 deg", "lat": "22.014 deg"}
BINS = {"energy": {"min": "0.5 TeV", "max": "20 TeV", "nbin": 4},
        "energy_true": {"min": "0.3 TeV", "max": "40 TeV", "nbin": 6}}  # fmt: skip


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """Makes the folder of the benchmarks importable, and forgets its modules afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("validation", "validate", "backends"):
            del sys.modules[name]


def sky_map(**more):
    steps = [{"type": "MapDatasetMaker"}, {"type": "SafeMaskMaker", "methods": ["offset-max"], "offset_max": "1.7 deg"}]
    target = {"name": "map", "kind": "map", "center": CENTER, "width": "3 deg", "binsz": "0.1 deg",
              "exclusion": [CENTER | {"radius": "0.35 deg"}],
              "makers": [*steps, {"type": "FoVBackgroundMaker"}]}  # fmt: skip
    return target | BINS | more


def spectrum(**more):
    steps = [{"type": "SpectrumDatasetMaker", "selection": ["counts", "exposure", "edisp"]}]
    steps += [{"type": "ReflectedRegionsBackgroundMaker"}]
    target = {"name": "spectrum", "kind": "spectrum", "region": CENTER | {"radius": "0.15 deg"}, "makers": steps}
    return target | BINS | more


def without_cuts(store, folder):
    """An index of the same files without RAD_MAX, beside which Gammapy takes no other regions."""
    table = Table.read(store / "hdu-index.fits.gz")
    kinds = np.char.strip(np.asarray(table["HDU_TYPE"], dtype=str))
    table = table[kinds != "rad_max"]
    table.write(folder / "hdu-index.fits.gz")
    return folder / "hdu-index.fits.gz"


@pytest.fixture
def validate(crab_store, tmp_path):
    """Run the script on targets; returns its exit status, the page, and the table."""
    from validate import main

    index = without_cuts(crab_store, tmp_path)

    def run(*targets, runs=(1, 2), arguments=()):
        settings = {
            "observations": {"datastore": str(crab_store), "hdu_index": str(index), "obs_ids": list(runs)},
            "targets": list(targets),
            "output": {"folder": "out"},
        }
        file, output = tmp_path / "settings.yaml", tmp_path / "page"
        file.write_text(yaml.safe_dump(settings))
        status = main(["--settings", str(file), "--output", str(output), *arguments])
        return status, (output / "index.md").read_text(), Table.read(output / "validation.ecsv")

    return run


def test_the_targets_of_a_batch_agree_on_simulated_runs(validate, tmp_path):
    status, page, table = validate(sky_map(), spectrum())
    assert status == 0
    assert "all of them agree" in page
    assert "## Not explained" not in page
    assert {str(run) for run in table["run"]} == {"1", "2", "stack"}
    maps = {str(row["quantity"]) for row in table if row["kind"] == "map"}
    assert {"counts", "safe mask", "background", "norm of the background", "exposure", "PSF", "energy dispersion",
            "livetime", "start of good times"} <= maps  # fmt: skip
    spectra = {str(row["quantity"]) for row in table if row["kind"] == "spectrum"}
    assert {
        "OFF counts",
        "acceptance",
        "OFF acceptance",
        "PHA COUNTS",
        "BKG BACKSCAL",
        "ARF SPECRESP",
        "RMF MATRIX",
    } <= spectra
    assert np.all(table["n_filled"][table["quantity"] == "counts"] > 0)
    for name in ("overview.png", "histograms.png", "runs.png", "runs.md"):
        assert (tmp_path / "page" / name).stat().st_size > 1000
    status, _, _ = validate(sky_map(), spectrum(), arguments=["--compare", str(tmp_path / "page" / "validation.ecsv")])
    assert status == 0


def test_every_run_of_a_store_is_compared_without_settings(crab_store, tmp_path, capsys):
    from validate import main

    assert main(["--data", str(crab_store), "--runs", "1", "--output", str(tmp_path)]) == 0
    assert ", 0 not explained" in capsys.readouterr().out


CHANGES = {
    "exposure": lambda dataset: np.multiply(dataset.exposure.data, 1 + 3e-9, out=dataset.exposure.data),
    "counts": lambda dataset: np.add.at(dataset.counts.data, (0, 3, 4), 1),
    "background": lambda dataset: np.multiply.at(dataset.background.data, (1, 7, 7), 1 + 1e-8),
    "safe mask": lambda dataset: np.logical_not.at(dataset.mask_safe.data, (2, 15, 15)),
    "PSF": lambda dataset: np.multiply(dataset.psf.psf_map.data, 1 + 3e-9, out=dataset.psf.psf_map.data),
    "energy dispersion": lambda dataset: np.add.at(dataset.edisp.edisp_map.data, (3, 2, 5, 5), 1e-8),
    "livetime": lambda dataset: dataset.exposure.meta.update(livetime=dataset.exposure.meta["livetime"] + 1e-4 * u.s),
}


@pytest.mark.parametrize("quantity", CHANGES)
def test_a_number_that_was_changed_on_purpose_is_found(validate, monkeypatch, quantity, capsys):
    from validation.reducing import Reduction

    plain = Reduction.run

    def changed(self, observation):
        dataset = plain(self, observation)
        if self.package == "lightpool" and observation.obs_id == 2:
            for data in (dataset.exposure, dataset.counts, dataset.background, dataset.mask_safe,
                         dataset.psf.psf_map, dataset.edisp.edisp_map):  # fmt: skip
                data.data = np.array(data.data)  # which may be read-only
            CHANGES[quantity](dataset)
        return dataset

    monkeypatch.setattr(Reduction, "run", changed)
    status, page, table = validate(sky_map())
    assert status == 1
    assert "## Not explained" in page
    wrong = table[table["outcome"] == "differs"]
    assert (2, quantity) in {(int(row["run"]), str(row["quantity"])) for row in wrong if row["run"] != "stack"}
    assert not any(row["run"] == "1" for row in wrong)
    related = {"background": {"background times norm", "norm of the background"}}
    related["counts"] = {"norm of the background", "background times norm"}
    found = {str(row["quantity"]) for row in wrong if row["run"] != "stack"}
    assert found <= {quantity} | related.get(quantity, set())
    assert f"not explained: map, map, 2, {quantity}: differs" in capsys.readouterr().out


@pytest.mark.parametrize("package", ["lightpool", "gammapy"])
def test_a_run_that_fails_in_one_package_is_reported_and_the_others_go_on(validate, monkeypatch, package):
    from importlib import import_module

    maker = import_module(f"{package}.makers").MapDatasetMaker
    plain = maker.run

    def failing(self, dataset, observation):
        if observation.obs_id == 2:
            raise RuntimeError("the mirror | is cracked")
        return plain(self, dataset, observation)

    monkeypatch.setattr(maker, "run", failing)
    status, page, table = validate(sky_map(), runs=(1, 2, 3))
    assert status == 1
    failed = table[table["outcome"] == "failed"]
    assert [str(run) for run in failed["run"]] == ["2"]
    assert "the mirror | is cracked" in failed["note"][0]
    assert "the mirror \\| is cracked" in page
    assert {"1", "3", "stack"} <= {str(run) for run in table["run"]}


def test_a_run_that_fails_in_both_and_a_target_that_gammapy_cannot_do_are_listed_as_not_compared(validate, monkeypatch):
    from validation.reducing import Reduction

    plain = Reduction.observation

    def failing(self, run):
        if run == 3:
            raise OSError("the disk is full of sand")
        return plain(self, run)

    monkeypatch.setattr(Reduction, "observation", failing)
    only_here = sky_map(name="nodes")
    only_here["makers"][-1] = {"type": "FoVBackgroundMaker", "method": "fit", "node_min_counts": 100}
    status, page, table = validate(sky_map(), only_here, runs=(1, 3))
    assert status == 0
    left_out = {(str(row["kind"]), str(row["run"])) for row in table if row["outcome"] == "not compared"}
    assert left_out == {("map", "3"), ("nodes", "all")}
    assert "FoVBackgroundMaker of Gammapy has no node_min_counts" in page
    assert "Gammapy: OSError in failing: the disk is full of sand" in page


def test_a_step_that_differs_on_purpose_is_explained(validate):
    fit = sky_map()
    fit["makers"][-1] = {"type": "FoVBackgroundMaker", "method": "fit", "tilt": "fit"}
    status, page, table = validate(fit, runs=(1,))
    assert status == 0
    explained = table[table["outcome"] == "explained"]
    assert {"norm of the background", "tilt of the background"} <= {str(name) for name in explained["quantity"]}
    assert "differences.md#" in page


def test_both_packages_get_the_makers_of_the_settings():
    from validation.cases import Case, targets_of
    from validation.reducing import Reduction

    case = Case(kind="map", field="map", folder=Path(), runs=(1,), target=targets_of(sky_map()))
    ours, theirs = (Reduction(case, package) for package in ("lightpool", "gammapy"))
    assert isinstance(ours.maker.makers[0], MapDatasetMaker)
    assert type(theirs.maker.makers[0]).__module__.startswith("gammapy.")
    for one, other in zip(ours.maker.makers, theirs.maker.makers, strict=True):
        assert type(one).__name__ == type(other).__name__
    assert ours.maker.makers[1].offset_max == theirs.maker.makers[1].offset_max == 1.7 * u.deg
    assert np.array_equal(ours.maker.makers[2].exclusion_mask.data, theirs.maker.makers[2].exclusion_mask.data)


@pytest.mark.reference
def test_real_runs_agree_or_are_explained(shared):
    from validation.cases import default_cases
    from validation.running import run_cases

    cases = default_cases(shared / "data", runs=[23523, 5029747, 110380])
    assert {case.kind.split()[0] for case in cases} == {"H.E.S.S.", "MAGIC", "CTA-1DC"}
    results = run_cases(cases, say=lambda line: None)
    assert results.is_good, results.unexplained
    background = [row for row in results.rows if row.kind.endswith("30 TeV") and row.quantity == "background"]
    assert [row.outcome for row in background] == ["explained"]
    assert background[0].n_beyond_safe == 0
