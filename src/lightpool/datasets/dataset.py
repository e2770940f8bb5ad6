"""Base of all kinds of datasets: the datasets derived from one, and its summary."""

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any, Self, Unpack

import astropy.units as u
from astropy.coordinates import SkyCoord

from lightpool.arrays import Device, find_device, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.bridge import accepts_gammapy, gammapy_bridge
from lightpool.datasets import transforms
from lightpool.datasets.base import DatasetBase, DatasetPart
from lightpool.datasets.dataset_card import dataset_card
from lightpool.datasets.info_dict import InfoDict, info_dict
from lightpool.datasets.memory import are_large
from lightpool.datasets.metadata import MapDatasetMetaData
from lightpool.datasets.models.model_lists import ModelsLike
from lightpool.datasets.names import make_name
from lightpool.datasets.predictions import SmoothOptions, residual_image, residuals
from lightpool.datasets.regions import region_maps, region_on_sky
from lightpool.datasets.stacking import stack_dataset
from lightpool.datasets.statistics import CashOfDataset, StatisticOfDataset
from lightpool.datasets.summary import summary_rows, summary_text
from lightpool.errors import FormatError
from lightpool.maps import Map, MapAxis
from lightpool.typing import AngleLike, Axes, PathInput, QuantityLike, RegionLike, SkyAxes
from lightpool.utils.html import Card, ShownInNotebooks
from lightpool.utils.on_demand import Deferred
from lightpool.utils.registry import Registry

__all__ = ["DATASET_REGISTRY", "Dataset", "find_dataset_class"]

DATASET_REGISTRY: Registry["type[Dataset]"] = Registry()
"""Classes of datasets, also those of users: a class with a ``tag`` of its own is added when it is defined."""


def find_dataset_class(tag: str) -> "type[Dataset]":
    """Return the class of datasets that a file names, such as ``MapDataset``; of several with one tag the latest."""
    for kind in reversed(DATASET_REGISTRY):
        if kind.tag == tag:
            return kind
    raise FormatError(f"datasets of type {tag!r} are not known; there are {sorted(k.tag for k in DATASET_REGISTRY)}")


