"""Maps with HEALPix pixels. Numbers "of Gammapy" are those of Gammapy 2.1 with healpy 1.20, for the same data."""

import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion

from lightpool.arrays import to_host
from lightpool.errors import GeometryError
from lightpool.maps import HpxGeom, HpxMap, HpxNDMap, Map, MapAxis, RegionNDMap, WcsGeom, WcsNDMap
from lightpool.maps.hpx_images import HpxToWcsMapping

FEW = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
DISC = HpxGeom.create(nside=16, region="DISK(110.,75.,12.)", frame="galactic", axes=[ENERGY])
ALL_SKY = HpxGeom.create(nside=8, nest=False, axes=[ENERGY])
SEVERAL = HpxGeom.create(nside=[8, 4], axes=[ENERGY])
POLE = SkyCoord(110, 75, unit="deg", frame="galactic")
POINTS = SkyCoord([110, 111, 109.5] * u.deg, [75, 73, 77] * u.deg, frame="galactic")


def in_disc(unit=""):
    """Values that differ in all pixels."""
    return Map.from_geom(DISC, data=np.arange(68.0).reshape(2, 34) ** 1.5, unit=unit)


def on_all_sky():
    return Map.from_geom(ALL_SKY, data=np.cos(np.arange(1536.0)).reshape(2, 768))


def on_several_grids():
    m = Map.from_geom(SEVERAL)
    data = to_host(m.data).copy()
    data[0], data[1, :192] = np.arange(768), np.arange(192)
    return Map.from_geom(SEVERAL, data=data)


def test_maps_are_created_as_in_gammapy(device):
    for m in (
        Map.create(map_type="hpx", nside=8, axes=[ENERGY], unit="m2", dtype="float32"),
        HpxNDMap.create(nside=8, axes=[ENERGY], unit="m2", dtype="float32"),
        HpxMap.create(nside=8, axes=[ENERGY], unit="m2", dtype="float32"),
        Map.from_geom(HpxGeom(8, axes=[ENERGY]), unit="m2", dtype="float32"),
    ):
        assert type(m) is HpxNDMap
        assert (m.data.shape, m.unit, m.device.name, m.precision) == ((2, 768), "m2", device, "single")
    assert Map.create(map_type="hpx", binsz=10, width=40).geom.nside == 8
    data = to_host(Map.from_geom(SEVERAL).data)
    assert_array_equal(np.isnan(data).sum(axis=1), [0, 576])
    assert "skycoord" in str(m)
    assert pickle.loads(pickle.dumps(m)).geom == m.geom


@FEW
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 8, 20]), st.integers(0, 300))
def test_filling_conserves_the_number_of_counts(device, seed, nside, n_event):
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(-180, 360, n_event), np.rad2deg(np.arcsin(rng.uniform(-1, 1, n_event)))
    energy = 10 ** rng.uniform(0, 0.999, n_event)
    m = Map.from_geom(HpxGeom(nside, nest=False, axes=[ENERGY]))
    m.fill_by_coord({"lon": lon, "lat": lat, "energy": energy * u.TeV})
    counts = to_host(m.data)
    assert counts.sum() == n_event
    assert_array_equal(counts.sum(axis=1), np.histogram(energy, ENERGY.edges.value)[0])
    part = Map.from_geom(HpxGeom(nside, nest=False, region="DISK(30,40,60)", axes=[ENERGY]))
    part.fill_by_coord({"lon": lon, "lat": lat, "energy": energy * u.TeV})
    place = part.geom.place_in(m.geom)
    assert_array_equal(to_host(part.data), counts[:, place])


