"""Stores of simulated runs, made once for all tests."""

import pytest

from lightpool.simulate import PointSource, simulate_store


@pytest.fixture(scope="session")
def crab_store(tmp_path_factory):
    """Six runs that have each kind of PSF and of background table."""
    return simulate_store(tmp_path_factory.mktemp("crab"), 6, seed=1)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    source = PointSource(norm=0.0)
    return simulate_store(tmp_path_factory.mktemp("empty"), 4, source=source, seed=2)
