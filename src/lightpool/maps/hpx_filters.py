"""Smoothing and convolution of maps with HEALPix pixels.

A convolution on the sphere multiplies spherical harmonics, which are computed on the host: the map is read back once.
Small maps are convolved with images of kernels on square pixels, on the device of the map.
"""

import logging
from typing import Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays.devices.devices import to_device, to_host
from lightpool.arrays.kernels.healpix_harmonics import convolve_sphere, disk_window, gauss_window, profile_window
from lightpool.errors import GeometryError
from lightpool.maps.filters import KernelMap, PSFKernelLike
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.geoms.hpx_host import swapped_numbers
from lightpool.maps.geoms.hpx_regions import pixel_size
from lightpool.maps.hpx_images import HpxToWcsMapping
from lightpool.maps.hpx_pixel_map import HpxPixelMap
from lightpool.maps.wcs_map import WcsNDMap

__all__ = ["HpxFilters"]

log = logging.getLogger(__name__)

_WIDE = 10.0 * u.deg
"""On larger maps a tangential plane is distorted."""

Floats = NDArray[np.float64]


class HpxFilters(HpxPixelMap):
    """Smoothing and convolution of the images of a map with HEALPix pixels."""

    def smooth(self, width: u.Quantity | str | float, kernel: str = "gauss") -> Self:
        """Return the map with its images smoothed on the sphere; reads it to the host.

        Beyond the border of a map of a part of the sky its values count as zero.

        Parameters
        ----------
        width : Quantity, str or float (in pixels)
            Standard deviation of the Gaussian, or radius of the disk.
        kernel : ``gauss`` or ``disk``
        """
        sky = self._geom.sky
        if isinstance(width, u.Quantity | str):
            radius = float(u.Quantity(width).to_value("rad"))
        else:
            radius = float(width) * float(np.sqrt(sky.solid_angle))
        if kernel not in ("gauss", "disk"):
            raise ValueError(f"Invalid kernel: {kernel!r}; it must be 'gauss' or 'disk'")
        l_max = 3 * sky.nside - 1
        window = gauss_window(radius, l_max) if kernel == "gauss" else disk_window(radius, l_max)
        return self._convolved(np.broadcast_to(window, (self._geom.pixels.n_plane, l_max + 1)))

    def _convolved(self, windows: Floats) -> Self:
        """Return the map with its harmonics multiplied by factors, shape (n_plane, degree), planes as in the data."""
        sky = self._geom.sky
        values = to_host(self.data).astype(np.float64)  # host: see `lightpool.arrays.kernels.healpix_harmonics`
        ring = sky.pixels.of_plane(0)
        if self._geom.nest:
            ring = swapped_numbers(ring, sky.nside, nest=True)
        images = np.zeros((len(windows), 12 * sky.nside**2))
        images[:, ring] = values.reshape(len(windows), -1)
        smooth = convolve_sphere(images, sky.nside, windows)[:, ring]
        data = to_device(np.ascontiguousarray(smooth.reshape(values.shape)), self.device)
        return self._init_copy(data=self._in_own_type(data))

    def convolve(
        self, kernel: PSFKernelLike, convolution_method: str = "wcs-tan", method: str = "fft", mode: str = "same"
    ) -> "HpxFilters":
        """Return the map with its images convolved.

        Parameters
        ----------
        kernel : PSFKernel
        convolution_method : ``wcs-tan``, see `convolve_wcs`, or the empty text, see `convolve_full`
        method, mode : see `WcsNDMap.convolve`
        """
        if convolution_method == "wcs-tan":
            return self.convolve_wcs(kernel, method=method, mode=mode)
        if convolution_method == "":
            return self.convolve_full(kernel)
        raise ValueError(f"Not a valid method for HPX convolution: {convolution_method}")

    def convolve_wcs(self, kernel: PSFKernelLike, method: str = "fft", mode: str = "same") -> "HpxFilters":
        """Return the map convolved on square pixels of a tangential plane.

        Each square pixel gets its share of its HEALPix pixel, and gives its content to it again, so that sums stay the
        same.

        Parameters
        ----------
        kernel : PSFKernel, whose pixels are at most half as wide as those of the map
            One image for all energies, or one for each; with several images, an image becomes a cube.
        method, mode : see `WcsNDMap.convolve`
        """
        geom = self._geom
        if geom.is_allsky:
            raise GeometryError("Convolution via WCS projection is not supported for allsky maps.")
        if geom.width > _WIDE:
            log.warning(
                "a map of %.0f deg is distorted on a tangential plane; convolve_full does without one", geom.width.value
            )
        kernel_geom = _map_of(kernel).geom
        square, own = float(np.max(kernel_geom.pixel_scales.deg)), float(pixel_size(geom.sky.nside)[0])
        if square > 0.5 * own:
            raise GeometryError(
                f"the pixels of the kernel are {square:.3g} deg wide, those of the map {own:.3g} deg; they must be at "
                "most half as wide"
            )
        image = geom.to_wcs_geom(proj="TAN").to_image().to_binsz(binsz=square)
        mapping = HpxToWcsMapping.create(geom, image)
        data = mapping.to_image(self.data, normalize=True, fill_nan=False)
        drawn = WcsNDMap(image.to_cube(list(geom.axes)), data=data, unit=self._unit, device=self.device)
        convolved = drawn.convolve(kernel, method=method, mode=mode)
        target: Geom = geom
        if geom.is_image and not kernel_geom.is_image:
            target = geom.to_cube(list(kernel_geom.axes))
        summed = mapping.from_image(convolved.data, target.data_shape[-1])
        return type(self)(target, data=self._in_own_type(summed), unit=self._unit, device=self.device)

    def convolve_full(self, kernel: PSFKernelLike) -> Self:
        """Return the map convolved on the sphere with the radial profile of a kernel; reads it to the host.

        Parameters
        ----------
        kernel : PSFKernel, taken to be symmetric
            One image for all energies, or one for each.
        """
        sky, psf = self._geom.sky, _map_of(kernel)
        image = psf.geom.to_image()
        n_y, n_x = image.data_shape
        values = to_host(psf.data).astype(np.float64).reshape(-1, n_y, n_x)  # host: a small image
        # from the edge of the longer side to the centre
        center = (max(n_x, n_y) - 1) / 2.0
        along = np.arange(int(center) + 1)
        profile = values[:, n_y // 2, along] if n_x >= n_y else values[:, along, n_x // 2]
        x, y = (
            (along, np.full(along.shape, (n_y - 1) / 2.0))
            if n_x >= n_y
            else (np.full(along.shape, (n_x - 1) / 2.0), along)
        )
        coords = image.pix_to_coord((x, y))
        position = SkyCoord(*coords[:2], frame=image.frame)
        theta = position.separation(image.center_skydir).rad
        l_max = 3 * sky.nside - 1
        windows = np.stack([profile_window(each[::-1], theta[::-1], l_max) for each in profile])
        n_plane = self._geom.pixels.n_plane
        if len(windows) not in (1, n_plane):
            raise GeometryError(
                f"the kernel has {len(windows)} images, but the map {n_plane}; expected as many, or one"
            )
        return self._convolved(np.broadcast_to(windows, (n_plane, l_max + 1)))


def _map_of(kernel: PSFKernelLike) -> KernelMap:
    """Return the map of a kernel; an array has no pixels of known size on the sky."""
    found: KernelMap | None = getattr(kernel, "psf_kernel_map", None)
    if found is None:
        raise TypeError(
            f"a HEALPix map is convolved with a PSFKernel, whose pixels have a size, got a {type(kernel).__name__}; "
            "PSFKernel.from_gauss or PSFKernel(map) makes one"
        )
    return found
