import numpy as np
import pytest
import scipy.fft
import scipy.signal
from astropy.convolution import Ring2DKernel, Tophat2DKernel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import convolve_fft, disk_kernel, to_host
from lightpool.arrays.kernels.convolution import fft_size, ring_kernel

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(
    image=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    mode=st.sampled_from(["same", "full", "valid"]),
)
def test_convolution_agrees_with_the_direct_sum(backend, read, image, kernel, mode):
    if mode == "valid" and not (image[0] >= kernel[0] and image[1] >= kernel[1]):
        return
    rng = np.random.default_rng(10)
    image, kernel = rng.normal(size=(2, *image)), rng.normal(size=kernel)
    expected = [scipy.signal.convolve(plane, kernel, mode=mode, method="direct") for plane in image]
    assert_allclose(read(convolve_fft(backend.array(image), kernel, mode)), expected, atol=1e-12)


def test_each_plane_may_have_a_kernel_of_its_own(backend, read):
    rng = np.random.default_rng(11)
    image, kernels = rng.normal(size=(20, 20)), rng.normal(size=(3, 5, 5))
    expected = [scipy.signal.convolve(image, kernel, mode="same") for kernel in kernels]
    assert_allclose(read(convolve_fft(backend.array(image), backend.array(kernels))), expected, atol=1e-12)


def test_counts_are_kept_when_they_spread(backend, read):
    image = np.zeros((41, 43))
    image[20, 21] = 7
    disk = disk_kernel(2.5)
    spread = read(convolve_fft(backend.array(image), disk / disk.sum()))
    assert_allclose(spread.sum(), 7)
    assert_allclose(spread[20, 21], 7 / disk.sum())


def test_masks_and_whole_numbers_are_convolved_as_numbers(backend, read):
    mask = np.eye(6, dtype=bool)
    expected = scipy.signal.convolve(mask.astype(float), np.ones((3, 3)), mode="same")
    for image in (mask, mask.astype(np.int64)):
        assert_allclose(read(convolve_fft(backend.array(image), np.ones((3, 3), dtype=int))), expected, atol=1e-12)


def test_mode_that_is_unknown_or_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="'wrap', expected one of 'same', 'full', 'valid'"):
        convolve_fft(np.ones((3, 3)), np.ones((3, 3)), "wrap")
    with pytest.raises(ValueError, match="leaves nothing of 3 pixels under a kernel of 5"):
        convolve_fft(np.ones((3, 9)), np.ones((5, 5)), "valid")


def test_size_of_transforms_is_the_one_scipy_finds():
    sizes = range(1, 2000)
    assert [fft_size(n) for n in sizes] == [scipy.fft.next_fast_len(n, real=True) for n in sizes]


@pytest.mark.parametrize("radius", [0.4, 1, 2, 2.5, 3.2, 7.9, 10])
def test_kernels_are_those_of_astropy(radius):
    disk, ring = Tophat2DKernel(radius), Ring2DKernel(radius, 2.3)
    disk.normalize("peak")
    ring.normalize("peak")
    assert_array_equal(disk_kernel(radius), disk.array)
    assert_array_equal(ring_kernel(radius, 2.3), ring.array)


def test_kernel_without_extent_is_refused():
    for make in (disk_kernel, lambda width: ring_kernel(3.0, width)):
        with pytest.raises(ValueError, match=r"is 0\.0 pixels, expected a positive number"):
            make(0.0)


@pytest.mark.parametrize("mode", ["same", "full", "valid"])
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_planes_convolved_one_by_one_are_those_convolved_at_once(backend, mode, lead, tiny_blocks):
    rng = np.random.default_rng(5)
    image = backend.array(rng.normal(size=(*lead, 11, 8)))
    kernels = [backend.array(rng.normal(size=(*some, 3, 4))) for some in {(), lead, (1,) * len(lead)}]
    at_once = [to_host(convolve_fft(image, kernel, mode)) for kernel in kernels]
    tiny_blocks()
    for kernel, expected in zip(kernels, at_once, strict=True):
        convolved = to_host(convolve_fft(image, kernel, mode))
        assert convolved.shape == expected.shape
        assert_allclose(convolved, expected, rtol=0, atol=1e-14)
