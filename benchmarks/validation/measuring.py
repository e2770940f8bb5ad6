"""All numbers of a dataset, and how far those of two packages are apart."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.time import Time
from backends import relative_deviations, unequal

from lightpool.arrays import to_host

TOLERANCES = {"float32": 1e-5, "float64": 1e-9}
"""Largest relative deviation by the type in which Gammapy keeps the numbers."""
LEAST = 1e-3
"""Deviations are relative to the value, or to this part of the largest one in the same plane if that is larger."""
MANY_VALUES = 100
"""Different numbers, all of which float32 can represent, are no accident."""
EXACT = ("counts", "OFF counts", "PHA COUNTS", "BKG COUNTS", "PHA QUALITY", "BKG QUALITY")
"""Quantities that must be equal, besides all masks."""
EPOCH = Time("2001-01-01T00:00:00", scale="tt")
MAPS = {
    "counts": "counts",
    "counts_off": "OFF counts",
    "mask_safe": "safe mask",
    "background": "background",
    "acceptance": "acceptance",
    "acceptance_off": "OFF acceptance",
    "exposure": "exposure",
}
RESPONSES = {"psf": "PSF", "edisp": "energy dispersion"}


@dataclass(frozen=True, eq=False)
class Numbers:
    """The values of one quantity.

    Attributes
    ----------
    values : numpy array
    unit : str
    scale : float or None
        What deviations are relative to; None if it is the value.
    peak : float or None
        What is large in this quantity, where that is not the largest value: 1 for probabilities.
    error : float or None
        Statistical error of a fitted value.
    """

    values: Any
    unit: str = ""
    scale: float | None = None
    peak: float | None = None
    error: float | None = None


def numbers_of(dataset: Any, has_files: bool = False) -> dict[str, Numbers]:
    """Return all numbers of a dataset of either package, by the name of the quantity.

    Parameters
    ----------
    dataset : MapDataset or SpectrumDataset, also with OFF counts
    has_files : bool
        Whether the dataset is written as OGIP files too, and what is in them compared.
    """
    found = dict(_maps_of(dataset))
    found |= _times_of(dataset)
    model = getattr(dataset, "background_model", None)
    if model is not None:
        for parameter in model.parameters:
            if parameter.name in ("norm", "tilt") or parameter.name.startswith("norm_"):
                value = np.array([parameter.value], dtype=float)
                found[f"{parameter.name} of the background"] = Numbers(value, error=float(parameter.error))
        found["background times norm"] = _numbers_of_map(dataset.npred_background())
    if has_files:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pha_run.fits"
            dataset.write(path, format="ogip", overwrite=True)
            found |= ogip_numbers(path)
    return found


def _numbers_of_map(data: Any) -> Numbers:
    return Numbers(np.asarray(to_host(data.data)), str(data.unit))


def _maps_of(dataset: Any) -> Iterator[tuple[str, Numbers]]:
    has_off = "OnOff" in type(dataset).__name__
    for name, label in MAPS.items():
        # The background of OFF counts is alpha times these; Gammapy's is NaN in some bins.
        data = None if has_off and name == "background" else getattr(dataset, name, None)
        if data is not None:
            yield label, _numbers_of_map(data)
    for name, label in RESPONSES.items():
        response = getattr(dataset, name, None)
        # Spectra of Gammapy have a PSF that no maker fills.
        if response is None or (name == "psf" and dataset.counts.geom.is_region):
            continue
        found = _numbers_of_map(getattr(response, f"{name}_map"))
        # A kernel is the difference of cumulative probabilities, which round to 1e-16 of 1 however small it is.
        is_kernel = name == "edisp" and "energy" in getattr(response, f"{name}_map").geom.axes.names
        yield label, replace(found, peak=1.0) if is_kernel else found
        if response.exposure_map is not None:
            yield f"exposure of {label}", _numbers_of_map(response.exposure_map)


def _times_of(dataset: Any) -> dict[str, Numbers]:
    found = {}
    if dataset.gti is not None:
        duration = float(dataset.gti.time_sum.to_value("s"))
        for name in ("start", "stop"):
            times = getattr(dataset.gti, f"time_{name}")
            found[f"{name} of good times"] = Numbers(np.atleast_1d((times - EPOCH).to_value("s")), "s", duration)
    livetime = None if dataset.exposure is None else dataset.exposure.meta.get("livetime")
    if livetime is not None:
        found["livetime"] = Numbers(np.atleast_1d(u.Quantity(livetime).to_value("s")), "s")
    return found


def ogip_numbers(path: Path) -> dict[str, Numbers]:
    """Return what a set of OGIP files contains: spectrum, background, effective area, redistribution.

    Parameters
    ----------
    path : Path
        The file of the spectrum; the others are those that it names.
    """
    found = {}
    with fits.open(path) as hdus:
        names = hdus["SPECTRUM"].header
        files = {"PHA": path, "BKG": path.parent / names["BACKFILE"]}
        area, redistribution = path.parent / names["ANCRFILE"], path.parent / names["RESPFILE"]
    for what, file in files.items():
        if not file.is_file():
            continue
        with fits.open(file) as hdus:
            table, header = hdus["SPECTRUM"].data, hdus["SPECTRUM"].header
            for name in ("COUNTS", "QUALITY", "BACKSCAL", "AREASCAL", "EXPOSURE"):
                values = table[name] if name in table.names else header.get(name)
                if values is not None:
                    found[f"{what} {name}"] = Numbers(np.atleast_1d(np.asarray(values, dtype=float)))
    with fits.open(area) as hdus:
        table, columns = hdus["SPECRESP"].data, hdus["SPECRESP"].columns
        found["ARF SPECRESP"] = Numbers(np.asarray(table["SPECRESP"]).astype(float), columns["SPECRESP"].unit)
        energies = np.concatenate([table["ENERG_LO"], table["ENERG_HI"][-1:]]).astype(float)
        found["ARF energies"] = Numbers(energies, columns["ENERG_LO"].unit)
    kernel = import_module("gammapy.irf").EDispKernel.read(redistribution)
    found["RMF MATRIX"] = Numbers(np.asarray(kernel.pdf_matrix, dtype=float), peak=1.0)
    edges = kernel.axes["energy"].edges
    found["RMF energies"] = Numbers(edges.value, str(edges.unit))
    return found


# --- comparison


@dataclass(frozen=True, eq=False)
class Comparison:
    """How far two arrays are apart.

    Attributes
    ----------
    n_bin, n_filled, n_different : int
        Bins; those with a value other than zero in one of the arrays; those whose values are not bit-identical.
    worst, median : float
        Largest deviation, and the median over the bins that are filled.
    worst_of_any : float
        Largest deviation relative to the value of the bin, however small that is.
    tolerance : float
        0 for counts and masks.
    is_beyond : array of bool
        Bins that differ by more than is allowed.
    deviations : array
        Of each bin; empty for counts and masks.
    note : str
        What makes the arrays incomparable, empty if nothing does.
    """

    n_bin: int = 0
    n_filled: int = 0
    n_different: int = 0
    worst: float = np.nan
    median: float = np.nan
    worst_of_any: float = np.nan
    tolerance: float = 0.0
    is_beyond: Any = None
    deviations: Any = None
    note: str = ""

    @property
    def n_beyond(self) -> int:
        return 0 if self.is_beyond is None else int(np.count_nonzero(self.is_beyond))

    @property
    def agrees(self) -> bool:
        return not self.note and self.n_beyond == 0


def compared(name: str, ours: Numbers, theirs: Numbers) -> Comparison:
    """Compare a quantity of lightpool with that of Gammapy, bin by bin.

    A NaN agrees with a NaN, and is infinitely far from a number.

    Parameters
    ----------
    name : str
        Of the quantity.
    ours, theirs : Numbers
    """
    if ours.values.shape != theirs.values.shape:
        return Comparison(note=f"shape {ours.values.shape}, Gammapy {theirs.values.shape}")
    is_exact = name in EXACT or theirs.values.dtype == bool
    values, expected = (np.asarray(each.values, dtype=np.float64) for each in (ours, theirs))
    try:
        values = values * u.Unit(ours.unit or "").to(theirs.unit or "")
    except u.UnitConversionError:
        return Comparison(note=f"unit {ours.unit!r}, Gammapy {theirs.unit!r}")
    tolerance = 0.0 if is_exact else TOLERANCES[precision_of(theirs.values)]
    different = unequal(values, expected)
    filled = (values != 0) | (expected != 0)
    deviations = relative_deviations(values, expected, floor=_floor(values, expected, theirs))
    is_beyond = different if is_exact else deviations > tolerance
    return Comparison(
        n_bin=values.size,
        n_filled=int(np.count_nonzero(filled)),
        n_different=int(np.count_nonzero(different)),
        worst=float(np.max(deviations, initial=0.0)),
        median=float(np.median(deviations[filled])) if filled.any() else 0.0,
        worst_of_any=float(np.max(relative_deviations(values, expected), initial=0.0)),
        tolerance=tolerance,
        is_beyond=is_beyond,
        deviations=deviations,
    )


def precision_of(values: Any) -> str:
    """Return the type that numbers were computed in: float32 also if they were stored in float64 afterwards.

    Parameters
    ----------
    values : numpy array
    """
    if values.dtype == np.float32:
        return "float32"
    finite = values[np.isfinite(values)]
    is_single = np.array_equal(finite, finite.astype(np.float32)) and len(np.unique(finite)) >= MANY_VALUES
    return "float32" if is_single else "float64"


def _floor(values: Any, expected: Any, theirs: Numbers) -> Any:
    """Least denominator: a part of the largest value in each plane of the first axis, where that is lower."""
    if theirs.scale is not None:
        return theirs.scale
    if theirs.peak is not None:
        return LEAST * theirs.peak
    planes = tuple(range(1, values.ndim)) or None
    finite = (np.where(np.isfinite(each), np.abs(each), 0.0) for each in (values, expected))
    return LEAST * np.minimum(*(np.max(each, axis=planes, keepdims=True, initial=0.0) for each in finite))
