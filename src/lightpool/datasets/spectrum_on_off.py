"""Counts of a region and of OFF regions in bins of energy."""

from typing import Any, Self

from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.on_off import OnOffDataset
from lightpool.datasets.spectrum_dataset import SpectrumBase, SpectrumDataset

__all__ = ["SpectrumDatasetOnOff"]


class SpectrumDatasetOnOff(SpectrumBase, OnOffDataset):
    """Counts, OFF counts, acceptances, exposure and energy dispersion of a region; for spectra.

    Arguments as for `OnOffDataset`, with a region as the sky part of all maps.
    """

    tag = "SpectrumDatasetOnOff"

    @classmethod
    def from_spectrum_dataset(
        cls,
        dataset: MapDataset,
        acceptance: Any,
        acceptance_off: Any,
        counts_off: Any = None,
        name: str | None = None,
    ) -> Self:
        """Make an ON-OFF dataset of a `SpectrumDataset`.

        Parameters
        ----------
        dataset : SpectrumDataset
        acceptance, acceptance_off : RegionNDMap or float
        counts_off : RegionNDMap
            By default what the background of the dataset, if it has one, would give: background / alpha.
        name : str
        """
        return cls.from_map_dataset(dataset, acceptance, acceptance_off, counts_off=counts_off, name=name)

    def to_spectrum_dataset(self, name: str | None = None) -> SpectrumDataset:
        """Dataset with the Cash statistic, whose known background is ``alpha * counts_off``."""
        parts = self._parts_with_background()
        parts.pop("psf")
        return SpectrumDataset(name=name, **parts)
