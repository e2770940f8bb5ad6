"""The reduced point spread function: a profile along ``rad`` in each pixel and energy."""

from collections.abc import Sequence
from typing import ClassVar, Self, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays import (
    array_namespace,
    device_of,
    find_precision,
    hat_basis,
    scale_values,
    to_device,
    to_host,
)
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name
from lightpool.bridge import accepts_gammapy
from lightpool.irf.reduced.cumulative import closest_radius, finite_or_zero, integral_weights, ring_areas
from lightpool.irf.reduced.irf_map import IRFMap
from lightpool.irf.reduced.pixel_lookup import gather_linear, values_at
from lightpool.irf.reduced.psf_kernel import PSFKernel, kernel_from_profiles
from lightpool.irf.reduced.sampled_coords import drawn_along_axis
from lightpool.irf.reduced.spectral_weights import SpectralModel, spectral_weights
from lightpool.irf.tables.psf_table import RAD_AXIS_DEFAULT
from lightpool.maps import Geom, Map, MapAxis, MapCoord, RegionGeom, WcsGeom
from lightpool.maps.rows_and_columns import as_images
from lightpool.maps.sampling import RandomStateLike, random_state_of
from lightpool.typing import Axes, QuantityLike

__all__ = ["PSF_MAX_OVERSAMPLING", "RAD_AXIS_DEFAULT", "PSFMap"]

# Most parts that a pixel of a kernel is split into each way, as in Gammapy.
PSF_MAX_OVERSAMPLING = 4

RAD_OVERSAMPLING = 20
"""Containment radii are centres of bins that are finer than those of the axis by this factor."""

Floats = NDArray[np.float64]


