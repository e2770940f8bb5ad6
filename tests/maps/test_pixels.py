"""Directions, solid angles and separations of pixels: right, and computed once for a map and what is cut from it."""

import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import fov_lonlat
from lightpool.arrays.devices.devices import device_of, to_host
from lightpool.errors import GeometryError
from lightpool.maps import MapAxis, WcsGeom
from lightpool.maps.geoms import pixel_grid, wcs_geom

CRAB = (83.63, 22.01)


def solid_angle_by_astropy(geom):
    """The slow twin: Gammapy's two plane triangles, with astropy's separations and position angles."""
    corner = geom.to_image().get_coord(mode="edges").skycoord
    a, b, c, d = corner[:-1, :-1], corner[1:, :-1], corner[:-1, 1:], corner[1:, 1:]
    angle_b = b.position_angle(d) - b.position_angle(a)
    angle_c = c.position_angle(d) - a.position_angle(c)
    first = a.separation(b).rad * b.separation(d).rad * np.sin(angle_b)
    second = c.separation(d).rad * a.separation(c).rad * np.sin(angle_c)
    return np.abs(0.5 * (first + second).value)


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("proj", ["CAR", "TAN", "AIT", "MER"])
def test_directions_are_those_of_the_coordinates(backend, proj, frame):
    geom = WcsGeom.create(npix=(9, 6), binsz=(30, 20), proj=proj, frame=frame, skydir=(40.0, 0.0))
    lon, lat = (_.to_value("rad") for _ in list(geom.get_coord())[:2])
    expected = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    directions = geom.directions(backend.device)
    assert device_of(directions) == backend.device
    assert_allclose(to_host(directions), expected, atol=1e-13)


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("proj", ["CAR", "TAN", "AIT", "MER"])
@pytest.mark.parametrize("skydir", [CRAB, (266.4, -71.0), (0.0, 0.0)])
def test_solid_angle_is_that_of_astropy_separations(backend, proj, frame, skydir):
    geom = WcsGeom.create(npix=(8, 7), binsz=(0.02, 0.03), proj=proj, frame=frame, skydir=skydir)
    assert_allclose(to_host(geom.solid_angle_array(backend.device)), solid_angle_by_astropy(geom), rtol=1e-9)


@pytest.mark.parametrize("proj", ["TAN", "SIN", "ARC", "ZEA", "STG"])
@pytest.mark.parametrize("lat", [90.0, 89.95, -90.0])
def test_pixels_at_a_pole_are_as_large_as_elsewhere(backend, proj, lat):
    options = {"npix": (21, 20), "binsz": 0.1, "proj": proj}
    at_pole = WcsGeom.create(skydir=(0.0, lat), **options).solid_angle_array(backend.device)
    at_equator = WcsGeom.create(skydir=(83.0, 0.0), **options).solid_angle_array(backend.device)
    assert_allclose(to_host(at_pole), to_host(at_equator), rtol=3e-6)


def test_solid_angles_add_up_to_the_whole_sky(backend):
    geom = WcsGeom.create(binsz=1)
    total = float(np.sum(to_host(geom.solid_angle_array(backend.device))))
    assert geom.is_allsky
    assert_allclose(total, 4 * np.pi, rtol=1e-12)


