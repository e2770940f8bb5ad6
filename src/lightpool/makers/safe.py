"""Safe masks: the range of energies and offsets in which the responses can be trusted."""

import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.arrays import DeferredNumber, DeferredNumbers, array_namespace, constant, device_of, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.irf import IRF, Background3D, EDispKernel, EDispKernelMap
from lightpool.irf.projection.evaluation import evaluate_at
from lightpool.irf.reduced.energy_dispersion import edisp_kernel_at
from lightpool.makers.core import Maker, check_run, checked_angle
from lightpool.makers.differences import announce_of_dataset
from lightpool.makers.energy_thresholds import EnergyThreshold, first_crossing, is_recorded, record_threshold
from lightpool.makers.planes import existing_pixels, joined_planes, planes_of
from lightpool.makers.responses.field_positions import area_at, edisp_at
from lightpool.makers.responses.fov_coordinates import FieldOfView
from lightpool.makers.responses.fov_rotation import Turning
from lightpool.maps import Geom, Map, RegionGeom, WcsGeom
from lightpool.typing import AngleLike
from lightpool.utils.deviations import deviates

__all__ = ["SafeMaskMaker"]

log = logging.getLogger(__name__)

_STEP = 1 * u.deg
"""Step of the rotation of the field of view, for responses aligned with the horizon."""

AnyDataset = TypeVar("AnyDataset", bound=MapDataset)


