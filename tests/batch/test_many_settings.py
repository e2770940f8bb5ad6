"""What settings of targets can say gives the same results for any number of workers, and after an interruption."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from small_reductions import MAP, SPECTRUM, bits_of

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.execution.executors import ProcessExecutor
from lightpool.batch.storage.provenance import read_provenance
from lightpool.config.build import build_dataset
from lightpool.maps import WcsGeom

EXCLUSION = [
    {"regions": "some.reg"},
    {"mask": "mask.fits"},
    {"catalog": "sources.fits", "radius_column": "SIZE", "radius": "0.1 deg"},
    {"stars": "stars.ecsv", "radius": "0.2 deg"},
]
TARGETS = {
    "exclusions of a map and a spectrum": [MAP | {"exclusion": EXCLUSION}, SPECTRUM | {"exclusion": EXCLUSION}],
    "tables of theta squared": [
        MAP | {"name": "mirror", "theta_squared": {"theta_max": "0.3 deg", "nbin": 9}},
        MAP | {"name": "three", "theta_squared": {"off_regions_number": 3, "energy_min": "2 TeV"}},
        MAP | {"name": "one-off", "theta_squared": {"position_off": {"lon": "84.633 deg", "lat": "22.0145 deg"}}},
        SPECTRUM | {"theta_squared": {}},
    ],
    "OFF runs": [
        MAP
        | {
            "name": f"off-{acceptance}",
            "makers": [
                *MAP["makers"][:2],
                {
                    "type": "OffRunsBackgroundMaker",
                    "datastore": "empty",
                    "max_zenith_difference": "60 deg",
                    "acceptance": acceptance,
                },
            ],
        }
        for acceptance in ("background", "livetime")
    ],
    "norms of the background": [
        MAP | {"name": f"norm-{i}", "makers": [*MAP["makers"][:2], {"type": "FoVBackgroundMaker"} | options]}
        for i, options in enumerate(
            (
                {"method": "fit", "tilt": "fit", "reference": "2 TeV"},
                {"tilt": 0.2},
                {"method": "fit", "nodes": ["1.2 TeV", "6 TeV"]},
                {"method": "fit", "node_min_counts": 20},
            )
        )
    ],
    "presets of the safe mask": [
        MAP | {"name": preset, "makers": [MAP["makers"][0], {"type": "SafeMaskMaker", "preset": preset}]}
        for preset in ("effective-area", "energy-bias", "field-of-view")
    ],
}


@pytest.fixture
def folder(tmp_path, monkeypatch, empty_store):
    """Folder of the files that the settings name."""
    monkeypatch.chdir(tmp_path)
    Path("empty").symlink_to(empty_store)
    Path("some.reg").write_text("icrs; circle(83.2, 22.0, 0.15)")
    Table({"RA": [83.633, 84.2], "DEC": [22.0145, 22.4], "SIZE": [0.2, 0.1]}).write("sources.fits")
    Table({"RA": [83.0, 84.0], "DEC": [21.5, 21.5], "Vmag": [3.0, 7.0]}).write("stars.ecsv")
    geom = WcsGeom.create(skydir=(83.633, 22.0145), width=1, binsz=0.05)
    geom.region_mask("icrs; circle(83.5, 22.2, 0.1)", inside=False).write("mask.fits")
    return tmp_path


class StoppedError(Exception):
    """Ends a reduction."""


def stop(record):
    raise StoppedError


def assert_sound_table(result, settings):
    """Check the table of datasets: safe energies are edges, at or within the thresholds that led to them."""
    table = Table.read(result.folder / "datasets.ecsv")
    assert len(table) == 6 * len(settings.targets)
    for target in settings.targets:
        rows = table[table["TARGET"] == target.name]
        edges = build_dataset(target).outline().counts.geom.axes["energy"].edges.to_value("TeV")
        for low, high in rows.iterrows("ENERGY_MIN", "ENERGY_MAX"):
            assert np.isclose(edges, low).any()
            assert np.isclose(edges, high).any()
            assert low < high
        for method in (method for step in target.makers for method in getattr(step, "methods", [])):
            if method != "offset-max":
                found = rows[f"{method.replace('-', '_').upper()}_MIN"]
                assert (found > 0).all()
                assert (found <= rows["ENERGY_MIN"] * (1 + 1e-9)).all()


@pytest.mark.slow
@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_one_and_two_workers_and_a_resumed_reduction_give_the_same_bits(settings_of, folder, targets):
    settings = settings_of("one", targets=targets).resolved(folder)
    result = run_batch(make_plan(settings))
    assert result.n_failed == 0
    before = bits_of(result.folder)
    assert before
    assert_sound_table(result, settings)
    recorded = {file.path for file in read_provenance(result.files[0]).inputs}
    assert {str(file) for file in settings.files} <= recorded
    two = settings_of("two", targets=targets).resolved(folder)
    assert bits_of(run_batch(make_plan(two), ProcessExecutor(2)).folder) == before
    begun = settings_of("begun", targets=targets).resolved(folder)
    with pytest.raises(StoppedError):
        run_batch(make_plan(begun), progress=stop)
    resumed = run_batch(plan_to_resume(begun), resume=True)
    assert resumed.n_reused >= 1
    assert bits_of(resumed.folder) == before
    tables = [
        {path.name: path.read_text() for path in (folder / name).glob("*.ecsv")} for name in ("one", "two", "begun")
    ]
    for each in tables:
        del each["outcomes.ecsv"]  # it has times
    assert tables[0] == tables[1] == tables[2]
