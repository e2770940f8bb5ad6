"""Point spread functions given by the parameters of a profile."""

from collections.abc import Mapping
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import interpolate_grid, scale_values
from lightpool.irf.tables import gadf_format
from lightpool.irf.tables.psf_table import PSF, PSF3D
from lightpool.irf.tables.table_rules import check_unit
from lightpool.maps import MapAxes, MapAxis

__all__ = ["EnergyDependentMultiGaussPSF", "PSFKing", "ParametricPSF"]


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

    def _set_values(self, data: Any, unit: Any) -> None:
        names = data.dtype.names if isinstance(data, np.ndarray) else tuple(data) if isinstance(data, Mapping) else ()
        missing = [name for name in self.required_parameters if name not in (names or ())]
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
        self.data = data
        unit = unit if isinstance(unit, Mapping) else {}
        self._unit = {name: u.Unit(unit.get(name, "")) for name in self.required_parameters}
        rules = gadf_format.LAYOUTS[self.tag].columns if self.tag else {}
        for name, rule in rules.items():
            if self._unit[name] != u.dimensionless_unscaled or rule.assumed is None:
                check_unit(self._unit[name], rule.unit, f"{type(self).__name__}, parameter {name!r}")

    def _structured(self, values: Mapping[str, Any]) -> NDArray[Any]:
        types = [(name, np.asarray(values[name]).dtype) for name in self.required_parameters]
        data = np.empty(self.axes.shape, dtype=types)
        for name in self.required_parameters:
            data[name] = values[name]
        return data

    @classmethod
    def _values_from_file(cls, table: Any, axes: MapAxes) -> dict[str, Any]:
        layout = gadf_format.LAYOUTS[cls.tag]
        data, unit = {}, {}
        for name in cls.required_parameters:
            values, unit[name] = gadf_format.read_values(table, name, axes, layout)
            if "sigma" in name:
                values = np.where(values == 0, values.dtype.type(1), values)  # empty bins, as files write them
            data[name] = values
        return {"data": data, "unit": unit}

    def _values_for_file(self) -> dict[str, Any]:
        return dict(self.quantity)

    @property
    def quantity(self) -> Any:
        """Parameters with their units, by name."""
        return {name: u.Quantity(self.data[name], self.unit[name]) for name in self.required_parameters}

    @quantity.setter
    def quantity(self, value: Mapping[str, Any]) -> None:
        self._set_values(value, self._unit)

    def normalize(self, axis_name: str = "rad") -> None:
        """Not there: the profile is normalised by its formula."""
        raise TypeError(f"{type(self).__name__} is normalised by its formula; for a table use to_psf3d().normalize()")

    def to_unit(self, unit: Any) -> Any:
        """Not there: each parameter has a unit of its own."""
        raise TypeError(f"{type(self).__name__} has a unit for each parameter; for a table use to_psf3d().to_unit(...)")

    def __str__(self) -> str:
        name = type(self).__name__
        rows = {
            "axes": self.axes.names,
            "shape": self.data.shape,
            "ndim": len(self.axes),
            "parameters": self.required_parameters,
        }
        return f"{name}\n{'-' * len(name)}\n\n" + "".join(f"  {key:<10s}: {value}\n" for key, value in rows.items())

    def evaluate_parameters(self, energy_true: Any, offset: Any) -> dict[str, u.Quantity]:
        """Parameters at true energies and offsets: linear, extrapolated without limit, at least zero."""
        coords = {"energy_true": u.Quantity(energy_true), "offset": u.Quantity(offset)}
        points = [scale_values(coords[a.name].to_value(a.unit).astype(float), a.interp) for a in self._bins]
        nodes = [scale_values(axis.center_value, axis.interp) for axis in self._bins]
        return {
            name: u.Quantity(
                np.maximum(interpolate_grid(self.data[name].astype(np.float64), nodes, points), 0), self.unit[name]
            )
            for name in self.required_parameters
        }

    @classmethod
    def evaluate_direct(cls, rad: Any, **kwargs: Any) -> u.Quantity:
        """Profile at a distance from the centre, from the parameters."""
        raise TypeError(f"{cls.__name__} has no profile; use a class such as EnergyDependentMultiGaussPSF")

    @classmethod
    def evaluate_containment(cls, rad: Any, **kwargs: Any) -> u.Quantity:
        """Share of the gammas within a radius, from the parameters."""
        raise TypeError(f"{cls.__name__} has no profile; use a class such as EnergyDependentMultiGaussPSF")

    def evaluate(self, method: str | None = None, *, rad: Any = None, **kwargs: Any) -> u.Quantity:
        """Profile at distances ``rad`` from the centre, for true energies and offsets; all broadcast."""
        if rad is None:
            raise ValueError(f"{type(self).__name__}.evaluate needs rad, energy_true and offset")
        return self.evaluate_direct(rad=u.Quantity(rad), **self.evaluate_parameters(**kwargs))

    def containment(self, rad: Any, **kwargs: Any) -> u.Quantity:
        """Share of the gammas within a radius, for true energies and offsets; all broadcast."""
        return self.evaluate_containment(rad=u.Quantity(rad), **self.evaluate_parameters(**kwargs))

    def to_psf3d(self, rad: Any = None) -> PSF3D:
        """Table of the profile at the energies and offsets of this one.

        Parameters
        ----------
        rad : Quantity, edges; by default 66 bins up to 0.66 deg
        """
        axis = self._rad_axis() if rad is None else MapAxis.from_edges(rad, name="rad")
        axes = MapAxes([self.axes["energy_true"], self.axes["offset"], axis])
        values = self.evaluate(**axes.get_coord())
        return PSF3D(axes=axes, data=values.value, unit=values.unit, meta=dict(self.meta))

    def is_allclose(self, other: Any, rtol_axes: float = 1e-3, atol_axes: float = 1e-6, **kwargs: Any) -> bool:
        """Whether another one has the same axes and parameters, see `IRF.is_allclose`."""
        if not isinstance(other, type(self)):
            raise TypeError(f"cannot compare {type(self).__name__} with {type(other).__name__}")
        if self.data.shape != other.data.shape:
            return False
        ours, theirs = self.quantity, other.quantity
        same = all(np.allclose(ours[name], theirs[name], **kwargs) for name in self.required_parameters)
        return bool(same and self.axes.is_allclose(other.axes, rtol=rtol_axes, atol=atol_axes))


