"""The public data that are compared by default, and the ways in which they are reduced."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.batch import make_plan
from lightpool.config import Settings
from lightpool.data import DataStore
from lightpool.errors import ConfigError
from validation.reducing import Case, observations_of_store


@dataclass(frozen=True)
class Source:
    """Public data.

    Attributes
    ----------
    title : str
    folders : tuple of str
        Where they are in the folder of the data: on their own, or as `gammapy download datasets` puts them.
    addresses : tuple of str
        Where they can be downloaded.
    content : str
    """

    title: str
    folders: tuple[str, ...]
    addresses: tuple[str, ...]
    content: str

    def within(self, data: Path) -> Path | None:
        """Return the folder or file in a folder of data; None if it is not there."""
        return next((data / name for name in self.folders if (data / name).exists()), None)


GAMMAPY_DATA = "https://github.com/gammapy/gammapy-data"
SOURCES = {
    "hess": Source(
        "H.E.S.S. DL3 public test data release 1",
        ("hess-dl3-dr1",),
        ("https://www.mpi-hd.mpg.de/hfm/HESS/pages/dl3-dr1/", "https://zenodo.org/record/1421099", GAMMAPY_DATA),
        "25 runs on the Crab nebula, MSH 15-52, PKS 2155-304 and the empty field around 3C 273; "
        "AEFF_2D, EDISP_2D, PSF_TABLE, and BKG_3D, which Gammapy's data add",
    ),
    "magic": Source(
        "MAGIC Crab nebula runs with RAD_MAX",
        ("magic-rad-max", "magic/rad_max/data"),
        (GAMMAPY_DATA,),
        "two runs with point-like responses and directional cuts that depend on energy",
    ),
    "cta": Source(
        "First CTA data challenge",
        ("cta-1dc/index/gps",),
        (GAMMAPY_DATA,),
        "run 110380 of the Galactic plane survey, simulated, 106 000 events; PSF_3GAUSS",
    ),
    "hawc": Source(
        "HAWC Crab events, pass 4",
        ("hawc/crab_events_pass4",),
        (GAMMAPY_DATA, "https://data.hawc-observatory.org"),
        "bin 6 of the NN estimator; responses as maps on the sky",
    ),
    "prod5": Source(
        "CTAO prod5 responses, version 0.1",
        (
            "cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz",
            "cta-prod5/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz",
        ),
        ("https://zenodo.org/record/5499840", GAMMAPY_DATA),
        "responses of the northern array at 20 deg, without events: an observation of 1 h is created from them",
    ),
}

FIELDS: dict[str, tuple[tuple[float, float], tuple[int, ...]]] = {
    "Crab nebula": ((83.63, 22.01), (23523, 23526, 23559, 23592)),
    "MSH 15-52": ((228.53, -59.16), (20282, 20283, 20301, 20302, 20303, 20322, 20323, 20324)),
    "PKS 2155-304": ((329.72, -30.22), tuple(range(33787, 33795))),
    "3C 273": ((187.28, 2.05), (20275, 20915, 25345, 25443, 25511)),
}
"""Fields of the H.E.S.S. runs: centre in deg, and runs."""

USUAL = {"energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 11},
         "energy_true": {"min": "0.3 TeV", "max": "30 TeV", "nbin": 31}}  # fmt: skip
WIDE = {"energy": {"min": "0.3 TeV", "max": "30 TeV", "nbin": 12},
        "energy_true": {"min": "0.1 TeV", "max": "100 TeV", "nbin": 24}}  # fmt: skip
ONE_BIN = {"energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 1}}
SAFE = {"type": "SafeMaskMaker", "methods": ["aeff-default", "offset-max"], "offset_max": "2.5 deg"}
FIT = {"type": "FoVBackgroundMaker", "method": "fit", "tilt": "fit"}
RING = {"type": "RingBackgroundMaker", "r_in": "0.5 deg", "width": "0.3 deg"}
ADAPTIVE_RING = {
    "type": "AdaptiveRingBackgroundMaker", "r_in": "0.5 deg", "width": "0.3 deg", "r_out_max": "1.2 deg",
    "stepsize": "0.1 deg", "threshold_alpha": 0.002,
}  # fmt: skip
SPECTRUM = {"type": "SpectrumDatasetMaker", "selection": ["counts", "exposure", "edisp"]}


def targets_of(description: dict[str, Any]) -> Any:
    """Return the target of a description, checked as in a file of settings."""
    settings = {"observations": {"datastore": "."}, "targets": [description], "output": {"folder": "."}}
    return Settings.from_dict(settings).targets[0]


def circle(center: tuple[float, float], radius: float) -> dict[str, str]:
    return {"lon": f"{center[0]} deg", "lat": f"{center[1]} deg", "radius": f"{radius} deg"}


def sky_map(center: tuple[float, float], bins: dict[str, Any], /, *steps: dict[str, Any], **more: Any) -> Any:
    """Return a target: a map of 5 deg with pixels of 0.05 deg, on which a circle of 0.3 deg is excluded."""
    position = {"lon": f"{center[0]} deg", "lat": f"{center[1]} deg"}
    description = {"name": "map", "kind": "map", "center": position, "width": "5 deg", "binsz": "0.05 deg",
                   "cutout_width": "5 deg", "exclusion": [circle(center, 0.305)],
                   "makers": [{"type": "MapDatasetMaker"}, *steps]}  # fmt: skip
    return targets_of(description | bins | more)


def spectrum(center: tuple[float, float], bins: dict[str, Any], /, *steps: dict[str, Any], **more: Any) -> Any:
    """Return a target: the spectrum of a circle of 0.11 deg, with an exclusion of 0.3 deg."""
    description = {"name": "spectrum", "kind": "spectrum", "region": circle(center, 0.11),
                   "exclusion": [circle(center, 0.3)], "makers": [SPECTRUM, *steps]}  # fmt: skip
    return targets_of(description | bins | more)


def default_cases(data: Path, runs: Sequence[int] = ()) -> list[Case]:
    """Return all cases whose data are there, for some of the runs or for all.

    Parameters
    ----------
    data : Path
        Folder with the public data.
    runs : sequence of int
        Only these runs; all by default.
    """
    found = []
    for key, cases in (("hess", _hess), ("magic", _magic), ("cta", _cta), ("hawc", _hawc), ("prod5", _prod5)):
        folder = SOURCES[key].within(data)
        if folder is not None:
            found += list(cases(folder))
    if not runs:
        return found
    chosen = [(case, tuple(run for run in case.runs if run in runs)) for case in found]
    return [replace_runs(case, kept) for case, kept in chosen if kept]


def replace_runs(case: Case, runs: tuple[int, ...]) -> Case:
    return Case(**{**vars(case), "runs": runs})


def _hess(folder: Path) -> Iterator[Case]:
    fov, reflected = {"type": "FoVBackgroundMaker"}, {"type": "ReflectedRegionsBackgroundMaker"}
    safe_spectrum = {"type": "SafeMaskMaker", "methods": ["aeff-max"], "aeff_percent": 10}
    phases = {"type": "PhaseBackgroundMaker", "on_phase": [(0.1, 0.3)], "off_phase": [(0.5, 1.0)]}
    for field, (center, runs) in FIELDS.items():
        common: dict[str, Any] = {"field": field, "folder": folder, "runs": runs}
        yield Case(kind="H.E.S.S. maps", target=sky_map(center, USUAL, SAFE, fov), **common)
        yield Case(kind="H.E.S.S. maps, 0.3 to 30 TeV", target=sky_map(center, WIDE, SAFE, fov), **common)
        yield Case(kind="H.E.S.S. rings", target=sky_map(center, USUAL, SAFE, RING), **common)
        adaptive = sky_map(center, ONE_BIN, SAFE, ADAPTIVE_RING)
        yield Case(kind="H.E.S.S. adaptive rings", target=adaptive, has_stack=False, **common)
        spectra = spectrum(center, WIDE, reflected, safe_spectrum)
        yield Case(kind="H.E.S.S. spectra", target=spectra, **common)
        if field == "Crab nebula":
            fit = sky_map(center, USUAL, SAFE, FIT)
            yield Case(kind="H.E.S.S. background fits", target=fit, **common | {"has_stack": False})
            folded = spectrum(center, USUAL, phases)
            yield Case(kind="H.E.S.S. phases", target=folded, prepared=with_phases, **common)


def with_phases(lib: Any, observation: Any) -> Any:
    """Fold the times of the events with 33.7 s, as if the source were a slow pulsar."""
    table = observation.events.table
    seconds = (table["TIME"] - observation.events.time_ref).to_value("s")
    table["PHASE"] = np.mod(seconds, 33.7) / 33.7
    observation.events = lib.EventList(table)
    return observation


def _magic(folder: Path) -> Iterator[Case]:
    bins = {"energy": {"min": "0.05 TeV", "max": "20 TeV", "nbin": 15},
            "energy_true": {"min": "0.01 TeV", "max": "100 TeV", "nbin": 28}}  # fmt: skip
    point = {"lon": "83.6331 deg", "lat": "22.0145 deg"}
    wobble = {"type": "ReflectedRegionsBackgroundMaker", "finder": "wobble", "n_off_regions": 3}
    target = spectrum((83.6331, 22.0145), bins, wobble, region=point, exclusion=[])
    yield Case(kind="MAGIC spectra", field="Crab nebula", folder=folder, runs=(5029747, 5029748), target=target,
               required_irf="point-like")  # fmt: skip


def _cta(folder: Path) -> Iterator[Case]:
    bins = {"energy": {"min": "0.1 TeV", "max": "50 TeV", "nbin": 9},
            "energy_true": {"min": "0.05 TeV", "max": "80 TeV", "nbin": 20}}  # fmt: skip
    safe = {"type": "SafeMaskMaker", "methods": ["offset-max", "aeff-max", "bkg-peak"], "offset_max": "2.5 deg"}
    center = {"lon": "359.9999912037958 deg", "lat": "-1.299995937905366 deg", "frame": "galactic"}
    target = sky_map((0.0, 0.0), bins, safe, center=center, proj="TAN", width="6 deg", exclusion=[],
                     cutout_width="6 deg")  # fmt: skip
    yield Case(kind="CTA-1DC maps", field="Galactic centre", folder=folder, runs=(110380,), target=target,
               has_stack=False)  # fmt: skip


def _hawc(folder: Path) -> Iterator[Case]:
    edges = [f"{edge} TeV" for edge in (1, 1.78, 3.16, 5.62, 10, 17.8, 31.6, 56.2, 100, 177, 316)]
    bins = {"energy": {"edges": edges}, "energy_true": {"min": "1e-3 TeV", "max": "1e4 TeV", "nbin": 140}}
    target = sky_map((83.63, 22.01), bins, width="6 deg", exclusion=[], cutout_width=None)
    yield Case(kind="HAWC maps", field="Crab nebula", folder=folder, runs=(103000133,), target=target,
               has_stack=False, opened=_open_hawc, options={"reco_psf": True})  # fmt: skip


def _open_hawc(lib: Any, folder: Path, runs: tuple[int, ...], required: Any) -> list[Any]:
    """Bin 6 of the data, which is HDU 6 of both index files."""
    store = lib.DataStore(
        hdu_table=lib.HDUIndexTable.read(folder / "hdu-index-table-NN-Crab.fits.gz", hdu=6),
        obs_table=lib.ObservationTable.read(folder / "obs-index-table-NN-Crab.fits.gz", hdu=1),
    )
    return list(store.get_observations())


def _prod5(file: Path) -> Iterator[Case]:
    bins = {"energy": {"min": "0.05 TeV", "max": "50 TeV", "nbin": 12},
            "energy_true": {"min": "0.03 TeV", "max": "100 TeV", "nbin": 24}}  # fmt: skip
    make = {"type": "MapDatasetMaker", "selection": ["exposure", "background", "psf", "edisp"]}
    safe = {"type": "SafeMaskMaker", "methods": ["aeff-max", "edisp-bias", "bkg-peak"]}
    target = sky_map((83.63, 22.01), bins, width="6 deg", exclusion=[], cutout_width=None, makers=[make, safe])
    yield Case(kind="CTAO prod5 responses", field="simulated pointing", folder=file, runs=(1,), target=target,
               has_stack=False, opened=_open_prod5)  # fmt: skip


def _open_prod5(lib: Any, file: Path, runs: tuple[int, ...], required: Any) -> list[Any]:
    pointing = SkyCoord(83.63, 22.45, unit="deg")
    responses = lib.load_irf_dict_from_file(file)
    return [lib.Observation.create(pointing=pointing, obs_id=runs[0], livetime=1 * u.h, irfs=responses)]


# --- data of users


def cases_of_settings(settings: Settings, runs: Sequence[int] = ()) -> list[Case]:
    """Return a case for each target of the settings of a batch.

    Parameters
    ----------
    settings : Settings
    runs : sequence of int
        Only these runs; by default all that the settings select.
    """
    asked = settings.observations
    if "://" in str(asked.datastore):
        raise ConfigError(f"Gammapy reads local files only, got datastore {asked.datastore}; download it first")
    selected = tuple(runs) or make_plan(settings).obs_ids
    opened = partial(observations_of_store, indices=(asked.hdu_index, asked.obs_index))
    common: dict[str, Any] = {"folder": Path(asked.datastore), "runs": selected, "required_irf": asked.required_irf}
    return [
        Case(kind=target.name, field=target.name, target=target, opened=opened, **common) for target in settings.targets
    ]


def cases_of_store(folder: Path, runs: Sequence[int] = ()) -> list[Case]:
    """Return a case for each run of any store: a map of all products around its pointing.

    Parameters
    ----------
    folder : Path
        Folder with the index files.
    runs : sequence of int
        All by default.
    """
    store = DataStore.from_dir(folder)
    found = []
    for run in runs or [int(obs_id) for obs_id in store.obs_ids]:
        pointing = store.obs(run).pointing_radec.icrs
        safe = {"type": "SafeMaskMaker", "methods": ["offset-max"], "offset_max": "2 deg"}
        target = sky_map((float(pointing.ra.deg), float(pointing.dec.deg)), USUAL, safe, exclusion=[])
        found.append(Case(kind=folder.name, field=str(run), folder=folder, runs=(run,), target=target, has_stack=False))
    return found
