"""A plugin of pytest: the session runs with Gammapy accelerated, and says at its end what ran where."""

import os
from pathlib import Path

import pytest

from lightpool import gammapy as bridge

REPORT = "LIGHTPOOL_REPORT"
"""Name of the environment variable with the file for the report."""

STRICT = "LIGHTPOOL_STRICT"
"""Name of the environment variable that, if it is 1, leaves to Gammapy what lightpool does differently on purpose."""


def pytest_sessionstart(session: pytest.Session) -> None:
    bridge.accelerate(strict=os.environ.get(STRICT) == "1")


def pytest_sessionfinish(session: pytest.Session) -> None:
    report = str(bridge.report())
    bridge.restore()
    if path := os.environ.get(REPORT):
        Path(path).write_text(report, encoding="utf-8")
