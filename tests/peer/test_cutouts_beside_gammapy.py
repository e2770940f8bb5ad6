"""Cutouts of both packages where rounding decides with which pixel they begin."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_array_equal

pytestmark = pytest.mark.peer

CENTERS = [(83.63, 22.01), (10.0, -59.16), (228.5, -30.22), (329.7, 2.05), (120.0, 80.0)]


def reduced(package, store, center, offset, frame):
    """Exposure and PSF of an observation that points at a multiple of half a pixel from the centre of the map."""
    data, datasets, makers, maps = (
        import_module(f"{package}.{name}") for name in ("data", "datasets", "makers", "maps")
    )
    energy_true = maps.MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=2, name="energy_true")
    run = data.DataStore.from_dir(store).obs(1)
    pointing = SkyCoord(center[0], center[1] + offset, unit="deg")
    observation = data.Observation.create(
        pointing=pointing, obs_id=1, livetime=1 * u.h, irfs={"aeff": run.aeff, "psf": run.psf}
    )
    energy = maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    geom = maps.WcsGeom.create(skydir=SkyCoord(*center, unit="deg"), width=6, binsz=0.1, axes=[energy], frame=frame)
    empty = datasets.MapDataset.create(geom, energy_axis_true=energy_true, name="run")
    maker = makers.DatasetsMaker(
        [makers.MapDatasetMaker(selection=["exposure", "psf"])],
        stack_datasets=False,
        cutout_width="6 deg",
        n_jobs=1,
    )
    return maker.run(empty, data.Observations([observation]))[0]


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("offset", [0.5, -0.7, 0.35, 0.42])
@pytest.mark.parametrize("center", CENTERS, ids=str)
@pytest.mark.slow
def test_a_pointing_between_two_windows_is_cut_out_as_by_gammapy(crab_store, center, offset, frame):
    ours, theirs = (reduced(package, crab_store, center, offset, frame) for package in ("lightpool", "gammapy"))
    for one, other in ((ours.exposure, theirs.exposure), (ours.psf.psf_map, theirs.psf.psf_map)):
        assert one.geom.data_shape == other.geom.data_shape
        assert_array_equal(one.geom.wcs.wcs.crpix, other.geom.wcs.wcs.crpix)
    np.testing.assert_allclose(ours.exposure.data, theirs.exposure.data, rtol=1e-9)


def test_the_way_through_galactic_coordinates_decides_in_some_of_them():
    shapes = set()
    for center in CENTERS:
        geom = import_module("gammapy.maps").WcsGeom.create(skydir=center, width=6, binsz=0.2)
        pointing = SkyCoord(center[0], center[1] + 0.5, unit="deg")
        shapes.add(tuple(geom.cutout(each, width="6 deg").data_shape for each in (pointing, pointing.galactic)))
    assert any(one != other for one, other in shapes)
