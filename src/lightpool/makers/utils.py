"""Responses projected on the geometry of a map, one function for each kind.

Each takes the table of an observation (host), asks for the pixel coordinates in the field of view (device), and leaves
the sum over the nodes of the table to `lightpool.irf.projection.project`.
"""

from typing import Any

import astropy.units as u
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time

from lightpool.arrays import Device, find_device, find_precision
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.devices.precision import DTYPES
from lightpool.data import FixedPointingInfo, PointingMode
from lightpool.irf import EDispKernelMap, EDispMap, FoVAlignment, PSFMap
from lightpool.irf.projection.lazy import lazy_aeff, lazy_edisp, lazy_edisp_kernel, lazy_psf
from lightpool.irf.projection.project import project_background
from lightpool.makers.fov_coordinates import FieldOfView
from lightpool.makers.fov_rotation import background_in_altaz
from lightpool.makers.rad_max import make_counts_off_rad_max, make_counts_rad_max
from lightpool.makers.response_positions import Place
from lightpool.makers.theta_squared import ThetaSquaredTable, make_theta_squared_table
from lightpool.maps import Geom, Map
from lightpool.maps.map_data import unit_factor

__all__ = [
    "ThetaSquaredTable",
    "make_counts_off_rad_max",
    "make_counts_rad_max",
    "make_edisp_kernel_map",
    "make_edisp_map",
    "make_map_background_irf",
    "make_map_exposure_true_energy",
    "make_psf_map",
    "make_theta_squared_table",
]


