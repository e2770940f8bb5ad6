"""What a dataset of sky maps becomes in one region: its sums, its means, and its responses at the centre."""

from typing import Any, Self

import astropy.units as u
import numpy as np

from lightpool.arrays import array_namespace, to_device, to_host
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.datasets.datasets import find_dataset_class
from lightpool.datasets.on_off_sums import OnOffSums
from lightpool.errors import GeometryError
from lightpool.irf import PSFMap
from lightpool.maps import Map, RegionGeom
from lightpool.maps.regions.sky_regions import region_center

__all__ = ["DatasetRegions", "region_maps"]


class DatasetRegions:
    """How a dataset of maps is brought to one region; base of `MapDataset`."""

    name: str
    stat_type: str
    psf: Any
    _geom: Any
    _gti: Any
    _meta_table: Any
    _derived: Any

    def to_region_map_dataset(self, region: Any, name: str | None = None) -> Self:
        """Dataset of the same kind, whose maps have one region instead of pixels.

        Counts, OFF counts and background are summed over the pixels of the region inside the safe mask, the
        background after its model was applied; the model is not taken over. Exposure and acceptance are means. PSF
        and energy dispersion are those at the centre of the region.

        Parameters
        ----------
        region : SkyRegion, PixelRegion, str in DS9 format, SkyCoord, or a list of them, whose union is taken
            None is the whole map.
        name : str, of the new dataset

        Raises
        ------
        GeometryError
            If the region reaches over the border of the map or holds no pixel centre, or if a mask is neither True
            nor False in all of it, at some energy.
        """
        dataset: Self = self._derived(name, region_maps(self, self._region_on_sky(region)))
        return dataset

    def to_spectrum_dataset(self, on_region: Any, containment_correction: bool = False, name: str | None = None) -> Any:
        """Spectrum of a region, see `to_region_map_dataset`; without a PSF.

        Parameters
        ----------
        on_region : SkyRegion, PixelRegion, str in DS9 format, SkyCoord, or a list of them
        containment_correction : bool
            Multiply the exposure by the part of the PSF inside the region: for a point source at the centre of a
            circle.
        name : str, of the new dataset

        Returns
        -------
        dataset : SpectrumDataset; of a dataset with OFF counts a SpectrumDatasetOnOff
            The acceptance of its OFF region is the one that gives the background summed over the region.
        """
        region = self._region_on_sky(on_region)
        maps = region_maps(self, region)
        if containment_correction:
            exposure = maps["exposure"]
            contained = np.reshape(self._containment(region, exposure), exposure.geom.data_shape)
            maps["exposure"] = exposure.copy(
                data=exposure.data * to_device(contained, exposure.device, dtype=dtype_name(exposure.data))
            )
        maps.pop("psf", None)
        spectrum_class: Any = find_dataset_class(
            "SpectrumDataset" if self.stat_type == "cash" else "SpectrumDatasetOnOff"
        )
        return spectrum_class(name=name, gti=self._gti.fork(), meta_table=self._meta_table.fork(), **maps)

    def _region_on_sky(self, region: Any) -> Any:
        """One sky region; None stays None."""
        return None if region is None else RegionGeom.from_regions(region, wcs=self._geom.wcs).region

    def _containment(self, region: Any, exposure: Map) -> np.ndarray[Any, Any]:
        """Part of the PSF inside a circle, shape (n_energy_true,)."""
        radius = getattr(region, "radius", None)
        if radius is None:
            raise TypeError(f"the containment correction is for circles, got a {type(region).__name__}")
        if not isinstance(self.psf, PSFMap):
            raise ValueError(
                f"dataset {self.name!r} has no PSF in true energy, so there is no containment correction; it has "
                f"{'none' if self.psf is None else type(self.psf).__name__}"
            )
        energy_true = exposure.geom.axes["energy_true"].center
        contained = self.psf.containment(rad=radius, energy_true=energy_true, position=region.center)
        return np.asarray(u.Quantity(contained).to_value(""))


def region_maps(dataset: Any, region: Any) -> dict[str, Any]:
    """Maps of a dataset in a region, by name.

    Parameters
    ----------
    dataset : MapDataset, or another kind of dataset on maps
    region : SkyRegion, or None for the whole map
    """
    if not dataset._geom.is_region and region is not None:
        _check_inside(dataset, region)
        _check_mask(dataset, region)
    maps, safe = dataset.maps, dataset.mask_safe
    sums = {name: maps[name] for name in ("counts", "counts_off") if name in maps}
    if "background" in maps:
        sums["background"] = dataset.npred_background()
    new = {name: data.to_region_nd_map(region, func=np.sum, weights=safe) for name, data in sums.items()}
    for name in ("mask_safe", "mask_fit"):
        if name in maps:
            new[name] = maps[name].to_region_nd_map(region, func=np.any)
    if "exposure" in maps:
        new["exposure"] = maps["exposure"].to_region_nd_map(region, func=np.mean)
    for name in ("acceptance", "acceptance_off"):
        if name in maps:
            new[name] = _mean_or_zero(maps[name], region, safe)
    if {"counts_off", "acceptance", "acceptance_off"} <= set(new):
        background = dataset.background.to_region_nd_map(region, func=np.sum, weights=safe)
        parts = {name: new[name] for name in ("counts_off", "acceptance", "acceptance_off")}
        new["acceptance_off"] = OnOffSums(background=background, **parts).maps()[2]
    position = None if region is None else region_center(region)
    for name in ("psf", "edisp"):
        if name in maps:
            new[name] = maps[name].to_region_nd_map(position)
    return new


def _mean_or_zero(data: Map, region: Any, safe: Any) -> Map:
    """Mean over the safe pixels of a region; zero at energies that have none."""
    mean = data.to_region_nd_map(region, func=np.mean, weights=safe)
    xp = array_namespace(mean.data)
    new: Map = mean.copy(data=xp.where(xp.isnan(mean.data), xp.zeros_like(mean.data), mean.data))
    return new


def _check_inside(dataset: Any, region: Any) -> None:
    image = dataset._geom.to_image().pad(1, axis_name=None)
    inside = image.region_mask([region], device="cpu").data
    within = inside[1:-1, 1:-1]
    if np.count_nonzero(inside) > np.count_nonzero(within):
        raise GeometryError(
            f"{region!r} reaches over the border of dataset {dataset.name!r}, whose map is centred at "
            f"{image.center_skydir.to_string()} deg; take a region inside, or pad the dataset"
        )
    if not np.any(within):
        raise GeometryError(
            f"{region!r} holds no pixel centre of dataset {dataset.name!r}, whose map is centred at "
            f"{image.center_skydir.to_string()} deg with pixels of {image.pixel_scales[0]:.3g}; "
            "take a region inside the map, or a point for a single pixel"
        )


def _check_mask(dataset: Any, region: Any) -> None:
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
