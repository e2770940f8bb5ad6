"""Exclusion masks found from the data: where the significance is high, round after round."""

import copy
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightpool.arrays import array_namespace, binary_dilation, disk_kernel, to_host, use_device
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.kernels.connected_pixels import select_connected
from lightpool.datasets import MapDataset
from lightpool.makers.core import Described, checked_angle
from lightpool.makers.excess import ExcessMapEstimator
from lightpool.maps import Map, Maps

__all__ = ["ExclusionMaskFinder", "FoundExclusion"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FoundExclusion:
    """What `ExclusionMaskFinder` found.

    Attributes
    ----------
    mask : WcsNDMap of bool, an image; False where significant
        The ``exclusion_mask`` of makers.
    maps : Maps
        Excess and significance of the last round, see `ExcessMapEstimator.run`.
    n_excluded : tuple of int
        Number of excluded pixels after each round.
    is_stable : bool
        Whether the last round found no further pixel. Then its background was measured outside ``mask``.
    """

    mask: Any
    maps: Maps
    n_excluded: tuple[int, ...]
    is_stable: bool

    def plot(self, **kwargs: Any) -> Any:
        """Picture of the significance, see `lightpool.plot.significance.plot_significance`."""
        from lightpool.plot.significance import plot_significance

        return plot_significance(self.maps["sqrt_ts"], exclusion_mask=self.mask, **kwargs)


class ExclusionMaskFinder(Described):
    """Find the pixels to be left out of a background measurement, from the significance that it leads to.

    A source in its own background makes itself look weaker than it is. So the background is measured, significant
    pixels are excluded, and that is repeated until no pixel is added. Pixels stay excluded, hence there is an end.

    Parameters
    ----------
    estimator : ExcessMapEstimator, optional
        How the significance is made. If it has several bands of energy, a pixel is excluded that is significant in any.
        For rings it should have ``correlate_off=False``.
    threshold : float
        Significance above which a pixel is excluded.
    threshold_low : float
        Pixels above this lower significance are excluded too, if they hang together (at a side or a corner) with one
        above the threshold.
    min_size : int
        Least number of such pixels that hang together.
    margin : Angle, Quantity or str
        Width of the edge around them that is excluded too.
    max_rounds : int
        After so many rounds it ends with a warning.

    Notes
    -----
    Everything is done on the device of the datasets. The number of excluded pixels is read from it once per round, to
    see whether it goes on, and one number per few steps in which the pixels that hang together are found.
    """

    def __init__(
        self,
        estimator: ExcessMapEstimator | None = None,
        threshold: float = 5.0,
        threshold_low: float = 3.0,
        min_size: int = 4,
        margin: Any = "0 deg",
        max_rounds: int = 10,
    ) -> None:
        if not 0 < threshold_low <= threshold:
            raise ValueError(
                f"threshold_low must be above zero and at most the threshold, got {threshold_low} and {threshold}"
            )
        for name, value in (("min_size", min_size), ("max_rounds", max_rounds)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.margin = checked_angle("margin", margin)
        if not (self.margin.isscalar and self.margin.deg >= 0):
            raise ValueError(f"margin must be an angle that is not negative, got {margin!r}")
        self.estimator = ExcessMapEstimator() if estimator is None else estimator
        self.threshold = threshold
        self.threshold_low = threshold_low
        self.min_size = min_size
        self.max_rounds = max_rounds

    def run(self, datasets: MapDataset | Iterable[MapDataset], maker: Any = None, geom: Any = None) -> FoundExclusion:
        """Find the exclusion.

        Parameters
        ----------
        datasets : MapDataset with counts and background, or several of them, which are stacked; they stay as they are
        maker : RingBackgroundMaker, FoVBackgroundMaker or another with an ``exclusion_mask``
            Run on each dataset in each round; its own mask is where it starts from. Without a maker the background is
            taken as it is, and there is one round.
        geom : WcsGeom, optional
            Geometry of the stack, by default that of the first dataset; all must be cutouts of it.

        Returns
        -------
        found : FoundExclusion

        Raises
        ------
        ValueError
            If no pixel is left.
        """
        runs = _bare([datasets] if isinstance(datasets, MapDataset) else list(datasets))
        if maker is not None and not hasattr(maker, "exclusion_mask"):
            raise TypeError(f"a {type(maker).__name__} has no exclusion_mask; RingBackgroundMaker is a maker that has")
        geom = runs[0].counts.geom if geom is None else geom
        mask = _first_mask(maker, geom.to_image(), runs[0].device)
        n_excluded: list[int] = []
        is_stable = False
        while not is_stable and len(n_excluded) < self.max_rounds:
            maps = self.estimator.run(_measured(runs, maker, mask, geom))
            kept = mask.data & ~self.significant(maps["sqrt_ts"])
            before, after = _n_excluded(mask.data, kept)
            if after == kept.shape[0] * kept.shape[1]:
                raise ValueError(
                    f"after round {len(n_excluded) + 1} no pixel is left outside the exclusion; choose a higher "
                    f"threshold than {self.threshold} or a smaller margin than {self.margin}"
                )
            n_excluded.append(after)
            is_stable = maker is None or before == after
            mask = mask.copy(data=kept)
            log.info("round %d: %d pixels excluded", len(n_excluded), after)
        if not is_stable:
            log.warning("the exclusion still grows after %d rounds: %s pixels", self.max_rounds, n_excluded)
        return FoundExclusion(mask=mask, maps=maps, n_excluded=tuple(n_excluded), is_stable=is_stable)

    def significant(self, sqrt_ts: Map) -> Array:
        """Pixels to be excluded in a map of significances; array of bool, shape (ny, nx), on the device of the map."""
        data = sqrt_ts.data
        xp = array_namespace(data)
        image = sqrt_ts.geom.to_image()
        planes = xp.reshape(data, (-1, *image.data_shape))
        seeds, candidates = (xp.any(planes > float(level), axis=0) for level in (self.threshold, self.threshold_low))
        found = select_connected(candidates, seeds, self.min_size)
        radius = float(self.margin.deg) / float(np.mean(image.pixel_scales.deg))
        return binary_dilation(found, disk_kernel(radius)) if radius > 0 else found


def _bare(datasets: list[Any]) -> list[MapDataset]:
    """Datasets of counts, background and masks only; makers may change them."""
    if not datasets:
        raise ValueError("no datasets were given to find an exclusion in")
    bare = []
    for dataset in datasets:
        if type(dataset) is not MapDataset or dataset.background is None or dataset.counts is None:
            raise TypeError(
                f"an exclusion is found in MapDatasets with counts and background, got a {type(dataset).__name__}; "
                "a maker, such as RingBackgroundMaker, measures their background here"
            )
        parts = {name: getattr(dataset, name) for name in ("counts", "mask_safe", "mask_fit")}
        bare.append(MapDataset(name=dataset.name, background=dataset.npred_background(), **parts))
    return bare


def _first_mask(maker: Any, image: Any, device: Any) -> Map:
    """Mask of the maker as an image, or one that keeps all."""
    given = getattr(maker, "exclusion_mask", None)
    if given is None:
        everywhere = device.xp.ones(image.data_shape, dtype=device.xp.bool, device=device.handle)
        return Map.from_geom(image, data=everywhere, device=device)
    given = given.to(device)
    if not given.geom.is_image:
        given = given.reduce_over_axes(func=np.logical_and, keepdims=False)
    found: Map = given.interp_to_geom(image)
    return found


def _measured(runs: list[MapDataset], maker: Any, mask: Map, geom: Any) -> MapDataset:
    """Dataset with the background that a maker measures outside a mask."""
    if maker is not None:
        maker = copy.copy(maker)
        maker.exclusion_mask = mask
    made = [run if maker is None else maker.run(_bare([run])[0]) for run in runs]
    if len(made) == 1 and made[0].counts.geom == geom:
        return made[0]
    with use_device(made[0].device):
        stacked = type(made[0]).from_geoms(geom=geom, name="stacked")
    for dataset in made:
        stacked.stack(dataset)
    return stacked


def _n_excluded(before: Array, after: Array) -> tuple[int, int]:
    xp = array_namespace(before, after)
    both = xp.stack([xp.count_nonzero(~before), xp.count_nonzero(~after)])
    counts = to_host(both)  # host: whether it goes on
    return int(counts[0]), int(counts[1])
