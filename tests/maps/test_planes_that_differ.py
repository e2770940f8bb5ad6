"""Maps whose pixels have another size in each plane."""

from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import GeometryError
from lightpool.maps import HpxGeom, Map, MapAxis, PlanesWcsGeom, WcsGeom, WcsNDMap

CENTRE = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "8 TeV", nbin=3)
PHASE = MapAxis.from_edges([0, 0.5, 1], name="phase")
SIZES = [0.1, 0.2, 0.3]
N_PIXELS = ([12, 8, 6], [10, 8, 4])


def made(proj="TAN", axes=(ENERGY,), **kwargs):
    options = {"npix": N_PIXELS, "binsz": SIZES, "skydir": CENTRE} | kwargs
    return WcsGeom.create(proj=proj, axes=list(axes), **options)


def plane(i, proj="TAN"):
    """One plane, made as a geometry of its own."""
    return WcsGeom.create(npix=(N_PIXELS[0][i], N_PIXELS[1][i]), binsz=SIZES[i], skydir=CENTRE, proj=proj)


def test_what_is_known_of_the_pixels_is_known_for_each_plane():
    geom = made()
    assert isinstance(geom, PlanesWcsGeom)
    assert isinstance(geom, WcsGeom)
    assert not geom.is_regular
    assert geom.data_shape == (3, 10, 12)
    assert [n.tolist() for n in geom.npix] == list(N_PIXELS)
    assert_allclose(geom.width.to_value("deg"), [[1.2, 1.6, 1.8], [1, 1.6, 1.2]])
    assert geom.center_skydir.separation(CENTRE) < 1e-9 * u.deg
    assert_allclose(geom.pixel_area, np.square(SIZES))
    assert "width      : 1.2 deg x 1.0 deg" in str(geom)
    assert_allclose(geom.footprint_rectangle_sky_region.width.to_value("deg"), 1.8)
    # every way to write it
    assert made(npix=None, width=([1.2, 1.6, 1.8], ["1 deg", "1.6 deg", "1.2 deg"]), binsz=SIZES * u.deg) == geom
    assert made(binsz=(SIZES, ["0.1deg", "0.2deg", "0.3deg"])) == geom
    assert made(npix=8, binsz=SIZES) == made(npix=([8, 8, 8], 8), binsz=SIZES)
    assert made(npix=8, binsz=[0.1] * 3) != made(npix=8, binsz=0.1)
    assert made(npix=8, binsz=0.1) != made(npix=8, binsz=[0.1] * 3)


def test_sizes_that_do_not_fit_the_axes_are_refused():
    with pytest.raises(GeometryError, match="one for each"):
        made(binsz=[0.1, 0.2])
    with pytest.raises(GeometryError, match="positive"):
        made(binsz=[0.1, 0.2, -0.3])
    with pytest.raises(GeometryError, match="whole numbers"):
        made(npix=[1.5, 2, 3])
    with pytest.raises(GeometryError, match="no pixel"):
        made(npix=None, width=0.05)


