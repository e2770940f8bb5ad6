"""The observation index: one row per observation, to select by."""

import logging
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Column, Table
from astropy.time import Time
from numpy.typing import ArrayLike, NDArray

from lightpool.data.checkers import ObservationTableChecker
from lightpool.data.tables.conditions import evaluate_condition
from lightpool.data.tables.index_tables import read_index_table, with_whole_obs_ids
from lightpool.data.tables.obs_ids import obs_id_numbers
from lightpool.data.tables.time_reference import TimeInterval, TimeReference, ends_of_interval
from lightpool.data.unit_errors import WrongRangeUnitError
from lightpool.errors import FormatError, MissingColumnError
from lightpool.fits import FileKind, TableData, match_name, parsing
from lightpool.typing import AngleLike, PathInput, QuantityLike

__all__ = ["ObservationTable", "ObservationTableChecker", "read_obs_index"]

_SOURCE = "FILENAME"  # of meta; it is not written

log = logging.getLogger(__name__)


def read_obs_index(filename: PathInput, hdu: str | int | None = None) -> TableData:
    """Read the columns of an observation index, see `ObservationTable.read`.

    Parameters
    ----------
    filename : str or path-like
    hdu : str or int, optional; the first table by default

    Raises
    ------
    FormatError
        If there is no column OBS_ID.
    """
    data = read_index_table(filename, hdu, ("OBS_ID",), "ObservationTable.read", FileKind.OBS_INDEX)
    if "OBS_ID" not in data:
        raise FormatError(
            f"{data.source}, HDU {data.name!r} is not an observation index: it has no column OBS_ID; "
            f"it has {', '.join(data.columns)}"
        )
    data = with_whole_obs_ids(data)
    data.meta[_SOURCE] = data.source
    return data


