"""Counts, background, responses and masks of one observation or a stack of many."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self, TypedDict, Unpack

import astropy.units as u
from astropy.table import Table

from lightpool.arrays import find_precision, use_device
from lightpool.bridge import accepts_gammapy
from lightpool.data import GTI
from lightpool.datasets.base import DatasetPart
from lightpool.datasets.dataset import Dataset, find_dataset_class
from lightpool.datasets.datasets import Datasets
from lightpool.datasets.formats import fits_format
from lightpool.datasets.geometries import BINSZ_IRF_DEFAULT, SkyGeom, create_map_dataset_geoms
from lightpool.datasets.memory import MemoryEstimate, estimate_memory
from lightpool.datasets.metadata import MapDatasetMetaData
from lightpool.datasets.models.model_lists import ModelsLike
from lightpool.datasets.names import make_name
from lightpool.datasets.regions import spectrum_maps
from lightpool.datasets.simulated_counts import RandomState, find_random_state, simulate_counts
from lightpool.errors import UnknownNameError, WrongPartError
from lightpool.fits import FitsFile, HDUList
from lightpool.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from lightpool.maps import Map, MapAxis
from lightpool.typing import AngleLike, PathInput, RegionLike, TimeLike
from lightpool.utils.accumulators import MergedValue
from lightpool.utils.on_demand import Deferred, DeferredAttribute, forget_created

__all__ = ["DatasetOptions", "MapDataset"]

log = logging.getLogger(__name__)


class DatasetOptions(TypedDict, total=False):
    """Further arguments of the class of a dataset, in methods that create an empty one."""

    models: ModelsLike | None
    mask_fit: Map | None
    gti: GTI | None
    meta: MapDatasetMetaData | None
    stat_type: str


class MapDataset(Dataset):
    """Counts, background, exposure, PSF, energy dispersion and masks on a common piece of sky.

    Parameters
    ----------
    models : FoVBackgroundModel, list of them or Models
        Models of other datasets are left out.
    counts, background : Map with an axis ``energy``
    exposure : Map with an axis ``energy_true``, unit m2 s
    psf : PSFMap
    edisp : EDispKernelMap or EDispMap
    mask_safe : Map of bool, True where the responses can be trusted
    mask_fit : Map of bool, True where data are fitted
    gti : GTI, good time intervals
    meta_table : Table, one row; the cells of a stack hold one value per observation
    name : str, a random one by default
    meta : MapDatasetMetaData
    stat_type : {"cash"}

    Notes
    -----
    The maps may live on any device, in float64 or float32; `to` moves and converts them. What is small (axes, times,
    tables, models) stays on the host.
    """

    tag = "MapDataset"
    meta = DeferredAttribute[MapDatasetMetaData]()

    @accepts_gammapy
    def __init__(
        self,
        models: ModelsLike | None = None,
        counts: Map | Deferred[Map | None] | None = None,
        exposure: Map | Deferred[Map | None] | None = None,
        background: Map | Deferred[Map | None] | None = None,
        psf: PSFMap | Deferred[PSFMap | None] | None = None,
        edisp: EDispKernelMap | EDispMap | Deferred[EDispKernelMap | EDispMap | None] | None = None,
        mask_safe: Map | Deferred[Map | None] | None = None,
        mask_fit: Map | Deferred[Map | None] | None = None,
        gti: GTI | Deferred[GTI | None] | MergedValue[GTI] | None = None,
        meta_table: Table | Deferred[Table | None] | MergedValue[Table] | None = None,
        name: str | None = None,
        meta: MapDatasetMetaData | Deferred[MapDatasetMetaData] | None = None,
        stat_type: str = "cash",
    ) -> None:
        _check_type("psf", psf, (PSFMap, RecoPSFMap))
        _check_type("edisp", edisp, (EDispMap, EDispKernelMap))
        if stat_type not in self.stat_types:
            raise UnknownNameError(f"stat_type of a {self.tag} must be one of {self.stat_types}, got {stat_type!r}")
        self.name = make_name(name)
        self.counts = counts
        self.exposure = exposure
        # Only if it is given: a dataset with OFF counts computes its background, and refuses to have one set.
        if background is not None:
            self.background = background
        self.psf = psf
        self.edisp = edisp
        self.mask_safe = mask_safe
        self.mask_fit = mask_fit
        self.gti = gti
        self.meta_table = meta_table
        # The time of now; to make an object of astropy of it takes longer than the rest of a small dataset.
        created = partial(MapDatasetMetaData.created_at, datetime.now(tz=UTC))
        self.meta = Deferred(created) if meta is None else meta
        self.stat_type = stat_type
        # After the name, by which the setter selects the models of this dataset.
        self.models = models

    @classmethod
    @accepts_gammapy
    def create(
        cls,
        geom: SkyGeom,
        energy_axis_true: MapAxis | None = None,
        migra_axis: MapAxis | None = None,
        rad_axis: MapAxis | None = None,
        binsz_irf: "AngleLike" = BINSZ_IRF_DEFAULT,
        reference_time: "TimeLike" = "2000-01-01",
        name: str | None = None,
        meta_table: Table | None = None,
        reco_psf: bool = False,
        precision: str | None = None,
        **kwargs: Unpack[DatasetOptions],
    ) -> Self:
        """Create a dataset of maps of zeros.

        Parameters
        ----------
        geom : WcsGeom
            Geometry of counts and background, with an axis ``energy``.
        energy_axis_true : MapAxis
            Axis ``energy_true`` of exposure, PSF and energy dispersion; the edges of ``energy`` by default.
        migra_axis : MapAxis
            With it the energy dispersion is a map in migra (EDispMap), without it one of kernels (EDispKernelMap).
        rad_axis : MapAxis
            Axis of the PSF; 66 bins from 0 to 0.66 deg by default.
        binsz_irf : Quantity or float in deg
            Pixel size of PSF and energy dispersion, 0.2 deg by default.
        reference_time : Time or str
            Reference time of the good time intervals.
        name : str
            Name of the dataset, a random one by default.
        meta_table : Table
            Table of the observations in the dataset.
        reco_psf : bool
            Whether the PSF depends on ``energy`` instead of ``energy_true``.
        precision : {"double", "single"}, optional
            Data type of the maps, float64 or float32, and of all that is made on their pixels. By default double, or
            what `lightpool.set_default_precision` says.
        **kwargs : further arguments of the class

        Returns
        -------
        dataset : MapDataset, on the default device

        Examples
        --------
        >>> from lightpool.datasets import MapDataset
        >>> from lightpool.maps import MapAxis, WcsGeom
        >>> energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> geom = WcsGeom.create(skydir=(83.63, 22.01), width=2, binsz=0.1, axes=[energy])
        >>> MapDataset.create(geom, name="empty").data_shape
        (4, 20, 20)
        """
        geoms = create_map_dataset_geoms(geom, energy_axis_true, migra_axis, rad_axis, binsz_irf, reco_psf)
        return cls.from_geoms(
            **geoms, reference_time=reference_time, name=name, precision=precision, meta_table=meta_table, **kwargs
        )

    @classmethod
    @accepts_gammapy
    def from_geoms(
        cls,
        geom: SkyGeom,
        geom_exposure: SkyGeom | None = None,
        geom_psf: SkyGeom | None = None,
        geom_edisp: SkyGeom | None = None,
        reference_time: "TimeLike" = "2000-01-01",
        name: str | None = None,
        precision: str | None = None,
        meta_table: Table | None = None,
        **kwargs: Unpack[DatasetOptions],
    ) -> Self:
        """Create a dataset of maps of zeros, one for each geometry that is given.

        Parameters
        ----------
        geom : geometry of counts, background and safe mask
        geom_exposure : geometry of the exposure
        geom_psf : geometry of the PSF
        geom_edisp : geometry of the energy dispersion; with an axis ``energy`` it is an EDispKernelMap
        reference_time : Time or str, of the good time intervals
        name : str
        precision : {"double", "single"}, see `create`
        meta_table : Table, of the observations
        **kwargs : further arguments of the class
        """
        dtype, geoms = find_precision(precision), (geom, geom_exposure, geom_psf, geom_edisp)
        # Refuse before the first map is allocated, with a list of all maps.
        estimate = estimate_memory(*geoms, map_names=cls.map_names_from_geom, precision=dtype)
        estimate.require(None, f"a {cls.tag}")
        parts: dict[str, Any] = {"meta_table": meta_table, **kwargs}
        for map_name in cls.map_names_from_geom:
            parts[map_name] = Map.from_geom(geom, unit="", dtype=dtype)
        parts["mask_safe"] = Map.from_geom(geom, unit="", dtype=bool)
        if geom_exposure is not None:
            parts["exposure"] = Map.from_geom(geom_exposure, unit="m2 s", dtype=dtype)
        if geom_edisp is not None:
            edisp_class = EDispKernelMap if "energy" in geom_edisp.axes.names else EDispMap
            parts["edisp"] = edisp_class.from_geom(geom_edisp, precision=precision)
        if geom_psf is not None:
            psf_class = PSFMap if "energy_true" in geom_psf.axes.names else RecoPSFMap
            parts["psf"] = psf_class.from_geom(geom_psf, precision=precision)
        # An empty list and not None: stacking merges good times only if both datasets have them.
        if parts.get("gti") is None:
            parts["gti"] = GTI.create(u.Quantity([], "s"), u.Quantity([], "s"), reference_time=reference_time)
        return cls(name=name, **parts)

    @classmethod
    def estimate_memory(
        cls,
        geom: SkyGeom,
        energy_axis_true: MapAxis | None = None,
        migra_axis: MapAxis | None = None,
        rad_axis: MapAxis | None = None,
        binsz_irf: "AngleLike" = BINSZ_IRF_DEFAULT,
        reco_psf: bool = False,
        precision: str | None = None,
    ) -> MemoryEstimate:
        """Return the memory of the dataset that `create` makes of the same arguments, without making it.

        Parameters
        ----------
        geom, energy_axis_true, migra_axis, rad_axis, binsz_irf, reco_psf, precision : as for `create`

        Examples
        --------
        >>> from lightpool.datasets import MapDataset
        >>> from lightpool.maps import MapAxis, WcsGeom
        >>> energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> geom = WcsGeom.create(skydir=(83.63, 22.01), width=10, binsz=0.02, axes=[energy])
        >>> print(MapDataset.estimate_memory(geom))
        counts            8 MB  4 x 500 x 500
        background        8 MB  4 x 500 x 500
        mask_safe         1 MB  4 x 500 x 500
        exposure          8 MB  4 x 500 x 500
        psf            5.28 MB  4 x 66 x 50 x 50
        psf exposure     80 kB  4 x 1 x 50 x 50
        edisp           320 kB  4 x 4 x 50 x 50
        edisp exposure   80 kB  4 x 1 x 50 x 50
        total          30.8 MB
        """
        geoms = create_map_dataset_geoms(geom, energy_axis_true, migra_axis, rad_axis, binsz_irf, reco_psf)
        return estimate_memory(**geoms, map_names=cls.map_names_from_geom, precision=precision)

    def fake(self, random_state: RandomState = "random-seed") -> None:
        """Replace the counts by ones that are simulated from the prediction.

        Parameters
        ----------
        random_state : int, ``random-seed``, ``global-rng`` or RandomState, see `numpy.random`
        """
        self.counts = simulate_counts(self.npred(), find_random_state(random_state), self.precision)

    def to_masked(self, name: str | None = None, nan_to_num: bool = True) -> Self:
        """Return a dataset restricted to the safe mask, with the background model applied.

        Parameters
        ----------
        name : str, of the new dataset
        nan_to_num : bool, whether values that are not finite count as zero
        """
        # from_geoms creates its maps on the default device.
        with use_device(self.device):
            dataset = type(self).from_geoms(**self.geoms, name=name, precision=self.precision)
        dataset.stack(self, nan_to_num=nan_to_num)
        return dataset

    def to_spectrum_dataset(
        self, on_region: "RegionLike", containment_correction: bool = False, name: str | None = None
    ) -> "MapDataset":
        """Return the spectrum of a region, see `to_region_map_dataset`; without a PSF.

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
        maps: dict[str, Any] = {**spectrum_maps(self, on_region, containment_correction)}
        # By name, because these classes are derived from this one: their modules cannot be imported here.
        kind = find_dataset_class("SpectrumDataset" if self.stat_type == "cash" else "SpectrumDatasetOnOff")
        assert issubclass(kind, MapDataset)
        return kind(name=name, **self.observation_parts, **maps)

    def derived(
        self,
        name: str | None,
        maps: Mapping[str, DatasetPart],
        *,
        models: ModelsLike | None = None,
        meta: MapDatasetMetaData | Deferred[MapDatasetMetaData] | None = None,
    ) -> Self:
        """Return a dataset of the same kind and observations, with other maps.

        Parameters
        ----------
        name : str or None
        maps : mapping of part to Map or reduced response
        models, meta : of the new dataset, which has none by default
        """
        parts: dict[str, Any] = {**maps, **self.observation_parts}
        return type(self)(name=name, stat_type=self.stat_type, models=models, meta=meta, **parts)

    def peek(self, figsize: tuple[float, float] = (13, 7)) -> None:
        """Plot counts, prediction, exposure, PSF and energy dispersion."""
        from lightpool.plot.datasets import peek_map_dataset

        peek_map_dataset(self, figsize)

    def __add__(self, other: "Dataset | Iterable[Dataset]") -> Datasets:
        return Datasets([self]) + other

    # --- files

    def to_hdulist(self) -> HDUList:
        """Return the HDUs of the dataset in Gammapy's layout."""
        return fits_format.to_hdulist(self)

    @classmethod
    def from_hdulist(cls, hdulist: HDUList, name: str | None = None, lazy: bool = False, format: str = "gadf") -> Self:
        """Read HDUs in Gammapy's layout.

        Parameters
        ----------
        hdulist : HDUList
        name : str, by default the one in the HDUs
        lazy : bool, whether each map is read when it is first used; the HDUs must not be closed before
        format : {"gadf"}
        """
        return cls(**fits_format.from_hdulist(hdulist, name, format, cls.map_names, lazy=lazy))

    def reset_data_cache(self) -> None:
        """Forget the maps that were read on demand, to free their memory; they are read again when they are used.

        Maps that were set, or are not from a file that was read with ``lazy=True``, stay.
        """
        for name in forget_created(self):
            log.info("dataset %s: map %s is forgotten until it is read again", self.name, name)

    def write(self, filename: PathInput, overwrite: bool = False, checksum: bool = False) -> None:
        """Write a FITS file that Gammapy reads too; a name that ends in ``.gz`` is compressed.

        Parameters
        ----------
        filename : str or Path, in which variables such as ``$HOME`` are replaced
        overwrite : bool
        checksum : bool, whether to put checksums into the headers
        """
        fits_format.write(self, filename, overwrite, checksum)

    @classmethod
    def read(
        cls,
        filename: PathInput | FitsFile,
        name: str | None = None,
        lazy: bool = False,
        cache: bool = True,
        format: str = "gadf",
        checksum: bool = False,
    ) -> Self:
        """Read a FITS file of lightpool or Gammapy.

        Parameters
        ----------
        filename : str, Path or FitsFile
        name : str, by default the one in the file
        lazy : bool, whether each map is read when it is first used
        cache : bool, whether it is kept then
        format : {"gadf"}
        checksum : bool, whether to verify the checksums in the headers; one that is wrong is an error

        Raises
        ------
        FormatError
            If the file holds a dataset of another kind, or none; `read_dataset` reads any kind.
        """
        return cls(
            **fits_format.read(cls.tag, cls.__name__, cls.map_names, filename, name, lazy, cache, format, checksum)
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, str], lazy: bool = False, cache: bool = True) -> Self:
        """Read the file that the dictionary of `to_dict` names.

        Parameters
        ----------
        data : dict with keys ``name`` and ``filename``
        lazy, cache : bool, see `read`
        """
        return cls.read(data["filename"], name=data["name"], lazy=lazy, cache=cache)


def _check_type(name: str, value: object, types: tuple[type, ...]) -> None:
    if value is not None and not isinstance(value, (*types, Deferred)):
        names = " or ".join(kind.__name__ for kind in types)
        raise WrongPartError(f"{name} must be a {names}, got {type(value).__name__}")
