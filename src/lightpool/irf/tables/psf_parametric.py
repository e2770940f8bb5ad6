"""Point spread functions given by the parameters of a profile."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self, cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import interpolate_grid, scale_values
from lightpool.irf.tables import gadf_format
from lightpool.irf.tables.layouts import IRF_DL3_HDU_SPECIFICATION, layout_of
from lightpool.irf.tables.psf_table import PSF, PSF3D
from lightpool.irf.tables.table_rules import check_unit
from lightpool.maps import MapAxes, MapAxis
from lightpool.typing import QuantityLike, UnitLike

__all__ = ["EnergyDependentMultiGaussPSF", "PSFKing", "ParametricPSF"]

Floats = NDArray[np.float64]


class ParametricPSF(PSF):
    """Base of the parametric point spread functions; the axes are ``energy_true`` and ``offset``.

    Parameters
    ----------
    axes : list of MapAxis or MapAxes
    data : structured ndarray or dict of ndarray, one field for each of ``required_parameters``
    unit : dict of str or Unit by parameter
    is_pointlike, fov_alignment, meta : as for `IRF`
    """

    required_axes: ClassVar[list[str]] = ["energy_true", "offset"]
    required_parameters: ClassVar[list[str]] = []

    @property
    def required_arguments(self) -> list[str]:
        """Names of the coordinates that `evaluate` takes."""
        return ["rad", *self.required_axes]

    def _set_values(self, data: gadf_format.TableValues | float, unit: gadf_format.UnitsLike) -> None:
        names: Iterable[str] = (
            data if isinstance(data, Mapping) else getattr(data, "dtype", np.dtype(float)).names or ()
        )
        missing = sorted(set(self.required_parameters).difference(names), key=self.required_parameters.index)
        if missing:
            raise ValueError(
                f"{type(self).__name__} needs the parameters {self.required_parameters}, {missing} are missing; "
                "give a dict of arrays or a structured array"
            )
        if isinstance(data, Mapping):
            units = {name: value.unit for name, value in data.items() if isinstance(value, u.Quantity)}
            unit = {**(unit if isinstance(unit, Mapping) else {}), **units}
            data = self._structured(
                {name: getattr(data[name], "value", data[name]) for name in self.required_parameters}
            )
        self.data = cast("NDArray[np.void]", data)
        known = unit if isinstance(unit, Mapping) else {}
        self._units: dict[str, u.UnitBase] = {name: u.Unit(known.get(name, "")) for name in self.required_parameters}
        # A class without a tag is no class of the format, and has no rules.
        rules = layout_of(self.tag).columns if self.tag in IRF_DL3_HDU_SPECIFICATION else {}
        for name, rule in rules.items():
            if rule.any_unit or name not in self._units:
                continue
            if self._units[name] != u.dimensionless_unscaled or rule.assumed is None:
                check_unit(self._units[name], rule.unit, f"{type(self).__name__}, parameter {name!r}")

    def _structured(self, values: Mapping[str, NDArray[Any] | u.Quantity]) -> NDArray[np.void]:
        types = [(name, np.asarray(values[name]).dtype) for name in self.required_parameters]
        data: NDArray[np.void] = np.empty(self.axes.shape, dtype=types)
        for name in self.required_parameters:
            data[name] = values[name]
        return data

    @classmethod
    def values_from_file(
        cls, table: gadf_format.AnyTable, axes: MapAxes
    ) -> tuple[gadf_format.TableValues, gadf_format.Units]:
        """Return the arguments ``data`` and ``unit`` of the class.

        Parameters
        ----------
        table, axes : see `IRF.values_from_file`
        """
        layout = layout_of(cls.tag)
        data: dict[str, NDArray[np.number]] = {}
        unit: dict[str, u.UnitBase] = {}
        for name in cls.required_parameters:
            values, unit[name] = gadf_format.read_values(table, name, axes, layout)
            if "sigma" in name:
                values = np.where(values == 0, values.dtype.type(1), values)  # empty bins, as files write them
            data[name] = values
        return data, unit

    def values_for_file(self) -> Mapping[str, u.Quantity]:
        """Return the parameters to write, by name."""
        return self._parameters

    @property
    def unit(self) -> Any:
        """Units of the parameters, by name."""
        return self._units

    @property
    def _parameters(self) -> dict[str, u.Quantity]:
        return {name: u.Quantity(self.parameter(name), self._units[name]) for name in self.required_parameters}

    def parameter(self, name: str) -> NDArray[np.floating]:
        """Return the values of a parameter, without their unit."""
        return np.asarray(self.data[name])

    @property
    def quantity(self) -> Any:
        """Parameters with their units, by name."""
        return self._parameters

    @quantity.setter
    def quantity(self, value: Any) -> None:
        self._set_values(value, self._units)

    def normalize(self, axis_name: str = "rad") -> None:
        """Raise an error: the profile is normalised by its formula."""
        raise NotImplementedError(
            f"{type(self).__name__} is normalised by its formula; for a table use to_psf3d().normalize()"
        )

    def to_unit(self, unit: UnitLike) -> Self:
        """Raise an error: each parameter has its own unit."""
        raise NotImplementedError(
            f"{type(self).__name__} has a unit for each parameter; for a table use to_psf3d().to_unit(...)"
        )

    def __str__(self) -> str:
        name = type(self).__name__
        rows = {
            "axes": self.axes.names,
            "shape": self.data.shape,
            "ndim": len(self.axes),
            "parameters": self.required_parameters,
        }
        return f"{name}\n{'-' * len(name)}\n\n" + "".join(f"  {key:<10s}: {value}\n" for key, value in rows.items())

    def evaluate_parameters(self, energy_true: QuantityLike, offset: QuantityLike) -> dict[str, u.Quantity]:
        """Return the parameters, interpolated linearly, extrapolated without limit, at least zero.

        Parameters
        ----------
        energy_true, offset : Quantity, broadcast against each other
        """
        coords = {"energy_true": u.Quantity(energy_true), "offset": u.Quantity(offset)}
        points = [scale_values(coords[a.name].to_value(a.unit).astype(float), a.interp) for a in self.map_axes]
        nodes = [scale_values(axis.center_value, axis.interp) for axis in self.map_axes]
        return {
            name: u.Quantity(
                np.maximum(cast(Floats, interpolate_grid(self.parameter(name).astype(np.float64), nodes, points)), 0),
                self._units[name],
            )
            for name in self.required_parameters
        }

    @classmethod
    def evaluate_direct(cls, rad: u.Quantity, **kwargs: u.Quantity) -> u.Quantity:
        """Return the profile at a distance from the centre.

        Parameters
        ----------
        rad : Quantity, angle
        **kwargs : Quantity by name of parameter, broadcast with ``rad``
        """
        raise TypeError(f"{cls.__name__} has no profile; use a class such as EnergyDependentMultiGaussPSF")

    @classmethod
    def evaluate_containment(cls, rad: u.Quantity, **kwargs: u.Quantity) -> u.Quantity:
        """Return the share of the gamma rays within a radius.

        Parameters
        ----------
        rad : Quantity, angle
        **kwargs : Quantity by name of parameter, broadcast with ``rad``
        """
        raise TypeError(f"{cls.__name__} has no profile; use a class such as EnergyDependentMultiGaussPSF")

    def evaluate(  # type: ignore[override]  # the profile has the distance first, as in Gammapy
        self, rad: "QuantityLike | None" = None, method: str | None = None, **kwargs: "QuantityLike | None"
    ) -> u.Quantity:
        """Return the profile.

        Parameters
        ----------
        rad : Quantity, angle
        method : ignored, for the signature of `IRF.evaluate`
        **kwargs : Quantity, ``energy_true`` and ``offset``, broadcast against each other and ``rad``
        """
        coords = {name: value for name, value in kwargs.items() if value is not None}
        if rad is None:
            raise ValueError(f"{type(self).__name__}.evaluate needs rad, energy_true and offset")
        return self.evaluate_direct(rad=u.Quantity(rad), **self.evaluate_parameters(**coords))

    def containment(self, rad: QuantityLike, **kwargs: QuantityLike) -> u.Quantity:
        """Return the share of the gamma rays within a radius.

        Parameters
        ----------
        rad : Quantity, angle
        **kwargs : Quantity, ``energy_true`` and ``offset``, broadcast with ``rad``
        """
        return self.evaluate_containment(rad=u.Quantity(rad), **self.evaluate_parameters(**kwargs))

    def to_psf3d(self, rad: "QuantityLike | None" = None) -> PSF3D:
        """Return a table of the profile at the energies and offsets of this one.

        Parameters
        ----------
        rad : Quantity, edges; by default 66 bins up to 0.66 deg
        """
        axis = self.rad_axis() if rad is None else MapAxis.from_edges(u.Quantity(rad), name="rad")
        axes = MapAxes([self.axes["energy_true"], self.axes["offset"], axis])
        coords = cast("dict[str, u.Quantity]", axes.get_coord())  # all axes are of numbers
        values = self.evaluate(coords["rad"], energy_true=coords["energy_true"], offset=coords["offset"])
        return PSF3D(axes=axes, data=values.value, unit=values.unit, meta=dict(self.meta))

    def is_allclose(
        self,
        other: object,
        rtol_axes: float = 1e-3,
        atol_axes: float = 1e-6,
        rtol: float = 1e-5,
        atol: float = 1e-8,
        equal_nan: bool = False,
    ) -> bool:
        """Return whether another one has the same axes and parameters.

        Parameters
        ----------
        other, rtol_axes, atol_axes, rtol, atol, equal_nan : see `IRF.is_allclose`
        """
        if not isinstance(other, type(self)):
            raise TypeError(f"cannot compare {type(self).__name__} with {type(other).__name__}")
        if self.data.shape != other.data.shape:
            return False
        ours, theirs = self._parameters, other._parameters
        same = all(
            np.allclose(ours[name], theirs[name], rtol=rtol, atol=atol, equal_nan=equal_nan)
            for name in self.required_parameters
        )
        return bool(same and self.axes.is_allclose(other.axes, rtol=rtol_axes, atol=atol_axes))


class EnergyDependentMultiGaussPSF(ParametricPSF):
    """Sum of three Gaussians, GADF class PSF_3GAUSS; see `ParametricPSF`."""

    tag = "psf_3gauss"
    required_parameters: ClassVar[list[str]] = ["sigma_1", "sigma_2", "sigma_3", "scale", "ampl_2", "ampl_3"]

    @staticmethod
    def _components(**kwargs: u.Quantity) -> list[tuple[u.Quantity, NDArray[np.float64]]]:
        """Return the width of each Gaussian, and its share of the integral."""
        ones = u.Quantity(np.ones(np.shape(kwargs["scale"])))
        amplitudes = [ones, kwargs["ampl_2"], kwargs["ampl_3"]]
        sigmas = [kwargs[f"sigma_{i}"] for i in (1, 2, 3)]
        # 2 pi scale ampl sigma**2 without the pi, which cancels in the shares.
        integrals = u.Quantity([2 * kwargs["scale"] * a * s**2 for a, s in zip(amplitudes, sigmas, strict=True)])
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.nan_to_num((integrals / np.nansum(integrals, axis=0)).to_value(""))
        return list(zip(sigmas, shares, strict=True))

    @classmethod
    def evaluate_direct(cls, rad: u.Quantity, **kwargs: u.Quantity) -> u.Quantity:
        """Return the profile at a distance from the centre.

        Parameters
        ----------
        rad, **kwargs : see `ParametricPSF.evaluate_direct`
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = [
                np.where(sigma > 0, share / (2 * np.pi * sigma**2) * np.exp(-0.5 * (rad / sigma).to_value("") ** 2), 0)
                for sigma, share in cls._components(**kwargs)
            ]
        return cast(u.Quantity, sum(parts))  # `where` keeps the unit

    @classmethod
    def evaluate_containment(cls, rad: u.Quantity, **kwargs: u.Quantity) -> u.Quantity:
        """Return the share of the gamma rays within a radius.

        Parameters
        ----------
        rad, **kwargs : see `ParametricPSF.evaluate_containment`
        """
        # Share of a Gaussian up to rad: 1 - exp(-rad**2 / 2 sigma**2); `expm1` keeps the digits at small radii.
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = [
                np.where(sigma > 0, share * -np.expm1(-0.5 * (rad / sigma).to_value("") ** 2), 0)
                for sigma, share in cls._components(**kwargs)
            ]
        return u.Quantity(sum(parts), "")


