"""Requests: what the projection of a response table on a map needs, decided once.

A request holds node tables at the energies of the map, which the response table remembers, and the way to project them.
The tables of several requests travel to a device together (`announce`); then each request is projected on pixels::

    aeff = aeff_request(observation.aeff, energy_true)
    psf = psf_request(observation.psf, energy_true, rad)
    announce([aeff, psf], device, "float64")
    psf.project(offset).values()

Tables and energies are on the host. The positions of the pixels are arrays of float64 in rad on any device, of any
shape: ``offset`` for a table that depends on it, or ``fov_lon`` and ``fov_lat``, or ``rho`` and ``phi``. The weights of
the pixels, the tables and the result have the data type ``dtype``, ``float64`` or ``float32``.

Classes that evaluate themselves are asked for their values at every pixel (`lightpool.irf.projection.evaluation`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Protocol

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import Device, LazyArray, announce_constants, array_namespace, device_of, to_device, to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.blocks import blocks_that_fit
from lightpool.irf.projection.axis_points import Coordinates
from lightpool.irf.projection.evaluation import (
    evaluated_density,
    evaluated_integrals,
    evaluated_kernel,
    evaluated_values,
    evaluates_itself,
)
from lightpool.irf.projection.integrate_background import integrate_background
from lightpool.irf.projection.node_tables import BackgroundNodes, DensityNodes, DeviceTables, KernelNodes, NodeTable
from lightpool.irf.projection.project import (
    HOST_BLOCK,
    N_WORK_ARRAYS,
    Parts,
    project_density,
    project_kernel,
    project_values,
)
from lightpool.irf.projection.psf_profiles import project_profile, without_norm
from lightpool.irf.projection.tables_at_energies import (
    aeff_nodes,
    background_nodes,
    bin_shares,
    edisp_kernel_nodes,
    edisp_nodes,
    parameter_nodes,
    psf_nodes,
    ring_areas,
)
from lightpool.irf.projection.weights import Weights, field_coordinates, on_device_of, pixel_weights
from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.psf_parametric import ParametricPSF, PSFKing
from lightpool.maps import MapAxis
from lightpool.maps.units import unit_factor
from lightpool.utils.deviations import deviates, deviations_are_heard

__all__ = [
    "BackgroundRequest",
    "Request",
    "ResponseRequest",
    "aeff_request",
    "announce",
    "background_request",
    "edisp_kernel_request",
    "edisp_request",
    "psf_request",
]

_PER_SR = u.sr**-1


class Request(Protocol):
    """What all requests have."""

    @property
    def tables(self) -> tuple[DeviceTables, ...]:
        """Tables that the projection needs on the device of the pixels."""


def announce(requests: Iterable[Request], device: Device, dtype: str) -> None:
    """Announce that a device will need the tables of some requests, so that they travel together.

    Parameters
    ----------
    requests : iterable of Request
    device : Device; nothing is announced to the host
    dtype : str, data type of the results
    """
    if not device.is_host:
        tables = chain.from_iterable(request.tables for request in requests)
        announce_constants(chain.from_iterable(table.needed(device, dtype) for table in tables), device)


@dataclass(frozen=True, eq=False, kw_only=True)
class ResponseRequest:
    """Effective area, point spread function or energy dispersion, to be projected on pixels.

    Attributes
    ----------
    field : tuple of str, names of the coordinates in the field of view that the response depends on
    shape : tuple of int, of the values at a pixel: (n_energy_true,) or (n_energy_true, n_bin)
    parts : function of the coordinates of P pixels, and of the data type of the result
        It yields slices of the first axis, and the values (n_row, ..., P).
    tables : tuple of DeviceTables that the projection needs
    nodes : NodeTable whose nodes lie in the field of view, one of ``tables`` or a part of it; None without tables
    is_finite : bool, whether it is known that all values are finite
    without_norm : function of the weights of P pixels, optional
        Returns where a profile cannot be normalised.
    """

    field: tuple[str, ...]
    shape: tuple[int, ...]
    parts: Callable[[Sequence[Array], str], Parts]
    tables: tuple[DeviceTables, ...] = ()
    nodes: NodeTable | None = None
    is_finite: bool = True
    without_norm: Callable[[Weights], Array] | None = None

    @classmethod
    def of_nodes(
        cls,
        nodes: NodeTable,
        tables: tuple[DeviceTables, ...],
        shape: tuple[int, ...],
        project: Callable[[Weights], Parts],
        is_finite: bool = True,
        without_norm: Callable[[Weights], Array] | None = None,
    ) -> "ResponseRequest":
        """Request a response that is projected from a node table.

        Parameters
        ----------
        nodes, tables, shape, is_finite, without_norm : see `ResponseRequest`
        project : function of the weights of P pixels, see ``parts``
        """

        def parts(coords: Sequence[Array], dtype: str) -> Parts:
            return project(pixel_weights(nodes, *coords, dtype=dtype))

        return cls(
            field=nodes.field,
            shape=shape,
            parts=parts,
            tables=tables,
            nodes=nodes,
            is_finite=is_finite,
            without_norm=without_norm,
        )

    @classmethod
    def of_evaluation(
        cls, irf: IRF, shape: tuple[int, ...], evaluate: Callable[[Sequence[Array]], NDArray[np.float64]]
    ) -> "ResponseRequest":
        """Request a response that is evaluated on the host, see `lightpool.irf.projection.evaluation`.

        Parameters
        ----------
        irf : IRF
        shape : see `ResponseRequest`
        evaluate : function of the coordinates of P pixels that returns the values, shape ``(*shape, P)``
        """

        def parts(coords: Sequence[Array], dtype: str) -> Parts:
            values = evaluate(coords)
            yield slice(None), to_device(values, device_of(coords[0]), dtype=dtype)

        return cls(field=irf.field_arguments, shape=shape, parts=parts)

    def project(
        self,
        offset: Array | None = None,
        *,
        dtype: str = "float64",
        **positions: Array | None,
    ) -> LazyArray:
        """Return the response at pixels, which is computed when it is asked for.

        What is added to a stack right away is computed and added in pieces that fit into the processor's cache.

        Parameters
        ----------
        offset, dtype : see the module
            Pixels whose positions have not two dimensions count as an image of one row.
        **positions : array, ``fov_lon`` and ``fov_lat``, or ``rho`` and ``phi``, see the module

        Returns
        -------
        response : LazyArray, shape ``(*shape, ny, nx)``
        """
        images = _as_images(*field_coordinates(self.field, offset=offset, **positions))
        (n_y, n_x), device = images[0].shape, device_of(images[0])
        # Not where it is computed, which may be in the middle of a stack.
        if deviations_are_heard() and self._is_anywhere_without_norm(images, dtype):
            deviates("King PSF that cannot be normalised")

        def compute(rows: slice, columns: slice, mask: Array | None) -> Iterator[tuple[slice, Array]]:
            window = [image[rows, columns] for image in images]
            if mask is not None:
                window = [device.xp.where(mask, x, np.nan) for x in window]  # all weights of NaN are zero
            for lead, values in self.parts(window, dtype):
                yield lead, array_namespace(values).reshape(values, (*values.shape[:-1], *window[0].shape))

        if device.is_host:
            # The last axis is always computed as a whole, so it counts with the pixels of a row.
            height = max(1, HOST_BLOCK // max(1, self.shape[-1] * n_x))
        else:
            # A single kernel launch (see `can_fuse`) has no intermediate arrays.
            is_fused = device.is_cuda and self.nodes is not None and self.nodes.holes is None
            n_work = 1 if is_fused else N_WORK_ARRAYS
            height = blocks_that_fit(n_y, 8 * n_work * math.prod(self.shape) * n_x, device)[0].stop
        kind = getattr(device.xp, dtype)  # NumPy and CuPy have a class there, their arrays a data type
        kind = np.dtype(kind) if isinstance(kind, type) else kind
        return LazyArray((*self.shape, n_y, n_x), device, height, compute, kind, self.is_finite)

    def _is_anywhere_without_norm(self, images: list[Array], dtype: str) -> bool:
        if self.without_norm is None or self.nodes is None:
            return False
        return _any_of(self.without_norm(pixel_weights(self.nodes, *images, dtype=dtype)))


@dataclass(frozen=True, eq=False)
class BackgroundRequest:
    """Background rate, to be integrated over energy bins at pixels.

    Attributes
    ----------
    nodes : BackgroundNodes, or None for a class that evaluates itself
    irf : BackgroundIRF, that class
    energy : Quantity, shape (n_energy + 1,), edges of the bins, for that class
    """

    nodes: BackgroundNodes | None
    irf: IRF | None = None
    energy: u.Quantity | None = None

    @property
    def tables(self) -> tuple[DeviceTables, ...]:
        """Tables that the projection needs."""
        return () if self.nodes is None else (self.nodes,)

    @property
    def field(self) -> tuple[str, ...]:
        """Names of the coordinates in the field of view that the rate depends on."""
        if self.nodes is not None:
            return self.nodes.table.field
        assert self.irf is not None  # there is one of both, the nodes or the table
        return self.irf.field_arguments

    def project(
        self,
        offset: Array | None = None,
        *,
        dtype: str = "float64",
        factor: Array | None = None,
        **positions: Array | None,
    ) -> Array:
        """Return the rate at pixels.

        Parameters
        ----------
        offset, dtype : see the module
        factor : array of float64, shape of the pixels, that multiplies the rate, such as their solid angle, optional
        **positions : array, ``fov_lon`` and ``fov_lat``, or ``rho`` and ``phi``, see the module
            For ``FOVALIGN = REVERSE_LON_RADEC`` the sign of ``fov_lon`` is reversed.

        Returns
        -------
        rate : array, shape ``(n_energy, *pixels)``, unit s-1 sr-1, times the factor; see `integrate_background`
        """
        if self.nodes is None:
            return self._evaluated(dtype, factor, offset=offset, **positions)
        coords = field_coordinates(self.nodes.table.field, offset=offset, **positions)
        factors = [] if factor is None else _as_images(factor)
        if deviations_are_heard():
            self._announce_differences(self.nodes, coords)
        rate = integrate_background(self.nodes, _as_images(*coords), factors, dtype)
        return array_namespace(rate).reshape(rate, (rate.shape[0], *coords[0].shape))

    def _evaluated(self, dtype: str, factor: Array | None, **positions: Array | None) -> Array:
        assert self.irf is not None  # there is one of both, the nodes or the table
        assert self.energy is not None
        coords = field_coordinates(self.irf.field_arguments, **positions)
        values = evaluated_integrals(self.irf, self.irf.field_arguments, coords, self.energy, u.Unit("s-1 sr-1"))
        rate = to_device(values.reshape(len(values), *coords[0].shape), device_of(coords[0]), dtype=dtype)
        return rate if factor is None else rate * array_namespace(rate).astype(factor, rate.dtype)

    @staticmethod
    def _announce_differences(nodes: BackgroundNodes, coords: tuple[Array, ...]) -> None:
        if nodes.capped is not None and _is_marked(nodes.capped, coords):
            deviates("background beyond the outer nodes of a table with empty bins")
        if nodes.split is not None and _is_marked(nodes.split.marks, coords):
            deviates("background of a bin with an edge beyond the table, or in an empty part of it")


def _is_marked(marks: NodeTable, coords: tuple[Array, ...]) -> bool:
    """Return whether a marked node has a weight in any pixel."""
    weights = pixel_weights(marks, *coords)
    return _any_of(weights.touched(on_device_of(weights, marks, "values")) & weights.inside)


def _any_of(condition: Array) -> bool:
    return bool(to_host(array_namespace(condition).any(condition)))  # host: for an announcement


def aeff_request(aeff: IRF, energy_true: MapAxis | u.Quantity, factor: float = 1.0) -> ResponseRequest:
    """Request an effective area.

    Parameters
    ----------
    aeff : EffectiveAreaTable2D
    energy_true : MapAxis, or Quantity of n_energy_true centres
    factor : float, multiplies the area, such as a time; it costs nothing here

    Returns
    -------
    request : ResponseRequest of shape (n_energy_true,)
        Its values have the unit of the table, times the factor; they are zero outside the axes of the table.
    """
    centers = Coordinates.centers(energy_true)
    if evaluates_itself(aeff):
        wanted, unit = {"energy_true": centers.values}, aeff.unit

        def evaluate(coords: Sequence[Array]) -> NDArray[np.float64]:
            return factor * evaluated_values(aeff, aeff.field_arguments, coords, wanted, unit)

        return ResponseRequest.of_evaluation(aeff, (centers.values.size,), evaluate)
    nodes: NodeTable = aeff.derived(("aeff", centers.content), lambda: aeff_nodes(aeff, energy_true))

    def project(weights: Weights) -> Parts:
        yield slice(None), project_values(nodes, weights, factor)

    return ResponseRequest.of_nodes(nodes, (nodes,), nodes.values.shape[:1], project)


def psf_request(
    psf: IRF, energy_true: MapAxis | u.Quantity, rad: MapAxis, unit: str | u.UnitBase = "sr-1"
) -> ResponseRequest:
    """Request a point spread function, normalised over ``rad``.

    Parameters
    ----------
    psf : PSF3D, EnergyDependentMultiGaussPSF or PSFKing
    energy_true : MapAxis, or Quantity of n_energy_true centres
    rad : MapAxis of n_rad bins
    unit : str or Unit, of the values

    Returns
    -------
    request : ResponseRequest of shape (n_energy_true, n_rad)
        The sum of value times ring area is 1, or all values are zero: outside the axes of a table. Parameters are
        extrapolated without limit, as in Gammapy.
    """
    centers, rad, integral = Coordinates.centers(energy_true), _with_widths(rad, "rad"), unit_factor(_PER_SR, unit)
    if evaluates_itself(psf):
        return _evaluated_density_request(psf, centers, rad, ring_areas(rad), integral)
    if isinstance(psf, ParametricPSF):
        tables: dict[str, NodeTable] = psf.derived(
            ("psf parameters", centers.content), lambda: parameter_nodes(psf, energy_true)
        )
        first = next(iter(tables.values()))
        return ResponseRequest.of_nodes(
            first,
            tuple(tables.values()),
            (len(first.values), rad.nbin),
            lambda weights: project_profile(psf, tables, rad, weights, integral),
            is_finite=False,  # parameters are extrapolated without limit, so nothing is known
            without_norm=partial(without_norm, tables) if isinstance(psf, PSFKing) else None,
        )
    key = ("psf", centers.content, rad.content)
    nodes: DensityNodes = psf.derived(key, lambda: psf_nodes(psf, energy_true, rad))
    return _density_request(nodes, integral)


def edisp_request(edisp: IRF, energy_true: MapAxis | u.Quantity, migra: MapAxis) -> ResponseRequest:
    """Request an energy dispersion, normalised over ``migra``.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    energy_true : MapAxis, or Quantity of n_energy_true centres
    migra : MapAxis of n_migra bins

    Returns
    -------
    request : ResponseRequest of shape (n_energy_true, n_migra); zero outside the offsets of the table
    """
    centers, migra = Coordinates.centers(energy_true), _with_widths(migra, "migra")
    if evaluates_itself(edisp):
        return _evaluated_density_request(edisp, centers, migra, migra.bin_width.to_value(""))
    key = ("edisp", centers.content, migra.content)
    nodes: DensityNodes = edisp.derived(key, lambda: edisp_nodes(edisp, energy_true, migra))
    return _density_request(nodes)


def edisp_kernel_request(
    edisp: IRF, energy: MapAxis | u.Quantity, energy_true: MapAxis | u.Quantity, threshold: float = 1e-8
) -> ResponseRequest:
    """Request the probabilities of the bins of reconstructed energy.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    energy : MapAxis, or Quantity of n_energy + 1 edges
    energy_true : MapAxis, or Quantity of n_energy_true centres
    threshold : float, smaller probabilities are zero

    Returns
    -------
    request : ResponseRequest of shape (n_energy_true, n_energy); zero outside the offsets of the table
    """
    if evaluates_itself(edisp):
        return _evaluated_kernel_request(edisp, Coordinates.edges(energy), Coordinates.centers(energy_true), threshold)
    # Without the threshold, which is applied after the projection.
    key = ("edisp kernel", Coordinates.edges(energy).content, Coordinates.centers(energy_true).content)
    nodes: KernelNodes = edisp.derived(key, lambda: edisp_kernel_nodes(edisp, energy, energy_true))
    return ResponseRequest.of_nodes(
        nodes.kernel,
        (nodes,),
        nodes.kernel.values.shape[:2],
        lambda weights: project_kernel(nodes, weights, threshold),
    )


def background_request(bkg: IRF, energy: MapAxis | u.Quantity) -> BackgroundRequest:
    """Request a background rate.

    Parameters
    ----------
    bkg : Background2D or Background3D
    energy : MapAxis, or Quantity of n_energy + 1 edges
    """
    if evaluates_itself(bkg):
        return BackgroundRequest(None, bkg, Coordinates.edges(energy).values)
    key = ("background", Coordinates.edges(energy).content)
    nodes: BackgroundNodes = bkg.derived(key, lambda: background_nodes(bkg, energy))
    return BackgroundRequest(nodes)


def _density_request(nodes: DensityNodes, integral: float = 1.0) -> ResponseRequest:
    return ResponseRequest.of_nodes(
        nodes.table,
        (nodes,),
        nodes.table.values.shape[:2],
        lambda weights: project_density(nodes, weights, integral),
    )


def _evaluated_density_request(
    irf: IRF, energies: Coordinates, axis: MapAxis, widths: NDArray[np.float64], integral: float = 1.0
) -> ResponseRequest:
    """Request a density over an axis of a class that evaluates itself."""
    wanted = {"energy_true": energies.values, axis.name: axis.center}
    unit = _PER_SR if axis.name == "rad" else u.dimensionless_unscaled

    def evaluate(coords: Sequence[Array]) -> NDArray[np.float64]:
        return evaluated_density(evaluated_values(irf, irf.field_arguments, coords, wanted, unit), widths, integral)

    return ResponseRequest.of_evaluation(irf, (energies.values.size, axis.nbin), evaluate)


def _evaluated_kernel_request(
    edisp: IRF, edges: Coordinates, energies: Coordinates, threshold: float
) -> ResponseRequest:
    """Request kernels of a class that evaluates itself."""
    axis = edisp.axes["migra"]
    widths = axis.bin_width.to_value("")
    shares = bin_shares(axis, edges.values, energies.values, widths)
    wanted = {"energy_true": energies.values, "migra": axis.center}

    def evaluate(coords: Sequence[Array]) -> NDArray[np.float64]:
        values = evaluated_values(edisp, edisp.field_arguments, coords, wanted, u.dimensionless_unscaled)
        return evaluated_kernel(evaluated_density(values, widths), shares, threshold)

    return ResponseRequest.of_evaluation(edisp, shares.shape[:2], evaluate)


def _as_images(*arrays: Array) -> list[Array]:
    """Return arrays of two dimensions; an array with another number of dimensions becomes one row."""
    return [x if x.ndim == 2 else array_namespace(x).reshape(x, (1, -1)) for x in arrays]


def _with_widths(axis: MapAxis, name: str) -> MapAxis:
    """Check that an axis is one, because a Quantity of centres has no widths, and return it."""
    if not isinstance(axis, MapAxis):
        raise TypeError(f"{name} must be a MapAxis, got {type(axis).__name__}; the widths of its bins are needed here")
    return axis
