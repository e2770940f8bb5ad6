"""Excess and significance maps: Gammapy's estimator gives the same numbers."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lightpool.makers import ExcessMapEstimator

pytestmark = pytest.mark.peer

OPTIONS = [
    {},
    {"energy_edges": [0.5, 2, 20] * u.TeV},
    {"correlation_radius": "0.25 deg", "n_sigma": 2, "n_sigma_ul": 3},
]


def dataset(package, is_on_off):
    """Random counts in a map with a safe mask, made by one of the packages with the same lines."""
    maps, datasets = (import_module(f"{package}.{name}") for name in ("maps", "datasets"))
    rng = np.random.default_rng(11)
    energy = maps.MapAxis.from_energy_edges([0.5, 1, 2, 5, 20] * u.TeV)
    geom = maps.WcsGeom.create(skydir=(83.63, 22.01), width=(1.2, 0.9), binsz=0.06, axes=[energy])
    background = np.full(geom.data_shape, 4.0) * np.array([4, 2, 1, 0.5])[:, None, None]

    def filled(values):
        return maps.Map.from_geom(geom, data=values, dtype=values.dtype)

    safe = np.ones(geom.data_shape, dtype=bool)
    safe[0, :, :4] = False
    safe[:, 10:, 16:] = False
    common = {"counts": filled(rng.poisson(background).astype(float)), "mask_safe": filled(safe), "name": "test"}
    if not is_on_off:
        return datasets.MapDataset(background=filled(background), **common)
    off = rng.uniform(2, 6, geom.data_shape)
    return datasets.MapDatasetOnOff(
        counts_off=filled(rng.poisson(background * off).astype(float)),
        acceptance=filled(np.ones(geom.data_shape)),
        acceptance_off=filled(off),
        **common,
    )


@pytest.mark.parametrize("options", OPTIONS, ids=["summed", "bands", "wide"])
@pytest.mark.parametrize(("is_on_off", "correlate_off"), [(False, True), (True, True), (True, False)])
def test_maps_are_those_of_gammapy(is_on_off, correlate_off, options):
    options = options | {"correlate_off": correlate_off}
    if options.get("energy_edges") is None:
        options["selection_optional"] = ["errn-errp", "ul"]
    theirs = import_module("gammapy.estimators").ExcessMapEstimator(**options)
    expected = theirs.run(dataset("gammapy", is_on_off))
    found = ExcessMapEstimator(**options).run(dataset("lightpool", is_on_off))
    assert_allclose(found["counts"].data, expected["counts"].data, rtol=1e-12)
    # Gammapy's maps are float32, and its roots are good to 1e-4
    rounding = 1e-6 * np.nanmax(found["counts"].data)
    tolerances = {"npred_background": rounding, "npred_excess": rounding, "ts": 1e-5, "sqrt_ts": 1e-5}
    for name, atol in tolerances.items():
        values = getattr(expected, name).data
        assert_allclose(found[name].data, values, rtol=2e-6, atol=atol, err_msg=name)
    for name in ("err", "errn", "errp", "ul"):
        if f"npred_excess_{name}" in found:
            values = expected[f"norm_{name}"].data  # without an exposure the norm of the estimator is the excess
            assert_allclose(found[f"npred_excess_{name}"].data, values, rtol=1e-4, atol=1e-3, err_msg=name)