def test_pixels_are_set_and_read_by_coordinates_pixels_and_indices(device):
    m = in_disc()
    coords = {"skycoord": POINTS, "energy": [2, 5, 20] * u.TeV}
    assert_allclose(to_host(m.get_by_coord(coords)), [140.29611541307906, 374.9773326482549, np.nan])  # of Gammapy
    pix, energy = m.geom.coord_to_pix(coords)
    assert_allclose(to_host(m.get_by_pix((pix, energy), fill_value=-1.0))[2], -1)
    idx = m.geom.coord_to_idx({"skycoord": POINTS[:2], "energy": [2, 5] * u.TeV})
    m.set_by_idx(idx, [3.0, 4.0])
    assert_allclose(to_host(m.get_by_idx(idx)), [3, 4])
    m.set_by_coord(coords, 7.0)
    m.fill_by_idx(idx, weights=np.array([1.0, 2.0]))
    m.fill_by_pix((pix, energy))
    assert_allclose(to_host(m.get_by_idx(idx)), [9, 10])
    m.set_by_pix((np.array([0]), np.array([0.0])), 1e9)
    assert to_host(m.data).max() < 1e9
    with pytest.raises(IndexError, match="not on the map"):
        m.get_by_idx((0, 0))


def test_interpolation_gives_the_numbers_of_gammapy_at_the_centres_of_bins(device):
    m = in_disc()
    expected = (
        [115.54961209618308, 86.62123542302035, 138.34500129991923],
        [437.5426217097518, 391.37427752230496, 472.8188678942403],
    )
    for energy, values in zip(ENERGY.center, expected, strict=True):
        found = m.interp_by_coord({"skycoord": POINTS, "energy": np.repeat(energy, 3)})
        assert_allclose(to_host(found), values, rtol=1e-12)
    image = m.get_image_by_idx((1,))
    assert_allclose(to_host(image.interp_by_coord(POINTS)), expected[1], rtol=1e-12)
    several = on_several_grids().interp_by_coord({"skycoord": POINTS, "energy": np.repeat(ENERGY.center[1], 3)})
    assert_allclose(to_host(several), [41.89435947850687, 41.920380654956524, 44.654601289060274], rtol=1e-12)


def test_interpolation_follows_values_that_are_linear_along_the_axis_and_constant_on_the_sky(device):
    m = Map.from_geom(HpxGeom(4, axes=[MapAxis.from_edges([0, 1, 2, 3, 4], name="x")]))
    m.data = m.device.xp.zeros_like(m.data) + m.device.xp.reshape(
        m.device.xp.arange(4.0, device=m.device.handle, dtype=m.device.xp.float64), (4, 1)
    )
    rng = np.random.default_rng(1)
    lon, lat, x = rng.uniform(0, 360, 200), rng.uniform(-90, 90, 200), rng.uniform(-0.5, 4.5, 200)
    # extrapolated beyond the centres of the outer bins
    assert_allclose(to_host(m.interp_by_coord((lon, lat, x))), x - 0.5, atol=1e-12)


def test_values_outside_a_map_are_nan_or_the_fill_value(device):
    m = in_disc()
    far = {"skycoord": SkyCoord(0, 0, unit="deg"), "energy": 2 * u.TeV}
    for method in ("linear", "nearest"):
        assert np.isnan(to_host(m.interp_by_coord(far, method=method)))
        assert_allclose(to_host(m.interp_by_coord(far, method=method, fill_value=3.0)), 3)
    with pytest.raises(ValueError, match="interpolation method"):
        m.interp_by_coord(far, method="cubic")
    with pytest.raises(NotImplementedError, match="interp_by_coord"):
        m.interp_by_pix((1, 1))