@pytest.mark.parametrize("proj", ["TAN", "CAR", "AIT"])
def test_each_plane_has_the_coordinates_of_a_map_of_its_own(proj):
    geom = made(proj)
    coords, edges, areas = geom.get_coord(), geom.get_coord(mode="edges"), geom.solid_angle()
    for i in range(3):
        one, (n_x, n_y) = plane(i, proj), (N_PIXELS[0][i], N_PIXELS[1][i])
        expected = one.get_coord()
        for name in ("lon", "lat"):
            assert_allclose(coords[name][i, :n_y, :n_x], expected[name], rtol=1e-12)
            assert_allclose(edges[name][i, : n_y + 1, : n_x + 1], one.get_coord(mode="edges")[name], rtol=1e-12)
        assert_allclose(areas[i, :n_y, :n_x], one.solid_angle(), rtol=1e-9)
        x, y, _ = geom.coord_to_pix((expected.lon, expected.lat, ENERGY.center[i]))
        assert_allclose(x, np.broadcast_to(np.arange(n_x), x.shape), atol=1e-9)
        assert_allclose(y, np.broadcast_to(np.arange(n_y)[:, None], y.shape), atol=1e-9)
        assert geom.image_at((i,)).is_allclose(one)
    assert_array_equal(geom.contains(coords).sum(axis=(1, 2)), [120, 64, 24])
    assert geom.bin_volume().shape == geom.data_shape
    # clipped to the pixels of the plane
    assert [int(_.item()) for _ in geom.pix_to_idx((11, 9, 2), clip=True)] == [5, 3, 2]


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_events_are_counted_in_the_pixels_of_their_plane(device, frame):
    rng = np.random.default_rng(4)
    lon, lat = 83.63 + rng.uniform(-1.3, 1.3, 2000), 22.01 + rng.uniform(-1.2, 1.2, 2000)
    energy = rng.uniform(0.5, 9, 2000) * u.TeV
    radec = SkyCoord(lon, lat, unit="deg")
    table = Table({"ENERGY": energy})
    events = SimpleNamespace(radec=radec, energy=energy, table=table)
    counts = Map.from_geom(made(frame=frame), device=device)
    counts.fill_events(events)
    by_coord = Map.from_geom(counts.geom, device=device)
    by_coord.fill_by_coord({"skycoord": radec, "energy": energy})
    assert_array_equal(to_host(counts.data), to_host(by_coord.data))
    for i, image in enumerate(counts.iter_by_image()):
        inside = (energy >= ENERGY.edges[i]) & (energy < ENERGY.edges[i + 1])
        expected = Map.from_geom(WcsGeom.create(npix=image.geom.npix_image, binsz=SIZES[i], skydir=CENTRE, frame=frame,
                                                proj="TAN"), device=device)  # fmt: skip
        expected.fill_by_coord({"skycoord": radec[inside]})
        assert to_host(expected.data).sum() > 50
        assert_array_equal(to_host(image.data), to_host(expected.data))


def values_on(geom, backend):
    m = Map.from_geom(geom, unit="s")
    coords = geom.get_coord()
    m.set_by_coord(coords, (coords.lon.value + 2 * coords.lat.value) * u.s)
    return m


def test_values_are_set_read_and_interpolated_at_coordinates(backend):
    m = values_on(made(), backend)
    places = {"lon": [83.7, 83.5], "lat": [22.1, 22.0], "energy": [1.5, 3] * u.TeV}
    # a plane in space stays a plane between its points
    assert_allclose(to_host(m.interp_by_coord(places)), [83.7 + 44.2, 83.5 + 44], rtol=1e-4)
    index = m.geom.coord_to_idx(places)
    assert_array_equal(to_host(m.interp_by_coord(places, method="nearest")).shape, (2,))
    assert_allclose(to_host(m.get_by_coord(places)), to_host(m.get_by_idx(index)))
    assert np.isnan(to_host(m.get_by_coord({"lon": 83.63, "lat": 23.0, "energy": 1.5 * u.TeV})))[0]
    with pytest.raises(ValueError, match="interp_by_pix"):
        m.interp_by_pix((0, 0, 0))
    on_other = m.interp_to_geom(WcsGeom.create(npix=2, binsz=0.1, skydir=CENTRE, axes=[ENERGY]))
    assert_allclose(to_host(on_other.data).mean(), 83.63 + 44.02, rtol=1e-3)


def test_planes_are_taken_out_with_their_pixels(backend):
    m = values_on(made(), backend)
    image = m.get_image_by_idx((2,))
    assert image.geom.is_regular
    assert image.data.shape == (4, 6)
    assert_array_equal(to_host(image.data), to_host(m.data)[2, :4, :6])
    part = m.slice_by_idx({"energy": slice(1, 3)})
    assert part.data.shape == (2, 8, 8)
    assert [n.tolist() for n in part.geom.npix] == [[8, 6], [8, 4]]
    one = m.slice_by_idx({"energy": slice(1, 2)})
    assert (one.geom.is_regular, one.data.shape) == (True, (1, 8, 8))
    assert [image.data.shape for image in m.iter_by_image()] == [(10, 12), (8, 8), (4, 6)]


