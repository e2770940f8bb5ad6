import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import GeometryError
from lightpool.maps import Map, MapAxis, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
CENTRE = SkyCoord(83.63, 22.01, unit="deg")
GEOM = WcsGeom.create(npix=(4, 3), binsz=0.1, skydir=CENTRE, axes=[ENERGY])
VALUES = np.arange(36.0).reshape(3, 3, 4)


@pytest.fixture
def counts(backend):
    return Map.from_geom(GEOM, data=VALUES.copy())


def test_the_value_at_a_place_is_that_of_its_pixel(counts):
    coords = GEOM.get_coord()
    assert_array_equal(to_host(counts.get_by_coord(coords)), VALUES)
    assert_array_equal(to_host(counts.get_by_pix((np.array([1.4, 2.6]), 0.49, 1.0))), [13, 15])
    assert_array_equal(to_host(counts.get_by_idx((1, np.array([0, 2]), -1))), [25, 33])


def test_outside_the_map_there_is_the_fill_value(counts):
    far = {"skycoord": SkyCoord([83.63, 93.63], [22.01, 22.01], unit="deg"), "energy": [2, 2] * u.TeV}
    values = to_host(counts.get_by_coord(far))
    assert_array_equal(np.isnan(values), [False, True])
    masked = (counts > 0).get_by_coord(far, fill_value=False)
    assert_array_equal(to_host(masked), [True, False])
    assert to_host((counts > 0).get_by_coord(far)).dtype == np.float64
    with pytest.raises(IndexError, match="get_by_pix"):
        counts.get_by_idx((4, 0, 0))


def test_pixels_are_set_and_those_outside_are_left_out(counts):
    counts.set_by_idx((np.array([0, 3, -1, 9]), 0, 0), np.array([5.0, 6.0, 7.0, 8.0]))
    counts.set_by_coord({"skycoord": SkyCoord(83.66, 22.0, unit="deg"), "energy": [5, 50] * u.TeV}, 9.0)
    expected = VALUES.copy()
    expected[0, 0, [0, 3]] = 5, 6
    expected[2, 1, 1] = 9
    assert_array_equal(to_host(counts.data), expected)


def test_values_are_set_in_the_type_of_the_map(backend):
    mask = Map.from_geom(GEOM, data=False)
    mask.set_by_idx((1, 2, 0), 1)
    assert mask.is_mask
    assert to_host(mask.data).sum() == 1


