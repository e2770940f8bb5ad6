"""Gammapy 2.1 beside lightpool: the extra ``[peer]``."""

import pytest

from lightpool.simulate import PointSource


@pytest.fixture(scope="session", autouse=True)
def gammapy():
    return pytest.importorskip("gammapy", reason="needs the extra: pip install 'lightpool[peer]'")


@pytest.fixture(params=["icrs-CAR", "galactic-TAN"])
def projection(request):
    frame, _, proj = request.param.partition("-")
    return {"skydir": PointSource().position, "frame": frame, "proj": proj, "width": 4.0, "binsz": 0.1}