class SafeMaskMaker(Maker):
    """Make ``mask_safe``: True keeps a bin.

    Methods are combined: a bin is kept if all of them keep it, if the existing mask of the dataset keeps it, and if its
    background is finite and positive.

    Parameters
    ----------
    methods : sequence of {"aeff-default", "aeff-max", "edisp-bias", "offset-max", "bkg-peak"}
        - ``aeff-default``: energies between the keywords LO_THRES and HI_THRES of the effective area, in TeV.
        - ``aeff-max``: energies above the one where the effective area first reaches ``aeff_percent`` of its maximum.
        - ``edisp-bias``: energies above the one where the bias of the energy dispersion, ``<E / E_true> - 1``, falls to
          ``bias_percent``.
        - ``offset-max``: offsets smaller than ``offset_max``.
        - ``bkg-peak``: energies from the bin with the highest background upwards.
    aeff_percent, bias_percent : float, percent
        Levels of the methods ``aeff-max`` and ``edisp-bias``.
    position : SkyCoord, optional
        Where the responses are evaluated for the energy thresholds; the centre of the map by default.
    fixed_offset : Quantity or Angle, optional
        Offset from the pointing where they are evaluated, instead of ``position``.
    offset_max : str, Quantity or Angle
        Offsets from here on are masked by the method ``offset-max``.
    irfs : {"DL4", "DL3"}
        Whether thresholds are derived from the reduced maps of the dataset, or from the tables of the observation.

    Notes
    -----
    The keywords LO_THRES and HI_THRES are those of GADF 0.3. The peak of the background as a threshold is described in
    Mohrmann et al. 2019, A&A 632, A72.
    """

    tag = "SafeMaskMaker"
    available_methods = frozenset({"aeff-default", "aeff-max", "edisp-bias", "offset-max", "bkg-peak"})
    presets: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {
            "keywords": ("aeff-default", "offset-max"),
            "effective-area": ("aeff-max", "offset-max"),
            "energy-bias": ("edisp-bias", "offset-max"),
            "field-of-view": ("edisp-bias", "bkg-peak", "offset-max"),
        }
    )
    """Methods that belong together, by name: the thresholds in the keywords of the files; energies with enough
    effective area; with little bias, as for spectra; and for a background model of the field of view, energies with
    little bias from the peak of the background upwards. All of them limit the offset."""

    def __init__(
        self,
        methods: Sequence[str] = ("aeff-default",),
        aeff_percent: float = 10,
        bias_percent: float = 10,
        position: SkyCoord | None = None,
        fixed_offset: "AngleLike | None" = None,
        offset_max: AngleLike = "3 deg",
        irfs: str = "DL4",
    ) -> None:
        if isinstance(methods, str):
            raise TypeError(f"methods must be a list of names, got the string {methods!r}; write [{methods!r}]")
        unknown = set(methods) - self.available_methods
        if unknown:
            raise ValueError(f"unknown methods {sorted(unknown)}; choose from {sorted(self.available_methods)}")
        if position is not None and fixed_offset is not None:
            raise ValueError("`position` and `fixed_offset` exclude each other, got both; leave one out")
        if irfs not in ("DL3", "DL4"):
            raise ValueError(f"irfs must be 'DL3' (tables) or 'DL4' (reduced maps), got {irfs!r}")
        self.methods = set(methods)
        self.aeff_percent = aeff_percent
        self.bias_percent = bias_percent
        self.position = position
        self.fixed_offset = None if fixed_offset is None else checked_angle("fixed_offset", fixed_offset)
        self.offset_max = checked_angle("offset_max", offset_max)
        self.irfs = irfs

    @accepts_gammapy
    def run(self, dataset: AnyDataset, observation: Observation | None = None) -> AnyDataset:
        """Set ``dataset.mask_safe``.

        Parameters
        ----------
        dataset : MapDataset
            Changed in place.
        observation : Observation, optional
            Needed by the methods ``offset-max`` and ``aeff-default``, with ``irfs="DL3"`` and with ``fixed_offset``.

        Returns
        -------
        dataset : the same dataset
        """
        check_run(self.tag, dataset, observation, needs_observation=False)
        if observation is None and self._needs_observation:
            raise ValueError(
                f"methods {sorted(self.methods)} with irfs={self.irfs!r} need the observation; "
                "use run(dataset, observation)"
            )
        announce_of_dataset(dataset)
        device = dataset.device
        xp = device.xp
        if dataset.mask_safe is not None:
            # A copy, since `&=` writes into the array, which belongs to a map of the caller.
            mask = xp.asarray(dataset.mask_safe.data, copy=True)
        else:
            mask = xp.ones(dataset.geom.data_shape, dtype=xp.bool, device=device.handle)
        if not dataset.geom.is_regular:
            mask &= existing_pixels(dataset.geom, device)
        if dataset.background is not None:
            mask &= self.make_mask_bkg_invalid(dataset)
        if "offset-max" in self.methods:
            # (ny, nx), the same at all energies
            mask &= self.make_mask_offset_max(dataset, observation)
        for name, threshold in self._energy_thresholds.items():
            if name in self.methods:
                mask &= threshold(dataset, observation).data
        dataset.mask_safe = Map.from_geom(dataset.geom, data=mask, device=device)
        return dataset

    @property
    def _needs_observation(self) -> bool:
        return self.irfs == "DL3" or bool(self.methods & {"offset-max", "aeff-default"})

    @property
    def _energy_thresholds(self) -> "dict[str, Callable[[MapDataset, Observation | None], Map]]":
        return {
            "aeff-default": self.make_mask_energy_aeff_default,
            "aeff-max": self.make_mask_energy_aeff_max,
            "edisp-bias": self.make_mask_energy_edisp_bias,
            "bkg-peak": self.make_mask_energy_bkg_peak,
        }

    @staticmethod
    def make_mask_bkg_invalid(dataset: MapDataset) -> Array:
        """Return the bins with a finite and, unless the statistic is ``wstat``, positive background."""
        background = dataset.required("background").data
        xp = array_namespace(background)
        mask = xp.isfinite(background)
        # With OFF counts the background is measured, and may be zero.
        return mask if dataset.stat_type == "wstat" else mask & (background > 0.0)

    def make_mask_offset_max(self, dataset: MapDataset, observation: Observation | None) -> Array:
        """Return the pixels closer to the pointing than ``offset_max``.

        Parameters
        ----------
        dataset : MapDataset
        observation : Observation

        Returns
        -------
        mask : array of bool, shape of the image, or of the data if the image planes have pixels of their own
        """
        observation = _needed(observation)
        view = FieldOfView(observation.given_pointing, dataset.device)

        def near(geom: Geom) -> Array:
            return view.offset(geom) < float(self.offset_max.rad)

        if dataset.geom.is_regular:
            return near(dataset.geom)
        planes = planes_of(dataset.geom)
        # with the axes of the plane, all of one bin
        masks = [dataset.device.xp.reshape(near(plane), plane.data_shape) for plane in planes]
        return joined_planes(dataset.geom, masks, False)

    @staticmethod
    def make_mask_energy_aeff_default(dataset: MapDataset, observation: Observation | None) -> Map:
        """Return the energies between LO_THRES and HI_THRES (in TeV) of the effective area.

        A keyword that is missing or zero does not cut.

        Parameters
        ----------
        dataset : MapDataset
        observation : Observation
        """
        observation = _needed(observation)
        meta = observation.required("aeff").meta
        bounds: dict[str, u.Quantity | None] = {}
        for name, keyword, edge in (("energy_min", "LO_THRES", "lower"), ("energy_max", "HI_THRES", "upper")):
            value = meta.get(keyword)
            # GADF: both keywords are in TeV, whatever the unit of the energy axis.
            bounds[name] = u.Quantity(value, u.TeV) if value else None
            if not value:
                log.warning("observation %s: no %s in its effective area, no %s cut", observation.obs_id, keyword, edge)
        return _energy_mask("aeff-default", dataset, **bounds)

    def make_mask_energy_aeff_max(self, dataset: MapDataset, observation: Observation | None = None) -> Map:
        """Return the energies above the one where the effective area reaches ``aeff_percent`` of its maximum.

        Parameters
        ----------
        dataset : MapDataset
        observation : Observation, optional
            Needed with ``irfs="DL3"`` or ``fixed_offset``.
        """
        if self.irfs == "DL3":
            observation = _needed(observation)
            table = observation.required("aeff")
            # At the edges, as in Gammapy; with "DL4" the threshold is interpolated between bin centres.
            edges = table.axes["energy_true"].edges
            aeff = self._area(observation, table, edges)
            above = edges[aeff > self.aeff_percent / 100 * aeff.max()]
            if not above.size:
                deviates("aeff-max without effective area")
                log.warning(
                    "observation %s: no effective area at an offset of %.2f deg, mask_safe is False everywhere",
                    observation.obs_id,
                    self._offset(observation).to_value("deg"),
                )
                return _nowhere(dataset)
            return _energy_mask("aeff-max", dataset, above.min())
        # The exposure is proportional to the effective area at each energy.
        exposure = _part(dataset, "exposure")
        position = self._position(observation, dataset.geom)
        spectrum = to_host(exposure.get_spectrum(position).data)[:, 0, 0]
        spectrum = np.where(np.isfinite(spectrum), spectrum, 0.0)  # gaps in a table, which were reported
        if not np.any(spectrum > 0):
            log.warning(
                "dataset %s: no exposure at %s, mask_safe is False everywhere", dataset.name, position.to_string()
            )
            return _nowhere(dataset)
        axis = exposure.geom.axes["energy_true"]
        threshold = self.aeff_percent / 100 * spectrum.max()
        crossing = first_crossing(axis.center.to_value("TeV"), spectrum, threshold)
        return _energy_mask("aeff-max", dataset, crossing * u.TeV)

    def make_mask_energy_edisp_bias(self, dataset: MapDataset, observation: Observation | None = None) -> Map:
        """Return the energies above the one where the bias falls to ``bias_percent``.

        Parameters
        ----------
        dataset : MapDataset
        observation : Observation, optional
            Needed with ``irfs="DL3"`` or ``fixed_offset``.
        """
        if self.irfs == "DL3":
            observation = _needed(observation)
            table = observation.required("edisp")
            kernel = self._kernel(observation, table)
        else:
            edisp, position = _part(dataset, "edisp"), self._position(observation, dataset.geom)
            if isinstance(edisp, EDispKernelMap):
                kernel = edisp.get_edisp_kernel(position=position)
            else:
                kernel = edisp.get_edisp_kernel(position=position, energy_axis=dataset.geom.axes["energy"])
        # The lowest, if the bias crosses this level more than once.
        return _energy_mask("edisp-bias", dataset, kernel.get_bias_energy(self.bias_percent / 100)[0])

    def make_mask_energy_bkg_peak(self, dataset: MapDataset, observation: Observation | None = None) -> Map:
        """Return the energies from the bin with the highest background upwards.

        Below the peak the background does not follow a power law: Mohrmann et al. 2019, A&A 632, A72.

        Parameters
        ----------
        dataset : MapDataset
        observation : Observation, optional
            Needed with ``irfs="DL3"``.
        """
        if self.irfs == "DL3":
            bkg = _needed(observation).required("bkg")
            table = bkg.to_2d() if isinstance(bkg, Background3D) else bkg
            spectrum = np.ravel(table.integral(axis_name="offset", offset=table.axes["offset"].bounds[1]).value)
            return _energy_mask("bkg-peak", dataset, table.axes["energy"].edges[int(np.argmax(spectrum))])
        _part(dataset, "background")
        background = dataset.npred_background()
        assert background is not None  # the dataset has one
        mask = _from_peak_upwards(background.data, dataset.geom.axes.index_data("energy"))
        if is_recorded():
            record_threshold(EnergyThreshold("bkg-peak", _lowest_kept(mask, dataset)))
        return Map.from_geom(dataset.geom, data=mask, device=dataset.device)

    def _area(self, observation: Observation, table: IRF, energy_true: u.Quantity) -> u.Quantity:
        """Return the effective area where the energy threshold is evaluated."""
        if table.field_arguments == ("offset",):
            return evaluate_at(table, energy_true=energy_true, offset=self._offset(observation))
        return area_at(table, Turning(observation, _STEP), self._place(observation), energy_true)

    def _kernel(self, observation: Observation, table: IRF) -> EDispKernel:
        """Return the energy dispersion where the energy threshold is evaluated."""
        if table.field_arguments == ("offset",):
            return edisp_kernel_at(table, {"offset": self._offset(observation)})
        return edisp_at(table, Turning(observation, _STEP), self._place(observation))

    def _place(self, observation: Observation) -> SkyCoord | None:
        if self.fixed_offset is None:
            return self.position
        # Any direction from the pointing, as in `_position`.
        return observation.pointing_radec.directional_offset_by(0 * u.deg, self.fixed_offset)

    def _offset(self, observation: Observation) -> u.Quantity:
        if self.fixed_offset is not None:
            return self.fixed_offset
        if self.position is not None:
            return observation.pointing_radec.separation(self.position)
        # In tables the default is the pointing, in maps the centre of the map, as in Gammapy.
        return 0 * u.deg

    def _position(self, observation: Observation | None, geom: WcsGeom | RegionGeom) -> SkyCoord:
        if self.fixed_offset is not None:
            if observation is None:
                raise ValueError("`fixed_offset` needs the observation; use run(dataset, observation)")
            # The responses are taken to be radially symmetric: any direction from the pointing will do.
            pointing = observation.pointing_radec
            return pointing.directional_offset_by(position_angle=0 * u.deg, separation=self.fixed_offset)
        return geom.center_skydir if self.position is None else self.position