def test_smaller_and_larger_pixels_have_the_numbers_of_gammapy(device):
    m = in_disc()
    fine, coarse = m.upsample(2), m.downsample(2)
    assert to_host(fine.data).sum() == pytest.approx(14972.826439876173, rel=1e-13)
    assert to_host(fine.data)[1, 7] == pytest.approx(51.76569810212164, rel=1e-13)
    assert to_host(coarse.data).sum() == pytest.approx(14972.826439876173, rel=1e-13)
    first = [1.0, 16.024580001831055, 44.39753723144531, 22.627416610717773, 27.0, 109.67486572265625]
    assert_allclose(to_host(coarse.data)[0, :6], first, rtol=1e-6)  # float32 there
    rate = m.upsample(4, preserve_counts=False)
    assert_allclose(to_host(rate.downsample(4, preserve_counts=False).data), to_host(m.data), rtol=1e-13)
    assert_allclose(to_host(m.to_nside(32).to_nside(16).data), to_host(m.data), rtol=1e-13)
    several = on_several_grids()
    assert np.nansum(to_host(several.upsample(2).data)) == pytest.approx(312864)
    assert_allclose(np.nansum(to_host(several.downsample(2).data), axis=1), [294528, 18336])
    wide = m.downsample(2, axis_name="energy")
    assert_allclose(to_host(wide.data)[0], to_host(m.data).sum(axis=0))


def test_masked_pixels_do_not_count_in_larger_ones(device):
    m = Map.from_geom(HpxGeom(4), data=np.arange(192.0))
    mask = m < 6.0
    assert_allclose(to_host(m.downsample(2, weights=mask).data)[:3], [6, 9, 0])
    assert_allclose(to_host(m.downsample(2, weights=mask, preserve_counts=False).data)[:3], [1.5, 4.5, 0])
    assert_array_equal(to_host(mask.downsample(2).data)[:3], [True, True, False])


@pytest.mark.parametrize("make", [in_disc, on_all_sky, on_several_grids])
def test_other_scheme_has_the_same_values_at_the_same_positions(make, device):
    m = make()
    swapped = m.to_swapped()
    coords = m.geom.get_coord(flat=True)
    assert_array_equal(to_host(swapped.get_by_coord(coords)), to_host(m.get_by_coord(coords)))
    back = swapped.to_swapped()
    assert_array_equal(to_host(back.data), to_host(m.data))


def test_images_of_the_sky_have_the_numbers_of_gammapy(device):
    m = in_disc("s")
    image = m.to_wcs()
    assert (type(image), image.data.shape, image.unit) == (WcsNDMap, (2, 26, 26), "s")
    values = to_host(image.data)
    assert np.nansum(values) == pytest.approx(14972.826439876173, rel=1e-13)
    assert np.isfinite(values).sum() == 898
    values = to_host(m.to_wcs(normalize=False, proj="TAN", oversample=3).data)
    assert (values.shape, np.isfinite(values).sum()) == ((2, 39, 39), 2074)
    assert np.nansum(values) == pytest.approx(457266.00605529675, rel=1e-13)
    values = to_host(m.to_wcs(sum_bands=True, width_pix=20).data)
    assert values.shape == (20, 20)
    assert np.nansum(values) == pytest.approx(14972.826439876173, rel=1e-13)
    values = to_host(on_all_sky().to_wcs().data)
    assert (values.shape, np.isfinite(values).sum()) == ((2, 90, 180), 20624)
    assert np.nansum(values) == pytest.approx(1.2023060228803906, rel=1e-10)
    assert not np.isnan(to_host(m.to_wcs(fill_nan=False).data)).any()


def test_images_of_planes_with_different_grids_conserve_their_sums(device):
    m = on_several_grids()
    sums = np.nansum(to_host(m.to_wcs().data), axis=(1, 2))
    assert_allclose(sums, [294528, 18336], rtol=1e-12)
    mapping = HpxToWcsMapping.create(m.geom, WcsGeom.create(binsz=5, proj="AIT"))
    assert mapping.lmap.shape == (2, 72 * 36)
    assert m.to_wcs(hpx2wcs=mapping).data.shape == (2, 36, 72)


