"""Simulate observations from analytic responses: for the demo, the tests and the load generator."""

from lightpool.names import show_public
from lightpool.simulate.events import PointSource, SimulatedRun, expected_source_counts
from lightpool.simulate.example_data import ExampleData, example_data
from lightpool.simulate.instrument import Instrument
from lightpool.simulate.store import simulate_store, wobble_runs

__all__ = [
    "ExampleData",
    "Instrument",
    "PointSource",
    "SimulatedRun",
    "example_data",
    "expected_source_counts",
    "simulate_store",
    "wobble_runs",
]

show_public(__name__)
