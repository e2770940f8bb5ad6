"""What the reduced responses have in common: a map of the response, a map of the exposure, and their stack.

A stack holds sums: the exposure and the exposure-weighted response. Their quotient, the mean response, is made when
somebody asks for it, once, whatever the number of observations; so the order of stacking does not matter.
"""

import logging
import threading
from typing import Any, ClassVar, Self

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import Device, array_namespace, device_of, precision_of, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.blocks import in_blocks
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.arrays.devices.memory import n_bytes_of
from lightpool.attributes import KnownAttributes
from lightpool.irf.reduced.cumulative import finite_or_zero
from lightpool.irf.reduced.irf_map_format import irf_map_from_hdulist, irf_map_to_hdulist, read_irf_map, write_irf_map
from lightpool.irf.reduced.joined_bins import joined_exposure, joined_response
from lightpool.irf.reduced.pixel_lookup import nearest_index, pixel_coordinates
from lightpool.maps import Map

__all__ = ["IRFMap", "spectral_weights"]

log = logging.getLogger(__name__)

_SETTLED = threading.RLock()

_N_WORK = 4  # arrays of the size of the response that are in memory while sums are divided
Mask = NDArray[np.bool_]


class IRFMap(KnownAttributes):
    """Base of the reduced responses.

    Parameters
    ----------
    irf_map : `~lightpool.maps.Map` with the axes named in ``required_axes``, in this order
    exposure_map : `~lightpool.maps.Map` or None, the exposure in the same pixels; needed for stacking
    """

    _consumed = ("irf_map", "edisp_kernel_map")
    tag: ClassVar[str] = ""
    required_axes: ClassVar[list[str]] = []
    summed_axes: ClassVar[tuple[str, ...]] = ()
    """Axes over whose bins the response is a probability: joined bins add up."""

    kinds: ClassVar[dict[str, "type[IRFMap]"]] = {}

    def __init_subclass__(cls) -> None:
        IRFMap.kinds[cls.tag] = cls

    def __init__(self, irf_map: Map, exposure_map: Map | None = None) -> None:
        irf_map.geom.axes.assert_names(self.required_axes, allow_extra=True)
        self._mean: Any = irf_map
        self._exposure: Any = exposure_map
        self._sum: Any = None  # exposure times response, while a stack is growing

    @property
    def geom(self) -> Any:
        """Geometry of the response map; asking for it leaves a growing stack as it is."""
        return self._mean.geom

    @property
    def device(self) -> Device:
        """Where the maps live."""
        device: Device = self._mean.device
        return device

    @property
    def precision(self) -> str:
        """How exact the maps are, ``single`` if both hold float32, else ``double``; a growing stack stays as it is."""
        return precision_of(*(values.data for values in (self._mean, self._exposure) if values is not None))

    @property
    def _irf_map(self) -> Any:
        """The mean response: of a growing stack, the sums divided by the exposure."""
        if self._sum is not None:
            with _SETTLED:
                if self._sum is not None:
                    self._mean.data = _mean_of_sums(self._sum.data, self._exposure_data())
                    self._sum = None
        return self._mean

    @_irf_map.setter
    def _irf_map(self, irf_map: Map) -> None:
        self._mean, self._sum = irf_map, None

    @property
    def exposure_map(self) -> Any:
        """The exposure; of a growing stack, the sum."""
        if self._sum is not None:
            self._irf_map  # noqa: B018  the caller may change the exposure, so the mean is taken with the present one
        return self._exposure

    @exposure_map.setter
    def exposure_map(self, exposure_map: Map | None) -> None:
        if self._sum is not None:
            self._irf_map  # noqa: B018
        self._exposure = exposure_map

    @property
    def has_single_spatial_bin(self) -> bool:
        """Whether the map has one pixel only."""
        return tuple(self.geom.to_image().data_shape) == (1, 1)

    @property
    def mask_safe_image(self) -> Any:
        """Pixels in which the response is above zero anywhere, a map of bool."""
        data = self._irf_map.data
        xp = array_namespace(data)
        found = xp.any(data > 0, axis=tuple(range(data.ndim - 2)))
        return Map.from_geom(self.geom.to_image(), data=found, device=self.device)

    def __str__(self) -> str:
        return str(self._irf_map)

    # --- growing a stack

    def stack(self, other: "IRFMap", weights: Map | None = None, nan_to_num: bool = True) -> None:
        """Add another response to this one in place, weighted by the exposures.

        Where the summed exposure is zero, the response becomes zero too.

        Parameters
        ----------
        other : IRFMap of the same kind, of the same geometry or of a cutout of it
        weights : Map that multiplies ``other``, for example a safe mask; optional
        nan_to_num : bool, whether values that are not finite count as zero
        """
        if self._exposure is None or other._exposure is None:
            missing = "self" if self._exposure is None else "other"
            raise ValueError(
                f"{type(self).__name__}.stack got no exposure map in {missing}, expected one in both, because the "
                "response is weighted by it; pass exposure_map= when the response is made"
            )
        if self._sum is None:
            unit = self._mean.unit * self._exposure.unit
            product = self._weighted()
            self._sum = Map.from_geom(self.geom, data=product, unit=unit, device=self.device)
            self._mean = self._without_values(self._sum)  # a stack holds its sums, and nothing as large beside them
            self._exposure = self._exposure.copy()  # another response may hold the same one
        theirs = other._sum  # read once: another thread may take the mean of it meanwhile
        parts = [other._mean, other._exposure] if theirs is None else [theirs]
        self._sum.stack_product(parts, weights=weights, nan_to_num=nan_to_num)
        self._exposure.stack(other._exposure, weights=_without_energy(weights), nan_to_num=nan_to_num)

    def _weighted(self) -> Array:
        """Exposure times response."""
        mean, exposure = self._mean, self._exposure_data()
        if self.device.is_host and not exposure.any():
            return np.zeros(mean.geom.data_shape, exposure.dtype)  # memory that nobody has touched
        return mean.data * exposure

    @property
    def sums(self) -> tuple[Array, Array]:
        """What a stack adds up: exposure times response, and exposure; arrays that are not to be changed.

        Raises
        ------
        ValueError
            If the response has no exposure.
        """
        if self._exposure is None:
            raise ValueError(f"this {type(self).__name__} has no exposure map, so it is no stack and has no sums")
        total = self._sum
        return self._weighted() if total is None else total.data, self._exposure.data

    @sums.setter
    def sums(self, sums: tuple[Array, Array]) -> None:
        total, exposure = sums
        self._exposure = self._exposure.copy(data=exposure)
        self._sum = Map.from_geom(self.geom, data=total, unit=self._mean.unit * self._exposure.unit)

    def _exposure_data(self) -> Array:
        assert self._exposure is not None
        return self._exposure.data

    def _without_values(self, total: Map) -> Map:
        """Stand-in for the mean response while sums grow: it has their pixels, their device and no memory."""
        data = total.outline().data
        return type(total)(total.geom, data=data, unit=self._mean.unit, meta=self._mean.meta, device=total.device)

    # --- making others of it

    def _growing(self, total: Map, exposure: Any) -> Self:
        """Response that is a growing stack."""
        new = type(self)(self._without_values(total), exposure)
        new._sum = total
        return new

    def copy(self) -> Self:
        """Copy with maps of its own."""
        exposure = None if self._exposure is None else self._exposure.copy()
        total = self._sum
        return type(self)(self._mean.copy(), exposure) if total is None else self._growing(total.copy(), exposure)

    def to(self, device: str | Device | None = None, precision: str | None = None) -> Self:
        """Response on a device and in a precision, by name, see `Map.to`; itself if nothing changes."""
        total = self._sum
        values = self._mean if total is None else total
        new_values = values.to(device, precision)
        new_exposure = None if self._exposure is None else self._exposure.to(device, precision)
        if new_values is values and new_exposure is self._exposure:
            return self
        return type(self)(new_values, new_exposure) if total is None else self._growing(new_values, new_exposure)

    def cutout(self, position: Any, width: Any, mode: str = "trim", min_npix: int = 3) -> Self:
        """Cut out a window.

        Parameters
        ----------
        position : SkyCoord, centre
        width : Quantity, str or pair of them, (lon, lat)
        mode : "trim", "partial" or "strict", see `~lightpool.maps.WcsGeom.cutout`
        min_npix : int, the window has at least this many pixels each way, so that it can be interpolated
        """
        keywords = {"position": position, "width": width, "mode": mode, "min_npix": min_npix}
        exposure = None if self._exposure is None else self._exposure.cutout(**keywords)
        total = self._sum
        if total is None:
            return type(self)(self._mean.cutout(**keywords), exposure)
        return self._growing(total.cutout(**keywords), exposure)  # a stack goes on growing from its sums

    def outline(self, position: Any = None, width: Any = None, mode: str = "trim", min_npix: int = 3) -> Self:
        """Response without values, see `~lightpool.maps.Map.outline`; with ``position`` that of a window."""

        def outline(full: Any) -> Any:
            if position is None:
                return full.outline()
            return full.outline(full.geom.cutout(position, width, mode, min_npix=min_npix))

        return type(self)(outline(self._mean), None if self._exposure is None else outline(self._exposure))

    def downsample(self, factor: int, axis_name: str | None = None, weights: Map | None = None) -> Self:
        """Join pixels (their mean), or bins of one axis, see `lightpool.irf.reduced.joined_bins.joined_response`.

        Parameters
        ----------
        factor : int, how many are joined
        axis_name : str or None (the pixels)
            Along the true energy a response is the mean weighted by the exposure, and the exposure the plain mean.
        weights : Map that multiplies the response before, optional
        """
        if axis_name is not None:
            return type(self)(
                joined_response(self, factor, axis_name, weights), joined_exposure(self, factor, axis_name)
            )
        irf_map = self._irf_map.downsample(factor=factor, preserve_counts=False, weights=weights)
        return self._with(irf_map, lambda exposure: exposure.downsample(factor=factor, preserve_counts=False))

    def slice_by_idx(self, slices: dict[str, Any]) -> Self:
        """Slice along axes by name; an integer drops the axis, axes not named are kept."""
        irf_map = self._irf_map.slice_by_idx(slices=slices)
        if "energy_true" not in slices:
            return self._with(irf_map, lambda exposure: exposure)
        part = {"energy_true": slices["energy_true"]}  # the exposure has one bin, or none, on the other axes
        return self._with(irf_map, lambda exposure: exposure.slice_by_idx(part))

    def to_region_nd_map(self, region: Any) -> Self:
        """Response in a region (the mean of its pixels) or at a position (the nearest pixel).

        Parameters
        ----------
        region : SkyRegion, SkyCoord or None (the centre of the map)
        """
        if region is None:
            region = self.geom.center_skydir
        return self._with(
            self._irf_map.to_region_nd_map(region=region, func=np.nanmean, method="nearest"),
            lambda exposure: exposure.to_region_nd_map(region=region, func=np.nanmean, method="nearest"),
        )

    def _with(self, irf_map: Map, change: Any) -> Self:
        return type(self)(irf_map, None if self._exposure is None else change(self._exposure))

    def _nearest_valid_pixel(self, position: Any) -> tuple[float, float]:
        """Pixel coordinates of a position, or of the nearest pixel with a response if there is none at it."""
        x, y = (pix.item() for pix in pixel_coordinates(self.geom, position))
        mask = to_host(self.mask_safe_image.data)  # host: one small image decides where to look
        if _is_valid(mask, x, y) or not mask.any():
            return x, y
        log.warning("position %s has no response, the nearest pixel that has one is taken", position)
        skycoord = self.geom.to_image().get_coord().skycoord
        distance = np.where(mask, skycoord.separation(position).deg, np.inf)
        row, column = np.unravel_index(int(np.argmin(distance)), mask.shape)
        return float(column), float(row)

    # --- files

    @classmethod
    def from_hdulist(
        cls,
        hdulist: Any,
        hdu: str | int | None = None,
        hdu_bands: str | None = None,
        exposure_hdu: str | int | None = None,
        exposure_hdu_bands: str | None = None,
        format: str = "gadf",
    ) -> "IRFMap":
        """Take the response from HDUs, see `~lightpool.irf.reduced.irf_map_format.irf_map_from_hdulist`."""
        return irf_map_from_hdulist(cls, hdulist, hdu, hdu_bands, exposure_hdu, exposure_hdu_bands, format)

    @classmethod
    def read(
        cls,
        filename: Any,
        format: str = "gadf",
        hdu: str | int | None = None,
        checksum: bool = False,
    ) -> "IRFMap":
        """Read a response from a FITS file, whose checksums are verified if asked for."""
        return read_irf_map(cls, filename, hdu, format, checksum)

    def to_hdulist(self, format: str = "gadf") -> Any:
        """HDUs of the response and its exposure, after an empty primary one."""
        return irf_map_to_hdulist(self, format)

    def write(
        self,
        filename: Any,
        overwrite: bool = False,
        format: str = "gadf",
        checksum: bool = False,
    ) -> None:
        """Write the response to a FITS file, with checksums if asked for."""
        write_irf_map(self, filename, overwrite, format, checksum)