@pytest.mark.slow
def test_tiles_have_the_numbers_of_gammapy_and_make_the_map_again(device):
    m = on_all_sky()
    tiles = m.to_wcs_tiles(nside_tiles=1, margin="5 deg", method="linear", oversampling_factor=2)
    assert (len(tiles), tiles[5].data.shape) == (12, (2, 26, 26))
    assert sum(to_host(t.data).sum() for t in tiles) == pytest.approx(-104.59230397388416, rel=1e-9)
    smooth = Map.from_geom(ALL_SKY, data=np.cos(ALL_SKY.get_coord().lat.to_value("rad")))
    fine = smooth.to_wcs_tiles(nside_tiles=2, margin="10 deg", method="linear", oversampling_factor=4)
    for nest in (True, False):
        # with pixels of the size of the tiles
        again = HpxNDMap.from_wcs_tiles([t.downsample(4, preserve_counts=False) for t in fine], nest=nest)
        assert (again.geom.nside[0], again.geom.nest) == (8, nest)
        expected = np.cos(again.geom.get_coord().lat.to_value("rad"))
        assert_allclose(to_host(again.data), expected, atol=0.03)


def test_maps_of_square_pixels_are_interpolated_on_healpix_and_back(device):
    geom = WcsGeom.create(skydir=(110, 75), width=10, binsz=1, frame="galactic", axes=[ENERGY])
    m = in_disc()
    assert to_host(m.interp_to_geom(geom).data).sum() == pytest.approx(52304.682503297256, rel=1e-12)  # of Gammapy
    nearest = m.interp_to_geom(geom, method="nearest")
    assert to_host(nearest.data).sum() == pytest.approx(53003.12126453564, rel=1e-12)  # of Gammapy
    square = Map.from_geom(geom, data=np.arange(200.0).reshape(2, 10, 10))
    pixels = HpxGeom.create(nside=64, skydir=(110, 75), width=6, frame="galactic", axes=[ENERGY])
    assert to_host(square.interp_to_geom(pixels).data).sum() == pytest.approx(6543.035673646533, rel=1e-12)
    assert to_host(square.resample(pixels).data).sum() == 5718  # of Gammapy
    density = Map.from_geom(geom, data=to_host(geom.solid_angle_array()) * np.ones((2, 1, 1)))
    counts = density.interp_to_geom(pixels, preserve_counts=True)
    assert_allclose(to_host(counts.data), pixels.solid_angle()[0].value, rtol=1e-9)
    back = counts.interp_to_geom(pixels.to_image().to_wcs_geom("TAN").to_cube([ENERGY]), preserve_counts=True)
    inside = to_host(back.data) > 0
    area = back.geom.solid_angle().value * np.ones((2, 1, 1))
    assert_allclose(to_host(back.data)[inside], area[inside], rtol=1e-9)
    mask = m.interp_to_geom(geom) > 200.0
    assert to_host(mask.interp_to_geom(DISC).data).dtype == bool
    assert to_host((m > 100.0).interp_to_geom(geom).data).dtype == bool


def test_cutouts_hold_their_values_and_stack_where_they_belong(device):
    m = in_disc("s")
    cutout = m.cutout(POLE, "12 deg")
    assert to_host(cutout.data).sum() == pytest.approx(4290.508844294062, rel=1e-13)  # of Gammapy
    total = Map.from_geom(DISC, unit="min")
    total.stack(cutout)
    assert to_host(total.data).sum() == pytest.approx(4290.508844294062 / 60, rel=1e-13)
    coords = cutout.geom.get_coord()
    assert_allclose(to_host(total.get_by_coord(coords)), to_host(cutout.data) / 60, rtol=1e-13)
    total.stack(cutout, weights=cutout < "0 s")
    total.stack(m, weights=(m < "0 s").get_image_by_idx((0,)).to_cube([ENERGY.squash()]))
    assert to_host(total.data).sum() == pytest.approx(4290.508844294062 / 60, rel=1e-13)
    beyond = Map.from_geom(DISC).cutout(POLE, "60 deg", mode="partial")
    beyond.data = beyond.data + 1.0
    total = Map.from_geom(DISC)
    total.stack(beyond)
    assert_array_equal(to_host(total.data), 1.0)
    mask = Map.from_geom(DISC, dtype=bool)
    mask.stack(cutout > "50 s")
    assert to_host(mask.data).sum() == (to_host(cutout.data) > 50.0).sum()
    gap = cutout.copy(data=cutout.data * float("nan"))
    before = to_host(total.data).copy()
    total.stack(gap.copy(unit=""))
    assert_array_equal(to_host(total.data), before)
    with pytest.raises(GeometryError, match="cutout of the same map"):
        total.stack(Map.from_geom(ALL_SKY))
    with pytest.raises(GeometryError, match="WcsGeom"):
        total.stack(Map.from_geom(WcsGeom.create(npix=2, axes=[ENERGY])))


