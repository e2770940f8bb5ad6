"""How often the main job asks a GPU for something: a launch takes longer than the work of most of them."""

import pytest
from astropy.coordinates import SkyCoord
from cuda_on_host import cupy_stand_in
from cuda_on_host.raw_module import RawModule

from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom

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
    RawModule.launched.clear()
    DatasetsMaker(MAKERS, cutout_mode="partial", cutout_width="4 deg").run(dataset, observations)
    return cupy_stand_in.calls + RawModule.launched


@pytest.mark.parametrize("backend", ["cuda on host"], indirect=True)
def test_an_observation_takes_some_dozens_of_launches(backend, crab_store):
    names_of_launches(crab_store, 1)  # what is done once for a geometry is done
    few, many = names_of_launches(crab_store, 2), names_of_launches(crab_store, 6)
    assert (len(many) - len(few)) / 4 < 130  # 100 when this was written, 680 without fused kernels
    for kernel in ("count_events", "project_values", "project_integrals", "project_kernel"):
        assert sum(name.startswith(kernel) for name in many) >= 6
    assert sum(name.startswith(("project_density", "project_gauss", "project_king")) for name in many) == 6
    assert sum(name.startswith("add_product") for name in many) >= 6 * 5
