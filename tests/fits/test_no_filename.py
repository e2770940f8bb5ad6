"""None in place of the name of a file, as of an option that was left out."""

import astropy.units as u
import pytest

from lightpool.data import GTI, DataStore, EventList
from lightpool.datasets import Datasets, MapDataset
from lightpool.irf import EffectiveAreaTable2D
from lightpool.maps import Map, MapAxis

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)


def dataset():
    return MapDataset(counts=Map.create(npix=2, axes=[ENERGY]))


CALLS = {
    "map": lambda: Map.create(npix=2).write(None),
    "good times": lambda: GTI.create([0 * u.s], [1 * u.h]).write(None),
    "dataset": lambda: dataset().write(None),
    "datasets": lambda: Datasets([dataset()]).write(filename=None),
    "read map": lambda: Map.read(None),
    "read events": lambda: EventList.read(None),
    "read response": lambda: EffectiveAreaTable2D.read(None),
    "read dataset": lambda: MapDataset.read(None),
    "read datasets": lambda: Datasets.read(None),
    "data store": lambda: DataStore.from_dir(None),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_filename_of_none_is_named_in_the_error(call):
    with pytest.raises(ValueError, match="filename is None, expected a str or a Path"):
        call()
