"""Differences between array libraries: the main job, rings and spectra on each device, map by map.

    python benchmarks/backends.py --data DIR [--devices torch cuda ...] [--page docs/explanation/backends.md]

DIR is a DL3 folder with the H.E.S.S. public test data release 1 (runs 23523, 23592, 23526, 23559). Every device of this
machine does the jobs in double and in single precision; each map is compared with that of NumPy in double precision.
The table goes to the screen, or into the page between its two marks.
"""

import argparse
import platform
import sys
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

from lightpool.arrays import available_devices, to_host, use_device, use_precision
from lightpool.data import DataStore
from lightpool.datasets import Datasets, MapDataset, SpectrumDataset
from lightpool.makers import (
    DatasetsMaker,
    ExcessMapEstimator,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

MARKS = ("<!-- table: begin -->", "<!-- table: end -->")
Maps = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """Some runs on one source, and the bins that they are reduced to."""

    data: Path
    runs: tuple[int, ...] = (23523, 23592, 23526, 23559)
    center: tuple[float, float] = (83.63, 22.01)  # deg
    binsz: float = 0.02  # deg
    n_energy: int = 11
    n_energy_true: int = 31

    @property
    def energy(self) -> MapAxis:
        return MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=self.n_energy)

    @property
    def energy_true(self) -> MapAxis:
        return MapAxis.from_energy_bounds("0.3 TeV", "10 TeV", nbin=self.n_energy_true, name="energy_true")

    @property
    def geom(self) -> WcsGeom:
        return WcsGeom.create(skydir=self.center, width=5, binsz=self.binsz, axes=[self.energy])

    @property
    def circle(self) -> CircleSkyRegion:
        return CircleSkyRegion(SkyCoord(*self.center, unit="deg"), 0.2 * u.deg)

    def observations(self) -> Any:
        return DataStore.from_dir(self.data).get_observations(self.runs)


def stacked_maps(field: Field) -> MapDataset:
    """The loop of the notebook, with PSF and energy dispersion."""
    exclusion = field.geom.region_mask([field.circle], inside=False)
    makers = [
        MapDatasetMaker(),
        SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="3 deg"),
        FoVBackgroundMaker(method="scale", exclusion_mask=exclusion),
    ]
    dataset = MapDataset.create(field.geom, energy_axis_true=field.energy_true)
    maker = DatasetsMaker(makers, cutout_mode="partial", cutout_width="6 deg", n_jobs=1)
    return maker.run(dataset, field.observations())[0]


def ring_maps(field: Field, stacked: MapDataset) -> tuple[Any, Any]:
    """Ring background of the stack, and the significance of its excess."""
    exclusion = field.geom.to_image().region_mask([field.circle], inside=False)
    rings = RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg", exclusion_mask=exclusion)
    dataset = rings.run(stacked.to_image())
    return dataset, ExcessMapEstimator("0.1 deg", correlate_off=False, selection_optional="all").run(dataset)


def stacked_spectrum(field: Field) -> Any:
    """Spectra with reflected regions, stacked."""
    geom = RegionGeom.create(region=field.circle, axes=[field.energy])
    empty = SpectrumDataset.create(geom=geom, energy_axis_true=field.energy_true)
    exclusion = field.geom.to_image().region_mask([field.circle], inside=False)
    make = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"])
    reflect = ReflectedRegionsBackgroundMaker(exclusion_mask=exclusion)
    safe = SafeMaskMaker(methods=["aeff-max"], aeff_percent=10)
    datasets = Datasets()
    for observation in field.observations():
        dataset = make.run(empty.copy(name=str(observation.obs_id)), observation)
        datasets.append(safe.run(reflect.run(dataset, observation), observation))
    return datasets.stack_reduce()


def maps_of(dataset: Any) -> Maps:
    """Arrays of a dataset on the host, those of its responses included."""
    found = {}
    found = {}
    for name, data in dataset.maps.items():
        if name in ("psf", "edisp"):
            found[name] = to_host(getattr(data, f"{name}_map").data)
            found[f"exposure of {name}"] = to_host(data.exposure_map.data)
        else:
            found[name] = to_host(data.data)
    return found


