"""On the path of a Python process: generators of random numbers that are made without a seed get the seed 0."""

import sys

import numpy as np

_RandomState, _default_rng = np.random.RandomState, np.random.default_rng


class RandomState(_RandomState):
    def __init__(self, seed: object = None) -> None:
        super().__init__(0 if seed is None else seed)


def default_rng(seed: object = None) -> np.random.Generator:
    return _default_rng(0 if seed is None else seed)


np.random.RandomState = RandomState  # type: ignore[misc]
np.random.default_rng = default_rng
np.random.seed(0)  # noqa: NPY002 - scripts use the global generator
sys.modules["numpy.random"].RandomState = RandomState  # type: ignore[attr-defined]
