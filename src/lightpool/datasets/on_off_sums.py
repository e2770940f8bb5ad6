"""Sums from which the OFF maps of a stack are computed."""

from dataclasses import dataclass, fields
from typing import Self

from lightpool.arrays import Device, array_namespace
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.kernels.reductions import sum_over
from lightpool.datasets.geometries import SkyGeom
from lightpool.maps import Map
from lightpool.utils.on_demand import Deferred, DeferredAttribute

__all__ = ["OffMaps", "OnOffSums", "acceptance_off_of_sums", "acceptance_ratio"]


def acceptance_ratio(geom: SkyGeom, acceptance: Map, acceptance_off: Map) -> Map:
    """Divide the acceptance of the ON region by that of the OFF region; zero where there is no OFF region.

    Parameters
    ----------
    geom : Geom, of the new map
    acceptance, acceptance_off : Map
    """
    on, off = acceptance.data, acceptance_off.data
    xp = array_namespace(on, off)
    is_measured = off > 0.0
    # xp.where evaluates both branches, so the divisor is one where the quotient is not used.
    ratio = xp.where(is_measured, on / xp.where(is_measured, off, xp.ones_like(off)), xp.zeros_like(on))
    return Map.from_geom(geom, data=ratio, device=acceptance.device)


def acceptance_off_of_sums(acceptance: Array, counts_off: Array, background: Array, acceptance_off: Array) -> Array:
    """Compute the acceptance of the OFF region of a stack.

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
    # Solves background = acceptance / acceptance_off * counts_off for acceptance_off.
    from_bin = acceptance * counts_off / xp.where(is_measured, background, one)
    total, total_off = sum_over(background, None), sum_over(counts_off, None)
    is_mean_known = (total > 0.0) & (total_off > 0.0)
    from_mean = acceptance * total_off / xp.where(is_mean_known, total, xp.ones_like(total))
    return xp.where(is_measured, from_bin, xp.where(is_mean_known, from_mean, acceptance_off))


class OffMaps:
    """Maps of the OFF region of a dataset.

    Parameters
    ----------
    counts_off, acceptance, acceptance_off : Map or None; a `Deferred` is read when the map is used
    """

    counts_off = DeferredAttribute[Map | None]()
    acceptance = DeferredAttribute[Map | None]()
    acceptance_off = DeferredAttribute[Map | None]()

    def __init__(
        self,
        counts_off: Map | Deferred[Map | None] | None = None,
        acceptance: Map | Deferred[Map | None] | None = None,
        acceptance_off: Map | Deferred[Map | None] | None = None,
    ) -> None:
        self.counts_off = counts_off
        self.acceptance = acceptance
        self.acceptance_off = acceptance_off

    @property
    def maps(self) -> dict[str, Map]:
        """Maps that exist, by name."""
        found = {
            "counts_off": self.counts_off,
            "acceptance": self.acceptance,
            "acceptance_off": self.acceptance_off,
        }
        return {name: data for name, data in found.items() if data is not None}


@dataclass(frozen=True)
class OnOffSums:
    """Sums over the observations of a stack, maps on the geometry of the stack.

    These are the sums of an `~lightpool.utils.accumulators.Accumulator` of `OffMaps`.

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

    @classmethod
    def zeros(cls, geom: SkyGeom, device: Device, dtype: str) -> Self:
        """Create sums of nothing.

        Parameters
        ----------
        geom : Geom
        device : Device
        dtype : str, data type or precision of the maps
        """
        return cls(*(Map.from_geom(geom, device=device, dtype=dtype) for _ in fields(cls)))

    @property
    def maps(self) -> dict[str, Map | None]:
        """Maps by name, as arguments of `add`."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def add(self, maps: dict[str, Map | None], weights: Map | None, nan_to_num: bool) -> None:
        """Add maps in place.

        Parameters
        ----------
        maps : dict of Map or None (not added), by the name of the sum
        weights : Map that multiplies the added maps; optional
        nan_to_num : bool, whether values that are not finite count as zero
        """
        for name, data in maps.items():
            if data is not None:
                total: Map = getattr(self, name)
                total.stack(data, weights=weights, nan_to_num=nan_to_num)

    def finish(self) -> OffMaps:
        """Return the maps of the stack."""
        data = acceptance_off_of_sums(
            self.acceptance.data, self.counts_off.data, self.background.data, self.acceptance_off.data
        )
        acceptance_off = Map.from_geom(self.acceptance.geom, data=data, device=self.acceptance.device)
        return OffMaps(self.counts_off, self.acceptance, acceptance_off)
