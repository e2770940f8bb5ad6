"""Makers of users in a batch: by any number of workers, resumed after a change, and in the provenance."""

import importlib
import sys
import textwrap
from itertools import count

import pytest
from click.testing import CliRunner
from small_reductions import MAP, SPECTRUM, bits_of

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.execution.chunk import ChunkTask, run_chunk
from lightpool.batch.execution.dask_cluster import dask_cluster
from lightpool.batch.execution.executors import ProcessExecutor
from lightpool.batch.storage.code_version import version_for
from lightpool.batch.storage.provenance import read_provenance
from lightpool.cli import main
from lightpool.config import Settings
from lightpool.datasets import MapDataset, MapDatasetOnOff
from lightpool.errors import ConfigError, VersionMismatchError

MAKERS = """
    import threading

    from lightpool.datasets import MapDataset, MapDatasetOnOff
    from lightpool.makers import Maker
    from lightpool.maps import Map, RegionGeom

    FACTOR = 2.0


    class Scale(Maker):
        tag = "Scale"

        def __init__(self, factor=1.0):
            self.factor = factor
            self.lock = threading.Lock()  # cannot be sent to another process

        def run(self, dataset, observation=None):
            with self.lock:
                dataset.exposure = dataset.exposure * (FACTOR * self.factor)
            return dataset


    class MyDataset(MapDataset):
        pass


    class OfMyClass(Maker):
        def run(self, dataset, observation=None):
            return MyDataset(**{name: getattr(dataset, name) for name in (
                "counts", "exposure", "background", "psf", "edisp", "gti", "mask_safe", "name", "meta_table")})


    class WithOff(Maker):
        def __init__(self, also_odd=True):
            self.also_odd = also_odd

        def run(self, dataset, observation=None):
            if observation.obs_id % 2 and not self.also_odd:
                return dataset
            ones = Map.from_geom(dataset.counts.geom, data=1.0)
            return MapDatasetOnOff.from_map_dataset(dataset, acceptance=ones, acceptance_off=ones * 2)


    class Coarser(Maker):
        def run(self, dataset, observation=None):
            return dataset.downsample(2) if observation.obs_id == 2 else dataset


    class Nothing(Maker):
        def run(self, dataset, observation=None):
            pass


    class Quits(Maker):
        def run(self, dataset, observation=None):
            raise SystemExit(0)


    class AsSpectrum(Maker):
        def run(self, dataset, observation=None):
            return dataset.to_spectrum_dataset(RegionGeom.create("icrs;circle(83.63, 22.01, 0.3)").region)


    class WithoutCounts(Maker):
        def run(self, dataset, observation=None):
            dataset.counts = None
            return dataset
"""
numbers = count()


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of makers, in the folder of the settings: a function that returns steps."""
    name = f"makers_of_a_batch_{next(numbers)}"
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(MAKERS))
    before = sys.path.copy()

    def step(kind, **options):
        return {"type": f"{name}:{kind}", "python_path": str(tmp_path), **options}

    step.path, step.module = path, name
    yield step
    sys.path[:] = before


def with_step(target, step):
    return target | {"makers": [*target["makers"], step]}


@pytest.mark.slow
def test_results_with_own_makers_are_bit_identical_for_all_numbers_of_workers(settings_of, own):
    targets = [with_step(MAP, own("Scale", factor=1.5)), with_step(SPECTRUM, own("Scale"))]
    plain = run_batch(make_plan(settings_of("plain", targets=[MAP, SPECTRUM])))
    one = run_batch(make_plan(settings_of("one", targets=targets)))
    two = run_batch(make_plan(settings_of("two", targets=targets)), ProcessExecutor(2))
    with dask_cluster("local:2") as cluster:
        on_dask = run_batch(make_plan(settings_of("dask", targets=targets)), cluster)
    assert one.n_failed == two.n_failed == on_dask.n_failed == 0
    assert bits_of(one.folder) == bits_of(two.folder) == bits_of(on_dask.folder)
    before, after = (MapDataset.read(result.folder / "crab.fits").exposure.data for result in (plain, one))
    assert after == pytest.approx(3 * before, rel=1e-12)


@pytest.mark.slow
def test_a_changed_maker_is_noticed_when_a_reduction_is_resumed(settings_of, own, caplog):
    settings = settings_of(targets=[with_step(MAP, own("Scale"))])
    first = run_batch(make_plan(settings))
    exposure = MapDataset.read(first.files[0]).exposure.data
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 3
    own.path.write_text(own.path.read_text().replace("FACTOR = 2.0", "FACTOR = 4.00"))
    with pytest.raises(ConfigError, match="have changed since this process imported it; start a new process"):
        plan_to_resume(settings)
    importlib.reload(sys.modules[own.module])
    again = run_batch(plan_to_resume(settings), resume=True)
    assert again.n_reused == 0
    assert "all observations are reduced again" in caplog.text
    assert MapDataset.read(again.files[0]).exposure.data == pytest.approx(2 * exposure, rel=1e-12)


@pytest.mark.slow
def test_results_record_module_version_and_options_of_own_makers_and_can_be_repeated(settings_of, own, tmp_path):
    settings = settings_of(targets=[with_step(MAP, own("Scale", factor=3))], observations={"obs_ids": [1]})
    plan = make_plan(settings)
    assert f"{own.module}: {own.path}, source." in str(plan)
    result = run_batch(plan)
    provenance = read_provenance(result.files[0])
    assert provenance.versions[own.module].startswith("source.")
    assert " " not in provenance.versions["lightpool"]
    assert provenance.to_repeat().to_dict()["targets"][0]["makers"][-1] == own("Scale", factor=3)
    assert f"  {own.module} source." in str(provenance)
    done = CliRunner().invoke(main, ["reduce", "--from", str(result.files[0]), "-o", str(tmp_path / "again")])
    assert done.exit_code == 0, done.output
    assert bits_of(tmp_path / "again") == bits_of(result.folder)
    assert CliRunner().invoke(main, ["report", str(result.folder)]).exit_code == 0


@pytest.mark.slow
def test_pages_about_results_run_no_code_of_makers(settings_of, own):
    result = run_batch(make_plan(settings_of(targets=[with_step(MAP, own("Scale"))], observations={"obs_ids": [1]})))
    del sys.modules[own.module]
    own.path.write_text("raise AssertionError('this code was run')")
    for command in (["info", str(result.files[0])], ["report", str(result.folder)]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
    assert own.module not in sys.modules


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "exit_code", "message"),
    [
        ("OfMyClass", {}, 0, ""),
        ("WithOff", {}, 0, ""),
        (
            "Nothing",
            {},
            3,
            "Nothing failed with TypeError: Nothing.run returned None, expected the dataset; end it with",
        ),
        ("Quits", {}, 3, "observation 2 omitted: Quits failed with SystemExit: 0"),
        ("AsSpectrum", {}, 3, "of target 'crab' returned a SpectrumDataset on a RegionGeom, expected a dataset with"),
        ("WithoutCounts", {}, 3, "of target 'crab' returned a MapDataset without counts, expected a dataset with"),
        ("Coarser", {}, 3, "observation 2 omitted: stacking failed with GeometryError"),
        ("WithOff", {"also_odd": False}, 3, "stacking failed with WrongPartError: the makers of the target 'crab' ret"),
    ],
)
def test_a_maker_may_return_another_class_of_dataset_if_it_can_be_added(
    settings_of, own, tmp_path, kind, options, exit_code, message
):
    steps = [{"type": "MapDatasetMaker"}, own(kind, **options)]
    settings = settings_of(
        targets=[MAP | {"makers": steps}], observations={"obs_ids": [2, 3, 4]}, run={"chunk_size": 3}
    )
    path = tmp_path / "crab.yaml"
    path.write_text(settings.to_yaml())
    done = CliRunner().invoke(main, ["reduce", str(path)])
    assert done.exit_code == exit_code, done.output
    assert message in done.output
    if exit_code == 0:
        found = (MapDatasetOnOff if kind == "WithOff" else MapDataset).read(settings.output.folder + "/crab.fits")
        assert found.counts.data.sum() > 0
        assert found.meta_table["OBS_ID"][0].tolist() == [2, 3, 4]


@pytest.mark.slow
def test_an_observation_that_cannot_be_added_to_one_target_is_in_none(settings_of, own):
    targets = [MAP | {"name": "first"}, with_step(MAP, own("Coarser"))]
    result = run_batch(make_plan(settings_of(targets=targets, observations={"obs_ids": [1, 2]})))
    assert [(each.obs_id, each.status) for each in result.outcomes] == [(1, "done"), (2, "failed")]
    for file in result.files:
        assert MapDataset.read(file).meta_table["OBS_ID"].tolist() == [1]


def test_sums_of_chunks_with_different_classes_are_not_added(settings_of, own):
    settings = settings_of(
        targets=[MAP | {"makers": [{"type": "MapDatasetMaker"}, own("WithOff", also_odd=False)]}],
        observations={"obs_ids": [2, 3]},
        run={"chunk_size": 1},
    )
    path = own.path.with_suffix(".yaml")
    path.write_text(settings.to_yaml())
    done = CliRunner().invoke(main, ["reduce", str(path)])
    assert done.exit_code == 1, done.output
    assert "return a MapDataset for some observations and a MapDatasetOnOff for others" in done.output


def test_a_worker_that_has_no_or_another_maker_is_refused(settings_of, own):
    settings = settings_of(targets=[with_step(MAP, own("Scale"))])
    version = version_for(settings)
    with pytest.raises(VersionMismatchError, match=rf"{own.module}=source.other, here .*{own.module}=source"):
        run_chunk(ChunkTask(0, "key", (1,), settings.to_dict(), f"{version.split(' ')[0]} {own.module}=source.other"))
    data = settings.to_dict()
    data["targets"][0]["makers"][-1]["type"] = "not_on_this_worker:Scale"
    with pytest.raises(VersionMismatchError, match=r"a worker on .* cannot reduce anything: .*no module 'not_on_this"):
        run_chunk(ChunkTask(0, "key", (1,), data, version))


def test_a_plan_tells_what_is_wrong_with_a_maker_before_anything_begins(settings_of, own, tmp_path):
    path = tmp_path / "crab.yaml"
    path.write_text(settings_of(targets=[with_step(MAP, own("Scale", faktor=2))]).to_yaml())
    for command in ("plan", "reduce"):
        done = CliRunner().invoke(main, [command, str(path)])
        assert done.exit_code == 2
        assert f"target 'crab': makers.3 ({own.module}:Scale) cannot be used: unknown option 'faktor'" in done.output
    assert not (tmp_path / "out").exists()
    assert Settings.read(path).targets[0].makers[-1].options == {"faktor": 2}