def test_entries_are_counted_also_where_they_repeat(counts):
    idx = (np.array([1, 1, 2, 9, -1]), np.array([0, 0, 1, 0, 0]), np.zeros(5, dtype=int))
    counts.fill_by_idx(idx)
    counts.fill_by_pix(tuple(i + 0.3 for i in idx), weights=np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    difference = to_host(counts.data) - VALUES
    assert (difference[0, 0, 1], difference[0, 1, 2], difference.sum()) == (5, 4, 9)


def test_weights_with_a_unit_are_converted(backend):
    m = Map.from_geom(GEOM, unit="m2")
    m.fill_by_idx((1, 0, 0), weights=np.array([2e4]) * u.cm**2)
    assert to_host(m.data)[0, 0, 1] == pytest.approx(2)


@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_interpolation_at_the_pixel_centres_gives_their_values(counts, method):
    values = counts.interp_by_coord(GEOM.get_coord(sparse=True), method=method)
    assert_allclose(to_host(values), VALUES, rtol=1e-9, atol=1e-8)


def test_interpolation_is_linear_extrapolates_and_fills(counts):
    pix = (np.array([0.5, -1.0, 1.0]), np.array([1.0, 1.0, 5.0]), np.array([0.0, 0.0, 0.0]))
    assert_allclose(to_host(counts.interp_by_pix(pix)), [4.5, 3.0, 21.0])
    assert_allclose(to_host(counts.interp_by_pix(pix, fill_value=-9)), [4.5, -9, -9])
    with pytest.raises(ValueError, match="'cubic'"):
        counts.interp_by_pix(pix, method="cubic")


def test_an_axis_of_one_bin_does_not_take_part_in_the_interpolation(counts):
    summed = counts.sum_over_axes()
    places = {"skycoord": CENTRE, "energy": [0.1, 3, 100] * u.TeV}
    values = to_host(summed.interp_by_coord(places))
    assert values.shape == (3,)
    assert_allclose(values, values[0])


def test_not_a_number_counts_as_zero_in_an_interpolation(counts):
    counts.data[0, 0, 1] = float("nan")
    assert_allclose(to_host(counts.interp_by_pix((np.array([0.5, 1.0]), 0.0, 0.0))), [0, 0])
    nothing = counts * float("nan")
    assert np.isnan(to_host(nothing.interp_by_pix((0.5, 0.0, 0.0)))).all()


def test_counts_survive_a_change_of_pixels(backend):
    m = Map.from_geom(GEOM, data=np.ones((3, 3, 4)))
    fine = WcsGeom.create(npix=(8, 6), binsz=0.05, skydir=CENTRE, axes=[ENERGY])
    assert to_host(m.interp_to_geom(fine, preserve_counts=True).data).sum() == pytest.approx(36, rel=1e-3)
    other = fine.to_image().to_cube([MapAxis.from_energy_bounds("1 TeV", "5 TeV", nbin=3)])
    with pytest.raises(GeometryError, match="Energy axes do not match"):
        m.interp_to_geom(other, preserve_counts=True)


def test_a_mask_of_an_image_spreads_over_the_energies(backend):
    mask = Map.from_geom(GEOM.to_image(), data=VALUES[0] > 4)
    cube = mask.interp_to_geom(GEOM)
    assert cube.is_mask
    assert cube.device == backend.device
    assert_array_equal(to_host(cube.data), np.broadcast_to(VALUES[0] > 4, (3, 3, 4)))


def test_outside_a_mask_the_fill_value_decides(backend):
    mask = Map.from_geom(GEOM.to_image(), data=False)
    wide = GEOM.to_image().pad(1)
    assert to_host(mask.interp_to_geom(wide).data).sum() == 0
    assert to_host(mask.interp_to_geom(wide, fill_value=True).data).sum() == 30 - 12


@pytest.mark.parametrize("fill_value", [False, True])
def test_a_mask_on_a_window_of_its_pixels_is_the_one_found_by_coordinates(backend, fill_value):
    mask = Map.from_geom(GEOM, data=VALUES % 3 == 0)
    corner = GEOM.cutout(SkyCoord(83.8, 22.15, unit="deg"), "0.3 deg", mode="partial")
    away = WcsGeom.from_aligned(GEOM, SkyCoord(85, 22, unit="deg"), "0.2 deg")
    for geom in (GEOM, corner, away, GEOM.pad(2), GEOM.crop(1)):
        by_coordinates = to_host(mask.get_by_coord(geom.get_coord(), fill_value=fill_value))
        assert_array_equal(to_host(mask.interp_to_geom(geom, fill_value=fill_value).data), by_coordinates)


def test_resampling_and_coadding_keep_the_sum(counts):
    coarse = WcsGeom.create(npix=(3, 3), binsz=0.2, skydir=CENTRE, axes=[ENERGY])
    assert to_host(counts.resample(coarse).data).sum() == pytest.approx(VALUES.sum())
    assert to_host(counts.resample(coarse, smooth=True).data).sum() == pytest.approx(VALUES.sum())
    half = counts.resample(coarse, weights=Map.from_geom(GEOM, data=0.5))
    assert to_host(half.data).sum() == pytest.approx(VALUES.sum() / 2)
    total = Map.from_geom(coarse, unit="km")
    total.coadd(counts.copy(unit="m"), weights=counts > 3)
    assert to_host(total.data).sum() == pytest.approx(VALUES[VALUES > 3].sum() / 1000)


@pytest.mark.parametrize("fill_value", [None, 0.0, -1.0])
@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_values_looked_up_a_plane_at_a_time_are_those_of_all_at_once(counts, method, fill_value, tiny_blocks):
    mask = counts > 10
    finer = WcsGeom.create(npix=(9, 7), binsz=0.06, skydir=(83.7, 22), axes=[ENERGY.upsample(2)])
    image = WcsGeom.create(npix=(9, 7), binsz=0.06, skydir=(83.7, 22))
    places = [finer.get_coord(sparse=True), finer.get_coord(), (83.6, 22.0, 2 * u.TeV), ([83.6, 83.7], 22.0, 2 * u.TeV)]

    def looked_up():
        values = [counts.interp_by_coord(coords, method=method, fill_value=fill_value) for coords in places]
        values += [counts.get_by_coord(coords) for coords in places]
        values += [part.interp_to_geom(finer, fill_value=fill_value).data for part in (counts, mask)]
        values.append(mask.sum_over_axes(keepdims=False).interp_to_geom(image, method=method).data)
        return [to_host(part) for part in values]

    at_once = looked_up()
    tiny_blocks()
    for values, expected in zip(looked_up(), at_once, strict=True):
        assert values.shape == expected.shape
        assert values.dtype == expected.dtype
        assert_array_equal(values, expected)


def test_pixel_coordinates_of_other_centres_are_those_of_their_coordinates():
    rad = MapAxis.from_edges([0, 0.1, 0.3, 0.7], unit="deg", name="rad")
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=7)
    geom = WcsGeom.create(npix=(4, 3), binsz=0.1, skydir=CENTRE, axes=[rad, energy])
    places = {"npix": (9, 7), "binsz": 0.04, "skydir": (83.7, 22)}
    others = [
        WcsGeom.create(**places, axes=[rad, energy]),
        WcsGeom.create(**places, axes=[rad.copy(name="rad"), energy]),
        WcsGeom.create(npix=(9, 7), binsz=60, proj="AIT", axes=[rad, energy]),  # off the sky too
        WcsGeom.create(npix=(9, 7), binsz=0.1, skydir=(184.56, -5.78), frame="galactic", axes=[rad, energy]),
    ]
    for other in others:
        found, expected = geom.pix_of_centers(other), geom.coord_to_pix(other.get_coord(sparse=True))
        for part, expected_part in zip(found, expected, strict=True):
            assert_array_equal(*(np.broadcast_to(x, other.data_shape) for x in (part, expected_part)))


def test_a_map_without_a_unit_gets_plain_numbers_with_a_warning(caplog):
    m = Map.create(npix=2, unit="")
    m.set_by_idx((0, 0), 3 * u.deg)
    assert m.data[0, 0] == 3
    assert "'deg' are set as plain numbers" in caplog.text
    lengths = Map.create(npix=2, unit="m")
    lengths.set_by_idx((0, 0), 3 * u.cm)
    assert lengths.data[0, 0] == 0.03
    with pytest.raises(u.UnitConversionError):
        lengths.set_by_idx((0, 0), 3 * u.deg)
