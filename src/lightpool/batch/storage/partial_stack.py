"""Stacks of some of the observations, one per target and group, that can be saved and merged without loss."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, TypeAlias, TypedDict

import astropy.units as u
import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from lightpool import datasets
from lightpool.arrays import to_device, to_host, use_device, use_precision
from lightpool.arrays.devices.devices import Device, find_device
from lightpool.batch.storage.files import write_aside
from lightpool.batch.storage.stack_names import StackKey, StackNames
from lightpool.config.build import build_dataset
from lightpool.config.settings import Settings
from lightpool.data import GTI
from lightpool.datasets import MapDataset
from lightpool.datasets.on_off import OnOffDataset, require_off_stackable
from lightpool.datasets.stacking import require_stackable
from lightpool.datasets.sums import add_stack, set_sums, sums_of
from lightpool.errors import WrongPartError
from lightpool.fits import open_file

__all__ = ["PartialStack", "StackKey"]

_LIVETIME = "livetime"
_REFERENCE = "2000-01-01"

_Arrays: TypeAlias = dict[str, NDArray[np.generic]]


class _Description(TypedDict):
    """Description of a stack besides its arrays."""

    kind: str  # class of the dataset
    livetime: float | None  # s
    meta_table: list[str] | None  # names of the columns


class _Part(_Description):
    """Entry of a stack in a file."""

    key: list[str]
    arrays: list[str]


class PartialStack:
    """Stacks of some of the observations: accumulators of sums in double precision, whatever the observations have.

    Parameters
    ----------
    settings : Settings
    device : Device or str
        Device of the sums.
    references : mapping of str to MapDataset, optional
        Empty datasets of targets by name, from which observations are cut: windows are found at once on a stack that
        shares their pixels. Others are built from the settings.
    """

    suffix: ClassVar[str] = "zip"

    def __init__(
        self,
        settings: Settings,
        device: Device | str = "cpu",
        references: Mapping[str, MapDataset] | None = None,
    ) -> None:
        self.device = find_device(device)
        self._settings = settings
        self._names = StackNames(settings)
        self._targets = {target.name: target for target in settings.targets}
        self._references = dict(references or {})
        self._stacks: dict[StackKey, MapDataset] = {}

    def __iter__(self) -> Iterator[StackKey]:
        return iter(sorted(self._stacks))

    def __getitem__(self, key: StackKey) -> MapDataset:
        return self._stacks[key]

    def add(self, key: StackKey, dataset: MapDataset) -> None:
        """Add the dataset of one or more observations to a stack.

        Parameters
        ----------
        key : StackKey
        dataset : MapDataset or SpectrumDataset
        """
        if key not in self._stacks:
            self._stacks[key] = self._empty(key, _class_of(dataset))
        self._stacks[key].stack(dataset)

    def require_addable(self, key: StackKey, dataset: MapDataset) -> None:
        """Refuse a dataset that cannot be added to a stack, before anything is added.

        Parameters
        ----------
        key : StackKey
        dataset : MapDataset or SpectrumDataset

        Raises
        ------
        WrongPartError
            If its class is not that of the stack.
        GeometryError, ValueError, TypeError
            If one of its maps cannot be added.
        """
        stack = self._stacks.get(key)
        if stack is None:
            stack = self._empty(key, _class_of(dataset))
        _require_same_class(key, stack, dataset)
        require_stackable(stack, dataset)
        if isinstance(stack, OnOffDataset):
            require_off_stackable(stack, dataset)

    def merge(self, other: "PartialStack") -> None:
        """Add another partial stack, which must not be used afterwards."""
        moved = other.to(self.device)
        for key in moved:
            if key in self._stacks:
                _require_same_class(key, self._stacks[key], moved[key])
                add_stack(self._stacks[key], moved[key])
            else:
                self._stacks[key] = moved[key]

    def to(self, device: Device | str) -> "PartialStack":
        """Return the partial stack on a device; itself if it is already there."""
        target = find_device(device)
        if target == self.device:
            return self
        moved = PartialStack(self._settings, target)
        for key, stack in self._stacks.items():
            moved._restore(key, *_parts_of(stack))
        return moved

    def _empty(self, key: StackKey, kind: str) -> MapDataset:
        with use_device(self.device), use_precision("double"):
            reference = self._references.get(key.target)
            outline = (build_dataset(self._targets[key.target]) if reference is None else reference).outline()
            options = {"name": self._names.of(key), "reference_time": _REFERENCE}
            empty: MapDataset = getattr(datasets, kind).from_geoms(**outline.geoms, **options)
            return empty

    def save(self, path: Path) -> None:
        """Write the sums to a file, atomically."""
        parts: list[_Part] = []
        with write_aside(path) as file, zipfile.ZipFile(file, "w") as archive:
            for number, key in enumerate(self):
                description, arrays = _parts_of(self._stacks[key])
                parts.append({"key": list(key), **description, "arrays": sorted(arrays)})
                for name, values in arrays.items():
                    entry = zipfile.ZipInfo(f"{number}/{name}.npy")
                    if 2 * np.count_nonzero(values) < values.size:  # dense sums compress slowly and poorly
                        entry.compress_type = zipfile.ZIP_DEFLATED
                    # The size of a member is not known before it is written, and may exceed the 2 GiB of plain ZIP.
                    with archive.open(entry, "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, values, allow_pickle=False)
            # ZipInfo without a time: the same sums make a file of the same bytes.
            archive.writestr(zipfile.ZipInfo("stacks.json"), json.dumps(parts))

    @classmethod
    def load(cls, path: Path, settings: Settings, device: Device | str = "cpu") -> "PartialStack":
        """Read a file that `save` wrote with the same settings.

        Parameters
        ----------
        path : Path
        settings : Settings
        device : Device or str
            Device to which the sums are copied.
        """
        partial = cls(settings, device)
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            parts: list[_Part] = json.loads(archive.read("stacks.json"))
            for number, part in enumerate(parts):
                arrays = {name: _array(archive.read(f"{number}/{name}.npy")) for name in part["arrays"]}
                partial._restore(StackKey(*part["key"]), part, arrays)
        return partial

    def _restore(self, key: StackKey, part: _Description, arrays: _Arrays) -> None:
        """Add a stack as `_parts_of` returns it."""
        stack = self._stacks[key] = self._empty(key, part["kind"])
        names = [name for name in arrays if not name.startswith(("gti_", "meta_table."))]
        set_sums(stack, {name: to_device(arrays[name], self.device) for name in names})
        livetime = part["livetime"]
        if livetime is not None and stack.exposure is not None:
            stack.exposure.meta = {**stack.exposure.meta, _LIVETIME: livetime * u.s}
        if "gti_start" in arrays:
            stack.gti = GTI.create(arrays["gti_start"] * u.s, arrays["gti_stop"] * u.s, reference_time=_REFERENCE)
        if part["meta_table"] is not None:
            stack.meta_table = Table({name: arrays[f"meta_table.{name}"] for name in part["meta_table"]})


def _class_of(dataset: MapDataset) -> str:
    """Return the name of the class of lightpool that a dataset belongs to; makers of users may derive others."""
    names: list[str] = [
        kind.__name__ for kind in type(dataset).__mro__ if kind is getattr(datasets, kind.__name__, None)
    ]
    return names[0]


def _require_same_class(key: StackKey, stack: MapDataset, dataset: MapDataset) -> None:
    if _class_of(stack) != _class_of(dataset):
        raise WrongPartError(
            f"the makers of the target {key.target!r} return a {_class_of(dataset)} for some observations and a "
            f"{_class_of(stack)} for others, which cannot be added; return one class for all of them"
        )


def _array(data: bytes) -> NDArray[np.generic]:
    # Without pickles, which could run code: the folder may come from somebody else.
    return np.asarray(np.lib.format.read_array(io.BytesIO(data), allow_pickle=False))


def _parts_of(stack: MapDataset) -> tuple[_Description, _Arrays]:
    """Return the JSON-compatible description of a stack, and its arrays on the host."""
    arrays: _Arrays = {name: to_host(values) for name, values in sums_of(stack).items()}  # host: they go to a file
    livetime = None if stack.exposure is None else stack.exposure.meta.get(_LIVETIME)
    gti, table = stack.gti, stack.meta_table
    if gti is not None:
        arrays["gti_start"], arrays["gti_stop"] = gti.met_start.to_value("s"), gti.met_stop.to_value("s")
    if table is not None:
        arrays |= {f"meta_table.{name}": np.asarray(table[name]) for name in table.colnames}
    return {
        "kind": type(stack).__name__,
        "livetime": None if livetime is None else float(livetime.to_value("s")),
        "meta_table": None if table is None else table.colnames,
    }, arrays
