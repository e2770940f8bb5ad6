"""Masks of pixels that touch a True one, compared with the interpolated mask."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lightpool.maps import Map, MapAxis, WcsGeom, WcsNDMap, touched_mask, wcs_map

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=5)


def interpolated(mask, geom):
    """What the general interpolation says."""
    pix = mask.geom.pix_of_centers(geom)
    return np.broadcast_to(np.asarray(mask.interp_by_pix(pix)) != 0, geom.data_shape)


def disc(geom, radius, inside=True):
    distance = geom.separation(geom.center_skydir).deg
    return np.broadcast_to((distance < radius) == inside, geom.data_shape).copy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("binsz", "new_binsz"), [(0.02, 0.2), (0.04, 0.2), (1.0, 0.2), (0.1, 0.2), (0.3, 0.2), (0.2, 0.2), (0.05, 0.13)]
)
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("proj", ["CAR", "TAN"])
def test_a_safe_mask_touches_the_pixels_of_a_response_as_the_interpolation_says(binsz, new_binsz, frame, proj):
    whole = WcsGeom.create(skydir=(83.63, 22.01), width=4, binsz=binsz, frame=frame, proj=proj, axes=[ENERGY])
    responses = whole.to_image().to_binsz(new_binsz).to_cube([ENERGY])
    for x, y, width, mode in [
        (0, 0, 4, "trim"),
        (0.7, -0.4, 2.3, "partial"),
        (-1.6, 1.2, 2, "partial"),
        (-1.6, 1.2, 2, "trim"),
    ]:
        middle = whole.center_skydir.data
        centre = SkyCoord(middle.lon.deg + x, middle.lat.deg + y, unit="deg", frame=frame)
        part, new = (geom.cutout(centre, f"{width} deg", mode=mode, min_npix=3) for geom in (whole, responses))
        for radius, inside in [(0.9, True), (0.3, True), (0.6, False), (9, True), (9, False)]:
            data = disc(part, radius, inside)
            same = WcsNDMap(part, data=data.copy())  # at all energies
            assert_array_equal(same.interp_to_geom(new, fill_value=None).data, interpolated(same, new))
            data[:2] = False
            data[3] = ~data[3]
            mask = WcsNDMap(part, data=data)
            assert_array_equal(mask.interp_to_geom(new, fill_value=None).data, interpolated(mask, new))


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_mask_touches_what_the_interpolation_says(data):
    n = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    n_new = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    axes = [MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=data.draw(st.integers(1, 3)))] * data.draw(
        st.integers(0, 1)
    )
    whole = WcsGeom.create(npix=20, binsz=0.5, skydir=(83.63, 22.01), axes=axes)
    factor = data.draw(st.sampled_from([1, 2, 3, 5]))
    fine = whole.upsample(factor) if data.draw(st.booleans()) else whole.to_binsz(0.5 / factor)
    first, second = data.draw(st.permutations([whole, fine]))
    x, y = (data.draw(st.floats(-2, 2)) for _ in range(2))

    def window(geom, npix, x=0.0, y=0.0):
        size = geom.pixel_scales.deg[0]
        lon, lat = geom.center_skydir.data.lon.deg + x * size, geom.center_skydir.data.lat.deg + y * size
        return WcsGeom.from_aligned(geom, (lon, lat), (npix[0] * size, npix[1] * size))

    part, new = window(first, n), window(second, n_new, x, y)
    bits = data.draw(st.integers(0, 2 ** int(np.prod(part.data_shape)) - 1))
    values = np.array([(bits >> i) & 1 for i in range(int(np.prod(part.data_shape)))], dtype=bool)
    mask = WcsNDMap(part, data=values.reshape(part.data_shape))
    assert_array_equal(mask.interp_to_geom(new, fill_value=None).data, interpolated(mask, new))


def test_most_pixels_are_not_interpolated(monkeypatch):
    sizes, plain = [], touched_mask.interpolate_pixels
    monkeypatch.setattr(touched_mask, "interpolate_pixels", lambda *args: sizes.append(args[1][0].size) or plain(*args))
    whole = WcsGeom.create(skydir=(83.63, 22.01), width=4, binsz=0.02, axes=[ENERGY])
    new = whole.to_image().to_binsz(0.2).to_cube([ENERGY])
    mask = WcsNDMap(whole, data=disc(whole, 1.5))
    mask.interp_to_geom(new, fill_value=None)
    assert sum(sizes) < 10


def test_a_mask_that_cannot_be_looked_up_is_interpolated(monkeypatch):
    found, plain = [], wcs_map.touched_mask
    monkeypatch.setattr(wcs_map, "touched_mask", lambda *args: found.append(plain(*args)) or found[-1])
    turned = WcsGeom.create(skydir=(83.63, 22.01), width=4, binsz=0.2, frame="galactic")
    around = WcsGeom.create(npix=(36, 5), binsz=10, skydir=(83.63, 0))
    mask = Map.from_geom(WcsGeom.create(skydir=(83.63, 22.01), width=4, binsz=0.1), data=True)
    closed = Map.from_geom(around, data=True)
    assert mask.interp_to_geom(turned, fill_value=None).data.all()
    assert closed.interp_to_geom(WcsGeom.create(skydir=(83.63, 0), width=4, binsz=1), fill_value=None).data.all()
    assert [each is None for each in found] == [True, True]
