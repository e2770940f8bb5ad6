"""How much maps in single precision may differ from those in double precision: docs/explanation/precision.md."""

from typing import Any

import numpy as np
from numpy.testing import assert_array_equal

from lightpool.arrays import to_host
from lightpool.arrays.devices.dtypes import dtype_name

BOUNDS = {
    "exposure": 1e-5,
    "background": 1e-5,
    "acceptance": 1e-5,
    "acceptance_off": 1e-5,
    "psf": 1e-5,
    "edisp": 1e-5,
    "exposure of psf": 1e-5,
    "exposure of edisp": 1e-5,
}
"""Largest deviation of a bin, relative to its value, or to a thousandth of the largest one in the map if that is more.

The smallest values of a response are differences: what a table has lost half a bin before its edge.
"""

EXACT = ("counts", "counts_off", "mask_safe", "mask_fit")


def maps_of(dataset: Any) -> dict[str, Any]:
    """Maps of a dataset by name, those of its responses and their exposures too."""
    found = {}
    for name, data in dataset.maps.items():
        if name in ("psf", "edisp"):
            found[name], found[f"exposure of {name}"] = data.irf_map, data.exposure_map
        else:
            found[name] = data
    return found


def deviation(values: np.ndarray, reference: np.ndarray) -> float:
    """Largest deviation of a bin, relative to its value or to a thousandth of the largest one if that is more."""
    reference = reference.astype(float)
    scale = np.maximum(np.abs(reference), 1e-3 * np.nanmax(np.abs(reference), initial=0.0))
    with np.errstate(invalid="ignore"):
        found = np.abs(values.astype(float) - reference) / np.where(scale > 0, scale, 1.0)
    assert_array_equal(np.isnan(values), np.isnan(reference))
    return float(np.nanmax(found, initial=0.0))


def assert_single(dataset: Any, expected: Any) -> None:
    """Every map is of float32 or a mask, and as near to the one in double precision as the table says."""
    assert dataset.precision == "single"
    maps, references = maps_of(dataset), maps_of(expected)
    assert maps.keys() == references.keys()
    for name, data in maps.items():
        assert dtype_name(data.data) == ("bool" if name.startswith("mask") else "float32"), name
        values, reference = to_host(data.data), to_host(references[name].data)
        if name in EXACT:
            assert_array_equal(values, reference, err_msg=name)
        else:
            found = deviation(values, reference)
            assert found <= BOUNDS[name], f"{name} deviates by {found:.2g}, promised is {BOUNDS[name]:.0e}"


def assert_double(dataset: Any) -> None:
    """No map is of float32."""
    types = {name: dtype_name(data.data) for name, data in maps_of(dataset).items()}
    assert set(types.values()) <= {"float64", "bool"}, types
