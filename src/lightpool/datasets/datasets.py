"""Lists of datasets."""

import logging
from collections.abc import Iterable, MutableSequence, Sequence
from pathlib import Path
from typing import Protocol, Self, TypeAlias, overload, runtime_checkable

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.arrays import Device, to_host
from lightpool.attributes import KnownAttributes
from lightpool.bridge import (
    ConvertibleToGammapy,
    accepts_gammapy,
    gammapy_bridge,
    is_model_of_gammapy,
    is_only_dataset_of_gammapy,
)
from lightpool.data import GTI
from lightpool.datasets.dataset import Dataset, find_dataset_class
from lightpool.datasets.dataset_card import datasets_card
from lightpool.datasets.formats.ogip import find_pha_files
from lightpool.datasets.formats.yaml_format import read_dataset_entries, to_yaml, write_yaml
from lightpool.datasets.merged_tables import instruments_in, rows_of_datasets
from lightpool.datasets.models.model_lists import DatasetModels, Models, ModelsLike
from lightpool.datasets.models.parameters import Parameters
from lightpool.datasets.observations import SeenDatasets
from lightpool.errors import ConfigError, FormatError
from lightpool.fits import required_path
from lightpool.typing import GammapyObject, PathInput, QuantityLike, RegionLike
from lightpool.utils.html import Card, ShownInNotebooks
from lightpool.utils.pbar import tracked

__all__ = ["Datasets"]

log = logging.getLogger(__name__)


DatasetKey: TypeAlias = int | str | Dataset
"""Key of a dataset in a list: its position, its name or the dataset itself."""


@runtime_checkable
class HasOgipFiles(Protocol):
    """A spectrum that has files in the OGIP formats: a `SpectrumDatasetOnOff`."""

    def to_ogip_files(
        self, folder: PathInput, overwrite: bool = False, format: str = "ogip", checksum: bool = False
    ) -> Path:
        """Write the files into a folder, and return the path of the PHA file."""
        ...

    @classmethod
    def from_ogip_files(cls, filename: PathInput, name: str | None = None) -> Dataset:
        """Read a PHA file and the files that it names."""
        ...