def test_planes_are_cropped_padded_and_rebinned(backend):
    m = values_on(made(), backend)
    small = m.crop(1)
    assert [n.tolist() for n in small.geom.npix] == [[10, 6, 4], [8, 6, 2]]
    coords = small.geom.get_coord().flat
    coords = coords.apply_mask(small.geom.contains(coords))
    assert_allclose(to_host(small.get_by_coord(coords)), to_host(m.get_by_coord(coords)))
    large = m.pad(2, cval=-1)
    assert_allclose(to_host(large.crop(2).data)[0], to_host(m.data)[0])
    assert (to_host(large.data) == -1).sum() == sum((x + 4) * (y + 4) - x * y for x, y in zip(*N_PIXELS, strict=True))
    assert np.all(to_host(m.pad(1, mode="interp", method="nearest").data)[0] > 100)
    with pytest.raises(ValueError, match="'edge'"):
        m.pad(1, mode="edge")
    with pytest.raises(GeometryError, match="leaves none"):
        m.crop(2)
    counts = Map.from_geom(made(), data=1.0)
    joined = counts.downsample(2)
    assert [n.tolist() for n in joined.geom.npix] == [[6, 4, 3], [5, 4, 2]]
    assert_allclose(to_host(joined.data)[0], np.full((5, 6), 4))
    assert_allclose(to_host(counts.upsample(2).data).sum(), 360)
    assert counts.upsample(2).downsample(2).geom == counts.geom
    with pytest.raises(NotImplementedError, match="energy"):
        counts.downsample(3, axis_name="energy")


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("axes", [(ENERGY,), (ENERGY, PHASE)], ids=["one axis", "two axes"])
def test_maps_come_back_from_their_file(backend, tmp_path, sparse, axes):
    npix = N_PIXELS if len(axes) == 1 else [[9, 8], [7, 6], [5, 4]]
    size = SIZES if len(axes) == 1 else [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]
    m = Map.from_geom(made("AIT", axes, npix=npix, binsz=size), unit="s")
    m.fill_by_coord(m.geom.get_coord(), m.geom.get_coord().lat.value)
    m.write(tmp_path / "map.fits", sparse=sparse)
    with fits.open(tmp_path / "map.fits") as hdus:
        assert {"NPIX", "CDELT", "CRPIX"} <= set(hdus[-1].columns.names)
    read = Map.read(tmp_path / "map.fits")
    assert isinstance(read, WcsNDMap)
    assert read.geom == m.geom
    assert_array_equal(to_host(read.data), to_host(m.data))


def test_axes_are_renamed_and_added_but_bins_keep_their_planes(caplog):
    geom = made()
    assert geom.rename_axes("energy", "energy_true").axes.names == ["energy_true"]
    cube = geom.to_cube([PHASE])
    assert cube.npix[0].tolist() == [[12, 12], [8, 8], [6, 6]]
    assert cube.slice_by_idx({"phase": 1}) == geom
    assert geom.to_image().is_regular
    assert "different size" not in caplog.text
    assert geom.squash("energy").is_regular
    assert "different size" in caplog.text
    mask = geom.energy_mask("2 TeV")
    assert mask.data.shape == geom.data_shape
    with pytest.raises(GeometryError, match="same pixels in all planes"):
        geom.pad(1, axis_name="energy")
    for refused in (lambda: geom.cutout(CENTRE, "1 deg"), lambda: geom.directions(), lambda: geom.region_mask("x")):
        with pytest.raises(GeometryError, match="same pixels in all planes"):
            refused()


def test_maps_of_the_same_planes_are_added(backend):
    one, other = values_on(made(), backend), values_on(made(), backend)
    assert_allclose(to_host((one + other).data), 2 * to_host(one.data))
    one.stack(other)
    assert_allclose(to_host(one.data), 2 * to_host(other.data))
    with pytest.raises(GeometryError, match="stack"):
        one.stack(Map.from_geom(made(npix=12, binsz=0.1), unit="s"))


