"""Responses that are given as maps on the sky, as HAWC and SWGO publish them: interpolated on the maps of a dataset.

Their requests stand beside those of `lightpool.makers.responses.response_maps`, which project tables in the field of
view.
"""

from dataclasses import dataclass, replace
from typing import Self

import astropy.units as u
import numpy as np

from lightpool.arrays.devices.devices import to_device
from lightpool.data import Observation
from lightpool.errors import FormatError
from lightpool.irf import EDispKernelMap, EDispMap, IRFMap, PSFMap
from lightpool.makers.responses.fov_coordinates import FieldOfView
from lightpool.makers.responses.kept_phases import kept_phases
from lightpool.makers.responses.response_positions import ResponsePixels
from lightpool.maps import Geom, Map
from lightpool.maps.units import unit_factor

__all__ = ["SkyBackgroundRequest", "SkyEDispRequest", "SkyExposureRequest", "SkyPSFRequest", "SkyRequest"]

_COUNTS_PER_BIN, _RATE, _COUNTS = u.dimensionless_unscaled, u.Unit("TeV-1 sr-1 s-1"), u.Unit("TeV-1 sr-1")


@dataclass(frozen=True, eq=False)
class SkyRequest:
    """A response on a geometry, from a map on the sky.

    Attributes
    ----------
    geom : Geom of the map that is made
    obs_id : int or None, for messages
    """

    geom: Geom
    obs_id: int | None

    @property
    def parts(self) -> tuple[()]:
        """Requests whose tables the device needs: none."""
        return ()


@dataclass(frozen=True, eq=False)
class SkyExposureRequest(SkyRequest):
    """An exposure from a map of the exposure, or of the effective area (for each transit, or at any time).

    Attributes
    ----------
    area : Map with an axis ``energy_true``
    time : Quantity or None, by which the map is multiplied; None if it is an exposure
    phases : float, the fraction that filters of phases keep of the exposure
    use_region_center : bool, whether a region has the exposure at its centre, or the mean over it
    """

    area: Map
    time: u.Quantity | None
    phases: float = 1.0
    use_region_center: bool = True

    @classmethod
    def of(cls, area: Map, observation: Observation, geom: Geom, use_region_center: bool = True) -> Self:
        """Decide what an exposure needs.

        Parameters
        ----------
        area : Map
            In m2 s it is the exposure; in m2, or in m2 s for each transit, it is multiplied by the good times.
        observation : Observation
        geom : Geom with an axis ``energy_true``; further axes must have one bin
        use_region_center : bool

        Raises
        ------
        FormatError
            If the map has another axis or unit.
        """
        _check_axis(area, observation, "effective area", "energy_true")
        if area.unit.is_equivalent("m2 s"):
            time = None
        elif area.unit.is_equivalent("m2"):  # of m2 s per transit, too: a transit is a sidereal day
            time = observation.required("gti").time_sum
        else:
            raise FormatError(
                f"observation {observation.obs_id}: its effective area is a map in {area.unit.to_string()!r}, expected "
                "m2 s, m2, or m2 s transit-1; correct BUNIT in its file, or set the unit of observation.aeff"
            )
        return cls(geom, observation.obs_id, area, time, kept_phases(observation), use_region_center)

    def on(self, geom: Geom) -> "SkyExposureRequest":
        """Return the request for the same observation on another geometry, in a region at its centre."""
        return type(self)(geom, self.obs_id, self.area, self.time, self.phases)

    def make(self, view: FieldOfView) -> Map:
        """Return the exposure; on the device, and in the precision, of a field of view."""
        pixels = ResponsePixels.of(self.geom, self.use_region_center, view.device)
        axes = [self.geom.axes["energy_true"]]
        found = _interpolated(self.area, pixels.geom.to_image().to_cube(axes), view)
        unit, factor = self.area.unit, 1.0
        if self.time is not None:
            unit = u.Unit("cm2 s") if u.cm in unit.bases else u.Unit("m2 s")
            factor = unit_factor(self.area.unit * u.s, unit) * float(self.time.to_value("s"))
        values = view.device.xp.reshape(pixels.mean(found.data * (factor * self.phases)), self.geom.data_shape)
        return Map.from_geom(self.geom, data=values, unit=unit, device=view.device)


