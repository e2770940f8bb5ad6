"""The ring background: OFF counts from a ring around each pixel, with acceptances from the background template."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np
from astropy.coordinates import Angle
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, constant, device_of, to_device, to_host
from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.devices.precision import DTYPES
from lightpool.arrays.kernels.rings import Ring, adaptive_ring_sums, ring_sums
from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation
from lightpool.datasets import MapDataset, MapDatasetOnOff
from lightpool.datasets.geometries import pixels_of
from lightpool.errors import GeometryError
from lightpool.makers.core import Maker, check_run, checked_angle, checked_mask, require_rows_of_pixels, safe_with_off
from lightpool.makers.differences import announce_of_dataset, announce_of_small_mask, any_of
from lightpool.maps import Map, WcsGeom, WcsNDMap
from lightpool.typing import AngleLike
from lightpool.utils.deviations import deviates, deviations_are_heard

__all__ = ["AdaptiveRingBackgroundMaker", "RingBackgroundMaker"]


class _RingMaker(Maker):
    """Base class of both makers: the pixels that may be OFF, and the dataset with OFF counts."""

    n_work_maps: ClassVar[int] = 12
    exclusion_mask: Map | None

    @abstractmethod
    def make_maps_off(self, dataset: MapDataset) -> dict[str, Map]:
        """Return the OFF maps of a dataset."""

    @accepts_gammapy
    def run(self, dataset: MapDataset, observation: Observation | None = None) -> MapDatasetOnOff:
        """Measure the background of a dataset in rings, separately at each energy.

        Parameters
        ----------
        dataset : MapDataset
            With counts and background. Its background, times its model if it has one, is the acceptance.
        observation : Observation, optional
            Not used.

        Returns
        -------
        dataset : MapDatasetOnOff
            With the same name. Pixels without OFF acceptance are masked: there ``mask_safe`` is False, and
            ``counts_off`` and ``acceptance_off`` are zero.

        Raises
        ------
        ValueError
            If no pixel has OFF acceptance because of the exclusion or the size of the ring.
        GeometryError
            If the ring is larger than the map, or the energy axes of maps or mask do not match.
        """
        check_run(self.tag, dataset, observation, needs_observation=False)
        announce_of_dataset(dataset)
        maps = self.make_maps_off(dataset)
        acceptance, acceptance_off = _background_of(dataset), maps["acceptance_off"]
        _check_any_off(dataset, acceptance, acceptance_off)
        on_off = MapDatasetOnOff.from_map_dataset(dataset, acceptance=acceptance, name=dataset.name, **maps)
        on_off.mask_safe = safe_with_off(dataset, acceptance_off)
        return on_off

    def _off_images(self, dataset: MapDataset) -> tuple[Array, Array, Array]:
        """Return counts and background, zero in excluded pixels, and the background in all pixels."""
        counts, background = dataset.required("counts").data, _background_of(dataset).data
        xp = array_namespace(counts, background)
        # Sums in rings are Fourier transforms, in which one NaN spreads over the whole plane.
        keep = xp.isfinite(background) & xp.isfinite(counts)
        if deviations_are_heard() and any_of(~keep):
            deviates("background that is not finite, in rings")
        announce_of_small_mask(self.exclusion_mask, pixels_of(dataset.required("counts")))
        if self.exclusion_mask is not None:
            keep = keep & _exclusion_on(self.exclusion_mask.to(dataset.device), pixels_of(dataset.required("counts")))
        # An excluded pixel is zero in both images, so alpha is right for a ring that it cuts.
        # The third without the exclusion: excluded pixels have a background too, measured in rings around them.
        return xp.where(keep, counts, 0.0), xp.where(keep, background, 0.0), background


class RingBackgroundMaker(_RingMaker):
    """Measure the background of each pixel in a ring around it.

    Parameters
    ----------
    r_in : Quantity or str
        Inner radius.
    width : Quantity or str
        Outer radius minus inner radius.
    exclusion_mask : WcsNDMap of bool, optional
        False where gamma rays are expected; an image, or with an axis ``energy``. It may have another geometry than the
        dataset: it is interpolated at the centres of pixels and energies, and pixels outside it are excluded.

    Notes
    -----
    Source: Berge, Funk & Hinton 2007, A&A 466, 1219. The background in a pixel is ``alpha * counts_off`` with ``alpha =
    acceptance / acceptance_off``, where the acceptance is the background template and the OFF acceptance its sum over
    the pixels of the ring that are not excluded.
    """

    tag: ClassVar[str] = "RingBackgroundMaker"

    @accepts_gammapy
    def __init__(self, r_in: AngleLike, width: AngleLike, exclusion_mask: Map | None = None) -> None:
        self.r_in = _angle("r_in", r_in, or_zero=True)
        self.width = _angle("width", width)
        self.exclusion_mask = checked_mask(exclusion_mask)

    def kernel(self, image: WcsNDMap) -> NDArray[np.float64]:
        """Return the ring on the pixels of a map, 1 or 0, on the host."""
        return self._ring(pixels_of(image)).kernel()

    def _ring(self, geom: WcsGeom) -> Ring:
        # Gammapy takes the first of the two pixel sizes for both directions, and rings must have the same pixels.
        scale = geom.pixel_scales[0]
        return Ring(float((self.r_in / scale).to_value("")), float((self.width / scale).to_value("")))

    def make_maps_off(self, dataset: MapDataset) -> dict[str, Map]:
        """Return the OFF maps of a dataset.

        Parameters
        ----------
        dataset : MapDataset
            With counts and background.

        Returns
        -------
        maps : dict of Map
            With the keys ``counts_off`` and ``acceptance_off``.
        """
        geom = _geom_of(dataset)
        ring = self._ring(geom)
        _check_ring(ring, geom)
        counts, background, _ = self._off_images(dataset)
        data = {"counts_off": ring_sums(counts, ring), "acceptance_off": ring_sums(background, ring)}
        if deviations_are_heard():
            without = data["acceptance_off"] <= 0
            safe = dataset.mask_safe
            if any_of(without if safe is None else without & safe.data):
                deviates("safe pixels whose ring has no acceptance")
        return _maps_like(dataset, data)


class AdaptiveRingBackgroundMaker(_RingMaker):
    """Measure the background of each pixel in the first of several rings that is large enough.

    A ring is large enough if the ratio of acceptances ``alpha = acceptance / acceptance_off`` does not exceed a
    threshold. Near large exclusions, where a fixed ring would lose most of its pixels, the rings get larger.

    Parameters
    ----------
    r_in : Quantity or str
        Inner radius of the first ring.
    r_out_max : Quantity or str
        Limit of the outer radius.
    width : Quantity or str
        Width of the first ring.
    stepsize : Quantity or str
        Increment of the radius from ring to ring.
    threshold_alpha : float
        Maximum of the acceptance of the pixel divided by that of the ring.
    theta : Quantity or str
        Radius of the ON region around each pixel for this ratio, if ``integrate_alpha`` is set.
    method : {"fixed_width", "fixed_r_in"}
        Whether the rings move outwards with a fixed width, or only their outer radius grows.
    exclusion_mask : WcsNDMap of bool, optional
        See `RingBackgroundMaker`.
    integrate_alpha : bool
        Whether the acceptance in the ratio is summed over ``theta``. In Gammapy it never is, although its documentation
        says so; that is the default here too.

    Notes
    -----
    Source: H.E.S.S. Collaboration 2018, A&A 612, A1.
    """

    tag: ClassVar[str] = "AdaptiveRingBackgroundMaker"
    n_work_maps: ClassVar[int] = 24
    available_methods: ClassVar[tuple[str, ...]] = ("fixed_width", "fixed_r_in")

    @accepts_gammapy
    def __init__(
        self,
        r_in: AngleLike,
        r_out_max: AngleLike,
        width: AngleLike,
        stepsize: AngleLike = "0.02 deg",
        threshold_alpha: float = 0.1,
        theta: AngleLike = "0.22 deg",
        method: str = "fixed_width",
        exclusion_mask: Map | None = None,
        integrate_alpha: bool = False,
    ) -> None:
        if method not in self.available_methods:
            raise ValueError(f"method must be one of {self.available_methods}, got {method!r}")
        if not threshold_alpha > 0:
            raise ValueError(f"threshold_alpha must be a positive number, got {threshold_alpha}")
        self.r_in = _angle("r_in", r_in, or_zero=True)
        self.r_out_max = _angle("r_out_max", r_out_max)
        self.width = _angle("width", width)
        self.stepsize = _angle("stepsize", stepsize)
        self.threshold_alpha = threshold_alpha
        self.theta = _angle("theta", theta)
        self.method = method
        self.exclusion_mask = checked_mask(exclusion_mask)
        self.integrate_alpha = integrate_alpha
        if not self.r_out_max > self.r_in + self.width:
            raise ValueError(
                f"r_out_max is {self.r_out_max}, expected more than the outer radius of the first ring, "
                f"{self.r_in + self.width}"
            )

    def kernels(self, image: WcsNDMap) -> list[NDArray[np.float64]]:
        """Return the rings on the pixels of a map, 1 or 0, on the host, in the order in which they are tried."""
        return [ring.kernel() for ring in self._rings(pixels_of(image))]

    def _rings(self, geom: WcsGeom) -> list[Ring]:
        scale = geom.pixel_scales[0]
        r_in, r_out_max, width, step = (
            float((angle / scale).to_value("")) for angle in (self.r_in, self.r_out_max, self.width, self.stepsize)
        )
        # The outer radius stays below `r_out_max`, as `arange` leaves out its end; these are the rings of Gammapy.
        if self.method == "fixed_width":
            return [Ring(float(radius), width) for radius in np.arange(r_in, r_out_max - width, step)]
        return [Ring(r_in, float(wider)) for wider in np.arange(width, r_out_max - r_in, step)]

    def make_maps_off(self, dataset: MapDataset) -> dict[str, Map]:
        """Return the OFF maps of a dataset, each pixel from its own ring.

        Parameters
        ----------
        dataset : MapDataset
            With counts and background.

        Returns
        -------
        maps : dict of Map
            With the keys ``counts_off`` and ``acceptance_off``; zero where no ring is large enough.
        """
        _, counts_off, acceptance_off = self._adapt(dataset)
        data = {"counts_off": counts_off, "acceptance_off": acceptance_off}
        return _maps_like(dataset, data)

    def make_cubes(self, dataset: MapDataset) -> dict[str, Array]:
        """Return OFF counts and acceptances in each of the rings, of the first energy bin of a dataset.

        Parameters
        ----------
        dataset : MapDataset
            With counts and background.

        Returns
        -------
        cubes : dict of array, shape (ny, nx, n_ring), on the device of the dataset
            With the keys ``counts_off``, ``acceptance`` and ``acceptance_off``. `run` keeps one ring for each pixel and
            does not need them.
        """
        rings = self._rings(_geom_of(dataset))
        counts, background, _ = self._off_images(dataset)
        xp = array_namespace(counts)
        acceptance = _background_of(dataset).data

        def first(planes: Array) -> Array:
            return xp.reshape(planes, (-1, *planes.shape[-2:]))[0, ...]

        return {
            "counts_off": xp.stack([ring_sums(first(counts), ring) for ring in rings], axis=-1),
            "acceptance": xp.stack([first(acceptance)] * len(rings), axis=-1),
            "acceptance_off": xp.stack([ring_sums(first(background), ring) for ring in rings], axis=-1),
        }

    def make_ring_maps(self, dataset: MapDataset) -> dict[str, Map]:
        """Return the radii of the ring that is used for each pixel.

        Parameters
        ----------
        dataset : MapDataset
            With counts and background.

        Returns
        -------
        maps : dict of Map, unit deg
            With the keys ``r_in`` and ``r_out``; NaN where no ring is large enough.
        """
        geom = _geom_of(dataset)
        rings = self._rings(geom)
        number, _, _ = self._adapt(dataset)
        xp = array_namespace(number)
        scale = geom.pixel_scales[0].to_value("deg")
        radii = {"r_in": [ring.radius_in for ring in rings], "r_out": [ring.radius_in + ring.width for ring in rings]}
        maps = {}
        for name, values in radii.items():
            # One more entry, NaN, for the pixels without a ring (number -1).
            table = to_device(scale * np.asarray([*values, np.nan]), dataset.device)
            # `take` of the array API standard needs indices of one dimension.
            index = xp.reshape(xp.where(number < 0, len(rings), number), (-1,))
            data = xp.reshape(xp.take(table, index), number.shape)
            maps[name] = Map.from_geom(geom, data=data, unit="deg", device=dataset.device)
        return maps

    def _adapt(self, dataset: MapDataset) -> tuple[Array, Array, Array]:
        """Return the number of the ring of each pixel, and the counts and the background in it."""
        geom = _geom_of(dataset)
        rings = self._rings(geom)
        _check_ring(rings[0], geom)
        if np.prod(geom.data_shape[:-2]) > 1:
            deviates("adaptive rings at several energies")
        # The product that Gammapy takes for the radius of a disk in pixels, in which usually one pixel lies.
        if self.theta.value * geom.pixel_scales[0].value >= 1:
            deviates("theta of adaptive rings")
        counts, background, acceptance = self._off_images(dataset)
        if self.integrate_alpha:
            xp = array_namespace(acceptance)
            finite = xp.where(xp.isfinite(acceptance), acceptance, xp.zeros_like(acceptance))
            # A ring from 0 on is a disk.
            acceptance = ring_sums(finite, Ring(0.0, float((self.theta / geom.pixel_scales[0]).to_value(""))))
        found = adaptive_ring_sums(counts, background, acceptance, rings, self.threshold_alpha)
        if deviations_are_heard() and any_of(found[0] < 0):
            deviates("pixels for which no ring is large enough")
        return found


def _maps_like(dataset: MapDataset, data: dict[str, Array]) -> dict[str, Map]:
    """Return maps on the geometry of the counts, in the precision of the dataset; sums over rings are float64."""
    geom, dtype = dataset.required("counts").geom, DTYPES[dataset.precision]
    return {
        name: Map.from_geom(geom, data=as_dtype(values, dtype), device=dataset.device) for name, values in data.items()
    }


def _angle(name: str, value: AngleLike, or_zero: bool = False) -> Angle:
    angle = checked_angle(name, value)
    if not (angle.isscalar and np.isfinite(angle) and (angle > 0 or (or_zero and angle == 0))):
        raise ValueError(f"{name} must be one angle {'not below' if or_zero else 'above'} zero, got {angle}")
    return angle


def _geom_of(dataset: MapDataset) -> WcsGeom:
    """Return the geometry of the counts of a dataset, which must have pixels and a background on the same ones."""
    if dataset.counts is None or dataset.background is None:
        missing = "counts" if dataset.counts is None else "background"
        raise ValueError(
            f"dataset {dataset.name!r} has no {missing} to sum in rings; "
            "run MapDatasetMaker with 'counts' and 'background' in its selection first"
        )
    geom: WcsGeom = pixels_of(dataset.counts)
    other: WcsGeom = pixels_of(dataset.background)
    if geom.is_region:
        raise TypeError(
            f"dataset {dataset.name!r} is on a region and has no pixels for a ring; "
            "for regions use ReflectedRegionsBackgroundMaker"
        )
    require_rows_of_pixels("a ring", dataset)
    if geom != other:
        raise GeometryError(
            f"counts and background of dataset {dataset.name!r} have different pixels or axes:\n{geom}\nand\n{other}"
        )
    return geom


def _background_of(dataset: MapDataset) -> Map:
    background = dataset.npred_background()
    assert background is not None  # see `_geom_of`
    return background


def _check_ring(ring: Ring, geom: WcsGeom) -> None:
    """Refuse a ring without pixels, and one so large that around no pixel it contains another pixel of the map."""
    n_y, n_x = geom.data_shape[-2:]
    scale = geom.pixel_scales[0].to_value("deg")
    outer = ring.radius_in + ring.width
    # The largest distance between the centres of two pixels.
    if ring.radius_in > np.hypot(n_y - 1, n_x - 1):
        raise GeometryError(
            f"the ring is larger than the map: it begins {scale * ring.radius_in:.3g} deg from its centre, but the "
            f"{n_x} x {n_y} pixels of {scale:.3g} deg have a diagonal of {scale * np.hypot(n_y, n_x):.3g} deg; take a "
            "smaller r_in or a larger map"
        )
    if not ring.kernel().any():
        raise ValueError(
            f"no pixel lies in a ring from {scale * ring.radius_in:.3g} to {scale * outer:.3g} deg on pixels of "
            f"{scale:.3g} deg; take a larger width"
        )


def _exclusion_on(mask: Map, geom: WcsGeom) -> Array:
    """Return an exclusion mask on the pixels of another geometry, with its shape or that of its image."""
    if mask.geom == geom:
        return mask.data
    image = mask.geom.to_image()
    if mask.geom.axes.names not in ([], ["energy"]) or geom.axes.names != ["energy"]:
        raise GeometryError(
            f"the exclusion mask has axes {mask.geom.axes.names} and the dataset {geom.axes.names}, expected none or "
            "'energy'; exclusion_mask.reduce_over_axes(np.logical_and, keepdims=False) makes an image for all energies"
        )
    if mask.geom.is_image:
        return mask.interp_to_geom(geom.to_image()).data
    axis, energy = mask.geom.axes["energy"], geom.axes["energy"]
    index = axis.coord_to_idx(energy.center)
    if np.any(index < 0):
        raise GeometryError(
            f"the exclusion mask has energies from {axis.edges[0]:.3g} to {axis.edges[-1]:.3g}, which leave out bins "
            f"of the dataset, {energy.edges[0]:.3g} to {energy.edges[-1]:.3g}; "
            "exclusion_mask.reduce_over_axes(np.logical_and, keepdims=False) makes an image for all energies"
        )
    xp = array_namespace(mask.data)
    # One bin of the mask holds all energies of the dataset: one image is looked up, not n_energy equal ones.
    if np.all(index == index[0]):
        plane = Map.from_geom(image, data=mask.data[int(index[0]), ...], device=mask.device)
        return plane.interp_to_geom(geom.to_image()).data
    planes = xp.take(mask.data, constant(index, mask.device), axis=0)
    return Map.from_geom(image.to_cube(geom.axes), data=planes, device=mask.device).interp_to_geom(geom).data


def _check_any_off(dataset: MapDataset, acceptance: Map, acceptance_off: Map) -> None:
    has_background, has_off = _have_positive([acceptance.data, acceptance_off.data])
    # Without any background the run is beside the map: that is no error, and masks all pixels.
    if has_background and not has_off:
        raise ValueError(
            f"dataset {dataset.name!r}: no pixel has OFF acceptance; either the exclusion mask leaves nothing in the "
            "rings (it is False where gamma rays are expected: region_mask(regions, inside=False)) or the rings miss "
            "the part of the map that has background"
        )


def _have_positive(arrays: Sequence[Array]) -> list[bool]:
    """Return whether each of some arrays on one device has a value above zero."""
    if device_of(arrays[0]).is_host:
        # Usually the first of the planes tells.
        return [any(np.any(plane > 0.0) for plane in cast(HostFloats, values)) for values in arrays]
    xp = array_namespace(arrays[0])
    # Stacked, so that all bools come in one transfer.
    flags = to_host(xp.stack([xp.any(values > 0.0) for values in arrays]))  # host: an error is raised there
    return [bool(flag) for flag in flags]
