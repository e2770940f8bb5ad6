"""The background from OFF runs: their events at the same position in the field of view."""

import logging
from collections.abc import Iterable
from typing import ClassVar, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, fov_matrix, frame_matrix, lonlat, rotate, unit_vectors
from lightpool.arrays.devices.array_types import Array
from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation
from lightpool.datasets import MapDataset, MapDatasetOnOff
from lightpool.datasets.geometries import pixels_of
from lightpool.makers.core import Maker, check_run, checked_angle, checked_mask, require_rows_of_pixels, safe_with_off
from lightpool.makers.map import MapDatasetMaker
from lightpool.makers.responses.fov_rotation import turns_against_the_sky
from lightpool.maps import Map, WcsGeom, WcsNDMap
from lightpool.typing import AngleLike, QuantityLike

__all__ = ["OffRunsBackgroundMaker"]

log = logging.getLogger(__name__)


class OffRunsBackgroundMaker(Maker):
    """Measure the background of a run with the events of other runs.

    The field of view of each OFF run is shifted onto that of the ON run, with the pointings and the directions of north
    aligned, so an event counts where the camera would have seen it. Asymmetries of the camera rotate with the sky; OFF
    runs with a similar azimuth keep them small.

    Parameters
    ----------
    off_observations : Observations or list of Observation
        Those that match the ON run are used, see `matching`.
    max_zenith_difference : Angle, Quantity or str
        Maximum difference of the zenith angles in the middle of the runs.
    max_time_difference : Quantity or str, optional
        Maximum difference of the times in the middle of the runs; unlimited by default.
    acceptance : {"background", "livetime"}
        Acceptances of the ON and OFF runs: the background templates of the runs, integrated over their times, or only
        the livetimes.
    exclusion_mask : WcsNDMap of bool, an image, optional
        False where gamma rays are expected. Events of OFF runs from there are not counted, and the acceptance is zero
        in the same pixels. Nothing outside this map is excluded.
    map_maker : MapDatasetMaker, optional
        Projects the templates. Give the one that made the dataset if its settings are not the default ones.
    """

    tag: ClassVar[str] = "OffRunsBackgroundMaker"
    available_acceptances: ClassVar[tuple[str, ...]] = ("background", "livetime")

    @accepts_gammapy
    def __init__(
        self,
        off_observations: Iterable[Observation],
        max_zenith_difference: AngleLike = "5 deg",
        max_time_difference: "QuantityLike | None" = None,
        acceptance: str = "background",
        exclusion_mask: WcsNDMap | None = None,
        map_maker: MapDatasetMaker | None = None,
    ) -> None:
        if acceptance not in self.available_acceptances:
            raise ValueError(f"acceptance must be one of {self.available_acceptances}, got {acceptance!r}")
        checked_mask(exclusion_mask)
        if exclusion_mask is not None and not exclusion_mask.geom.is_image:
            raise ValueError(
                f"exclusion_mask must be an image, got a map with the axes {exclusion_mask.geom.axes.names}; "
                "geom.to_image().region_mask(regions, inside=False) makes one"
            )
        self.off_observations = list(off_observations)
        self.max_zenith_difference = checked_angle("max_zenith_difference", max_zenith_difference)
        self.max_time_difference = None if max_time_difference is None else u.Quantity(max_time_difference)
        if not self.max_zenith_difference > 0 * u.deg:
            raise ValueError(f"max_zenith_difference must be a positive angle, got {max_zenith_difference!r}")
        if self.max_time_difference is not None:
            if not (self.max_time_difference.unit.is_equivalent("d") and self.max_time_difference > 0 * u.d):
                raise ValueError(
                    f"max_time_difference must be a positive time with its unit, as '3 d', got {max_time_difference!r}"
                )
            self.max_time_difference = self.max_time_difference.to("d")
        self.acceptance = acceptance
        self.exclusion_mask = exclusion_mask
        self.map_maker = MapDatasetMaker() if map_maker is None else map_maker

    def matching(self, observation: Observation) -> list[Observation]:
        """Return the OFF observations with a similar zenith angle and time as an ON observation, except itself."""
        middle, zenith = observation.tmid, _zenith(observation)
        found = []
        for off in self.off_observations:
            if off.obs_id == observation.obs_id:
                continue
            if self.max_time_difference is not None and abs(off.tmid - middle) > self.max_time_difference:
                continue
            if abs(_zenith(off) - zenith) <= self.max_zenith_difference:
                found.append(off)
        return found

    @accepts_gammapy
    def run(self, dataset: MapDataset, observation: Observation | None = None) -> MapDatasetOnOff:
        """Return a dataset with the counts and the acceptance of the OFF runs.

        Parameters
        ----------
        dataset : MapDataset
            With counts of the ON observation, and its background if that is the acceptance. The template itself is
            used: a norm fitted to the ON counts would not apply to the OFF runs.
        observation : Observation
            The ON run.

        Returns
        -------
        dataset : MapDatasetOnOff
            With the same name. Pixels without OFF acceptance are masked: all, with a warning, if no run matches.
        """
        observation = self._checked(dataset, observation)
        geom, device, precision = dataset.required("counts").geom, dataset.device, dataset.precision
        counts_off = Map.from_geom(geom, dtype=precision, device=device)
        acceptance_off = Map.from_geom(geom, dtype=precision, device=device)
        runs = self.matching(observation)
        for off in runs:
            counts, acceptance = self._counts(off, observation, dataset), self._acceptance(off, observation, dataset)
            if self.exclusion_mask is not None:
                kept = _kept_pixels(
                    self.exclusion_mask.to(device),
                    cast("WcsGeom", geom),
                    observation.pointing_radec,
                    off.pointing_radec,
                )
                # Both with the same pixels: an exclusion on one alone would bias alpha.
                counts, acceptance = counts * kept, acceptance * kept
            counts_off, acceptance_off = counts_off + counts, acceptance_off + acceptance
        if not runs:
            log.warning("observation %s: no OFF run matches it, its mask_safe is False everywhere", observation.obs_id)
        livetime = float(observation.observation_live_time_duration.to_value("s"))
        on_off = MapDatasetOnOff.from_map_dataset(
            dataset,
            acceptance=dataset.required("background") if self.acceptance == "background" else livetime,
            acceptance_off=acceptance_off,
            counts_off=counts_off,
            name=dataset.name,
        )
        on_off.mask_safe = safe_with_off(dataset, acceptance_off)
        return on_off

    def _checked(self, dataset: MapDataset, observation: Observation | None) -> Observation:
        check_run(self.tag, dataset, observation, needs_observation=False)
        if type(dataset) is not MapDataset or dataset.counts is None or dataset.counts.geom.is_region:
            raise TypeError(f"OffRunsBackgroundMaker needs a MapDataset with counts, got a {type(dataset).__name__}")
        require_rows_of_pixels("OffRunsBackgroundMaker", dataset)
        if observation is None:
            raise ValueError(f"the observation of dataset {dataset.name!r} is needed, to match OFF runs with it")
        if self.acceptance == "background" and dataset.background is None:
            raise ValueError(
                f"dataset {dataset.name!r} has no background as acceptance; run MapDatasetMaker with 'background' in "
                "its selection first, or choose acceptance='livetime'"
            )
        return observation

    @staticmethod
    def _counts(off: Observation, observation: Observation, dataset: MapDataset) -> Map:
        """Return the counts of an OFF run, with its events shifted to the field of view of the ON run."""
        arrays = off.required("events").arrays
        # From directions in ICRS to the field of view of the OFF run, and back from that of the ON run.
        # The inverse of a rotation is its transpose.
        turn = _matrix(observation.pointing_radec).T @ _matrix(off.pointing_radec)
        lon, lat = lonlat(rotate(turn, unit_vectors(arrays["lon"], arrays["lat"])))
        counts: Map = Map.from_geom(dataset.required("counts").geom, dtype=dataset.precision, device=dataset.device)
        positions = SkyCoord(lon, lat, unit="rad", frame="icrs")
        counts.fill_by_coord({"skycoord": positions, "energy": u.Quantity(arrays["energy"], "TeV", copy=False)})
        return counts

    def _acceptance(self, off: Observation, observation: Observation, dataset: MapDataset) -> Map:
        geom, device, precision = dataset.required("counts").geom, dataset.device, dataset.precision
        if self.acceptance == "livetime":
            livetime = off.observation_live_time_duration.to_value("s")
            return Map.from_geom(geom, data=float(livetime), dtype=precision, device=device)
        bkg = off.required("bkg")
        if turns_against_the_sky(bkg):
            raise ValueError(
                f"the background table of observation {off.obs_id} is aligned with the horizon and cannot be shifted "
                f"to the field of view of observation {observation.obs_id}; choose acceptance='livetime'"
            )
        location = off.observatory_earth_location
        # Time and table of the OFF run, pointing of the ON run: there its shifted events are.
        moved = Observation(off.obs_id, gti=off.gti, bkg=bkg, pointing=observation.pointing, location=location)
        return self.map_maker.make_background(geom, moved, device=device, precision=precision)


