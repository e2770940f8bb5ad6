"""Exclusion masks found from the data: the pixels of high significance, found iteratively."""

import copy
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from lightpool.arrays import Device, array_namespace, binary_dilation, disk_kernel, to_host, use_device
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.kernels.connected_pixels import select_connected
from lightpool.bridge import accepts_gammapy
from lightpool.datasets import MapDataset
from lightpool.datasets.geometries import pixels_of
from lightpool.datasets.masks import all_true
from lightpool.makers.core import Described, checked_angle, require_rows_of_pixels
from lightpool.makers.excess import ExcessMapEstimator
from lightpool.maps import Map, Maps, WcsGeom, WcsNDMap
from lightpool.typing import AngleLike
from lightpool.utils.html import ShownInNotebooks

if TYPE_CHECKING:
    from lightpool.typing import Axes, Figure

__all__ = ["ExclusionMaskFinder", "FoundExclusion"]

log = logging.getLogger(__name__)


class MakerWithExclusion(Protocol):
    """A maker that measures a background outside an exclusion mask."""

    exclusion_mask: Map | None

    def run(self, dataset: MapDataset) -> MapDataset:
        """Return a dataset with the measured background."""


@dataclass(frozen=True, eq=False)
class FoundExclusion(ShownInNotebooks):
    """Result of `ExclusionMaskFinder`.

    Attributes
    ----------
    mask : WcsNDMap of bool
        An image, False where significant: the ``exclusion_mask`` of makers.
    maps : Maps
        Excess and significance of the last round, see `ExcessMapEstimator.run`.
    n_excluded : tuple of int
        Number of excluded pixels after each round.
    is_stable : bool
        Whether the last round found no further pixel. Then its background was measured outside ``mask``.
    """

    mask: WcsNDMap
    maps: Maps
    n_excluded: tuple[int, ...]
    is_stable: bool

    def plot(
        self, levels: Sequence[float] = (5.0, 10.0, 20.0, 40.0), figure: "Figure | None" = None
    ) -> "tuple[Axes, Axes]":
        """Draw the map and the distribution of the significance.

        Parameters
        ----------
        levels : sequence of float
            Significances of the contours.
        figure : Figure, optional
            A new one by default.

        Returns
        -------
        map, distribution : Axes
        """
        from lightpool.plot.significance import plot_significance

        return plot_significance(cast(WcsNDMap, self.maps["sqrt_ts"]), self.mask, levels, figure)


