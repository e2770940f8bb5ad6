"""Excess and significance of the counts around each pixel."""

from collections.abc import Sequence
from typing import ClassVar

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, constant, convolve_fft, device_of, disk_kernel
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.kernels.bands import sums_in_bands
from lightpool.bridge import accepts_gammapy
from lightpool.datasets import MapDataset
from lightpool.datasets.geometries import pixels_of
from lightpool.datasets.on_off import OnOffDataset
from lightpool.datasets.on_off_sums import acceptance_off_of_sums
from lightpool.errors import GeometryError
from lightpool.makers.core import Described, checked_angle, require_rows_of_pixels
from lightpool.maps import Map, MapAxis, Maps, WcsGeom
from lightpool.stats import CashCountsStatistic, CountsStatistic, WStatCountsStatistic
from lightpool.typing import AngleLike

__all__ = ["ExcessMapEstimator"]

_ON_OFF_ONLY = ("alpha", "acceptance_on", "acceptance_off")
_FFT_NOISE = 1e-12  # of the largest value of a plane; the rounding of a Fourier transform is a hundred times smaller


class ExcessMapEstimator(Described):
    """Compare the counts inside a circle around each pixel with the background inside it.

    The statistic is Cash for a dataset with a known background, and WStat (Li & Ma) for one with OFF counts. All arrays
    stay on the device of the dataset.

    Parameters
    ----------
    correlation_radius : Angle, Quantity or str
        Radius of the circle. It contains the pixels whose centres are not farther away, in pixels of the mean size.
    n_sigma : float
        Confidence of the errors, in standard deviations.
    n_sigma_ul : float
        Confidence of the upper limits, in standard deviations.
    selection_optional : list of str, or "all"
        Additional maps: "errn-errp", "ul", "sensitivity", and for datasets with OFF counts "alpha", "acceptance_on",
        "acceptance_off".
    energy_edges : Quantity, optional
        Edges of the energy bands; each is moved to the nearest edge of the dataset.
    correlate_off : bool
        Whether OFF counts are summed inside the circle too. That is right if each OFF event belongs to one pixel. The
        rings of neighbouring pixels share their events, so choose False for them: otherwise events count many times and
        the background seems better known than it is.
    n_sigma_sensitivity : float
        Significance of the excess in the map "sensitivity".
    sum_over_energy_groups : bool
        Without ``energy_edges``: whether all energies are summed to one band, or each bin is a band.

    Notes
    -----
    Sources: Li & Ma 1983, ApJ 272, 317, eq. 17; Cash 1979, ApJ 228, 939. Names, arguments and numbers are those of
    Gammapy's estimator, but there are no fluxes. Gammapy sums all energies whatever ``sum_over_energy_groups`` is; here
    False has the documented effect.

    Examples
    --------
    >>> from lightpool.datasets import MapDataset
    >>> from lightpool.makers import ExcessMapEstimator
    >>> from lightpool.maps import MapAxis, WcsGeom
    >>> energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> dataset = MapDataset.create(WcsGeom.create(width=2, binsz=0.1, axes=[energy]))
    >>> dataset.background.data = dataset.background.data + 1.0
    >>> dataset.mask_safe.data = ~dataset.mask_safe.data
    >>> maps = ExcessMapEstimator("0.2 deg").run(dataset)
    >>> round(float(maps["npred_background"].data[0, 10, 10]))
    52
    """

    tag = "ExcessMapEstimator"
    available_selection: ClassVar[tuple[str, ...]] = ("errn-errp", "ul", "sensitivity", *_ON_OFF_ONLY)

    def __init__(
        self,
        correlation_radius: AngleLike = "0.1 deg",
        n_sigma: float = 1,
        n_sigma_ul: float = 2,
        selection_optional: Sequence[str] | str | None = None,
        energy_edges: u.Quantity | None = None,
        correlate_off: bool = True,
        n_sigma_sensitivity: float = 5,
        sum_over_energy_groups: bool = True,
    ) -> None:
        radius = checked_angle("correlation_radius", correlation_radius)
        if not (radius.isscalar and radius.deg > 0):
            raise ValueError(f"correlation_radius must be one positive angle, got {correlation_radius!r}")
        sigmas = {"n_sigma": n_sigma, "n_sigma_ul": n_sigma_ul, "n_sigma_sensitivity": n_sigma_sensitivity}
        for name, value in sigmas.items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        self.correlation_radius = radius
        self.n_sigma = n_sigma
        self.n_sigma_ul = n_sigma_ul
        self.selection_optional = _checked_selection(selection_optional, self.available_selection)
        self._selects_all = selection_optional == "all"
        self.energy_edges = energy_edges
        self.correlate_off = correlate_off
        self.n_sigma_sensitivity = n_sigma_sensitivity
        self.sum_over_energy_groups = sum_over_energy_groups

    @accepts_gammapy
    def run(self, dataset: MapDataset) -> Maps:
        """Make the maps.

        Parameters
        ----------
        dataset : MapDataset or MapDatasetOnOff
            It needs counts and background. Only what its masks keep is used, and pixels without OFF acceptance are left
            out.

        Returns
        -------
        maps : Maps
            With an axis ``energy`` of the bands, NaN outside the masks: ``counts``, ``npred_background``,
            ``npred_excess``, ``ts``, ``sqrt_ts`` (with the sign of the excess), ``npred_excess_err`` (from the
            covariance), and if selected ``npred_excess_errn``, ``npred_excess_errp``, ``npred_excess_ul``,
            ``npred_excess_sensitivity``, ``alpha`` (of the circle), ``acceptance_on``, ``acceptance_off`` (of the
            pixel).

        Raises
        ------
        GeometryError
            If the circle is wider than the map.
        ValueError
            If something is missing in the dataset, or no energy bin lies between the edges.
        """
        self._check(dataset)
        geom = pixels_of(dataset.required("counts"))
        groups, axis = self._energy_groups(geom.axes["energy"])
        kernel = constant(self.kernel(geom), dataset.device)
        # (n_energy, ny, nx), in the bins of the dataset; `planes.mask` is in bands.
        mask = _usable(dataset)
        planes = _BandSums(mask, groups, kernel)
        if isinstance(dataset, OnOffDataset):
            statistic, further = self._on_off_statistic(dataset, planes)
        else:
            statistic, further = _statistic(dataset, planes), {}
        return _as_maps(self._quantities(statistic) | further, planes.mask, geom.to_image().to_cube([axis]))

    def kernel(self, geom: WcsGeom) -> NDArray[np.float64]:
        """Return the circle of the correlation radius in pixels of a geometry: 1 inside, 0 outside; on the host.

        Raises
        ------
        GeometryError
            If it is wider than the geometry.
        """
        kernel = disk_kernel(float(self.correlation_radius.deg) / float(np.mean(geom.pixel_scales.deg)))
        if kernel.shape[-1] > max(geom.data_shape[-2:]):
            raise GeometryError(
                f"a circle of radius {self.correlation_radius} is {kernel.shape[-1]} pixels wide, but the map has "
                f"{geom.data_shape[-1]} x {geom.data_shape[-2]} pixels; choose a smaller correlation_radius"
            )
        return kernel

    def _check(self, dataset: MapDataset) -> None:
        """Refuse a dataset from which the maps cannot be made."""
        if not isinstance(dataset, MapDataset):
            raise TypeError(f"ExcessMapEstimator needs a MapDataset or MapDatasetOnOff, got a {type(dataset).__name__}")
        if dataset.counts is None:
            raise ValueError(f"dataset {dataset.name!r} has no counts")
        if dataset.counts.geom.is_region:
            raise TypeError(f"dataset {dataset.name!r} has one region and no pixels; its info_dict() has the excess")
        require_rows_of_pixels("ExcessMapEstimator", dataset)
        if list(dataset.counts.geom.axes.names) != ["energy"]:
            raise GeometryError(
                f"counts of dataset {dataset.name!r} must have one axis 'energy', got {dataset.counts.geom.axes.names}"
            )
        is_on_off = isinstance(dataset, OnOffDataset)
        names = ("counts_off", "acceptance", "acceptance_off") if is_on_off else ("background",)
        missing = [name for name in names if getattr(dataset, name) is None]
        if missing:
            raise ValueError(
                f"dataset {dataset.name!r} has no {', '.join(missing)}, so no background is known; run a maker first"
            )
        wrong = [name for name in _ON_OFF_ONLY if name in self.selection_optional and not self._selects_all]
        if wrong and not is_on_off:
            raise ValueError(f"{wrong} are maps of datasets with OFF counts, {dataset.name!r} is a {dataset.tag}")

    def _energy_groups(self, axis: MapAxis) -> tuple[list[tuple[int, int]], MapAxis]:
        """Return the bins (start, stop) of each band, and the axis of the bands."""
        if self.energy_edges is None:
            if self.sum_over_energy_groups:
                return [(0, axis.nbin)], axis.squash()
            return [(i, i + 1) for i in range(axis.nbin)], axis
        # Other rows are the bins below and above the bands.
        rows = [row for row in axis.group_table(self.energy_edges) if row["bin_type"].strip() == "normal"]
        groups = [(int(row["idx_min"]), int(row["idx_max"]) + 1) for row in rows]
        edges = axis.edges[[groups[0][0], *(stop for _, stop in groups)]]
        return groups, MapAxis.from_energy_edges(edges)

    def _on_off_statistic(self, dataset: OnOffDataset, sums: "_BandSums") -> tuple[CountsStatistic, dict[str, Array]]:
        counts, counts_off, background, on, off = sums(
            dataset.required("counts"),
            dataset.required("counts_off"),
            dataset.required("background"),
            dataset.required("acceptance"),
            dataset.required("acceptance_off"),
        )
        xp = array_namespace(counts)
        if self.correlate_off:
            # The background is alpha * counts_off of each pixel: its sum keeps the alpha of each.
            n_on, n_off, n_bkg, on_around, off_around = sums.correlated(counts, counts_off, background, on, off)
            # alpha of the summed background; without OFF counts, that of the summed acceptances.
            alpha = _ratio(n_bkg, n_off, _ratio(on_around, off_around, 0.0))
        else:
            n_on, on_around = sums.correlated(counts, on)
            n_off = counts_off
            # Acceptances of several bins do not simply add: alpha has to give the summed background.
            acceptance_off = off if sums.is_plain else acceptance_off_of_sums(on, counts_off, background, off)
            # ON acceptance of the circle, OFF acceptance and counts of its central pixel, whose ring stands for all.
            alpha = _ratio(on_around, acceptance_off, float("nan"))
        further = {"alpha": alpha, "acceptance_on": on, "acceptance_off": off}
        statistic = WStatCountsStatistic(_whole(n_on), n_off, alpha, xp.zeros_like(alpha))
        return statistic, {name: data for name, data in further.items() if name in self.selection_optional}

    def _quantities(self, statistic: CountsStatistic) -> dict[str, Array]:
        summary = statistic.summary()
        found = {
            "counts": statistic.n_on,
            "npred_background": summary.n_bkg,
            "npred_excess": summary.n_sig,
            "ts": summary.ts,
            "sqrt_ts": summary.sqrt_ts,
            "npred_excess_err": summary.error * float(self.n_sigma),
        }
        if "errn-errp" in self.selection_optional:
            found["npred_excess_errn"] = statistic.compute_errn(self.n_sigma)
            found["npred_excess_errp"] = statistic.compute_errp(self.n_sigma)
        if "ul" in self.selection_optional:
            found["npred_excess_ul"] = statistic.compute_upper_limit(self.n_sigma_ul)
        if "sensitivity" in self.selection_optional:
            found["npred_excess_sensitivity"] = statistic.n_sig_matching_significance(self.n_sigma_sensitivity)
        return found


