"""The reduction jobs of the repository gammapy/gammapy-benchmarks, by lightpool and Gammapy 2.1 in turn, on one core.

    pip install '.[peer]'
    OMP_NUM_THREADS=1 python benchmarks/gammapy_benchmarks.py --hess DIR [--cta DIR] [--magic DIR]
        [--runs 10] [--repeat 3] [--jobs RingBackground ...] [--json FILE]

The folders are those of hess-dl3-dr1, of the first CTA data challenge (with index/gps) and of two MAGIC Crab runs with
point-like responses, which stand for those of LST-1: the same kind of responses, one set for each run. Jobs whose
folder is not given are done on runs that are simulated to the same sizes.

That repository reduces one run ten times. A program that remembers a file would read it once, so here each job gets
ten copies of the run, in files and with numbers of their own. What is timed are the stages that are about data:
reducing, writing and reading datasets. Fits and flux points are Gammapy's in both cases, and are left out. The counts
of both must be equal, and the sums of their other maps agree to a relative 1e-5: Gammapy's maps are float32.
"""

import argparse
import importlib
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
import peer
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table, vstack
from regions import CircleSkyRegion, PointSkyRegion

PACKAGES = ["lightpool", "gammapy"]
STAGES = ["reduction", "writing", "reading"]
CRAB = SkyCoord(83.63, 22.01, unit="deg")
MSH = SkyCoord(228.32, -59.08, unit="deg")
INDEX = ("obs-index.fits.gz", "hdu-index.fits.gz")


# --- data


def copied_runs(store: Path, obs_ids: Iterable[int], n_run: int, target: Path) -> Path:
    """Write a store with copies of runs, in turn, each with a number and files of its own.

    Responses that lie in other files than the events, as those of the CTA data challenge, stay where they are: there,
    too, all runs share them.
    """
    target.mkdir(parents=True)
    tables = {name: Table.read(store / name) for name in INDEX}
    copies: dict[str, list[Table]] = {name: [] for name in INDEX}
    obs_ids = list(obs_ids)
    for number in range(1, n_run + 1):
        obs_id = obs_ids[(number - 1) % len(obs_ids)]
        for name, table in tables.items():
            rows = table[table["OBS_ID"] == obs_id]
            rows["OBS_ID"] = number
            copies[name].append(rows)
        rows = copies["hdu-index.fits.gz"][-1]
        is_event = np.char.strip(np.asarray(rows["HDU_TYPE"], dtype=str)) == "events"
        events = paths_of(store, rows)[int(np.flatnonzero(is_event)[0])]
        # Not compressed again: to compress is slow, and both read the same file.
        copy = target / f"run_{number:03d}{''.join(events.suffixes[-2:] if events.suffix == '.gz' else ['.fits'])}"
        copy_file(events, copy, number)
        folders = [os.path.relpath(copy.parent if path == events else path.parent, target)
                   for path in paths_of(store, rows)]  # fmt: skip
        names = [copy.name if path == events else path.name for path in paths_of(store, rows)]
        rows["FILE_DIR"], rows["FILE_NAME"] = np.array(folders, dtype=str), np.array(names, dtype=str)
    for name, parts in copies.items():
        vstack(parts, metadata_conflicts="silent").write(target / name, overwrite=True)
    return target


def paths_of(store: Path, rows: Table) -> list[Path]:
    """Return the files of the rows of an index of HDUs."""
    return [(store / str(row["FILE_DIR"]).strip() / str(row["FILE_NAME"]).strip()).resolve() for row in rows]


def copy_file(source: Path, target: Path, number: int) -> None:
    """Copy a file of a run, and give the copy another number."""
    with fits.open(source, memmap=False) as hdus:
        for hdu in hdus:
            if "OBS_ID" in hdu.header:
                hdu.header["OBS_ID"] = number
        hdus.writeto(target)


def simulated_runs(n_run: int, target: Path, has_cuts: bool = False) -> Path:
    """Write a store of simulated runs: 28 minutes each, of an instrument like H.E.S.S.

    The simulated responses are those of all events, and come with cuts RAD_MAX too. With both, Gammapy takes no regions
    but those of the cuts, so jobs on other regions get an index without them.
    """
    simulate = importlib.import_module("lightpool.simulate")
    store = Path(simulate.simulate_store(target, n_run, psf_kinds=["psf_3gauss"], background_kinds=["bkg_3d"]))
    if not has_cuts:
        index = Table.read(store / INDEX[1])
        kinds = np.char.strip(np.asarray(index["HDU_TYPE"], dtype=str))
        index[kinds != "rad_max"].write(store / INDEX[1], overwrite=True)
    return store


