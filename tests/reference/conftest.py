"""Results of Gammapy 2.1 on public data, and the comparison with them."""

import json
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.data import DataStore
from lightpool.maps import MapAxis

MAPS = {
    "COUNTS": lambda dataset: dataset.counts,
    "EXPOSURE": lambda dataset: dataset.exposure,
    "BACKGROUND": lambda dataset: dataset.background,
    "MASK_SAFE": lambda dataset: dataset.mask_safe,
    "PSF": lambda dataset: dataset.psf.psf_map,
    "PSF_EXPOSURE": lambda dataset: dataset.psf.exposure_map,
    "EDISP": lambda dataset: dataset.edisp.edisp_map,
    "EDISP_EXPOSURE": lambda dataset: dataset.edisp.exposure_map,
}


def rounding(name: str, values: list[float]) -> float:
    """Tolerance of the least values of a map, for any processor: 0 but for exposures.

    Next to the end of a table an exposure is a large one times a weight of almost zero, whose rounding error is
    relative to one. With MAGIC's responses, 18 m2 s beside 1e8 m2 s, Gammapy itself differs by 6e-9 between two
    processors.
    """
    return 1e-14 * max(values) if name == "exposure" else 0.0


@pytest.fixture(scope="session")
def figures(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "reference" / "figures.json").read_text())


@pytest.fixture(scope="session")
def hess(shared: Path) -> DataStore:
    return DataStore.from_dir(shared / "data" / "hess-dl3-dr1")


@pytest.fixture(scope="session")
def energy() -> MapAxis:
    return MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=11)


@pytest.fixture(scope="session")
def energy_true() -> MapAxis:
    return MapAxis.from_energy_bounds("0.3 TeV", "10 TeV", nbin=31, name="energy_true")


def assert_agrees_with_file(dataset: Any, path: Path) -> None:
    """Every map of a stored dataset: counts and masks exactly, the rest as its storage allows."""
    with fits.open(path) as hdus:
        names = [hdu.name for hdu in hdus if hdu.name in MAPS]
        assert set(names) == set(MAPS)
        for name in names:
            expected, found = hdus[name].data, to_host(MAPS[name](dataset).data)
            if name in ("COUNTS", "MASK_SAFE"):
                assert_array_equal(found, expected, err_msg=name)
                continue
            rtol = 1e-5 if expected.dtype.itemsize == 4 else 1e-9
            # what is a millionth of the largest value may come from the threshold of the kernels or from rounding
            atol = {"EDISP": 2e-8, "PSF": 1e-9 * np.nanmax(expected)}.get(name, 0)
            assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=name)


def assert_agrees_with_figures(dataset: Any, expected: dict[str, Any], rtol: float) -> None:
    """Numbers of the info table and sums over each energy plane."""
    info = dataset.info_dict()
    for key, value in expected.items():
        name, _, what = key.partition(".")
        if key == "fov_norm":
            continue
        if what == "sum_per_plane":
            plane = to_host(MAPS[name.upper()](dataset).data).sum(axis=(1, 2), dtype=float)
            assert_allclose(plane, value, rtol=rtol, atol=rounding(name, value), err_msg=key)
        elif what == "unit":
            assert MAPS[name.upper()](dataset).unit == u.Unit(value), key
        elif isinstance(value, dict):
            atol = rounding("exposure", [expected["exposure_max"]["value"]]) if key == "exposure_min" else 0.0
            assert_allclose(info[key].to_value(value["unit"]), value["value"], rtol=rtol, atol=atol, err_msg=key)
        elif isinstance(value, str):
            assert info[key] == value
        else:
            assert_allclose(info[key], value, rtol=rtol, err_msg=key)
