import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import DeviceError, GeometryError
from lightpool.maps import Map, MapAxis, WcsGeom, WcsNDMap

ENERGY = MapAxis.from_energy_edges([1, 2, 4, 8, 16] * u.TeV)
RAD = MapAxis.from_bounds(0, 3, 3, unit="deg", name="rad")
GEOM = WcsGeom.create(npix=(4, 2), binsz=0.1, axes=[ENERGY])
VALUES = np.arange(32.0).reshape(4, 2, 4)


@pytest.fixture
def counts(backend):
    return Map.from_geom(GEOM, data=VALUES, meta={"a": 1})


def test_sums_and_logic_over_axes(counts):
    assert_array_equal(to_host(counts.sum_over_axes().data), VALUES.sum(axis=0, keepdims=True))
    assert counts.sum_over_axes(keepdims=False).geom.is_image
    weighted = counts.sum_over_axes(weights=counts > 8)
    assert_array_equal(to_host(weighted.data)[0], np.where(VALUES > 8, VALUES, 0).sum(axis=0))
    assert_array_equal(to_host((counts > 24).reduce_over_axes(func=np.logical_or).data), (VALUES > 24).any(axis=0))
    assert_array_equal(to_host((counts > 2).reduce("energy", func=np.logical_and).data), (VALUES > 2).all(axis=0))
    assert_array_equal(to_host(counts.reduce("energy", func=np.maximum).data), VALUES.max(axis=0))
    with pytest.raises(ValueError, match="'median'"):
        counts.reduce("energy", func=np.median)


def test_weights_of_a_cube_with_two_axes_count_once(backend):
    m = Map.from_geom(GEOM.to_image().to_cube([ENERGY, RAD]), data=1.0)
    total = m.sum_over_axes(weights=Map.from_geom(m.geom, data=0.5))
    assert_allclose(to_host(total.data), 6)


def test_a_slice_keeps_the_bins_that_were_asked_for(counts):
    part = counts.slice_by_idx({"energy": slice(1, 3)})
    assert_allclose(part.geom.axes["energy"].edges.value, [2, 4, 8])
    assert_array_equal(to_host(part.data), VALUES[1:3])
    assert part.meta == {"a": 1}
    assert counts.slice_by_idx({"energy": 2}).geom.is_image
    assert_array_equal(to_host(counts.slice_by_energy("1.9 TeV", "9 TeV").data), VALUES[1:3])
    assert_array_equal(to_host(counts.slice_by_energy(energy_min="4 TeV").data), VALUES[2:])
    with pytest.raises(GeometryError, match="20"):
        counts.slice_by_energy("20 TeV", "30 TeV")
    for whole in (counts, counts.geom):
        with pytest.raises(ValueError, match="there is no axis 'enrgy'"):
            whole.slice_by_idx({"enrgy": slice(1, 3)})


def test_images_are_found_by_index_coordinate_and_in_turn(counts):
    assert_array_equal(to_host(counts.get_image_by_idx((1,)).data), VALUES[1])
    assert_array_equal(to_host(counts.get_image_by_pix((1.4,)).data), VALUES[1])
    assert_array_equal(to_host(counts.get_image_by_coord(("3 TeV",)).data), VALUES[1])
    assert_array_equal(to_host(counts.get_image_by_coord({"energy": 3 * u.TeV}).data), VALUES[1])
    assert [float(to_host(m.data)[0, 0]) for m in counts.iter_by_image()] == [0, 8, 16, 24]
    assert all(m.geom.data_shape == (1, 2, 4) for m in counts.iter_by_image(keepdims=True))
    assert [index for _, index in counts.iter_by_image_data()] == [(0,), (1,), (2,), (3,)]
    with pytest.raises(ValueError, match="'energy'"):
        counts.get_image_by_idx((1, 2))


def test_a_map_can_be_split_and_put_together_again(counts):
    parts = counts.split_by_axis("energy")
    assert_array_equal(to_host(Map.from_stack(parts, axis=ENERGY).data), VALUES)
    halves = [counts.slice_by_idx({"energy": slice(0, 3)}), counts.slice_by_idx({"energy": slice(3, 4)})]
    whole = WcsNDMap.from_stack(halves, axis_name="energy")
    assert whole.geom == counts.geom
    assert_array_equal(to_host(whole.data), VALUES)
    with pytest.raises(GeometryError, match="not aligned"):
        Map.from_stack([parts[0], parts[1].crop((1, 0))], axis=ENERGY)
    with pytest.raises(ValueError, match="non-spatial axis"):
        Map.from_stack(parts)


def test_maps_are_stacked_in_the_unit_of_the_first(backend):
    image = Map.from_geom(GEOM.to_image(), data=1.0, unit="m")
    m = Map.from_stack([image, image.to_unit("cm")], axis=MapAxis.from_bounds(0, 2, 2, name="run"))
    assert_allclose(to_host(m.data), 1)