# --- jobs


class Job(peer.Job):
    """A job, for one package: `reduce` returns datasets."""

    source: ClassVar[str]
    runs_of_source: ClassVar[tuple[int, ...]]

    def observations(self) -> Any:
        return self.names["DataStore"].from_dir(self.data).get_observations(**self.selected())

    def selected(self) -> dict[str, Any]:
        return {}

    def reduce(self) -> Any:
        raise NotImplementedError

    def axis(self, low: float, high: float, nbin: int, name: str = "energy") -> Any:
        if name == "energy" and self.is_simulated:
            low = max(low, 0.2)  # TeV; at the edge of the simulated tables both differ on purpose: docs/differences.md
        return self.names["MapAxis"].from_bounds(low, high, nbin=nbin, unit="TeV", name=name, interp="log")

    @property
    def is_simulated(self) -> bool:
        index = Table.read(Path(self.data) / INDEX[0])
        return "INSTRUME" in index.colnames and "SIMULATED" in {str(name).strip() for name in index["INSTRUME"]}

    def near(self, target: SkyCoord) -> SkyCoord:
        """Return a target if the first run sees it, else the Crab nebula, where simulated runs have their source."""
        first = self.observations()[0]
        return target if first.get_pointing_icrs(first.tmid).separation(target) < 4 * u.deg else CRAB

    def galactic_plane(self, binsz: float) -> Any:
        center = self.observations()[0].get_pointing_icrs(self.observations()[0].tmid).galactic
        return self.names["WcsGeom"].create(
            skydir=center, binsz=binsz, width=(10, 8), frame="galactic", proj="CAR", axes=[self.axis(0.1, 10, 10)]
        )


class Analysis3D(Job):
    """Ten runs on a map of 200 x 160 x 10, all products, stacked."""

    title = "analysis_3d: stacked on 200 x 160 x 10, all products"
    source = "cta"
    runs_of_source = (110380,)
    binsz = 0.05  # deg

    def reduce(self) -> Any:
        stacked = self.names["MapDataset"].create(self.galactic_plane(self.binsz), name="stacked")
        make = self.names["MapDatasetMaker"]()
        safe = self.names["SafeMaskMaker"](methods=["offset-max"], offset_max="4 deg")
        for observation in self.observations():
            stacked.stack(safe.run(make.run(stacked, observation), observation))
        return self.names["Datasets"]([stacked])


class Analysis3DJoint(Job):
    """The same in cutouts of 400 x 400 x 10 that are kept as ten datasets, for a joint fit."""

    title = "analysis_3d_joint: a cutout of 400 x 400 x 10 for each run, all products"
    source = "cta"
    runs_of_source = (110380,)

    def reduce(self) -> Any:
        reference = self.names["MapDataset"].create(self.galactic_plane(self.binsz), name="reference")
        make = self.names["MapDatasetMaker"]()
        safe = self.names["SafeMaskMaker"](methods=["offset-max"], offset_max=4 * u.deg)
        datasets = self.names["Datasets"]()
        for number, observation in enumerate(self.observations()):
            center = observation.get_pointing_icrs(observation.tmid)
            local = reference.cutout(center, width=8 * u.deg, name=f"dataset{number}")
            datasets.append(safe.run(make.run(local, observation), observation))
        return datasets


class Spectrum1D(Job):
    """Reflected regions of 0.11 deg, 40 energies and 200 true ones, stacked."""

    title = "spectrum_1d: reflected regions, 40 x 200 energies, stacked"
    source = "hess"
    runs_of_source = (23523,)

    def reduce(self) -> Any:
        geom = self.names["RegionGeom"](CircleSkyRegion(CRAB, 0.11 * u.deg), axes=[self.axis(0.1, 40, 40)])
        true = self.axis(0.05, 100, 200, "energy_true")
        stacked = self.names["SpectrumDatasetOnOff"].create(geom=geom, energy_axis_true=true, name="stacked")
        image = self.names["WcsGeom"].create(
            npix=(150, 150), binsz=0.05, skydir=CRAB.galactic, proj="TAN", frame="galactic"
        )
        excluded = CircleSkyRegion(SkyCoord(183.604, -8.708, unit="deg", frame="galactic"), 0.5 * u.deg)
        make = self.names["SpectrumDatasetMaker"](selection=["counts", "exposure", "edisp"])
        reflect = self.names["ReflectedRegionsBackgroundMaker"](
            exclusion_mask=image.region_mask([excluded], inside=False)
        )
        safe = self.names["SafeMaskMaker"](methods=["aeff-max"], aeff_percent=10)
        for observation in self.observations():
            empty = self.names["SpectrumDataset"].create(
                geom=geom, energy_axis_true=true, name=f"dataset-{observation.obs_id}"
            )
            stacked.stack(safe.run(reflect.run(make.run(empty, observation), observation), observation))
        return self.names["Datasets"]([stacked])


