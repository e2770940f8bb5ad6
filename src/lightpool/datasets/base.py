"""What a dataset holds, and what follows from it.

`DatasetBase` declares what the functions of this package need of a dataset, whatever its kind. They import it
from here, and the kinds of datasets import them.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, TypedDict, overload

import astropy.units as u
from astropy.table import Table
from numpy.typing import ArrayLike

from lightpool.arrays import Device, array_namespace, find_precision, get_default_device, memory_errors, to_device
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name
from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, gammapy_bridge, is_model_of_gammapy
from lightpool.data import GTI
from lightpool.datasets import masks
from lightpool.datasets.geometries import DatasetGeoms, SkyGeom
from lightpool.datasets.memory import LESS, MemoryEstimate, are_large, memory_of_maps
from lightpool.datasets.merged_tables import DeferredRow, merge_gtis, merge_meta_tables
from lightpool.datasets.metadata import MapDatasetMetaData
from lightpool.datasets.models.background_model import FoVBackgroundModel
from lightpool.datasets.models.model_lists import DatasetModels, ModelsLike
from lightpool.irf import EDispKernel, EDispKernelMap, EDispMap, IRFMap, PSFMap
from lightpool.maps import Map
from lightpool.typing import GammapyObject, MetaValue
from lightpool.utils.accumulators import MergedValue
from lightpool.utils.on_demand import Deferred, DeferredAttribute

__all__ = ["CounterpartInGammapy", "DatasetBase", "DatasetPart"]

DatasetPart: TypeAlias = Map | IRFMap
"""A map or a response of a dataset."""

_MapName: TypeAlias = Literal[
    "counts", "exposure", "background", "mask_safe", "mask_fit", "counts_off", "acceptance", "acceptance_off"
]
_REMEDIES = {
    **dict.fromkeys(
        ("counts", "exposure", "background", "psf", "edisp"),
        "run MapDatasetMaker with {name!r} in its selection, or set dataset.{name}",
    ),
    **dict.fromkeys(
        ("counts_off", "acceptance", "acceptance_off"),
        "run a maker of OFF counts first, such as RingBackgroundMaker or ReflectedRegionsBackgroundMaker",
    ),
    "mask_safe": "run SafeMaskMaker first, or set dataset.mask_safe",
}


class ObservationsOfDataset(TypedDict):
    """Parts of a dataset that list its observations."""

    gti: MergedValue[GTI]
    meta_table: MergedValue[Table]


class CounterpartInGammapy(Protocol):
    """What models of Gammapy predict for a dataset: `lightpool.gammapy.counterparts.Counterpart`."""

    @property
    def models(self) -> GammapyObject:
        """Models of the dataset, a `DatasetModels` of Gammapy."""

    def of(self, dataset: "DatasetBase") -> GammapyObject:
        """Return the dataset of Gammapy with the maps of a dataset."""

    def has_sources(self) -> bool:
        """Return whether there is a model of something else than the background."""

    def background_model(self, dataset: "DatasetBase") -> GammapyObject:
        """Return the model of the background, None if there is none."""

    def background_factors(self, dataset: "DatasetBase") -> ArrayLike | None:
        """Return the factor of the background in each bin, on the host; None if there is no model of it."""

    def npred_signal(self, dataset: "DatasetBase", model_names: str | Sequence[str] | None, stack: bool) -> Map:
        """Predict the counts of sources, see `DatasetBase.npred_signal`."""
        ...

    def stat_sum(self, dataset: "DatasetBase") -> float:
        """Return the statistic inside the mask."""
        ...


class DatasetBase(ConvertibleToGammapy, KnownAttributes):
    """Parts of a dataset, their geometry, device and memory, and the masks and predictions that follow from them."""

    tag: ClassVar[str]
    stat_types: ClassVar[tuple[str, ...]] = ("cash",)
    map_names: ClassVar[tuple[str, ...]] = (
        "counts",
        "exposure",
        "background",
        "psf",
        "edisp",
        "mask_safe",
        "mask_fit",
    )
    map_names_from_geom: ClassVar[tuple[str, ...]] = ("counts", "background")
    """Maps that have the geometry of the dataset, apart from the masks."""

    _name: str
    meta: MapDatasetMetaData
    stat_type: str
    counts = DeferredAttribute[Map | None]()
    exposure = DeferredAttribute[Map | None]()
    background = DeferredAttribute[Map | None]()
    psf = DeferredAttribute[PSFMap | None]()
    edisp = DeferredAttribute[EDispKernelMap | EDispMap | None]()
    mask_safe = DeferredAttribute[Map | None]()
    mask_fit = DeferredAttribute[Map | None]()
    _gti: MergedValue[GTI]
    _meta_table: MergedValue[Table]
    _models: DatasetModels | None = None
    _counterpart: CounterpartInGammapy | None = None

    # --- parts

    @property
    def name(self) -> str:
        """Name of the dataset, by which models and lists find it."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def gti(self) -> GTI | None:
        """Good time intervals; of a stack, their union."""
        return self._gti.value if "_gti" in vars(self) else None

    @gti.setter
    def gti(self, gti: GTI | Deferred[GTI | None] | MergedValue[GTI] | None) -> None:
        self._gti = MergedValue.of(gti, merge_gtis)

    @property
    def meta_table(self) -> Table | None:
        """Table of the observations."""
        return self._meta_table.value if "_meta_table" in vars(self) else None

    @meta_table.setter
    def meta_table(self, meta_table: Table | Deferred[Table | None] | MergedValue[Table] | None) -> None:
        self._meta_table = MergedValue.of(meta_table, merge_meta_tables)

    @property
    def unread_row(self) -> Mapping[str, MetaValue] | None:
        """The table of one observation as a mapping, if nobody has read the table yet."""
        table = self._meta_table.unread
        return table.row if isinstance(table, DeferredRow) else None

    def add_observations(self, other: "DatasetBase") -> None:
        """Add the good time intervals and the table of observations of another dataset; merged when they are read."""
        # As in Gammapy, a dataset without good time intervals stays without them.
        if not self._gti.is_empty and not other._gti.is_empty:
            self._gti.add(other._gti)
        table = other._meta_table.fork()
        if self._meta_table.is_empty and not table.is_empty:
            # A copy, so that the two datasets do not share one table.
            self.meta_table = Deferred(lambda: None if table.value is None else table.value.copy())
        elif not table.is_empty:
            self._meta_table.add(table)

    @property
    def observation_parts(self) -> ObservationsOfDataset:
        """Arguments ``gti`` and ``meta_table`` for a dataset of the same observations; nothing is merged."""
        return {"gti": self._gti.fork(), "meta_table": self._meta_table.fork()}

    @property
    def models(self) -> DatasetModels | GammapyObject | None:
        """Models of this dataset: of its background; or any of Gammapy, in a `DatasetModels` of Gammapy."""
        return self._models if self._counterpart is None else self._counterpart.models

    @models.setter
    def models(self, models: ModelsLike | GammapyObject | None) -> None:
        if is_model_of_gammapy(models):
            self._models, self._counterpart = None, gammapy_bridge().Counterpart(models, self.name)
            return
        self._models = None if models is None else DatasetModels(models).select(datasets_names=self.name)
        self._counterpart = None

    @property
    def evaluators(self) -> Mapping[str, GammapyObject]:
        """What Gammapy predicts the counts of each model of a source with, by the name of the model."""
        found: Mapping[str, GammapyObject] = {} if self._counterpart is None else self._counterpart.of(self).evaluators
        return found

    @property
    def counterpart(self) -> CounterpartInGammapy | None:
        """What predicts with the models of Gammapy, None without such models."""
        return self._counterpart

    @overload
    def required(self, name: _MapName) -> Map: ...
    @overload
    def required(self, name: Literal["psf"]) -> PSFMap: ...
    @overload
    def required(self, name: Literal["edisp"]) -> EDispKernelMap | EDispMap: ...
    @overload
    def required(self, name: Literal["gti"]) -> GTI: ...
    @overload
    def required(self, name: Literal["meta_table"]) -> Table: ...

    def required(self, name: str) -> DatasetPart | GTI | Table:
        """Return a part of the dataset.

        Parameters
        ----------
        name : {"counts", "exposure", "background", "psf", "edisp", "mask_safe", "mask_fit", "gti", "meta_table", ...}
            Of a dataset with OFF counts also ``counts_off``, ``acceptance`` and ``acceptance_off``.

        Raises
        ------
        ValueError
            If the dataset does not have this part.

        Examples
        --------
        >>> from lightpool.datasets import MapDataset
        >>> MapDataset(name="run 5").required("psf")
        Traceback (most recent call last):
        ...
        ValueError: MapDataset 'run 5' has no psf; run MapDatasetMaker with 'psf' in its selection, or set dataset.psf
        """
        part: DatasetPart | GTI | Table | None = getattr(self, name, None)
        if part is None:
            kind = type(self).__name__
            remedy = _REMEDIES.get(name, "set dataset.{name}").format(name=name)
            raise ValueError(f"{kind} {self.name!r} has no {name}; {remedy}")
        return part

    @property
    def maps(self) -> dict[str, DatasetPart]:
        """Maps and responses that the dataset has, by name."""
        found: dict[str, DatasetPart | None] = {name: getattr(self, name) for name in self.map_names}
        return {name: data for name, data in found.items() if data is not None}

    @property
    def given_parts(self) -> dict[str, DatasetPart | Deferred[Any] | None]:
        """Maps and responses by name as they were given: `Deferred` where nobody has read them. Nothing is created."""
        return {name: vars(self).get(name) for name in self.map_names}

    @property
    def observation_values(self) -> tuple[MergedValue[GTI] | None, MergedValue[Table] | None]:
        """Good time intervals and table of observations as they are kept, not merged; None where never set."""
        return vars(self).get("_gti"), vars(self).get("_meta_table")

    @property
    def given_meta(self) -> MapDatasetMetaData | Deferred[MapDatasetMetaData]:
        """The metadata as they were given, for a dataset that is made from this one: they may be deferred."""
        given: MapDatasetMetaData | Deferred[MapDatasetMetaData] = vars(self)["meta"]
        return given

    # --- geometry, device and memory

    @property
    def geom(self) -> SkyGeom:
        """Geometry of counts, background and masks.

        Raises
        ------
        ValueError
            If the dataset has none of these maps.
        """
        names = (*self.map_names_from_geom, "mask_safe", "mask_fit")
        for name in names:
            data: Map | None = getattr(self, name)
            if data is not None:
                geom: SkyGeom = data.geom
                return geom
        raise ValueError(f"dataset {self.name!r} has none of {', '.join(names)}, so it has no geometry")

    @property
    def _geom(self) -> SkyGeom:
        """Alias of `geom`, as in Gammapy."""
        return self.geom

    @property
    def geoms(self) -> DatasetGeoms:
        """Geometries of the maps, under the names of the arguments of `MapDataset.from_geoms`."""
        geoms: DatasetGeoms = {"geom": self.geom}
        if self.exposure is not None:
            geoms["geom_exposure"] = self.exposure.geom
        if self.psf is not None:
            geoms["geom_psf"] = self.psf.geom
        if self.edisp is not None:
            geoms["geom_edisp"] = self.edisp.geom
        return geoms

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of the counts."""
        return tuple(int(n) for n in self.geom.data_shape)

    @property
    def device(self) -> Device:
        """Device of the maps."""
        for name in self.map_names:
            part: DatasetPart | None = getattr(self, name)
            if part is not None:
                return part.device
        return get_default_device()

    @property
    def precision(self) -> str:
        """Precision of the maps: ``single`` if all but the masks hold float32, else ``double``."""
        found = {data.precision for name, data in self.maps.items() if not name.startswith("mask")}
        # Of mixed precisions double is the one that loses nothing.
        return "double" if len(found) > 1 else find_precision(*found)

    @property
    def memory(self) -> MemoryEstimate:
        """Memory that the maps take, known from their geometries; for an outline, what they would take."""
        return memory_of_maps(self.maps)

    def require_memory(self, device: str | Device | None, what: str) -> None:
        """Check that maps like these fit on a device, next to what it holds.

        Parameters
        ----------
        device : str or Device
        what : str, what needs the memory, for the message

        Raises
        ------
        OutOfMemoryError
            If less is free.
        """
        if are_large(self.maps):
            self.memory.require(device, what)

    def memory_errors(self, step: str) -> AbstractContextManager[None]:
        """Return a context in which an error of a library about its memory becomes an OutOfMemoryError.

        Its message names the step and lists the maps of this dataset.
        """
        return memory_errors(
            self.device, what=lambda: f"{step} on a {self.tag} ({self.memory.in_a_line()})", advice=LESS
        )

    def central_edisp_kernel(self) -> EDispKernel:
        """Return the energy dispersion matrix at the centre of the dataset."""
        edisp = self.required("edisp")
        if isinstance(edisp, EDispKernelMap):
            return edisp.get_edisp_kernel()
        return edisp.get_edisp_kernel(energy_axis=self.geom.axes["energy"])

    # --- masks

    @property
    def mask(self) -> Map | None:
        """Bins that both masks keep, None if there is no mask."""
        if self.mask_safe is not None and self.mask_fit is not None:
            both: Map = self.mask_safe & self.mask_fit
            return both
        return self.mask_fit if self.mask_safe is None else self.mask_safe

    @property
    def mask_safe_image(self) -> Map | None:
        """Pixels with a safe bin."""
        return masks.any_over_axes(self.mask_safe)

    @property
    def mask_fit_image(self) -> Map | None:
        """Pixels with a bin to be fitted."""
        return masks.any_over_axes(self.mask_fit)

    @property
    def mask_image(self) -> Map:
        """Pixels with a bin that both masks keep; all if there is no mask."""
        image = masks.any_over_axes(self.mask)
        return masks.all_true(self.geom.to_image(), self.device) if image is None else image

    @property
    def mask_safe_psf(self) -> Map | None:
        """Safe mask in the pixels of the PSF map."""
        return masks.mask_on_psf(self.mask_safe, self.psf)

    @property
    def mask_safe_edisp(self) -> Map | None:
        """Safe mask in the pixels of the energy dispersion map, and in its reconstructed energies if it has them."""
        return masks.mask_on_edisp(self.mask_safe, self.edisp)

    @property
    def energy_range(self) -> tuple[Map, Map]:
        """Lowest and highest energy per pixel inside both masks, NaN where there is none."""
        return masks.energy_range(self.geom, self.mask, self.device)

    @property
    def energy_range_safe(self) -> tuple[Map, Map]:
        """Lowest and highest energy per pixel inside the safe mask."""
        return masks.energy_range(self.geom, self.mask_safe, self.device)

    @property
    def energy_range_fit(self) -> tuple[Map, Map]:
        """Lowest and highest energy per pixel inside the fit mask."""
        return masks.energy_range(self.geom, self.mask_fit, self.device)

    @property
    def energy_range_total(self) -> tuple[u.Quantity, u.Quantity]:
        """Lowest and highest energy of all pixels, read from the device."""
        return masks.total_range(*self.energy_range)

    # --- predictions

    @property
    def background_model(self) -> FoVBackgroundModel | GammapyObject | None:
        """Model of the background, None if there is none."""
        if self._counterpart is not None:
            return self._counterpart.background_model(self)
        models = self._models
        return models[models.background_models[self.name]] if models and self.name in models.background_models else None

    @property
    def background_factors(self) -> Array | None:
        """Factor of the background model for each energy, an array on the device; None without a model."""
        background = self.background
        if background is None:
            return None
        if self._counterpart is not None:
            values = self._counterpart.background_factors(self)
            factors = None if values is None else to_device(values, background.device)
            return None if factors is None else as_dtype(factors, dtype_name(background.data))
        model = self.background_model
        if model is None:
            return None
        # In the precision of the map: float64 factors would turn a product with a float32 map into float64.
        return as_dtype(model.factors_on(background.geom, background.device), dtype_name(background.data))

    @property
    def excess(self) -> Map | None:
        """Counts minus background, before the background model; None without a background."""
        background = self.background
        if background is None:
            return None
        excess: Map = self.required("counts") - background
        return excess

    def npred_background(self) -> Map | None:
        """Predict the counts of the background: the background times its model."""
        background, factors = self.background, self.background_factors
        if background is None or factors is None:
            return background
        data = background.data * factors
        return Map.from_geom(background.geom, data=data, unit=background.unit, device=background.device)

    def npred_signal(self, model_names: str | Sequence[str] | None = None, stack: bool = True) -> Map:
        """Predict the counts of sources: zero, unless the dataset has models of Gammapy.

        Parameters
        ----------
        model_names : str or list of str, models of Gammapy; by default all but those of the background
        stack : bool, whether to add the counts of all models up, or to keep them apart along an axis ``models``
        """
        if self._counterpart is not None:
            return self._counterpart.npred_signal(self, model_names, stack)
        return Map.from_geom(self.geom, dtype=self.precision, device=self.device)

    def npred(self) -> Map:
        """Predict the counts, from the background and its model, and from models of sources; never below zero."""
        background = self.npred_background()
        if self._counterpart is not None and self._counterpart.has_sources():
            signal = self.npred_signal()
            background = signal if background is None else signal + background
        if background is None:
            return self.npred_signal()
        xp = array_namespace(background.data)
        # As in Gammapy: a background model may become negative, a number of counts may not.
        data = xp.where(background.data < 0.0, xp.zeros_like(background.data), background.data)
        return Map.from_geom(background.geom, data=data, unit=background.unit, device=background.device)
