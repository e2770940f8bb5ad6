"""Background models in FITS files: the table of GADF, and what it was made of."""

from collections.abc import Mapping
from typing import Protocol, TypedDict

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import HostFloats
from lightpool.errors import FormatError
from lightpool.fits import HDUList, PrimaryHDU, parsing, read_fits, table_to_hdu, write_fits
from lightpool.irf import Background2D, Background3D
from lightpool.makers.background_models.field_bins import FieldBins
from lightpool.makers.background_models.groups import Validity
from lightpool.makers.background_models.sums_format import axes_hdu, read_axes_hdu
from lightpool.maps import MapAxis
from lightpool.typing import MetaValue, PathInput

__all__ = ["keywords_of", "read_model", "write_model"]

_FORMAT = "lightpool background model"
_UNITS = {"ZEN_PNT": "deg", "AZ_PNT": "deg", "MJD_START": "d"}
_STATISTICS_UNITS = {"RATE": "s-1 MeV-1 sr-1", "ERROR": "s-1 MeV-1 sr-1", "EXPOSURE": "s sr"}
_ARRAYS = ("RATE", "ERROR", "COUNTS", "EXPOSURE", "REMAINING", "CENTRE_FACTOR", "IS_EXTRAPOLATED")


class ModelContent(TypedDict):
    """Arguments of `BackgroundModel`."""

    name: str
    energy_axis: MapAxis
    field: FieldBins
    rate: HostFloats
    error: HostFloats
    counts: NDArray[np.int64]
    exposure: HostFloats
    remaining: HostFloats
    centre_factor: HostFloats
    is_extrapolated: NDArray[np.bool_]
    obs_ids: NDArray[np.int64]
    ontime: float
    livetime: float
    validity: Mapping[str, Validity]
    means: Mapping[str, float]
    norm: float
    norm_error: float


class ModelToWrite(Protocol):
    """What a file needs of a model, besides the arrays in `_ARRAYS`; see `BackgroundModel`."""

    @property
    def name(self) -> str:
        """Name of the group."""

    @property
    def energy_axis(self) -> MapAxis:
        """Bins of energy."""

    @property
    def field(self) -> FieldBins:
        """Bins of the field of view."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Events."""

    @property
    def is_extrapolated(self) -> NDArray[np.bool_]:
        """Extrapolated bins of energy."""

    @property
    def obs_ids(self) -> NDArray[np.int64]:
        """Runs."""

    @property
    def n_run(self) -> int:
        """Number of runs."""

    @property
    def n_invalid(self) -> int:
        """Number of bins without a known rate."""

    @property
    def ontime(self) -> float:
        """Good time, s."""

    @property
    def livetime(self) -> float:
        """Live time, s."""

    @property
    def norm(self) -> float:
        """Factor of a run."""

    @property
    def validity(self) -> Mapping[str, Validity]:
        """Limits of validity."""

    @property
    def means(self) -> Mapping[str, float]:
        """Means over the runs."""

    @property
    def table(self) -> Background2D | Background3D:
        """Table of GADF."""


def keywords_of(model: ModelToWrite) -> dict[str, MetaValue]:
    """Return the keywords of the table of a model.

    ``N_RUN, ONTIME, LIVETIME`` (s), ``N_EVENT, N_INVALD`` (bins without a known rate), ``BKGGROUP, BKGNORM``, and the
    limits of validity as the calibration files of HEASARC state them, ``CBD10001 = 'ZEN_PNT(20-40)deg'``; for dates,
    ``CVSD0001`` and ``CVST0001``, the begin.
    """
    keywords: dict[str, MetaValue] = {
        "BKGGROUP": model.name,
        "N_RUN": model.n_run,
        "ONTIME": model.ontime,
        "LIVETIME": model.livetime,
        "N_EVENT": int(model.counts.sum()),
        "N_INVALD": model.n_invalid,
        "BKGNORM": model.norm,
    }
    for number, (column, interval) in enumerate(model.validity.items(), start=1):
        keywords[f"CBD{number}0001"] = (
            f'{column}("{interval}")' if isinstance(interval, str) else f"{column}({interval[0]:.6g}-{interval[1]:.6g})"
        ) + _UNITS.get(column, "")
        if column == "MJD_START" and not isinstance(interval, str):
            keywords["CVSD0001"], _, keywords["CVST0001"] = str(Time(interval[0], format="mjd").isot).partition("T")
    if model.is_extrapolated.any():
        first = int(np.argmax(model.is_extrapolated))
        keywords["EXTRAPOL"] = float(model.energy_axis.edges[first].to_value("TeV"))
    return keywords


