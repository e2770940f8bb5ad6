import numpy as np
import pytest
import scipy.ndimage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lightpool.arrays import binary_dilation, binary_erosion, disk_kernel

FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(seed=st.integers(0, 1000), filled=st.floats(0, 1), structure=st.sampled_from([(1, 1), (3, 5), (7, 1), (5, 5)]))
def test_growing_and_shrinking_agree_with_scipy(backend, read, seed, filled, structure):
    rng = np.random.default_rng(seed)
    mask, structure = rng.random((2, 12, 15)) < filled, rng.random(structure) < 0.6
    structure[structure.shape[0] // 2, structure.shape[1] // 2] = True
    device_mask = backend.array(mask)
    dilated, eroded = read(binary_dilation(device_mask, structure)), read(binary_erosion(device_mask, structure))
    assert dilated.dtype == eroded.dtype == np.bool_
    assert_array_equal(dilated, [scipy.ndimage.binary_dilation(plane, structure) for plane in mask])
    assert_array_equal(eroded, [scipy.ndimage.binary_erosion(plane, structure) for plane in mask])


def test_lonely_pixel_grows_to_the_structure(backend, read):
    mask = np.zeros((9, 9), dtype=bool)
    mask[4, 4] = True
    disk = disk_kernel(3.0)
    grown = binary_dilation(backend.array(mask), disk)
    assert_array_equal(read(grown)[1:8, 1:8], disk > 0)
    assert_array_equal(read(binary_erosion(grown, disk)), mask)


def test_full_mask_is_eroded_from_the_edge_of_the_image(backend, read):
    eroded = read(binary_erosion(backend.array(np.ones((7, 8), dtype=bool)), np.ones((3, 5))))
    expected = np.zeros((7, 8), dtype=bool)
    expected[1:-1, 2:-2] = True
    assert_array_equal(eroded, expected)


def test_empty_and_full_masks_stay_so(backend, read):
    empty = backend.array(np.zeros((5, 5), dtype=bool))
    assert not read(binary_dilation(empty, np.ones((3, 3)))).any()
    assert read(binary_dilation(~empty, np.ones((3, 3)))).all()


def test_structure_without_a_centre_is_refused():
    with pytest.raises(ValueError, match=r"structure has shape \(2, 3\), expected two odd numbers"):
        binary_dilation(np.ones((5, 5), dtype=bool), np.ones((2, 3)))