def test_axes_are_renamed_reordered_and_added(backend):
    m = Map.from_geom(GEOM.to_image().to_cube([ENERGY, RAD]), data=np.arange(96.0).reshape(3, 4, 2, 4))
    turned = m.reorder_axes(["rad", "energy"])
    assert turned.geom.axes.names == ["rad", "energy"]
    assert_array_equal(to_host(turned.data), np.arange(96.0).reshape(3, 4, 2, 4).transpose(1, 0, 2, 3))
    assert m.rename_axes("energy", "energy_true").geom.axes.names == ["energy_true", "rad"]
    more = m.to_cube([MapAxis.from_bounds(0, 1, 1, name="run")])
    assert more.geom.data_shape == (1, 3, 4, 2, 4)
    with pytest.raises(ValueError, match="one bin"):
        m.to_cube([MapAxis.from_bounds(0, 2, 2, name="run")])
    with pytest.raises(ValueError, match="compatible"):
        m.reorder_axes(["rad"])


def test_bins_are_joined_to_wider_ones(counts):
    wide = counts.resample_axis(MapAxis.from_energy_edges([1, 4, 16] * u.TeV))
    assert_array_equal(to_host(wide.data), VALUES.reshape(2, 2, 2, 4).sum(axis=1))
    masked = counts.resample_axis(MapAxis.from_energy_edges([1, 16] * u.TeV), weights=counts > 8)
    assert to_host(masked.data).sum() == VALUES[VALUES > 8].sum()
    either = (counts > 12).resample_axis(MapAxis.from_energy_edges([1, 4, 16] * u.TeV), ufunc=np.logical_or)
    assert either.is_mask
    assert_array_equal(to_host(either.data), (VALUES > 12).reshape(2, 2, 2, 4).any(axis=1))


def test_an_axis_is_padded(counts):
    padded = counts.pad((1, 2), axis_name="energy", mode="edge")
    assert padded.geom.axes["energy"].nbin == 7
    assert_array_equal(to_host(padded.data), np.pad(VALUES, [(1, 2), (0, 0), (0, 0)], mode="edge"))


def test_the_integral_along_an_axis_ends_with_the_whole(counts):
    total = counts.cumsum("energy")
    assert total.unit == "TeV"
    assert_allclose(to_host(total.data)[-1], (VALUES * np.array([1, 2, 4, 8]).reshape(4, 1, 1)).sum(axis=0))
    centre = {"skycoord": GEOM.center_skydir, "energy": [1, 16] * u.TeV}
    if not counts.device.is_host:
        with pytest.raises(DeviceError, match="cpu"):
            counts.integral("energy", centre)
        counts = counts.to("cpu")
    integral = counts.integral("energy", centre)
    assert_allclose(
        integral.value, [0, np.mean((VALUES * np.array([1, 2, 4, 8]).reshape(4, 1, 1)).sum(axis=0)[:, 1:3])]
    )


def test_a_normalised_map_integrates_to_one_and_empty_bins_stay_zero(backend):
    data = np.ones((3, 2, 4))
    data[:, 0, 0] = 0
    m = Map.from_geom(GEOM.to_image().to_cube([RAD]), data=data)
    m.normalize("rad")
    assert m.unit == "deg-2"
    expected = np.ones((2, 4))
    expected[0, 0] = 0
    assert_allclose(to_host(m.cumsum("rad").data)[-1], expected)
    with pytest.raises(ValueError, match="'rad'"):
        m.normalize()


def test_a_spectrum_needs_an_energy_axis(counts):
    with pytest.raises(ValueError, match="Energy axis required"):
        counts.sum_over_axes(keepdims=False).get_spectrum()


def test_maps_are_stacked_along_their_last_axis_unless_another_is_named(backend):
    whole = Map.from_geom(GEOM, data=VALUES)
    joined = Map.from_stack([whole.slice_by_idx({"energy": slice(*part)}) for part in ((0, 1), (1, 4))])
    assert joined.device == backend.device
    assert joined.geom == GEOM
    assert_array_equal(to_host(joined.data), VALUES)


def test_a_mask_on_fewer_bins_is_counted(backend):
    mask = Map.from_geom(GEOM, data=np.asarray([True, True, False, False]).reshape(4, 1, 1))
    fewer = MapAxis.from_energy_edges([1, 4, 16] * u.TeV)
    assert_array_equal(to_host(mask.resample_axis(fewer).data)[:, 0, 0], [2, 0])
    assert_array_equal(to_host(mask.resample_axis(fewer, ufunc=np.logical_or).data)[:, 0, 0], [True, False])