def write_model(model: ModelToWrite, filename: PathInput, overwrite: bool) -> None:
    """Write a model to a file.

    Parameters
    ----------
    model : BackgroundModel
    filename : str or path-like
    overwrite : bool
    """
    primary = PrimaryHDU()
    primary.header["CONTENT"] = _FORMAT
    statistics = Table({name: np.asarray(getattr(model, name.lower()))[np.newaxis] for name in _ARRAYS})
    statistics["NAME"] = [model.name]
    for name in ("ONTIME", "LIVETIME", "NORM", "NORM_ERROR"):
        statistics[name] = [float(getattr(model, name.lower()))]
    for name, unit in _STATISTICS_UNITS.items():
        statistics[name].unit = u.Unit(unit)
    intervals = [(np.nan, np.nan, each) if isinstance(each, str) else (*each, "") for each in model.validity.values()]
    low, high, text = zip(*intervals, strict=True) if intervals else ((), (), ())
    validity = Table(
        {
            "COLUMN": np.array(list(model.validity), dtype=str),
            "LOW": np.array(low, dtype=float),
            "HIGH": np.array(high, dtype=float),
            "TEXT": np.array(text, dtype=str),
        }
    )
    means = Table({"COLUMN": np.array(list(model.means), dtype=str), "MEAN": np.array([*model.means.values()], float)})
    hdus = [
        model.table.to_table_hdu(),
        axes_hdu(model.energy_axis, model.field),
        table_to_hdu(statistics, "STATISTICS"),
        table_to_hdu(Table({"OBS_ID": model.obs_ids}), "RUNS"),
        table_to_hdu(validity, "VALIDITY"),
        table_to_hdu(means, "MEANS"),
    ]
    write_fits(HDUList([primary, *hdus]), filename, overwrite=overwrite)


def read_model(filename: PathInput) -> ModelContent:
    """Read the content of a file that `write_model` wrote.

    Parameters
    ----------
    filename : str or path-like

    Raises
    ------
    FormatError
        If it holds something else.
    """
    file = read_fits(filename)
    if str(file.values(0).get("CONTENT", "")).strip() != _FORMAT:
        raise FormatError(
            f"{file.source} holds no background model, but the HDUs {', '.join(file.names)}; Background2D.read and "
            "Background3D.read read tables of others"
        )
    with parsing(file.source):
        energy_axis, field = read_axes_hdu(file)
        statistics = file.table("STATISTICS")
        one = {name: np.asarray(values)[0] for name, values in statistics.columns.items()}
        one |= {name: statistics.quantity(name)[0].to_value(unit) for name, unit in _STATISTICS_UNITS.items()}
        validity, means = file.table("VALIDITY").columns, file.table("MEANS").columns
        shape = (energy_axis.nbin, *field.shape)
        return ModelContent(
            name=str(one["NAME"]).strip(),
            energy_axis=energy_axis,
            field=field,
            rate=np.asarray(one["RATE"], dtype=float).reshape(shape),
            error=np.asarray(one["ERROR"], dtype=float).reshape(shape),
            counts=np.asarray(one["COUNTS"]).astype(np.int64).reshape(shape),
            exposure=np.asarray(one["EXPOSURE"], dtype=float).reshape(field.shape),
            remaining=np.asarray(one["REMAINING"], dtype=float).reshape(field.shape),
            centre_factor=np.asarray(one["CENTRE_FACTOR"], dtype=float).reshape(-1),
            is_extrapolated=np.asarray(one["IS_EXTRAPOLATED"]).astype(bool).reshape(-1),
            obs_ids=np.asarray(file.table("RUNS").columns["OBS_ID"]).astype(np.int64),
            ontime=float(one["ONTIME"]),
            livetime=float(one["LIVETIME"]),
            validity={
                str(column).strip(): str(text).strip() if np.isnan(low) else (float(low), float(high))
                for column, low, high, text in zip(
                    *(validity[name] for name in ("COLUMN", "LOW", "HIGH", "TEXT")), strict=True
                )
            },
            means={str(k).strip(): float(v) for k, v in zip(means["COLUMN"], means["MEAN"], strict=True)},
            norm=float(one["NORM"]),
            norm_error=float(one["NORM_ERROR"]),
        )
