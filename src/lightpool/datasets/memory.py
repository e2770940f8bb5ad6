"""How much memory the maps of a dataset take, known from their geometries before they are created."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lightpool.arrays import Device, find_precision
from lightpool.arrays.devices.memory import UNCHECKED_BYTES, format_bytes, n_bytes_of, require_memory
from lightpool.irf.reduced.irf_map import IRFMap
from lightpool.maps import Geom
from lightpool.utils.html import ShownInNotebooks

__all__ = ["LESS", "MemoryEstimate", "are_large", "estimate_memory", "memory_of_maps"]

LESS = (
    "take larger pixels (a larger binsz) or a smaller width, fewer bins of energy_true or rad, larger pixels of the "
    "responses (a larger binsz_irf), or precision='single', which halves it; or take another device"
)

_Shapes: TypeAlias = dict[str, tuple[tuple[int, ...], str]]
"""Shape and data type of each array."""


@dataclass(frozen=True)
class MemoryEstimate(ShownInNotebooks):
    """Memory requirement, part by part. ``str(estimate)`` is a table.

    Attributes
    ----------
    parts : dict of name to bytes
    shapes : dict of name to shape of the data, for parts that are one map
    """

    parts: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def n_bytes(self) -> int:
        """Bytes of all parts together."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        width = max(len(name) for name in (*self.parts, "total"))
        lines = [
            f"{name:{width}s} {format_bytes(n_bytes):>7s}  {self._shape_in_words(name)}".rstrip()
            for name, n_bytes in self.parts.items()
        ]
        return "\n".join([*lines, f"{'total':{width}s} {format_bytes(self.n_bytes):>7s}"])

    def _shape_in_words(self, name: str) -> str:
        return " x ".join(str(n) for n in self.shapes.get(name, ()))

    def in_a_line(self) -> str:
        """Return parts and shapes as the text of an error message."""
        parts = [(name, self._shape_in_words(name), format_bytes(n_bytes)) for name, n_bytes in self.parts.items()]
        return ", ".join(" ".join(word for word in words if word) for words in parts)

    def require(self, device: str | Device | None, what: str) -> None:
        """Check that all this fits on a device.

        Parameters
        ----------
        device : str or Device
        what : str, what needs the memory, for the error

        Raises
        ------
        OutOfMemoryError
            If less is free; it lists the parts.
        """
        if self.n_bytes > UNCHECKED_BYTES:
            require_memory(self.n_bytes, device, what=f"{what} ({self.in_a_line()})", advice=LESS)


def estimate_memory(
    geom: Geom,
    geom_exposure: Geom | None = None,
    geom_psf: Geom | None = None,
    geom_edisp: Geom | None = None,
    *,
    map_names: Sequence[str] = ("counts", "background"),
    precision: str | None = None,
) -> MemoryEstimate:
    """Estimate the memory of the maps of a dataset.

    Parameters
    ----------
    geom, geom_exposure, geom_psf, geom_edisp : as for `MapDataset.from_geoms`; ``dataset.geoms`` has those of a dataset
    map_names : sequence of str, maps on ``geom`` in addition to the safe mask
    precision : {"double", "single"}, optional
        The default precision if not given.

    Returns
    -------
    estimate : MemoryEstimate
        It does not count the pixel coordinates that geometries keep, nor the tables of files;
        see docs/explanation/memory.md.
    """
    dtype = find_precision(precision)
    shapes = {name: (tuple(geom.data_shape), dtype) for name in map_names}
    shapes["mask_safe"] = (tuple(geom.data_shape), "bool")
    if geom_exposure is not None:
        shapes["exposure"] = (tuple(geom_exposure.data_shape), dtype)
    for name, response in (("psf", geom_psf), ("edisp", geom_edisp)):
        if response is not None:
            shapes |= _shapes_of_response(name, response, dtype)
    return _estimate(shapes)


def memory_of_maps(maps: Mapping[str, Any]) -> MemoryEstimate:
    """Compute the memory of maps and responses from their geometries; of an outline, what it would take."""
    shapes: _Shapes = {}
    for name, data in maps.items():
        if isinstance(data, IRFMap):
            shapes |= _shapes_of_response(name, data.geom, data.precision)
        else:
            shapes[name] = (tuple(data.geom.data_shape), "bool" if data.is_mask else data.precision)
    return _estimate(shapes)


def are_large(maps: Mapping[str, Any]) -> bool:
    """Return whether maps are so large that the free memory must be checked before they are created."""
    return sum(n_bytes_of(data.geom.data_shape) for data in maps.values()) > UNCHECKED_BYTES


def _shapes_of_response(name: str, geom: Geom, dtype: str) -> _Shapes:
    """Return the shapes of a response and its exposure, which has one bin in place of the first axis."""
    shape = tuple(geom.data_shape)
    # (..., n_energy_true, n, ny, nx): the first axis runs fastest, so it comes last before the pixels.
    n_axes = len(geom.axes)
    return {name: (shape, dtype), f"{name} exposure": ((*shape[: n_axes - 1], 1, *shape[n_axes:]), dtype)}


def _estimate(shapes: _Shapes) -> MemoryEstimate:
    return MemoryEstimate(
        parts={name: n_bytes_of(shape, dtype) for name, (shape, dtype) in shapes.items()},
        shapes={name: shape for name, (shape, _) in shapes.items()},
    )
