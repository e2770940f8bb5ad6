"""Pixels that hang together, against SciPy's labels."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from lightpool.arrays import to_host
from lightpool.arrays.kernels.connected_pixels import connected_labels, select_connected

CORNERS = np.ones((3, 3))


def spiral(n=41):
    """One winding path from the corner to the middle, the worst case for labels that spread."""
    mask = np.zeros((n, n), dtype=bool)
    y = x = 0
    step_y, step_x = 0, 1
    mask[0, 0] = True
    while True:
        for _ in range(2):
            ahead = (y + 2 * step_y, x + 2 * step_x)
            inside = all(0 <= pixel < n for pixel in ahead)
            near = (y + step_y, x + step_x)
            if not all(0 <= pixel < n for pixel in near) or (inside and mask[ahead]) or mask[near]:
                step_y, step_x = step_x, -step_y
                continue
            break
        else:
            return mask
        y, x = y + step_y, x + step_x
        mask[y, x] = True


@pytest.mark.parametrize("share", [0.05, 0.3, 0.45, 1.0])
def test_groups_are_those_of_scipy(backend, share):
    mask = np.random.default_rng(3).uniform(size=(37, 50)) < share
    labels = to_host(connected_labels(backend.array(mask)))
    expected, n_group = ndimage.label(mask, CORNERS)
    assert_array_equal(labels > 0, mask)
    assert len(np.unique(labels[mask])) == n_group
    assert all(len(np.unique(labels[expected == i + 1])) == 1 for i in range(n_group))


def test_a_long_winding_path_is_one_group(backend):
    mask = spiral()
    assert ndimage.label(mask, CORNERS)[1] == 1
    assert mask.sum() > 500
    assert len(np.unique(to_host(connected_labels(backend.array(mask)))[mask])) == 1


def test_groups_with_a_seed_that_are_large_enough_are_kept(backend):
    rng = np.random.default_rng(4)
    mask, seeds = rng.uniform(size=(60, 43)) < 0.3, rng.uniform(size=(60, 43)) < 0.05
    labels, n_group = ndimage.label(mask, CORNERS)
    groups = [labels == i + 1 for i in range(n_group)]
    expected = sum(group for group in groups if group.sum() >= 5 and (group & seeds).any())
    found = select_connected(backend.array(mask), backend.array(seeds), min_size=5)
    assert_array_equal(to_host(found), expected.astype(bool))
    assert 0 < to_host(found).sum() < mask.sum()


def test_a_seed_that_is_no_candidate_keeps_nothing(backend):
    mask = np.zeros((5, 6), dtype=bool)
    mask[1, 1] = True
    seeds = np.zeros_like(mask)
    seeds[1, 2] = seeds[4, 5] = True
    assert not to_host(select_connected(backend.array(mask), backend.array(seeds))).any()


def test_without_pixels_there_are_no_groups(backend):
    assert to_host(connected_labels(backend.array(np.zeros((0, 4), dtype=bool)))).shape == (0, 4)
