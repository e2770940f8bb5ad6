"""Laws that hold for any map: nothing is lost or added by changing its pixels and back."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.errors import NoOverlapError
from lightpool.maps import Map, MapAxis, WcsGeom


@st.composite
def geometries(draw):
    """Geometries of any projection, pixel size and place on the sky, with an axis of energy or without."""
    position = draw(st.sampled_from([(83.63, 22.01), (0.0, 0.0), (180.0, -60.0), (266.4, 89.9), (10.0, -90.0)]))
    axes = []
    if draw(st.booleans()):
        axes = [MapAxis.from_energy_bounds("1 TeV", "30 TeV", nbin=draw(st.integers(1, 4)))]
    return WcsGeom.create(
        skydir=position,
        npix=(draw(st.integers(1, 12)), draw(st.integers(1, 12))),
        binsz=draw(st.sampled_from([0.02, 0.1, 1.0, 3.0])),
        proj=draw(st.sampled_from(["CAR", "TAN", "ZEA", "STG", "AIT", "MOL"])),
        frame=draw(st.sampled_from(["icrs", "galactic"])),
        axes=axes,
    )


def counts_on(geom, seed):
    data = np.random.default_rng(seed).poisson(1.5, geom.data_shape).astype(float)
    return Map.from_geom(geom, data=data, device="cpu")


SEEDS = st.integers(0, 2**31)


@settings(max_examples=40, deadline=None)
@given(geometries(), st.integers(2, 4), SEEDS)
def test_upsampling_keeps_counts_and_downsampling_takes_it_back(geom, factor, seed):
    counts = counts_on(geom, seed)
    is_inside = np.isfinite(geom.upsample(factor).solid_angle().value).all()
    fine = counts.upsample(factor)
    if is_inside:
        assert_allclose(fine.data.sum(), counts.data.sum(), rtol=1e-9)
        assert_allclose(fine.downsample(factor).data, counts.data, rtol=1e-9, atol=1e-9)
    assert fine.downsample(factor).geom == geom


@settings(max_examples=40, deadline=None)
@given(geometries(), SEEDS, st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.floats(0.1, 1.2))
def test_a_cutout_on_a_stack_is_its_window(geom, seed, at_x, at_y, width):
    counts = counts_on(geom, seed)
    n_y, n_x = geom.data_shape[-2:]
    position = geom.to_image().pix_to_coord(((n_x - 1) / 2 + at_x * n_x, (n_y - 1) / 2 + at_y * n_y))
    if not np.isfinite([_.value for _ in position]).all():
        return
    center = geom.center_skydir.__class__(*position, frame=geom.frame)
    try:
        part = counts.cutout(center, width * geom.width.max())
    except NoOverlapError:
        return
    stack, window = Map.from_geom(geom, device="cpu"), Map.from_geom(geom, device="cpu")
    stack.stack(part)
    window.stack(Map.from_geom(part.geom, data=1.0, device="cpu"))
    assert set(np.unique(window.data)) <= {0.0, 1.0}
    assert_array_equal(stack.data, counts.data * window.data)


@settings(max_examples=40, deadline=None)
@given(geometries(), SEEDS)
def test_pixels_are_where_their_centres_are(geom, seed):
    rng = np.random.default_rng(seed)
    index = [rng.integers(0, n, 30) for n in geom.data_shape[::-1]]
    coords = geom.pix_to_coord([_.astype(float) for _ in index])
    on_sky = np.isfinite(coords[0].value)
    for found, expected in zip(geom.coord_to_idx(coords), index, strict=True):
        assert_array_equal(found[on_sky], expected[on_sky])
