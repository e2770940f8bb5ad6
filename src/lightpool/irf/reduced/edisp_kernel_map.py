"""The reduced energy dispersion as a matrix of true and reconstructed energy in each pixel."""

from typing import ClassVar, Self, cast

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, constant, find_precision, to_host
from lightpool.bridge import accepts_gammapy
from lightpool.errors import FormatError
from lightpool.fits import HDUList
from lightpool.irf.reduced.energy_dispersion import EDispKernel, overlap_fraction
from lightpool.irf.reduced.irf_map import IRFMap
from lightpool.irf.reduced.pixel_lookup import take_pixel
from lightpool.maps import Geom, Map, MapAxes, MapAxis, RegionGeom, WcsGeom
from lightpool.maps.rows_and_columns import as_images
from lightpool.typing import OneRegion, PathInput

__all__ = ["EDispKernelMap"]


class EDispKernelMap(IRFMap):
    """Energy dispersion matrix in each pixel.

    Parameters
    ----------
    edisp_kernel_map : Map with the axes ``energy`` and ``energy_true`` in this order
    exposure_map : Map or None
    """

    tag = "edisp_kernel_map"
    required_axes: ClassVar[list[str]] = ["energy", "energy_true"]
    summed_axes: ClassVar[tuple[str, ...]] = ("energy",)

    @accepts_gammapy
    def __init__(self, edisp_kernel_map: Map, exposure_map: Map | None = None) -> None:
        super().__init__(edisp_kernel_map, exposure_map)

    @property
    def edisp_map(self) -> Map:
        """The response itself."""
        return self.irf_map

    @edisp_map.setter
    def edisp_map(self, edisp_map: Map) -> None:
        self.irf_map = edisp_map

    @classmethod
    @accepts_gammapy
    def from_geom(cls, geom: Geom, precision: str | None = None) -> Self:
        """Return a perfect energy resolution and a zero exposure, as the start of a stack.

        Parameters
        ----------
        geom : Geom with the axes ``energy`` and ``energy_true``
        precision : {"double", "single"}; by default the default precision
        """
        geom.axes.assert_names(cls.required_axes, allow_extra=True)
        matrix = overlap_fraction(geom.axes["energy"], geom.axes["energy_true"])
        dtype, geom_exposure = find_precision(precision), geom.squash(axis_name="energy")
        return cls(_repeated(matrix, geom, dtype), Map.from_geom(geom_exposure, unit="m2 s", dtype=dtype))

    @classmethod
    @accepts_gammapy
    def from_diagonal_response(cls, energy_axis: MapAxis, energy_axis_true: MapAxis, geom: Geom | None = None) -> Self:
        """Return a perfect energy resolution.

        Parameters
        ----------
        energy_axis, energy_axis_true : MapAxis
        geom : image geometry, by default the whole sky in two pixels
        """
        image: Geom = WcsGeom.create(npix=(2, 1), proj="CAR", binsz=180) if geom is None else geom.to_image()
        return cls.from_geom(image.to_cube([energy_axis, energy_axis_true]))

    @classmethod
    def from_edisp_kernel(cls, edisp: EDispKernel, geom: Geom | None = None) -> Self:
        """Repeat one matrix in every pixel.

        Parameters
        ----------
        edisp : EDispKernel
        geom : image geometry, by default the whole sky in two pixels
        """
        new = cls.from_diagonal_response(edisp.axes["energy"], edisp.axes["energy_true"], geom=geom)
        return cls(_repeated(edisp.pdf_matrix, new.geom, find_precision()), new.exposure_map)

    @classmethod
    def from_gauss(
        cls,
        energy_axis: MapAxis,
        energy_axis_true: MapAxis,
        sigma: float | NDArray[np.floating],
        bias: float | NDArray[np.floating],
        pdf_threshold: float = 1e-6,
        geom: Geom | None = None,
    ) -> Self:
        """Return a Gaussian in the ratio of reconstructed to true energy, the same in every pixel.

        Parameters
        ----------
        energy_axis, energy_axis_true, sigma, bias, pdf_threshold : as for `EDispKernel.from_gauss`
        geom : image geometry, by default the whole sky in two pixels
        """
        kernel = EDispKernel.from_gauss(
            energy_axis_true=energy_axis_true,
            energy_axis=energy_axis,
            sigma=sigma,
            bias=bias,
            pdf_threshold=pdf_threshold,
        )
        return cls.from_edisp_kernel(kernel, geom=geom)

    def get_edisp_kernel(
        self, position: "SkyCoord | OneRegion | None" = None, energy_axis: MapAxis | None = None
    ) -> EDispKernel:
        """Return the energy dispersion matrix at a position (of the nearest valid pixel), or the mean in a region.

        Parameters
        ----------
        position : SkyCoord or SkyRegion, by default the centre of the map
        energy_axis : MapAxis that the map is expected to have, optional

        Raises
        ------
        ValueError
            If the bins of reconstructed energy of the map are not the expected ones.
        """
        axes = self.geom.axes
        if energy_axis is not None and energy_axis != axes["energy"]:
            raise ValueError(
                f"EDispKernelMap has the bins {axes['energy']}, but {energy_axis} were asked for; a matrix cannot be "
                "rebinned, so make the map with these, or use an EDispMap"
            )
        if position is None or hasattr(position, "separation"):
            x, y = (0.0, 0.0)
            if not self.has_single_spatial_bin:
                sky = self.geom.center_skydir if position is None else cast("SkyCoord", position)
                x, y = self.nearest_valid_pixel(sky)
            matrix = take_pixel(as_images(self.edisp_map), x, y)
        else:
            matrix = self.to_region_nd_map(position).edisp_map.data[..., 0, 0]
        matrix = to_host(matrix).astype(np.float64)  # host: one matrix, which is a table of the host
        return EDispKernel(axes=MapAxes([axes["energy_true"], axes["energy"]]), data=matrix)

    def to_image(self, weights: Map | None = None) -> Self:
        """Return the sum over reconstructed energy.

        Parameters
        ----------
        weights : Map, optional, by which the response is multiplied first
        """
        data = self.edisp_map.data
        xp = array_namespace(data)
        if weights is not None:
            data = data * xp.astype(weights.data, data.dtype)
        # Probabilities are summed; the exposure does not depend on the reconstructed energy, so it stays.
        total = xp.sum(data, axis=self.geom.axes.index_data("energy"), keepdims=True)
        image = Map.from_geom(self.geom.squash(axis_name="energy"), data=total, device=self.device)
        return type(self)(image, self.exposure_map)

    def resample_energy_axis(self, energy_axis: MapAxis, weights: Map | None = None) -> Self:
        """Join bins of reconstructed energy.

        Parameters
        ----------
        energy_axis : MapAxis whose edges are among those of the map
        weights : Map, optional, by which the response is multiplied first
        """
        return type(self)(self.edisp_map.resample_axis(axis=energy_axis, weights=weights), self.exposure_map)

    @classmethod
    def read(
        cls, filename: PathInput, format: str = "gadf", hdu: str | int | None = None, checksum: bool = False
    ) -> Self:
        """Read from a FITS file.

        Parameters
        ----------
        filename, hdu, checksum : see `IRFMap.read`
        format : {"gadf", "gtdrm"}, the latter for the matrix of the Fermi tool of this name
        """
        if format == "gtdrm":
            kernel = EDispKernel.read(filename, checksum=checksum, format=format)
            return cls.from_edisp_kernel(kernel, geom=RegionGeom.create(region=None))
        return cast(Self, super().read(filename, format, hdu, checksum))

    def to_hdulist(self, format: str = "gadf") -> HDUList:
        """Return the HDUs of the kernels.

        Parameters
        ----------
        format : {"gadf", "gtdrm"}, the latter for a map of one position
        """
        if format == "gtdrm":
            if not self.has_single_spatial_bin:
                raise FormatError(
                    "the format 'gtdrm' holds one matrix, and this map has one in each of "
                    f"{self.geom.to_image().data_shape} pixels; use to_region_nd_map(position)"
                )
            return self.get_edisp_kernel().to_hdulist(format=format)
        return super().to_hdulist(format)

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> None:
        """Show the bias and the matrix at the centre of the map."""
        from lightpool.plot.irf_maps import central_kernel

        central_kernel(self).peek(figsize)


def _repeated(matrix: NDArray[np.floating], geom: Geom, dtype: str) -> Map:
    """Return a map with the same matrix in every pixel."""
    new: Map = Map.from_geom(geom, unit="", dtype=dtype)
    xp = array_namespace(new.data)
    # (n_energy_true, n_energy, 1, 1) broadcasts over the pixels.
    shape = (*matrix.shape, *[1] * geom.n_image_dims)
    new.data = new.data + xp.reshape(constant(matrix, new.device, dtype=dtype), shape)
    return new
