"""What the scripts share: the target, and a main program that measures reduction and fit and saves their numbers."""

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore, Observations
from gammapy.datasets import Datasets
from gammapy.maps import MapAxis, WcsGeom, WcsNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel
from regions import CircleSkyRegion

RUNS = [23523, 23592, 23526, 23559]
CENTER = SkyCoord(83.63, 22.01, unit="deg")
CIRCLE = CircleSkyRegion(CENTER, 0.2 * u.deg)
MAPS = ("counts", "counts_off", "acceptance", "acceptance_off", "background", "exposure", "mask_safe")


def observations(folder: Path) -> Observations:
    return DataStore.from_dir(folder).get_observations(RUNS)


def energy() -> MapAxis:
    return MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=11)


def energy_true() -> MapAxis:
    return MapAxis.from_energy_bounds("0.3 TeV", "10 TeV", nbin=31, name="energy_true")


def sky() -> WcsGeom:
    return WcsGeom.create(skydir=CENTER, width=5, binsz=0.02, axes=[energy()])


def exclusion() -> WcsNDMap:
    return WcsGeom.create(skydir=CENTER, width=5, binsz=0.05, axes=[energy()]).region_mask([CIRCLE], inside=False)


def power_law() -> PowerLawSpectralModel:
    return PowerLawSpectralModel(index=2.5, amplitude="4e-11 cm-2 s-1 TeV-1", reference="1 TeV")


def fitted(datasets: Datasets) -> dict[str, float]:
    """Fit the models of datasets, and return values and errors of their free parameters."""
    result = Fit().run(datasets)
    parameters = datasets.parameters.free_parameters
    found = {f"{p.name}": float(p.value) for p in parameters} | {f"{p.name}_err": float(p.error) for p in parameters}
    return found | {"total_stat": float(result.total_stat)}


def arrays_of(dataset: Any) -> dict[str, Any]:
    """All maps of a dataset, which also are created if they are not there yet."""
    has_off = getattr(dataset, "counts_off", None) is not None  # then the background is computed from the other maps
    found = {name: getattr(dataset, name, None) for name in MAPS if not (name == "background" and has_off)}
    found |= {"psf": dataset.psf and dataset.psf.psf_map, "edisp": dataset.edisp and dataset.edisp.edisp_map}
    return {name: values.data for name, values in found.items() if values is not None}


def main(reduce: Callable[[Path], Any], fit: Callable[[Any], dict[str, float]]) -> None:
    """Reduce the data of several folders, one after the other, and fit the last result.

    The command line has the folder for results and the folders with data, which are copies of each other, so that the
    files of each are read anew. The time of the first one includes what is loaded when it is first needed.
    """
    warnings.simplefilter("ignore")
    target, *folders = map(Path, sys.argv[1:])
    seconds, cpu_seconds, result = [], [], None
    for folder in folders:
        del result
        start, cpu_start = time.perf_counter(), time.process_time()
        result = reduce(folder)
        arrays = [arrays_of(dataset) for dataset in (result if isinstance(result, Datasets) else [result])]
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    np.savez(
        target / "maps.npz", **{f"{i}/{name}": data for i, each in enumerate(arrays) for name, data in each.items()}
    )
    start = time.perf_counter()
    numbers = fit(result)
    record = {
        "reduction": seconds,
        "reduction_cpu": cpu_seconds,
        "fit": time.perf_counter() - start,
        "numbers": numbers,
    }
    (target / "record.json").write_text(json.dumps(record))
