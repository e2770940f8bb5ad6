"""Lists of datasets."""

import html
import logging
from abc import ABC, abstractmethod
from collections.abc import MutableSequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import astropy.units as u
import numpy as np
from astropy.table import Table, vstack

from lightpool.attributes import KnownAttributes
from lightpool.datasets.formats.ogip import find_pha_files
from lightpool.datasets.formats.yaml_format import read_yaml, to_yaml, write_yaml
from lightpool.datasets.models.background_models import DatasetModels, Models
from lightpool.datasets.observations import SeenDatasets
from lightpool.errors import FormatError
from lightpool.fits import file_kinds, make_path, read_fits
from lightpool.fits.content_kinds import description, is_fits

if TYPE_CHECKING:
    from lightpool.data import GTI

__all__ = ["Dataset", "Datasets", "find_dataset_class"]

log = logging.getLogger(__name__)

_classes: dict[str, "type[Dataset]"] = {}


def find_dataset_class(tag: str) -> "type[Dataset]":
    """Class of datasets that a file names, such as ``MapDataset``."""
    if tag not in _classes:
        raise FormatError(f"datasets of type {tag!r} are not known; there are {sorted(_classes)}")
    return _classes[tag]


class Dataset(KnownAttributes, ABC):
    """What all kinds of datasets have in common: a name, a mask, models, a place in a list."""

    tag: ClassVar[str]
    name: str
    models: DatasetModels | None
    gti: "GTI | None"
    meta_table: Table | None
    counts: Any
    _geom: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "tag" in cls.__dict__:
            _classes[cls.tag] = cls

    @property
    @abstractmethod
    def data_shape(self) -> tuple[int, ...]:
        """Shape of the counts."""

    @abstractmethod
    def copy(self, name: str | None = None) -> Self:
        """Deep copy without models."""

    @abstractmethod
    def to(self, device: Any = None, precision: str | None = None) -> Self:
        """Dataset on a device and in a precision."""

    @abstractmethod
    def slice_by_energy(self, energy_min: Any = None, energy_max: Any = None, name: str | None = None) -> Self:
        """Dataset between two energies; ValueError if it has no bin there."""

    @abstractmethod
    def info_dict(self) -> dict[str, Any]:
        """Figures of the dataset."""

    @abstractmethod
    def write(self, filename: str | Path, overwrite: bool = False, checksum: bool = False) -> None:
        """Write the dataset to a file."""

    @classmethod
    @abstractmethod
    def from_dict(cls, data: dict[str, Any], lazy: bool = False, cache: bool = True) -> Self:
        """Read the file that the dictionary of `to_dict` names."""

    def to_dict(self) -> dict[str, Any]:
        """Name, type and file name, as in a file of datasets."""
        return {"name": self.name, "type": self.tag, "filename": f"{self.name.replace(' ', '_')}.fits"}

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def __add__(self, other: "Dataset | Datasets | list[Dataset]") -> "Datasets":
        return Datasets([self]) + other


