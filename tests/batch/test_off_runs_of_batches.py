"""OFF runs in settings: the dataset is that of OffRunsBackgroundMaker, and their files are inputs."""

import shutil
from pathlib import Path

import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_reductions import MAP, bits_of

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.storage.provenance import read_provenance
from lightpool.config import Settings
from lightpool.config.build import build_exclusion, build_reduction
from lightpool.data import DataStore
from lightpool.datasets import MapDatasetOnOff
from lightpool.errors import ConfigError
from lightpool.makers import DatasetsMaker, MapDatasetMaker, OffRunsBackgroundMaker, SafeMaskMaker

EXCLUSION = {"exclusion": [{"lon": "83.633 deg", "lat": "22.0145 deg", "radius": "0.3 deg"}]}


@pytest.fixture
def off_store(empty_store, tmp_path):
    return Path(shutil.copytree(empty_store, tmp_path / "off"))


def with_off(store, **options):
    step = {"type": "OffRunsBackgroundMaker", "datastore": str(store), "max_zenith_difference": "60 deg"} | options
    return MAP | {"makers": [*MAP["makers"][:2], step]}


@pytest.mark.slow
def test_the_dataset_is_that_of_the_maker(settings_of, crab_store, off_store):
    target = with_off(off_store, obs_ids=[2, 3, 4], select="OBS_ID < 4") | EXCLUSION
    settings = settings_of(
        targets=[target], observations={"obs_ids": [1]}, output={"observations": True, "folder": str(off_store / "out")}
    )
    result = run_batch(make_plan(settings))
    found = MapDatasetOnOff.read(next((result.folder / "observations").glob("*.fits*")))
    observation = DataStore.from_dir(crab_store).obs(1)
    off_runs = DataStore.from_dir(off_store).get_observations([2, 3])
    mask = build_exclusion(settings.targets[0])
    makers = [
        MapDatasetMaker(),
        SafeMaskMaker(["offset-max"], offset_max="1.5 deg"),
        OffRunsBackgroundMaker(off_runs, "60 deg", exclusion_mask=mask),
    ]
    expected = DatasetsMaker(makers).make_dataset(build_reduction(settings.targets[0])[0], observation, name="on")
    assert found.counts_off.data.sum() > 100
    assert_array_equal(found.counts_off.data, expected.counts_off.data)
    assert_allclose(found.acceptance_off.data, expected.acceptance_off.data, rtol=1e-6)
    assert_array_equal(found.mask_safe.data, expected.mask_safe.data)


@pytest.mark.slow
def test_files_of_off_runs_are_inputs_and_a_change_is_noticed(settings_of, off_store, empty_store, caplog):
    settings = settings_of(targets=[with_off(off_store)])
    result = run_batch(make_plan(settings))
    before = bits_of(result.folder)
    used = {file.path for file in read_provenance(result.files[0]).inputs}
    assert {str(path) for path in (off_store / "data").glob("*.fits*")} <= used
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 3
    # In the same process, with the same settings: the runs in memory are not those of the file any more.
    name = "data/run_000002.fits.gz"
    shutil.copy(empty_store / "data" / "run_000003.fits.gz", off_store / name)
    changed = run_batch(plan_to_resume(settings), resume=True)
    assert changed.n_reused == 0
    assert f"input files have changed: {off_store / name}" in caplog.text
    fresh = run_batch(make_plan(settings_of("fresh", targets=[with_off(off_store)])))
    assert bits_of(changed.folder) == bits_of(fresh.folder) != before


@pytest.mark.slow
def test_a_moved_store_is_no_change_and_another_selection_is_one(settings_of, off_store, tmp_path):
    settings = settings_of(targets=[with_off(off_store)])
    run_batch(make_plan(settings))
    moved = Path(shutil.copytree(off_store, tmp_path / "moved"))
    there = settings_of(targets=[with_off(moved)])
    assert there.hash() == settings.hash()
    assert run_batch(plan_to_resume(there), resume=True).n_reused == 3
    # The index of the store loses a run: the settings are the same, the OFF runs are not.
    index = DataStore.from_dir(moved).hdu_table
    index[[number != 4 for number in index["OBS_ID"]]].write(moved / "hdu-index.fits.gz", overwrite=True)
    assert run_batch(plan_to_resume(there), resume=True).n_reused == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"obs_ids": [99]}, "OffRunsBackgroundMaker cannot be used"),
        ({"select": "OBS_ID > 99"}, "no OFF run is left"),
        ({"select": "NOTHING > 99"}, "NOTHING"),
        ({"datastore": "/none"}, "OffRunsBackgroundMaker cannot be used"),
        ({"obs_ids": []}, "obs_ids"),
        ({"max_time_difference": "3 deg"}, "max_time_difference"),
        ({"acceptance": "exposure"}, "acceptance"),
    ],
)
def test_off_runs_that_cannot_be_used_are_refused_by_the_plan(settings_of, empty_store, options, message):
    with pytest.raises(ConfigError) as caught:
        make_plan(settings_of(targets=[with_off(empty_store, **options)]))
    assert message in str(caught.value)


def test_the_path_of_the_store_is_relative_to_the_settings(tmp_path, settings_of):
    settings = settings_of(targets=[with_off("off")]).resolved(tmp_path)
    assert settings.targets[0].makers[2].datastore == str(tmp_path / "off")
    assert settings.files == []
    assert Settings.from_dict(settings.to_dict()) == settings