class Datasets(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks, MutableSequence[Dataset]):
    """Datasets with unique names, found by name or position.

    Parameters
    ----------
    datasets : Dataset, list of Dataset or Datasets
    """

    _consumed = ("datasets",)

    def __new__(cls, datasets: object = None) -> Self:
        """Return a list of Gammapy if any of the datasets is of a kind that only Gammapy has, such as flux points."""
        if is_only_dataset_of_gammapy(datasets):
            made: Self = gammapy_bridge().datasets_of_gammapy(datasets)
            return made
        return super().__new__(cls)

    @accepts_gammapy
    def __init__(self, datasets: "Dataset | Sequence[Dataset] | None" = None) -> None:
        if isinstance(datasets, Dataset):
            datasets = [datasets]
        if datasets is not None and not isinstance(datasets, list | tuple | Datasets):
            raise TypeError(f"expected a dataset or a list of datasets, got {datasets!r}")
        self._datasets: list[Dataset] = []
        # Holds the covariances between the models of different datasets, which no dataset has.
        self._models_set: DatasetModels | None = None
        self.extend(datasets or [])

    @property
    def names(self) -> list[str]:
        """Name of each dataset."""
        return [dataset.name for dataset in self]

    @property
    def models(self) -> DatasetModels | GammapyObject:
        """Models of all datasets, each once; a `DatasetModels` of Gammapy if any of them are Gammapy's."""
        if self._needs_gammapy:
            return gammapy_bridge().joined_models(self)
        models = [model for dataset in self if dataset.models is not None for model in dataset.models]
        found = DatasetModels(list(dict.fromkeys(models)))
        return found if self._models_set is None else found.with_covariance_of(self._models_set)

    @models.setter
    def models(self, models: ModelsLike | GammapyObject | None) -> None:
        if is_model_of_gammapy(models):
            gammapy_bridge().set_joined_models(self, models)
            return
        self._models_set = None if models is None else DatasetModels(models)
        for dataset in self:
            dataset.models = models

    @property
    def _needs_gammapy(self) -> bool:
        """Whether there are models or datasets that only Gammapy has."""
        return any(not isinstance(dataset, Dataset) or dataset.counterpart is not None for dataset in self)

    @property
    def parameters(self) -> Parameters | GammapyObject:
        """Parameters of all models, each once."""
        models = self.models
        return models.parameters if isinstance(models, DatasetModels) else models.parameters.unique_parameters

    @property
    def contributes_to_stat(self) -> NDArray[np.bool_]:
        """Whether each dataset has bins inside its masks."""
        masks = [None if dataset.mask is None else dataset.mask.data for dataset in self]
        return np.array([mask is None or bool(to_host(mask).any()) for mask in masks], dtype=bool)

    def stat_sum(self) -> float:
        """Return the statistic of all datasets, with the priors of models of Gammapy."""
        if self._needs_gammapy:
            return float(gammapy_bridge().counterpart(self).stat_sum())
        return sum(dataset.stat_sum() for dataset in self)

    @property
    def is_all_same_type(self) -> bool:
        """Whether all datasets are of one type."""
        return len({type(dataset) for dataset in self}) == 1

    @property
    def is_all_same_shape(self) -> bool:
        """Whether the counts of all datasets have one shape."""
        return len({dataset.data_shape for dataset in self}) == 1

    @property
    def is_all_same_energy_shape(self) -> bool:
        """Whether all datasets have the same number of energy bins."""
        # (n_energy, ny, nx)
        return len({dataset.data_shape[0] for dataset in self}) == 1

    @property
    def energy_axes_are_aligned(self) -> bool:
        """Whether the bins of all energy axes are aligned with those of the first one."""
        axes = [dataset.required("counts").geom.axes["energy"] for dataset in self]
        return all(axes[0].is_aligned(axis) for axis in axes)

    @property
    def is_all_same_geom(self) -> bool:
        """Whether all datasets have one geometry."""
        return all(dataset.geom == self[0].geom for dataset in self)

    @property
    def energy_ranges(self) -> tuple[u.Quantity, u.Quantity]:
        """First and last energy edge of each dataset, two arrays of shape (n,)."""
        edges = [dataset.required("counts").geom.axes["energy"].edges for dataset in self]
        return u.Quantity([edge[0] for edge in edges]), u.Quantity([edge[-1] for edge in edges])

    @property
    def gti(self) -> GTI | None:
        """One interval per dataset, from its first start to its last stop; None if no dataset has any."""
        gtis = [dataset.gti for dataset in self if dataset.gti is not None and len(dataset.gti.table) > 0]
        if not gtis:
            return None
        return GTI.from_time_intervals([(gti.time_start[0], gti.time_stop[-1]) for gti in gtis])

    @property
    def meta_table(self) -> Table:
        """Concatenated tables of the observations of all datasets, with the names and types of the datasets."""
        joined = rows_of_datasets([dataset.meta_table for dataset in self])
        joined.add_column([dataset.tag for dataset in self], index=0, name="TYPE")
        joined.add_column(self.names, index=0, name="NAME")
        return joined

    def info_table(self, cumulative: bool = False) -> Table:
        """Return a table of the summary values of each dataset, one row per dataset.

        Parameters
        ----------
        cumulative : bool
            Whether each row describes the stack of all datasets up to it; models are applied and lost.
        """
        self._check_same_type("an info table")
        if not cumulative:
            return Table([dataset.info_dict() for dataset in self])
        stacked = self[0].to_masked(name="stacked")
        rows = [stacked.info_dict()]
        for dataset in self[1:]:
            stacked.stack(dataset)
            rows.append(stacked.info_dict())
        return Table(rows)

    def stack_reduce(self, name: str | None = None, nan_to_num: bool = True) -> Dataset:
        """Return one dataset that holds the sum of all, inside their safe masks.

        Parameters
        ----------
        name : str, of the new dataset
        nan_to_num : bool, whether values that are not finite count as zero

        Notes
        -----
        All datasets must be of one type and lie inside the geometry of the first one, aligned with it. A warning names
        the datasets that hold the same observation with the same good times: its data count twice.
        """
        self._check_same_type("a stack")
        self._warn_of_duplicates()
        # A new dataset, so that the first one is not changed, and is cut to its safe mask as the others are.
        stacked = self[0].to_masked(name=name, nan_to_num=nan_to_num)
        for dataset in self[1:]:
            stacked.stack(dataset, nan_to_num=nan_to_num)
        return stacked

    def _warn_of_duplicates(self) -> None:
        seen = SeenDatasets()
        for dataset in self:
            if (reason := seen.add_listed(dataset.name, dataset)) is not None:
                log.warning("dataset %r holds %s: its data count twice in the stack", dataset.name, reason)

    def _check_same_type(self, what: str) -> None:
        if not self.is_all_same_type:
            types = sorted({type(dataset).__name__ for dataset in self})
            raise ValueError(f"{what} needs datasets of one type, got {types or 'none'}")

    def select_time(self, time_min: Time, time_max: Time, atol: "QuantityLike" = "1e-6 s") -> "Datasets":
        """Return the datasets whose good time intervals lie between two times.

        Parameters
        ----------
        time_min, time_max : Time
        atol : Quantity or str, by which an interval may begin earlier or end later
        """
        atol = u.Quantity(atol)
        return Datasets(
            [
                dataset
                for dataset in self
                if dataset.gti is not None
                and dataset.gti.time_start[0] >= time_min - atol
                and dataset.gti.time_stop[-1] <= time_max + atol
            ]
        )

    def slice_by_energy(self, energy_min: "QuantityLike", energy_max: "QuantityLike") -> "Datasets":
        """Return the datasets between two energies, with their names, without those that have no bin there (logged).

        Parameters
        ----------
        energy_min, energy_max : Quantity or str
        """
        sliced: list[Dataset] = []
        for dataset in self:
            try:
                sliced.append(dataset.slice_by_energy(energy_min, energy_max, name=dataset.name))
            except ValueError as error:
                log.info("dataset %s is left out: %s", dataset.name, error)
        return Datasets(sliced)

    def to(self, device: str | Device | None = None, precision: str | None = None) -> "Datasets":
        """Return the datasets on a device and in a precision, see `MapDataset.to`.

        Parameters
        ----------
        device : str or Device; by default where each dataset is
        precision : {"double", "single"}; by default what each map has
        """
        return Datasets([dataset.to(device, precision) for dataset in self])

    def copy(self) -> "Datasets":
        """Return a deep copy, with names and models."""
        copies = Datasets([dataset.copy(name=dataset.name) for dataset in self])
        # All together: a model that several datasets share is shared by their copies too.
        models = self.models.copy()
        copies.models = models
        for dataset, new in zip(self, copies, strict=True):
            if dataset.models is None:
                new.models = None
        return copies

    @classmethod
    def read(
        cls,
        filename: PathInput,
        filename_models: PathInput | None = None,
        lazy: bool = True,
        cache: bool = True,
        checksum: bool = True,
    ) -> "Datasets":
        """Read datasets from a YAML file and the FITS files that it names.

        Parameters
        ----------
        filename : str or Path
        filename_models : str or Path, YAML file of models
        lazy : bool, whether maps are read when they are first used
        cache : bool, whether they are kept then
        checksum : bool, whether to warn if a YAML file was changed since it was written
        """
        path = required_path(filename)
        datasets = cls()
        with tracked(read_dataset_entries(path, checksum), "datasets") as entries:
            for entry in entries:
                # Relative to the YAML file first, so that a folder can be moved as a whole.
                neighbour = path.parent / entry["filename"]
                entry = entry | {"filename": str(neighbour) if neighbour.exists() else entry["filename"]}
                datasets.append(_class_of_entry(entry["type"]).from_dict(entry, lazy=lazy, cache=cache))
        if filename_models is not None:
            datasets.models = Models.read(filename_models, checksum=checksum)
        return datasets

    def write(
        self,
        filename: PathInput,
        filename_models: PathInput | None = None,
        overwrite: bool = False,
        write_covariance: bool = True,
        checksum: bool = True,
    ) -> None:
        """Write a YAML file and, next to it, one FITS file for each dataset.

        Parameters
        ----------
        filename : str or Path
        filename_models : str or Path, YAML file of models
        overwrite : bool
        write_covariance : bool, whether to write the covariance of the models
        checksum : bool, whether to put checksums into all files
        """
        path = required_path(filename)
        if path.exists() and not overwrite:
            raise FileExistsError(f"file exists already: {path}; use overwrite=True to replace it")
        # The YAML file comes last, so that it never names files that are not written yet.
        entries = [dataset.to_dict() for dataset in self]
        with tracked(list(zip(self, entries, strict=True)), "datasets") as items:
            for dataset, entry in items:
                dataset.write(path.parent / entry["filename"], overwrite=overwrite, checksum=checksum)
        write_yaml(to_yaml({"datasets": entries}), path, overwrite=overwrite, checksum=checksum)
        if filename_models is not None:
            self.models.write(
                filename_models, overwrite=overwrite, write_covariance=write_covariance, checksum=checksum
            )

    def to_ogip_files(
        self, folder: PathInput, overwrite: bool = False, format: str = "ogip", checksum: bool = False
    ) -> list[Path]:
        """Write the OGIP files of all spectra into a folder, four per dataset.

        Parameters
        ----------
        folder : str or Path, created if missing
        overwrite : bool
        format : {"ogip", "xspec"}
            ``xspec`` has the units keV and cm2, which XSPEC and Sherpa assume.
        checksum : bool, whether to put checksums into the headers

        Returns
        -------
        paths : list of Path, of the PHA files, ``pha_obs{name}.fits``
        """
        spectra = [dataset for dataset in self if isinstance(dataset, HasOgipFiles)]
        if len(spectra) < len(self):
            others = [dataset.name for dataset in self if not isinstance(dataset, HasOgipFiles)]
            raise TypeError(f"OGIP files are those of a SpectrumDatasetOnOff, but the datasets {others} are others")
        return [spectrum.to_ogip_files(folder, overwrite, format, checksum) for spectrum in spectra]

    @classmethod
    def from_ogip_files(cls, filenames: PathInput | list[PathInput]) -> "Datasets":
        """Read spectra from PHA files and the files that they name.

        Parameters
        ----------
        filenames : str or Path of a folder, whose PHA files are read in the order of their names; or a list of PHA
            files
        """
        files = filenames if isinstance(filenames, list) else find_pha_files(filenames)
        spectrum_class = find_dataset_class("SpectrumDatasetOnOff")
        assert issubclass(spectrum_class, HasOgipFiles)
        return cls([spectrum_class.from_ogip_files(path) for path in files])

    def to_spectrum_datasets(self, region: "RegionLike") -> "Datasets":
        """Return the spectrum of a region of each dataset, under its name; see `MapDataset.to_spectrum_dataset`.

        Parameters
        ----------
        region : SkyRegion, PixelRegion, str in DS9 format, SkyCoord, or a list of them
        """
        return Datasets([dataset.to_spectrum_dataset(on_region=region, name=dataset.name) for dataset in self])

    def __str__(self) -> str:
        lines = ["Datasets", "--------", ""]
        for i, dataset in enumerate(self):
            lines += [
                f"Dataset {i}: ",
                "",
                f"  Type       : {dataset.tag}",
                f"  Name       : {dataset.name}",
                f"  Instrument : {instruments_in(dataset.meta_table)}",
                f"  Models     : {dataset.models.names if dataset.models else ''}",
                "",
            ]
        return "\n".join(lines) + "\n"

    def html_card(self) -> Card:
        """Return what notebooks show of the datasets."""
        return datasets_card(self._datasets, type(self).__name__)

    @overload
    def __getitem__(self, key: "DatasetKey") -> Dataset: ...
    @overload
    def __getitem__(self, key: slice) -> "Datasets": ...

    def __getitem__(self, key: "DatasetKey | slice") -> "Dataset | Datasets":
        if isinstance(key, slice):
            return Datasets(self._datasets[key])
        return self._datasets[self.index(key)]

    @overload
    def __setitem__(self, key: "DatasetKey", dataset: Dataset) -> None: ...
    @overload
    def __setitem__(self, key: slice, dataset: Iterable[Dataset]) -> None: ...

    @accepts_gammapy
    def __setitem__(self, key: "DatasetKey | slice", dataset: Dataset | Iterable[Dataset]) -> None:
        position = self.index(key)
        # The name of the replaced dataset is free; modulo the length because a position may be negative.
        added = self._checked(dataset, [name for i, name in enumerate(self.names) if i != position % len(self)])
        self._datasets[position] = added

    def __delitem__(self, key: "DatasetKey | slice") -> None:
        del self._datasets[key if isinstance(key, slice) else self.index(key)]

    def __len__(self) -> int:
        return len(self._datasets)

    @accepts_gammapy
    def insert(self, idx: int, dataset: Dataset) -> None:
        """Insert a dataset before a position.

        Parameters
        ----------
        idx : int
        dataset : Dataset, whose name no other dataset has
        """
        self._datasets.insert(idx, self._checked(dataset, self.names))

    @staticmethod
    def _checked(dataset: GammapyObject, names: list[str]) -> Dataset:
        # One that only Gammapy has, such as flux points, takes part in a joint fit.
        if not isinstance(dataset, Dataset) and not is_only_dataset_of_gammapy(dataset):
            raise TypeError(f"expected a dataset, got {dataset!r} of type {type(dataset).__name__}")
        if dataset.name in names:
            raise ValueError(f"Dataset names must be unique, there is one named {dataset.name!r} already")
        checked: Dataset = dataset
        return checked

    def index(self, key: object, *_: object) -> int:
        """Return the position of a dataset.

        Parameters
        ----------
        key : Dataset, str or int, the dataset itself, its name or its position
        *_ : not used; the limits of `list.index`
        """
        if isinstance(key, int | np.integer):
            return int(key)
        if isinstance(key, str):
            if key not in self.names:
                raise ValueError(f"no dataset {key!r}; there are {self.names}")
            return self.names.index(key)
        if isinstance(key, Dataset):
            return self._datasets.index(key)
        raise TypeError(f"a dataset is found by name, number or itself, got {key!r}")

    def __add__(self, other: "Dataset | Iterable[Dataset]") -> "Datasets":
        more: list[GammapyObject] = list(other) if isinstance(other, Iterable) else [other]
        return Datasets([*self, *more])


def _class_of_entry(tag: str) -> type[Dataset] | GammapyObject:
    """Return the class of datasets that a file names; one that only Gammapy has, such as flux points, is Gammapy's."""
    try:
        return find_dataset_class(tag)
    except FormatError:
        try:
            return gammapy_bridge().original("lightpool.datasets", tag)
        except (ConfigError, AttributeError):  # it is not installed, or does not know it either
            pass
        raise
