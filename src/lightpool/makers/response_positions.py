"""Where on a geometry a response is taken: at its pixels, at the centre of a region, or all over the region."""

from dataclasses import dataclass
from typing import Self

from lightpool.arrays import Device, array_namespace, constant
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name
from lightpool.maps import Geom

__all__ = ["Place"]


@dataclass(frozen=True, eq=False)
class Place:
    """Pixels where a response is taken.

    Attributes
    ----------
    geom : Geom
        The geometry of the map itself; or, for all of a region, the image of the pixels that the region touches.
    weights : array of float64, shape (ny, nx), or None
        Part of each pixel that lies in the region. Sums with them are taken in float64.
    """

    geom: Geom
    weights: Array | None = None

    @classmethod
    def of(cls, geom: Geom, use_region_center: bool, device: Device) -> Self:
        """Place for a geometry; ``use_region_center`` matters for regions only.

        Raises
        ------
        ValueError
            If the region is too small to have a pixel.
        """
        if use_region_center or not geom.is_region:
            return cls(geom)
        image = geom.to_wcs_geom().to_image()  # type: ignore[attr-defined]
        weights = image.region_weights([geom.region], device="cpu").data  # type: ignore[attr-defined]
        if not weights.any():
            raise ValueError(
                f"no pixel of {image.pixel_scales[0] / 10:.3g} has its centre in the region, so there is no mean over "
                "it; use use_region_center=True, or a smaller `binsz_wcs` for the RegionGeom"
            )
        return cls(image, constant(weights, device))

    def mean(self, values: Array) -> Array:
        """Mean over the region of values (..., ny, nx), shape (..., 1, 1); without weights the values themselves."""
        if self.weights is None:
            return values
        return as_dtype(self._sums(values) / array_namespace(values).sum(self.weights), dtype_name(values))

    def total(self, values: Array) -> Array:
        """Sum over the region of values (..., ny, nx), shape (..., 1, 1); without weights the values themselves."""
        if self.weights is None:
            return values
        return as_dtype(self._sums(values), dtype_name(values))

    def _sums(self, values: Array) -> Array:
        values = as_dtype(values, "float64")
        return array_namespace(values).sum(values * self.weights, axis=(-2, -1), keepdims=True)
