import pytest
from made_up_stores import Store

from lightpool.data import FILE_CACHE


@pytest.fixture(autouse=True)
def _empty_cache():
    FILE_CACHE.clear()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def three(store):
    """A store of the whole observations 1, 2 and 3."""
    for obs_id in (1, 2, 3):
        store.add(obs_id)
    return store
