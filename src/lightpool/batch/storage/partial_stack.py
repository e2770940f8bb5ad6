"""The stacks of some observations: one for each target and group; they are saved and merged without loss."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from lightpool import datasets
from lightpool.arrays import to_device, to_host, use_device, use_precision
from lightpool.arrays.devices.devices import Device, find_device
from lightpool.batch.storage.files import write_aside
from lightpool.batch.storage.stack_names import StackKey, StackNames
from lightpool.config.build import build_dataset
from lightpool.config.settings import Settings
from lightpool.data import GTI
from lightpool.datasets import MapDataset
from lightpool.datasets.sums import add_stack, set_sums, sums_of
from lightpool.fits import open_file

__all__ = ["PartialStack", "StackKey"]

_LIVETIME = "livetime"
_REFERENCE = "2000-01-01"


class PartialStack:
    """Stacks of some observations, each an accumulator of sums, in double precision whatever the observations have.

    Parameters
    ----------
    settings : Settings
    device : Device, where the sums live
    """

    def __init__(self, settings: Settings, device: Device | str = "cpu") -> None:
        self.device = find_device(device)
        self._settings = settings
        self._names = StackNames(settings)
        self._targets = {target.name: target for target in settings.targets}
        self._stacks: dict[StackKey, MapDataset] = {}

    def __iter__(self) -> Iterator[StackKey]:
        return iter(sorted(self._stacks))

    def __getitem__(self, key: StackKey) -> MapDataset:
        return self._stacks[key]

    def add(self, key: StackKey, dataset: MapDataset) -> None:
        """Add the dataset of an observation, or of many."""
        if key not in self._stacks:
            self._stacks[key] = self._empty(key, type(dataset).__name__)
        self._stacks[key].stack(dataset)

    def merge(self, other: "PartialStack") -> None:
        """Add all that another one holds, which is not to be used afterwards."""
        moved = other.to(self.device)
        for key in moved:
            if key in self._stacks:
                add_stack(self._stacks[key], moved[key])
            else:
                self._stacks[key] = moved[key]

    def to(self, device: Device | str) -> "PartialStack":
        """Partial stack on a device, itself if it is there already."""
        target = find_device(device)
        if target == self.device:
            return self
        moved = PartialStack(self._settings, target)
        for key, stack in self._stacks.items():
            moved._restore(key, *_parts_of(stack))
        return moved

    def _empty(self, key: StackKey, kind: str) -> MapDataset:
        with use_device(self.device), use_precision("double"):
            outline = build_dataset(self._targets[key.target]).outline()
            options = {"name": self._names.of(key), "reference_time": _REFERENCE}
            empty: MapDataset = getattr(datasets, kind).from_geoms(**outline.geoms, **options)
            return empty

    def save(self, path: Path) -> None:
        """Write the sums to a file, aside first, then under its name."""
        parts = []
        with write_aside(path) as file, zipfile.ZipFile(file, "w") as archive:
            for number, key in enumerate(self):
                description, arrays = _parts_of(self._stacks[key])
                parts.append({"key": list(key), **description, "arrays": sorted(arrays)})
                for name, values in arrays.items():
                    entry = zipfile.ZipInfo(f"{number}/{name}.npy")
                    if 2 * np.count_nonzero(values) < values.size:  # other sums take long to compress, for little
                        entry.compress_type = zipfile.ZIP_DEFLATED
                    with archive.open(entry, "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, values, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo("stacks.json"), json.dumps(parts))  # without a time: same sums, same bytes

    @classmethod
    def load(cls, path: Path, settings: Settings, device: Device | str = "cpu") -> "PartialStack":
        """Read a file that `save` wrote with the same settings."""
        partial = cls(settings, device)
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            for number, part in enumerate(json.loads(archive.read("stacks.json"))):
                arrays = {name: _array(archive.read(f"{number}/{name}.npy")) for name in part["arrays"]}
                partial._restore(StackKey(*part["key"]), part, arrays)
        return partial

    def _restore(self, key: StackKey, part: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        """Take in a stack as `_parts_of` gives it."""
        stack = self._stacks[key] = self._empty(key, part["kind"])
        names = [name for name in arrays if not name.startswith(("gti_", "meta_table."))]
        set_sums(stack, {name: to_device(arrays[name], self.device) for name in names})
        if part[_LIVETIME] is not None and stack.exposure is not None:
            stack.exposure.meta = {**stack.exposure.meta, _LIVETIME: part[_LIVETIME] * u.s}
        if "gti_start" in arrays:
            stack.gti = GTI.create(arrays["gti_start"] * u.s, arrays["gti_stop"] * u.s, reference_time=_REFERENCE)
        if part["meta_table"] is not None:
            stack.meta_table = Table({name: arrays[f"meta_table.{name}"] for name in part["meta_table"]})


def _array(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(np.lib.format.read_array(io.BytesIO(data), allow_pickle=False))


def _parts_of(stack: MapDataset) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """What describes a stack, as JSON has it, and its arrays on the host."""
    arrays = {name: to_host(values) for name, values in sums_of(stack).items()}  # host: the sums go to a file
    livetime = None if stack.exposure is None else stack.exposure.meta.get(_LIVETIME)
    gti, table = stack.gti, stack.meta_table
    if gti is not None:
        arrays["gti_start"], arrays["gti_stop"] = gti.met_start.to_value("s"), gti.met_stop.to_value("s")
    if table is not None:
        arrays |= {f"meta_table.{name}": np.asarray(table[name]) for name in table.colnames}
    return {
        "kind": type(stack).__name__,
        _LIVETIME: None if livetime is None else float(livetime.to_value("s")),
        "meta_table": None if table is None else table.colnames,
    }, arrays