class PSFMap(IRFMap):
    """Point spread function in each pixel and energy.

    Parameters
    ----------
    psf_map : Map with the axes ``rad`` and ``energy_true`` in this order, unit 1/sr
    exposure_map : Map or None
    """

    tag = "psf_map"
    required_axes: ClassVar[list[str]] = ["rad", "energy_true"]

    @accepts_gammapy
    def __init__(self, psf_map: Map, exposure_map: Map | None = None) -> None:
        super().__init__(psf_map, exposure_map)

    @property
    def psf_map(self) -> Map:
        """The response itself."""
        return self.irf_map

    @psf_map.setter
    def psf_map(self, psf_map: Map) -> None:
        self.irf_map = psf_map

    @property
    def energy_name(self) -> str:
        """Name of the energy axis."""
        return self.required_axes[-1]

    @property
    def energy_axis(self) -> MapAxis:
        """Energy axis."""
        return self.geom.axes["energy" if self.energy_name == "energy" else "energy_true"]

    def normalize(self) -> None:
        """Normalise the integral over the rings of ``rad`` to one, in place."""
        self.psf_map.normalize(axis_name="rad")

    @classmethod
    @accepts_gammapy
    def from_geom(cls, geom: Geom, precision: str | None = None) -> Self:
        """Return a zero PSF and a zero exposure, as the start of a stack.

        Parameters
        ----------
        geom : Geom with the axes ``rad`` and the energy of the PSF
        precision : {"double", "single"}; by default the default precision
        """
        dtype, geom_exposure = find_precision(precision), geom.squash(axis_name="rad")
        return cls(
            Map.from_geom(geom, unit="sr-1", dtype=dtype), Map.from_geom(geom_exposure, unit="m2 s", dtype=dtype)
        )

    @classmethod
    def from_gauss(
        cls,
        energy_axis_true: MapAxis,
        rad_axis: MapAxis | None = None,
        sigma: QuantityLike = 0.1 * u.deg,
        geom: Geom | None = None,
    ) -> Self:
        """Return a Gaussian PSF, the same at all positions.

        Parameters
        ----------
        energy_axis_true : MapAxis
        rad_axis : MapAxis, by default `RAD_AXIS_DEFAULT`
        sigma : Quantity, one width or one for each energy
        geom : image geometry, by default the whole sky in two pixels
        """
        rad_axis = RAD_AXIS_DEFAULT if rad_axis is None else rad_axis
        image: Geom = WcsGeom.create(npix=(2, 1), proj="CAR", binsz=180) if geom is None else geom
        cube = image.to_cube([rad_axis, energy_axis_true])
        width = np.reshape(u.Quantity(sigma).to_value("rad"), (-1, 1))
        rad = rad_axis.center.to_value("rad")
        # (n_energy, n_rad), or (1, n_rad) for one width; normalised in the flat plane.
        profile = np.exp(-0.5 * (rad / width) ** 2) / (2 * np.pi * width**2)
        data = np.broadcast_to(profile.reshape(*profile.shape, *[1] * image.n_image_dims), cube.data_shape)
        exposure = Map.from_geom(cube.squash(axis_name="rad"), data=1.0, unit="m2 s")
        psf = Map.from_geom(cube, data=np.array(data, dtype=find_precision()), unit="sr-1")
        return cls(psf, exposure)

    def to_image(self, spectral_model: SpectralModel | None = None, keepdims: bool = True) -> Self:
        """Return the mean over energy, weighted by the exposure and a spectrum.

        Parameters
        ----------
        spectral_model : by default a power law of index 2
            See `lightpool.irf.reduced.spectral_weights.spectral_weights`.
        keepdims : bool, whether to keep an energy axis of one bin
        """
        psf, exposure = self.psf_map, self._required_exposure()
        axis = psf.geom.axes.index_data(self.energy_name)
        xp = array_namespace(psf.data)
        shares = spectral_weights(self.energy_axis, spectral_model)
        share = to_device(shares, psf.device, dtype=dtype_name(psf.data))
        weighted = exposure.data * xp.reshape(share, (-1,) + (1,) * (psf.data.ndim - axis - 1))
        total = xp.sum(weighted, axis=axis, keepdims=True)
        # Without exposure the mean is 0 / 1, not NaN.
        safe = xp.where(total != 0, total, xp.ones_like(total))
        mean = xp.sum(finite_or_zero(weighted * psf.data), axis=axis, keepdims=True) / safe
        new = Map.from_geom(psf.geom.squash(self.energy_name), data=mean, unit="sr-1", device=self.device)
        new_exposure = Map.from_geom(
            exposure.geom.squash(self.energy_name), data=total, unit=exposure.unit, device=self.device
        )
        image = type(self)(new, new_exposure)
        if not keepdims:  # no longer a response of these axes, but what is left of it has the same kind, as in Gammapy
            image.irf_map, image.exposure_map = (
                item.sum_over_axes(axes_names=[self.energy_name], keepdims=False) for item in (new, new_exposure)
            )
        return image

    def _required_exposure(self) -> Map:
        if self.exposure_map is None:
            raise ValueError(f"{type(self).__name__} got no exposure map, expected one to weight the energies with")
        return self.exposure_map

    # --- containment

    def containment(self, rad: QuantityLike, energy_true: QuantityLike, position: SkyCoord | None = None) -> u.Quantity:
        """Return the share of the PSF within a radius.

        Parameters
        ----------
        rad, energy_true : Quantity, whose shapes broadcast together
        position : SkyCoord, by default the centre of the map

        Returns
        -------
        containment : dimensionless Quantity on the host, of at least one dimension, as in Gammapy
            0 beyond the edges of the energy axis, where there is no PSF.
        """
        rad_axis, energy_axis = self.geom.axes["rad"], self.energy_axis
        # A plain number is in the unit of the axis.
        rad = u.Quantity(rad) if hasattr(rad, "unit") or isinstance(rad, str) else u.Quantity(rad, rad_axis.unit)
        rad = np.asarray(rad.to_value(rad_axis.unit), dtype=np.float64)
        energy = u.Quantity(energy_true)
        profiles, rad, (energy_value,) = self._profiles_at(position, rad, energy.to_value(energy_axis.unit))
        # As Gammapy, which interpolates a map here, but a table in `containment_radius`.
        basis = _pixel_basis(energy_axis, energy_value.ravel())
        mixed = _mix(finite_or_zero(profiles), basis)  # (n_rad, n_point)
        content = mixed * self._ring_areas()[:, np.newaxis]
        share = integral_weights(rad.ravel(), rad_axis.edges_value, rad_axis.interp)
        edges, energy_value = energy_axis.edges_value, energy_value.ravel()
        contained = np.sum(to_host(content) * to_host(share).T, axis=0)  # host: computed there
        contained = np.where((energy_value >= edges[0]) & (energy_value <= edges[-1]), contained, 0.0)
        return u.Quantity(contained.reshape(rad.shape or (1,)), "")

    def containment_radius(
        self,
        fraction: float | Sequence[float] | NDArray[np.floating],
        energy_true: QuantityLike,
        position: SkyCoord | None = None,
    ) -> u.Quantity:
        """Return the radius that contains a share of the PSF, to a 20th of a ``rad`` bin.

        Parameters
        ----------
        fraction : float or array, between 0 and 1
        energy_true : Quantity
        position : SkyCoord, by default the centre of the map

        Returns
        -------
        radius : Quantity on the host, of the broadcast shape of the arguments and at least one dimension
        """
        rad_axis, energy_axis = self.geom.axes["rad"], self.energy_axis
        energy = u.Quantity(energy_true).to_value(energy_axis.unit)
        profiles, fraction, (energy,) = self._profiles_at(position, fraction, energy, zero_outside=True)
        contained = self._contained(profiles, energy.ravel())
        radius = self._radius_of(contained, fraction.ravel())
        return u.Quantity(np.reshape(to_host(radius), fraction.shape or (1,)), rad_axis.unit)  # host: computed there

    def containment_radius_map(self, energy_true: QuantityLike, fraction: float = 0.68) -> Map:
        """Return a map of the containment radius in every pixel, see `containment_radius`.

        Parameters
        ----------
        energy_true : Quantity, one energy
        fraction : float, between 0 and 1
        """
        data = as_dtype(self.psf_map.data, "float64")
        xp = array_namespace(data)
        energy_axis = self.energy_axis
        energy = np.reshape(u.Quantity(energy_true).to_value(energy_axis.unit), (1,))
        contained = self._contained(xp.reshape(data, (*data.shape[:2], -1)), energy)
        radius = self._radius_of(contained, xp.full_like(contained[0, ...], fraction))
        image = self.geom.to_image()
        data = xp.reshape(radius, image.data_shape)
        new: Map = Map.from_geom(image, data=data, unit=self.geom.axes["rad"].unit, device=self.device)
        return new

    def profile(self, energy_true: QuantityLike, position: SkyCoord | None = None) -> u.Quantity:
        """Return the PSF as a function of ``rad`` at one energy and position, shape (n_rad,).

        Parameters
        ----------
        energy_true : Quantity, one energy
        position : SkyCoord, by default the centre of the map
        """
        axis = self.energy_axis
        profiles, energy, _ = self._profiles_at(position, u.Quantity(energy_true).to_value(axis.unit))
        return u.Quantity(_mix(finite_or_zero(profiles), _pixel_basis(axis, energy.ravel()))[:, 0], self.irf_map.unit)

    def _profiles_at(
        self, position: SkyCoord | None, first: ArrayLike, *others: ArrayLike, zero_outside: bool = False
    ) -> tuple[Floats, Floats, list[Floats]]:
        """Return profiles at positions, shape (n_energy, n_rad, n_point), and the arguments, broadcast to one shape."""
        where = self.geom.center_skydir if position is None else position
        # host: the result is a Quantity, and needs only a few profiles
        profiles = to_host(values_at(self.psf_map, where, zero_outside=zero_outside))
        of_position = np.shape(where)
        shape = np.broadcast_shapes(np.shape(first), of_position, *(np.shape(other) for other in others))
        # New dimensions go in front of those of the positions, where broadcasting adds them.
        wide = profiles.reshape(*profiles.shape[:2], *(1,) * (len(shape) - len(of_position)), *of_position)
        wide = np.broadcast_to(wide, (*profiles.shape[:2], *shape)).reshape(*profiles.shape[:2], -1)
        arguments = [np.broadcast_to(np.asarray(item, dtype=np.float64), shape) for item in (first, *others)]
        return wide, arguments[0], arguments[1:]

    def _ring_areas(self) -> Floats:
        axis = self.geom.axes["rad"]
        to_plain = (self.irf_map.unit * axis.unit**2).to("")
        return np.asarray(ring_areas(axis.edges_value, axis.center_value) * to_plain)

    def _contained(self, profiles: Array, energy: Floats) -> Array:
        """Return the integral up to the upper edge of each ``rad`` bin.

        Parameters
        ----------
        profiles : array of float, shape (n_energy, n_rad, n_point)
        energy : host array of float in the unit of the axis, shape (n_point,) or (1,)

        Returns
        -------
        contained : array of float, shape (n_rad, n_point)
        """
        mixed = _mix(profiles, _energy_basis(self.energy_axis, energy))
        xp = array_namespace(mixed)
        area = to_device(self._ring_areas(), device_of(mixed))
        return finite_or_zero(xp.cumulative_sum(mixed * area[:, None], axis=0))

    def _radius_of(self, contained: Array, fraction: Array) -> Array:
        axis = self.geom.axes["rad"]
        # The containment is known at the upper edges of the bins, so these are the nodes, as in `IRF.cumsum`.
        nodes = MapAxis.from_nodes(axis.edges[1:], name="rad", interp=axis.interp)
        fine = axis.upsample(RAD_OVERSAMPLING).center_value
        return closest_radius(contained, nodes.center_value, float(nodes.edges_value[0]), fine, fraction)

    def sample_coord(
        self, map_coord: MapCoord, random_state: RandomStateLike = 0, chunk_size: int | None = 10000
    ) -> MapCoord:
        """Return coordinates of simulated events that the PSF moves.

        Parameters
        ----------
        map_coord : MapCoord with the energy of the PSF, one-dimensional
        random_state : int, ``random-seed``, ``global-rng`` or `numpy.random.RandomState`
        chunk_size : int or None, number of events at a time
        """
        generator, rad = random_state_of(random_state), self.geom.axes["rad"]
        energy = u.Quantity(map_coord[self.energy_name])
        weights = rad.center_value * rad.bin_width.value
        distance = drawn_along_axis(
            self.psf_map, rad, weights, map_coord.skycoord, {self.energy_name: energy}, generator, chunk_size
        )
        # From 360 down to 1, as Gammapy draws it, so that a seed gives the same events.
        angle = u.Quantity(generator.uniform(360, size=distance.size), "deg")
        moved = map_coord.skycoord.directional_offset_by(position_angle=angle, separation=distance)
        return MapCoord.create({"skycoord": moved, self.energy_name: energy})

    def get_psf_kernel(
        self,
        geom: WcsGeom | RegionGeom,
        position: SkyCoord | None = None,
        max_radius: "QuantityLike | None" = None,
        containment: float = 0.999,
        precision_factor: int = 12,
    ) -> PSFKernel:
        """Return an image of the PSF for each energy, to convolve maps with.

        Parameters
        ----------
        geom : geometry that determines the pixel size and the energy axis of the kernel
        position : SkyCoord, by default the centre of the map
            If it has no PSF, that of the nearest pixel with one is used.
        max_radius : Quantity or str, half the size of the kernel; by default the largest containment radius
        containment : float, share of the PSF that the image of each energy contains
        precision_factor : int
            Pixels are split so that this many parts span the diameter of 68 % containment; at most 4 parts each way.
        """
        image_geom = cast("RegionGeom", geom).to_wcs_geom() if geom.is_region else cast("WcsGeom", geom)
        x, y = self.nearest_valid_pixel(self.geom.center_skydir if position is None else position)
        energy_axis, rad_axis = self.energy_axis, self.geom.axes["rad"]
        energy = cast("MapAxis", image_geom.axes[self.energy_name]).center.to_value(energy_axis.unit)
        profiles = gather_linear(finite_or_zero(as_images(self.psf_map)), np.asarray([x]), np.asarray([y]))
        # One position for all energies, so n_point is the number of energies.
        contained = self._contained(np.broadcast_to(to_host(profiles), (*profiles.shape[:2], len(energy))), energy)
        radii, radii_68 = (
            u.Quantity(self._radius_of(contained, np.full(len(energy), share)), rad_axis.unit)
            for share in (containment, 0.68)
        )
        if max_radius is not None:
            radii = u.Quantity(np.minimum(radii, u.Quantity(max_radius)))
        oversampling = precision_factor / (2 * radii_68 / image_geom.pixel_scales.max()).to_value("")
        mixed = _mix(profiles, _pixel_basis(energy_axis, energy))
        return kernel_from_profiles(
            image_geom,
            mixed,
            rad_axis,
            radii=radii,
            max_radius=radii.max() if max_radius is None else u.Quantity(max_radius),
            factors=[min(int(np.ceil(factor)), PSF_MAX_OVERSAMPLING) for factor in oversampling],
        )

    # --- pictures

    def plot_containment_radius_vs_energy(
        self, ax: "Axes | None" = None, fraction: float | Sequence[float] = (0.68, 0.95), **kwargs: object
    ) -> "Axes":
        """Plot containment radii at the centre of the map as a function of energy.

        Parameters
        ----------
        ax : matplotlib Axes, by default the current ones
        fraction : float or sequence of float between 0 and 1, one line for each
        **kwargs : passed to ``Axes.plot``
        """
        from lightpool.plot.irf_maps import plot_containment_radius_vs_energy

        return plot_containment_radius_vs_energy(self, ax=ax, fraction=fraction, **kwargs)

    def plot_psf_vs_rad(
        self, ax: "Axes | None" = None, energy_true: QuantityLike = (0.1, 1, 10) * u.TeV, **kwargs: object
    ) -> "Axes":
        """Plot profiles at the centre of the map as a function of the distance to the source.

        Parameters
        ----------
        ax : matplotlib Axes, by default the current ones
        energy_true : Quantity, one line for each energy
        **kwargs : passed to ``Axes.plot``
        """
        from lightpool.plot.irf_maps import plot_psf_vs_rad

        return plot_psf_vs_rad(self, ax=ax, energy=energy_true, **kwargs)

    def peek(self, figsize: tuple[float, float] = (12, 10)) -> None:
        """Show containment radii, profiles, the exposure and a map of the containment radius."""
        from lightpool.plot.irf_maps import peek_psf_map

        peek_psf_map(self, figsize=figsize)


