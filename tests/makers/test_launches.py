"""How often jobs ask a GPU for something: a launch takes longer than the work of most of them."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from cuda_on_host import cupy_stand_in
from cuda_on_host.raw_module import RawModule

from lightpool.data import DataStore
from lightpool.datasets import MapDataset, MapDatasetOnOff
from lightpool.makers import DatasetsMaker, ExcessMapEstimator, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import Map, MapAxis, WcsGeom
from lightpool.stats import CashCountsStatistic, WStatCountsStatistic

MAKERS = [
    MapDatasetMaker(),
    SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="2 deg"),
    FoVBackgroundMaker(method="scale"),
]


def names_of_launches(store, n_run):
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
    geom = WcsGeom.create(skydir=SkyCoord(83.63, 22.01, unit="deg"), width=4, binsz=0.1, axes=[energy])
    dataset = MapDataset.create(geom)
    assert dataset.device.is_cuda
    observations = DataStore.from_dir(store).get_observations()[:n_run]
    cupy_stand_in.calls.clear()
    cupy_stand_in.waits.clear()
    RawModule.launched.clear()
    DatasetsMaker(MAKERS, cutout_mode="partial", cutout_width="4 deg").run(dataset, observations)
    return cupy_stand_in.calls + RawModule.launched


@pytest.mark.parametrize("backend", ["cuda on host"], indirect=True)
def test_an_observation_takes_some_dozens_of_launches(backend, crab_store):
    names_of_launches(crab_store, 1)  # what is done once for a geometry is done
    few, many = names_of_launches(crab_store, 2), names_of_launches(crab_store, 6)
    assert cupy_stand_in.waits == ["get"]  # the pending numbers, once for all
    assert (len(many) - len(few)) / 4 < 130  # 100 when this was written, 680 without fused kernels
    for kernel in ("count_events", "project_values", "project_integrals", "project_kernel"):
        assert sum(name.startswith(kernel) for name in many) >= 6
    assert sum(name.startswith(("project_density", "project_gauss", "project_king")) for name in many) == 6
    assert sum(name.startswith("add_product") for name in many) >= 6 * 5


def counted(on_off):
    """A dataset of counts over a flat background."""
    geom = WcsGeom.create(width=2, binsz=0.1, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)])
    flat = np.full(geom.data_shape, 2.0)
    dataset = (MapDatasetOnOff if on_off else MapDataset).create(geom)
    dataset.counts = Map.from_geom(geom, data=np.arange(flat.size).reshape(flat.shape) % 7.0).to("cuda")
    names = ("counts_off", "acceptance", "acceptance_off") if on_off else ("background",)
    for name in names:
        setattr(dataset, name, Map.from_geom(geom, data=flat).to("cuda"))
    dataset.mask_safe.data = ~dataset.mask_safe.data
    return dataset


@pytest.mark.parametrize("backend", ["cuda on host"], indirect=True)
@pytest.mark.parametrize(("on_off", "most"), [(False, 75), (True, 150)])  # once 1035 and 23420
@pytest.mark.parametrize("selection", [[], ["errn-errp"], ["ul"], ["sensitivity"]])
def test_an_excess_map_takes_few_launches_and_waits_for_nothing(backend, on_off, most, selection):
    dataset, estimator = counted(on_off), ExcessMapEstimator("0.2 deg", selection_optional=selection)
    estimator.run(dataset)  # what is sent once, is there
    cupy_stand_in.calls.clear()
    cupy_stand_in.waits.clear()
    RawModule.launched.clear()
    estimator.run(dataset)
    assert len(cupy_stand_in.calls) + len(RawModule.launched) < most
    assert cupy_stand_in.waits == []


@pytest.mark.parametrize("backend", ["cuda on host"], indirect=True)
def test_errors_limits_and_sensitivities_are_some_launches_and_nothing_waits(backend):
    counts, off = backend.array(np.arange(12.0).reshape(3, 4)), backend.array(np.full((3, 4), 5.0))
    for statistic in (CashCountsStatistic(counts, off), WStatCountsStatistic(counts, off, 0.2)):
        for compute in (
            statistic.compute_errn,
            statistic.compute_errp,
            lambda statistic=statistic: statistic.compute_upper_limit(2),
            lambda statistic=statistic: statistic.n_sig_matching_significance(5),
        ):
            started = len(cupy_stand_in.calls), len(RawModule.launched)
            cupy_stand_in.waits.clear()
            assert compute().shape == (3, 4)
            assert len(cupy_stand_in.calls) - started[0] < 10
            assert len(RawModule.launched) - started[1] == 1
            assert cupy_stand_in.waits == []