def results_on(device: str, precision: str, field: Field) -> dict[str, Maps]:
    """All jobs on a device, by name."""
    with use_device(device), use_precision(precision):
        stacked = stacked_maps(field)
        ring, excess = ring_maps(field, stacked)
        return {
            "stacked maps": maps_of(stacked),
            "ring background": maps_of(ring),
            "excess maps": {name: to_host(excess[name].data) for name in excess},
            "stacked spectrum": maps_of(stacked_spectrum(field)),
        }


def unequal(values: Any, expected: Any) -> Any:
    """Where two arrays differ; a NaN is equal to a NaN."""
    return ~((values == expected) | (np.isnan(values) & np.isnan(expected)))


def relative_deviations(values: Any, expected: Any, *, floor: Any = 0.0) -> Any:
    """Difference of two arrays in each bin, relative to the larger value or to the floor if that is larger.

    Two NaN are equal, and a NaN beside a number is infinitely far from it.
    """
    values, expected = np.asarray(values, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    different = unequal(values, expected)
    scale = np.maximum(np.maximum(np.abs(values), np.abs(expected)), floor)
    with np.errstate(invalid="ignore"):
        relative = np.abs(values - expected) / np.where(different, scale, 1.0)
    return np.where(different, np.where(np.isnan(relative), np.inf, relative), 0.0)


def deviation(values: Any, expected: Any, *, floor: float = 0.0) -> float:
    """Largest of the relative deviations of two arrays."""
    return float(np.max(relative_deviations(values, expected, floor=floor), initial=0.0))


def is_counted(name: str, expected: Any) -> bool:
    """Whether a map contains masks or counts, which must be equal."""
    return expected.dtype == bool or name in ("counts", "counts_off")


def floor_of(name: str) -> float:
    """Smallest value by which a difference is divided: 1 event or 1 sigma for maps that are differences."""
    return 1.0 if name in ("ts", "sqrt_ts", "npred_excess", "npred_excess_ul") else 0.0


def compare(field: Field, places: list[tuple[str, str]]) -> list[list[str]]:
    """Rows of the table: job, map, and one cell for each pair of precision and device."""
    expected = results_on("cpu", "double", field)
    rows = {(job, name): [job, name] for job, maps in expected.items() for name in maps}
    for precision, device in places:
        results = results_on(device, precision, field)
        for (job, name), row in rows.items():
            reference = expected[job][name]
            if is_counted(name, reference):
                row.append(f"{np.count_nonzero(unequal(results[job][name], reference))} bins")
            else:
                row.append(f"{deviation(results[job][name], reference, floor=floor_of(name)):.1e}")
    return list(rows.values())


def markdown(rows: list[list[str]], places: list[tuple[str, str]]) -> str:
    head = ["job", "map", *(f"{precision} {device}" for precision, device in places)]
    lines = [head, ["---"] * len(head), *rows]
    packages = ("numpy", "torch", "array-api-strict", "cupy-cuda12x", "cupy-cuda13x")
    libraries = [f"{name} {version(name)}" for name in packages if installed(name)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{', '.join(libraries)}, {platform.system()} {platform.machine()}\n\n{table}"


def installed(name: str) -> bool:
    try:
        return bool(version(name))
    except ModuleNotFoundError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of hess-dl3-dr1")
    parser.add_argument(
        "--devices", nargs="+", default=available_devices(), help="all devices of this machine by default"
    )
    parser.add_argument("--page", type=Path, help="write the table between the markers on this page")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    places = [(precision, device) for precision in ("double", "single") for device in args.devices]
    places = [place for place in places if place != ("double", "cpu")]
    text = markdown(compare(Field(args.data), places), places)
    if args.page is None:
        print(text)
        return 0
    before, rest = args.page.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    args.page.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