def make_map_exposure_true_energy(
    pointing: SkyCoord | FixedPointingInfo | FieldOfView,
    livetime: u.Quantity,
    aeff: Any,
    geom: Geom,
    use_region_center: bool = True,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> Map:
    """Exposure: effective area times livetime, in true energy.

    Parameters
    ----------
    pointing : SkyCoord or FixedPointingInfo; makers hand their `FieldOfView` to share pixel coordinates
    livetime : Quantity, time
    aeff : EffectiveAreaTable2D
    geom : WcsGeom or RegionGeom with an axis ``energy_true``; further axes must have one bin
    use_region_center : bool
        On a region, take the value at its centre, or the mean over it.
    device, precision : where the map is made and how exact, the default ones if not given

    Returns
    -------
    exposure : Map, shape of ``geom``, unit m2 s
    """
    view = _field_of_view(pointing, device, precision)
    place = Place.of(geom, use_region_center, view.device)
    factor = unit_factor(aeff.unit, "m2") * float(livetime.to_value("s"))
    data: Any = lazy_aeff(aeff, geom.axes["energy_true"], view.offset(place.geom), factor=factor, dtype=view.dtype)
    if geom.is_region or data.shape != geom.data_shape:
        data = view.device.xp.reshape(place.mean(data.values()), geom.data_shape)
    meta = {"livetime": livetime, "is_pointlike": aeff.is_pointlike}
    return Map.from_geom(geom, data=data, unit="m2 s", meta=meta, device=view.device)


def make_psf_map(
    psf: Any,
    pointing: SkyCoord | FixedPointingInfo | FieldOfView,
    geom: Geom,
    exposure_map: Map | None = None,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> PSFMap:
    """PSF, normalised over ``rad``, on a geometry with the axes ``rad`` and ``energy_true``.

    Parameters
    ----------
    psf : PSF3D, EnergyDependentMultiGaussPSF or PSFKing
    pointing, device, precision : as for `make_map_exposure_true_energy`
    geom : WcsGeom
    exposure_map : Map, kept with the PSF as the weight for stacking
    """
    view = _field_of_view(pointing, device, precision)
    rad = geom.axes["rad"]
    unit = rad.unit**-2
    values = lazy_psf(psf, geom.axes["energy_true"], rad, view.offset(geom), unit=unit, dtype=view.dtype)
    return PSFMap(Map.from_geom(geom, data=values, unit=unit, device=view.device), exposure_map)


def make_edisp_map(
    edisp: Any,
    pointing: SkyCoord | FixedPointingInfo | FieldOfView,
    geom: Geom,
    exposure_map: Map | None = None,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> EDispMap:
    """Energy dispersion, normalised over ``migra``, on a geometry with the axes ``migra`` and ``energy_true``.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    pointing, device, precision : as for `make_map_exposure_true_energy`
    geom : WcsGeom
    exposure_map : Map, kept with the energy dispersion as the weight for stacking
    """
    view = _field_of_view(pointing, device, precision)
    axes = geom.axes
    values = lazy_edisp(edisp, axes["energy_true"], axes["migra"], view.offset(geom), dtype=view.dtype)
    return EDispMap(Map.from_geom(geom, data=values, unit="", device=view.device), exposure_map)


def make_edisp_kernel_map(
    edisp: Any,
    pointing: SkyCoord | FixedPointingInfo | FieldOfView,
    geom: Geom,
    exposure_map: Map | None = None,
    threshold: float = 1e-8,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> EDispKernelMap:
    """Energy dispersion kernels on a geometry with the axes ``energy`` and ``energy_true``.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    pointing, device, precision : as for `make_map_exposure_true_energy`
    geom : WcsGeom
    exposure_map : Map, kept with the kernels as the weight for stacking
    threshold : float
        Smaller elements are zero.
    """
    view = _field_of_view(pointing, device, precision)
    axes = geom.axes
    values = lazy_edisp_kernel(
        edisp, axes["energy"], axes["energy_true"], view.offset(geom), threshold=threshold, dtype=view.dtype
    )
    return EDispKernelMap(Map.from_geom(geom, data=values, unit="", device=view.device), exposure_map)


def make_map_background_irf(
    pointing: SkyCoord | FixedPointingInfo | FieldOfView,
    ontime: u.Quantity,
    bkg: Any,
    geom: Geom,
    time_start: Time | None = None,
    fov_rotation_step: u.Quantity = 1.0 * u.deg,
    oversampling: int | None = None,
    use_region_center: bool = True,
    location: EarthLocation | None = None,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> Map:
    """Background counts: the rate integrated over energy bins, times solid angle and observation time.

    The rate is per observation time, not per livetime:
    https://gamma-astro-data-formats.readthedocs.io/en/latest/irfs/full_enclosure/bkg/index.html#notes

    Parameters
    ----------
    pointing : FixedPointingInfo or SkyCoord
        For a table in (fov_lon, fov_lat) aligned with the horizon it must be a FixedPointingInfo.
    ontime : Quantity, time
    bkg : Background2D or Background3D
    geom : WcsGeom or RegionGeom with an axis ``energy``
    time_start : Time, needed for tables aligned with the horizon
    fov_rotation_step : Quantity, angle
        Such a table is evaluated each time the field has turned by this angle.
    oversampling : int, optional
        Split each energy bin into this many for the integral.
    use_region_center : bool
        On a region, take the rate at its centre times its solid angle, or add up the rate over it.
    location : EarthLocation, needed for tables aligned with the horizon
    device, precision : as for `make_map_exposure_true_energy`

    Returns
    -------
    background : Map, shape of ``geom``, no unit
    """
    fine = geom if oversampling is None else geom.upsample(factor=oversampling, axis_name="energy")
    energy = fine.axes["energy"]
    if not bkg.has_offset_axis and bkg.fov_alignment == FoVAlignment.ALTAZ:
        if not isinstance(pointing, FixedPointingInfo) or time_start is None or location is None:
            raise TypeError(
                "a background table with FOVALIGN=ALTAZ turns with the sky: expected a FixedPointingInfo, time_start "
                f"and location, got pointing of type {type(pointing).__name__}, {time_start=}, {location=}"
            )
        target, dtype = find_device(device), DTYPES[find_precision(precision)]
        place = Place.of(fine, use_region_center, target)
        pixels = place.geom.to_image().to_cube([energy])
        rate = background_in_altaz(
            bkg, pointing, pixels, time_start, ontime, fov_rotation_step, location, target, dtype
        )
        rate *= as_dtype(place.geom.solid_angle_array(target) * float(ontime.to_value("s")), dtype)
    else:
        view = _field_of_view(pointing, device, precision)
        target, dtype = view.device, view.dtype
        place = Place.of(fine, use_region_center, target)
        factor = place.geom.solid_angle_array(target) * float(ontime.to_value("s"))
        if bkg.has_offset_axis:
            rate = project_background(bkg, energy, offset=view.offset(place.geom), dtype=dtype, factor=factor)
        else:
            lon, lat = view.lonlat(place.geom)
            lon = -lon if bkg.fov_alignment == FoVAlignment.REVERSE_LON_RADEC else lon
            rate = project_background(bkg, energy, fov_lon=lon, fov_lat=lat, dtype=dtype, factor=factor)
    background = Map.from_geom(fine, data=place.total(rate), unit="", device=target)
    if oversampling is not None:
        background = background.downsample(factor=oversampling, axis_name="energy")
    return background


def _field_of_view(
    pointing: SkyCoord | FixedPointingInfo | FieldOfView, device: Device | str | None, precision: str | None
) -> FieldOfView:
    if isinstance(pointing, FieldOfView):
        return pointing
    if isinstance(pointing, FixedPointingInfo):
        if pointing.mode != PointingMode.POINTING:
            raise ValueError(
                f"the responses of an observation in {pointing.mode} mode cannot be projected; it must track"
            )
        pointing = pointing.fixed_icrs
    return FieldOfView(pointing, find_device(device), precision)
