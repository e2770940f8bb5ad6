"""Each file tells where it comes from: results, sums of results, datasets of single observations."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_reductions import MAP, SPECTRUM

from lightpool.batch import make_plan, run_batch
from lightpool.batch.stack_files import stack_files
from lightpool.batch.storage.files import sha256_of
from lightpool.batch.storage.provenance import read_provenance
from lightpool.cli import main
from lightpool.datasets import MapDataset
from lightpool.errors import ConfigError


@pytest.fixture
def two_halves(settings_of):
    """Results of two reductions, a map and a spectrum each."""
    options = {"targets": [MAP, SPECTRUM]}
    halves = [
        run_batch(make_plan(settings_of(name, observations={"obs_ids": obs_ids}, **options)))
        for name, obs_ids in (("first", [1, 2]), ("second", [3]))
    ]
    return [half.files for half in halves]


@pytest.mark.slow
def test_the_dataset_of_an_observation_tells_its_outcome_and_its_inputs(settings_of):
    settings = settings_of(
        targets=[MAP, SPECTRUM],
        observations={"obs_ids": [1, 2]},
        output={"observations": True},
        run={"on_error": "raise"},
    )
    result = run_batch(make_plan(settings))
    for obs_id in (1, 2):
        for name in (f"{obs_id}-crab.fits", f"pha_{obs_id}-spectrum.fits"):
            told = read_provenance(result.folder / "observations" / name)
            assert [(outcome.obs_id, outcome.status) for outcome in told.outcomes] == [(obs_id, "done")]
            assert told.outcomes[0].seconds > 0
            assert [Path(file.path).name for file in told.inputs] == [f"run_00000{obs_id}.fits.gz"]
            assert told.to_repeat().observations.obs_ids == [obs_id]
    entities = json.loads((result.folder / "provenance.json").read_text())["entity"]
    for path in (result.folder / "observations").iterdir():
        assert entities[f"lp:result-observations/{path.name}"]["lp:sha256"] == sha256_of(path)


@pytest.mark.slow
def test_a_sum_of_files_tells_its_files_and_their_outcomes(two_halves, tmp_path):
    for number, name in enumerate(("sum.fits.gz", "pha_sum.fits")):
        paths = [files[number] for files in two_halves]
        stack_files(paths, tmp_path / name)
        told = read_provenance(tmp_path / name)
        assert [outcome.obs_id for outcome in told.outcomes] == [1, 2, 3]
        inputs = {file.path: file.sha256 for file in told.inputs}
        assert inputs.items() >= {str(path): sha256_of(path) for path in paths}.items()
        assert len(inputs) == (2, 8)[number], "spectra are sets of four files"
        assert "lightpool" in told.versions
        document = json.loads((tmp_path / f"{name.partition('.')[0]}.provenance.json").read_text())
        assert document["entity"][f"lp:result-{name}"]["lp:sha256"] == sha256_of(tmp_path / name)
        assert document["entity"]["lp:observation-3"]["lp:status"] == "done"
        assert len(document["used"]) == len(inputs)
        with pytest.raises(ConfigError, match="a sum of files has no settings to repeat"):
            told.to_repeat()


@pytest.mark.slow
def test_a_sum_of_sums_has_each_outcome_once_and_files_without_are_taken(two_halves, tmp_path):
    maps = [files[0] for files in two_halves]
    MapDataset.read(maps[0]).write(tmp_path / "plain.fits")
    stack_files([tmp_path / "plain.fits", maps[0]], tmp_path / "one.fits", allow_duplicates=True)
    stack_files([tmp_path / "one.fits", *maps], tmp_path / "all.fits", allow_duplicates=True)
    assert [outcome.obs_id for outcome in read_provenance(tmp_path / "all.fits").outcomes] == [1, 2, 3]
    stack_files([tmp_path / "plain.fits"], tmp_path / "none.fits")
    assert read_provenance(tmp_path / "none.fits").outcomes == ()


@pytest.mark.slow
def test_info_shows_where_a_sum_comes_from(two_halves, tmp_path):
    maps = [str(files[0]) for files in two_halves]
    done = CliRunner().invoke(main, ["stack", *maps, "-o", str(tmp_path / "sum.fits")])
    assert done.exit_code == 0, done.output
    again = CliRunner().invoke(main, ["stack", *maps, "-o", str(tmp_path / "sum.fits")])
    assert again.exit_code == 1
    assert "--overwrite" in again.output
    shown = CliRunner().invoke(main, ["info", str(tmp_path / "sum.fits")])
    assert "3 observations, of which 0 failed" in shown.output
    for path in maps:
        assert f"{sha256_of(Path(path))[:12]}  {path}" in shown.output
    document = json.loads(CliRunner().invoke(main, ["info", "--json", str(tmp_path / "sum.fits")]).stdout)
    assert "lp:stack" in document["activity"]
    repeated = CliRunner().invoke(main, ["reduce", "--from", str(tmp_path / "sum.fits"), "-o", str(tmp_path / "x")])
    assert repeated.exit_code == 2
    assert "a sum of files has no settings" in repeated.output
