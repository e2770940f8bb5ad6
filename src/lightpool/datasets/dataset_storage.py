"""The maps of a dataset: which there are, where they live, how exact they are, and what memory they take."""

from contextlib import AbstractContextManager
from typing import Any, ClassVar, Self

from lightpool.arrays import Device, find_device, find_precision, get_default_device, memory_errors
from lightpool.datasets.geometries import BINSZ_IRF_DEFAULT, create_map_dataset_geoms
from lightpool.datasets.memory import LESS, MemoryEstimate, are_large, estimate_memory, memory_of_maps
from lightpool.maps import Geom, MapAxis

__all__ = ["DatasetPlace"]


class DatasetPlace:
    """Maps of a dataset, their device, precision and memory; base of `MapDataset`."""

    tag: ClassVar[str]
    map_names: ClassVar[tuple[str, ...]]
    _map_names_from_geom: ClassVar[tuple[str, ...]]
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
        if device is not None and find_device(device) != self.device:
            self._require_memory(device, f"a {self.tag}")
        old = self.maps
        maps = {key: data.to(device, precision) for key, data in old.items()}
        if all(maps[key] is data for key, data in old.items()):
            return self
        new: Self = self._derived(self.name, maps, models=self.models, meta=self.meta)
        return new

    @classmethod
    def estimate_memory(
        cls,
        geom: Geom,
        energy_axis_true: MapAxis | None = None,
        migra_axis: MapAxis | None = None,
        rad_axis: MapAxis | None = None,
        binsz_irf: Any = BINSZ_IRF_DEFAULT,
        reco_psf: bool = False,
        precision: str | None = None,
    ) -> MemoryEstimate:
        """Memory that a dataset takes which `create` makes of the same arguments; nothing is made here.

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
        geoms = create_map_dataset_geoms(
            geom=geom,  # type: ignore[arg-type]  # either of the two kinds of geometries
            energy_axis_true=energy_axis_true,
            migra_axis=migra_axis,
            rad_axis=rad_axis,
            binsz_irf=binsz_irf,
            reco_psf=reco_psf,
        )
        return estimate_memory(**geoms, map_names=cls._map_names_from_geom, precision=precision)

    @property
    def memory(self) -> MemoryEstimate:
        """Memory that the maps take, known from their geometries; for an outline, what they would take."""
        return memory_of_maps(self.maps)

    def _require_memory(self, device: str | Device | None, what: str) -> None:
        """Check that maps like these fit on a device, beside what is there."""
        if are_large(self.maps):
            self.memory.require(device, what)

    def _memory_errors(self, step: str) -> AbstractContextManager[None]:
        """Say it in one way, with the maps, when a step on this dataset runs out of memory inside a ``with`` block."""
        return memory_errors(
            self.device, what=lambda: f"{step} on a {self.tag} ({self.memory.in_a_line()})", advice=LESS
        )
