"""Reading results back, and making sure that they stayed where their input was."""

from typing import Any

import pytest

from lightpool.arrays import device_of, to_host


@pytest.fixture
def read(backend: Any) -> Any:
    """Return a function that reads a result, or a tuple of them, to the host."""

    def read_back(result: Any) -> Any:
        if isinstance(result, tuple):
            return tuple(read_back(part) for part in result)
        assert device_of(result) == backend.device
        return to_host(result)

    return read_back