def test_a_cutout_does_not_change_with_the_map(device):
    m = in_disc()
    cutout, whole = m.cutout(POLE, "12 deg"), m.cutout(POLE, "24 deg")
    before = to_host(cutout.data).copy()
    m.stack(m.copy())
    assert_array_equal(to_host(cutout.data), before)
    assert_allclose(2 * to_host(whole.data), to_host(m.data))


def test_pixels_at_the_border_are_padded_and_cropped_as_gammapy_does(device):
    m = in_disc()
    padded = m.pad(1, cval=2.0)
    assert padded.data.shape == (2, 66)
    assert to_host(padded.data).sum() == pytest.approx(15100.826439876173, rel=1e-13)
    cropped = m.crop(1)
    assert cropped.data.shape == (2, 11)
    assert to_host(cropped.data).sum() == pytest.approx(5943.669349932586, rel=1e-13)
    assert_allclose(to_host(padded.crop(1).data).sum(), to_host(m.data).sum(), rtol=0.1)
    with pytest.raises(ValueError, match="constant"):
        m.pad(1, mode="edge")


def test_regions_are_reduced_to_the_sums_of_gammapy(device):
    m = in_disc("s")
    circle = CircleSkyRegion(POLE, 6 * u.deg)
    spectrum = m.to_region_nd_map(circle)
    assert isinstance(spectrum, RegionNDMap)
    assert_allclose(to_host(spectrum.data).ravel(), [873.6542203067011, 3416.854623987361], rtol=1e-13)
    assert spectrum.unit == "s"
    inside = m.geom.region_mask([circle])
    assert_allclose(to_host(m.get_spectrum(circle, weights=inside).data), to_host(spectrum.data))
    mean = m.to_region_nd_map(circle, func=np.nanmean)
    assert_allclose(to_host(mean.data) * to_host(inside.data).sum() / 2, to_host(spectrum.data))
    assert_allclose(to_host(m.to_region_nd_map().data).ravel(), to_host(m.data).sum(axis=1))
    for method in ("nearest", "linear"):
        at_point = m.to_region_nd_map(POLE, method=method)
        coords = {"skycoord": POLE, "energy": ENERGY.center}
        assert_allclose(to_host(at_point.data).ravel(), to_host(m.interp_by_coord(coords, method=method)))
    assert to_host((m > "100 s").to_region_nd_map(circle, func=np.any).data).all()
    with pytest.raises(GeometryError, match="geoms"):
        m.to_region_nd_map(circle, weights=on_all_sky())