class EnergyDependentMultiGaussPSF(ParametricPSF):
    """Sum of three Gaussians, GADF class PSF_3GAUSS; see `ParametricPSF`."""

    tag = "psf_3gauss"
    required_parameters: ClassVar[list[str]] = ["sigma_1", "sigma_2", "sigma_3", "scale", "ampl_2", "ampl_3"]

    @staticmethod
    def _components(**kwargs: Any) -> list[tuple[u.Quantity, u.Quantity]]:
        """Width, and share of the integral, of each Gaussian."""
        amplitudes = [np.ones(np.shape(kwargs["scale"])), kwargs["ampl_2"], kwargs["ampl_3"]]
        sigmas = [kwargs[f"sigma_{i}"] for i in (1, 2, 3)]
        integrals = u.Quantity([2 * kwargs["scale"] * a * s**2 for a, s in zip(amplitudes, sigmas, strict=True)])
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.nan_to_num((integrals / np.nansum(integrals, axis=0)).to_value(""))
        return list(zip(sigmas, shares, strict=True))

    @classmethod
    def evaluate_direct(cls, rad: Any, **kwargs: Any) -> u.Quantity:
        """Profile at a distance from the centre, from the parameters."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return sum(
                np.where(sigma > 0, share / (2 * np.pi * sigma**2) * np.exp(-0.5 * (rad / sigma).to_value("") ** 2), 0)
                for sigma, share in cls._components(**kwargs)
            )

    @classmethod
    def evaluate_containment(cls, rad: Any, **kwargs: Any) -> u.Quantity:
        """Share of the gammas within a radius, from the parameters."""
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
    def evaluate_direct(cls, rad: Any, **kwargs: Any) -> u.Quantity:
        """Profile at a distance from the centre, from the parameters."""
        gamma, sigma = kwargs["gamma"], kwargs["sigma"]
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = (1 + (rad**2 / (2 * gamma * sigma**2)).to_value("")) ** (-u.Quantity(gamma).to_value(""))
            values = (1 - 1 / gamma) / (2 * np.pi * sigma**2) * slope
        return np.where(cls._is_there(gamma, sigma), values, 0)

    @classmethod
    def evaluate_containment(cls, rad: Any, **kwargs: Any) -> u.Quantity:
        """Share of the gammas within a radius, from the parameters."""
        gamma, sigma = kwargs["gamma"], kwargs["sigma"]
        with np.errstate(divide="ignore", invalid="ignore"):
            outside = (1 + (rad**2 / (2 * gamma * sigma**2)).to_value("")) ** (1 - u.Quantity(gamma).to_value(""))
        return u.Quantity(np.where(cls._is_there(gamma, sigma), 1 - outside, 0), "")

    @staticmethod
    def _is_there(gamma: u.Quantity, sigma: u.Quantity) -> Any:
        """Whether the profile can be normalised; beyond the axes of a table both parameters are zero."""
        return (u.Quantity(gamma).to_value("") > 1) & (sigma > 0)