def test_pixels_off_the_sky_have_no_direction_and_no_solid_angle(backend):
    geom = WcsGeom.create(npix=(40, 20), binsz=10, proj="AIT")
    corner_off = np.isnan(solid_angle_by_astropy(geom))
    assert corner_off.any()
    assert not corner_off.all()
    assert_array_equal(np.isnan(to_host(geom.solid_angle_array(backend.device))), corner_off)
    centre_off = np.isnan(geom.get_coord().lon.value)
    assert_array_equal(np.isnan(to_host(geom.directions(backend.device))[0]), centre_off)


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_separation_is_that_of_astropy(backend, frame):
    geom = WcsGeom.create(npix=(7, 5), binsz=0.5, frame=frame, skydir=SkyCoord(*CRAB, unit="deg"))
    centre = SkyCoord(83.2, 22.7, unit="deg")
    expected = centre.separation(geom.get_coord().skycoord)
    assert_allclose(geom.separation(centre).deg, expected.deg, atol=1e-12)
    in_frame = centre.transform_to(frame).data
    values = geom.separation_array(in_frame.lon.rad, in_frame.lat.rad, backend.device)
    assert_allclose(to_host(values), expected.rad, atol=1e-14)


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_offset_vectors_are_offsets_along_icrs_from_the_pointing(backend, frame):
    pointing = SkyCoord(83.2, 22.7, unit="deg")
    geom = WcsGeom.create(npix=(7, 5), binsz=0.5, frame=frame, skydir=SkyCoord(*CRAB, unit="deg"))
    lon, lat = fov_lonlat(geom.offset_vectors(pointing.galactic, backend.device))
    expected = geom.get_coord().skycoord.transform_to(pointing.skyoffset_frame())
    assert_allclose(to_host(lon), -expected.lon.rad, atol=1e-12)
    assert_allclose(to_host(lat), expected.lat.rad, atol=1e-12)


def test_pixel_of_a_position_is_that_of_wcslib(backend):
    geom = WcsGeom.create(npix=(70, 50), binsz=0.1, skydir=CRAB).cutout(SkyCoord(84, 22.4, unit="deg"), "2 deg")
    lon, lat = np.array([83.9, 85.0, 84.2]), np.array([22.1, 22.5, 21.9])
    x, y = geom.sky_to_pix_array(backend.array(np.deg2rad(lon)), backend.array(np.deg2rad(lat)))
    expected = geom.coord_to_pix((lon, lat))
    assert_allclose(to_host(x), expected[0], atol=1e-9)
    assert_allclose(to_host(y), expected[1], atol=1e-9)


@pytest.fixture
def computed(monkeypatch):
    """Boxes whose directions were computed."""
    boxes = []
    compute = pixel_grid.PixelGrid.directions

    def counting(grid, box, device, **kwargs):
        boxes.append(box)
        return compute(grid, box, device, **kwargs)

    monkeypatch.setattr(pixel_grid.PixelGrid, "directions", counting)
    return boxes


def test_cutouts_copies_and_other_axes_share_what_was_computed_once(backend, computed):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    geom = WcsGeom.create(npix=60, binsz=0.1, skydir=CRAB, axes=[axis])
    whole = to_host(geom.directions(backend.device))
    centre = SkyCoord(84.5, 22.4, unit="deg")
    relatives = {
        "cutout": (geom.cutout(centre, "2 deg"), (slice(24, 44), slice(12, 32))),
        "cutout of a cutout": (geom.cutout(centre, "2 deg").cutout(centre, "1 deg"), (slice(29, 39), slice(17, 27))),
        "image": (geom.to_image(), (slice(None), slice(None))),
        "other axis": (geom.to_image().to_cube([axis.squash()]), (slice(None), slice(None))),
        "squash": (geom.squash("energy"), (slice(None), slice(None))),
        "copy": (geom.copy(), (slice(None), slice(None))),
        "crop": (geom.crop(5), (slice(5, 55), slice(5, 55))),
        "aligned": (WcsGeom.from_aligned(geom, centre, "1 deg"), (slice(29, 39), slice(17, 27))),
    }
    for name, (relative, window) in relatives.items():
        assert_array_equal(to_host(relative.directions(backend.device)), whole[:, *window], err_msg=name)
        lon = relative.to_image().get_coord().lon.value
        assert_allclose(lon, geom.to_image().get_coord().lon.value[window], atol=1e-10, err_msg=name)
    assert len(computed) == 1


