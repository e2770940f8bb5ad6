"""Geometries of the maps of a dataset, derived from that of its counts."""

from typing import NotRequired, TypeAlias, TypedDict, cast

import astropy.units as u

from lightpool.bridge import accepts_gammapy
from lightpool.irf.reduced.psf_map import RAD_AXIS_DEFAULT
from lightpool.maps import Map, MapAxes, MapAxis, RegionGeom, WcsGeom
from lightpool.typing import AngleLike

__all__ = [
    "BINSZ_IRF_DEFAULT",
    "MIGRA_AXIS_DEFAULT",
    "RAD_AXIS_DEFAULT",
    "RAD_MAX",
    "DatasetGeoms",
    "SkyGeom",
    "create_map_dataset_geoms",
    "pixels_of",
]

SkyGeom: TypeAlias = WcsGeom | RegionGeom
"""A geometry on the sky: pixels or one region."""


class DatasetGeoms(TypedDict):
    """Geometries of the maps of a dataset."""

    geom: SkyGeom
    geom_exposure: NotRequired[SkyGeom]
    geom_psf: NotRequired[SkyGeom]
    geom_edisp: NotRequired[SkyGeom]


# The defaults of Gammapy.
MIGRA_AXIS_DEFAULT = MapAxis.from_bounds(0.2, 5, nbin=48, node_type="edges", name="migra")
BINSZ_IRF_DEFAULT = 0.2 * u.deg
RAD_MAX = float(RAD_AXIS_DEFAULT.edges.to_value("deg")[-1])


def pixels_of(data: Map) -> WcsGeom:
    """Return the geometry of a map with pixels, as a type checker needs it; a region stays what it is."""
    return cast("WcsGeom", data.geom)


@accepts_gammapy
def create_map_dataset_geoms(
    geom: SkyGeom,
    energy_axis_true: MapAxis | None = None,
    migra_axis: MapAxis | None = None,
    rad_axis: MapAxis | None = None,
    binsz_irf: "AngleLike" = BINSZ_IRF_DEFAULT,
    reco_psf: bool = False,
) -> DatasetGeoms:
    """Create the geometries of all maps of a dataset.

    Parameters
    ----------
    geom : WcsGeom or RegionGeom
        Geometry of counts and background, with the axis ``energy``; its other axes are kept on all maps.
    energy_axis_true : MapAxis
        Axis ``energy_true`` of exposure, PSF and energy dispersion; the edges of ``energy`` by default.
    migra_axis : MapAxis
        With it the energy dispersion is tabulated in migra (EDispMap), without in ``energy`` (EDispKernelMap).
    rad_axis : MapAxis
        Axis of the PSF; 66 bins from 0 to 0.66 deg by default.
    binsz_irf : Quantity or float in deg
        Pixel size of PSF and energy dispersion.
    reco_psf : bool
        Whether the PSF depends on ``energy`` instead of ``energy_true``.

    Returns
    -------
    geoms : dict with keys ``geom``, ``geom_exposure``, ``geom_psf``, ``geom_edisp``
    """
    energy_axis = geom.axes["energy"]
    if energy_axis_true is None:
        energy_axis_true = energy_axis.copy(name="energy_true")
    energy_axis_true.assert_name("energy_true")
    rad_axis = RAD_AXIS_DEFAULT if rad_axis is None else rad_axis

    image = geom.to_image()
    image_irf = image.to_binsz(binsz=binsz_irf)
    others = list(geom.axes.drop("energy"))
    # The first axis runs fastest: the data of the PSF are (..., n_energy_true, n_rad, ny, nx).
    axes_psf = [rad_axis, energy_axis if reco_psf else energy_axis_true]
    axes_edisp = [energy_axis if migra_axis is None else migra_axis, energy_axis_true]
    return {
        "geom": geom,
        "geom_exposure": image.to_cube(MapAxes([energy_axis_true, *others])),
        "geom_psf": image_irf.to_cube(MapAxes([*axes_psf, *others])),
        "geom_edisp": image_irf.to_cube(MapAxes([*axes_edisp, *others])),
    }
