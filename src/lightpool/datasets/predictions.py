"""Residuals: how the counts of a dataset differ from what it predicts."""

from typing import TypedDict

import astropy.units as u
import numpy as np

from lightpool.arrays import array_namespace
from lightpool.datasets.base import DatasetBase
from lightpool.maps import Map, WcsNDMap

__all__ = ["SmoothOptions", "residual_image", "residuals"]


class SmoothOptions(TypedDict, total=False):
    """Arguments of `WcsNDMap.smooth`."""

    width: u.Quantity | str | float
    kernel: str
    mode: str
    truncate: float


def residuals(dataset: DatasetBase, method: str, options: SmoothOptions) -> Map:
    """Subtract the prediction from the counts, see `MapDataset.residuals`.

    Parameters
    ----------
    dataset : DatasetBase
    method : {"diff", "diff/model", "diff/sqrt(model)"}
    options : dict, arguments of `WcsNDMap.smooth`; the maps are smoothed if there is any
    """
    mask = dataset.mask
    counts, npred = (_smoothed_inside(data, mask, options) for data in (dataset.required("counts"), dataset.npred()))
    return _difference(counts, npred, method, mask).to(precision=dataset.precision)


def residual_image(dataset: DatasetBase, method: str, kernel: str, radius: u.Quantity | str | float) -> Map:
    """Return the residuals inside the mask, summed over energy and smoothed.

    Parameters
    ----------
    dataset : DatasetBase, with pixels
    method : {"diff", "diff/model", "diff/sqrt(model)"}
    kernel : {"gauss", "disk", "box"}
    radius : Quantity, str or float (in pixels)
    """
    if dataset.geom.is_region:
        raise ValueError(f"dataset {dataset.name!r} has one region, so there is no image of its residuals")
    mask = dataset.mask

    def image(data: Map) -> Map:
        inside = data if mask is None else data * mask
        # Smoothing is linear, so the sum over energy comes first: one image is smoothed instead of one per bin.
        return _smoothed(inside.sum_over_axes(keepdims=False), {"width": radius, "kernel": kernel})

    flat = None if mask is None else mask.reduce_over_axes(np.logical_or, keepdims=False)
    return _difference(image(dataset.required("counts")), image(dataset.npred()), method, flat)


def _smoothed(data: Map, options: SmoothOptions) -> Map:
    if not isinstance(data, WcsNDMap):
        raise TypeError(
            f"residuals are smoothed on pixels in rows and columns, got a {type(data).__name__}; reduce the "
            "observations on a WcsGeom, or take residuals() without smoothing"
        )
    return data.smooth(**options)


def _smoothed_inside(data: Map, mask: Map | None, options: SmoothOptions) -> Map:
    """Smooth a map inside the mask, if there are options to do so."""
    if not options:
        return data
    given: SmoothOptions = {"width": "0.1 deg", "kernel": "gauss", "mode": "constant"}
    given |= options
    if mask is None:
        return _smoothed(data, given)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Smoothing mixes in zeros from outside the mask; dividing by the smoothed mask corrects for them.
        ratio: Map = _smoothed(data * mask, given) / _smoothed(mask, given)
        return ratio


def _difference(counts: Map, npred: Map, method: str, mask: Map | None) -> Map:
    """Subtract the prediction from the counts and divide as the method says; NaN outside the mask."""
    model, xp = npred.data, array_namespace(npred.data)
    divisors = {"diff": xp.ones_like(model), "diff/model": model, "diff/sqrt(model)": xp.sqrt(model)}
    if method not in divisors:
        raise ValueError(f"method must be one of {list(divisors)}, got {method!r}")
    with np.errstate(invalid="ignore", divide="ignore"):
        data = (counts.data - model) / divisors[method]
    if mask is not None:
        data = xp.where(mask.data, data, xp.full_like(data, np.nan))
    return Map.from_geom(counts.geom, data=data, device=counts.device)
