"""The background of a region, counted in reflected regions of the same run."""

import logging
from typing import TYPE_CHECKING, Any

from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation
from lightpool.data.pointing_spread import pointing_spread
from lightpool.datasets import MapDataset, SpectrumDatasetOnOff
from lightpool.makers.core import Maker, check_run, warn_of_odd_mask
from lightpool.makers.differences import announce_of_dataset, announce_of_points
from lightpool.makers.rad_max import (
    are_regions_overlapping_rad_max,
    is_rad_max_compatible_region_geom,
    make_counts_off_rad_max,
)
from lightpool.makers.region_finders import (
    OffRegions,
    ReflectedRegionsFinder,
    RegionsFinder,
    WobbleRegionsFinder,
    exclusion_image,
)
from lightpool.maps import Map, RegionGeom, RegionNDMap, WcsNDMap
from lightpool.maps.periodic_wcs import Plane
from lightpool.typing import AngleLike
from lightpool.utils.deviations import deviates, deviations_are_heard

if TYPE_CHECKING:
    from lightpool.typing import OneRegion

__all__ = ["ReflectedRegionsBackgroundMaker", "ReflectedRegionsFinder", "RegionsFinder", "WobbleRegionsFinder"]

log = logging.getLogger(__name__)


class ReflectedRegionsBackgroundMaker(Maker):
    """Add OFF counts to a spectrum dataset, from regions at the same offset in the same run.

    Parameters
    ----------
    region_finder : RegionsFinder, optional
        A `ReflectedRegionsFinder` by default.
    exclusion_mask : WcsNDMap of bool, optional
        False where gamma rays are expected; in any frame and projection. Axes must have one bin.
    min_region_number : int
        With fewer regions the dataset is masked.
    **kwargs
        Arguments of `ReflectedRegionsFinder`, if no ``region_finder`` is given.

    Notes
    -----
    Source: Berge, Funk & Hinton 2007, A&A 466, 1219. With ``n`` OFF regions the ratio of acceptances ``alpha`` is
    ``1 / n``; no model of the acceptance is needed if it is radially symmetric.
    """

    tag = "ReflectedRegionsBackgroundMaker"

    @accepts_gammapy
    def __init__(
        self,
        region_finder: RegionsFinder | None = None,
        exclusion_mask: WcsNDMap | None = None,
        min_region_number: int = 1,
        **kwargs: "AngleLike | int",
    ) -> None:
        if region_finder is not None and kwargs:
            raise ValueError(f"a region_finder is given, so its options cannot be given too: {sorted(kwargs)}")
        if not isinstance(region_finder, RegionsFinder | None):
            raise TypeError(f"region_finder must be a RegionsFinder, got a {type(region_finder).__name__}")
        self.exclusion_mask = None if exclusion_mask is None else exclusion_image(exclusion_mask)
        if self.exclusion_mask is not None:
            warn_of_odd_mask(self.exclusion_mask)
        self.region_finder = _reflected_regions(**kwargs) if region_finder is None else region_finder
        if min_region_number < 1:
            raise ValueError(f"min_region_number must be 1 or more, got {min_region_number}")
        self.min_region_number = min_region_number

    def make_counts_off(self, dataset: MapDataset, observation: Observation) -> tuple[Map | None, Map]:
        """Return the counts in the OFF regions, and the number of regions as the acceptance.

        Parameters
        ----------
        dataset : SpectrumDataset
        observation : Observation

        Returns
        -------
        counts_off : RegionNDMap or None
            On the union of the OFF regions; None, with a warning, if there are too few.
        acceptance_off : RegionNDMap
            The number of regions; 0 if there are too few.
        """
        geom, device, precision = dataset.required("counts").geom, dataset.device, dataset.precision
        if not isinstance(geom, RegionGeom):
            raise TypeError(
                f"ReflectedRegionsBackgroundMaker needs a dataset on a RegionGeom, got one on a {type(geom).__name__}; "
                "for sky maps use FoVBackgroundMaker or RingBackgroundMaker"
            )
        region = geom.region
        if region is None:
            raise ValueError(f"the region of dataset {dataset.name!r} is unknown, so it has no OFF regions")
        _check_region(geom, observation)
        spread = pointing_spread(observation)
        if spread.is_divergent:
            log.warning(
                "observation %s: its telescopes point in different directions (%s); OFF regions at the offset of the "
                "ON region assume an acceptance that is symmetric about RA_PNT, DEC_PNT",
                observation.obs_id,
                spread.reason,
            )
        off = self._off_regions(region, observation)
        if geom.is_all_point_sky_regions:
            # The finder does not compare points, whose size is in the table RAD_MAX of the run.
            off = OffRegions(_without_overlap(region, off.regions, geom, observation), off.plane)
        if len(off) < self.min_region_number:
            log.warning(
                "dataset %s: %d OFF regions outside the exclusion mask, needed are %d: no OFF counts",
                dataset.name,
                len(off),
                self.min_region_number,
            )
            return None, RegionNDMap.from_geom(geom, data=0.0, dtype=precision, device=device)
        geom_off = off.geom([geom.axes["energy"]])
        if geom.is_all_point_sky_regions:
            counts_off = make_counts_off_rad_max(
                geom_off, observation.rad_max, observation.required("events"), device=device, precision=precision
            )
        else:
            counts_off = Map.from_geom(geom_off, dtype=precision, device=device)
            counts_off.fill_events(observation.required("events"))
        # All regions have the same offset and size: the acceptance of each is that of the ON region, which is 1.
        n_region = float(len(off))
        return counts_off, RegionNDMap.from_geom(geom_off, data=n_region, dtype=precision, device=device)

    def _off_regions(self, region: "OneRegion", observation: Observation) -> OffRegions:
        finder = self.region_finder
        # A finder of a user has a `run` of its own.
        if type(finder).run is RegionsFinder.run and "run" not in vars(finder):
            # The numbers in ICRS, where a SkyCoord is not needed.
            own = getattr(region, "center", None)
            is_icrs = own is not None and own.frame.name == "icrs"
            center = observation.pointing_degrees if is_icrs else observation.pointing_radec
            return finder.find(region, center, self.exclusion_mask)
        regions, wcs = finder.run(region, observation.pointing_radec, self.exclusion_mask)
        return OffRegions(regions, None if wcs is None else Plane(wcs))

    @accepts_gammapy
    def run(self, dataset: MapDataset, observation: Observation | None = None) -> SpectrumDatasetOnOff:
        """Return a dataset with ON and OFF counts.

        Parameters
        ----------
        dataset : SpectrumDataset
        observation : Observation

        Returns
        -------
        dataset : SpectrumDatasetOnOff
            With the same name. With too few OFF regions it has no ``counts_off``, its ``acceptance_off`` is 0 and its
            ``mask_safe`` False everywhere, with a warning, so it does not contribute to a stack.
        """
        observation = check_run(self.tag, dataset, observation)
        announce_of_dataset(dataset)
        announce_of_points(dataset.required("counts").geom)
        counts_off, acceptance_off = self.make_counts_off(dataset, observation)
        if counts_off is None and dataset.background is not None:
            deviates("no OFF region for a dataset with a background")
        found = SpectrumDatasetOnOff.from_spectrum_dataset(
            dataset=dataset,
            # Together with the number of regions as OFF acceptance: alpha is 1 / n.
            acceptance=1.0,
            acceptance_off=acceptance_off,
            # Too few regions: zeros, otherwise the background of the dataset would predict OFF counts.
            counts_off=acceptance_off if counts_off is None else counts_off,
            name=dataset.name,
        )
        if counts_off is None:
            found.counts_off = None
            found.mask_safe = RegionNDMap.from_geom(dataset.required("counts").geom, data=False, device=dataset.device)
            log.warning("dataset %s: without OFF counts its mask_safe is False everywhere", dataset.name)
        return found