class RingBackground(Job):
    """Runs of MSH 15-52 on 175 x 175 x 10, stacked, and the ring background of the image."""

    title = "ring background of MSH 15-52: 175 x 175 x 10, stacked, ring of the image"
    source = "hess"
    runs_of_source = (20282, 20283, 20301, 20302, 20303, 20322, 20323, 20324)

    def reduce(self) -> Any:
        center = self.near(MSH)
        geom = self.names["WcsGeom"].create(skydir=center, width=3.5, binsz=0.02, axes=[self.axis(0.5, 10, 10)])
        true = self.axis(0.1, 50, 30, "energy_true")
        stacked = self.names["MapDataset"].create(geom, energy_axis_true=true, name="stacked")
        make = self.names["MapDatasetMaker"](selection=["counts", "exposure", "background", "psf", "edisp"])
        safe = self.names["SafeMaskMaker"](methods=["aeff-default", "offset-max"], offset_max="3.5 deg")
        for observation in self.observations():
            local = stacked.cutout(observation.get_pointing_icrs(observation.tmid), width="7 deg")
            stacked.stack(safe.run(make.run(local, observation), observation))
        image = stacked.to_image(name="image")
        # No pixel centre lies on a circle of this radius, where rounding would decide.
        exclusion = image.counts.geom.to_image().region_mask([CircleSkyRegion(center, 0.305 * u.deg)], inside=False)
        ring = self.names["RingBackgroundMaker"](
            r_in="0.5 deg", width="0.3 deg", exclusion_mask=exclusion.to_cube(image.counts.geom.axes)
        )
        return self.names["Datasets"]([ring.run(image)])


class ReductionLST1(Job):
    """Point-like responses with cuts that depend on energy: one OFF region, 60 energies and 100 true ones."""

    title = "data_reduction_lst1: point-like responses, 60 x 100 energies, one dataset for each run"
    source = "magic"
    runs_of_source = (5029747, 5029748)

    def selected(self) -> dict[str, Any]:
        return {} if self.is_simulated else {"required_irf": "point-like"}

    def reduce(self) -> Any:
        geom = self.names["RegionGeom"](PointSkyRegion(CRAB), axes=[self.axis(0.05, 50, 60)])
        true = self.axis(0.01, 100, 100, "energy_true")
        empty = self.names["SpectrumDataset"].create(geom=geom, energy_axis_true=true)
        make = self.names["SpectrumDatasetMaker"](
            containment_correction=False, selection=["counts", "exposure", "edisp"]
        )
        finder = self.names["WobbleRegionsFinder"](n_off_regions=1)
        reflect = self.names["ReflectedRegionsBackgroundMaker"](region_finder=finder)
        safe = self.names["SafeMaskMaker"](methods=["aeff-max"], aeff_percent=10)
        datasets = self.names["Datasets"]()
        for observation in self.observations():
            dataset = make.run(empty.copy(name=f"dataset-{observation.obs_id}"), observation)
            datasets.append(safe.run(reflect.run(dataset, observation), observation))
        return datasets


JOBS = {kind.__name__: kind for kind in (Analysis3D, Analysis3DJoint, Spectrum1D, RingBackground, ReductionLST1)}


# --- measurement


def sums_of(datasets: Any) -> dict[str, list[float]]:
    """Return the sum of each map of each dataset; of counts inside the safe mask too."""
    found: dict[str, list[float]] = {}
    for dataset in datasets:
        maps = {name: getattr(dataset, name, None) for name in ("counts", "counts_off", "exposure", "mask_safe")}
        # Of OFF counts, Gammapy's background is NaN in some bins; and Gammapy's spectra have a PSF that nobody filled.
        maps["background"] = dataset.background if maps["counts_off"] is None else None
        maps["psf"] = None if dataset.psf is None or dataset.counts.geom.is_region else dataset.psf.psf_map
        maps["edisp"] = None if dataset.edisp is None else dataset.edisp.edisp_map
        for name, data in maps.items():
            if data is not None:
                values = np.asarray(data.quantity.to_value("m2 s") if name == "exposure" else data.data)
                found.setdefault(name, []).append(float(np.nansum(values, dtype=np.float64)))
    return found