class ObservationTable(Table):
    """Observation index table, see GADF's "obs-index"; OBS_ID is the one column that it must have."""

    @classmethod
    def read(cls, filename: PathInput, hdu: str | int | None = None, **kwargs: object) -> "ObservationTable":
        """Read from a FITS file.

        Parameters
        ----------
        filename : str or path-like
        hdu : str or int, optional; the first table by default
        **kwargs : not used; Gammapy has them

        Raises
        ------
        FormatError
            If there is no column OBS_ID.
        """
        with parsing(filename):
            return cls.from_table_data(read_obs_index(filename, hdu))

    @classmethod
    def from_table_data(cls, data: TableData) -> "ObservationTable":
        """Create from the columns that `read_obs_index` returns."""
        return data.to_table(cls)

    def without_duplicates(self) -> "ObservationTable":
        """Sort by OBS_ID and keep the first row of each; a warning names the IDs whose rows differ."""
        first: NDArray[np.intp]
        obs_id, first, inverse = np.unique(self._numbers(), return_index=True, return_inverse=True)
        if len(obs_id) < len(self):
            twice = [row for row in range(len(self)) if first[inverse[row]] != row]
            differ = sorted(
                {int(obs_id[inverse[row]]) for row in twice if not self._same_rows(row, int(first[inverse[row]]))}
            )
            if differ:
                log.warning(
                    f"observation index: OBS_ID {differ} occur in rows that differ; the first row of each is kept"
                )
        return self[first]

    def _same_rows(self, row: int, other: int) -> bool:
        return all(_same(self[name][row], self[name][other]) for name in self.colnames)

    def write(self, *args: object, **kwargs: object) -> None:
        """Write to a file.

        Parameters
        ----------
        *args, **kwargs : arguments of `astropy.table.Table.write`
        """
        # The columns are shared; the metadata are replaced in this table only.
        table = Table(self, copy=False)
        table.meta = {key: value for key, value in self.meta.items() if key != _SOURCE}
        table.write(*args, **kwargs)

    @property
    def _where(self) -> str:
        """Name of the table in an error message."""
        return f"observation index {self.meta[_SOURCE]}" if _SOURCE in self.meta else "observation index"

    def _numbers(self) -> NDArray[np.integer[Any]]:
        """Return the observation IDs of all rows."""
        return obs_id_numbers(self["OBS_ID"], self._where)

    def column_for(self, name: str, purpose: str) -> Column:
        """Return a column; upper and lower case count as the same if no name matches exactly.

        Parameters
        ----------
        name : str
        purpose : str, what it is needed for, for the message of an error

        Raises
        ------
        MissingColumnError
            If there is none.
        """
        known = match_name(name, self.colnames, self._where)
        if known is not None:
            return self[known]
        close = get_close_matches(name, self.colnames, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise MissingColumnError(
            f"{self._where}: there is no column {name!r} to {purpose}{hint}. It has {', '.join(self.colnames)}. Add "
            "the column to the index, or choose the observations by their OBS_ID or by a condition on these columns"
        )

    def _pointing(self, purpose: str) -> SkyCoord:
        lon, lat = (self.column_for(name, purpose) for name in ("RA_PNT", "DEC_PNT"))
        try:
            return SkyCoord(lon, lat, unit="deg", frame="icrs")
        except (TypeError, ValueError) as error:
            raise FormatError(
                f"{self._where}: RA_PNT and DEC_PNT must be directions on the sky in deg, with DEC_PNT from -90 to 90: "
                f"{error}"
            ) from error

    @property
    def pointing_radec(self) -> SkyCoord:
        """Pointings in ICRS."""
        return self._pointing("know the pointings")

    @property
    def pointing_galactic(self) -> SkyCoord:
        """Pointings in Galactic coordinates; those of RA_PNT and DEC_PNT if there is no GLON_PNT or GLAT_PNT."""
        if "GLON_PNT" in self.colnames and "GLAT_PNT" in self.colnames:
            return SkyCoord(self["GLON_PNT"], self["GLAT_PNT"], unit="deg", frame="galactic")
        return self._pointing("know the pointings").galactic

    @property
    def time_ref(self) -> Time:
        """Reference time."""
        return self._reference.time

    @property
    def _reference(self) -> TimeReference:
        return TimeReference.from_header(self.meta, self._where)

    @property
    def time_start(self) -> Time:
        """Start times."""
        return self._reference.to_time(self._seconds("TSTART"))

    @property
    def time_stop(self) -> Time:
        """Stop times."""
        return self._reference.to_time(self._seconds("TSTOP"))

    def _seconds(self, name: str) -> NDArray[np.float64]:
        column = self.column_for(name, "know the times of observations, as a time range needs them")
        return np.asarray(
            u.Quantity(np.asarray(column, dtype=float), column.unit or self.meta.get("TIMEUNIT", "s")).to_value("s")
        )

    def select_obs_id(self, obs_id: int | Sequence[int]) -> "ObservationTable":
        """Return the rows of the given observation IDs, in the order given.

        Raises
        ------
        KeyError
            If an ID is not in the table.
        """
        # In reverse order, so that the first row of a repeated ID is the one that remains.
        rows = {known: row for row, known in reversed(list(enumerate(self._numbers().tolist())))}
        wanted = obs_id_numbers(np.atleast_1d(np.asarray(obs_id)), "select_obs_id").tolist()
        missing = [number for number in wanted if number not in rows]
        if missing:
            raise KeyError(f"OBS_ID {missing} not in the observation table of {len(self)} rows")
        table: ObservationTable = self[[rows[number] for number in wanted]]
        return table

    def summary(self) -> str:
        """Return a summary as text."""
        name = self.meta.get("OBSERVATORY_NAME", "N/A")
        if "N/A" in name:
            name = self.meta.get("OBSERVATORY_NAME", self.meta.get("OBSERVER", "N/A"))
        return f"Observation table:\nObservatory name: {name!r}\nNumber of observations: {len(self)}\n"

    def _keep(self, mask: ArrayLike, inverted: bool) -> "ObservationTable":
        mask = np.asarray(mask)
        table: ObservationTable = self[~mask if inverted else mask]
        return table

    def select_range(
        self, selection_variable: str, value_range: QuantityLike, inverted: bool = False
    ) -> "ObservationTable":
        """Return the rows with a value in ``[min, max)``; if min equals max, the rows with that value.

        Parameters
        ----------
        selection_variable : str, name of a column of numbers
        value_range : Quantity or sequence of length 2
        inverted : bool, keep the other rows
        """
        limits = u.Quantity(value_range)
        column = self.column_for(selection_variable, "select a range of it")
        if column.dtype.kind not in "fiub":
            raise FormatError(
                f"{self._where}: column {selection_variable!r} holds no numbers, so it has no range; select by a "
                f"condition, such as \"{selection_variable} == '{column[0] if len(column) else ''}'\""
            )
        value = u.Quantity(column)
        if not limits.unit.is_equivalent(value.unit):
            raise WrongRangeUnitError(
                f"{self._where}: column {selection_variable!r} has the unit {str(value.unit)!r}, the range "
                f"{value_range!r} has {str(limits.unit)!r}; expected one that converts to it"
            )
        mask = (limits[0] <= value) & (value < limits[1])
        # As in Gammapy: the half-open range would be empty.
        if np.allclose(limits[0].value, limits[1].value):
            mask = limits[0] == value
        return self._keep(mask, inverted)

    def select_time_range(
        self, time_range: TimeInterval, partial_overlap: bool = False, inverted: bool = False
    ) -> "ObservationTable":
        """Return the rows of observations that lie in a time range.

        Parameters
        ----------
        time_range : `astropy.time.Time` of length 2
        partial_overlap : bool, include observations that lie partly in it
        inverted : bool, keep the other rows
        """
        start, stop = self.time_start, self.time_stop
        if partial_overlap:
            # An observation overlaps the range if it stops after the range starts, and starts before the range stops.
            start, stop = stop, start
        first, last = ends_of_interval(time_range)
        return self._keep((first <= start) & (last >= stop), inverted)

    def select_sky_circle(self, center: SkyCoord, radius: AngleLike, inverted: bool = False) -> "ObservationTable":
        """Return the rows of observations whose pointing is less than ``radius`` from a position.

        Parameters
        ----------
        center : SkyCoord
        radius : Angle or Quantity
        inverted : bool, keep the other rows
        """
        pointing = self._pointing("select by a cone (sky_circle)")
        return self._keep(center.separation(pointing) < Angle(radius), inverted)

    def select_expression(self, expression: str, inverted: bool = False) -> "ObservationTable":
        """Return the rows for which a condition on the columns holds, such as ``"ZEN_PNT < 30 and N_TELS == 4"``.

        Numbers are in the units of the columns. What may stand in it:
        `lightpool.data.tables.conditions.evaluate_condition`.

        Parameters
        ----------
        expression : str
        inverted : bool, keep the other rows
        """
        columns = {name: np.asarray(self[name]) for name in self.colnames if self[name].ndim == 1}
        try:
            return self._keep(evaluate_condition(expression, columns, len(self)), inverted)
        except ValueError as error:
            raise type(error)(f"{self._where}: {error}") from error

    def select_observations(
        self, selections: dict[str, Any] | Sequence[dict[str, Any] | str] | str | None = None
    ) -> "ObservationTable":
        """Return the rows that pass all of several selections.

        Parameters
        ----------
        selections : dict, list of dict, or str
            Each dictionary has a ``type`` and its arguments, and ``inverted`` if wanted: ``sky_circle`` (frame, lon,
            lat, radius, border), ``time_box`` (time_range, partial_overlap), ``par_box`` (variable, value_range),
            ``expression`` (expression). A text is an expression.

        Returns
        -------
        table : ObservationTable, a new one
        """
        if selections is None:
            selections = []
        table = self
        for selection in [selections] if isinstance(selections, dict | str) else selections:
            table = table._select_one(
                {"type": "expression", "expression": selection} if isinstance(selection, str) else selection
            )
        return table

    def _select_one(self, selection: dict[str, Any]) -> "ObservationTable":
        options = dict(selection)
        kind = options.pop("type", None)
        if missing := [name for name in _NEEDED.get(kind, ()) if name not in options]:
            raise ValueError(
                f"a selection of type {kind!r} needs {', '.join(_NEEDED[kind])}; missing: {', '.join(missing)}"
            )
        if kind == "sky_circle":
            lon, lat = Angle(options.pop("lon"), "deg"), Angle(options.pop("lat"), "deg")
            radius = Angle(options.pop("radius"), "deg") + Angle(options.pop("border", 0), "deg")
            return self.select_sky_circle(SkyCoord(lon, lat, frame=options.pop("frame")), radius, **options)
        if kind == "time_box":
            return self.select_time_range(options.pop("time_range"), **options)
        if kind == "par_box":
            return self.select_range(options.pop("variable"), **options)
        if kind == "expression":
            return self.select_expression(options.pop("expression"), **options)
        raise ValueError(
            f"Invalid selection type: {kind!r}; expected 'sky_circle', 'time_box', 'par_box' or 'expression', "
            "or a text such as 'ZEN_PNT < 30'"
        )


_NEEDED = {
    "sky_circle": ("frame", "lon", "lat", "radius"),
    "time_box": ("time_range",),
    "par_box": ("variable", "value_range"),
    "expression": ("expression",),
}


def _same(a: ArrayLike, b: ArrayLike) -> bool:
    if a is np.ma.masked or b is np.ma.masked:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