@dataclass(frozen=True, eq=False)
class SkyBackgroundRequest(SkyRequest):
    """Background counts from a map of counts, of counts per energy and solid angle, or of their rate.

    Attributes
    ----------
    background : Map with an axis ``energy``
    time : Quantity, the good times
    phases : float, the fraction that filters of phases keep of all counts
    use_region_center : bool, whether a region has the density at its centre times its solid angle, or the sum over it
    """

    background: Map
    time: u.Quantity
    phases: float = 1.0
    use_region_center: bool = True

    @classmethod
    def of(cls, background: Map, observation: Observation, geom: Geom, use_region_center: bool = True) -> Self:
        """Decide what a background needs.

        Parameters
        ----------
        background : Map
            Counts in the bins of ``geom``; or in TeV-1 sr-1, in TeV-1 sr-1 s-1 or in TeV-1 sr-1 transit-1.
        observation : Observation
        geom : Geom with an axis ``energy``
        use_region_center : bool

        Raises
        ------
        FormatError
            If the map has another axis or unit.
        """
        _check_axis(background, observation, "background", "energy")
        if not any(background.unit.is_equivalent(unit) for unit in (_COUNTS_PER_BIN, _COUNTS, _RATE)):
            raise FormatError(
                f"observation {observation.obs_id}: its background is a map in {background.unit.to_string()!r}, "
                "expected counts (no unit), TeV-1 sr-1, TeV-1 sr-1 s-1 or TeV-1 sr-1 transit-1; correct BUNIT in its "
                "file, or set the unit of observation.bkg"
            )
        time = observation.required("gti").time_sum
        return cls(geom, observation.obs_id, background, time, kept_phases(observation), use_region_center)

    def make(self, view: FieldOfView) -> Map:
        """Return the background counts; on the device, and in the precision, of a field of view."""
        pixels = ResponsePixels.of(self.geom, self.use_region_center, view.device)
        axis, unit = self.geom.axes["energy"], self.background.unit
        geom = pixels.geom.to_image().to_cube([axis])
        if unit.is_equivalent(_COUNTS_PER_BIN):
            found = _interpolated(self.background, geom, view, preserve_counts=True).data
            found = found * (unit_factor(unit, "") * self.phases)
        else:
            rate = unit.is_equivalent(_RATE)
            factor = unit_factor(unit, _RATE if rate else _COUNTS) * (self.time.to_value("s") if rate else 1.0)
            widths = np.diff(axis.edges.to_value("TeV")) * (factor * self.phases)
            found = _interpolated(self.background, geom, view).data
            solid_angle = geom.to_image().solid_angle_array(view.device)
            xp = view.device.xp
            found = found * xp.reshape(to_device(widths, view.device, dtype=view.dtype), (-1, *[1] * geom.n_image_dims))
            found = found * xp.astype(solid_angle, found.dtype)
        return Map.from_geom(self.geom, data=pixels.total(found), unit="", device=view.device)


@dataclass(frozen=True, eq=False)
class _SkyResponseRequest(SkyRequest):
    """A PSF or energy dispersion from a map on the sky.

    Attributes
    ----------
    exposure : SkyExposureRequest or None, by which a stack weights a response that brings no exposure itself
    """

    exposure: SkyExposureRequest | None = None

    def _exposure(self, response: IRFMap, view: FieldOfView, squashed: str) -> Map | None:
        """Return the exposure of the response on the geometry without one of its axes, or that of the observation."""
        if response.exposure_map is not None:
            return _interpolated(response.exposure_map, self.geom.squash(axis_name=squashed), view)
        # A stack cannot weight a response without an exposure.
        return None if self.exposure is None else self.exposure.on(self.geom.squash(axis_name=squashed)).make(view)