def _reflected_regions(**kwargs: Any) -> RegionsFinder:
    return ReflectedRegionsFinder(**kwargs)


def _check_region(geom: RegionGeom, observation: Observation) -> None:
    """Refuse regions of another size than the cut of point-like responses; full-enclosure responses allow any."""
    rad_max, aeff = observation.rad_max, observation.aeff
    if rad_max is None:
        return
    if aeff is not None and not aeff.is_pointlike:
        deviates("RAD_MAX beside full-enclosure responses")
        return
    if not is_rad_max_compatible_region_geom(rad_max, geom):
        raise ValueError(
            f"observation {observation.obs_id} has point-like responses with a directional cut of their own: expected "
            f"a PointSkyRegion, or for a fixed cut a CircleSkyRegion of its radius, got {type(geom.region).__name__}"
        )


def _without_overlap(
    region: "OneRegion", off: "list[OneRegion]", geom: RegionGeom, observation: Observation
) -> "list[OneRegion]":
    """Return the OFF points, or none if any of their cuts overlap at any energy of the dataset."""
    rad_max = observation.rad_max
    if not off or rad_max is None:
        return off
    offset = geom.center_skydir.separation(observation.pointing_radec)
    e_min, e_max = geom.axes["energy"].bounds
    overlap = are_regions_overlapping_rad_max([region, *off], rad_max, offset, e_min, e_max)
    if deviations_are_heard() and overlap != are_regions_overlapping_rad_max(
        [region, *off], rad_max, offset, e_min, e_max, method="linear"
    ):
        deviates("overlap of cuts RAD_MAX")
    if not overlap:
        return off
    log.warning(
        "observation %s: the cuts RAD_MAX of the ON and the %d OFF regions overlap, so there are no OFF regions; "
        "choose fewer",
        observation.obs_id,
        len(off),
    )
    return []
