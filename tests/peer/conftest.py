"""Gammapy 2.1 beside lightpool: the extra ``[peer]``. Without it there is nothing here to collect."""

from importlib import import_module
from importlib.util import find_spec

import pytest

from lightpool.simulate import PointSource

collect_ignore_glob = ["test_*.py"] if find_spec("gammapy") is None else []


@pytest.fixture(scope="session", autouse=True)
def gammapy():
    return import_module("gammapy")


@pytest.fixture(params=["icrs-CAR", "galactic-TAN"])
def projection(request):
    frame, _, proj = request.param.partition("-")
    return {"skydir": PointSource().position, "frame": frame, "proj": proj, "width": 4.0, "binsz": 0.1}