def _checked_selection(selection: Sequence[str] | str | None, available: Sequence[str]) -> tuple[str, ...]:
    if selection == "all":
        return tuple(available)
    names = tuple(selection or ())
    if isinstance(selection, str) or set(names) - set(available):
        raise ValueError(f"selection_optional must be 'all' or a list out of {list(available)}, got {selection!r}")
    return names


def _usable(dataset: MapDataset) -> Array:
    """Return the bins inside both masks where the background is known."""
    counts = dataset.required("counts").data
    xp = array_namespace(counts)
    mask = xp.ones_like(counts, dtype=xp.bool) if dataset.mask is None else dataset.mask.data
    if isinstance(dataset, OnOffDataset):
        has_off: Array = dataset.required("acceptance_off").data > 0.0
        return mask & has_off
    return mask & xp.isfinite(as_dtype(dataset.required("background").data, "float64"))


class _BandSums:
    """Sums of maps over the bins of each band inside a mask, and the sums of these inside a circle.

    Parameters
    ----------
    mask : array of bool, shape (n_energy, ny, nx)
    groups : list of (start, stop)
        Bins of each band.
    kernel : array of float64, shape (ky, kx)
        Circle, on the device of the mask.
    """

    def __init__(self, mask: Array, groups: list[tuple[int, int]], kernel: Array) -> None:
        xp = array_namespace(mask)
        self.is_plain = all(stop - start == 1 for start, stop in groups)
        # A band is used in a pixel if any of its bins is.
        self.mask = xp.stack([xp.any(mask[start:stop, ...], axis=0) for start, stop in groups])
        self._bins, self._groups, self._kernel = mask, groups, kernel

    def __call__(self, *maps: Map) -> list[Array]:
        """Sum the bins of each band of some maps, each of shape (n_band, ny, nx)."""
        # NaN would spread over the plane in the Fourier transform: it counts as zero.
        return sums_in_bands([m.data for m in maps], self._bins, self._groups)

    def correlated(self, *sums: Array) -> list[Array]:
        """Sum inside the circle around each pixel; rounding noise of the Fourier transform is set to zero."""
        if device_of(self._bins).is_host:
            return [self._correlated(planes) for planes in sums]
        # All at once: the fewer calls, the less the host delays the device.
        together = self._correlated(array_namespace(*sums).stack(list(sums)))
        return [together[i, ...] for i in range(len(sums))]

    def _correlated(self, planes: Array) -> Array:
        xp = array_namespace(planes)
        summed = convolve_fft(planes, self._kernel)
        # The rounding of a transform is relative to the largest value of the plane, in every pixel.
        noise = _FFT_NOISE * xp.max(xp.abs(summed), axis=(-2, -1), keepdims=True)
        return xp.where(summed > noise, summed, 0.0)


def _whole(summed: Array) -> Array:
    """Round sums of counts, which are whole numbers; the transform leaves its rounding on them."""
    return array_namespace(summed).round(summed)


def _statistic(dataset: MapDataset, sums: _BandSums) -> CountsStatistic:
    n_on, npred = sums.correlated(*sums(dataset.required("counts"), dataset.npred()))
    return CashCountsStatistic(_whole(n_on), npred)


def _ratio(value: Array, divisor: Array, otherwise: Array | float) -> Array:
    """Return the quotient, or another value where the divisor is zero."""
    xp = array_namespace(value, divisor)
    is_known = divisor > 0.0
    return xp.where(is_known, value / xp.where(is_known, divisor, 1.0), otherwise)


def _as_maps(quantities: dict[str, Array], mask: Array, geom: WcsGeom) -> Maps:
    xp, device = array_namespace(mask), device_of(mask)
    found = {}
    for name, data in quantities.items():
        found[name] = Map.from_geom(geom, data=xp.where(mask, data, float("nan")), device=device)
    return Maps(**found)
