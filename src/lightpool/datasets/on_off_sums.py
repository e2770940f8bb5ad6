"""The sums of which the OFF maps of a stack are made."""

from dataclasses import dataclass
from typing import Any

from lightpool.arrays import array_namespace
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.kernels.reductions import sum_over
from lightpool.maps import Map

__all__ = ["OnOffSums", "acceptance_off_of_sums", "acceptance_ratio"]


def acceptance_ratio(geom: Any, acceptance: Map, acceptance_off: Map) -> Map:
    """Map of the acceptance of the ON region over that of the OFF region, zero where there is no OFF region."""
    on, off = acceptance.data, acceptance_off.data
    xp = array_namespace(on, off)
    is_measured = off > 0.0
    ratio = xp.where(is_measured, on / xp.where(is_measured, off, xp.ones_like(off)), xp.zeros_like(on))
    new: Map = Map.from_geom(geom, data=ratio, device=acceptance.device)
    return new


def acceptance_off_of_sums(acceptance: Array, counts_off: Array, background: Array, acceptance_off: Array) -> Array:
    """Acceptance of the OFF region of a stack.

    Parameters
    ----------
    acceptance, counts_off, background, acceptance_off : arrays of float, same shape
        Sums over the observations; ``background`` is the sum of ``alpha * counts_off``.

    Returns
    -------
    acceptance_off : array of float
        The one that gives the summed background. In bins without OFF counts, where any would do, that of the mean
        alpha of all bins; where no bin has OFF counts, the sum of the acceptances.
    """
    xp = array_namespace(acceptance, counts_off, background)
    one = xp.ones_like(background)
    is_measured = (counts_off > 0.0) & (background > 0.0)
    from_bin = acceptance * counts_off / xp.where(is_measured, background, one)
    total, total_off = sum_over(background, None), sum_over(counts_off, None)
    is_mean_known = (total > 0.0) & (total_off > 0.0)
    from_mean = acceptance * total_off / xp.where(is_mean_known, total, xp.ones_like(total))
    return xp.where(is_measured, from_bin, xp.where(is_mean_known, from_mean, acceptance_off))


@dataclass(frozen=True)
class OnOffSums:
    """Sums over the observations of a stack, maps on the geometry of the stack.

    Attributes
    ----------
    counts_off : Map
    acceptance : Map
    background : Map, of ``alpha * counts_off``
    acceptance_off : Map
    """

    counts_off: Map
    acceptance: Map
    background: Map
    acceptance_off: Map

    def add(self, maps: dict[str, Any], weights: Map | None, nan_to_num: bool) -> None:
        """Add maps, those that there are, times weights in place."""
        for name, data in maps.items():
            if data is not None:
                getattr(self, name).stack(data, weights=weights, nan_to_num=nan_to_num)

    def maps(self) -> tuple[Map, Map, Map]:
        """Maps counts_off, acceptance, acceptance_off of the stack."""
        data = acceptance_off_of_sums(
            self.acceptance.data, self.counts_off.data, self.background.data, self.acceptance_off.data
        )
        acceptance_off = Map.from_geom(self.acceptance.geom, data=data, device=self.acceptance.device)
        return self.counts_off, self.acceptance, acceptance_off
