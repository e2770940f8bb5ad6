"""Backgrounds normalised by Gammapy: those of datasets with models of sources."""

from gammapy.makers import FoVBackgroundMaker as GammapyFoVBackgroundMaker

from lightpool.datasets import MapDataset
from lightpool.gammapy.conversion import from_gammapy, to_gammapy
from lightpool.gammapy.counterparts import counterpart
from lightpool.makers import FoVBackgroundMaker
from lightpool.maps import Map

__all__ = ["normalise_background"]


def normalise_background(maker: FoVBackgroundMaker, dataset: MapDataset) -> None:
    """Normalise the background of a dataset with models of Gammapy, in place, as Gammapy does.

    Parameters
    ----------
    maker : FoVBackgroundMaker
    dataset : MapDataset
    """
    theirs = counterpart(dataset)
    mask = maker.exclusion_mask
    GammapyFoVBackgroundMaker(
        method=maker.method,
        exclusion_mask=None if mask is None else to_gammapy(mask),
        spectral_model=to_gammapy(maker.spectral_model),
        min_counts=maker.min_counts,
        min_npred_background=maker.min_npred_background,
    ).run(theirs)
    if theirs.mask_safe is not None and not dataset.device.is_host:  # on the host they share their values
        mask_safe = from_gammapy(theirs.mask_safe)
        assert isinstance(mask_safe, Map)
        dataset.mask_safe = mask_safe.to(dataset.device)
