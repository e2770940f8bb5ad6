"""Counts, background, responses and masks of one observation or a stack of many."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import astropy.units as u
from astropy.table import Table

from lightpool.arrays import find_precision, use_device
from lightpool.data import GTI
from lightpool.datasets import transforms
from lightpool.datasets.dataset_storage import DatasetPlace
from lightpool.datasets.datasets import Dataset
from lightpool.datasets.formats import fits_format
from lightpool.datasets.geometries import BINSZ_IRF_DEFAULT, create_map_dataset_geoms
from lightpool.datasets.info_dict import info_dict
from lightpool.datasets.masks import DatasetMasks
from lightpool.datasets.memory import are_large, estimate_memory
from lightpool.datasets.metadata import MapDatasetMetaData
from lightpool.datasets.models.background_models import DatasetModels
from lightpool.datasets.names import make_name
from lightpool.datasets.predictions import DatasetPredictions
from lightpool.datasets.regions import DatasetRegions
from lightpool.datasets.stacking import merge_gtis, merge_meta_tables, stack_map_dataset
from lightpool.datasets.summary import summary_text
from lightpool.fits import FitsFile
from lightpool.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from lightpool.maps import Geom, Map, MapAxis, RegionGeom, WcsGeom
from lightpool.utils.accumulators import Accumulated
from lightpool.utils.on_demand import Deferred, DeferredAttribute

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["MapDataset"]


class MapDataset(DatasetPlace, DatasetMasks, DatasetPredictions, DatasetRegions, Dataset):
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
    mask_fit : Map of bool, True where data are to be fitted
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
    _map_names_from_geom: ClassVar[tuple[str, ...]] = ("counts", "background")

    counts = DeferredAttribute[Any]()
    exposure = DeferredAttribute[Any]()
    background = DeferredAttribute[Any]()
    psf = DeferredAttribute[Any]()
    edisp = DeferredAttribute[Any]()
    mask_safe = DeferredAttribute[Any]()
    mask_fit = DeferredAttribute[Any]()

    def __init__(
        self,
        models: Any = None,
        counts: Map | None = None,
        exposure: Map | None = None,
        background: Map | None = None,
        psf: PSFMap | None = None,
        edisp: EDispKernelMap | EDispMap | None = None,
        mask_safe: Map | None = None,
        mask_fit: Map | None = None,
        gti: GTI | None = None,
        meta_table: Table | None = None,
        name: str | None = None,
        meta: MapDatasetMetaData | None = None,
        stat_type: str = "cash",
    ) -> None:
        _check_type("psf", psf, (PSFMap, RecoPSFMap))
        _check_type("edisp", edisp, (EDispMap, EDispKernelMap))
        if stat_type not in self.stat_types:
            raise ValueError(f"stat_type of a {self.tag} must be one of {self.stat_types}, got {stat_type!r}")
        self.name = make_name(name)
        self.counts = counts
        self.exposure = exposure
        if background is not None:
            self.background = background
        self.psf = psf
        self.edisp = edisp
        self.mask_safe = mask_safe
        self.mask_fit = mask_fit
        self.gti = gti
        self.meta_table = meta_table
        self.meta = MapDatasetMetaData() if meta is None else meta
        self.stat_type = stat_type
        self.models = models

    @classmethod
    def create(
        cls,
        geom: WcsGeom | RegionGeom,
        energy_axis_true: MapAxis | None = None,
        migra_axis: MapAxis | None = None,
        rad_axis: MapAxis | None = None,
        binsz_irf: Any = BINSZ_IRF_DEFAULT,
        reference_time: Any = "2000-01-01",
        name: str | None = None,
        meta_table: Table | None = None,
        reco_psf: bool = False,
        precision: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a dataset of maps of zeros.

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
            Table of the observations that the dataset was made of.
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
        geoms = create_map_dataset_geoms(
            geom=geom,
            energy_axis_true=energy_axis_true,
            migra_axis=migra_axis,
            rad_axis=rad_axis,
            binsz_irf=binsz_irf,
            reco_psf=reco_psf,
        )
        kwargs |= {"reference_time": reference_time, "meta_table": meta_table, "precision": precision}
        return cls.from_geoms(**geoms, name=name, **kwargs)

    @classmethod
    def from_geoms(
        cls,
        geom: Geom,
        geom_exposure: Geom | None = None,
        geom_psf: Geom | None = None,
        geom_edisp: Geom | None = None,
        reference_time: Any = "2000-01-01",
        name: str | None = None,
        precision: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a dataset of maps of zeros, one for each geometry that is given.

        Parameters
        ----------
        geom : geometry of counts, background and safe mask
        geom_exposure : geometry of the exposure
        geom_psf : geometry of the PSF
        geom_edisp : geometry of the energy dispersion; with an axis ``energy`` it is an EDispKernelMap
        reference_time : Time or str, of the good time intervals
        name : str
        precision : {"double", "single"}, see `create`
        **kwargs : further arguments of the class
        """
        dtype, geoms = find_precision(precision), (geom, geom_exposure, geom_psf, geom_edisp)
        estimate = estimate_memory(*geoms, map_names=cls._map_names_from_geom, precision=dtype)
        estimate.require(None, f"a {cls.tag}")
        for map_name in cls._map_names_from_geom:
            kwargs[map_name] = Map.from_geom(geom, unit="", dtype=dtype)
        kwargs["mask_safe"] = Map.from_geom(geom, unit="", dtype=bool)
        if geom_exposure is not None:
            kwargs["exposure"] = Map.from_geom(geom_exposure, unit="m2 s", dtype=dtype)
        if geom_edisp is not None:
            edisp_class = EDispKernelMap if "energy" in geom_edisp.axes.names else EDispMap
            kwargs["edisp"] = edisp_class.from_geom(geom_edisp, precision=precision)
        if geom_psf is not None:
            psf_class = PSFMap if "energy_true" in geom_psf.axes.names else RecoPSFMap
            kwargs["psf"] = psf_class.from_geom(geom_psf, precision=precision)
        if kwargs.get("gti") is None:
            kwargs["gti"] = GTI.create([] * u.s, [] * u.s, reference_time=reference_time)
        return cls(name=name, **kwargs)

    # --- what is in it

    @property
    def gti(self) -> GTI | None:
        """Good time intervals; of a stack, their union."""
        value: GTI | None = self._gti.value
        return value

    @gti.setter
    def gti(self, gti: GTI | Deferred[GTI | None] | Accumulated | None) -> None:
        self._gti = Accumulated.of(gti, merge_gtis)

    @property
    def meta_table(self) -> Table | None:
        """Table of the observations."""
        return self._meta_table.value

    @meta_table.setter
    def meta_table(self, meta_table: Table | Deferred[Table | None] | Accumulated | None) -> None:
        self._meta_table = Accumulated.of(meta_table, merge_meta_tables)

    @property
    def models(self) -> DatasetModels | None:
        """Models of this dataset."""
        return self._models

    @models.setter
    def models(self, models: Any) -> None:
        self._models = None if models is None else DatasetModels(models).select(datasets_names=self.name)

    @property
    def _geom(self) -> Any:
        """Geometry of counts, background and masks."""
        names = (*self._map_names_from_geom, "mask_safe", "mask_fit")
        for name in names:
            if getattr(self, name) is not None:
                return getattr(self, name).geom
        raise ValueError(f"dataset {self.name!r} has none of {', '.join(names)}, so it has no geometry")

    @property
    def geoms(self) -> dict[str, Any]:
        """Geometries of the maps, under the names of the arguments of `from_geoms`."""
        geoms = {"geom": self._geom}
        for name in ("exposure", "psf", "edisp"):
            if getattr(self, name) is not None:
                geoms[f"geom_{name}"] = getattr(self, name).geom
        return geoms

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of the counts."""
        return tuple(int(n) for n in self._geom.data_shape)

    # --- what it tells

    def info_dict(self, in_safe_data_range: bool = True) -> dict[str, Any]:
        """Figures of the dataset: sums, rates, ranges, the statistic.

        Parameters
        ----------
        in_safe_data_range : bool, whether to sum inside the safe mask only

        Returns
        -------
        info : dict with keys ``name, counts, excess, sqrt_ts, background, npred, npred_background, npred_signal,
            exposure_min, exposure_max, livetime, ontime, counts_rate, background_rate, excess_rate, n_bins,
            n_fit_bins, stat_type, stat_sum``; the numbers are read from the device in one transfer
        """
        return info_dict(self, in_safe_data_range)

    def __str__(self) -> str:
        return summary_text(self)

    # --- stacking

    def stack(self, other: "MapDataset", nan_to_num: bool = True) -> None:
        """Add another dataset to this one, in place.

        Counts, background, exposure, PSF and energy dispersion of the other dataset are added inside its safe mask,
        the responses weighted with the exposure. Safe masks are joined by "or". Livetimes and time intervals are
        added, tables of observations joined. The background is the one that the models predict, so afterwards the
        background of this dataset has no model any more. What lies outside the safe mask of this dataset already is
        kept; `to_masked` removes it.

        Parameters
        ----------
        other : MapDataset, on the same geometry or a cutout of it
        nan_to_num : bool, whether values that are not finite count as zero
        """
        with self._memory_errors("stacking"):
            stack_map_dataset(self, other, nan_to_num)
        if self._gti.first is not None and other._gti.first is not None:
            self._gti.add(other._gti)
        table = other._meta_table.fork()
        if self._meta_table.first is None and table.first is not None:
            self.meta_table = Deferred(lambda: table.value.copy())
        elif table.first is not None:
            self._meta_table.add(table)

    def _apply_background_model(self) -> None:
        """Multiply the background by its model, and forget the model."""
        if self.background_model is not None:
            self.background = self.npred_background()
            self.models = [model for model in self.models or [] if self.name not in model.datasets_names]

    def to_masked(self, name: str | None = None, nan_to_num: bool = True) -> Self:
        """Dataset of what lies inside the safe mask, with the background model applied."""
        with use_device(self.device):
            dataset = type(self).from_geoms(**self.geoms, name=name, precision=self.precision)
        dataset.stack(self, nan_to_num=nan_to_num)
        return dataset

    # --- making others of it

    def copy(self, name: str | None = None) -> Self:
        """Deep copy without models, under a new name."""
        table = None if self.meta_table is None else self.meta_table.copy()
        gti = None if self.gti is None else self.gti.copy()
        maps = {key: data.copy() for key, data in self.maps.items()}
        return self._derived(name, maps, gti=gti, meta_table=table, meta=self.meta)

    def cutout(self, position: "SkyCoord", width: Any, mode: str = "trim", name: str | None = None) -> Self:
        """Cut out a window.

        Parameters
        ----------
        position : SkyCoord, centre of the window
        width : Quantity, str or a pair of them, size in longitude and latitude
        mode : {"trim", "partial", "strict"}, for windows that reach over the border
        name : str, of the new dataset
        """
        if are_large(self.maps):
            self.outline(position, width, mode)._require_memory(self.device, f"a cutout of a {self.tag}")
        return self._derived(name, transforms.cutout(self, position, width, mode))

    def outline(self, position: "SkyCoord | None" = None, width: Any = None, mode: str = "trim") -> Self:
        """Dataset of maps that have geometries, but no values and no memory, see `Map.outline`.

        A step that makes all maps anew, as MapDatasetMaker does, needs no more.

        Parameters
        ----------
        position, width, mode : as for `cutout`; without them the outline is that of the whole dataset
        """
        window = {} if position is None else {"position": position, "width": width, "mode": mode}
        return self._derived(None, transforms.outline(self, window))

    def pad(self, pad_width: Any, mode: str = "constant", name: str | None = None) -> Self:
        """Widen counts, background, exposure and masks by pixels; the responses stay as they are.

        Parameters
        ----------
        pad_width : int or pair of int, pixels at each side
        mode : str, see `Map.pad`
        name : str, of the new dataset
        """
        return self._derived(name, transforms.pad(self, pad_width, mode))

    def downsample(self, factor: int, axis_name: str | None = None, name: str | None = None) -> Self:
        """Join pixels, or bins of an axis.

        Parameters
        ----------
        factor : int
        axis_name : str, axis whose bins are joined; pixels by default
        name : str, of the new dataset
        """
        return self._derived(name, transforms.downsample(self, factor, axis_name))

    def slice_by_idx(self, slices: dict[str, Any], name: str | None = None) -> Self:
        """Select bins of axes.

        Parameters
        ----------
        slices : dict of axis name to slice or int; an int drops the axis
        name : str, of the new dataset
        """
        return self._derived(name, transforms.slice_by_idx(self, slices))

    def slice_by_energy(self, energy_min: Any = None, energy_max: Any = None, name: str | None = None) -> Self:
        """Select the bins between two energies.

        Parameters
        ----------
        energy_min, energy_max : Quantity or str; the ends of the axis by default
        name : str, of the new dataset
        """
        bins = transforms.energy_slice(self._geom.axes["energy"], energy_min, energy_max)
        return self.slice_by_idx({"energy": bins}, name=name)

    def resample_energy_axis(self, energy_axis: MapAxis, name: str | None = None) -> Self:
        """Join bins of reconstructed energy to those of another axis.

        Parameters
        ----------
        energy_axis : MapAxis, whose edges are among those of the dataset
        name : str, of the new dataset
        """
        return self._derived(name, transforms.resample_energy_axis(self, energy_axis))

    def to_image(self, name: str | None = None) -> Self:
        """Join all bins of reconstructed energy to one."""
        return self.resample_energy_axis(self._geom.axes["energy"].squash(), name=name)

    def _derived(self, name: str | None, maps: dict[str, Any], **kwargs: Any) -> Self:
        kwargs = {"gti": self._gti.fork(), "meta_table": self._meta_table.fork()} | kwargs
        return type(self)(name=name, stat_type=self.stat_type, **maps, **kwargs)

    def peek(self, figsize: tuple[float, float] = (13, 7)) -> Any:
        """Picture of counts, prediction, exposure, PSF and energy dispersion; the figure of Matplotlib."""
        from lightpool.plot.datasets import peek_map_dataset

        return peek_map_dataset(self, figsize)

    # --- files

    def to_hdulist(self) -> Any:
        """HDUs of the dataset in Gammapy's layout."""
        return fits_format.to_hdulist(self)

    @classmethod
    def from_hdulist(cls, hdulist: Any, name: str | None = None, format: str = "gadf") -> Self:
        """Read HDUs in Gammapy's layout."""
        return cls(**fits_format.from_hdulist(hdulist, name, format, cls.map_names))

    def write(self, filename: str | Path, overwrite: bool = False, checksum: bool = False) -> None:
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
        filename: str | Path | FitsFile,
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
        lazy : bool, whether each map is read when it is first asked for
        cache : bool, whether it is kept then
        format : {"gadf"}
        checksum : bool, whether to compare the checksums in the headers, with a warning if they differ

        Raises
        ------
        FormatError
            If the file holds a dataset of another kind, or none; `read_dataset` reads any kind.
        """
        return cls(**fits_format.read(cls, filename, name, lazy, cache, format, checksum))

    @classmethod
    def from_dict(cls, data: dict[str, Any], lazy: bool = False, cache: bool = True) -> Self:
        """Read the file that the dictionary of `to_dict` names."""
        return cls.read(data["filename"], name=data["name"], lazy=lazy, cache=cache)


def _check_type(name: str, value: Any, types: tuple[type, ...]) -> None:
    if value is not None and not isinstance(value, (*types, Deferred)):
        names = " or ".join(kind.__name__ for kind in types)
        raise TypeError(f"{name} must be a {names}, got {type(value).__name__}")