def _needed(observation: Observation | None) -> Observation:
    if observation is None:
        raise ValueError("this method needs the observation, got None; use run(dataset, observation)")
    return observation


def _energy_mask(
    method: str, dataset: MapDataset, energy_min: u.Quantity | None = None, energy_max: u.Quantity | None = None
) -> Map:
    if is_recorded():
        bounds = [None if each is None else float(each.to_value("TeV")) for each in (energy_min, energy_max)]
        record_threshold(EnergyThreshold(method, *bounds))
    mask: Map = dataset.geom.energy_mask(energy_min=energy_min, energy_max=energy_max, device=dataset.device)
    return mask


def _lowest_kept(mask: Array, dataset: MapDataset) -> DeferredNumber:
    """Return the lower edge, in TeV, of the first energy bin in which a mask that keeps whole bins is True."""
    axis = dataset.geom.axes["energy"]
    edges = constant(axis.edges.to_value("TeV")[:-1], dataset.device)
    xp = array_namespace(mask)
    first = xp.argmax(xp.astype(xp.reshape(mask, (axis.nbin,)), xp.int8), keepdims=True)
    # Not read here: the host would wait for the device.
    return DeferredNumbers(xp.take(edges, first))[0]


def _nowhere(dataset: MapDataset) -> Map:
    return Map.from_geom(dataset.geom, dtype=bool, device=dataset.device)


def _part(dataset: MapDataset, name: str) -> Any:
    """Return the map from which a threshold is derived."""
    part = getattr(dataset, name)
    if part is None:
        raise ValueError(
            f"dataset {dataset.name!r} needs `{name}` to compute the safe mask; run a maker with {name!r} in its "
            "selection first, or use irfs='DL3'"
        )
    return part


def _from_peak_upwards(data: Array, axis: int) -> Array:
    """Return the bins along an axis from that with the highest sum upwards; bool, with the dimensions of ``data``.

    NaN counts as zero in the sums.
    """
    xp = array_namespace(data)
    others = tuple(i for i in range(data.ndim) if i != axis)
    finite = xp.where(xp.isnan(data), xp.zeros_like(data), data)
    # float64: float32 loses digits in sums over many pixels, and may then find another bin.
    total = xp.sum(finite, axis=others, dtype=xp.float64, keepdims=True)
    number = xp.reshape(xp.arange(total.shape[axis], dtype=xp.int64, device=device_of(data).handle), total.shape)
    # Compared on the device: to read the number would make the host wait in each observation.
    return number >= xp.argmax(total, axis=axis, keepdims=True)
