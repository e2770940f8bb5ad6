"""From an observation to a binned dataset."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import astropy.units as u
from astropy.table import Table

from lightpool.arrays import Device, find_device
from lightpool.arrays.devices.memory import keep_freed_memory
from lightpool.arrays.devices.staging import Uploads
from lightpool.datasets import MapDataset, estimate_memory
from lightpool.irf import EDispKernelMap, EDispMap, FoVAlignment, PSFMap
from lightpool.irf.projection.node_table_cache import (
    aeff_table,
    background_table,
    edisp_kernel_table,
    edisp_table,
    psf_tables,
)
from lightpool.makers.core import Maker, check_run, checked_angle
from lightpool.makers.fov_coordinates import FieldOfView
from lightpool.makers.overlap import warn_if_a_map_is_not_seen
from lightpool.makers.rad_max import make_counts_rad_max
from lightpool.makers.uncovered_bins import require_ascending, warn_of_energies, warn_of_missing_rates, warn_of_ring
from lightpool.makers.utils import (
    make_edisp_kernel_map,
    make_edisp_map,
    make_map_background_irf,
    make_map_exposure_true_energy,
    make_psf_map,
)
from lightpool.maps import Geom, Map, RegionGeom
from lightpool.maps.event_counts import send_events
from lightpool.utils.on_demand import Deferred

__all__ = ["MapDatasetMaker"]

_RESPONSES = {"exposure", "psf", "edisp"}
"""What has an axis of true energy."""


class MapDatasetMaker(Maker):
    """Bin the events of an observation and project its responses.

    Parameters
    ----------
    selection : list of {"counts", "exposure", "background", "psf", "edisp"}, optional
        What to make; all by default.
    background_oversampling : int, optional
        Split each energy bin into this many for the integral of the background.
    background_interp_missing_data : bool
        Fill zeros and NaN of the background table by interpolation in energy.
    background_pad_offset : bool
        Repeat the last offset bin of a table in offset once more, so that the background does not stop at its edge.
    fov_rotation_step : Quantity, angle
        Step of the rotation of the field of view, for background tables aligned with the horizon.
    """

    tag = "MapDatasetMaker"
    available_selection: ClassVar[tuple[str, ...]] = ("counts", "exposure", "background", "psf", "edisp")
    reads_maps = False
    use_region_center = True

    def __init__(
        self,
        selection: Sequence[str] | None = None,
        background_oversampling: int | None = None,
        background_interp_missing_data: bool = True,
        background_pad_offset: bool = True,
        fov_rotation_step: u.Quantity = 1.0 * u.deg,
    ) -> None:
        selection = self.available_selection if selection is None else selection
        unknown = set(selection) - set(self.available_selection)
        if isinstance(selection, str) or unknown:
            raise ValueError(f"selection must be a list out of {list(self.available_selection)}, got {selection!r}")
        self.selection = set(selection)
        self.background_oversampling = background_oversampling
        self.background_interp_missing_data = background_interp_missing_data
        self.background_pad_offset = background_pad_offset
        self.fov_rotation_step = checked_angle("fov_rotation_step", fov_rotation_step)

    def run(self, dataset: MapDataset, observation: Any = None) -> MapDataset:
        """Reduce one observation on the geometry of a dataset.

        Parameters
        ----------
        dataset : MapDataset
            Gives geometry, name, device and precision; its values are not used.
        observation : Observation

        Returns
        -------
        dataset : a new MapDataset; its safe mask is True everywhere
        """
        check_run(self.tag, dataset, observation)
        keep_freed_memory()
        device, precision = dataset.device, dataset.precision
        counts_geom = dataset.counts.geom
        # Not the responses: they may be stacked without ever standing in memory as a whole.
        estimate = estimate_memory(counts_geom, precision=precision)
        estimate.require(device, f"what {self.tag} makes of observation {observation.obs_id}")
        everywhere = device.xp.ones(counts_geom.data_shape, dtype=device.xp.bool, device=device.handle)
        made: dict[str, Any] = {"mask_safe": Map.from_geom(counts_geom, data=everywhere, device=device)}
        if "counts" in self.selection:
            made["counts"] = self.make_counts(counts_geom, observation, device=device, precision=precision)
        else:
            made["counts"] = Map.from_geom(counts_geom, dtype=precision, device=device)
        if self.selection - {"counts"}:
            view = FieldOfView(observation.pointing_radec, device, precision)
            made |= self._make_responses(dataset, observation, view)
            if not counts_geom.is_region:
                warn_if_a_map_is_not_seen(dataset, observation, view, self.selection)
        meta_table = Deferred(partial(_meta_table, _meta_row(observation)))
        return type(dataset)(name=dataset.name, gti=observation.gti, meta_table=meta_table, **made)

    def send_ahead(self, dataset: MapDataset, observation: Any, uploads: Uploads) -> None:
        """Send the events that will be counted."""
        events = observation.events
        if "counts" in self.selection and events is observation.events:  # a filter makes another list each time
            send_events(events, dataset.counts.geom, uploads)

    def _make_responses(self, dataset: MapDataset, observation: Any, view: FieldOfView) -> dict[str, Any]:
        axes = dataset.counts.geom.axes, *(_geom(dataset, name).axes for name in sorted(self.selection & _RESPONSES))
        for axis in (each for group in axes for each in group if each.name in ("energy", "energy_true")):
            require_ascending(dataset.name, axis)
        self._announce_tables(dataset, observation, view)
        self._warn_of_gaps(dataset, observation)
        made: dict[str, Any] = {}
        if "exposure" in self.selection:
            made["exposure"] = self._exposure(_geom(dataset, "exposure"), observation, view)
        if "background" in self.selection:
            made["background"] = self.make_background(
                dataset.counts.geom, observation, device=view.device, precision=view.precision
            )
        if "psf" in self.selection:
            made["psf"] = self._psf(_geom(dataset, "psf"), observation, view)
        if "edisp" in self.selection:
            geom = _geom(dataset, "edisp")
            make = self._edisp if "migra" in geom.axes.names else self._edisp_kernel
            made["edisp"] = make(geom, observation, view)
        return made

    @staticmethod
    def make_counts(
        geom: Geom, observation: Any, *, device: Device | str | None = None, precision: str | None = None
    ) -> Map:
        """Counts map of the events of an observation; in a point region, those inside the cut ``RAD_MAX_2D``."""
        events = observation.required("events")
        if isinstance(geom, RegionGeom) and geom.is_all_point_sky_regions:
            return make_counts_rad_max(geom, observation.rad_max, events, device=device, precision=precision)
        return Map.from_events(geom, events, device, precision)

    def make_exposure(
        self, geom: Geom, observation: Any, *, device: Device | str | None = None, precision: str | None = None
    ) -> Map:
        """Exposure in true energy, unit m2 s; on a region at its centre, or its mean, as the maker is set."""
        return self._exposure(geom, observation, _view(observation, device, precision))

    def make_exposure_irf(
        self, geom: Geom, observation: Any, *, device: Device | str | None = None, precision: str | None = None
    ) -> Map:
        """Exposure on the geometry of a response, by which the response is weighted in a stack."""
        return self._exposure_irf(geom, observation, _view(observation, device, precision))

    def make_background(
        self, geom: Geom, observation: Any, *, device: Device | str | None = None, precision: str | None = None
    ) -> Map:
        """Background counts map."""
        bkg = self._background_of(observation)
        turns = not bkg.has_offset_axis and bkg.fov_alignment == FoVAlignment.ALTAZ
        return make_map_background_irf(
            pointing=observation.pointing,
            ontime=observation.observation_time_duration,
            bkg=bkg,
            geom=geom,
            time_start=observation.tstart if turns else None,
            fov_rotation_step=self.fov_rotation_step,
            oversampling=self.background_oversampling,
            use_region_center=self.use_region_center,
            location=observation.observatory_earth_location if turns else None,
            device=device,
            precision=precision,
        )

    def _background_of(self, observation: Any) -> Any:
        """Background table as it is projected; the table of the observation remembers it."""
        bkg = observation.required("bkg")
        pads = self.background_pad_offset and bkg.has_offset_axis

        def make() -> Any:
            filled = bkg.interp_missing_data(axis_name="energy") if self.background_interp_missing_data else bkg
            table = filled.pad(1, mode="edge", axis_name="offset") if pads else filled
            if table is not bkg:
                table.data.flags.writeable = False  # what cannot change needs no checksum to see that it has not
            return table

        return bkg.derived(("filled", self.background_interp_missing_data, pads), make)

    def _warn_of_gaps(self, dataset: MapDataset, observation: Any) -> None:
        """Warn of bins in which the responses are zero, because the tables of the observation do not cover them."""
        for name, part in (("exposure", "aeff"), ("psf", "psf")):
            if name in self.selection:
                axis = _geom(dataset, name).axes["energy_true"]
                warn_of_energies(observation.obs_id, part, observation.required(part), axis)
        if not dataset.counts.geom.is_region:
            for name, part in (("exposure", "aeff"), ("psf", "psf"), ("edisp", "edisp"), ("background", "bkg")):
                if name in self.selection:
                    warn_of_ring(observation.obs_id, part, observation.required(part))
        if "background" in self.selection:
            energy = dataset.counts.geom.axes["energy"]
            warn_of_missing_rates(observation.obs_id, self._background_of(observation), energy)

    def _announce_tables(self, dataset: MapDataset, observation: Any, view: FieldOfView) -> None:
        """Say which tables the device will be asked for: those of an observation travel together."""
        if view.device.is_host:
            return
        tables: list[Any] = []
        for name in sorted(self.selection & {"exposure", "psf", "edisp"}):
            axes = _geom(dataset, name).axes
            tables.append(aeff_table(observation.required("aeff"), axes["energy_true"]))
            if name == "psf":
                tables += psf_tables(observation.required("psf"), axes["energy_true"], axes["rad"])
            elif name == "edisp" and "migra" in axes.names:
                tables.append(edisp_table(observation.required("edisp"), axes["energy_true"], axes["migra"]))
            elif name == "edisp":
                tables.append(edisp_kernel_table(observation.required("edisp"), axes["energy"], axes["energy_true"]))
        if "background" in self.selection:
            energy, factor = dataset.counts.geom.axes["energy"], self.background_oversampling
            tables.append(
                background_table(self._background_of(observation), energy.upsample(factor) if factor else energy)
            )
        for table in tables:
            table.announce(view.device, view.dtype)

    def make_psf(
        self, geom: Geom, observation: Any, *, device: Device | str | None = None, precision: str | None = None
    ) -> PSFMap:
        """PSF map on a geometry with the axes ``rad`` and ``energy_true``."""
        return self._psf(geom, observation, _view(observation, device, precision))

    def make_edisp(
        self, geom: Geom, observation: Any, *, device: Device | str | None = None, precision: str | None = None
    ) -> EDispMap:
        """Energy dispersion map on a geometry with the axes ``migra`` and ``energy_true``."""
        return self._edisp(geom, observation, _view(observation, device, precision))

    def make_edisp_kernel(
        self, geom: Geom, observation: Any, *, device: Device | str | None = None, precision: str | None = None
    ) -> EDispKernelMap:
        """Map of energy dispersion kernels on a geometry with the axes ``energy`` and ``energy_true``."""
        return self._edisp_kernel(geom, observation, _view(observation, device, precision))

    def _exposure(self, geom: Geom, observation: Any, view: FieldOfView) -> Map:
        return self._exposure_irf(geom, observation, view, use_region_center=self.use_region_center)

    @staticmethod
    def _exposure_irf(geom: Geom, observation: Any, view: FieldOfView, *, use_region_center: bool = True) -> Map:
        livetime, aeff = observation.observation_live_time_duration, observation.required("aeff")
        if aeff.is_pointlike and not geom.is_region:
            raise ValueError(
                f"observation {observation.obs_id} has point-like responses: its effective area holds inside a "
                "directional cut and not all over a sky map; use SpectrumDatasetMaker on a RegionGeom of a "
                "PointSkyRegion, or of a CircleSkyRegion of the radius RAD_MAX"
            )
        return make_map_exposure_true_energy(view, livetime, aeff, geom, use_region_center)

    def _psf(self, geom: Geom, observation: Any, view: FieldOfView) -> PSFMap:
        exposure = self._exposure_irf(geom.squash(axis_name="rad"), observation, view)
        return make_psf_map(observation.required("psf"), view, geom, exposure)

    def _edisp(self, geom: Geom, observation: Any, view: FieldOfView) -> EDispMap:
        exposure = self._exposure_irf(geom.squash(axis_name="migra"), observation, view)
        return make_edisp_map(observation.required("edisp"), view, geom, exposure)

    def _edisp_kernel(self, geom: Geom, observation: Any, view: FieldOfView) -> EDispKernelMap:
        exposure = self._exposure_irf(geom.squash(axis_name="energy"), observation, view)
        return make_edisp_kernel_map(observation.required("edisp"), view, geom, exposure)

    @staticmethod
    def make_meta_table(observation: Any) -> Table:
        """One row that says which telescope, observation and pointing the dataset is of."""
        return _meta_table(_meta_row(observation))


def _view(observation: Any, device: Device | str | None, precision: str | None) -> FieldOfView:
    return FieldOfView(observation.pointing_radec, find_device(device), precision)


def _geom(dataset: MapDataset, name: str) -> Geom:
    """Geometry on which a dataset asks for a response."""
    response = getattr(dataset, name)
    if response is None:
        raise ValueError(
            f"{type(dataset).__name__} {dataset.name!r} has no {name}, so it is not known on which axes to make it; "
            f"leave {name!r} out of the selection of the maker, or make the dataset by {type(dataset).__name__}.create"
        )
    geom: Geom = response.geom
    return geom


def _meta_row(observation: Any) -> dict[str, Any]:
    aeff = observation.aeff
    telescope = "Unknown" if aeff is None else aeff.meta.get("TELESCOP", "Unknown")
    return {"TELESCOP": telescope, "OBS_ID": observation.obs_id, **observation.pointing.keywords}


def _meta_table(row: dict[str, Any]) -> Table:
    table = Table([row])
    for name in table.colnames:
        if name.endswith("_PNT"):
            table[name].unit = u.deg
    return table
