"""Ring backgrounds of real observations agree with Gammapy 2.1's, map by map."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion

from lightpool.arrays import to_host
from lightpool.datasets import MapDataset, MapDatasetOnOff
from lightpool.makers import AdaptiveRingBackgroundMaker, RingBackgroundMaker

from .conftest import MAPS

pytestmark = pytest.mark.reference

OFF_MAPS = {name.upper(): name for name in ("counts_off", "acceptance", "acceptance_off")}
SAME_MAPS = {"COUNTS", "EXPOSURE", "MASK_SAFE", "PSF", "PSF_EXPOSURE", "EDISP", "EDISP_EXPOSURE"}


@pytest.fixture
def image(device, shared):
    """Image of the stacked dataset that Gammapy's rings were run on, as Gammapy wrote it."""
    return MapDataset.read(shared / "reference" / "map-stacked-4.fits.gz").to_image(name="stacked")


def exclusion(image):
    circle = CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.3 * u.deg)
    return image.counts.geom.region_mask([circle], inside=False)


def assert_agrees(dataset, expected):
    """Figures of the info table and sums over each plane."""
    info = dataset.info_dict()
    for key, value in expected.items():
        name, _, what = key.partition(".")
        if what == "sum_per_plane":
            plane = to_host(getattr(dataset, name).data).sum(axis=(1, 2), dtype=float)
            assert_allclose(plane, value, rtol=1e-6, err_msg=key)
        elif what == "unit":
            assert getattr(dataset, name).unit == u.Unit(value), key
        elif isinstance(value, dict):
            assert_allclose(info[key].to_value(value["unit"]), value["value"], rtol=1e-6, err_msg=key)
        elif isinstance(value, str):
            assert info[key] == value
        else:
            # Gammapy adds OFF counts up in float32; the excess is the small difference of large numbers
            assert_allclose(info[key], value, rtol={"counts_off": 1e-4}.get(key, 2e-5), err_msg=key)


def test_the_ring_background_is_that_of_gammapy(device, image, shared, figures):
    maker = RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg", exclusion_mask=exclusion(image))
    dataset = maker.run(image)
    assert isinstance(dataset, MapDatasetOnOff)
    assert_agrees(dataset, figures["ring"])
    with fits.open(shared / "reference" / "ring.fits.gz") as hdus:
        assert {hdu.name for hdu in hdus if hdu.name in MAPS or hdu.name in OFF_MAPS} == SAME_MAPS | set(OFF_MAPS)
        for name in SAME_MAPS | set(OFF_MAPS):
            found = MAPS[name](dataset) if name in SAME_MAPS else getattr(dataset, OFF_MAPS[name])
            found, expected = to_host(found.data), hdus[name].data
            if name in ("COUNTS", "MASK_SAFE"):
                assert_array_equal(found, expected, err_msg=name)
            else:
                # Gammapy keeps the OFF maps in float32, where its transforms leave noise of 1e-12 for no counts
                assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * np.nanmax(expected), err_msg=name)
        assert_array_equal(to_host(dataset.counts_off.data), np.round(hdus["COUNTS_OFF"].data))


@pytest.mark.parametrize("method", ["fixed_width", "fixed_r_in"])
def test_the_adaptive_ring_background_is_that_of_gammapy(device, image, figures, method):
    maker = AdaptiveRingBackgroundMaker(
        r_in="0.5 deg",
        width="0.3 deg",
        r_out_max="1.2 deg",
        stepsize="0.1 deg",
        method=method,
        exclusion_mask=exclusion(image),
    )
    assert_agrees(maker.run(image), figures[f"adaptive-ring-{method}"])
