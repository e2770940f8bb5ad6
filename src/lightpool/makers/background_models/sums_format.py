"""Sums of background events in FITS files."""

from collections.abc import Mapping
from typing import Any, Protocol, TypedDict

import astropy.units as u
import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import HostFloats
from lightpool.errors import FormatError
from lightpool.fits import HDUList, PrimaryHDU, header_text, parsing, read_fits, table_to_hdu, write_fits
from lightpool.makers.background_models.field_bins import FieldBins
from lightpool.maps import MapAxis
from lightpool.typing import PathInput

__all__ = ["axes_hdu", "read_axes_hdu", "read_sums", "write_sums"]

_FORMAT = "lightpool background sums"
_UNITS = {"energy": "TeV", "offset": "deg", "fov_lon": "deg", "fov_lat": "deg"}
_RUN_UNITS = {"ONTIME": "s", "LIVETIME": "s", "ZEN_PNT": "deg", "AZ_PNT": "deg", "MJD_START": "d"}


class SumsToWrite(Protocol):
    """What a file needs of sums; see `BackgroundSums`."""

    @property
    def energy_axis(self) -> MapAxis:
        """Bins of energy."""

    @property
    def field(self) -> FieldBins:
        """Bins of the field of view."""

    @property
    def runs(self) -> Mapping[str, NDArray[np.generic]]:
        """Rows of the runs."""

    @property
    def first(self) -> NDArray[np.int64]:
        """First entry of each run."""

    @property
    def bins(self) -> NDArray[np.int32]:
        """Bins of the entries."""

    @property
    def events(self) -> NDArray[np.int32]:
        """Events of the entries."""

    @property
    def excluded(self) -> HostFloats:
        """Excluded exposure."""


class SumsContent(TypedDict):
    """Arguments of `BackgroundSums`."""

    energy_axis: MapAxis
    field: FieldBins
    runs: dict[str, NDArray[np.generic]]
    first: NDArray[np.int64]
    bins: NDArray[np.int32]
    events: NDArray[np.int32]
    excluded: HostFloats


def axes_hdu(energy_axis: MapAxis, field: FieldBins) -> Any:
    """Return a table HDU with the edges of the axes.

    Parameters
    ----------
    energy_axis : MapAxis
    field : FieldBins
    """
    table = Table()
    for axis in (energy_axis, *field.axes):
        table[axis.name] = u.Quantity(axis.edges, _UNITS[axis.name])[np.newaxis]
    hdu = table_to_hdu(table, "AXES")
    hdu.header["FOVALIGN"] = str(field.alignment)
    hdu.header["EINTERP"] = energy_axis.interp
    return hdu


def read_axes_hdu(file: Any) -> tuple[MapAxis, FieldBins]:
    """Return the axes that `axes_hdu` wrote."""
    table = file.table("AXES")
    axes = [
        MapAxis.from_edges(
            table.quantity(name)[0].to(_UNITS[name]),
            name=name,
            interp=header_text(table.header, "EINTERP", table.source) if name == "energy" else "lin",
        )
        for name in table.columns
    ]
    return axes[0], FieldBins.of(axes[1:], header_text(table.header, "FOVALIGN", table.source))


def write_sums(sums: SumsToWrite, filename: PathInput, overwrite: bool) -> None:
    """Write sums to a file.

    Parameters
    ----------
    sums : BackgroundSums
    filename : str or path-like
    overwrite : bool
    """
    primary = PrimaryHDU()
    primary.header["CONTENT"] = _FORMAT
    runs = Table({name: np.asarray(values) for name, values in sums.runs.items()})
    for name in runs.colnames:
        if name in _RUN_UNITS:
            runs[name].unit = u.Unit(_RUN_UNITS[name])
    runs["N_ENTRY"] = np.diff(sums.first)
    runs["EXCLUDED"] = u.Quantity(sums.excluded, "s sr")
    entries = Table({"BIN": sums.bins, "EVENTS": sums.events})
    hdus = [axes_hdu(sums.energy_axis, sums.field), table_to_hdu(runs, "RUNS"), table_to_hdu(entries, "ENTRIES")]
    write_fits(HDUList([primary, *hdus]), filename, overwrite=overwrite)


def read_sums(filename: PathInput) -> SumsContent:
    """Read the content of a file that `write_sums` wrote.

    Parameters
    ----------
    filename : str or path-like

    Raises
    ------
    FormatError
        If it holds something else, or is not consistent.
    """
    file = read_fits(filename)
    if str(file.values(0).get("CONTENT", "")).strip() != _FORMAT:
        raise FormatError(
            f"{file.source} holds no background sums, but the HDUs {', '.join(file.names)}; BackgroundSums.write makes "
            "such a file"
        )
    with parsing(file.source):
        energy_axis, field = read_axes_hdu(file)
        table, entries = file.table("RUNS"), file.table("ENTRIES")
        # In the units of the column, whoever wrote it.
        runs = {name: np.asarray(values) for name, values in table.columns.items()}
        runs |= {name: table.quantity(name).to_value(unit) for name, unit in _RUN_UNITS.items() if name in runs}
        first = np.concatenate([[0], np.cumsum(runs.pop("N_ENTRY"))]).astype(np.int64)
        excluded = table.quantity("EXCLUDED").to_value("s sr")
        del runs["EXCLUDED"]
        # A column of one bin has no dimension for it, and one of no rows has any.
        excluded = excluded.reshape(len(first) - 1, -1) if len(first) > 1 else np.zeros((0, field.n_bin))
        bins, events = (np.asarray(entries.columns[name]).astype(np.int32) for name in ("BIN", "EVENTS"))
        n_bin = 2 * energy_axis.nbin * field.n_bin
        if first[-1] != len(bins) or excluded.shape[1] != field.n_bin or np.any((bins < 0) | (bins >= n_bin)):
            raise FormatError(
                f"{file.source}: the tables RUNS, ENTRIES and AXES do not belong together: {first[-1]} entries "
                f"expected, {len(bins)} found; write the file again"
            )
    return SumsContent(
        energy_axis=energy_axis, field=field, runs=runs, first=first, bins=bins, events=events, excluded=excluded
    )
