"""Small reductions of simulated runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_reductions import MAP

from lightpool.config import Settings


@pytest.fixture
def settings_of(crab_store: Path, tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a reduction of six runs into a folder; sections can be replaced."""

    def make(folder: str = "out", **sections: Any) -> Settings:
        data: dict[str, Any] = {
            "observations": {"datastore": str(crab_store)},
            "targets": [MAP],
            "run": {"chunk_size": 2, "on_error": "skip"},
            "output": {"folder": str(tmp_path / folder), "compress": False},
        }
        for name, section in sections.items():
            data[name] = section if isinstance(section, list) else data.get(name, {}) | section
        return Settings.from_dict(data)

    return make
