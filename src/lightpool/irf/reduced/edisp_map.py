"""The reduced energy dispersion as a density in ``migra``, the ratio of reconstructed to true energy."""

from typing import ClassVar, Self, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.arrays import array_namespace, device_of, find_precision, to_device, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.bridge import accepts_gammapy
from lightpool.irf.reduced.cumulative import finite_or_zero, kernel_weights
from lightpool.irf.reduced.edisp_kernel_map import EDispKernelMap
from lightpool.irf.reduced.energy_dispersion import EDispKernel
from lightpool.irf.reduced.irf_map import IRFMap
from lightpool.irf.reduced.pixel_lookup import pixel_coordinates, take_pixel
from lightpool.irf.reduced.sampled_coords import drawn_along_axis
from lightpool.maps import Geom, Map, MapAxes, MapAxis, MapCoord, WcsGeom
from lightpool.maps.rows_and_columns import as_images
from lightpool.maps.sampling import RandomStateLike, random_state_of
from lightpool.typing import OneRegion

__all__ = ["EDispMap"]

# Half width of the default migra axis of a perfect resolution.
MIGRA_RESOLUTION = 1e-5


class EDispMap(IRFMap):
    """Energy dispersion in each pixel and true energy.

    Parameters
    ----------
    edisp_map : Map with the axes ``migra`` and ``energy_true`` in this order
    exposure_map : Map or None
    """

    tag = "edisp_map"
    required_axes: ClassVar[list[str]] = ["migra", "energy_true"]

    @accepts_gammapy
    def __init__(self, edisp_map: Map, exposure_map: Map | None = None) -> None:
        super().__init__(edisp_map, exposure_map)

    @property
    def edisp_map(self) -> Map:
        """The response itself."""
        return self.irf_map

    @edisp_map.setter
    def edisp_map(self, edisp_map: Map) -> None:
        self.irf_map = edisp_map

    def normalize(self) -> None:
        """Make the integral over ``migra`` one, in place."""
        self.edisp_map.normalize(axis_name="migra")

    @classmethod
    @accepts_gammapy
    def from_geom(cls, geom: Geom, precision: str | None = None) -> Self:
        """Return a perfect energy resolution and a zero exposure, as the start of a stack.

        The response is spread over the two bins nearest to ``migra`` = 1.

        Parameters
        ----------
        geom : Geom with the axes ``migra`` and ``energy_true``
        precision : {"double", "single"}; by default the default precision
        """
        if "energy_true" not in geom.axes.names:
            raise ValueError(f"EDispMap got the axes {list(geom.axes.names)}, expected migra and energy_true")
        migra_axis = geom.axes["migra"]
        distance = np.abs(np.arange(migra_axis.nbin) - np.asarray(migra_axis.coord_to_pix(1)))
        # A hat function in pixels: the two nearest bins share a probability of 1.
        density = np.where(distance < 1, 1 - distance, 0.0) / np.diff(migra_axis.edges_value)
        dtype = find_precision(precision)
        edisp_map = Map.from_geom(geom, unit="", dtype=dtype)
        xp = array_namespace(edisp_map.data)
        # (n_migra, 1, 1) broadcasts over (n_energy_true, n_migra, ny, nx).
        shape = (-1, *[1] * geom.n_image_dims)
        edisp_map.data = edisp_map.data + xp.reshape(to_device(density, edisp_map.device, dtype=dtype), shape)
        return cls(edisp_map, Map.from_geom(geom.squash(axis_name="migra"), unit="m2 s", dtype=dtype))

    @classmethod
    @accepts_gammapy
    def from_diagonal_response(cls, energy_axis_true: MapAxis, migra_axis: MapAxis | None = None) -> Self:
        """Return a perfect energy resolution over the whole sky in two pixels.

        Parameters
        ----------
        energy_axis_true : MapAxis
        migra_axis : MapAxis, by default three narrow bins around 1
        """
        if migra_axis is None:
            migra_axis = MapAxis.from_bounds(
                1 - MIGRA_RESOLUTION, 1 + MIGRA_RESOLUTION, nbin=3, name="migra", node_type="edges"
            )
        return cls.from_geom(WcsGeom.create(npix=(2, 1), proj="CAR", binsz=180, axes=[migra_axis, energy_axis_true]))

    def sample_coord(
        self, map_coord: MapCoord, random_state: RandomStateLike = 0, chunk_size: int | None = 10000
    ) -> MapCoord:
        """Return coordinates of simulated events with reconstructed energies.

        Parameters
        ----------
        map_coord : MapCoord with ``energy_true``, one-dimensional
        random_state : int, ``random-seed``, ``global-rng`` or `numpy.random.RandomState`
        chunk_size : int or None, number of events at a time
        """
        migra, true = self.geom.axes["migra"], u.Quantity(map_coord["energy_true"])
        generator, equal = random_state_of(random_state), np.ones(migra.nbin)
        ratio = drawn_along_axis(
            self.edisp_map, migra, equal, map_coord.skycoord, {"energy_true": true}, generator, chunk_size
        )
        return MapCoord.create({"skycoord": map_coord.skycoord, "energy": true * ratio})

    @accepts_gammapy
    def get_edisp_kernel(self, energy_axis: MapAxis, position: "SkyCoord | OneRegion | None" = None) -> EDispKernel:
        """Return the energy dispersion matrix at a position (of its pixel), or in a region (the mean of its pixels).

        Parameters
        ----------
        energy_axis : MapAxis of the reconstructed energy
        position : SkyCoord or SkyRegion, by default the centre of the map
        """
        if position is None:
            position = self.geom.center_skydir
        # A SkyCoord; regions have no such method.
        if hasattr(position, "separation"):
            x, y = pixel_coordinates(self.geom, cast("SkyCoord", position))
            density = take_pixel(as_images(self.edisp_map), x.item(), y.item())
        else:
            density = self.to_region_nd_map(position).edisp_map.data[..., 0, 0]
        density = to_host(density).astype(np.float64)  # host: one matrix, which is a table of the host
        values = self._kernels(density[..., np.newaxis], energy_axis)
        axes = MapAxes([self.geom.axes["energy_true"], energy_axis])
        return EDispKernel(axes=axes, data=to_host(values[..., 0]))  # host: it was computed there

    @accepts_gammapy
    def to_edisp_kernel_map(self, energy_axis: MapAxis, threshold: float = 1e-8) -> EDispKernelMap:
        """Integrate into bins of reconstructed energy.

        Parameters
        ----------
        energy_axis : MapAxis of the reconstructed energy
        threshold : float, smaller probabilities become zero
        """
        data = self.edisp_map.data
        xp = array_namespace(data)
        values = self._kernels(xp.reshape(data, (*data.shape[:-2], -1)), energy_axis, threshold)
        geom = self.geom.to_image().to_cube([energy_axis, self.geom.axes["energy_true"]])
        kernel = Map.from_geom(geom, data=xp.reshape(values, geom.data_shape), unit="", device=self.device)
        exposure = self.exposure_map
        if exposure is not None:
            exposure = exposure.copy(geom=geom.squash(energy_axis.name), meta={})
        return EDispKernelMap(kernel, exposure)

    def _kernels(self, density: Array, energy_axis: MapAxis, threshold: float = 1e-8) -> Array:
        """Integrate densities (n_energy_true, n_migra, n_pixel) to probabilities (n_energy_true, n_energy, n_pixel)."""
        migra_axis, energy_axis_true = self.geom.axes["migra"], self.geom.axes["energy_true"]
        host_weights = kernel_weights(
            energy_axis.edges.to_value(energy_axis_true.unit),
            energy_axis_true.center_value,
            migra_axis.edges_value,
            migra_axis.interp,
        )
        xp = array_namespace(density)
        weights = to_device(host_weights, device_of(density), dtype=dtype_name(density))
        # (n_energy_true, n_energy, n_migra) @ (n_energy_true, n_migra, n_pixel)
        values = xp.matmul(weights, finite_or_zero(density))
        return xp.where(values >= threshold, values, xp.zeros_like(values))

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> None:
        """Show the bias and the matrix at the centre of the map."""
        from lightpool.plot.irf_maps import central_kernel

        central_kernel(self).peek(figsize)
