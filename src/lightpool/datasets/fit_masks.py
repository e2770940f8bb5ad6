"""A mask for fits that holds for some lines of a program."""

import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from lightpool.arrays import to_host
from lightpool.bridge import accepted
from lightpool.datasets.dataset import Dataset
from lightpool.datasets.datasets import Datasets
from lightpool.maps import Map
from lightpool.typing import QuantityLike

__all__ = ["set_and_restore_mask_fit"]

log = logging.getLogger(__name__)

_OPERATORS = {np.logical_and: "logical_and", np.logical_or: "logical_or", np.logical_xor: "logical_xor"}


class set_and_restore_mask_fit:  # noqa: N801  # the name is Gammapy's
    """Set the ``mask_fit`` of datasets in a ``with`` block, and give them back their own at its end.

    Parameters
    ----------
    datasets : Datasets or list of Dataset
    mask_fit : Map of bool, optional
        A mask, also on other pixels; interpolated by the nearest pixel.
    energy_min, energy_max : Quantity or str, optional
        Energies that are fitted; the ends of the axis by default.
    round_to_edge : bool
        Whether these energies are rounded to the nearest edges of the axis.
    operator : {numpy.logical_and, numpy.logical_or, numpy.logical_xor} or None
        How the mask is combined with the one that a dataset has; None replaces it.

    Examples
    --------
    >>> from lightpool.datasets import MapDataset, set_and_restore_mask_fit
    >>> from lightpool.maps import MapAxis, WcsGeom
    >>> energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> dataset = MapDataset.create(WcsGeom.create(width=2, binsz=1, axes=[energy]))
    >>> with set_and_restore_mask_fit([dataset], energy_min="3 TeV"):
    ...     print(dataset.mask_fit.data.any(axis=(1, 2)))
    [False False  True  True]
    >>> dataset.mask_fit is None
    True
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        mask_fit: Map | None = None,
        energy_min: "QuantityLike | None" = None,
        energy_max: "QuantityLike | None" = None,
        round_to_edge: bool = False,
        operator: Callable[..., Any] | None = np.logical_and,
    ) -> None:
        if operator is not None and operator not in _OPERATORS:
            names = ", ".join(f"numpy.{name}" for name in _OPERATORS.values())
            raise ValueError(f"operator must be one of {names} or None, got {operator!r}")
        self.datasets = datasets
        self.mask_fit = accepted(mask_fit)
        self.energy_min, self.energy_max = energy_min, energy_max
        self.round_to_edge = round_to_edge
        self.operator = operator
        self.mask_fits = [dataset.mask_fit for dataset in datasets]

    def __enter__(self) -> Datasets:
        contributing = []
        # All masks before any is set: after an error the datasets are as they were.
        masks = [self._mask_of(dataset) for dataset in self.datasets]
        for dataset, mask in zip(self.datasets, masks, strict=True):
            dataset.mask_fit = mask
            if bool(to_host(mask.data).any()):  # host: which datasets are fitted is decided there
                contributing.append(dataset)
            else:
                log.info("dataset %s has no bins in the energy range and is left out", dataset.name)
        return Datasets(contributing)

    def _mask_of(self, dataset: Dataset) -> Map:
        geom, device = dataset.geom, dataset.device
        mask: Map = geom.energy_mask(self.energy_min, self.energy_max, self.round_to_edge, device=device)
        if self.mask_fit is not None:
            mask = mask & self.mask_fit.to(device).interp_to_geom(geom, method="nearest")
        if self.operator is None or dataset.mask_fit is None:
            return mask
        combine = getattr(device.xp, _OPERATORS[self.operator])
        return Map.from_geom(geom, data=combine(dataset.mask_fit.data, mask.data), device=device)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for dataset, mask in zip(self.datasets, self.mask_fits, strict=True):
            dataset.mask_fit = mask
