import numpy as np
import pytest
from scipy import ndimage

from lightpool.arrays.devices.devices import to_host
from lightpool.arrays.kernels.smoothing import box_weights, filter_matrix, gauss_weights, smooth_rows_and_columns

IMAGE = np.random.default_rng(0).uniform(size=(2, 7, 5))
MODES = ["reflect", "mirror", "nearest", "wrap", "constant"]


def smoothed(backend, weights, mode):
    along_y, along_x = (backend.array(filter_matrix(n, weights, mode)) for n in IMAGE.shape[-2:])
    return to_host(smooth_rows_and_columns(backend.array(IMAGE), along_y, along_x))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.7, 2.5])
def test_a_gauss_filter_is_that_of_scipy(backend, mode, sigma):
    expected = [ndimage.gaussian_filter(plane, sigma, mode=mode) for plane in IMAGE]
    np.testing.assert_allclose(smoothed(backend, gauss_weights(sigma), mode), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_running_mean_is_that_of_scipy(backend, mode, size):
    expected = [ndimage.uniform_filter(plane, size, mode=mode) for plane in IMAGE]
    np.testing.assert_allclose(smoothed(backend, box_weights(size), mode), expected, rtol=1e-12, atol=1e-14)


def test_an_unknown_rule_at_the_edges_is_refused():
    with pytest.raises(ValueError, match=r"'round'.*reflect"):
        filter_matrix(3, gauss_weights(1.0), "round")
