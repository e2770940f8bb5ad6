"""The maps of a dataset in one region: their sums, their means, and the responses at the centre."""

from typing import cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, to_device, to_host
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.datasets.base import DatasetBase, DatasetPart
from lightpool.datasets.on_off_sums import OnOffSums
from lightpool.errors import GeometryError
from lightpool.irf import IRFMap, PSFMap
from lightpool.maps import Map, RegionGeom, WcsGeom
from lightpool.maps.regions.sky_regions import region_center
from lightpool.typing import OneRegion, RegionLike

__all__ = ["region_maps", "region_on_sky", "require_circle", "spectrum_maps"]


def region_on_sky(dataset: DatasetBase, region: "RegionLike | None") -> "OneRegion | None":
    """Return one sky region; None stays None.

    Parameters
    ----------
    dataset : DatasetBase, whose projection pixel regions refer to
    region : SkyRegion, PixelRegion, str in DS9 format, SkyCoord, or a list of them
    """
    if region is None:
        return None
    return RegionGeom.from_regions(region, wcs=dataset.geom.wcs).region


def spectrum_maps(
    dataset: DatasetBase, on_region: "RegionLike", containment_correction: bool
) -> dict[str, DatasetPart]:
    """Return the maps of the spectrum of a region by name, see `MapDataset.to_spectrum_dataset`.

    Parameters
    ----------
    dataset : DatasetBase, on maps
    on_region : SkyRegion, PixelRegion, str in DS9 format, SkyCoord, or a list of them
    containment_correction : bool, whether to multiply the exposure by the part of the PSF inside the region
    """
    region = region_on_sky(dataset, on_region)
    maps = region_maps(dataset, region)
    exposure = maps.get("exposure")
    if containment_correction and isinstance(exposure, Map):
        # (n_energy_true, 1, 1)
        contained = np.reshape(_containment(dataset, region, exposure), exposure.geom.data_shape)
        factor = to_device(contained, exposure.device, dtype=dtype_name(exposure.data))
        maps["exposure"] = exposure.copy(data=exposure.data * factor)
    maps.pop("psf", None)
    return maps


def require_circle(region: "OneRegion | None") -> tuple[SkyCoord, u.Quantity]:
    """Return centre and radius of a circle, in which the containment of a point source is known.

    Raises
    ------
    TypeError
        If the region is not a circle.
    """
    radius: u.Quantity | None = getattr(region, "radius", None)
    center: SkyCoord | None = getattr(region, "center", None)
    if radius is None or center is None:
        got = "no region" if region is None else f"a {type(region).__name__}"
        raise TypeError(f"the containment correction is for circles, got {got}")
    return center, radius


def _containment(dataset: DatasetBase, region: "OneRegion | None", exposure: Map) -> NDArray[np.float64]:
    """Compute the fraction of the PSF inside a circle, shape (n_energy_true,)."""
    center, radius = require_circle(region)
    if not isinstance(dataset.psf, PSFMap):
        raise ValueError(
            f"dataset {dataset.name!r} has no PSF in true energy, so there is no containment correction; it has "
            f"{'none' if dataset.psf is None else type(dataset.psf).__name__}"
        )
    energy_true = exposure.geom.axes["energy_true"].center
    contained = dataset.psf.containment(rad=radius, energy_true=energy_true, position=center)
    return np.asarray(u.Quantity(contained).to_value(""))


def region_maps(dataset: DatasetBase, region: "OneRegion | None") -> dict[str, DatasetPart]:
    """Return the maps of a dataset in a region, by name.

    Parameters
    ----------
    dataset : DatasetBase, on maps
    region : SkyRegion, or None for the whole map
    """
    if not dataset.geom.is_region and region is not None:
        _check_inside(dataset, region)
        _check_mask(dataset, region)
    maps, safe = dataset.maps, dataset.mask_safe
    background = dataset.npred_background() if "background" in maps else None
    new: dict[str, DatasetPart] = {}
    if background is not None:
        maps = maps | {"background": background}
    for name, data in maps.items():
        if isinstance(data, IRFMap):
            new[name] = data.to_region_nd_map(None if region is None else region_center(region))
        elif name in ("counts", "counts_off", "background"):
            new[name] = data.to_region_nd_map(region, func=np.sum, weights=safe)
        elif name in ("mask_safe", "mask_fit"):
            new[name] = data.to_region_nd_map(region, func=np.any)
        elif name == "exposure":
            new[name] = data.to_region_nd_map(region, func=np.mean)
        else:
            new[name] = _mean_or_zero(data, region, safe)
    off = {name: new[name] for name in ("counts_off", "acceptance", "acceptance_off") if name in new}
    # The mean acceptance of the OFF region would not give the summed background.
    if len(off) == 3:
        total = dataset.required("background").to_region_nd_map(region, func=np.sum, weights=safe)
        maps_off = {name: data for name, data in off.items() if isinstance(data, Map)}
        new |= OnOffSums(background=total, **maps_off).finish().maps
    elif "counts_off" not in off:
        new.pop("acceptance_off", None)
    return new


def _mean_or_zero(data: Map, region: "OneRegion | None", safe: Map | None) -> Map:
    """Average over the safe pixels of a region; zero at energies that have none."""
    mean: Map = data.to_region_nd_map(region, func=np.mean, weights=safe)
    xp = array_namespace(mean.data)
    return mean.copy(data=xp.where(xp.isnan(mean.data), xp.zeros_like(mean.data), mean.data))


def _check_inside(dataset: DatasetBase, region: "OneRegion") -> None:
    original = cast(WcsGeom, dataset.geom).to_image()  # or one of HEALPix pixels
    # One more pixel on each side: a region that reaches over the border has pixels there.
    image = original if original.is_hpx and original.is_allsky else original.pad(1, axis_name=None)
    inside = to_host(image.region_mask([region], device="cpu").data)  # host: it was made there
    within = inside[1:-1, 1:-1] if inside.ndim == 2 else np.asarray(original.region_mask_array([region], device="cpu"))
    if np.count_nonzero(inside) > np.count_nonzero(within):
        raise GeometryError(
            f"{region!r} reaches over the border of dataset {dataset.name!r}, whose map is centred at "
            f"{image.center_skydir.to_string()} deg; take a region inside, or pad the dataset"
        )
    if not np.any(within):
        raise GeometryError(
            f"{region!r} holds no pixel centre of dataset {dataset.name!r}, whose map is centred at "
            f"{image.center_skydir.to_string()} deg with pixels of {np.ravel(image.pixel_scales)[0]:.3g}; "
            "take a region inside the map, or a point for a single pixel"
        )


def _check_mask(dataset: DatasetBase, region: "OneRegion") -> None:
    """Refuse a region in which the mask differs from pixel to pixel: its exposure would not be that of its counts."""
    mask = dataset.mask
    if mask is None or mask.geom.is_region:
        return
    any_safe, all_safe = (mask.to_region_nd_map(region, func=func).data for func in (np.any, np.all))
    mixed = to_host(any_safe & ~all_safe)[..., 0, 0]  # host: a decision, one value per energy
    if np.any(mixed):
        raise GeometryError(
            f"the mask of dataset {dataset.name!r} cuts through {region!r} in {np.count_nonzero(mixed)} of "
            f"{mixed.size} bins of energy, expected it to be True or False in all of the region; take "
            "a region wholly inside or outside of it, or leave out energies with slice_by_energy"
        )