class PSFKing(ParametricPSF):
    """King profile, GADF class PSF_KING; see `ParametricPSF`."""

    tag = "psf_king"
    required_parameters: ClassVar[list[str]] = ["gamma", "sigma"]

    @classmethod
    def evaluate_direct(cls, rad: u.Quantity, **kwargs: u.Quantity) -> u.Quantity:
        """Return the profile at a distance from the centre.

        Parameters
        ----------
        rad, **kwargs : see `ParametricPSF.evaluate_direct`
        """
        gamma, sigma = kwargs["gamma"], kwargs["sigma"]
        with np.errstate(divide="ignore", invalid="ignore"):
            # GADF PSF_KING: (1 - 1 / gamma) / (2 pi sigma**2) (1 + rad**2 / (2 gamma sigma**2))**-gamma.
            slope = (1 + (rad**2 / (2 * gamma * sigma**2)).to_value("")) ** (-u.Quantity(gamma).to_value(""))
            values = (1 - 1 / gamma) / (2 * np.pi * sigma**2) * slope
        return cast(u.Quantity, np.where(cls._is_normal(gamma, sigma), values, 0))  # `where` keeps the unit

    @classmethod
    def evaluate_containment(cls, rad: u.Quantity, **kwargs: u.Quantity) -> u.Quantity:
        """Return the share of the gamma rays within a radius.

        Parameters
        ----------
        rad, **kwargs : see `ParametricPSF.evaluate_containment`
        """
        gamma, sigma = kwargs["gamma"], kwargs["sigma"]
        with np.errstate(divide="ignore", invalid="ignore"):
            # The integral of the profile from rad to infinity, which is 1 in total.
            outside = (1 + (rad**2 / (2 * gamma * sigma**2)).to_value("")) ** (1 - u.Quantity(gamma).to_value(""))
        return u.Quantity(np.where(cls._is_normal(gamma, sigma), 1 - outside, 0), "")

    @staticmethod
    def _is_normal(gamma: u.Quantity, sigma: u.Quantity) -> NDArray[np.bool_]:
        """Return whether the profile can be normalised; beyond the axes of a table both parameters are zero."""
        return np.asarray((u.Quantity(gamma).to_value("") > 1) & (sigma > 0))
