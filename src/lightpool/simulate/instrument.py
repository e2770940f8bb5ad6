"""Analytic responses of an imaginary array of four Cherenkov telescopes, as any kind of GADF table.

The values are realistic within a factor of two: a threshold of 0.1 TeV, an effective area of some 10^5 m2 at 1 TeV, a
resolution of 15 % in energy and 0.07 deg in direction, and a hadronic background with a spectral index of 2.7.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.irf import (
    IRF,
    PSF3D,
    Background2D,
    Background3D,
    EffectiveAreaTable2D,
    EnergyDependentMultiGaussPSF,
    EnergyDispersion2D,
    PSFKing,
    RadMax2D,
)
from lightpool.maps import MapAxis
from lightpool.typing import MetaValue
from lightpool.utils.html import ShownInNotebooks

__all__ = ["BACKGROUND_KINDS", "PSF_KINDS", "Instrument"]

Values: TypeAlias = NDArray[np.float64]
ParametricPSF: TypeAlias = EnergyDependentMultiGaussPSF | PSFKing

PSF_KINDS = ("psf_table", "psf_3gauss", "psf_king")
BACKGROUND_KINDS = ("bkg_3d", "bkg_2d")

_CORE = 0.8  # fraction of events in the narrow of the two Gaussians of the PSF
_TAIL_RATIO = 2.5  # ratio of the widths of the wide and the narrow Gaussian


def effective_area(energy: Values, offset: Values) -> Values:
    """Compute the effective area in m2.

    Parameters
    ----------
    energy : array of float, TeV
        True energy; broadcast against ``offset``.
    offset : array of float, deg
    """
    # Below 0.25 TeV it falls as energy**2.45.
    on_axis = 2.5e5 * (energy / 1.0) ** 0.25 / (1 + (energy / 0.25) ** -2.2)
    return on_axis * np.exp(-0.5 * (offset / 1.9) ** 2)


def energy_bias(energy: Values) -> Values:
    """Compute the mean of reconstructed over true energy, minus one.

    It is positive at the threshold, where only upward fluctuations trigger.
    """
    return 0.35 * np.exp(-energy / 0.15)


def energy_resolution(energy: Values) -> Values:
    """Compute the standard deviation of reconstructed over true energy."""
    return 0.11 + 0.06 * energy**-0.4


def psf_width(energy: Values, offset: Values) -> Values:
    """Compute the standard deviation of the core of the PSF in deg.

    Parameters
    ----------
    energy : array of float, TeV
        True energy; broadcast against ``offset``.
    offset : array of float, deg
    """
    return (0.022 + 0.014 * energy**-0.5) * (1 + 0.08 * offset**2)


def background_rate(energy: Values, offset: Values) -> Values:
    """Compute the background rate in 1 / (s TeV sr).

    Parameters
    ----------
    energy : array of float, TeV
        Reconstructed energy; broadcast against ``offset``.
    offset : array of float, deg
    """
    # Below 0.3 TeV few showers trigger, and the rate hardly changes with energy.
    spectrum = 200.0 * energy**-2.7 / (1 + (energy / 0.3) ** -3)
    return spectrum * np.exp(-0.5 * (offset / 1.6) ** 2)


@dataclass(frozen=True)
class Instrument(ShownInNotebooks):
    """Response tables of an instrument, with one kind of PSF and background table.

    Attributes
    ----------
    psf_kind : {"psf_table", "psf_3gauss", "psf_king"}
    background_kind : {"bkg_3d", "bkg_2d"}
    """

    psf_kind: str = "psf_table"
    background_kind: str = "bkg_3d"

    def __post_init__(self) -> None:
        for name, value, kinds in (
            ("psf_kind", self.psf_kind, PSF_KINDS),
            ("background_kind", self.background_kind, BACKGROUND_KINDS),
        ):
            if value not in kinds:
                raise ValueError(f"{name} must be one of {kinds}, got {value!r}")

    @property
    def energy_true_axis(self) -> MapAxis:
        """48 bins from 0.03 to 200 TeV."""
        return MapAxis.from_energy_bounds("0.03 TeV", "200 TeV", nbin=48, name="energy_true")

    @property
    def energy_axis(self) -> MapAxis:
        """24 bins of reconstructed energy from 0.1 to 100 TeV."""
        return MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=24)

    @property
    def offset_axis(self) -> MapAxis:
        """Six bins of offset up to 3 deg."""
        return MapAxis.from_edges([0, 0.5, 1, 1.5, 2, 2.5, 3], unit="deg", name="offset")

    @cached_property
    def aeff(self) -> EffectiveAreaTable2D:
        """Effective area, with the thresholds 0.15 and 100 TeV."""
        axes = [self.energy_true_axis, self.offset_axis]
        meta: dict[str, MetaValue] = {
            "TELESCOP": "LIGHTPOOL",
            "INSTRUME": "SIMULATED",
            "LO_THRES": 0.15,
            "HI_THRES": 100.0,
        }
        return EffectiveAreaTable2D(axes=axes, data=_on_centers(effective_area, axes), unit="m2", meta=meta)

    @cached_property
    def edisp(self) -> EnergyDispersion2D:
        """Energy dispersion, Gaussian in reconstructed over true energy."""
        energy = self.energy_true_axis
        migra = MapAxis.from_bounds(0.02, 3, nbin=149, node_type="edges", name="migra")
        center = energy.center.to_value("TeV")
        return EnergyDispersion2D.from_gauss(
            energy_axis_true=energy,
            migra_axis=migra,
            offset_axis=self.offset_axis,
            bias=energy_bias(center),
            sigma=energy_resolution(center),
        )

    @cached_property
    def psf(self) -> PSF3D | ParametricPSF:
        """Point spread function: PSF3D, EnergyDependentMultiGaussPSF or PSFKing, all with about the same width."""
        if self.psf_kind == "psf_table":
            return self._psf_table()
        return self._psf_3gauss() if self.psf_kind == "psf_3gauss" else self._psf_king()

    def _psf_table(self) -> PSF3D:
        rad = MapAxis.from_edges(np.linspace(0, 0.7, 141), unit="deg", name="rad")
        axes = [self.energy_true_axis, self.offset_axis, rad]

        def density(energy: Values, offset: Values, radius: Values) -> Values:
            core = psf_width(energy, offset)
            return _CORE * _gauss_2d(radius, core) + (1 - _CORE) * _gauss_2d(radius, _TAIL_RATIO * core)

        psf = PSF3D(axes=axes, data=_on_centers(density, axes), unit="deg-2")
        psf.normalize()
        return psf

    def _psf_3gauss(self) -> EnergyDependentMultiGaussPSF:
        axes = [self.energy_true_axis, self.offset_axis]
        core = _on_centers(psf_width, axes)
        # GADF PSF_3GAUSS: scale * (exp(-r^2 / 2 sigma_1^2) + ampl_2 exp(-r^2 / 2 sigma_2^2) + ampl_3 ...).
        scale = _CORE / (2 * np.pi * core**2) * u.Unit("deg-2").to("sr-1")
        # A Gaussian holds 2 pi sigma^2 times its amplitude: divide by the square of the ratio of widths.
        tail = np.full_like(core, (1 - _CORE) / _TAIL_RATIO**2 / _CORE)
        data = {
            "scale": u.Quantity(scale, "sr-1"),
            "sigma_1": u.Quantity(core, "deg"),
            "sigma_2": u.Quantity(_TAIL_RATIO * core, "deg"),
            "ampl_2": u.Quantity(tail),
            # There is no third Gaussian, but a width of zero would be divided by.
            "sigma_3": u.Quantity(core, "deg"),
            "ampl_3": u.Quantity(np.zeros_like(core)),
        }
        return EnergyDependentMultiGaussPSF(axes=axes, data=data)

    def _psf_king(self) -> PSFKing:
        axes = [self.energy_true_axis, self.offset_axis]
        sigma = _on_centers(psf_width, axes)
        data = {"sigma": u.Quantity(sigma, "deg"), "gamma": u.Quantity(np.full_like(sigma, 2.5))}
        return PSFKing(axes=axes, data=data)

    @cached_property
    def bkg(self) -> Background3D | Background2D:
        """Background rate of the chosen kind."""
        if self.background_kind == "bkg_2d":
            axes = [self.energy_axis, self.offset_axis]
            data = _on_centers(background_rate, axes)
            # GADF asks for MeV-1 in background tables, whatever the unit of the energy axis.
            return Background2D(axes=axes, data=data * u.Unit("TeV-1").to("MeV-1"), unit="s-1 MeV-1 sr-1")
        edges = np.linspace(-3, 3, 31)
        lon = MapAxis.from_edges(edges, unit="deg", name="fov_lon")
        lat = MapAxis.from_edges(edges, unit="deg", name="fov_lat")
        axes = [self.energy_axis, lon, lat]
        data = _on_centers(lambda energy, x, y: background_rate(energy, np.hypot(x, y)), axes)
        return Background3D(axes=axes, data=data * u.Unit("TeV-1").to("MeV-1"), unit="s-1 MeV-1 sr-1")

    @cached_property
    def rad_max(self) -> RadMax2D:
        """Radius of an ON region that contains about three quarters of the events of a point source."""
        axes = [self.energy_axis, self.offset_axis]
        return RadMax2D(axes=axes, data=2 * _on_centers(psf_width, axes), unit="deg")

    def tables(self, *, point_like: bool = False) -> dict[str, IRF]:
        """Return the tables that a file of an observation has, by kind: "aeff", "edisp", "psf", "bkg", "rad_max".

        Parameters
        ----------
        point_like : bool
            Return tables for events inside the cut of `rad_max` around a point source: the effective area is
            multiplied by the part of the events that pass the cut, and there are no PSF and no background.
        """
        if not point_like:
            kinds = ("aeff", "edisp", "psf", "bkg", "rad_max")
            return {kind: getattr(self, kind) for kind in kinds}
        aeff, edisp, rad_max = self.aeff, self.edisp, self.rad_max
        axes = [self.energy_true_axis, self.offset_axis]
        energy, offset = (axis.center for axis in axes)
        cut = 2 * _on_centers(psf_width, axes) * u.deg
        # The cut is at reconstructed energies. The width of the PSF changes so slowly that true ones are close enough.
        passing = self.psf.containment(rad=cut, energy_true=energy[:, np.newaxis], offset=offset)
        data = aeff.data * passing.to_value("")
        return {
            "aeff": EffectiveAreaTable2D(axes=axes, data=data, unit=aeff.unit, meta=aeff.meta, is_pointlike=True),
            "edisp": EnergyDispersion2D(axes=edisp.axes, data=edisp.data, meta=edisp.meta, is_pointlike=True),
            "rad_max": RadMax2D(axes=rad_max.axes, data=rad_max.data, unit=rad_max.unit, is_pointlike=True),
        }


def _on_centers(function: Callable[..., Values], axes: list[MapAxis]) -> Values:
    """Return the values of a function of energies in TeV and angles in deg at all bin centres."""
    units = {"energy": "TeV", "energy_true": "TeV"}
    centers = [axis.center.to_value(units.get(axis.name, "deg")) for axis in axes]
    return np.array(function(*np.meshgrid(*centers, indexing="ij")))


def _gauss_2d(radius: Values, sigma: Values) -> Values:
    return np.exp(-0.5 * (radius / sigma) ** 2) / (2 * np.pi * sigma**2)