@dataclass(frozen=True, eq=False, kw_only=True)
class SkyPSFRequest(_SkyResponseRequest):
    """A PSF from a map on the sky.

    Attributes
    ----------
    psf : PSFMap or RecoPSFMap
    """

    psf: PSFMap

    @classmethod
    def of(cls, psf: PSFMap, observation: Observation, geom: Geom, exposure: SkyExposureRequest | None = None) -> Self:
        """Decide what a PSF needs.

        Parameters
        ----------
        psf : PSFMap or RecoPSFMap
        observation : Observation
        geom : Geom with the axis ``rad`` and the energy of the PSF
        exposure : SkyExposureRequest, optional

        Raises
        ------
        ValueError
            If the geometry has the true energy and the PSF the reconstructed one, or the other way round.
        """
        wanted = "energy" if "energy" in geom.axes.names else "energy_true"
        if psf.energy_name != wanted:
            raise ValueError(
                f"observation {observation.obs_id} has its PSF in the axis {psf.energy_name!r}, and the dataset asks "
                f"for it in {wanted!r}; make the dataset with reco_psf={psf.energy_name == 'energy'}"
            )
        return cls(geom, observation.obs_id, exposure=None if wanted == "energy" else exposure, psf=psf)

    def make(self, view: FieldOfView) -> PSFMap:
        """Return the PSF; on the device, and in the precision, of a field of view."""
        values = _interpolated(self.psf.psf_map, self.geom, view)
        return type(self.psf)(values, self._exposure(self.psf, view, "rad"))


@dataclass(frozen=True, eq=False, kw_only=True)
class SkyEDispRequest(_SkyResponseRequest):
    """An energy dispersion from a map on the sky.

    Attributes
    ----------
    edisp : EDispMap or EDispKernelMap
    """

    edisp: EDispMap | EDispKernelMap

    @classmethod
    def of(
        cls,
        edisp: EDispMap | EDispKernelMap,
        observation: Observation,
        geom: Geom,
        exposure: SkyExposureRequest | None = None,
    ) -> Self:
        """Decide what an energy dispersion needs.

        Parameters
        ----------
        edisp : EDispMap or EDispKernelMap
        observation : Observation
        geom : Geom with the axis ``energy_true``, and ``energy`` or ``migra``
        exposure : SkyExposureRequest, optional

        Raises
        ------
        ValueError
            If the geometry has ``migra`` and the map is made of kernels, which cannot be undone.
        """
        if "migra" in geom.axes.names and isinstance(edisp, EDispKernelMap):
            raise ValueError(
                f"observation {observation.obs_id} has its energy dispersion as kernels in reconstructed energy, and "
                "the dataset asks for it in 'migra'; make the dataset without migra_axis"
            )
        return cls(geom, observation.obs_id, exposure=exposure, edisp=edisp)

    def make(self, view: FieldOfView) -> EDispMap | EDispKernelMap:
        """Return the energy dispersion; on the device, and in the precision, of a field of view."""
        edisp, geom, has_migra = self.edisp, self.geom, "migra" in self.geom.axes.names
        if isinstance(edisp, EDispKernelMap):
            return EDispKernelMap(_interpolated(edisp.edisp_map, geom, view), self._exposure(edisp, view, "energy"))
        if has_migra:
            return EDispMap(_interpolated(edisp.edisp_map, geom, view), self._exposure(edisp, view, "migra"))
        # With its exposure, whose further axis is that of the map: migra.
        cube = geom.to_image().to_cube([edisp.geom.axes["migra"], geom.axes["energy_true"]])
        in_migra = replace(self, geom=cube).make(view)
        assert isinstance(in_migra, EDispMap)
        return in_migra.to_edisp_kernel_map(geom.axes["energy"])


def _check_axis(source: Map, observation: Observation, what: str, name: str) -> None:
    if source.geom.axes.names != [name]:
        raise FormatError(
            f"observation {observation.obs_id}: its {what} is a map on the sky with the axes {source.geom.axes.names}, "
            f"expected {[name]}"
        )


def _interpolated(source: Map, geom: Geom, view: FieldOfView, preserve_counts: bool = False) -> Map:
    """Return a map interpolated on a geometry, zero outside of it, on a device and in a precision."""
    moved: Map = source.to(view.device, view.precision)
    found: Map = moved.interp_to_geom(geom, preserve_counts=preserve_counts)
    return found
