"""Conversion to and from Gammapy: needs the extra ``[gammapy]``. Without it there is nothing here to collect."""

from importlib.util import find_spec

collect_ignore_glob = ["test_*.py"] if find_spec("gammapy") is None else []