def test_windows_beyond_the_border_cost_strips(backend, computed):
    geom = WcsGeom.create(npix=20, binsz=0.1, skydir=CRAB)
    partial = geom.cutout(SkyCoord(84.6, 22.01, unit="deg"), "1 deg", mode="partial")
    padded = geom.pad(3)
    whole = to_host(geom.directions(backend.device))
    assert partial.data_shape == (10, 10)
    shared = partial.cutout_info
    part = to_host(partial.directions(backend.device))[:, *shared["cutout-slices"]]
    assert_allclose(part, whole[:, *shared["parent-slices"]], atol=1e-15)
    assert_allclose(to_host(padded.directions(backend.device))[:, 3:-3, 3:-3], whole, atol=1e-15)
    assert sum(box.n_pixel for box in computed) <= 27 * 26  # no pixel twice


def test_a_large_map_is_filled_when_its_cutouts_add_up_to_it(computed):
    geom = WcsGeom.create(npix=100, binsz=0.1, skydir=(0, 0))
    for lon in np.linspace(-4, 4, 60):
        geom.cutout(SkyCoord(lon, 0, unit="deg"), "2 deg").directions("cpu")
    assert sum(box.n_pixel == 100 * 100 for box in computed) == 1
    assert sum(box.n_pixel for box in computed) <= 2 * 100 * 100


def test_the_small_pixels_of_oversampling_are_shared_too(computed):
    geom = WcsGeom.create(npix=20, binsz=0.1, skydir=CRAB)
    for _ in range(2):
        fine = geom.cutout(SkyCoord(83.8, 22.01, unit="deg"), "1 deg").upsample(2)
        fine.directions("cpu")
    assert fine.data_shape == (20, 20)
    assert len(computed) == 1
    with pytest.raises(GeometryError, match="whole number"):
        geom.upsample(1.5)


def test_the_store_forgets_the_longest_unused_array():
    box = pixel_grid.Box(0, 0, 10, 10)
    store = pixel_grid.PixelStore(max_bytes=2000)
    for kind in ("first", "second"):
        store.put(kind, box, np.zeros((10, 10)))
    assert store.get("first", box) is not None
    store.put("third", box, np.zeros((10, 10)))
    assert store.get("second", box) is None
    assert store.get("first", pixel_grid.Box(2, 3, 4, 5)).shape == (5, 4)
    assert store.get("first", pixel_grid.Box(8, 8, 4, 4)) is None
    store.put("too large", box, np.zeros((3, 10, 10)))
    assert store.get("too large", box) is None
    assert store.get("third", box) is not None


def test_pickled_geometries_keep_every_bit_and_their_common_pixels():
    geom = WcsGeom.create(npix=20, binsz=0.1 / 3, skydir=(83.63 / 7, 22.01 / 3))
    cutout = geom.cutout(geom.center_skydir, 0.3 * u.deg)
    geom.directions("cpu")
    text = pickle.dumps((geom, cutout))
    assert len(text) < 20_000
    again, cutout_again = pickle.loads(text)
    assert again == geom
    assert cutout_again.cutout_info == cutout.cutout_info
    for name in ("crval", "cdelt", "crpix"):
        assert_array_equal(getattr(again.wcs.wcs, name), getattr(geom.wcs.wcs, name))
    assert_array_equal(cutout_again.directions("cpu"), cutout.directions("cpu"))
    assert cutout_again.cutout_slices(again) == cutout.cutout_slices(geom)


