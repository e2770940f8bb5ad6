"""Reading and reducing one damaged file, and what is to be said of it."""

import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.damages import DAMAGES, Damaged, damage
from lightpool.data import DataStore
from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.errors import LightpoolError, ReductionError
from lightpool.fits import read_fits
from lightpool.makers import (
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

__all__ = ["FAULTS", "Bench", "Verdict"]

FAULTS = ("crash", "hang", "foreign error", "error without the file", "silent change", "not finite")
"""What no damaged file may cause."""

Arrays = dict[str, np.ndarray[Any, Any]]
_INDEX_FILES = ("hdu-index.fits.gz", "obs-index.fits.gz")


@dataclass(frozen=True)
class Verdict:
    """What came of a case.

    Attributes
    ----------
    outcome : str, one of `FAULTS`, or ``refused``, ``warned``, ``same`` or ``valid`` (another result of a valid file)
    kind : str, of damage
    what : str, the file and what was done to it
    detail : str, the error, or the parts that differ
    """

    outcome: str
    kind: str
    what: str
    detail: str = ""


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def _messages() -> Iterator[list[str]]:
    """Collect what is logged and warned of."""
    log, handler = logging.getLogger("lightpool"), _Messages()
    log.addHandler(handler)
    propagates, log.propagate = log.propagate, False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield handler.texts
            handler.texts += [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]
    finally:
        log.removeHandler(handler)
        log.propagate = propagates


class Bench:
    """A small store and its results without damage.

    Parameters
    ----------
    store : Path, of files that are not compressed
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
        energy_true = MapAxis.from_energy_bounds("0.3 TeV", "40 TeV", nbin=4, name="energy_true")
        rad = MapAxis.from_bounds(0, 0.4, nbin=4, unit="deg", name="rad")
        geom = WcsGeom.create(skydir=(83.63, 22.01), width=3, binsz=0.25, axes=[energy])
        self._map = MapDataset.create(geom, energy_axis_true=energy_true, rad_axis=rad, binsz_irf=1)
        region = RegionGeom.create("icrs;circle(83.63,22.01,0.11)", axes=[energy])
        self._spectrum = SpectrumDataset.create(region, energy_axis_true=energy_true)
        safe = SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="2 deg")
        self._map_makers = DatasetsMaker([MapDatasetMaker(), safe, FoVBackgroundMaker()], stack_datasets=False)
        spectrum = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=True)
        steps = [spectrum, ReflectedRegionsBackgroundMaker(), SafeMaskMaker(methods=["aeff-max"])]
        self._spectrum_makers = DatasetsMaker(steps, stack_datasets=False)
        self.runs = sorted(int(path.name[4:10]) for path in (store / "data").iterdir())
        self._expected: dict[int, tuple[Arrays, list[str]]] = {}
        for run in self.runs:
            with _messages() as texts:
                self._expected[run] = self._reduce(store, run), texts

    def judge(self, seed: int, number: int) -> Verdict:
        """Damage one file of the store, read and reduce it."""
        rng = np.random.default_rng([seed, number])
        run, kind = int(rng.choice(self.runs)), list(DAMAGES)[number % len(DAMAGES)]
        name = f"data/run_{run:06d}.fits.gz"
        if rng.random() < 0.15:
            name = str(rng.choice(_INDEX_FILES))
        damaged = damage(kind, (self._store / name).read_bytes(), rng)
        with_astropy = number // len(DAMAGES) % 3 == 0  # these take as long as all the rest
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        try:
            (folder / "data").mkdir()
            for other in (*_INDEX_FILES, f"data/run_{run:06d}.fits.gz"):
                if other != name:
                    (folder / other).symlink_to(self._store / other)
            (folder / name).write_bytes(damaged.content)
            outcome, detail = self._outcome(folder, run, name, damaged, with_astropy=with_astropy)
        finally:
            shutil.rmtree(folder)
        return Verdict(outcome, kind, f"{name}: {damaged.what}", detail.replace(str(folder), "STORE"))

    def _outcome(self, folder: Path, run: int, name: str, damaged: Damaged, *, with_astropy: bool) -> tuple[str, str]:
        FILE_CACHE.clear()
        expected, usual = self._expected[run]
        try:
            with _messages() as texts:
                error = _error_of_reading(folder / name, with_astropy=with_astropy)
                if error is None:
                    found = self._reduce(folder, run)
        except MemoryError as caught:
            error = caught
        except Exception as caught:
            error = caught
        if error is not None:
            return _judge_error(error, folder, name, is_valid=damaged.is_valid)
        is_told = any(text not in usual for text in _without_folder(texts, folder, self._store))
        difference = _difference(found, expected)
        if not difference:
            return "same", ""
        if is_told:
            return "warned", difference
        if "not finite" in difference:
            return "not finite", difference
        return ("valid" if damaged.is_valid else "silent change"), difference

    def _reduce(self, store: Path, run: int) -> Arrays:
        """All arrays of a map and of a spectrum of a run; none if the index leaves the run out."""
        observations = DataStore.from_dir(store).get_observations([run], required_irf="all-optional")
        if not len(observations):
            return {}
        result = self._map_makers.run(self._map, observations)[0]
        found = _arrays_of("map", result, ("counts", "background", "exposure", "mask_safe"))
        found["map edisp"], found["map psf"] = _array(result.edisp.edisp_map), _array(result.psf.psf_map)
        result = self._spectrum_makers.run(self._spectrum, observations)[0]
        found |= _arrays_of("spectrum", result, ("counts", "counts_off", "acceptance_off", "exposure", "mask_safe"))
        found["livetime"] = np.array([result.exposure.meta["livetime"].to_value("s")])
        return found


def _arrays_of(label: str, dataset: Any, names: tuple[str, ...]) -> Arrays:
    return {f"{label} {name}": _array(part) for name in names if (part := getattr(dataset, name)) is not None}


def _array(part: Any) -> np.ndarray[Any, Any]:
    return np.array(part.data, dtype=np.float64)


def _without_folder(texts: list[str], folder: Path, store: Path) -> list[str]:
    return [text.replace(str(folder), str(store)) for text in texts]


def _error_of_reading(path: Path, *, with_astropy: bool) -> Exception | None:
    """Error of reading all of a file, unless it is of the package and names the file: a reduction may do without."""
    try:
        file = read_fits(path)
        for number in range(len(file.names)):
            if file.hdu(number).layout.is_table:
                _ = file.table(number).to_table()
            if with_astropy:
                _ = dict(file.header(number))
        if with_astropy:
            _ = [(hdu.data, dict(hdu.header)) for hdu in file.hdulist]
    except Exception as error:
        return error if not isinstance(error, LightpoolError) or path.name not in str(error) else None
    return None


def _judge_error(error: BaseException, folder: Path, name: str, *, is_valid: bool) -> tuple[str, str]:
    cause = error.args[2] if isinstance(error, ReductionError) else error
    text = f"{type(cause).__name__}: {error}"
    if is_valid and isinstance(error, ReductionError) and type(cause) is ValueError:
        return "refused", text  # the file is one of another kind, such as point-like, which the maker is not made for
    if not isinstance(cause, LightpoolError) and not (name in _INDEX_FILES and isinstance(cause, ValueError)):
        return "foreign error", text
    # What an index says wrong surfaces at the file that it names.
    is_named = Path(name).name in str(error) or (name in _INDEX_FILES and str(folder) in str(error))
    return ("refused" if is_named else "error without the file"), text


def _difference(found: Arrays, expected: Arrays) -> str:
    """What differs, in words; "" if nothing does."""
    parts = [f"no {name}" for name in expected if name not in found]
    for name in found:
        if name not in expected:
            parts.append(f"{name} is new")
        elif found[name].shape != expected[name].shape:
            parts.append(f"{name} has another shape")
        elif not np.isfinite(found[name][np.isfinite(expected[name])]).all():
            parts.append(f"{name} is not finite")
        elif not np.allclose(found[name], expected[name], rtol=1e-6, atol=0, equal_nan=True):
            parts.append(name)
    return ", ".join(parts)