class Dataset(DatasetBase, ShownInNotebooks):
    """Base of all kinds of datasets: they can be put into lists, stacked, cut, sliced and rebinned.

    A class of a user needs a ``tag`` and a ``name``, as in Gammapy, and for statistics ``stat_sum`` or maps. What is
    made of other datasets, such as stacks and cutouts, needs the method `derived`; `MapDataset` has it.

    Examples
    --------
    >>> from lightpool.datasets import DATASET_REGISTRY, Dataset, Datasets
    >>> class Points(Dataset):
    ...     tag = "points"
    ...
    ...     def __init__(self, values, name):
    ...         self.values, self.name = values, name
    ...
    ...     def stat_sum(self):
    ...         return sum(value**2 for value in self.values)
    >>> Datasets([Points([1, 2], "a"), Points([3], "b")]).stat_sum()
    14
    >>> DATASET_REGISTRY.get_cls("points") is Points
    True
    """

    def __new__(cls, *args: object, **kwargs: object) -> Self:  # noqa: D102  # it only checks the class
        if not isinstance(getattr(cls, "tag", None), str | property):
            raise TypeError(f"{cls.__name__} has no tag; a class of datasets needs one: tag = {cls.__name__!r}")
        return super().__new__(cls)

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        # Only classes with a tag of their own: an inherited one is that of another class.
        if isinstance(cls.__dict__.get("tag"), str):
            # A class that is defined again, as by running a cell of a notebook twice, takes the place of the former.
            again = [(kind.__module__, kind.__qualname__) for kind in DATASET_REGISTRY]
            if (cls.__module__, cls.__qualname__) in again:
                DATASET_REGISTRY[again.index((cls.__module__, cls.__qualname__))] = cls
            else:
                DATASET_REGISTRY.append(cls)

    def derived(
        self,
        name: str | None,
        maps: Mapping[str, DatasetPart],
        *,
        models: ModelsLike | None = None,
        meta: MapDatasetMetaData | Deferred[MapDatasetMetaData] | None = None,
    ) -> Self:
        """Return a dataset of the same kind and observations, of other maps.

        Parameters
        ----------
        name : str, a random one by default
        maps : dict of maps and responses by name
        models : Models
        meta : MapDatasetMetaData
        """
        raise self._undefined("derived")

    def to_masked(self, name: str | None = None, nan_to_num: bool = True) -> Self:
        """Return a dataset restricted to the safe mask, with the background model applied.

        Parameters
        ----------
        name : str, of the new dataset
        nan_to_num : bool, whether values that are not finite count as zero
        """
        raise self._undefined("to_masked")

    def to_spectrum_dataset(
        self, on_region: "RegionLike", containment_correction: bool = False, name: str | None = None
    ) -> "Dataset":
        """Return the spectrum of a region.

        Parameters
        ----------
        on_region : SkyRegion, PixelRegion, str in DS9 format, SkyCoord, or a list of them
        containment_correction : bool, whether to multiply the exposure by the part of the PSF inside the region
        name : str, of the new dataset
        """
        raise self._undefined("to_spectrum_dataset")

    def write(self, filename: PathInput, overwrite: bool = False, *, checksum: bool = False) -> None:
        """Write the dataset to a file.

        Parameters
        ----------
        filename : str or Path
        overwrite : bool
        checksum : bool, whether to put checksums into the headers
        """
        raise self._undefined("write")

    @classmethod
    def from_dict(cls, data: Mapping[str, str], lazy: bool = False, cache: bool = True) -> Self:
        """Read the file that the dictionary of `to_dict` names.

        Parameters
        ----------
        data : dict with keys ``name`` and ``filename``
        lazy : bool, whether each map is read when it is first used
        cache : bool, whether it is kept then
        """
        raise cls._undefined("from_dict")

    @classmethod
    def _undefined(cls, method: str) -> NotImplementedError:
        return NotImplementedError(
            f"{cls.__name__} has no method {method!r} of its own; derive it from MapDataset, or define the method"
        )

    def to_dict(self) -> dict[str, str]:
        """Return name, type and file name, as in a file of datasets."""
        return {"name": self.name, "type": self.tag, "filename": f"{self.name.replace(' ', '_')}.fits"}

    def html_card(self) -> Card:
        """Return what notebooks show of the dataset."""
        return dataset_card(self, self._view)

    def _view(self, maps: Mapping[str, DatasetPart]) -> Self:
        """Return a dataset of some maps, with the models of this one if they are lightpool's; not its observations."""
        if type(self).derived is Dataset.derived:  # a class of a user, with statistics of its own
            return self
        view = self.derived(self.name, maps, models=self._models)
        view.gti, view.meta_table = None, None  # merging them takes time
        return view

    # --- summary and statistic

    def info_dict(self, in_safe_data_range: bool = True) -> InfoDict:
        """Return summary values of the dataset: sums, rates, ranges, the statistic.

        Parameters
        ----------
        in_safe_data_range : bool, whether to sum inside the safe mask only

        Returns
        -------
        info : dict
            Keys: name, counts, excess, sqrt_ts, background, npred, npred_background, npred_signal, exposure_min,
            exposure_max, livetime, ontime, counts_rate, background_rate, excess_rate, n_bins, n_fit_bins, stat_type,
            stat_sum. The numbers are read from the device in one transfer.
        """
        return info_dict(self, self.statistic, in_safe_data_range)

    def __str__(self) -> str:
        return summary_text(self, self.info_dict())

    def text_rows(self) -> list[dict[str, object]]:
        """Return the values that ``print`` and notebooks show by their labels, paragraph by paragraph."""
        return summary_rows(self, self.info_dict())

    @property
    def statistic(self) -> StatisticOfDataset[Any]:
        """The statistic of the dataset, see `lightpool.datasets.statistics`."""
        return CashOfDataset(self)

    def stat_array(self) -> Array:
        """Return the statistic per bin, an array on the device of the dataset."""
        return self.statistic.array()

    def stat_sum(self) -> float:
        """Return the statistic inside the mask."""
        if self.counterpart is not None:
            return self.counterpart.stat_sum(self)
        return float(to_host(self.statistic.sum()))

    def residuals(self, method: str = "diff", **kwargs: Unpack[SmoothOptions]) -> Map:
        """Subtract the prediction from the counts; NaN outside the mask.

        Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)"}, what the difference is divided by
        **kwargs : arguments of `WcsNDMap.smooth`
            With any of them, counts and prediction inside the mask are smoothed before, by default with a ``width`` of
            0.1 deg and nothing beyond the border (``mode="constant"``).
        """
        return residuals(self, method, kwargs)

    def plot_residuals_spatial(
        self,
        ax: "SkyAxes | None" = None,
        method: str = "diff",
        smooth_kernel: str = "gauss",
        smooth_radius: u.Quantity | str | float = "0.1 deg",
        **kwargs: object,
    ) -> "Axes":
        """Plot the residuals inside the mask, summed over energy and smoothed, on the sky.

        Parameters
        ----------
        ax : WCSAxes, optional
        method : {"diff", "diff/model", "diff/sqrt(model)"}, see `residuals`
        smooth_kernel : {"gauss", "disk", "box"}
        smooth_radius : Quantity, str or float (in pixels)
        **kwargs : dict, passed to `WcsNDMap.plot`

        Returns
        -------
        ax : WCSAxes
        """
        from lightpool.plot.datasets import plot_residuals_spatial  # matplotlib is heavy and optional

        axes: Axes = plot_residuals_spatial(residual_image(self, method, smooth_kernel, smooth_radius), ax, **kwargs)
        return axes

    def plot_residuals(self, *args: object, **kwargs: object) -> tuple["Axes", "Axes"]:
        """Plot the residuals on the sky and against energy, as Gammapy does.

        Parameters
        ----------
        *args, **kwargs : those of Gammapy's `MapDataset.plot_residuals`
        """
        axes: tuple[Axes, Axes] = gammapy_bridge().counterpart(self).plot_residuals(*args, **kwargs)
        return axes

    def plot_residuals_spectral(self, *args: object, **kwargs: object) -> "Axes":
        """Plot the residuals of a region against energy, as Gammapy does.

        Parameters
        ----------
        *args, **kwargs : those of Gammapy's `MapDataset.plot_residuals_spectral`
        """
        axes: Axes = gammapy_bridge().counterpart(self).plot_residuals_spectral(*args, **kwargs)
        return axes

    def with_predicted_background(self) -> Self:
        """Return a dataset of the same name and maps, whose background is the predicted one; itself without a model.

        A file of a dataset holds no models: written as it is, the background would lose its norm.
        """
        if self.background_model is None:
            return self
        background = self.npred_background()
        assert background is not None  # there is a model of it
        return self.derived(self.name, self.maps | {"background": background}, meta=self.given_meta)

    # --- stacking

    @accepts_gammapy
    def stack(self, other: "Dataset", nan_to_num: bool = True) -> None:
        """Add another dataset to this one, in place.

        Counts, background, exposure, PSF and energy dispersion of the other dataset are added inside its safe mask,
        the responses weighted with the exposure. Safe masks are joined by "or". Livetimes and time intervals are
        added, tables of observations joined. The background is the one that the models predict, so afterwards the
        background of this dataset no longer has a model. What is already outside the safe mask of this dataset is
        kept; `to_masked` removes it.

        Parameters
        ----------
        other : MapDataset, on the same geometry or a cutout of it
        nan_to_num : bool, whether values that are not finite count as zero
        """
        with self.memory_errors("stacking"):
            stack_dataset(self, other, nan_to_num)
        self.add_observations(other)

    # --- derived datasets

    def copy(self, name: str | None = None) -> Self:
        """Return a deep copy without models, under a new name."""
        if type(self).derived is Dataset.derived:  # a class of a user, of whose attributes nothing is known
            new = deepcopy(self)
            new.name = make_name(name)
            with suppress(AttributeError):  # its models may be a property
                new.models = None
            return new
        new = self.derived(name, {key: data.copy() for key, data in self.maps.items()}, meta=self._copied_meta())
        # `derived` shares these two with the original.
        new.gti = None if self.gti is None else self.gti.copy()
        new.meta_table = None if self.meta_table is None else self.meta_table.copy()
        return new

    def _copied_meta(self) -> MapDatasetMetaData | Deferred[MapDatasetMetaData]:
        given = self.given_meta
        # What is deferred is created for each dataset anew.
        return given if isinstance(given, Deferred) else deepcopy(given)

    def to(self, device: str | Device | None = None, precision: str | None = None) -> Self:
        """Return the dataset on a device and in a precision, with the same name and models; itself if nothing changes.

        Parameters
        ----------
        device : str or Device, such as ``cuda``; by default where the dataset is
        precision : {"double", "single"}, float64 or float32; by default what each map has
        """
        if device is not None and find_device(device) != self.device:
            self.require_memory(device, f"a {self.tag}")
        old = self.maps
        maps: dict[str, DatasetPart] = {key: data.to(device, precision) for key, data in old.items()}
        if all(maps[key] is data for key, data in old.items()):
            return self
        return self.derived(self.name, maps, models=self.models, meta=self.given_meta)

    def cutout(self, position: SkyCoord, width: "AngleLike", mode: str = "trim", name: str | None = None) -> Self:
        """Cut out a window.

        Parameters
        ----------
        position : SkyCoord, centre of the window
        width : Quantity, str or a pair of them, size in longitude and latitude
        mode : {"trim", "partial", "strict"}, for windows that reach over the border
        name : str, of the new dataset
        """
        if are_large(self.maps):
            self.outline(position, width, mode).require_memory(self.device, f"a cutout of a {self.tag}")
        return self.derived(name, transforms.cutout(self, position, width, mode))

    def outline(
        self,
        position: SkyCoord | tuple[float, float] | None = None,
        width: "AngleLike | None" = None,
        mode: str = "trim",
    ) -> Self:
        """Return a dataset of maps that have geometries, but no values and no memory, see `Map.outline`.

        This is enough for a step that computes all maps again, such as MapDatasetMaker.

        Parameters
        ----------
        position, width, mode : as for `cutout`; without them the outline is that of the whole dataset
            The position may also be longitude and latitude in deg in the frame of the maps.
        """
        window: transforms.Window = {}
        if position is not None and width is not None:
            window = {"position": position, "width": width, "mode": mode}
        return self.derived(None, transforms.outline(self, window))

    def pad(self, pad_width: int | tuple[int, int], mode: str = "constant", name: str | None = None) -> Self:
        """Widen counts, background, exposure and masks by pixels; the responses stay as they are.

        Parameters
        ----------
        pad_width : int or pair of int, pixels at each side
        mode : str, see `Map.pad`
        name : str, of the new dataset
        """
        return self.derived(name, transforms.pad(self, pad_width, mode))

    def downsample(self, factor: int, axis_name: str | None = None, name: str | None = None) -> Self:
        """Merge pixels, or bins of an axis.

        Parameters
        ----------
        factor : int
        axis_name : str, axis whose bins are joined; pixels by default
        name : str, of the new dataset
        """
        return self.derived(name, transforms.downsample(self, factor, axis_name))

    def slice_by_idx(self, slices: dict[str, slice | int], name: str | None = None) -> Self:
        """Select bins of axes.

        Parameters
        ----------
        slices : dict of axis name to slice or int; an int drops the axis
        name : str, of the new dataset
        """
        return self.derived(name, transforms.slice_by_idx(self, slices))

    def slice_by_energy(
        self,
        energy_min: "QuantityLike | None" = None,
        energy_max: "QuantityLike | None" = None,
        name: str | None = None,
    ) -> Self:
        """Select the bins between two energies.

        Parameters
        ----------
        energy_min, energy_max : Quantity or str; the ends of the axis by default
        name : str, of the new dataset
        """
        bins = transforms.energy_slice(self.geom.axes["energy"], energy_min, energy_max)
        return self.slice_by_idx({"energy": bins}, name=name)

    @accepts_gammapy
    def resample_energy_axis(self, energy_axis: MapAxis, name: str | None = None) -> Self:
        """Merge bins of reconstructed energy into those of another axis.

        Parameters
        ----------
        energy_axis : MapAxis, whose edges are among those of the dataset
        name : str, of the new dataset
        """
        return self.derived(name, transforms.resample_energy_axis(self, energy_axis))

    def to_image(self, name: str | None = None) -> Self:
        """Merge all bins of reconstructed energy into one."""
        return self.resample_energy_axis(self.geom.axes["energy"].squash(), name=name)

    def to_region_map_dataset(self, region: "RegionLike | None", name: str | None = None) -> Self:
        """Return a dataset of the same kind, whose maps have one region instead of pixels.

        Counts, OFF counts and background are summed over the pixels of the region inside the safe mask, the
        background after its model was applied; the model is not taken over. Exposure and acceptance are means. PSF
        and energy dispersion are those at the centre of the region.

        Parameters
        ----------
        region : SkyRegion, PixelRegion, str in DS9 format, SkyCoord, or a list of them, whose union is taken
            None is the whole map.
        name : str, of the new dataset

        Raises
        ------
        GeometryError
            If the region reaches over the border of the map or holds no pixel centre, or if a mask is neither True
            nor False in all of it, at some energy.
        """
        return self.derived(name, region_maps(self, region_on_sky(self, region)))