def _zenith(observation: Observation) -> u.Quantity:
    return observation.get_pointing_altaz(observation.tmid).zen


def _matrix(pointing: SkyCoord) -> NDArray[np.float64]:
    return fov_matrix(float(pointing.icrs.ra.rad), float(pointing.icrs.dec.rad))


def _kept_pixels(mask: WcsNDMap, geom: WcsGeom, pointing: SkyCoord, pointing_off: SkyCoord) -> Array:
    """Return the pixels of the ON field that are not excluded once shifted to an OFF run; bool, shape (ny, nx)."""
    # From the field of view of the ON run to the direction in which the OFF run saw the same part of its camera.
    vectors = rotate(_matrix(pointing_off).T, geom.offset_vectors(pointing, mask.device))
    if mask.geom.frame != "icrs":
        vectors = rotate(frame_matrix("icrs", mask.geom.frame), vectors)
    x, y = pixels_of(mask).sky_to_pix_array(*lonlat(vectors))
    xp = array_namespace(x, y)
    n_y, n_x = mask.geom.data_shape[-2:]
    inside = (x >= -0.5) & (x < n_x - 0.5) & (y >= -0.5) & (y < n_y - 0.5)  # False for NaN
    # The cast of NaN to an integer is undefined, so pixels outside look up pixel 0; `| ~inside` keeps them.
    zero = xp.zeros_like(x)
    # Pixel centres are whole numbers: floor(x + 0.5) is the pixel that contains x.
    column, row = (xp.astype(xp.floor(xp.where(inside, pixel, zero) + 0.5), xp.int64) for pixel in (x, y))
    values = xp.take(xp.reshape(mask.data, (-1,)), xp.reshape(row * n_x + column, (-1,)))
    return xp.reshape(values, x.shape) | ~inside
