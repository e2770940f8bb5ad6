"""The maps of a dataset: which there are, where they live, and how exact they are."""

from typing import Any, ClassVar, Self

from lightpool.arrays import Device, find_precision, get_default_device

__all__ = ["DatasetPlace"]


class DatasetPlace:
    """Maps, device and precision of a dataset; base of `MapDataset`."""

    map_names: ClassVar[tuple[str, ...]]
    name: str
    models: Any
    meta: Any
    _derived: Any

    @property
    def maps(self) -> dict[str, Any]:
        """Maps and responses that the dataset has, by name."""
        found = {name: getattr(self, name) for name in self.map_names}
        return {name: data for name, data in found.items() if data is not None}

    @property
    def device(self) -> Device:
        """Where the maps live."""
        for name in self.map_names:
            if getattr(self, name) is not None:
                device: Device = getattr(self, name).device
                return device
        return get_default_device()

    @property
    def precision(self) -> str:
        """How exact the maps are: ``single`` if all but the masks hold float32, else ``double``."""
        found = {data.precision for name, data in self.maps.items() if not name.startswith("mask")}
        return "double" if len(found) > 1 else find_precision(*found)

    def to(self, device: str | Device | None = None, precision: str | None = None) -> Self:
        """Dataset on a device and in a precision, with the same name and models; itself if nothing changes.

        Parameters
        ----------
        device : str or Device, such as ``cuda``; by default where the dataset is
        precision : {"double", "single"}, float64 or float32; by default what each map has
        """
        old = self.maps
        maps = {key: data.to(device, precision) for key, data in old.items()}
        if all(maps[key] is data for key, data in old.items()):
            return self
        new: Self = self._derived(self.name, maps, models=self.models, meta=self.meta)
        return new
