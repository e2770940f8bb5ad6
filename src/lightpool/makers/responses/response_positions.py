"""Pixels at which a response is evaluated: those of the map, the centre of a region, or all pixels of a region."""

from dataclasses import dataclass
from typing import Self

from lightpool.arrays import Device, array_namespace, constant, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name
from lightpool.maps import Geom, RegionGeom
from lightpool.utils.deviations import deviates

__all__ = ["ResponsePixels"]


@dataclass(frozen=True, eq=False)
class ResponsePixels:
    """Pixels at which a response is evaluated.

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
        """Return the pixels for a geometry.

        Parameters
        ----------
        geom : Geom
        use_region_center : bool, whether the centre of a region stands for all of it; without meaning for other maps
        device : Device of the weights

        Raises
        ------
        ValueError
            If the region is too small to have a pixel.
        """
        if use_region_center or not isinstance(geom, RegionGeom) or geom.region is None:
            return cls(geom)
        if hasattr(geom.region, "operator"):
            deviates("mean responses over a union of regions")
        # Pixels of `binsz_wcs`, those that the region touches.
        image = geom.to_wcs_geom().to_image()
        weights = to_host(image.region_weights([geom.region], device="cpu").data)  # host: it was made there
        # `region_weights` samples each pixel 10 x 10 times, hence the tenth in the message.
        if not weights.any():
            raise ValueError(
                f"no pixel of {image.pixel_scales[0] / 10:.3g} has its centre in the region, so there is no mean over "
                "it; use use_region_center=True, or a smaller `binsz_wcs` for the RegionGeom"
            )
        return cls(image, constant(weights, device))

    def mean(self, values: Array) -> Array:
        """Return the mean over a region of values (..., ny, nx), shape (..., 1, 1); without weights the values."""
        if self.weights is None:
            return values
        # Pixels at the border count by the part that is inside: divide by the sum of the weights, not by their number.
        return as_dtype(
            self._sums(values, self.weights) / array_namespace(values).sum(self.weights), dtype_name(values)
        )

    def total(self, values: Array) -> Array:
        """Return the sum over a region of values (..., ny, nx), shape (..., 1, 1); without weights the values."""
        if self.weights is None:
            return values
        return as_dtype(self._sums(values, self.weights), dtype_name(values))

    def _sums(self, values: Array, weights: Array) -> Array:
        values = as_dtype(values, "float64")
        return array_namespace(values).sum(values * weights, axis=(-2, -1), keepdims=True)
