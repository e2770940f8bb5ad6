"""Responses projected on the geometry of a map: one function for each, with the names and arguments of Gammapy.

Each makes a request for its response and projects it (`lightpool.makers.responses.response_maps`).
"""

import astropy.units as u
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time

from lightpool.arrays import Device
from lightpool.bridge import accepts_gammapy
from lightpool.data import FixedPointingInfo
from lightpool.irf import BackgroundIRF, EDispKernelMap, EDispMap, EffectiveAreaTable2D, EnergyDispersion2D, PSFMap
from lightpool.irf.tables.psf_table import PSF
from lightpool.makers.observing_time import (
    guess_instrument_fov,
    make_effective_livetime_map,
    make_observation_time_map,
)
from lightpool.makers.rad_max import make_counts_off_rad_max, make_counts_rad_max
from lightpool.makers.responses.fov_coordinates import FieldOfView
from lightpool.makers.responses.fov_rotation import FieldRotation, turns_against_the_sky
from lightpool.makers.responses.projected_irfs import integrate_project_irf_on_geom, project_irf_on_geom
from lightpool.makers.responses.response_maps import (
    BackgroundMapRequest,
    EDispKernelMapRequest,
    EDispMapRequest,
    ExposureRequest,
    PSFMapRequest,
)
from lightpool.makers.responses.uncovered_bins import warn_of_alignment
from lightpool.makers.theta_squared import ThetaSquaredTable, make_theta_squared_table
from lightpool.maps import Geom, Map
from lightpool.names import show_public
from lightpool.typing import QuantityLike

__all__ = [
    "ThetaSquaredTable",
    "guess_instrument_fov",
    "integrate_project_irf_on_geom",
    "make_counts_off_rad_max",
    "make_counts_rad_max",
    "make_edisp_kernel_map",
    "make_edisp_map",
    "make_effective_livetime_map",
    "make_map_background_irf",
    "make_map_exposure_true_energy",
    "make_observation_time_map",
    "make_psf_map",
    "make_theta_squared_table",
    "project_irf_on_geom",
]


@accepts_gammapy
def make_map_exposure_true_energy(
    pointing: SkyCoord | FixedPointingInfo | FieldOfView,
    livetime: QuantityLike,
    aeff: EffectiveAreaTable2D,
    geom: Geom,
    use_region_center: bool = True,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> Map:
    """Make the exposure: effective area times livetime, in true energy.

    Parameters
    ----------
    pointing : SkyCoord or FixedPointingInfo; makers hand their `FieldOfView` to share pixel coordinates
    livetime : Quantity or its text, as "42 h"
    aeff : EffectiveAreaTable2D
    geom : WcsGeom or RegionGeom with an axis ``energy_true``; further axes must have one bin
    use_region_center : bool
        On a region, take the value at its centre, or the mean over it.
    device, precision : where the map is made and how exact, the default ones if not given

    Returns
    -------
    exposure : Map, shape of ``geom``, unit m2 s
    """
    view = FieldOfView.of(pointing, device, precision)
    warn_of_alignment(aeff, "the exposure")
    return ExposureRequest.of(aeff, u.Quantity(livetime), geom, use_region_center).make(view)


@accepts_gammapy
def make_psf_map(
    psf: PSF,
    pointing: SkyCoord | FixedPointingInfo | FieldOfView,
    geom: Geom,
    exposure_map: Map | None = None,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> PSFMap:
    """Make the PSF, normalised over ``rad``, on a geometry with the axes ``rad`` and ``energy_true``.

    Parameters
    ----------
    psf : PSF3D, EnergyDependentMultiGaussPSF or PSFKing
    pointing, device, precision : as for `make_map_exposure_true_energy`
    geom : WcsGeom
    exposure_map : Map, kept with the PSF as the weight for stacking
    """
    view = FieldOfView.of(pointing, device, precision)
    warn_of_alignment(psf, "the PSF")
    return PSFMapRequest.of(psf, geom, exposure_map).make(view)


@accepts_gammapy
def make_edisp_map(
    edisp: EnergyDispersion2D,
    pointing: SkyCoord | FixedPointingInfo | FieldOfView,
    geom: Geom,
    exposure_map: Map | None = None,
    use_region_center: bool = True,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> EDispMap:
    """Make the energy dispersion, normalised over ``migra``, on a geometry with axes ``migra`` and ``energy_true``.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    pointing, device, precision : as for `make_map_exposure_true_energy`
    geom : WcsGeom
    exposure_map : Map, kept with the energy dispersion as the weight for stacking
    use_region_center : bool
        Not used, as in Gammapy: the energy dispersion of a region is that at its centre.
    """
    view = FieldOfView.of(pointing, device, precision)
    warn_of_alignment(edisp, "the energy dispersion")
    return EDispMapRequest.of(edisp, geom, exposure_map).make(view)


@accepts_gammapy
def make_edisp_kernel_map(
    edisp: EnergyDispersion2D,
    pointing: SkyCoord | FixedPointingInfo | FieldOfView,
    geom: Geom,
    exposure_map: Map | None = None,
    use_region_center: bool = True,
    threshold: float = 1e-8,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> EDispKernelMap:
    """Make the energy dispersion kernels on a geometry with the axes ``energy`` and ``energy_true``.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    pointing, device, precision : as for `make_map_exposure_true_energy`
    geom : WcsGeom
    exposure_map : Map, kept with the kernels as the weight for stacking
    use_region_center : bool
        Not used, as in Gammapy: the kernels of a region are those at its centre.
    threshold : float
        Smaller elements are zero.
    """
    view = FieldOfView.of(pointing, device, precision)
    warn_of_alignment(edisp, "the energy dispersion")
    return EDispKernelMapRequest.of(edisp, geom, exposure_map, threshold).make(view)


@accepts_gammapy
def make_map_background_irf(
    pointing: SkyCoord | FixedPointingInfo | FieldOfView,
    ontime: QuantityLike,
    bkg: BackgroundIRF,
    geom: Geom,
    time_start: Time | None = None,
    fov_rotation_step: QuantityLike = 1.0 * u.deg,
    oversampling: int | None = None,
    use_region_center: bool = True,
    location: EarthLocation | None = None,
    *,
    device: Device | str | None = None,
    precision: str | None = None,
) -> Map:
    """Make the background counts: the rate integrated over energy bins, times solid angle and observation time.

    The rate is per observation time, not per livetime:
    https://gamma-astro-data-formats.readthedocs.io/en/latest/irfs/full_enclosure/bkg/index.html#notes

    Parameters
    ----------
    pointing : FixedPointingInfo or SkyCoord
        For a table in (fov_lon, fov_lat) aligned with the horizon it must be a FixedPointingInfo.
    ontime : Quantity, time, or its text, as "42 h"
    bkg : Background2D or Background3D
    geom : WcsGeom or RegionGeom with an axis ``energy``
    time_start : Time, needed for tables aligned with the horizon
    fov_rotation_step : Quantity, angle, or its text
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
    ontime, rotation = u.Quantity(ontime), None
    if turns_against_the_sky(bkg):
        rotation = FieldRotation.of(pointing, time_start, ontime, u.Quantity(fov_rotation_step), location)
        # The positions of pixels are evaluated at the times of the rotation; this one only fills its place.
        pointing = rotation.pointing.get_icrs(rotation.spans[0][0], rotation.location)
    view = FieldOfView.of(pointing, device, precision)
    return BackgroundMapRequest.of(bkg, ontime, geom, oversampling, use_region_center, rotation).make(view)


show_public(__name__)