def _mix(profiles: Array, basis: Floats) -> Array:
    """Interpolate profiles in energy: (n_energy, n_rad, n_point) and (n_energy, n_point or 1) to (n_rad, n_point)."""
    xp = array_namespace(profiles)
    mixed = xp.zeros_like(profiles[0, ...])
    # Most energies have no weight, so only planes with one are read.
    for k in np.nonzero(basis.any(axis=1))[0]:
        mixed = mixed + profiles[int(k), ...] * to_device(basis[k], device_of(profiles))
    return mixed


def _energy_basis(axis: MapAxis, energy: Floats) -> Floats:
    """Return the weights of a table in energy: linear in its scale between centres, zero beyond the edges."""
    nodes = scale_values(axis.center_value, axis.interp)
    edges = axis.edges_value
    basis = np.asarray(hat_basis(scale_values(energy, axis.interp), nodes, -np.inf, np.inf))
    return np.asarray(np.where((energy >= edges[0]) & (energy <= edges[-1]), basis, 0.0))


def _pixel_basis(axis: MapAxis, energy: Floats) -> Floats:
    """Return the weights of a map in energy: linear in the pixel coordinate, extrapolated."""
    pix = np.asarray(axis.coord_to_pix(energy * axis.unit), dtype=np.float64)
    return np.asarray(hat_basis(pix, np.arange(axis.nbin, dtype=np.float64), -np.inf, np.inf))
