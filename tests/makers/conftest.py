"""Small datasets on simulated runs."""

import pytest

from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.makers import MapDatasetMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate import PointSource


@pytest.fixture(scope="session")
def observations(crab_store):
    """Runs 1 to 6: PSF table, Gaussians, King; background in 3D and 2D in turn."""
    return DataStore.from_dir(crab_store).get_observations()


@pytest.fixture
def geom():
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
    return WcsGeom.create(skydir=PointSource().position, width=4, binsz=0.2, axes=[energy])


@pytest.fixture
def empty(geom):
    """A function, so that the dataset is made on the device of the test."""
    energy_true = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy_true")
    return lambda **kwargs: MapDataset.create(geom, energy_axis_true=energy_true, **kwargs)


@pytest.fixture
def reduced(empty, observations):
    return lambda **kwargs: MapDatasetMaker(**kwargs).run(empty(name="run"), observations[0])
