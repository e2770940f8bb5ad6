"""What all tables of the instrument response share: axes, values, evaluation on the host."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict, TypeVar, cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import interpolate_grid, interpolate_grid_nearest, scale_values
from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy
from lightpool.fits import FitsFile
from lightpool.irf.tables import gadf_format
from lightpool.irf.tables.derived_values import DerivedValues, state_of_table
from lightpool.irf.tables.fill_missing import fill_missing
from lightpool.irf.tables.fov_alignment import FoVAlignment
from lightpool.irf.tables.full_turn import is_full_turn, with_turn, wrapped
from lightpool.irf.tables.irf_card import irf_card
from lightpool.irf.tables.layouts import layout_of
from lightpool.irf.tables.log_log_integral import integrate_log_log
from lightpool.irf.tables.table_rules import axes_of_table, check_unit, is_given, unit_text
from lightpool.irf.tables.table_scales import scale_table, tiny_of, unscale_table
from lightpool.maps import MapAxes, MapAxis
from lightpool.typing import MetaValue, PathInput, QuantityLike, UnitLike
from lightpool.utils.html import Card, ShownInNotebooks

if TYPE_CHECKING:
    from astropy.table import Table

    from lightpool.fits import BinTableHDU, HDUList, TableData

__all__ = ["FIELD_AXES", "IRF", "InterpKwargs"]

FIELD_AXES = ("offset", "fov_lon", "fov_lat", "rho", "phi")
"""Names of the coordinates in the field of view: the offset; longitude and latitude; or offset and angle around it."""

T = TypeVar("T")
Values = NDArray[np.floating]


class InterpKwargs(TypedDict, total=False):
    """How a table is interpolated, see `IRF`."""

    values_scale: str
    method: str
    fill_value: float | None
    bounds_error: bool


class IRF(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks):
    """A response table with named axes; its values stay on the host.

    Parameters
    ----------
    axes : list of `~lightpool.maps.MapAxis` or `~lightpool.maps.MapAxes`, in the order of ``required_axes``
    data : ndarray, Quantity or number, shape of the axes
    unit : str or Unit, of ``data`` unless that is a Quantity
    is_pointlike : bool, whether a directional cut was applied to the simulated gammas
    fov_alignment : FoVAlignment or str
    meta : dict, keywords of the file
    interp_kwargs : dict
        ``values_scale`` ("lin", "log", "sqrt"), ``method`` ("linear", "nearest") and ``fill_value`` (of points
        outside the axes; None extrapolates).
    """

    tag: ClassVar[str] = ""
    required_axes: ClassVar[list[str]] = []
    default_unit: ClassVar[u.UnitBase] = u.dimensionless_unscaled
    default_interp_kwargs: ClassVar[InterpKwargs] = {"bounds_error": False, "fill_value": 0.0}
    periodic_axes: ClassVar[tuple[str, ...]] = ()
    """Axes of an angle that go on at their beginning if they cover a full turn."""

    def __init__(
        self,
        axes: MapAxes | Sequence[MapAxis],
        data: gadf_format.TableValues | float = 0,
        unit: gadf_format.UnitsLike = "",
        is_pointlike: bool = False,
        fov_alignment: FoVAlignment | str = FoVAlignment.RADEC,
        meta: dict[str, MetaValue] | None = None,
        interp_kwargs: InterpKwargs | None = None,
    ) -> None:
        self._axes = axes_of_table(axes, self.required_axes, type(self).__name__)
        self._fov_alignment = FoVAlignment(fov_alignment)
        self._is_pointlike = bool(is_pointlike)
        self.meta: dict[str, MetaValue] = meta or {}
        self.interp_kwargs = self.default_interp_kwargs.copy() if interp_kwargs is None else interp_kwargs.copy()
        self._set_values(data, unit)

    def _set_values(self, data: gadf_format.TableValues | float, unit: gadf_format.UnitsLike) -> None:
        if isinstance(data, u.Quantity):
            if not self.default_unit.is_equivalent(data.unit):
                raise ValueError(
                    f"{type(self).__name__} got data in {data.unit}, expected a unit such as {self.default_unit}; "
                    "convert the data, or choose the class that fits them"
                )
            unit = data.unit
            data = data.value
        unit = u.Unit(unit)
        if is_given(unit):  # what is given without a unit may get one later
            check_unit(unit, unit_text(self.default_unit), type(self).__name__)
        self.data = cast("NDArray[Any] | float", data)
        self._unit: u.UnitBase = unit

    @classmethod
    def values_from_file(
        cls, table: gadf_format.AnyTable, axes: MapAxes
    ) -> tuple[gadf_format.TableValues, gadf_format.Units]:
        """Return the arguments ``data`` and ``unit`` of the class, from a table in a file.

        Parameters
        ----------
        table : astropy table or TableData, of one row
        axes : MapAxes of the table
        """
        layout = layout_of(cls.tag, cls.default_unit)
        data, unit = gadf_format.read_values(table, "data", axes, layout)
        return data, unit

    def values_for_file(self) -> Mapping[str, u.Quantity]:
        """Return the quantities to write, by the names of the layout."""
        return {"data": self.quantity}

    @property
    def required_arguments(self) -> list[str]:
        """Names of the coordinates that `evaluate` takes."""
        return self.required_axes

    @property
    def axes(self) -> MapAxes:
        """Axes, in the order of the dimensions of ``data``."""
        return self._axes

    @property
    def map_axes(self) -> list[MapAxis]:
        """Axes as a list; none of them is a label or time axis."""
        return [cast(MapAxis, axis) for axis in self.axes]

    @property
    def is_pointlike(self) -> bool:
        """Whether a directional cut was applied to the simulated gammas."""
        return self._is_pointlike

    @property
    def has_offset_axis(self) -> bool:
        """Whether the table depends on the offset, and not on (fov_lon, fov_lat)."""
        return "offset" in self.required_axes

    @property
    def field_arguments(self) -> tuple[str, ...]:
        """The coordinates in the field of view that `evaluate` takes, in the order of `FIELD_AXES`."""
        return tuple(name for name in FIELD_AXES if name in self.required_arguments)

    @property
    def fov_alignment(self) -> FoVAlignment:
        """Orientation of the field of view coordinates."""
        return self._fov_alignment

    @property
    def data(self) -> NDArray[Any]:
        """Values without their unit, of type float; for parametric tables, records of the parameters."""
        return self._data

    @data.setter
    def data(self, value: NDArray[Any] | float) -> None:
        if isinstance(value, u.Quantity):
            raise TypeError("data must be an array without unit; set `quantity` to give both")
        values: NDArray[Any] = np.full(self.axes.shape, value, dtype=float) if np.isscalar(value) else np.asarray(value)
        if values.shape != tuple(self.axes.shape):
            raise ValueError(
                f"{type(self).__name__} got data of shape {values.shape}, "
                f"but its axes {self.axes.names} have the shape {tuple(self.axes.shape)}"
            )
        self._data = values
        self._derived: DerivedValues | None = None

    @property
    def unit(self) -> u.UnitBase:
        """Unit of ``data``."""
        return self._unit

    @property
    def quantity(self) -> u.Quantity:
        """Values with their unit."""
        return u.Quantity(self.data, unit=self.unit, copy=False)

    @quantity.setter
    def quantity(self, value: QuantityLike) -> None:
        quantity = u.Quantity(value, copy=False)
        self.data = quantity.value
        self._unit = u.Unit(quantity.unit)

    def derived(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` derives from the table, and remember it until values or ``interp_kwargs`` change.

        Parameters
        ----------
        key : hashable, names what is derived
        make : function without arguments, called if nothing is remembered under the key

        Notes
        -----
        Writing into ``data`` is noticed, see `~lightpool.irf.tables.derived_values.state_of_table`.
        """
        state = state_of_table(self._data, self.interp_kwargs)
        if self._derived is None or self._derived.state != state:
            self._derived = DerivedValues(state)
        return cast(T, self._derived.get(key, make))

    def values_by(self, name: str) -> NDArray[Any]:
        """Return the values with one axis first, and those of the field of view behind it in the order of `FIELD_AXES`.

        Parameters
        ----------
        name : str, of the axis that is not of the field of view
        """
        names = self.axes.names
        order = [name, *(axis for axis in FIELD_AXES if axis in names)]
        return np.transpose(self.data, [names.index(axis) for axis in order])

    def _like(self, **changes: object) -> Self:
        """Make a table of the same class where only the named arguments differ."""
        arguments: dict[str, Any] = {
            "axes": self.axes,
            "data": self.data,
            "unit": self.unit,
            "is_pointlike": self.is_pointlike,
            "fov_alignment": self.fov_alignment,
            "meta": dict(self.meta),
            "interp_kwargs": self.interp_kwargs,
        }
        return type(self)(**{**arguments, **changes})

    def to_unit(self, unit: UnitLike) -> Self:
        """Return a table with values in another unit."""
        return self._like(data=self.quantity.to_value(unit), unit=unit)

    def __str__(self) -> str:
        name = type(self).__name__
        rows = {
            "axes": self.axes.names,
            "shape": self.data.shape,
            "ndim": len(self.axes),
            "unit": self.unit,
            "dtype": self.data.dtype,
        }
        return f"{name}\n{'-' * len(name)}\n\n" + "".join(f"  {key:<6s}: {value}\n" for key, value in rows.items())

    def html_card(self) -> Card:
        """Return what notebooks show of the table."""
        return irf_card(self)

    def evaluate(self, method: str | None = None, **kwargs: "QuantityLike | None") -> u.Quantity:
        """Interpolate the table.

        Linear in the scaled coordinates of the bin centres. Inside the outer half bins the table is extrapolated,
        outside its axes it is ``interp_kwargs["fill_value"]``; negative values are set to zero.

        Parameters
        ----------
        method : {"linear", "nearest"}
        **kwargs : Quantity by name of axis, broadcast against each other; the bin centres by default

        Returns
        -------
        values : Quantity, broadcast shape of the coordinates
        """
        unknown = set(kwargs).difference(self.axes.names)
        if unknown:
            raise ValueError(
                f"{type(self).__name__}.evaluate got the coordinates {sorted(unknown)}; its axes are {self.axes.names}"
            )
        coords = cast("dict[str, u.Quantity]", self.axes.get_coord())  # all axes are of numbers
        coords.update({name: u.Quantity(value) for name, value in kwargs.items() if value is not None})
        points = [
            wrapped(coords[axis.name].to_value(axis.unit), axis)
            if axis.name in self.periodic_axes and is_full_turn(axis)
            else coords[axis.name].to_value(axis.unit)
            for axis in self.map_axes
        ]
        values = self._interpolate(points, method or self.interp_kwargs.get("method", "linear"))
        fill = self.interp_kwargs.get("fill_value")
        if fill is not None:
            outside = self._mask_out_bounds(
                [_is_outside(point, axis) for point, axis in zip(points, self.map_axes, strict=True)]
            )
            values = np.where(outside | ~np.isfinite(values), fill, values)
        return u.Quantity(values, self.unit)

    def _interpolate(self, points: Sequence[Values], method: str) -> NDArray[np.float64]:
        scale = self.interp_kwargs.get("values_scale", "lin")
        table = scale_table(self.data, scale)
        nodes, coords = [], []
        for dim, (point, axis) in enumerate(zip(points, self.map_axes, strict=True)):
            x, centers = np.asarray(point, dtype=float), axis.center_value
            if axis.name in self.periodic_axes and is_full_turn(axis):
                table, centers = with_turn(table, dim, centers, float(u.cycle.to(axis.unit)))
            nodes.append(scale_values(centers, axis.interp))
            coords.append(scale_values(x, axis.interp))
        with np.errstate(invalid="ignore"):  # a hole in the table is set to the fill value later
            interpolate = interpolate_grid_nearest if method == "nearest" else interpolate_grid
            values = cast("NDArray[np.float64]", interpolate(table, nodes, coords))
        # Extrapolated values may be negative, which no response is.
        return np.maximum(unscale_table(values, scale), 0)

    def is_outside(self, **outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which points get the fill value.

        Parameters
        ----------
        **outside : ndarray of bool by name of axis, whether coordinates are outside it; the others are inside
        """
        inside = np.zeros((1,) * max((mask.ndim for mask in outside.values()), default=0), dtype=bool)
        shape = np.broadcast_shapes(*(mask.shape for mask in outside.values()))
        found = self._mask_out_bounds([outside.get(name, inside) for name in self.axes.names])
        return np.broadcast_to(found, shape)

    def _mask_out_bounds(self, outside: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return which points get the fill value, from the masks of the coordinates in the order of the axes."""
        mask = outside[0]
        for other in outside[1:]:
            mask = mask | other
        return mask

    def integrate_log_log(self, axis_name: str, method: str = "linear", **kwargs: QuantityLike) -> u.Quantity:
        """Return the integrals between the given coordinates of one axis, by the trapezoidal rule in the logarithms.

        Parameters
        ----------
        axis_name : str, the axis to integrate along
        method : {"linear", "nearest"}
        **kwargs : Quantity by name of axis; that of ``axis_name`` has one value more than there are results
            It is a row, or, as those of a grid, wide in the dimension of its axis.
        """
        return integrate_log_log(partial(self.evaluate, method), self.axes, axis_name, kwargs, self._no_value)

    @property
    def _no_value(self) -> float:
        """Largest value that means zero: the logarithm of an empty bin is that of the smallest number."""
        return 2 * tiny_of(self.data) if self.interp_kwargs.get("values_scale") == "log" else 0.0

    def cumsum(self, axis_name: str) -> Self:
        """Return a table of the integral from the beginning of an axis to the upper edge of each bin.

        Along ``rad`` and ``offset`` it is the integral over the disk.
        """
        axis, index = cast(MapAxis, self.axes[axis_name]), self.axes.index(axis_name)
        shape = [1] * len(self.axes)
        shape[index] = -1
        values = self.quantity * axis.bin_width.reshape(shape)
        if axis_name in ("rad", "offset"):
            # Area of a flat ring: circumference at the centre times width.
            values = 2 * np.pi * axis.center.reshape(shape) * values
        data = values.cumsum(axis=index)
        # The integral belongs to the upper edges, which become the nodes.
        upper = MapAxis.from_nodes(axis.edges[1:], name=axis.name, interp=axis.interp)
        table = type(self)(axes=self.axes.replace(upper), data=data.value)
        table._unit = u.Unit(data.unit)  # that of an integral, which the class itself does not have
        return table

    def integral(self, axis_name: str, **kwargs: QuantityLike) -> u.Quantity:
        """Return the integral from the beginning of an axis to a coordinate, from the interpolated `cumsum`.

        Parameters
        ----------
        axis_name : str
        **kwargs : Quantity by name of axis; that of ``axis_name`` is the upper limit
        """
        return self.cumsum(axis_name=axis_name).evaluate(None, **kwargs)

    def normalize(self, axis_name: str) -> None:
        """Divide the values by their integral along an axis, in place; where that is zero they become zero."""
        index = self.axes.index(axis_name)
        # The largest partial sum, as in Gammapy; it is not the last one where values are negative.
        total = self.cumsum(axis_name=axis_name).quantity.max(axis=index, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.quantity = np.nan_to_num(self.quantity / total)

    def interp_missing_data(self, axis_name: str) -> Self:
        """Return a table where zeros and values that are not finite are interpolated between valid ones along an axis.

        What lies before the first or behind the last valid value stays as it is. This table does not change.
        """
        scale = self.interp_kwargs.get("values_scale", "lin")
        # The axes and the unit have been checked when this table was made.
        made = copy(self)
        made.meta, made.interp_kwargs = dict(self.meta), self.interp_kwargs.copy()
        made.data = fill_missing(self.data, self.axes.index(axis_name), scale)
        return made

    def pad(self, pad_width: int | tuple[int, int], axis_name: str, **kwargs: Any) -> Self:
        """Return a table with more bins at both ends of an axis.

        Parameters
        ----------
        pad_width : int or (int, int), number of bins below and above
        axis_name : str
        **kwargs : passed to `numpy.pad`; ``mode`` is "constant" by default, "edge" repeats the outer values
        """
        low, high = (pad_width, pad_width) if isinstance(pad_width, int) else pad_width
        index = self.axes.index(axis_name)
        widths = [(0, 0)] * len(self.axes)
        widths[index] = (low, high)
        kwargs.setdefault("mode", "constant")
        axes = self.axes.pad(axis_name=axis_name, pad_width=(low, high))
        return self._like(axes=axes, data=np.pad(self.data, pad_width=widths, **kwargs))

    def slice_by_idx(self, slices: dict[str, slice]) -> Self:
        """Return a table of some of the bins.

        Parameters
        ----------
        slices : dict of axis name to slice; axes that are not named stay whole
        """
        axes = self.axes.slice_by_idx(slices)
        dropped = {name: s for name, s in slices.items() if name not in axes.names}
        if dropped:
            raise ValueError(
                f"a response table keeps all its axes, got whole numbers in {dropped}; give slices such as slice(2, 3)"
            )
        return self._like(axes=axes, data=self.data[tuple(slices.get(axis.name, slice(None)) for axis in self.axes)])

    def is_allclose(
        self,
        other: object,
        rtol_axes: float = 1e-3,
        atol_axes: float = 1e-6,
        rtol: float = 1e-5,
        atol: float = 1e-8,
        equal_nan: bool = False,
    ) -> bool:
        """Return whether another table has the same axes and values.

        Parameters
        ----------
        other : IRF of the same class
        rtol_axes, atol_axes : float, tolerances of the axes
        rtol, atol, equal_nan : passed to `numpy.allclose` for the values
        """
        if not isinstance(other, type(self)):
            raise TypeError(f"cannot compare {type(self).__name__} with {type(other).__name__}")
        if self.data.shape != other.data.shape:
            return False
        same_axes = self.axes.is_allclose(other.axes, rtol=rtol_axes, atol=atol_axes)
        return bool(same_axes and np.allclose(self.quantity, other.quantity, rtol=rtol, atol=atol, equal_nan=equal_nan))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.is_allclose(other, rtol=1e-3, rtol_axes=1e-6)

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def read(cls, filename: PathInput | FitsFile, hdu: str | int | None = None, format: str = "gadf-dl3") -> Self:
        """Read from a FITS file.

        Parameters
        ----------
        filename : str, path or `~lightpool.fits.FitsFile`
        hdu : str or int, the HDU; by default the one with the name that `write` gives
        format : {"gadf-dl3"}

        Raises
        ------
        MissingDataError
            If there is no such file or HDU.
        FormatError
            If a column or a unit is missing or wrong.
        """
        return gadf_format.read_irf(cls, filename, hdu, format)

    @classmethod
    def from_hdulist(cls, hdulist: "HDUList", hdu: str | int | None = None, format: str = "gadf-dl3") -> Self:
        """Read from HDUs in memory.

        Parameters
        ----------
        hdulist : `~astropy.io.fits.HDUList`
        hdu, format : see `read`
        """
        return gadf_format.irf_from_hdulist(cls, hdulist, hdu, format)

    @classmethod
    def from_table(cls, table: "Table | TableData", format: str = "gadf-dl3") -> Self:
        """Make from a table of one row.

        Parameters
        ----------
        table : `~astropy.table.Table` or `~lightpool.fits.TableData`
        format : {"gadf-dl3"}
        """
        return gadf_format.irf_from_table(cls, table, format)

    def to_table(self, format: str = "gadf-dl3") -> "Table":
        """Return an `~astropy.table.Table` of one row, with the keywords of the format in ``meta``."""
        return gadf_format.irf_to_table(self, format)

    def to_table_hdu(self, format: str = "gadf-dl3") -> "BinTableHDU":
        """Return an `~astropy.io.fits.BinTableHDU`."""
        return gadf_format.irf_to_hdu(self, format)

    def to_hdulist(self, format: str = "gadf-dl3") -> "HDUList":
        """Return an `~astropy.io.fits.HDUList` of an empty primary HDU and the table."""
        return gadf_format.irf_to_hdulist(self, format)

    def write(
        self, filename: PathInput, overwrite: bool = False, format: str = "gadf-dl3", checksum: bool = False
    ) -> None:
        """Write to a FITS file, compressed if its name ends with ``.gz``.

        Parameters
        ----------
        filename : str or path
        overwrite : bool, whether an existing file is replaced
        format : {"gadf-dl3"}
        checksum : bool, whether the HDUs get checksums
        """
        gadf_format.write_irf(self, filename, overwrite, format, checksum)


def _is_outside(point: Values, axis: MapAxis) -> NDArray[np.bool_]:
    """Return whether coordinates are NaN or outside an axis; both of its edges are inside."""
    edges = axis.edges_value
    return np.asarray(~((point >= edges[0]) & (point <= edges[-1])))
