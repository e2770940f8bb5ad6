"""The benchmarks find what they measure, and run through on small or real data."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def scripts(monkeypatch):
    """Makes the folder of the benchmarks importable, and forgets its modules afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in ("peer", "host_floor", "floors"):
        sys.modules.pop(name, None)


@pytest.fixture
def peer(scripts):
    import peer

    return peer


@pytest.fixture
def host_floor(scripts):
    import host_floor

    return host_floor


@pytest.fixture
def floors(scripts):
    import floors

    return floors


@pytest.mark.parametrize("is_stacked", [True, False])
def test_the_arithmetic_of_each_stage_runs_on_images_of_any_size(floors, is_stacked):
    probe = floors.Probe(floors.Sizes(40, 30, 3, 4, 5, 200, 100, is_stacked, 0.5))
    with np.errstate(all="raise"):
        for stage in probe.stages().values():
            stage()
    assert 0 < probe.counts[1].sum() <= 100
    assert np.isfinite(probe.background).all()
    assert set(floors.JOBS) <= set(floors.peer.JOBS)


def test_the_stages_that_are_timed_are_functions_of_the_package(peer):
    found = []
    with peer.wrapped_stages("lightpool", peer.STAGES, lambda name, function: found.append(name) or function):
        pass
    assert set(found) == set(peer.STAGES)


def test_functions_belong_to_rooms(host_floor):
    assert host_floor.room_of("/a/src/lightpool/maps/geoms/wcs_geom.py", "cutout") == "lightpool.maps"
    assert host_floor.room_of("/a/src/lightpool/names.py", "f") == "lightpool.names"
    assert host_floor.room_of("/a/lib/site-packages/numpy/_core/x.py", "sum") == "numpy"
    assert host_floor.room_of("~", "<method 'decompress' of 'zlib.Decompress' objects>") == "decompression"


@pytest.mark.slow
@pytest.mark.reference
def test_the_floor_of_the_host_is_measured(host_floor, shared, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(host_floor.peer.CrabLoop, "binsz", 0.5)
    monkeypatch.setattr(host_floor.os, "sched_setaffinity", lambda *args: None, raising=False)
    path = tmp_path / "floor.json"
    data = shared / "data" / "hess-dl3-dr1"
    monkeypatch.setattr(
        sys, "argv", ["host_floor.py", "--data", str(data), "--repeat", "1", "--rooms", "--json", str(path)]
    )
    assert host_floor.main() == 0
    found = json.loads(path.read_text())
    for job in host_floor.JOBS:
        assert found[f"{job}, files cold"]["calls"] > found[f"{job}, files warm"]["calls"] > 0
        assert found[f"{job}, rooms"]["lightpool.makers"] > 0
    assert "zlib alone" in capsys.readouterr().out
