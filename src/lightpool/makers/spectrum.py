"""From an observation to the spectrum of a region."""

import logging
import math
from collections.abc import Sequence
from typing import ClassVar

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle
from numpy.typing import NDArray

from lightpool.arrays import to_device
from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.datasets.regions import require_circle
from lightpool.irf import IRF, PSFMap
from lightpool.irf.tables.psf_table import PSF
from lightpool.makers.core import check_run
from lightpool.makers.map import MapDatasetMaker
from lightpool.makers.responses.dataset_coverage import offset_of_region, why_a_region_is_not_seen
from lightpool.makers.responses.field_positions import Place, mean_with_area
from lightpool.makers.responses.fov_coordinates import FieldOfView
from lightpool.makers.responses.fov_rotation import Turning
from lightpool.makers.responses.response_maps import DatasetRequests, ExposureRequest
from lightpool.makers.responses.sky_responses import SkyExposureRequest
from lightpool.makers.responses.uncovered_bins import warn_of_energies, warn_of_offset
from lightpool.maps import Geom, Map, MapAxis, RegionGeom
from lightpool.utils.deviations import deviates, deviations_are_heard

__all__ = ["SpectrumDatasetMaker"]

log = logging.getLogger(__name__)

_LEAST_CONTAINMENT = 0.9
"""A region that contains a smaller fraction of a point source causes a warning if nothing is corrected."""


class SpectrumDatasetMaker(MapDatasetMaker):
    """Count the events of an observation in a region and evaluate its responses there.

    The size of a point region is, bin by bin, the directional cut of point-like responses (``RAD_MAX_2D``, or the
    keyword ``RAD_MAX``).

    Parameters
    ----------
    selection : list of {"counts", "background", "exposure", "edisp"}, optional
        What to make; all by default.
    containment_correction : bool
        Multiply the exposure by the fraction of the PSF inside the region: for a point source at the centre of a
        circle.
    background_oversampling : int, optional
        Number of parts into which each energy bin is split for the integral of the background.
    use_region_center : bool
        Whether effective area and background are evaluated at the centre of the region, or averaged over it. The energy
        dispersion is always evaluated at the centre.
    """

    tag = "SpectrumDatasetMaker"
    available_selection: ClassVar[tuple[str, ...]] = ("counts", "background", "exposure", "edisp")

    def __init__(
        self,
        selection: Sequence[str] | None = None,
        containment_correction: bool = False,
        background_oversampling: int | None = None,
        use_region_center: bool = True,
    ) -> None:
        super().__init__(selection=selection, background_oversampling=background_oversampling)
        self.containment_correction = containment_correction
        self._has_warned = False
        self.use_region_center = use_region_center

    @accepts_gammapy
    def run(self, dataset: MapDataset, observation: Observation | MapDataset | None = None) -> MapDataset:
        """Reduce one observation on the region of a dataset.

        Parameters
        ----------
        dataset : SpectrumDataset
            Reference for region, axes, name, device and precision; its values are not used.
        observation : Observation

        Returns
        -------
        dataset : SpectrumDataset
            A new one. Its safe mask is True everywhere; or False everywhere, with a warning, if the observation does
            not cover the region: outside its field of view, or at none of the energies of the dataset.
        """
        observation = check_run(self.tag, dataset, observation)
        geom = dataset.required("counts").geom
        if not isinstance(geom, RegionGeom):
            raise TypeError(
                f"SpectrumDatasetMaker needs a dataset on a RegionGeom, got one on a {type(geom).__name__}; "
                "for sky maps use MapDatasetMaker"
            )
        made = super().run(dataset, observation)
        reason = why_a_region_is_not_seen(dataset, observation, self.selection)
        if reason is not None:
            deviates("region that an observation does not see")
            log.warning("dataset %s: %s; its mask_safe is False everywhere", dataset.name, reason)
            made.mask_safe = Map.from_geom(geom, data=False, device=dataset.device)
        return made

    def _warn_of_gaps(self, dataset: MapDataset, observation: Observation, requests: DatasetRequests) -> None:
        super()._warn_of_gaps(dataset, observation, requests)
        tables = {"edisp": "edisp" in self.selection, "bkg": "background" in self.selection}
        tables["psf"] = "exposure" in self.selection and self.containment_correction
        used = [name for name, is_used in tables.items() if is_used]
        if not used:
            return
        offset = math.degrees(offset_of_region(dataset.required("counts").geom, observation))
        for name in used:
            table = getattr(observation, name)
            if isinstance(table, IRF):  # missing tables are reported where they are used
                warn_of_offset(observation.obs_id, name, table, offset)
        if tables["psf"] and isinstance(psf := observation.psf, IRF):
            warn_of_energies(observation.obs_id, "psf", psf, dataset.required("exposure").geom.axes["energy_true"])

    def _exposure(
        self, request: ExposureRequest | SkyExposureRequest, observation: Observation, view: FieldOfView
    ) -> Map:
        exposure, geom = super()._exposure(request, observation, view), request.geom
        is_pointlike = _is_pointlike(observation)
        if is_pointlike and not self.use_region_center:
            log.warning(
                "observation %s: point-like responses hold at one position, not as a mean over a region; use "
                "use_region_center=True",
                observation.obs_id,
            )
        if not self.containment_correction:
            self._warn_of_a_small_region(geom, observation)
            return exposure
        if is_pointlike:
            raise ValueError(
                f"observation {observation.obs_id} has point-like responses, which contain the effect of the "
                "directional cut already; leave containment_correction=False"
            )
        if deviations_are_heard() and _is_beyond_the_psf(geom, observation):
            deviates("containment beyond the last radius of a PSF")
        # (n_energy_true, 1, 1), like the exposure; made on the host, where the PSF is.
        containment = _containment(geom, self._turning(observation))
        return exposure.copy(data=exposure.data * to_device(containment, view.device, dtype=view.dtype))

    def _warn_of_a_small_region(self, geom: Geom, observation: Observation) -> None:
        """Warn, once, if a large fraction of the gamma rays of a point source is reconstructed outside the region."""
        radius = _radius(geom)
        if self._has_warned or radius is None or _is_pointlike(observation):
            return
        self._has_warned = True  # before the check, so that the PSF of only one run is read
        try:
            if observation.psf is None:
                return
            containment = _containment(geom, self._turning(observation)).ravel()
        except (OSError, ValueError):  # a PSF that is not used may be damaged
            return
        inside = containment[np.isfinite(containment) & (containment > 0)]  # energies without a PSF do not count
        middle = float(np.median(inside)) if inside.size else 1.0
        if middle < _LEAST_CONTAINMENT:
            log.warning(
                "observation %s: the region holds about %.0f %% of the events of a point source at its centre (PSF of "
                "full-enclosure responses, radius %.3g deg), so its flux is underestimated by the rest; "
                "containment_correction=True corrects the exposure. Reported only for the first observation",
                observation.obs_id,
                100 * middle,
                Angle(radius).deg,
            )