class Runner:
    """A process in which a package does a job, so that neither package is affected by the memory of the other."""

    job: ClassVar[Job]

    def __init__(self, package: str, kind: type[Job], data: Path) -> None:
        about = package, kind.__name__, data
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=self._begin, initargs=about)

    def __call__(self, function: Callable[[], Any]) -> Any:
        return self._pool.submit(function).result()

    def end(self) -> None:
        self._pool.shutdown()

    @classmethod
    def _begin(cls, package: str, kind: str, data: Path) -> None:
        warnings.simplefilter("ignore")
        cls.job = JOBS[kind](package, data)

    @classmethod
    def sums(cls) -> dict[str, list[float]]:
        return sums_of(cls.job.reduce())

    @classmethod
    def seconds(cls) -> dict[str, float]:
        """Seconds of each stage."""
        peer.forget_files(cls.job.package)
        found, made = {}, []

        def reduce() -> None:
            made.append(cls.job.reduce())
            for dataset in made[0]:
                for each in peer._arrays(dataset):
                    _ = each.data  # lightpool computes some maps when they are read

        found["reduction"] = peer._seconds(reduce)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "datasets.yaml"
            found["writing"] = peer._seconds(lambda: made[0].write(path, overwrite=True))
            read = cls.job.names["Datasets"].read
            found["reading"] = peer._seconds(lambda: sums_of(read(path, lazy=False)))
        return found


def require_same(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> None:
    """Check that the sums of the maps of both agree."""
    assert set(ours) == set(theirs), (sorted(ours), sorted(theirs))
    for name, sums in theirs.items():
        rtol = 0 if name in ("counts", "mask_safe") else 1e-5
        np.testing.assert_allclose(ours[name], sums, rtol=rtol, err_msg=name)


def compare(kind: type[Job], data: Path, n_run: int, repeat: int) -> dict[str, Any]:
    """Run both packages in turn, after a warm-up that compares their results, and print a table."""
    runners = {package: Runner(package, kind, data) for package in PACKAGES}
    sums = {package: run(Runner.sums) for package, run in runners.items()}
    require_same(sums["lightpool"], sums["gammapy"])
    times: dict[str, list[dict[str, float]]] = {package: [] for package in PACKAGES}
    for _ in range(repeat):
        for package, run in runners.items():
            times[package].append(run(Runner.seconds))
    for run in runners.values():
        run.end()
    print(f"\n{kind.title}: {n_run} runs, {sum(sums['gammapy']['counts']):.0f} counts, medians of {repeat}, seconds")
    print(f"  {'':12s}{'lightpool':>12s}{'Gammapy':>12s}{'ratio':>9s}")
    for name in STAGES:
        fast, slow = ([each[name] for each in times[package]] for package in PACKAGES)
        ratio = statistics.median(b / a for a, b in zip(fast, slow, strict=True))
        print(f"  {name:12s}{statistics.median(fast):12.3f}{statistics.median(slow):12.3f}{ratio:9.1f}")
    return {"title": kind.title, "n_run": n_run, "seconds": times, "sums": sums["lightpool"]}


def store_for(kind: type[Job], folders: dict[str, Path | None], n_run: int, target: Path) -> Path:
    """Return a store of copies of the runs of a job, or of simulated runs if their folder is not given."""
    source = folders[kind.source]
    name = target / f"{kind.source}-{'-'.join(map(str, kind.runs_of_source))}"
    if name.exists():
        return name
    if source is None:
        has_cuts = kind is ReductionLST1
        simulated = target / ("simulated-cuts" if has_cuts else "simulated")
        return simulated if simulated.exists() else simulated_runs(n_run, simulated, has_cuts)
    return copied_runs(source, kind.runs_of_source, n_run, name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, what in (("hess", "hess-dl3-dr1"), ("cta", "cta-1dc"), ("magic", "the MAGIC runs")):
        parser.add_argument(f"--{name}", type=Path, help=f"folder of {what}")
    parser.add_argument("--runs", type=int, default=10, help="number of runs of each job")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")
    versions = {name: importlib.import_module(name).__version__ for name in (*PACKAGES, "numpy", "astropy")}
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {versions}, one core")
    cta = None if args.cta is None else next(iter(sorted(args.cta.glob("index/*"))), args.cta)
    folders = {"hess": args.hess, "cta": cta, "magic": args.magic}
    results = []
    temporary = Path(tempfile.mkdtemp())
    try:
        for name in args.jobs:
            kind = JOBS[name]
            store = store_for(kind, folders, args.runs, temporary)
            results.append(compare(kind, store, args.runs, args.repeat))
    finally:
        shutil.rmtree(temporary)
    if args.json:
        args.json.write_text(json.dumps({"versions": versions, "jobs": results}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
