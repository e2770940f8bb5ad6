"""From an observation to a binned dataset."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, TypedDict

import astropy.units as u
from astropy.table import Table

from lightpool.arrays import Device, find_device
from lightpool.arrays.devices.memory import keep_freed_memory
from lightpool.arrays.devices.staging import Uploads
from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation
from lightpool.data.pointing_spread import pointing_spread
from lightpool.datasets import MapDataset, MapDatasetMetaData, estimate_memory
from lightpool.datasets.masks import all_true
from lightpool.datasets.merged_tables import DeferredRow, table_of_row
from lightpool.irf import BackgroundIRF, EDispKernelMap, EDispMap, IRFMap, PSFMap
from lightpool.irf.projection.requests import announce
from lightpool.makers.core import Maker, check_run, checked_angle
from lightpool.makers.differences import announce_of_dataset, announce_of_points, announce_of_tables
from lightpool.makers.of_datasets import dataset_of_dataset
from lightpool.makers.rad_max import make_counts_rad_max
from lightpool.makers.responses.dataset_coverage import warn_if_a_map_is_not_seen
from lightpool.makers.responses.fov_coordinates import FieldOfView, require_tracking
from lightpool.makers.responses.fov_rotation import Turning
from lightpool.makers.responses.kept_phases import kept_phases
from lightpool.makers.responses.response_maps import (
    BackgroundMapRequest,
    DatasetRequests,
    EDispKernelMapRequest,
    EDispMapRequest,
    ExposureRequest,
    PlanesBackgroundRequest,
    PSFMapRequest,
    Weight,
)
from lightpool.makers.responses.sky_responses import (
    SkyBackgroundRequest,
    SkyEDispRequest,
    SkyExposureRequest,
    SkyPSFRequest,
)
from lightpool.makers.responses.uncovered_bins import (
    require_ascending,
    warn_of_energies,
    warn_of_missing_rates,
    warn_of_ring,
    warn_of_spread,
)
from lightpool.maps import Geom, Map, MapAxis, RegionGeom
from lightpool.maps.event_counts import send_events
from lightpool.typing import AngleLike, MetaValue
from lightpool.utils.on_demand import Deferred

__all__ = ["MapDatasetMaker"]


class _Made(TypedDict, total=False):
    """Parts of a dataset."""

    counts: Map
    mask_safe: Map
    exposure: Map
    background: Map
    psf: PSFMap
    edisp: EDispMap | EDispKernelMap


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
        Step of the rotation of the field of view, for response tables aligned with the horizon: a pixel at an offset
        moves in the field by that offset times the step, in rad, between two evaluations.
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
        fov_rotation_step: AngleLike = 1.0 * u.deg,
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

    @accepts_gammapy
    def run(self, dataset: MapDataset, observation: Observation | MapDataset | None = None) -> MapDataset:
        """Reduce one observation on the geometry of a dataset.

        Parameters
        ----------
        dataset : MapDataset
            Gives geometry, name, device and precision; its values are not used.
        observation : Observation, or MapDataset whose exposure, PSF and energy dispersion are interpolated

        Returns
        -------
        dataset : a new MapDataset; its safe mask is True everywhere
        """
        if isinstance(observation, MapDataset) and isinstance(dataset, MapDataset):
            return dataset_of_dataset(dataset, observation, self.selection)
        observation = check_run(self.tag, dataset, observation)
        announce_of_dataset(dataset)
        # The next observation needs maps of about the same sizes, which can take over the memory of these.
        keep_freed_memory()
        device, precision = dataset.device, dataset.precision
        counts_geom = dataset.required("counts").geom
        # Not the responses: they may be stacked without ever standing in memory as a whole.
        estimate = estimate_memory(counts_geom, precision=precision)
        estimate.require(device, f"what {self.tag} makes of observation {observation.obs_id}")
        made: _Made = {"mask_safe": all_true(counts_geom, device)}
        if "counts" in self.selection:
            announce_of_points(counts_geom)
            made["counts"] = self.make_counts(counts_geom, observation, device=device, precision=precision)
        else:
            # Zeros, not None, as in Gammapy: the counts carry the geometry of the dataset.
            made["counts"] = Map.from_geom(counts_geom, dtype=precision, device=device)
        tables = observation.with_tables_loaded_once()
        if self.selection - {"counts"}:
            view = FieldOfView(lambda: observation.given_pointing, device, precision)
            made.update(self._make_responses(dataset, tables, view))
            if not counts_geom.is_region:
                warn_if_a_map_is_not_seen(dataset, tables, view, self.selection)
        # The row alone: a list of datasets would otherwise keep an astropy table of some kB for each of them.
        row = _meta_row(tables)
        meta = Deferred(partial(MapDatasetMetaData.of_observation, row, datetime.now(tz=UTC)))
        return type(dataset)(name=dataset.name, gti=observation.gti, meta_table=DeferredRow(row), meta=meta, **made)

    def send_ahead(self, dataset: MapDataset, observation: Observation, uploads: Uploads) -> None:
        """Send the events that will be counted, see `Maker.send_ahead`.

        Parameters
        ----------
        dataset : MapDataset, the reference dataset
        observation : Observation
        uploads : Uploads to the device of the dataset
        """
        events = observation.events
        is_kept = events is observation.events  # a filter makes another list each time
        if "counts" in self.selection and events is not None and is_kept:
            send_events(events, dataset.required("counts").geom, uploads)

    def requests(self, dataset: MapDataset, observation: Observation) -> DatasetRequests:
        """Decide what each selected response of an observation needs: tables, energies, and how to project them.

        Parameters
        ----------
        dataset : MapDataset with the geometries of the responses
        observation : Observation

        Returns
        -------
        requests : DatasetRequests
        """
        geoms = {name: _geom(dataset, name) for name in ("exposure", "psf", "edisp") if name in self.selection}
        for axis in (axis for geom in (dataset.required("counts").geom, *geoms.values()) for axis in geom.axes):
            # Only axes of numbers can descend.
            if isinstance(axis, MapAxis) and axis.name in ("energy", "energy_true"):
                require_ascending(dataset.name, axis)
        exposure = background = psf = edisp = None
        turning = self._turning(observation)
        if "exposure" in geoms:
            exposure = _exposure_request(geoms["exposure"], turning, self.use_region_center)
        if "background" in self.selection:
            background = self._background_request(dataset.required("counts").geom, turning)
        if "psf" in geoms:
            psf = _psf_request(geoms["psf"], turning, exposure)
        if "edisp" in geoms:
            has_migra = "migra" in geoms["edisp"].axes.names
            weight = exposure if psf is None else psf.exposure
            edisp = (_edisp_request if has_migra else _edisp_kernel_request)(geoms["edisp"], turning, weight)
        return DatasetRequests(exposure=exposure, background=background, psf=psf, edisp=edisp)

    def _make_responses(self, dataset: MapDataset, observation: Observation, view: FieldOfView) -> _Made:
        requests = self.requests(dataset, observation)
        announce_of_tables(request.irf for request in requests.by_table.values())
        # One transfer of all tables of an observation takes as long as that of one of them.
        parts = (part for request in requests.by_table.values() for part in request.parts)
        announce(parts, view.device, view.dtype)
        self._warn_of_gaps(dataset, observation, requests)
        made: _Made = {}
        if requests.exposure is not None:
            made["exposure"] = self._exposure(requests.exposure, observation, view)
        if requests.background is not None:
            made["background"] = requests.background.make(view)
        if requests.psf is not None:
            made["psf"] = requests.psf.make(view)
        if requests.edisp is not None:
            edisp = requests.edisp
            if isinstance(requests.psf, PSFMapRequest) and not isinstance(edisp, SkyEDispRequest):
                edisp = edisp.weighted_as(requests.psf, made["psf"].exposure_map)
            made["edisp"] = edisp.make(view)
        return made

    def _warn_of_gaps(self, dataset: MapDataset, observation: Observation, requests: DatasetRequests) -> None:
        """Warn of bins in which the responses are zero, because the tables of the observation do not cover them."""
        obs_id, energy = observation.obs_id, dataset.required("counts").geom.axes["energy"]
        for name, request in requests.by_table.items():
            if name in ("aeff", "psf"):
                warn_of_energies(obs_id, name, request.irf, request.geom.axes["energy_true"])
        warn_of_spread(
            obs_id,
            pointing_spread(observation),
            {name: request.irf for name, request in requests.by_table.items()},
        )
        if not dataset.required("counts").geom.is_region:
            for name, request in requests.by_table.items():
                warn_of_ring(obs_id, name, request.irf)
        if isinstance(requests.background, BackgroundMapRequest | PlanesBackgroundRequest):
            warn_of_missing_rates(obs_id, requests.background.irf, energy)

    @staticmethod
    def make_counts(
        geom: Geom, observation: Observation, *, device: Device | str | None = None, precision: str | None = None
    ) -> Map:
        """Return the counts map of an observation; in a point region, of the events inside the cut ``RAD_MAX_2D``.

        Parameters
        ----------
        geom : Geom
        observation : Observation
        device, precision : of the map, the default ones if not given
        """
        events = observation.required("events")
        if isinstance(geom, RegionGeom) and geom.is_all_point_sky_regions:
            return make_counts_rad_max(geom, observation.rad_max, events, device=device, precision=precision)
        return Map.from_events(geom, events, device, precision)

    def make_exposure(
        self,
        geom: Geom,
        observation: Observation,
        use_region_center: bool = True,
        *,
        device: Device | str | None = None,
        precision: str | None = None,
    ) -> Map:
        """Return the exposure in true energy, unit m2 s.

        Parameters
        ----------
        geom : Geom with an axis ``energy_true``
        observation : Observation
        use_region_center : bool
            On a region, take the exposure at its centre, unless the maker has ``use_region_center=False``; or its mean.
        device, precision : of the map, the default ones if not given
        """
        request = _exposure_request(geom, self._turning(observation), use_region_center and self.use_region_center)
        return self._exposure(request, observation, _view(observation, device, precision))

    def make_exposure_irf(
        self,
        geom: Geom,
        observation: Observation,
        use_region_center: bool = True,
        *,
        device: Device | str | None = None,
        precision: str | None = None,
    ) -> Map:
        """Return the exposure by which a response is weighted in a stack.

        Parameters
        ----------
        geom : Geom of the response, with one bin in axes other than ``energy_true``
        observation : Observation
        use_region_center : bool, whether a region has the exposure at its centre, or its mean
        device, precision : of the map, the default ones if not given
        """
        request = _exposure_request(geom, self._turning(observation), use_region_center)
        return request.make(_view(observation, device, precision))

    def make_background(
        self, geom: Geom, observation: Observation, *, device: Device | str | None = None, precision: str | None = None
    ) -> Map:
        """Return the background counts map.

        Parameters
        ----------
        geom : Geom with an axis ``energy``
        observation : Observation
        device, precision : of the map, the default ones if not given
        """
        request = self._background_request(geom, self._turning(observation))
        # Not `pointing_radec`: the table of a drift scan may turn, and its position is of no importance then.
        pointing = observation.pointing.get_icrs(observation.tstart, observation.observatory_earth_location)
        return request.make(FieldOfView(pointing, find_device(device), precision))

    def make_psf(
        self, geom: Geom, observation: Observation, *, device: Device | str | None = None, precision: str | None = None
    ) -> PSFMap:
        """Return the PSF map.

        Parameters
        ----------
        geom : Geom with the axes ``rad`` and ``energy_true``
        observation : Observation
        device, precision : of the map, the default ones if not given
        """
        return _psf_request(geom, self._turning(observation)).make(_view(observation, device, precision))

    def make_edisp(
        self, geom: Geom, observation: Observation, *, device: Device | str | None = None, precision: str | None = None
    ) -> EDispMap:
        """Return the energy dispersion map.

        Parameters
        ----------
        geom : Geom with the axes ``migra`` and ``energy_true``
        observation : Observation
        device, precision : of the map, the default ones if not given
        """
        request = _edisp_request(geom, self._turning(observation))
        made = request.make(_view(observation, device, precision))
        assert isinstance(made, EDispMap)  # the geometry has migra
        return made

    def make_edisp_kernel(
        self, geom: Geom, observation: Observation, *, device: Device | str | None = None, precision: str | None = None
    ) -> EDispKernelMap:
        """Return the map of energy dispersion kernels.

        Parameters
        ----------
        geom : Geom with the axes ``energy`` and ``energy_true``
        observation : Observation
        device, precision : of the map, the default ones if not given
        """
        request = _edisp_kernel_request(geom, self._turning(observation))
        made = request.make(_view(observation, device, precision))
        assert isinstance(made, EDispKernelMap)  # the geometry has the reconstructed energy
        return made

    def _exposure(
        self, request: ExposureRequest | SkyExposureRequest, observation: Observation, view: FieldOfView
    ) -> Map:
        """Return the exposure of a dataset; `SpectrumDatasetMaker` corrects it for the containment."""
        return request.make(view)

    def _turning(self, observation: Observation) -> Turning:
        return Turning(observation, self.fov_rotation_step)

    def _background_request(
        self, geom: Geom, turning: Turning
    ) -> BackgroundMapRequest | PlanesBackgroundRequest | SkyBackgroundRequest:
        observation = turning.observation
        given = observation.response("bkg")
        if isinstance(given, Map):
            return SkyBackgroundRequest.of(given, observation, geom, self.use_region_center)
        bkg, ontime = self._background_of(given), observation.observation_time_duration * kept_phases(observation)
        rotation = turning.of(bkg)
        if rotation is None:
            require_tracking(observation.pointing)  # of a drift scan there is no one position

        def on(pixels: Geom) -> BackgroundMapRequest:
            return BackgroundMapRequest.of(
                bkg, ontime, pixels, self.background_oversampling, self.use_region_center, rotation
            )

        return on(geom) if geom.is_regular else PlanesBackgroundRequest.of(geom, on)

    def _background_of(self, bkg: BackgroundIRF) -> BackgroundIRF:
        """Return the background table as it is projected; the table of the observation caches it."""
        pads = self.background_pad_offset and bkg.has_offset_axis

        def make() -> BackgroundIRF:
            # Fill first: the padded bin repeats the last one, with its gaps.
            filled = bkg.interp_missing_data(axis_name="energy") if self.background_interp_missing_data else bkg
            table = filled.pad(1, mode="edge", axis_name="offset") if pads else filled
            if table is not bkg:
                table.data.flags.writeable = False  # what cannot change needs no checksum to see that it has not
            return table

        return bkg.derived(("filled", self.background_interp_missing_data, pads), make)

    @staticmethod
    def make_meta_table(observation: Observation) -> Table:
        """Return one row with the telescope, the observation and the pointing of a dataset."""
        return table_of_row(_meta_row(observation))


def _exposure_request(
    geom: Geom, turning: Turning, use_region_center: bool = True
) -> ExposureRequest | SkyExposureRequest:
    observation = turning.observation
    aeff = observation.response("aeff")
    if isinstance(aeff, Map):
        return SkyExposureRequest.of(aeff, observation, geom, use_region_center)
    if aeff.is_pointlike and not geom.is_region:
        raise ValueError(
            f"observation {observation.obs_id} has point-like responses: its effective area holds inside a "
            "directional cut and not all over a sky map; use SpectrumDatasetMaker on a RegionGeom of a "
            "PointSkyRegion, or of a CircleSkyRegion of the radius RAD_MAX"
        )
    livetime = observation.observation_live_time_duration
    return ExposureRequest.of(aeff, livetime, geom, use_region_center, turning.of(aeff))


def _weight(geom: Geom, turning: Turning, known: Weight) -> ExposureRequest | SkyExposureRequest:
    """Return the exposure by which a response is weighted, from that of another map of the observation if known."""
    if isinstance(known, ExposureRequest) and not (geom.is_region or known.geom.is_region):
        return known.on(geom)
    return _exposure_request(geom, turning)


def _sky_weight(observation: Observation, geom: Geom) -> SkyExposureRequest | None:
    """Return the exposure by which a response map is weighted, if the effective area is a map too."""
    aeff = observation.aeff
    return SkyExposureRequest.of(aeff, observation, geom) if isinstance(aeff, Map) else None


def _psf_request(geom: Geom, turning: Turning, known: Weight = None) -> PSFMapRequest | SkyPSFRequest:
    psf = turning.observation.response("psf")
    if isinstance(psf, PSFMap):
        return SkyPSFRequest.of(psf, turning.observation, geom, _sky_weight(turning.observation, geom))
    # Stacking weights all bins of `rad` with the exposure of their energy: it has one bin there.
    exposure = _weight(geom.squash(axis_name="rad"), turning, known)
    return PSFMapRequest.of(psf, geom, exposure, turning.of(psf))


def _edisp_request(geom: Geom, turning: Turning, known: Weight = None) -> EDispMapRequest | SkyEDispRequest:
    edisp = turning.observation.response("edisp")
    if isinstance(edisp, IRFMap):
        return SkyEDispRequest.of(edisp, turning.observation, geom, _sky_weight(turning.observation, geom))
    exposure = _weight(geom.squash(axis_name="migra"), turning, known)
    return EDispMapRequest.of(edisp, geom, exposure, turning.of(edisp))


def _edisp_kernel_request(
    geom: Geom, turning: Turning, known: Weight = None
) -> EDispKernelMapRequest | SkyEDispRequest:
    edisp = turning.observation.response("edisp")
    if isinstance(edisp, IRFMap):
        return SkyEDispRequest.of(edisp, turning.observation, geom, _sky_weight(turning.observation, geom))
    exposure = _weight(geom.squash(axis_name="energy"), turning, known)
    return EDispKernelMapRequest.of(edisp, geom, exposure, rotation=turning.of(edisp))


def _view(observation: Observation, device: Device | str | None, precision: str | None) -> FieldOfView:
    return FieldOfView(lambda: observation.given_pointing, find_device(device), precision)


def _geom(dataset: MapDataset, name: str) -> Geom:
    """Return the geometry on which a dataset asks for a response."""
    response = getattr(dataset, name)
    if response is None:
        raise ValueError(
            f"{type(dataset).__name__} {dataset.name!r} has no {name}, so it is not known on which axes to make it; "
            f"leave {name!r} out of the selection of the maker, or make the dataset by {type(dataset).__name__}.create"
        )
    geom: Geom = response.geom
    return geom


def _meta_row(observation: Observation) -> dict[str, MetaValue]:
    aeff = observation.aeff
    telescope = "Unknown" if aeff is None else aeff.meta.get("TELESCOP", "Unknown")
    return {"TELESCOP": telescope, "OBS_ID": observation.obs_id, **observation.pointing.keywords}