def _radius(geom: Geom) -> u.Quantity | None:
    """Return the radius of the region of a geometry, None if it is not a circle."""
    return getattr(geom.region, "radius", None) if isinstance(geom, RegionGeom) else None


def _is_pointlike(observation: Observation) -> bool:
    aeff = observation.response("aeff")
    return not isinstance(aeff, Map) and aeff.is_pointlike


def _is_beyond_the_psf(geom: Geom, observation: Observation) -> bool:
    radius, psf = _radius(geom), observation.psf
    if radius is None or not isinstance(psf, PSF) or "rad" not in psf.axes.names:
        return False
    axis = psf.axes["rad"]
    return isinstance(axis, MapAxis) and bool(radius > axis.edges[-1])


def _containment(geom: Geom, turning: Turning) -> NDArray[np.float64]:
    """Return the fraction of the PSF inside a circle, shape (n_energy_true, 1, 1)."""
    observation = turning.observation
    _, radius = require_circle(geom.region if isinstance(geom, RegionGeom) else None)
    if observation.psf is None:
        raise ValueError(f"observation {observation.obs_id} has no PSF, so there is no containment correction")
    psf, energy_true = observation.response("psf"), geom.axes["energy_true"].center
    if isinstance(psf, PSFMap):
        if psf.energy_name == "energy":
            raise ValueError(
                f"observation {observation.obs_id} has its PSF in reconstructed energy, and the exposure is in true "
                "energy, so there is no containment correction; leave containment_correction=False"
            )
        containment = psf.containment(rad=radius, energy_true=energy_true, position=geom.center_skydir)
    elif psf.field_arguments == ("offset",):
        offset = u.Quantity(offset_of_region(geom, observation), "rad")
        containment = psf.containment(rad=radius, energy_true=energy_true, offset=offset)
    else:

        def at(place: Place) -> NDArray[np.float64]:
            found = psf.containment(rad=radius, energy_true=energy_true, **place)
            return np.asarray(u.Quantity(found).to_value(""))

        containment = u.Quantity(mean_with_area(psf, turning, geom.center_skydir, energy_true, at))
    return np.reshape(u.Quantity(containment).to_value(""), geom.data_shape)
