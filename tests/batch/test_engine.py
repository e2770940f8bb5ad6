"""A reduction from its plan to its files: the same whoever does it, and however often it is stopped."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from small_reductions import MAP, SPECTRUM, bits_of

import lightpool
from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.execution import reduce_chunk as reduce_module
from lightpool.batch.execution.chunk import run_chunk
from lightpool.batch.execution.executors import ProcessExecutor
from lightpool.batch.storage import code_version as code_version_module
from lightpool.batch.storage.code_version import code_version
from lightpool.batch.storage.folder import BatchFolder
from lightpool.batch.storage.provenance import read_provenance
from lightpool.data import DataStore
from lightpool.datasets import MapDataset, SpectrumDatasetOnOff
from lightpool.errors import ConfigError, OutOfMemoryError, ReductionError, ResumeError, WorkerDiedError
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.simulate import simulate_store


@pytest.fixture
def reference(settings_of):
    """Bits of the results of a reduction that nothing disturbed."""
    settings = settings_of("reference", targets=[MAP, SPECTRUM])
    run_batch(make_plan(settings))
    return bits_of(Path(settings.output.folder))


def test_the_result_is_that_of_the_makers(settings_of, crab_store):
    result = run_batch(make_plan(settings_of()))
    assert [outcome.status for outcome in result.outcomes] == ["done"] * 6
    stack = MapDataset.read(result.files[0])
    observations = DataStore.from_dir(crab_store).get_observations()
    makers = [MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.5 deg"), FoVBackgroundMaker()]
    empty = MapDataset.from_geoms(**stack.geoms)
    expected = DatasetsMaker(makers).run(empty, observations)[0]
    for name in ("counts", "background", "exposure", "mask_safe"):
        np.testing.assert_allclose(getattr(stack, name).data, getattr(expected, name).data, rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(stack.psf.psf_map.data, expected.psf.psf_map.data, rtol=1e-9)
    np.testing.assert_allclose(stack.edisp.edisp_map.data, expected.edisp.edisp_map.data, rtol=1e-9, atol=1e-15)
    assert stack.gti.time_sum == expected.gti.time_sum


def test_maps_and_spectra_come_out_of_one_pass(settings_of):
    result = run_batch(make_plan(settings_of(targets=[MAP, SPECTRUM])))
    assert [file.name for file in result.files] == ["crab.fits", "pha_spectrum.fits"]
    spectrum = SpectrumDatasetOnOff.read(result.files[1])
    assert spectrum.counts.data.sum() > 0
    assert spectrum.counts_off.data.sum() > 0


@pytest.mark.slow
def test_processes_give_the_same_bits(settings_of, reference):
    settings = settings_of("processes", targets=[MAP, SPECTRUM])
    run_batch(make_plan(settings), ProcessExecutor(2))
    assert bits_of(Path(settings.output.folder)) == reference


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [None, "local:1"])
def test_what_workers_log_comes_out_where_they_were_started(settings_of, tmp_path, caplog, capfd, cluster):
    from lightpool.batch.execution.dask_cluster import dask_cluster

    store = simulate_store(tmp_path / "store", 2, seed=3, ontime=60)
    (store / "data" / "run_000002.fits.gz").write_bytes(b"junk")
    settings = settings_of(observations={"datastore": str(store)}, run={"on_error": "retry", "retries": 1})
    with nullcontext(ProcessExecutor(2)) if cluster is None else dask_cluster(cluster) as executor:
        run_batch(make_plan(settings), executor)
    for number in (1, 2):
        assert f"observation 2, attempt {number} of 2: FormatError" in caplog.text
    assert "FormatError" not in capfd.readouterr().err


@pytest.mark.slow
def test_dask_workers_give_the_same_bits(settings_of, reference):
    from lightpool.batch.execution.dask_cluster import dask_cluster

    settings = settings_of("dask", targets=[MAP, SPECTRUM])
    with dask_cluster("local:1") as executor:
        run_batch(make_plan(settings), executor)
    assert bits_of(Path(settings.output.folder)) == reference


@pytest.mark.parametrize("name", ["here", "local:", "local:many", "local:0", "slurm", "http://x"])
def test_an_unknown_cluster_is_refused(name):
    from lightpool.batch.execution.dask_cluster import dask_cluster

    with pytest.raises(
        ConfigError, match="valid clusters are tcp://HOST:PORT, tls://HOST:PORT, local:N, slurm:N and cuda"
    ):
        dask_cluster(name).__enter__()


@pytest.mark.slow
def test_a_scheduler_that_ends_is_one_line(settings_of, monkeypatch):
    distributed = pytest.importorskip("distributed")
    from lightpool.batch.execution.dask_cluster import DaskExecutor

    class Lost:
        def result(self):
            raise distributed.client.FutureCancelledError("key", "scheduler-connection-lost")

    class Client:
        def submit(self, *args, **kwargs):
            return Lost()

        def cancel(self, futures):
            pass

    monkeypatch.setattr(distributed, "as_completed", lambda futures, timeout: iter(futures))
    with pytest.raises(
        WorkerDiedError, match="stopped before the work was finished: key cancelled for reason: scheduler"
    ):
        run_batch(make_plan(settings_of()), DaskExecutor(Client()))


@pytest.mark.slow
def test_finished_chunks_are_not_done_again(settings_of, monkeypatch, reference):
    settings = settings_of(targets=[MAP, SPECTRUM])
    folder = BatchFolder(Path(settings.output.folder))
    done = []

    class Stopped:
        def run(self, tasks):
            for task in tasks[:2]:
                done.append(task.key)
                yield run_chunk(task)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(make_plan(settings), Stopped())
    assert not list(folder.path.glob("*.fits"))
    result = run_batch(plan_to_resume(settings), resume=True)
    assert result.n_reused == 2
    assert bits_of(folder.path) == reference


def test_a_begun_reduction_is_not_written_over(settings_of):
    settings = settings_of()
    run_batch(make_plan(settings))
    with pytest.raises(ResumeError, match="use --resume to continue it, or --restart to discard it"):
        run_batch(make_plan(settings))
    assert run_batch(make_plan(settings), restart=True).n_reused == 0


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"targets": [MAP | {"center": {"lon": "83 deg", "lat": "100 deg"}}]}, "targets.0.center.lat: got '100 deg'"),
        ({"targets": [MAP | {"proj": "XYZ"}]}, "targets.0.proj: got 'XYZ'"),
        ({"targets": [MAP | {"exclusion_file": "none.fits"}]}, "exclusion_file cannot be used: no file none.fits"),
        ({"groups": [{"name": "a", "by": "observations", "expression": "ZENITH"}]}, "no column 'ZENITH'"),
        ({"groups": [{"name": "a", "by": "observations", "expression": "ZEN_PNT <"}]}, "cannot be read"),
        (
            {"groups": [{"name": "a", "by": "observations", "expression": "OBJECT", "edges": [0, 1]}]},
            "cannot be binned by edges",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_the_plan(settings_of, sections, message):
    with pytest.raises(ConfigError, match=message):
        make_plan(settings_of(**sections))


def test_a_plan_takes_conditions_on_texts_and_offsets(settings_of):
    texts = ("OBJECT", "OBJECT == 'Crab' and OFFSET < 1", "OFFSET + ZEN_PNT")
    groups = [{"name": f"a{i}", "by": "observations", "expression": text} for i, text in enumerate(texts)]
    assert len(make_plan(settings_of(groups=groups)).obs_ids) == 6


def test_a_changed_setting_is_named(settings_of):
    run_batch(make_plan(settings_of()))
    with pytest.raises(ResumeError, match=r"targets\.0\.width was '2 deg', now '3 deg'"):
        plan_to_resume(settings_of(targets=[MAP | {"width": "3 deg"}]))


def test_settings_that_change_no_number_may_change(settings_of):
    run_batch(make_plan(settings_of()))
    settings = settings_of(run={"on_error": "retry", "read_ahead": 0})
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 3


@pytest.mark.slow
def test_nothing_that_is_read_ahead_changes_a_bit(settings_of, reference):
    settings = settings_of("plain", targets=[MAP, SPECTRUM], run={"read_ahead": 0})
    assert bits_of(run_batch(make_plan(settings)).folder) == reference


@pytest.mark.slow
def test_a_changed_input_is_noticed_and_named(settings_of, tmp_path, caplog):
    store = simulate_store(tmp_path / "store", 4, seed=3)
    settings = settings_of(observations={"datastore": str(store)})
    run_batch(make_plan(settings))
    other = simulate_store(tmp_path / "other", 4, seed=4)
    name = "data/run_000003.fits.gz"
    (store / name).write_bytes((other / name).read_bytes())
    result = run_batch(plan_to_resume(settings), resume=True)
    assert result.n_reused == 1
    assert "observations 3 to 4 are reduced again: input files have changed" in caplog.text
    assert "run_000003.fits.gz" in caplog.text
    (store / name).touch()  # a new time with the same bytes is no change
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 2


@pytest.mark.slow
def test_another_store_is_noticed_and_a_moved_one_is_not(settings_of, tmp_path, caplog):
    store = simulate_store(tmp_path / "store", 2, seed=3)
    run_batch(make_plan(settings_of(observations={"datastore": str(store)})))
    moved = settings_of(observations={"datastore": str(store.rename(tmp_path / "moved"))})
    assert run_batch(plan_to_resume(moved), resume=True).n_reused == 1
    other = settings_of(observations={"datastore": str(simulate_store(tmp_path / "other", 2, seed=4))})
    result = run_batch(plan_to_resume(other), resume=True)
    assert result.n_reused == 0
    assert f"input files have changed: {tmp_path}/other/data/run_000001.fits.gz" in caplog.text
    fresh = run_batch(make_plan(settings_of("fresh", observations=other.observations.model_dump(exclude_none=True))))
    assert bits_of(result.folder) == bits_of(fresh.folder)


@pytest.mark.slow
def test_an_index_that_names_other_responses_is_noticed(settings_of, tmp_path, caplog):
    store = simulate_store(tmp_path / "store", 4, seed=3)
    settings = settings_of(observations={"datastore": str(store)})
    run_batch(make_plan(settings))
    with fits.open(store / "hdu-index.fits.gz", mode="update") as hdus:
        rows = hdus[1].data
        rows["FILE_NAME"][(rows["OBS_ID"] == 3) & (rows["HDU_TYPE"] == "aeff")] = "run_000004.fits.gz"
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 1
    assert (
        "observations 3 to 4 are reduced again: their entries in the index of the data store have changed"
        in caplog.text
    )


@pytest.mark.slow
def test_a_changed_exclusion_file_is_noticed(settings_of, tmp_path, caplog):
    regions = tmp_path / "exclusion.reg"
    regions.write_text("icrs; circle(83.633, 22.0145, 0.2)")
    settings = settings_of(targets=[MAP | {"exclusion_file": str(regions)}])
    run_batch(make_plan(settings))
    regions.write_text("icrs; circle(83.633, 22.0145, 0.5)")
    result = run_batch(plan_to_resume(settings), resume=True)
    assert result.n_reused == 0
    assert f"input files have changed: {regions}" in caplog.text
    fresh = settings_of("fresh", targets=[MAP | {"exclusion_file": str(regions)}])
    assert bits_of(result.folder) == bits_of(run_batch(make_plan(fresh)).folder)


@pytest.mark.slow
def test_other_code_is_noticed_and_told(settings_of, monkeypatch, caplog):
    settings = settings_of()
    run_batch(make_plan(settings))
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 3
    assert "reduced again" not in caplog.text
    before = code_version()
    monkeypatch.setattr(code_version_module, "code_version", lambda: "0.1.0+source.other")
    result = run_batch(plan_to_resume(settings), resume=True)
    assert result.n_reused == 0
    assert "all observations are reduced again" in caplog.text
    assert f"was started by lightpool {before}, and this is 0.1.0+source.other" in caplog.text
    assert read_provenance(result.files[0]).versions["lightpool"] == "0.1.0+source.other"


def test_the_code_version_changes_with_a_source_file(monkeypatch, tmp_path):
    package = tmp_path / "lightpool"
    (package / "batch").mkdir(parents=True)
    for name in ("__init__.py", "batch/engine.py", "kernels.cu"):
        (package / name).write_text("x = 1\n")
    monkeypatch.setattr(lightpool, "__file__", str(package / "__init__.py"))
    found = {code_version.__wrapped__()}
    (package / "batch" / "engine.pyc").write_text("what Python made of it")
    assert {code_version.__wrapped__()} == found
    for name in ("batch/engine.py", "kernels.cu"):
        (package / name).write_text("x = 2\n")
        found.add(code_version.__wrapped__())
    assert len(found) == 3
    assert all(version.startswith(f"{lightpool.__version__}+source.") for version in found)


@pytest.mark.slow
def test_a_process_that_lives_on_sees_new_observations(settings_of, tmp_path):
    store = simulate_store(tmp_path / "store", 2, seed=3)
    settings = settings_of(observations={"datastore": str(store)})
    assert run_batch(make_plan(settings)).n_failed == 0
    simulate_store(store, 4, seed=3, overwrite=True)
    result = run_batch(plan_to_resume(settings), resume=True)
    assert [outcome.status for outcome in result.outcomes] == ["done"] * 4


@pytest.mark.slow
def test_damaged_sums_are_made_again(settings_of, reference, caplog):
    settings = settings_of(targets=[MAP, SPECTRUM])
    folder = BatchFolder(Path(settings.output.folder))
    run_batch(make_plan(settings))
    first, second, _ = sorted(folder.chunks.glob("*.zip"))
    first.write_bytes(first.read_bytes()[:-100])
    second.unlink()
    result = run_batch(plan_to_resume(settings), resume=True)
    assert result.n_reused == 1
    assert "their sums are missing or damaged" in caplog.text
    assert bits_of(folder.path) == reference


@pytest.mark.slow
def test_new_nights_are_a_resume_with_more_runs(settings_of):
    settings = settings_of(observations={"obs_ids": [1, 2, 3]})
    run_batch(make_plan(settings))
    more = settings_of(observations={"obs_ids": [6, 1, 2, 3, 5]})
    plan = plan_to_resume(more)
    assert plan.chunks == ((1, 2), (3, 6), (5,))
    assert run_batch(plan, resume=True).n_reused == 1
    fresh = settings_of("fresh", observations={"obs_ids": [1, 2, 3, 6, 5]})
    run_batch(make_plan(fresh))
    assert bits_of(Path(more.output.folder)) == bits_of(Path(fresh.output.folder))


def test_observations_that_are_no_longer_asked_for_are_left_out(settings_of):
    run_batch(make_plan(settings_of()))
    fewer = settings_of(observations={"obs_ids": [1, 2, 4, 5, 6]})
    result = run_batch(plan_to_resume(fewer), resume=True)
    assert result.n_reused == 2
    assert [outcome.obs_id for outcome in result.outcomes] == [1, 2, 4, 5, 6]


def failing(monkeypatch, obs_id, error, n_time=-1, on_region=None):
    """Let one observation fail some times, on all targets or on those with or without a region alone."""
    plain, n_call = DatasetsMaker.make_dataset, [0]

    def make_dataset(self, dataset, observation, name):
        if observation.obs_id != obs_id or n_call[0] == n_time or on_region not in (None, dataset.geom.is_region):
            return plain(self, dataset, observation, name)
        n_call[0] += 1
        try:
            raise error
        except type(error) as cause:
            raise ReductionError(obs_id, "MapDatasetMaker", cause) from cause

    monkeypatch.setattr(DatasetsMaker, "make_dataset", make_dataset)


def test_an_observation_that_fails_is_named_and_the_others_are_there(settings_of, monkeypatch):
    failing(monkeypatch, 3, ValueError("no such column"))
    result = run_batch(make_plan(settings_of()))
    statuses = {outcome.obs_id: outcome.status for outcome in result.outcomes}
    assert statuses == {1: "done", 2: "done", 3: "failed", 4: "done", 5: "done", 6: "done"}
    outcome = result.outcomes[2]
    assert (outcome.step, outcome.error) == ("MapDatasetMaker", "ValueError: no such column")
    assert "make_dataset" in outcome.traceback
    assert MapDataset.read(result.files[0]).meta_table["OBS_ID"][0].tolist() == [1, 2, 4, 5, 6]


@pytest.mark.slow
def test_what_makers_warn_of_names_the_observation_and_the_stack(settings_of, caplog):
    makers = [*MAP["makers"][:2], {"type": "FoVBackgroundMaker", "min_counts": 1_000_000}]
    reflected = {"type": "ReflectedRegionsBackgroundMaker", "min_region_number": 1000}
    spectrum = SPECTRUM | {"makers": [SPECTRUM["makers"][0], reflected]}
    groups = [{"name": "energy", "by": "events", "expression": "ENERGY", "edges": [1, 2, 100]}]
    options = {"targets": [MAP | {"makers": makers}, spectrum], "observations": {"obs_ids": [2, 5]}}
    result = run_batch(make_plan(settings_of(output={"observations": True}, groups=groups, **options)))
    for obs_id, group in product((2, 5), ("1-2", "2-100")):
        assert f"dataset {obs_id}-crab-energy-{group}: background not normalised" in caplog.text
        name = f"{obs_id}-spectrum-energy-{group}"
        assert f"dataset {name}: without OFF counts" in caplog.text
        assert SpectrumDatasetOnOff.read(result.folder / "observations" / f"pha_{name}.fits").name == name


def test_an_observation_that_fails_on_one_target_is_in_none(settings_of, monkeypatch):
    failing(monkeypatch, 3, ValueError("bad"), on_region=True)
    result = run_batch(make_plan(settings_of(targets=[MAP, SPECTRUM])))
    assert [outcome.obs_id for outcome in result.outcomes if outcome.status == "failed"] == [3]
    assert MapDataset.read(result.files[0]).meta_table["OBS_ID"][0].tolist() == [1, 2, 4, 5, 6]


def test_on_error_raise_names_the_observation_and_keeps_finished_chunks(settings_of, monkeypatch):
    failing(monkeypatch, 3, ValueError("bad"))
    settings = settings_of(run={"on_error": "raise"})
    with pytest.raises(ReductionError, match="observation 3: MapDatasetMaker failed with ValueError: bad"):
        run_batch(make_plan(settings))
    monkeypatch.undo()
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 1


def test_retry_tries_again(settings_of, monkeypatch):
    failing(monkeypatch, 3, OSError("the disk is away"), n_time=2)
    result = run_batch(make_plan(settings_of(run={"on_error": "retry", "retries": 2})))
    assert [outcome.n_try for outcome in result.outcomes] == [1, 1, 3, 1, 1, 1]
    assert result.n_failed == 0


@pytest.mark.slow
def test_what_failed_is_tried_again_at_a_resume(settings_of, monkeypatch, reference):
    settings = settings_of(targets=[MAP, SPECTRUM])
    with monkeypatch.context() as patch:
        failing(patch, 3, OSError("away"))
        assert run_batch(make_plan(settings)).n_failed == 1
    result = run_batch(plan_to_resume(settings), resume=True)
    assert (result.n_failed, result.n_reused) == (0, 2)
    assert bits_of(Path(settings.output.folder)) == reference


@pytest.mark.slow
def test_without_memory_halves_are_tried_and_then_the_cpu(settings_of, monkeypatch):
    asked = []
    plain = reduce_module.Reducer.reduce

    def reduce(self, obs_ids, keep=None):
        asked.append((str(self.device), tuple(obs_ids)))
        if self.device.name == "strict" and (len(obs_ids) > 1 or obs_ids[0] == 2):
            raise OutOfMemoryError("no memory")
        return plain(self, obs_ids, keep)

    monkeypatch.setattr(reduce_module.Reducer, "reduce", reduce)
    settings = settings_of(observations={"obs_ids": [1, 2]}, run={"device": "strict", "cpu_fallback": True})
    result = run_batch(make_plan(settings))
    assert asked == [("strict", (1, 2)), ("strict", (1,)), ("strict", (2,)), ("cpu", (2,))]
    assert [(outcome.status, outcome.device) for outcome in result.outcomes] == [("done", "strict"), ("done", "cpu")]
    settings = settings_of("no fallback", observations={"obs_ids": [1, 2]}, run={"device": "strict"})
    result = run_batch(make_plan(settings))
    assert [outcome.status for outcome in result.outcomes] == ["done", "failed"]
    assert result.outcomes[1].error == "OutOfMemoryError: no memory"


def test_what_lies_outside_is_empty_and_not_failed(settings_of):
    far = MAP | {"center": {"lon": "10 deg", "lat": "-50 deg"}}
    result = run_batch(make_plan(settings_of(targets=[far])))
    assert {outcome.status for outcome in result.outcomes} == {"empty"}
    assert result.files == []


def test_a_spectrum_to_which_no_observation_contributes_is_told_and_the_others_are_written(settings_of, caplog):
    alone = {"type": "ReflectedRegionsBackgroundMaker", "min_region_number": 1000}
    spectrum = SPECTRUM | {"makers": [SPECTRUM["makers"][0], alone]}
    result = run_batch(make_plan(settings_of(targets=[MAP, spectrum], observations={"obs_ids": [1]})))
    assert [file.name for file in result.files] == ["crab.fits"]
    assert "spectrum is not written: no observation contributes to it" in caplog.text


@pytest.mark.slow
def test_datasets_of_observations_are_written_if_asked_for(settings_of):
    settings = settings_of(observations={"obs_ids": [1, 2]}, output={"observations": True})
    result = run_batch(make_plan(settings))
    paths = sorted((result.folder / "observations").iterdir())
    assert [path.name for path in paths] == ["1-crab.fits", "2-crab.fits"]
    counts = sum(MapDataset.read(path).to_masked().counts.data for path in paths)
    np.testing.assert_array_equal(counts, MapDataset.read(result.files[0]).counts.data)


def test_outcomes_are_a_table_beside_the_results(settings_of):
    from astropy.table import Table

    result = run_batch(make_plan(settings_of()))
    table = Table.read(result.folder / "outcomes.ecsv")
    assert table["OBS_ID"].tolist() == [1, 2, 3, 4, 5, 6]
    assert set(table["STATUS"]) == {"done"}
    summary = result.outcomes[0].summaries[0]
    assert summary["counts"] > 0
    assert 0.5 < summary["norm"] < 2
    document = json.loads((result.folder / "provenance.json").read_text())
    assert document["agent"]
    assert document["entity"]["lp:observation-1"]["lp:status"] == "done"
    assert document["entity"]["lp:settings"]["prov:type"]["$"] == "prov:Plan"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_and_resumed_it_gives_the_same_bits(settings_of, reference, tmp_path, seed):
    """Twenty kills in all: each of four reductions is killed five times, itself or one of its workers."""
    rng = random.Random(seed)
    settings = settings_of(f"killed{seed}", targets=[MAP, SPECTRUM], run={"chunk_size": 2})
    config = tmp_path / f"killed{seed}.yaml"
    config.write_text(settings.to_yaml())
    command = [sys.executable, "-W", "ignore", "-m", "lightpool", "reduce", str(config), "--resume", "-n", "2"]
    n_kill = 0
    for _ in range(40):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if n_kill < 5:
            time.sleep(rng.uniform(0.2, 6.0))
            victims = [process.pid, *_children(process.pid)]
            victim = rng.choice(victims)
            n_kill += _kill(victim)
        if process.wait(timeout=120) == 0 and n_kill >= 1:
            break
    assert bits_of(Path(settings.output.folder)) == reference


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()] if tasks.exists() else []


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("before_its_task", [True, False])
def test_workers_that_are_killed_by_chance_cost_nothing(settings_of, monkeypatch, before_its_task):
    settings = settings_of(observations={"obs_ids": [1, 2, 3]})
    executor = ProcessExecutor(1)
    started = []
    plain = ProcessExecutor._start

    def start(self, gpu):
        worker = plain(self, gpu)
        if len(started) < 2:
            worker.process.kill()
            if before_its_task:
                worker.process.join()
        started.append(worker)
        return worker

    monkeypatch.setattr(ProcessExecutor, "_start", start)
    result = run_batch(make_plan(settings), executor)
    assert [outcome.status for outcome in result.outcomes] == ["done"] * 3
    assert len(started) == 3


def test_workers_that_never_start_are_an_error(settings_of, monkeypatch):
    plain = ProcessExecutor._start

    def start(self, gpu):
        worker = plain(self, gpu)
        worker.process.kill()
        return worker

    monkeypatch.setattr(ProcessExecutor, "_start", start)
    with pytest.raises(WorkerDiedError, match="workers cannot be started, the last one was killed by SIGKILL"):
        run_batch(make_plan(settings_of()), ProcessExecutor(1))


@pytest.mark.slow
def test_no_process_is_left_when_the_work_is_given_up(settings_of):
    settings, before = settings_of(run={"chunk_size": 1}), _children(os.getpid())

    def stop(record):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(make_plan(settings), ProcessExecutor(2), progress=stop)
    assert [pid for pid in _children(os.getpid()) if pid not in before] == []
    assert run_batch(plan_to_resume(settings), resume=True).n_reused >= 1
