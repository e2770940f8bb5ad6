"""Base class of the reduced responses: a map of the response, a map of the exposure, and their stack.

A stack holds two sums: the exposure and the exposure-weighted response. Their quotient, the mean response, is computed
when it is read, once for any number of observations, so the order of stacking does not matter.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Self, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import Device, array_namespace, precision_of, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, accepts_gammapy
from lightpool.fits import HDUList, parsing, read_fits, write_fits
from lightpool.irf.reduced.irf_map_card import irf_map_card
from lightpool.irf.reduced.irf_map_format import irf_map_from_hdulist, irf_map_to_hdulist, require_response
from lightpool.irf.reduced.joined_bins import joined_exposure, joined_response
from lightpool.irf.reduced.pixel_lookup import nearest_index, pixel_coordinates
from lightpool.irf.reduced.response_sums import ResponseSums, without_energy
from lightpool.maps import Map, RegionGeom, WcsGeom
from lightpool.typing import AngleLike, PathInput, RegionLike
from lightpool.utils.accumulators import Accumulator
from lightpool.utils.html import Card, ShownInNotebooks

__all__ = ["IRFMap"]

log = logging.getLogger(__name__)

Mask = NDArray[np.bool_]


class IRFMap(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks):
    """Base of the reduced responses.

    Parameters
    ----------
    irf_map : `~lightpool.maps.Map` with the axes named in ``required_axes``, in this order
    exposure_map : `~lightpool.maps.Map` or None, the exposure in the same pixels; needed for stacking
    """

    _consumed = ("edisp_kernel_map",)
    tag: ClassVar[str] = ""
    required_axes: ClassVar[list[str]] = []
    summed_axes: ClassVar[tuple[str, ...]] = ()
    """Axes in whose bins the response is a probability, so that joined bins are summed."""

    kinds: ClassVar[dict[str, "type[IRFMap]"]] = {}

    def __init_subclass__(cls) -> None:
        IRFMap.kinds[cls.tag] = cls

    @accepts_gammapy
    def __init__(self, irf_map: Map, exposure_map: Map | None = None) -> None:
        irf_map.geom.axes.assert_names(self.required_axes, allow_extra=True)
        self._response: Accumulator[Map, ResponseSums] = Accumulator(irf_map)
        self._exposure = exposure_map

    @property
    def _values(self) -> Map:
        """The present map: the sum while a stack grows, else the response. Nothing is computed."""
        sums = self._response.sums
        return self._response.value if sums is None else sums.total

    @property
    def geom(self) -> WcsGeom | RegionGeom:
        """Geometry of the response map; reading it does not finish a growing stack."""
        return self._values.geom

    @property
    def device(self) -> Device:
        """Device of the maps."""
        return self._values.device

    @property
    def precision(self) -> str:
        """Precision: ``single`` if both maps are float32, else ``double``; does not finish a growing stack."""
        return precision_of(*(values.stored for values in (self._values, self._exposure) if values is not None))

    @property
    def known_maps(self) -> tuple[Map | None, Map | None]:
        """Response and exposure, None where there is none; the response of a growing stack is not known."""
        return (None if self._response.sums is not None else self._response.value), self._exposure

    @property
    def irf_map(self) -> Map:
        """The mean response: of a growing stack, the sums divided by the exposure."""
        return self._response.value

    @irf_map.setter
    def irf_map(self, irf_map: Map) -> None:
        self._response.value = irf_map

    @property
    def exposure_map(self) -> Map | None:
        """The exposure; of a growing stack, the sum."""
        self._response.value  # noqa: B018  the caller may change the exposure, so first divide by the present one
        return self._exposure

    @exposure_map.setter
    def exposure_map(self, exposure_map: Map | None) -> None:
        self._response.value  # noqa: B018
        self._exposure = exposure_map

    @property
    def has_single_spatial_bin(self) -> bool:
        """Whether the map has only one pixel."""
        return math.prod(self.geom.to_image().data_shape) == 1

    @property
    def mask_safe_image(self) -> Map:
        """Map of bool: pixels in which any value of the response is above zero."""
        data = self.irf_map.data
        xp = array_namespace(data)
        found = xp.any(data > 0, axis=tuple(range(len(self.geom.axes))))  # all but those of the image
        return Map.from_geom(self.geom.to_image(), data=found, device=self.device)

    def __str__(self) -> str:
        return str(self.irf_map)

    def html_card(self) -> Card:
        """Return what notebooks show of the response."""
        return irf_map_card(self)

    # --- growing a stack

    @accepts_gammapy
    def stack(self, other: "IRFMap", weights: Map | None = None, nan_to_num: bool = True) -> None:
        """Add another response to this one in place, weighted by the exposures.

        Where the summed exposure is zero, the response becomes zero too.

        Parameters
        ----------
        other : IRFMap of the same kind, of the same geometry or of a cutout of it
        weights : Map that multiplies ``other``, for example a safe mask; optional
        nan_to_num : bool, whether values that are not finite count as zero
        """
        self.require_stackable(other, weights)
        assert self._exposure is not None  # see above
        assert other._exposure is not None
        sums = self._response.sums
        if sums is None:
            # From now on this is a growing stack, until the mean is read.
            sums = ResponseSums.of_response(self._response.value, self._exposure)
            self._exposure = sums.exposure
            self._response.grow(sums)
        theirs = other._response.sums  # read once: another thread may finish the stack meanwhile
        factors = [other._response.value, other._exposure] if theirs is None else [theirs.total]
        sums.add(factors, other._exposure, weights, nan_to_num)

    def require_stackable(self, other: "IRFMap", weights: Map | None = None) -> None:
        """Refuse a response that cannot be added to this one, before anything is changed.

        Parameters
        ----------
        other : IRFMap
        weights : Map, as for `stack`; optional

        Raises
        ------
        ValueError
            If one of them has no exposure, or their pixels or axes differ.
        TypeError
            If they are of different kinds.
        DeviceError
            If their maps are on different devices.
        """
        if self._exposure is None or other._exposure is None:
            missing = "self" if self._exposure is None else "other"
            raise ValueError(
                f"{type(self).__name__}.stack got no exposure map in {missing}, expected one in both, because the "
                "response is weighted by it; pass exposure_map= when the response is made"
            )
        if self.required_axes != other.required_axes:
            raise TypeError(
                f"cannot stack a {type(other).__name__} with the axes {other.required_axes} on a "
                f"{type(self).__name__} with the axes {self.required_axes}; make both in the same way"
            )
        unit = self._require_consistent()
        other._require_consistent()
        factors = [other._values] if other._response.sums is not None else [other._values, other._exposure]
        self._values.require_stackable(factors, weights, unit)
        self._exposure.require_stackable([other._exposure], without_energy(weights))

    def _require_consistent(self) -> u.UnitBase:
        """Require that the exposure fits the response, and return the unit of their product."""
        values, exposure = self._values, self._exposure
        assert exposure is not None  # checked before
        unit: u.UnitBase = values.unit if self._response.sums is not None else values.unit * exposure.unit
        values.require_stackable([values, exposure], unit=values.unit * exposure.unit)
        return unit

    @property
    def sums(self) -> tuple[Array, Array]:
        """Sums of a stack: exposure times response, and exposure; the arrays must not be changed.

        Raises
        ------
        ValueError
            If the response has no exposure.
        """
        if self._exposure is None:
            raise ValueError(f"this {type(self).__name__} has no exposure map, so it is no stack and has no sums")
        sums = self._response.sums
        total = ResponseSums.of_response(self._response.value, self._exposure).total if sums is None else sums.total
        return total.data, self._exposure.data

    @sums.setter
    def sums(self, sums: tuple[Array, Array]) -> None:
        total, exposure = sums
        if self._exposure is None:
            raise ValueError(f"this {type(self).__name__} has no exposure map, so it cannot become a stack")
        mean, new = self.irf_map, self._exposure.copy(data=exposure)
        total_map = Map.from_geom(self.geom, data=total, unit=mean.unit * new.unit)
        self._exposure = new
        self._response.grow(ResponseSums(total=total_map, exposure=new, unit=mean.unit, meta=mean.meta))

    # --- making others of it

    def _changed(self, change: "Callable[[Map], Map]") -> Self:
        """Return a response with changed maps; the result of a growing stack is a growing stack."""
        exposure = None if self._exposure is None else change(self._exposure)
        sums = self._response.sums
        if sums is None or exposure is None:
            return type(self)(change(self._response.value), exposure)
        total = change(sums.total)
        new = type(self)(total, exposure)
        new._response = Accumulator.of_sums(replace(sums, total=total, exposure=exposure))
        return new

    def copy(self) -> Self:
        """Return a copy with its own maps."""
        return self._changed(lambda values: values.copy())

    def to(self, device: str | Device | None = None, precision: str | None = None) -> Self:
        """Return the response on a device and in a precision, see `Map.to`; itself if nothing changes.

        Parameters
        ----------
        device : str or Device; by default that of the response
        precision : {"double", "single"}; by default that of each map
        """
        changed: list[bool] = []

        def moved(values: Map) -> Map:
            new = values.to(device, precision)
            changed.append(new is not values)
            return new

        new = self._changed(moved)
        return new if any(changed) else self

    def cutout(self, position: SkyCoord, width: AngleLike, mode: str = "trim", min_npix: int = 3) -> Self:
        """Cut out a window.

        Parameters
        ----------
        position : SkyCoord, centre
        width : Quantity, str or pair of them, (lon, lat)
        mode : "trim", "partial" or "strict", see `~lightpool.maps.WcsGeom.cutout`
        min_npix : int, least number of pixels of the window each way, so that it can be interpolated
        """
        return self._changed(lambda values: values.cutout(position=position, width=width, mode=mode, min_npix=min_npix))

    def outline(
        self,
        position: SkyCoord | tuple[float, float] | None = None,
        width: "AngleLike | None" = None,
        mode: str = "trim",
        min_npix: int = 3,
    ) -> Self:
        """Return the response, or a window of it, without values, see `~lightpool.maps.Map.outline`.

        Parameters
        ----------
        position, width, mode, min_npix : as for `cutout`
        """

        def outline(full: Map) -> Map:
            if position is None or width is None:
                return full.outline()
            geom = full.geom
            return full.outline(
                None if geom.is_region else cast(WcsGeom, geom).cutout(position, width, mode, min_npix=min_npix)
            )

        sums = self._response.sums
        response = outline(self._response.value if sums is None else sums.stand_in())
        return type(self)(response, None if self._exposure is None else outline(self._exposure))

    def downsample(self, factor: int, axis_name: str | None = None, weights: Map | None = None) -> Self:
        """Join pixels (their mean), or bins of one axis, see `lightpool.irf.reduced.joined_bins.joined_response`.

        Parameters
        ----------
        factor : int, number of pixels (each way) or bins that are joined into one
        axis_name : str or None (the pixels)
            Along the true energy a response is averaged with the exposure as weight, the exposure with equal weights.
        weights : Map, optional, by which the response is multiplied first
        """
        if axis_name is not None:
            energy_name = self.required_axes[-1]
            joined = joined_response(
                self.irf_map, self.exposure_map, factor, axis_name, self.summed_axes, energy_name, weights
            )
            return type(self)(joined, joined_exposure(self.exposure_map, factor, axis_name))
        irf_map = self.irf_map.downsample(factor=factor, preserve_counts=False, weights=weights)
        return self._with(irf_map, lambda exposure: exposure.downsample(factor=factor, preserve_counts=False))

    def slice_by_idx(self, slices: dict[str, slice | int]) -> Self:
        """Slice along axes by name; an integer drops the axis, axes not named are kept."""
        irf_map = self.irf_map.slice_by_idx(slices=slices)
        if "energy_true" not in slices:
            return self._with(irf_map, lambda exposure: exposure)
        part = {"energy_true": slices["energy_true"]}  # the exposure has one bin, or none, on the other axes
        return self._with(irf_map, lambda exposure: exposure.slice_by_idx(part))

    def to_region_nd_map(self, region: "RegionLike | None") -> Self:
        """Return the response in a region (the mean of its pixels) or at a position (the nearest pixel).

        Parameters
        ----------
        region : SkyRegion, SkyCoord or None (the centre of the map)
        """
        if region is None:
            region = self.geom.center_skydir
        return self._with(
            self.irf_map.to_region_nd_map(region=region, func=np.nanmean, method="nearest"),
            lambda exposure: exposure.to_region_nd_map(region=region, func=np.nanmean, method="nearest"),
        )

    def _with(self, irf_map: Map, change: Callable[[Map], Map]) -> Self:
        return type(self)(irf_map, None if self._exposure is None else change(self._exposure))

    def nearest_valid_pixel(self, position: SkyCoord) -> tuple[float, float]:
        """Return the pixel coordinates of a position, or of the nearest pixel with a response if it has none."""
        x, y = (pix.item() for pix in pixel_coordinates(self.geom, position))
        mask = np.atleast_2d(to_host(self.mask_safe_image.data))  # host: one small image decides where to look
        # If the response is zero everywhere, no other pixel is better.
        if _is_valid(mask, x, y) or not mask.any():
            return x, y
        log.warning("position %s has no response, the nearest pixel that has one is taken", position)
        skycoord = self.geom.to_image().get_coord().skycoord
        distance = np.where(mask, np.atleast_2d(skycoord.separation(position).deg), np.inf)
        row, column = np.unravel_index(int(np.argmin(distance)), mask.shape)
        return float(column), float(row)

    # --- files

    @classmethod
    def from_hdulist(
        cls,
        hdulist: HDUList,
        hdu: str | int | None = None,
        hdu_bands: str | None = None,
        exposure_hdu: str | int | None = None,
        exposure_hdu_bands: str | None = None,
        format: str = "gadf",
    ) -> "IRFMap":
        """Create the response from HDUs.

        Parameters
        ----------
        hdulist : HDUList
        hdu, exposure_hdu : name or number of the image HDUs, by default those of Gammapy; the exposure may be missing
        hdu_bands, exposure_hdu_bands : name of the tables with the axes, by default as the image headers say
        format : {"gadf", "gtpsf"}, the latter for a `PSFMap` at one position, of the Fermi tool of this name

        Returns
        -------
        response : IRFMap
            Of the class that fits the axes in the file: with an axis ``energy``, an `EDispMap` becomes an
            `EDispKernelMap` and a `PSFMap` a `RecoPSFMap`.

        Raises
        ------
        MissingDataError
            If the response HDU is missing.
        FormatError
            If the format is not "gadf", the axes of the map are not those of the response, an axis does not ascend, or
            an axis, the response or the exposure has a unit of another kind.
        """
        parts = irf_map_from_hdulist(
            cls.tag, cls.__name__, hdulist, hdu, hdu_bands, exposure_hdu, exposure_hdu_bands, format
        )
        kind = cls if parts.tag == cls.tag else cls.kinds[parts.tag]
        return kind(parts.irf_map, parts.exposure)

    @classmethod
    def read(
        cls,
        filename: PathInput,
        format: str = "gadf",
        hdu: str | int | None = None,
        checksum: bool = False,
    ) -> "IRFMap":
        """Read a response from a FITS file.

        Parameters
        ----------
        filename : str or Path
        format : {"gadf", "gtpsf"}, the latter for a `PSFMap` at one position, of the Fermi tool of this name
        hdu : name or number of the image HDU, by default that of Gammapy
        checksum : bool, whether to compare the checksums in the headers, with an error if they differ
        """
        file = read_fits(filename, in_pieces=True)
        if hdu is None and format == "gadf":
            require_response(file, cls.tag, cls.__name__)
        with parsing(filename):
            hdulist = file.hdulist
            if checksum:
                file.verify_checksums()
            return cls.from_hdulist(hdulist, hdu=hdu, format=format)

    def to_hdulist(self, format: str = "gadf") -> HDUList:
        """Return the HDUs of the response and its exposure, after an empty primary one."""
        return irf_map_to_hdulist(self.tag, self.irf_map, self.exposure_map, format)

    def write(
        self,
        filename: PathInput,
        overwrite: bool = False,
        format: str = "gadf",
        checksum: bool = False,
    ) -> None:
        """Write the response to a FITS file.

        Parameters
        ----------
        filename : str or Path
        overwrite : bool
        format : {"gadf", "gtpsf"}, the latter for a `PSFMap` at one position, of the Fermi tool of this name
        checksum : bool, whether to put checksums into the headers
        """
        write_fits(self.to_hdulist(format), filename, overwrite=overwrite, checksum=checksum)


def _is_valid(mask: Mask, x: float, y: float) -> bool:
    n_y, n_x = mask.shape
    if not (-0.5 <= x < n_x - 0.5 and -0.5 <= y < n_y - 0.5):
        return False
    return bool(mask[nearest_index(y, n_y), nearest_index(x, n_x)])
