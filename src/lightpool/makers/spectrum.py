"""From an observation to the spectrum of a region."""

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle

from lightpool.arrays import find_device, to_device
from lightpool.datasets import MapDataset
from lightpool.irf import IRF
from lightpool.makers.core import check_run
from lightpool.makers.coverage import warn_of_energies, warn_of_offset
from lightpool.makers.field_of_view import FieldOfView
from lightpool.makers.map import MapDatasetMaker
from lightpool.maps import Geom, Map, RegionGeom

__all__ = ["SpectrumDatasetMaker"]

log = logging.getLogger(__name__)


class SpectrumDatasetMaker(MapDatasetMaker):
    """Count the events of an observation in a region and take its responses there.

    A point region takes its size, bin by bin, from the directional cut of point-like responses (``RAD_MAX_2D``, or the
    keyword ``RAD_MAX``).

    Parameters
    ----------
    selection : list of {"counts", "background", "exposure", "edisp"}, optional
        What to make; all by default.
    containment_correction : bool
        Multiply the exposure by the part of the PSF inside the region: for a point source at the centre of a circle.
    background_oversampling : int, optional
        Split each energy bin into this many for the integral of the background.
    use_region_center : bool
        Take effective area and background at the centre of the region, or their mean over it. The energy dispersion is
        taken at the centre in both cases.
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
        self.use_region_center = use_region_center

    def run(self, dataset: MapDataset, observation: Any = None) -> MapDataset:
        """Reduce one observation on the region of a dataset.

        Parameters
        ----------
        dataset : SpectrumDataset
            Gives region, axes, name, device and precision; its values are not used.
        observation : Observation

        Returns
        -------
        dataset : a new SpectrumDataset
            Its safe mask is True everywhere; or False everywhere, with a warning, if the observation cannot see the
            region: outside its field of view, or at none of the energies of the dataset.
        """
        check_run(self.tag, dataset, observation)
        geom = dataset.counts.geom
        if not isinstance(geom, RegionGeom):
            raise TypeError(
                f"SpectrumDatasetMaker needs a dataset on a RegionGeom, got one on a {type(geom).__name__}; "
                "for sky maps use MapDatasetMaker"
            )
        made = super().run(dataset, observation)
        reason = _why_not_seen(dataset, observation, self.selection)
        if reason is not None:
            log.warning("dataset %s: %s; its mask_safe is False everywhere", dataset.name, reason)
            made.mask_safe = Map.from_geom(geom, data=False, device=dataset.device)
        return made

    def _warn_of_gaps(self, dataset: MapDataset, observation: Any) -> None:
        super()._warn_of_gaps(dataset, observation)
        tables = {"edisp": "edisp" in self.selection, "bkg": "background" in self.selection}
        tables["psf"] = "exposure" in self.selection and self.containment_correction
        geom = dataset.counts.geom
        offset = geom.separation(observation.pointing_radec) if any(tables.values()) else None
        for name in (name for name, is_used in tables.items() if is_used):
            table = getattr(observation, name)
            if isinstance(table, IRF):  # what is not there is reported where it is used
                warn_of_offset(observation.obs_id, name, table, offset)
        if tables["psf"] and isinstance(observation.psf, IRF):
            axis = dataset.exposure.geom.axes["energy_true"]
            warn_of_energies(observation.obs_id, "psf", observation.psf, axis)

    def _exposure(self, geom: Geom, observation: Any, view: FieldOfView) -> Map:
        exposure = super()._exposure(geom, observation, view)
        is_pointlike = observation.aeff.is_pointlike
        if is_pointlike and not self.use_region_center:
            log.warning(
                "observation %s: point-like responses hold at one position, not as a mean over a region; better leave "
                "use_region_center=True",
                observation.obs_id,
            )
        if not self.containment_correction:
            return exposure
        if is_pointlike:
            raise ValueError(
                f"observation {observation.obs_id} has point-like responses, which contain the effect of the "
                "directional cut already; leave containment_correction=False"
            )
        containment = _containment(geom, observation, view)
        return exposure.copy(data=exposure.data * to_device(containment, view.device, dtype=view.dtype))


def _containment(geom: Any, observation: Any, view: FieldOfView) -> np.ndarray[Any, Any]:
    """Part of the PSF inside a circle, shape (n_energy_true, 1, 1)."""
    radius = getattr(geom.region, "radius", None)
    if radius is None:
        raise TypeError(f"the containment correction is for circles, got a {type(geom.region).__name__}")
    if observation.psf is None:
        raise ValueError(f"observation {observation.obs_id} has no PSF, so there is no containment correction")
    containment = observation.psf.containment(
        rad=radius, offset=geom.separation(view.pointing), energy_true=geom.axes["energy_true"].center
    )
    return np.reshape(u.Quantity(containment).to_value(""), geom.data_shape)


def _why_not_seen(dataset: MapDataset, observation: Any, selection: set[str]) -> str | None:
    """Why the responses at a region are zero at all energies, or None if they need not be."""
    if "exposure" not in selection:
        return None
    axes = observation.aeff.axes
    view = FieldOfView(observation.pointing_radec, find_device("cpu"))
    offset = Angle(view.offset(dataset.counts.geom)[0, 0], "rad")
    if "offset" in axes.names and not axes["offset"].edges[0] <= offset <= axes["offset"].edges[-1]:
        low, high = axes["offset"].edges[[0, -1]].to_value("deg")
        limits = f"ends at {high:.2f} deg" if offset.deg > high else f"begins at {low:.2f} deg"
        return (
            f"the region is {offset.deg:.2f} deg from the pointing of observation {observation.obs_id}, whose "
            f"effective area {limits}"
        )
    table = axes["energy_true"].edges
    true = dataset.exposure.geom.axes["energy_true"]
    if not np.any((true.center >= table[0]) & (true.center <= table[-1])):
        return (
            f"no true energy from {true.edges[0]:.3g} to {true.edges[-1]:.3g} is in the effective area of observation "
            f"{observation.obs_id}, {table[0]:.3g} to {table[-1]:.3g}"
        )
    if "edisp" not in selection or observation.edisp is None:
        return None
    migra = observation.edisp.axes["migra"].edges
    low, high = true.edges[0] * migra[0], true.edges[-1] * migra[-1]
    energy = dataset.counts.geom.axes["energy"].edges
    if energy[0] >= high or energy[-1] <= low:
        return (
            f"no true energy from {true.edges[0]:.3g} to {true.edges[-1]:.3g} is ever reconstructed in the range of "
            f"the dataset, {energy[0]:.3g} to {energy[-1]:.3g}"
        )
    return None