@pytest.mark.slow
@pytest.mark.parametrize("proj", ["TAN", "AIT", "ZEA"])
def test_what_is_made_a_row_at_a_time_is_what_is_made_at_once(backend, proj, tiny_blocks):
    other = WcsGeom.create(npix=(30, 20), binsz=0.2, skydir=(184, -5), frame="galactic")

    def made():
        geom = WcsGeom.create(npix=(37, 23), binsz=0.1 if proj != "AIT" else 12.0, skydir=CRAB, proj=proj)
        cut = geom.cutout(SkyCoord(84.6, 22.6, unit="deg"), "1 deg", mode="partial") if proj == "TAN" else geom
        return [
            values
            for one in (geom, cut)
            for values in (
                to_host(one.directions(backend.device)),
                to_host(one.solid_angle_array(backend.device)),
                to_host(one.separation_array(1.4, 0.3, backend.device)),
                to_host(one.offset_vectors(SkyCoord(83, 22, unit="deg"), backend.device)),
                to_host(one.pixel_numbers_on(other, backend.device)),
                one.window.lonlat(),
            )
        ]

    at_once = made()
    tiny_blocks()
    for values, expected in zip(made(), at_once, strict=True):
        assert values.shape == expected.shape
        if backend.device.is_host:
            assert_array_equal(values, expected)
        else:  # PyTorch rounds by the place of a number in a vector of the processor
            assert_allclose(values, expected, rtol=1e-14, atol=1e-15)
    assert not made()[-1].flags.writeable


def test_a_map_too_large_to_keep_its_directions_has_the_same_angles(backend, monkeypatch, tiny_blocks):
    expected = to_host(WcsGeom.create(npix=(37, 23), binsz=0.1, skydir=CRAB).separation_array(1.4, 0.3, backend.device))
    geom = WcsGeom.create(npix=(37, 23), binsz=0.1, skydir=CRAB)
    geom.window.grid._store = pixel_grid.PixelStore(max_bytes=8 * 37 * 23)
    tiny_blocks()
    assert_allclose(to_host(geom.separation_array(1.4, 0.3, backend.device)), expected, rtol=1e-14, atol=1e-15)
    other = WcsGeom.create(npix=(30, 20), binsz=0.2, skydir=CRAB)
    numbers = to_host(geom.pixel_numbers_on(other, backend.device))
    assert_array_equal(numbers, to_host(geom.copy().pixel_numbers_on(other, backend.device)))
    assert numbers.shape == (23, 37)


def test_a_grid_forgets_how_much_was_asked_of_what_is_long_gone():
    geom = WcsGeom.create(npix=(37, 23), binsz=0.1, skydir=CRAB)
    cutout = geom.cutout(geom.center_skydir, "0.5 deg")
    for lon in range(200):
        cutout.pixel_numbers_on(WcsGeom.create(npix=3, binsz=1, skydir=(lon, 0)))
    assert len(geom.window.grid._n_asked) == pixel_grid.MAX_KINDS


def test_maps_that_are_cut_around_one_position_ask_once_where_it_lies(monkeypatch):
    n_asked, plain = [], wcs_geom.wcslib_to_pixel
    monkeypatch.setattr(wcs_geom, "wcslib_to_pixel", lambda *args: n_asked.append(args) or plain(*args))
    geom = WcsGeom.create(npix=(50, 40), binsz=0.1, skydir=CRAB)
    one, other = SkyCoord(83.0, 22.5, unit="deg"), SkyCoord(84.9, 23.7, unit="deg")
    cube = geom.to_cube([MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)])
    first = geom.cutout(one, "1 deg")
    assert cube.cutout(one, "1 deg").window == first.window
    assert cube.cutout(one, "1 deg").cutout_info == first.cutout_info
    assert len(n_asked) == 1
    for position, width, mode, part in (
        (other, "1 deg", "trim", geom),
        (other, "1 deg", "partial", geom),
        (one, "1 deg", "partial", geom),
        (one, "2 deg", "partial", geom),
        (one, "2 deg", "partial", first),
    ):
        again = part.cutout(position, width, mode=mode)
        fresh = WcsGeom(part.wcs, part.data_shape[::-1]).cutout(position, width, mode=mode)
        assert again == fresh
        assert again.cutout_info == fresh.cutout_info
    assert len(n_asked) == 1 + 2 * 5
    assert first == geom.cutout(one.copy(), "1 deg")