def test_an_all_sky_map_has_no_values_off_the_sky(backend):
    m = Map.create(binsz=[20.0, 30.0, 60.0], proj="AIT", axes=[ENERGY])
    assert m.geom.is_allsky
    assert_array_equal(np.isnan(to_host(m.data)), np.isnan(m.geom.get_coord().lon.value))
    assert np.isnan(to_host(m.data)).sum(axis=(1, 2)).tolist() == sorted(np.isnan(to_host(m.data)).sum(axis=(1, 2)))


def test_planes_are_drawn_each_on_its_own_pixels():
    pytest.importorskip("matplotlib")
    m = Map.from_geom(made())
    axes = m.plot_grid(ncols=2)
    assert axes.shape == (2, 2)
    assert [ax.images[0].get_array().shape for ax in axes.flat[:3]] == [(10, 12), (8, 8), (4, 6)]
    assert not axes[1, 1].get_visible()


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.smooth("0.15 deg"),
        lambda m: m.smooth(1.5, kernel="disk"),
        lambda m: m.smooth("0.3 deg", kernel="box"),
        lambda m: (m > 0.8).binary_dilate("0.25 deg"),
        lambda m: (m > 0.2).binary_erode("0.25 deg"),
    ],
)
@pytest.mark.parametrize("axes", [(ENERGY,), (ENERGY, PHASE)])
def test_each_plane_is_filtered_with_the_size_of_its_own_pixels(change, axes, device):
    n_plane = 3 * (2 if len(axes) > 1 else 1)
    sizes = np.reshape(np.linspace(0.1, 0.35, n_plane), [axis.nbin for axis in axes])
    n_lon = np.reshape(np.arange(n_plane) + 8, sizes.shape)
    geom = made(axes=axes, binsz=sizes, npix=(n_lon, n_lon[::-1]))
    m = Map.from_geom(geom, data=np.random.default_rng(3).uniform(size=geom.data_shape), device=device)
    changed = change(m)
    assert changed.geom == geom
    for index in np.ndindex(sizes.shape):
        expected = change(m.get_image_by_idx(index))
        found = changed.get_image_by_idx(index)
        assert found.geom == expected.geom
        assert_allclose(to_host(found.data), to_host(expected.data), rtol=1e-12)


def test_kernels_of_pixels_and_another_order_of_axes_need_planes_with_the_same_pixels():
    m = Map.from_geom(made(axes=(ENERGY, PHASE), binsz=[[0.1, 0.2]] * 3, npix=8), data=1.0)
    with pytest.raises(GeometryError, match="convolve needs the same pixels"):
        m.convolve(np.ones((3, 3)))
    with pytest.raises(GeometryError, match="another order of the axes needs the same pixels"):
        m.reorder_axes(["phase", "energy"])
    assert m.reorder_axes(["energy", "phase"]).geom == m.geom


def test_images_of_healpix_planes_have_the_pixels_of_their_plane():
    geom = HpxGeom.create(nside=[64, 32, 16], region="DISK(83.63,22.01,5)", frame="icrs", axes=[ENERGY])
    m = Map.from_geom(geom, data=np.random.default_rng(3).uniform(size=geom.data_shape))
    at_centre = m.get_by_coord({"skycoord": CENTRE, "energy": ENERGY.center})
    images = [m.get_image_by_coord({"energy": energy}) for energy in ENERGY.center]
    assert [int(image.geom.nside[0]) for image in images] == [64, 32, 16]
    assert_array_equal([float(image.get_by_coord({"skycoord": CENTRE})[0]) for image in images], at_centre)
    assert [image.geom for image in m.iter_by_image()] == [image.geom for image in images]
    with pytest.raises(GeometryError, match="to_cube needs the same pixels"):
        m.to_cube([MapAxis.from_edges([0, 1], name="phase")])
    assert m.reorder_axes(["energy"]).geom == geom
