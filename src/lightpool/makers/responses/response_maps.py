"""What each response of a dataset needs, decided once, and the map that it becomes.

A request is made from the table of an observation and a geometry. The tables of all requests of an observation travel
to the device together (`lightpool.irf.projection.requests.announce`), and `make` returns what a stack adds.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Self, TypeAlias

import astropy.units as u
import numpy as np

from lightpool.arrays import Device, LazyArray
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.irf import IRF, EDispKernelMap, EDispMap, FoVAlignment, PSFMap
from lightpool.irf.projection.requests import (
    BackgroundRequest,
    Request,
    ResponseRequest,
    aeff_request,
    background_request,
    edisp_kernel_request,
    edisp_request,
    psf_request,
)
from lightpool.makers.differences import any_of
from lightpool.makers.planes import joined_planes, planes_of
from lightpool.makers.responses.fov_coordinates import FieldOfView
from lightpool.makers.responses.fov_rotation import Rotation, background_in_altaz, mean_in_altaz, weighted_mean_in_altaz
from lightpool.makers.responses.response_positions import ResponsePixels
from lightpool.makers.responses.sky_responses import (
    SkyBackgroundRequest,
    SkyEDispRequest,
    SkyExposureRequest,
    SkyPSFRequest,
)
from lightpool.maps import Geom, HpxGeom, Map, WcsGeom
from lightpool.maps.units import unit_factor
from lightpool.utils.deviations import deviates, deviations_are_heard

__all__ = [
    "BackgroundMapRequest",
    "DatasetRequests",
    "EDispKernelMapRequest",
    "EDispMapRequest",
    "ExposureRequest",
    "MapRequest",
    "PSFMapRequest",
    "PlanesBackgroundRequest",
    "Weight",
]


@dataclass(frozen=True, eq=False)
class MapRequest(ABC):
    """A response on a geometry.

    Attributes
    ----------
    geom : Geom of the map
    irf : IRF, the table of the observation
    response : ResponseRequest or BackgroundRequest
    """

    geom: Geom
    irf: IRF
    response: ResponseRequest | BackgroundRequest

    @property
    def parts(self) -> tuple[Request, ...]:
        """Requests whose tables the device needs."""
        return (self.response,)

    @abstractmethod
    def make(self, view: FieldOfView) -> Map | PSFMap | EDispMap | EDispKernelMap:
        """Return the map, on the device of a field of view."""

    @property
    def _is_reversed(self) -> bool:
        # Old H.E.S.S. files have the sign of the longitude turned.
        return not self.irf.has_offset_axis and self.irf.fov_alignment == FoVAlignment.REVERSE_LON_RADEC

    def _positions(self, view: FieldOfView, geom: Geom, is_reversed: bool | None = None) -> dict[str, Array]:
        """Return the positions of the pixels that the table depends on, for ``project`` of its request."""
        turned = self._is_reversed if is_reversed is None else is_reversed
        return view.positions(geom, self.irf.field_arguments, turned)


@dataclass(frozen=True, eq=False)
class ExposureRequest(MapRequest):
    """An exposure in true energy, unit m2 s.

    Attributes
    ----------
    response : ResponseRequest of the effective area times the livetime
    livetime : Quantity, kept in the metadata of the map
    use_region_center : bool, whether a region has the exposure at its centre, or the mean over it
    rotation : FieldRotation or None, of a table that turns against the sky
    """

    response: ResponseRequest
    livetime: u.Quantity
    use_region_center: bool = True
    rotation: Rotation | None = None

    @classmethod
    def of(
        cls,
        aeff: IRF,
        livetime: u.Quantity,
        geom: Geom,
        use_region_center: bool = True,
        rotation: Rotation | None = None,
    ) -> Self:
        """Decide what an exposure needs.

        Parameters
        ----------
        aeff : EffectiveAreaTable2D
        livetime : Quantity, time
        geom : Geom with an axis ``energy_true``; further axes must have one bin
        use_region_center, rotation : see `ExposureRequest`
        """
        # Multiplied while the table is projected: a product of maps would be one more pass over all pixels.
        factor = unit_factor(aeff.unit, "m2") * float(livetime.to_value("s"))
        response = aeff_request(aeff, geom.axes["energy_true"], factor)
        return cls(geom, aeff, response, livetime, use_region_center, rotation)

    def on(self, geom: Geom) -> "ExposureRequest":
        """Return the request for the same observation on another geometry, in a region at its centre.

        Parameters
        ----------
        geom : Geom, see `of`
        """
        if geom.axes["energy_true"].content == self.geom.axes["energy_true"].content:
            return replace(self, geom=geom, use_region_center=True)
        return self.of(self.irf, self.livetime, geom, rotation=self.rotation)

    def has_values_of(self, other: "ExposureRequest") -> bool:
        """Return whether the exposure has the values of another one: the geometries may differ in axes of one bin."""
        one, two = self.geom, other.geom
        if isinstance(one, HpxGeom) and isinstance(two, HpxGeom):
            return self.response is other.response and one.sky is two.sky and one.data_shape == two.data_shape
        if not (isinstance(one, WcsGeom) and isinstance(two, WcsGeom)):
            return False
        return self.response is other.response and one.window == two.window and one.data_shape == two.data_shape

    def make(self, view: FieldOfView) -> Map:
        """Return the exposure."""
        geom = self.geom
        pixels = ResponsePixels.of(geom, self.use_region_center, view.device)
        if self.rotation is not None:
            deviates("effective area, PSF or energy dispersion aligned with the horizon")
            mean = mean_in_altaz(self.response, self.rotation, pixels.geom, view.device, view.dtype)
            values = view.device.xp.reshape(pixels.mean(mean), geom.data_shape)
            return Map.from_geom(geom, data=values, unit="m2 s", meta=self._meta(), device=view.device)
        # Lazy, shape (n_energy_true, ny, nx): as the data of a map, a stack adds it in pieces that fit into the cache.
        exposure = self.response.project(**self._positions(view, pixels.geom), dtype=view.dtype)
        meta = self._meta()
        # Further axes of one bin, or the mean over a region: the values are needed now.
        if geom.is_region or exposure.shape != geom.data_shape:
            values = view.device.xp.reshape(pixels.mean(exposure.values()), geom.data_shape)
            return Map.from_geom(geom, data=values, unit="m2 s", meta=meta, device=view.device)
        return Map.from_geom(geom, data=exposure, unit="m2 s", meta=meta, device=view.device)

    def _meta(self) -> dict[str, u.Quantity | bool]:
        # A livetime of its own: in a stack of Gammapy it grows in place.
        return {"livetime": self.livetime.copy(), "is_pointlike": self.irf.is_pointlike}


Weight: TypeAlias = ExposureRequest | SkyExposureRequest | Map | None
"""The exposure by which a stack weights a PSF or an energy dispersion: a request, or a map that exists."""


@dataclass(frozen=True, eq=False)
class _WeightedRequest(MapRequest):
    """A response with its exposure.

    Attributes
    ----------
    response : ResponseRequest
    exposure : ExposureRequest, SkyExposureRequest, Map or None, by which a stack weights the response
    rotation : FieldRotation or None, of a table that turns against the sky
    area : ResponseRequest or None, effective area that turns, too, by which the times of the rotation are weighted
    """

    response: ResponseRequest
    exposure: Weight = None
    rotation: Rotation | None = None
    area: ResponseRequest | None = None

    @property
    def parts(self) -> tuple[Request, ...]:
        """Requests whose tables the device needs."""
        exposures = (self.exposure.response,) if isinstance(self.exposure, ExposureRequest) else ()
        return (*exposures, self.response)

    def weighted_as(self, other: "_WeightedRequest", exposure: Map | None) -> Self:
        """Return this request with a copy of the exposure of another one that was made, if it has the same values.

        Parameters
        ----------
        other : PSFMapRequest or another request with an exposure
        exposure : Map that its exposure became
        """
        mine, its = self.exposure, other.exposure
        if not (isinstance(mine, ExposureRequest) and isinstance(its, ExposureRequest) and exposure is not None):
            return self
        if not mine.has_values_of(its):
            return self
        copied = Map.from_geom(
            mine.geom,
            data=exposure.device.xp.asarray(exposure.data, copy=True),
            unit=exposure.unit,
            meta=deepcopy(exposure.meta),
            device=exposure.device,
        )
        return replace(self, exposure=copied)

    def _maps(self, view: FieldOfView, unit: u.UnitBase | str) -> tuple[Map, Map | None]:
        """Return the map of the response, and that of the exposure."""
        exposure = self.exposure
        if isinstance(exposure, ExposureRequest | SkyExposureRequest):
            exposure = exposure.make(view)
        if self.rotation is not None:
            mean = view.device.xp.reshape(self._mean(self.rotation, view), self.geom.data_shape)
            return Map.from_geom(self.geom, data=mean, unit=unit, device=view.device), exposure
        lazy = self.response.project(**self._positions(view, self.geom), dtype=view.dtype)
        # HEALPix pixels are no images, which a stack could add part by part: their values are needed now.
        is_image = not self.geom.is_hpx
        values = lazy if is_image else view.device.xp.reshape(lazy.values(), self.geom.data_shape)
        return Map.from_geom(self.geom, data=values, unit=unit, device=view.device), exposure

    def _mean(self, rotation: Rotation, view: FieldOfView) -> Array:
        deviates("effective area, PSF or energy dispersion aligned with the horizon")
        if self.area is None:
            return mean_in_altaz(self.response, rotation, self.geom, view.device, view.dtype)
        return weighted_mean_in_altaz(self.response, self.area, rotation, self.geom, view.device, view.dtype)


def _turning_area(exposure: Weight) -> ResponseRequest | None:
    """Return the effective area of an exposure if it turns against the sky."""
    turns = isinstance(exposure, ExposureRequest) and exposure.rotation is not None
    return exposure.response if isinstance(exposure, ExposureRequest) and turns else None


@lru_cache(maxsize=16)
def _per_area(unit: u.UnitBase) -> u.UnitBase:
    """Return one over the square of a unit of angle; astropy takes as long for it as a small map takes."""
    return unit**-2


@dataclass(frozen=True, eq=False)
class PSFMapRequest(_WeightedRequest):
    """A PSF, normalised over ``rad``; for the attributes see `EDispMapRequest`."""

    @classmethod
    def of(cls, psf: IRF, geom: Geom, exposure: Weight = None, rotation: Rotation | None = None) -> Self:
        """Decide what a PSF needs.

        Parameters
        ----------
        psf : PSF3D, EnergyDependentMultiGaussPSF or PSFKing
        geom : Geom with the axes ``rad`` and ``energy_true``
        exposure : ExposureRequest, Map or None
        rotation : FieldRotation or None, see `EDispMapRequest`
        """
        rad = geom.axes["rad"]
        response = psf_request(psf, geom.axes["energy_true"], rad, _per_area(rad.unit))
        return cls(geom, psf, response, exposure, rotation, _turning_area(exposure))

    def make(self, view: FieldOfView) -> PSFMap:
        """Return the PSF with its exposure."""
        return PSFMap(*self._maps(view, _per_area(self.geom.axes["rad"].unit)))


@dataclass(frozen=True, eq=False)
class EDispMapRequest(_WeightedRequest):
    """An energy dispersion, normalised over ``migra``.

    Attributes
    ----------
    response : ResponseRequest
    exposure : ExposureRequest, Map or None, by which a stack weights the response
    rotation : FieldRotation or None, of a table that turns against the sky
    area : ResponseRequest or None, effective area that turns, too, by which the times of the rotation are weighted
    """

    @classmethod
    def of(cls, edisp: IRF, geom: Geom, exposure: Weight = None, rotation: Rotation | None = None) -> Self:
        """Decide what an energy dispersion needs.

        Parameters
        ----------
        edisp : EnergyDispersion2D
        geom : Geom with the axes ``migra`` and ``energy_true``
        exposure : ExposureRequest, Map or None
        rotation : FieldRotation or None, see `EDispMapRequest`
        """
        response = edisp_request(edisp, geom.axes["energy_true"], geom.axes["migra"])
        return cls(geom, edisp, response, exposure, rotation, _turning_area(exposure))

    def make(self, view: FieldOfView) -> EDispMap:
        """Return the energy dispersion with its exposure."""
        return EDispMap(*self._maps(view, ""))


@dataclass(frozen=True, eq=False)
class EDispKernelMapRequest(_WeightedRequest):
    """Energy dispersion kernels; for the attributes see `EDispMapRequest`."""

    @classmethod
    def of(
        cls,
        edisp: IRF,
        geom: Geom,
        exposure: Weight = None,
        threshold: float = 1e-8,
        rotation: Rotation | None = None,
    ) -> Self:
        """Decide what energy dispersion kernels need.

        Parameters
        ----------
        edisp : EnergyDispersion2D
        geom : Geom with the axes ``energy`` and ``energy_true``
        exposure : ExposureRequest, Map or None
        threshold : float, smaller elements are zero
        rotation : FieldRotation or None, see `EDispMapRequest`
        """
        axes = geom.axes
        response = edisp_kernel_request(edisp, axes["energy"], axes["energy_true"], threshold)
        return cls(geom, edisp, response, exposure, rotation, _turning_area(exposure))

    def make(self, view: FieldOfView) -> EDispKernelMap:
        """Return the kernels with their exposure."""
        if deviations_are_heard() and any_of(~view.device.xp.isfinite(view.offset(self.geom))):
            deviates("energy dispersion kernels at pixels outside of the sky")
        if self.geom.is_hpx:
            deviates("energy dispersion kernels on HEALPix pixels")
        return EDispKernelMap(*self._maps(view, ""))


@dataclass(frozen=True, eq=False)
class BackgroundMapRequest(MapRequest):
    """Background counts: the rate integrated over energy bins, times solid angle and observation time.

    Attributes
    ----------
    response : BackgroundRequest, for the energies of ``fine``
    fine : Geom, that of the map with each energy bin split for the integral
    oversampling : int or None, number of parts of an energy bin
    ontime : Quantity, time; the rate is per observation time, not per livetime
    use_region_center : bool, whether a region has the rate at its centre times its solid angle, or the sum over it
    rotation : FieldRotation or None, of a table that turns against the sky
    """

    response: BackgroundRequest
    fine: Geom
    oversampling: int | None
    ontime: u.Quantity
    use_region_center: bool = True
    rotation: Rotation | None = None

    @classmethod
    def of(
        cls,
        bkg: IRF,
        ontime: u.Quantity,
        geom: Geom,
        oversampling: int | None = None,
        use_region_center: bool = True,
        rotation: Rotation | None = None,
    ) -> Self:
        """Decide what a background needs.

        Parameters
        ----------
        bkg : Background2D or Background3D, as it is projected
        ontime : Quantity, time
        geom : Geom with an axis ``energy``
        oversampling, use_region_center, rotation : see `BackgroundMapRequest`
        """
        fine = geom if oversampling is None else geom.upsample(factor=oversampling, axis_name="energy")
        response = background_request(bkg, fine.axes["energy"])
        return cls(geom, bkg, response, fine, oversampling, ontime, use_region_center, rotation)

    def make(self, view: FieldOfView) -> Map:
        """Return the background; on the host that of a sky map is computed when its values are first used."""
        device, dtype = view.device, view.dtype
        pixels = ResponsePixels.of(self.fine, self.use_region_center, device)
        if self._can_wait(device):
            return Map.from_geom(self.geom, data=self._later(view), unit="", device=device)
        scale = self._scale(pixels.geom, device)
        if self.rotation is not None:
            if pixels.weights is not None:
                deviates("mean over a region of a background aligned with the horizon")
            cube = pixels.geom.to_image().to_cube([self.fine.axes["energy"]])
            rate = background_in_altaz(self.response, self.rotation, cube, device, dtype)
            rate *= as_dtype(scale, dtype)
        else:
            rate = self.response.project(
                **self._positions(view, pixels.geom, self._is_reversed), dtype=dtype, factor=scale
            )
        background = Map.from_geom(self.fine, data=pixels.total(rate), unit="", device=device)
        if self.oversampling is None:
            return background
        # Counts: parts of a bin are summed.
        return background.downsample(factor=self.oversampling, axis_name="energy")

    def _can_wait(self, device: Device) -> bool:
        # A launch of kernels makes the host wait for nothing, and who listens for deviations has to hear them now.
        is_image = not (self.geom.is_region or self.geom.is_hpx)
        is_plain = self.rotation is None and self.oversampling is None and is_image
        return device.is_host and is_plain and not deviations_are_heard()

    def _later(self, view: FieldOfView) -> LazyArray:
        """Return the background of a sky map, to be computed when it is asked for."""
        xp, (n_y, _) = view.device.xp, self.geom.data_shape[-2:]
        is_reversed = self._is_reversed  # read now: the user may change the metadata of the table before `compute`

        @cache
        def pixels() -> tuple[dict[str, Array], Array]:
            return self._positions(view, self.geom, is_reversed), self._scale(self.geom, view.device)

        def compute(rows: slice, columns: slice, mask: Array | None) -> Iterator[tuple[slice, Array]]:
            positions, scale = pixels()
            here, factor = {name: x[rows, columns] for name, x in positions.items()}, scale[rows, columns]
            if mask is not None:
                # All weights of NaN are zero, and a solid angle may be NaN.
                here = {name: xp.where(mask, x, np.nan) for name, x in here.items()}
                factor = xp.where(mask, factor, 0.0)
            yield slice(None), self.response.project(**here, dtype=view.dtype, factor=factor)

        # All rows at once: `integrate_background` works through them in parts that stay in the cache.
        return LazyArray(tuple(self.geom.data_shape), view.device, max(n_y, 1), compute, np.dtype(view.dtype))

    def _scale(self, geom: Geom, device: Device) -> Array:
        """Return solid angle times observation time, shape (ny, nx), unit sr s."""
        return geom.solid_angle_array(device) * float(self.ontime.to_value("s"))


@dataclass(frozen=True, eq=False)
class PlanesBackgroundRequest(MapRequest):
    """A background on a geometry whose planes have pixels of their own.

    Attributes
    ----------
    planes : tuple of BackgroundMapRequest, one for each energy
    """

    planes: tuple[BackgroundMapRequest, ...] = ()

    @classmethod
    def of(cls, geom: Geom, plane_request: Callable[[Geom], BackgroundMapRequest]) -> Self:
        """Decide what a background needs.

        Parameters
        ----------
        geom : Geom with the axis ``energy``
        plane_request : callable, which makes the request of a plane
        """
        planes = tuple(plane_request(plane) for plane in planes_of(geom))
        return cls(geom, planes[0].irf, planes[0].response, planes)

    @property
    def parts(self) -> tuple[Request, ...]:
        """Requests whose tables the device needs."""
        return tuple(plane.response for plane in self.planes)

    def make(self, view: FieldOfView) -> Map:
        """Return the background; behind the pixels of a plane it is NaN on HEALPix pixels, as counts are, or zero."""
        planes = [plane.make(view).data for plane in self.planes]
        data = joined_planes(self.geom, planes, np.nan if self.geom.is_hpx else 0.0)
        return Map.from_geom(self.geom, data=data, unit="", device=view.device)


@dataclass(frozen=True, eq=False, kw_only=True)
class DatasetRequests:
    """What the responses of a dataset need; None for those that are not selected.

    Attributes
    ----------
    exposure : ExposureRequest, SkyExposureRequest or None
    background : BackgroundMapRequest, PlanesBackgroundRequest, SkyBackgroundRequest or None
    psf : PSFMapRequest, SkyPSFRequest or None
    edisp : EDispMapRequest, EDispKernelMapRequest, SkyEDispRequest or None
    """

    exposure: ExposureRequest | SkyExposureRequest | None = None
    background: BackgroundMapRequest | PlanesBackgroundRequest | SkyBackgroundRequest | None = None
    psf: PSFMapRequest | SkyPSFRequest | None = None
    edisp: EDispMapRequest | EDispKernelMapRequest | SkyEDispRequest | None = None

    @property
    def by_table(self) -> dict[str, MapRequest]:
        """Those made from a table of the observation, by its name: "aeff", "psf", "edisp", "bkg"."""
        every = {"aeff": self.exposure, "psf": self.psf, "edisp": self.edisp, "bkg": self.background}
        return {name: request for name, request in every.items() if isinstance(request, MapRequest)}