class Datasets(KnownAttributes, MutableSequence[Dataset]):
    """Datasets with names that are unique, found by name or position.

    Parameters
    ----------
    datasets : Dataset, list of Dataset or Datasets
    """

    _consumed = ("datasets",)

    def __init__(self, datasets: "Dataset | list[Any] | Datasets | None" = None) -> None:
        if isinstance(datasets, Dataset):
            datasets = [datasets]
        if datasets is not None and not isinstance(datasets, list | tuple | Datasets):
            raise TypeError(f"expected a dataset or a list of datasets, got {datasets!r}")
        self._datasets: list[Any] = []
        self.extend(datasets or [])

    @property
    def names(self) -> list[str]:
        """Name of each dataset."""
        return [dataset.name for dataset in self]

    @property
    def models(self) -> DatasetModels:
        """Models of all datasets, each once."""
        models = [model for dataset in self if dataset.models is not None for model in dataset.models]
        return DatasetModels(list(dict.fromkeys(models)))

    @models.setter
    def models(self, models: Any) -> None:
        for dataset in self:
            dataset.models = models

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
        return len({dataset.data_shape[0] for dataset in self}) == 1

    @property
    def energy_axes_are_aligned(self) -> bool:
        """Whether the edges of all energy axes fall on each other."""
        axes = [dataset.counts.geom.axes["energy"] for dataset in self]
        return all(axes[0].is_aligned(axis) for axis in axes)

    @property
    def is_all_same_geom(self) -> bool:
        """Whether all datasets have one geometry."""
        return all(dataset._geom == self[0]._geom for dataset in self)

    @property
    def energy_ranges(self) -> tuple[u.Quantity, u.Quantity]:
        """First and last energy edge of each dataset, two arrays of shape (n,)."""
        edges = [dataset.counts.geom.axes["energy"].edges for dataset in self]
        return u.Quantity([edge[0] for edge in edges]), u.Quantity([edge[-1] for edge in edges])

    @property
    def gti(self) -> "GTI | None":
        """One interval per dataset, from its first start to its last stop; None if no dataset has any."""
        from lightpool.data import GTI

        gtis = [dataset.gti for dataset in self if dataset.gti is not None and len(dataset.gti.table) > 0]
        if not gtis:
            return None
        return GTI.from_time_intervals([(gti.time_start[0], gti.time_stop[-1]) for gti in gtis])

    @property
    def meta_table(self) -> Table:
        """Tables of the observations of all datasets below each other, with the names and types of the datasets."""
        tables = [dataset.meta_table for dataset in self]
        known = [table for table in tables if table is not None]
        joined = Table()
        if known:
            rows = [_masked_row(known[0]) if table is None else table for table in tables]
            joined = vstack(rows, metadata_conflicts="silent").copy()
        joined.add_column([dataset.tag for dataset in self], index=0, name="TYPE")
        joined.add_column(self.names, index=0, name="NAME")
        return joined

    def info_table(self, cumulative: bool = False) -> Table:
        """Table with the figures of each dataset, one row per dataset.

        Parameters
        ----------
        cumulative : bool
            Give the figures of the stack of the datasets up to each row; models are applied and lost.
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

    def stack_reduce(self, name: str | None = None, nan_to_num: bool = True) -> Any:
        """One dataset that holds the sum of all, inside their safe masks.

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

    def select_time(self, time_min: Any, time_max: Any, atol: Any = "1e-6 s") -> "Datasets":
        """Datasets whose good time intervals lie between two times."""
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

    def slice_by_energy(self, energy_min: Any, energy_max: Any) -> "Datasets":
        """Datasets between two energies, with their names; those without a bin there are left out and logged."""
        sliced = []
        for dataset in self:
            try:
                sliced.append(dataset.slice_by_energy(energy_min, energy_max, name=dataset.name))
            except ValueError as error:
                log.info("dataset %s is left out: %s", dataset.name, error)
        return Datasets(sliced)

    def to(self, device: Any = None, precision: str | None = None) -> "Datasets":
        """Datasets on a device and in a precision, see `MapDataset.to`."""
        return Datasets([dataset.to(device, precision) for dataset in self])

    def copy(self) -> "Datasets":
        """Deep copy, with names and models."""
        copies = []
        for dataset in self:
            new = dataset.copy(name=dataset.name)
            new.models = None if dataset.models is None else dataset.models.copy()
            copies.append(new)
        return Datasets(copies)

    @classmethod
    def read(
        cls,
        filename: str | Path,
        filename_models: str | Path | None = None,
        lazy: bool = True,
        cache: bool = True,
        checksum: bool = True,
    ) -> "Datasets":
        """Read datasets from a YAML file and the FITS files that it names.

        Parameters
        ----------
        filename : str or Path
        filename_models : str or Path, YAML file of models
        lazy : bool, whether maps are read when they are first asked for
        cache : bool, whether they are kept then
        checksum : bool, whether to warn if a YAML file was changed since it was written
        """
        path = make_path(filename)
        datasets = cls()
        for entry in _entries(path, checksum):
            beside = path.parent / entry["filename"]
            entry = entry | {"filename": str(beside) if beside.exists() else entry["filename"]}
            datasets.append(find_dataset_class(entry["type"]).from_dict(entry, lazy=lazy, cache=cache))
        if filename_models is not None:
            datasets.models = Models.read(filename_models, checksum=checksum)
        return datasets

    def write(
        self,
        filename: str | Path,
        filename_models: str | Path | None = None,
        overwrite: bool = False,
        write_covariance: bool = True,
        checksum: bool = True,
    ) -> None:
        """Write a YAML file, and beside it one FITS file per dataset.

        Parameters
        ----------
        filename : str or Path
        filename_models : str or Path, YAML file of models
        overwrite : bool
        write_covariance : bool, whether to write the covariance of the models
        checksum : bool, whether to put checksums into all files
        """
        path = make_path(filename)
        if path.exists() and not overwrite:
            raise FileExistsError(f"file exists already: {path}; use overwrite=True to replace it")
        entries = [dataset.to_dict() for dataset in self]
        for dataset, entry in zip(self, entries, strict=True):
            dataset.write(path.parent / entry["filename"], overwrite=overwrite, checksum=checksum)
        write_yaml(to_yaml({"datasets": entries}), path, overwrite=overwrite, checksum=checksum)
        if filename_models is not None:
            self.models.write(
                filename_models, overwrite=overwrite, write_covariance=write_covariance, checksum=checksum
            )

    def to_ogip_files(
        self, folder: str | Path, overwrite: bool = False, format: str = "ogip", checksum: bool = False
    ) -> list[Path]:
        """Write the OGIP files of all spectra into a folder, four per dataset.

        Parameters
        ----------
        folder : str or Path, made if it is not there
        overwrite : bool
        format : {"ogip", "xspec"}
            ``xspec`` has the units keV and cm2, which XSPEC and Sherpa take for granted.
        checksum : bool, whether to put checksums into the headers

        Returns
        -------
        paths : list of Path, of the PHA files, ``pha_obs{name}.fits``
        """
        others = [dataset.name for dataset in self if dataset.tag != "SpectrumDatasetOnOff"]
        if others:
            raise TypeError(f"OGIP files are those of a SpectrumDatasetOnOff, but the datasets {others} are others")
        spectra: list[Any] = list(self)
        return [spectrum.to_ogip_files(folder, overwrite, format, checksum) for spectrum in spectra]

    @classmethod
    def from_ogip_files(cls, filenames: str | Path | list[str | Path]) -> "Datasets":
        """Read spectra from PHA files and the files that they name.

        Parameters
        ----------
        filenames : str or Path of a folder, whose PHA files are read in the order of their names; or a list of PHA
            files
        """
        files = filenames if isinstance(filenames, list) else find_pha_files(filenames)
        spectrum_class: Any = find_dataset_class("SpectrumDatasetOnOff")
        return cls([spectrum_class.from_ogip_files(path) for path in files])

    def to_spectrum_datasets(self, region: Any) -> "Datasets":
        """Spectra of a region, one per dataset of sky maps, under their names; see `MapDataset.to_spectrum_dataset`.

        Parameters
        ----------
        region : SkyRegion, PixelRegion, str in DS9 format, SkyCoord, or a list of them
        """
        maps: list[Any] = list(self)
        return Datasets([dataset.to_spectrum_dataset(on_region=region, name=dataset.name) for dataset in maps])

    def __str__(self) -> str:
        lines = ["Datasets", "--------", ""]
        for i, dataset in enumerate(self):
            lines += [
                f"Dataset {i}: ",
                "",
                f"  Type       : {dataset.tag}",
                f"  Name       : {dataset.name}",
                f"  Instrument : {_instrument(dataset.meta_table)}",
                f"  Models     : {dataset.models.names if dataset.models else ''}",
                "",
            ]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return Datasets(self._datasets[key])
        return self._datasets[self.index(key)]

    def __setitem__(self, key: Any, dataset: Any) -> None:
        position = self.index(key)
        self._check(dataset, [name for i, name in enumerate(self.names) if i != position % len(self)])
        self._datasets[position] = dataset

    def __delitem__(self, key: Any) -> None:
        del self._datasets[key if isinstance(key, slice) else self.index(key)]

    def __len__(self) -> int:
        return len(self._datasets)

    def insert(self, index: int, dataset: Dataset) -> None:
        """Insert a dataset before a position."""
        self._check(dataset, self.names)
        self._datasets.insert(index, dataset)

    @staticmethod
    def _check(dataset: Any, names: list[str]) -> None:
        if not isinstance(dataset, Dataset):
            raise TypeError(f"expected a dataset, got {dataset!r} of type {type(dataset).__name__}")
        if dataset.name in names:
            raise ValueError(f"Dataset names must be unique, there is one named {dataset.name!r} already")

    def index(self, key: Any, *_: Any) -> int:
        """Position of a dataset, given itself, its name or its position."""
        if isinstance(key, int | np.integer):
            return int(key)
        if isinstance(key, str):
            if key not in self.names:
                raise ValueError(f"no dataset {key!r}; there are {self.names}")
            return self.names.index(key)
        if isinstance(key, Dataset):
            return self._datasets.index(key)
        raise TypeError(f"a dataset is found by name, number or itself, got {key!r}")

    def __add__(self, other: Any) -> "Datasets":
        if not isinstance(other, list | tuple | Datasets):
            other = [other]
        return Datasets([*self, *other])


def _entries(path: Path, checksum: bool) -> list[dict[str, str]]:
    """Entries of a YAML file of datasets; FormatError if it is no such file."""
    if path.is_file() and is_fits(path):
        file = read_fits(path)
        what = description(file, file_kinds(file))
        raise FormatError(f"{path} holds {what}; Datasets.read expects a YAML file that names such files")
    entries = read_yaml(path, checksum=checksum).get("datasets")
    keys = {"name", "type", "filename"}
    if not isinstance(entries, list) or any(not isinstance(entry, dict) or keys - entry.keys() for entry in entries):
        raise FormatError(f"{path}: expected a section 'datasets', a list of entries with {', '.join(sorted(keys))}")
    return entries


def _masked_row(table: Table) -> Table:
    """Row of the same columns without values."""
    row = Table(table[:1], masked=True, copy=True)
    for column in row.itercols():
        column.mask = True
    return row


def _instrument(meta_table: Table | None) -> str:
    if meta_table is None or "TELESCOP" not in meta_table.colnames:
        return ""
    return ", ".join(sorted({str(name) for name in np.ravel(meta_table["TELESCOP"])}))