class ExclusionMaskFinder(Described):
    """Find the pixels to exclude from a background measurement, from the significance that results from it.

    A source inside the region of its own background measurement seems weaker than it is. So the background is measured,
    significant pixels are excluded, and this is repeated until no pixel is added. It ends because pixels stay excluded.

    Parameters
    ----------
    estimator : ExcessMapEstimator, optional
        Computes the significance. With several energy bands, a pixel that is significant in any band is excluded. For
        ring backgrounds it should have ``correlate_off=False``.
    threshold : float
        Significance above which a pixel is excluded.
    threshold_low : float
        Pixels above this lower significance are excluded too if they are connected (by a side or a corner) with one
        above the threshold.
    min_size : int
        Minimum number of connected pixels.
    margin : Angle, Quantity or str
        Width of the border around them that is excluded too.
    max_rounds : int
        Number of rounds after which it stops with a warning.

    Notes
    -----
    All arrays stay on the device of the datasets. Only the number of excluded pixels is copied from it in each round,
    to decide whether to continue, and one number per few steps of the connected-component labelling.
    """

    @accepts_gammapy
    def __init__(
        self,
        estimator: ExcessMapEstimator | None = None,
        threshold: float = 5.0,
        threshold_low: float = 3.0,
        min_size: int = 4,
        margin: AngleLike = "0 deg",
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

    @accepts_gammapy
    def run(
        self,
        datasets: MapDataset | Iterable[MapDataset],
        maker: MakerWithExclusion | None = None,
        geom: WcsGeom | None = None,
    ) -> FoundExclusion:
        """Find the exclusion mask.

        Parameters
        ----------
        datasets : MapDataset or several of them
            With counts and background; several are stacked. They are not changed.
        maker : RingBackgroundMaker, FoVBackgroundMaker or another with an ``exclusion_mask``, optional
            Run on each dataset in each round; its own mask is the initial one. Without a maker the background is used
            as it is, and there is one round.
        geom : WcsGeom, optional
            Geometry of the stack, by default that of the first dataset. All datasets must be cutouts of it.

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
        require_rows_of_pixels("ExclusionMaskFinder", runs[0])
        geom = pixels_of(runs[0].required("counts")) if geom is None else geom
        mask = _first_mask(maker, geom.to_image(), runs[0].device)
        n_excluded: list[int] = []
        is_stable = False
        # Each round measures the background outside the mask, and takes significant pixels out of the mask.
        while not is_stable and len(n_excluded) < self.max_rounds:
            maps = self.estimator.run(_measured(runs, maker, mask, geom))
            # `&`: an excluded pixel never comes back, so the number of pixels that are left can only fall.
            kept = mask.data & ~self.significant(cast(WcsNDMap, maps["sqrt_ts"]))
            before, after = _n_excluded(mask.data, kept)
            if after == kept.shape[0] * kept.shape[1]:
                raise ValueError(
                    f"after round {len(n_excluded) + 1} no pixel is left outside the exclusion; choose a higher "
                    f"threshold than {self.threshold} or a smaller margin than {self.margin}"
                )
            n_excluded.append(after)
            # Equal numbers mean equal masks, as pixels are only removed. Without a maker nothing depends on the mask.
            is_stable = maker is None or before == after
            mask = mask.copy(data=kept)
            log.info("round %d: %d pixels excluded", len(n_excluded), after)
        if not is_stable:
            log.warning("the exclusion still grows after %d rounds: %s pixels", self.max_rounds, n_excluded)
        return FoundExclusion(mask=cast(WcsNDMap, mask), maps=maps, n_excluded=tuple(n_excluded), is_stable=is_stable)

    def significant(self, sqrt_ts: WcsNDMap) -> Array:
        """Return the pixels to exclude in a map of significances; bool, shape (ny, nx), on the device of the map."""
        data = sqrt_ts.data
        xp = array_namespace(data)
        image = sqrt_ts.geom.to_image()
        # (n_band, ny, nx); NaN, outside the masks of the datasets, is above no threshold.
        planes = xp.reshape(data, (-1, *image.data_shape))
        seeds, candidates = (xp.any(planes > float(level), axis=0) for level in (self.threshold, self.threshold_low))
        found = select_connected(candidates, seeds, self.min_size)
        # The margin and the circle of the estimator use the same, mean size of a pixel.
        radius = float(self.margin.deg) / float(np.mean(image.pixel_scales.deg))
        return binary_dilation(found, disk_kernel(radius)) if radius > 0 else found


def _bare(datasets: Sequence[MapDataset]) -> list[MapDataset]:
    """Return datasets of counts, background and masks only, which makers may change."""
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
        # The background model is applied once, here: the dataset that the maker gets has none of its own.
        bare.append(MapDataset(name=dataset.name, background=dataset.npred_background(), **parts))
    return bare


def _first_mask(maker: MakerWithExclusion | None, image: WcsGeom, device: Device) -> Map:
    """Return the mask of the maker as an image, or one that keeps all pixels."""
    given = None if maker is None else maker.exclusion_mask
    if given is None:
        return all_true(image, device)
    given = given.to(device)
    if not given.geom.is_image:
        given = given.reduce_over_axes(func=np.logical_and, keepdims=False)
    # Pixels outside the given mask become False: they are excluded.
    found: Map = given.interp_to_geom(image)
    return found


def _measured(runs: list[MapDataset], maker: MakerWithExclusion | None, mask: Map, geom: WcsGeom) -> MapDataset:
    """Return a dataset with the background that a maker measures outside a mask."""
    if maker is not None:
        # A copy: the maker of the caller keeps its own mask.
        maker = copy.copy(maker)
        maker.exclusion_mask = mask
    # `_bare` again, as makers may change a dataset and this one is needed in the next round.
    made = [run if maker is None else maker.run(_bare([run])[0]) for run in runs]
    if len(made) == 1 and made[0].required("counts").geom == geom:
        return made[0]
    with use_device(made[0].device):
        stacked = type(made[0]).from_geoms(geom=geom, name="stacked")
    for dataset in made:
        stacked.stack(dataset)
    return stacked


def _n_excluded(before: Array, after: Array) -> tuple[int, int]:
    xp = array_namespace(before, after)
    # Stacked, so that both numbers come in one transfer.
    both = xp.stack([xp.count_nonzero(~before), xp.count_nonzero(~after)])
    counts = to_host(both)  # host: decides whether to continue
    return int(counts[0]), int(counts[1])
