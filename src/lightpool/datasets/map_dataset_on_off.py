"""Counts of a sky map and of the OFF regions of its pixels."""

from lightpool.datasets.on_off import OnOffDataset

__all__ = ["MapDatasetOnOff"]


class MapDatasetOnOff(OnOffDataset):
    """Counts, OFF counts, acceptances, exposure, PSF, energy dispersion and masks on a common piece of sky.

    Arguments as for `OnOffDataset`. Its background is ``alpha * counts_off`` in each pixel, with ``alpha`` the ratio of
    the acceptances. OFF regions of neighbouring pixels overlap, so sums of ``counts_off`` over pixels count events many
    times; sums of ``background`` do not.
    """

    tag = "MapDatasetOnOff"