def test_operations_along_axes_work_as_for_other_maps(device):
    m = in_disc()
    assert m.sum_over_axes().data.shape == (1, 34)
    assert to_host(m.sum_over_axes(keepdims=False).data)[3] == pytest.approx(230.25836604374075)  # of Gammapy
    assert_array_equal(to_host(m.slice_by_idx({"energy": 1}).data), to_host(m.data)[1])
    other = MapAxis.from_edges([0.0, 1.0], name="y")
    cube = m.to_cube([other])
    assert cube.data.shape == (1, 2, 34)
    assert cube.reorder_axes(["y", "energy"]).data.shape == (2, 1, 34)
    assert_array_equal(to_host(Map.from_stack(list(m.iter_by_axis("energy", keepdims=True))).data), to_host(m.data))
    assert m.cumsum("energy").data.shape == (3, 34)
    assert m.resample_axis(ENERGY.squash()).data.shape == (1, 34)
    assert m.pad(1, axis_name="energy").data.shape == (4, 34)
    assert [image.shape for image, _ in m.iter_by_image_data()] == [(34,), (34,)]
    twice = m + m
    assert_allclose(to_host((twice / m).data)[:, 1:], 2)
    assert (m > 3.0).is_mask
    again = Map.from_geom(DISC)
    again.coadd(m)
    assert_array_equal(to_host(again.data), to_host(m.data))
    with pytest.raises(GeometryError, match="Inconsistent"):
        m + on_all_sky()
    assert m.is_allclose(m.copy())


@pytest.mark.slow
def test_maps_are_plotted_as_images_and_as_polygons():
    plt = pytest.importorskip("matplotlib.pyplot")
    image = in_disc().to("cpu").get_image_by_idx((1,))
    for m in (image, Map.from_geom(HpxGeom(4, nest=False), data=np.arange(192.0)), in_disc()):
        assert m.plot().images
        plt.close("all")
    allsky = Map.from_geom(HpxGeom(2), data=np.arange(48.0))
    polygons = allsky.plot(method="poly").collections[0]
    # pixels at the seam are drawn at both ends
    assert 48 < len(polygons.get_paths()) < 70
    assert set(np.asarray(polygons.get_array())) == set(range(48))
    plt.close("all")
    assert (image > 100.0).plot_mask() is not None
    plt.close("all")
    with pytest.raises(ValueError, match="Invalid method"):
        image.plot(method="dots")
    with pytest.raises(ValueError, match="boolean"):
        image.plot_mask()
    with pytest.raises(TypeError, match="only an image"):
        in_disc().plot(method="poly")


@pytest.mark.slow
@pytest.mark.parametrize("nest", [True, False])
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("nside", [[8, 16], [32, 8]])
@pytest.mark.parametrize("width", [10, 35, None])
def test_planes_with_other_pixels_are_added_up_where_they_are_on_the_sky(device, nest, frame, nside, width):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    where = {} if width is None else {"skydir": (110, 75), "width": width}
    geom = HpxGeom.create(nside=nside, nest=nest, frame=frame, axes=[axis], **where)
    positions = geom.get_coord(flat=True).skycoord
    rng = np.random.default_rng(3)
    m = HpxNDMap(geom, dtype="float64", device=device)
    m.fill_by_coord(geom.get_coord(flat=True), weights=rng.random(positions.size))
    values = to_host(m.get_by_coord(geom.get_coord(flat=True)))
    for summed in (m.sum_over_axes(), m.sum_over_axes(keepdims=False), m.reduce_over_axes()):
        image = summed.geom.to_image()
        assert set(np.ravel(image.nside)) == {max(nside)}
        expected = np.zeros(image.data_shape)
        index = image.data_index(image.coord_to_idx(positions))[0]
        np.add.at(expected, index[index >= 0], values[index >= 0])
        assert_allclose(np.ravel(to_host(summed.data)), expected, rtol=1e-12)
        assert (index >= 0).all()
    assert_allclose(np.nansum(to_host(m.to_wcs(sum_bands=True).data)), values.sum(), rtol=1e-9)


def test_planes_with_other_pixels_are_not_mixed():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    m = HpxNDMap(HpxGeom.create(nside=[8, 16], skydir=(110, 75), width=30, axes=[axis]))
    for mix in (
        lambda: m.reduce_over_axes(np.maximum),
        lambda: m.cumsum("energy"),
        lambda: m.normalize("energy"),
        lambda: m.resample_axis(MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)),
    ):
        with pytest.raises(GeometryError, match="same pixels in each image plane"):
            mix()