def spectral_weights(energy_axis: Any, spectral_model: Any = None) -> NDArray[np.float64]:
    """Share of each energy bin in a spectrum, shape (n_energy,), of sum one.

    Parameters
    ----------
    energy_axis : MapAxis
    spectral_model : object with a method ``integral(energy_min, energy_max)`` that returns a Quantity; by default a
        power law of index 2
    """
    edges = energy_axis.edges
    if spectral_model is None:
        content = np.asarray(1 / edges[:-1].value - 1 / edges[1:].value)
    else:
        content = np.asarray(u.Quantity(spectral_model.integral(edges[:-1], edges[1:])).value)
    return np.asarray(content / content.sum())


def _mean_of_sums(sums: Array, exposure: Array) -> Array:
    """Quotient: sums divided by exposure; zero where there is no exposure, and where the quotient is not finite."""
    xp = array_namespace(sums)

    def part(block: slice) -> Array:
        weight = exposure[block, ...] if exposure.shape[0] > 1 else exposure
        is_exposed = weight != 0
        mean = sums[block, ...] / xp.where(is_exposed, weight, xp.ones_like(weight))
        return finite_or_zero(xp.where(is_exposed, mean, xp.zeros_like(mean)))

    n_bytes = _N_WORK * n_bytes_of(sums.shape[1:], dtype_name(sums))
    return in_blocks(part, sums.shape[0], n_bytes, device_of(sums))


def _without_energy(weights: Map | None) -> Any:
    """Weights for the exposure: those in any of the reconstructed energies."""
    if weights is None or "energy" not in weights.geom.axes.names:
        return weights
    data = weights.data
    xp = array_namespace(data)
    axis = weights.geom.axes.index_data("energy")
    is_used = xp.any(xp.astype(data, xp.bool), axis=axis, keepdims=True)
    return Map.from_geom(weights.geom.squash(axis_name="energy"), data=is_used, device=weights.device)


def _is_valid(mask: Mask, x: float, y: float) -> bool:
    n_y, n_x = mask.shape
    if not (-0.5 <= x < n_x - 0.5 and -0.5 <= y < n_y - 0.5):
        return False
    return bool(mask[nearest_index(y, n_y), nearest_index(x, n_x)])
