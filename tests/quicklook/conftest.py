"""Small data stores for the tests of the quick look."""

import pytest

from lightpool.simulate import simulate_store


@pytest.fixture(scope="session")
def small_store(tmp_path_factory):
    """Four short runs around the Crab, at 0.5 deg."""
    return simulate_store(tmp_path_factory.mktemp("small") / "store", 4, ontime=60)


@pytest.fixture(scope="session")
def point_like_store(tmp_path_factory):
    """Four short runs with point-like responses and RAD_MAX."""
    return simulate_store(tmp_path_factory.mktemp("point") / "store", 4, ontime=60, point_like=True)
