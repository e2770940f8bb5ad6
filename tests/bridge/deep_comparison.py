"""Compare two objects of Gammapy by all that they hold."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import BaseCoordinateFrame, EarthLocation, SkyCoord
from astropy.table import Column, Table
from astropy.time import Time
from astropy.utils.decorators import lazyproperty
from astropy.wcs import WCS
from gammapy.maps import Map
from regions import CompoundSkyRegion, Region

CACHES = {
    "get_coord",
    "get_idx",
    "get_pix",
    "get_wcs_coord_and_weights",
    "_background_cached",
    "_background_parameters_cached",
    "_cache",
    "_hash",
    "_type",
    "__pydantic_fields_set__",
}
"""Attributes that are set when others are read."""


def differences(
    first: Any, second: Any, where: str = "", *, close: bool = False, noise: float = 0.0, without: tuple[str, ...] = ()
) -> list[str]:
    """Where two objects differ: in class, in any attribute, in any bit of an array; empty if nowhere.

    ``close`` allows what the contract does: a relative 1e-5 of numbers in single and 1e-9 in double precision;
    ``noise`` that fraction of the largest number of an array too. Attributes ``without`` are left out.
    """
    return list(_Comparison(close, noise, without).differ(first, second, where))


def covariance_of(theirs, ours):
    """The covariance in Gammapy, in the order that the parameters have in lightpool."""
    pairs = [(theirs, ours)] if hasattr(theirs, "spectral_model") else zip(theirs, ours, strict=True)
    order = []
    for one, other in pairs:
        order += [len(order) + one.parameters.names.index(name) for name in other.parameters.names]
    return theirs.covariance.data[np.ix_(order, order)]


class _Comparison:
    def __init__(self, close: bool, noise: float, without: tuple[str, ...]) -> None:
        self.seen: dict[tuple[int, int], tuple[Any, Any]] = {}
        self.is_close, self.noise, self.without = close or noise > 0, noise, without

    def differ(self, first, second, where):
        if first is second or (id(first), id(second)) in self.seen:
            return
        for each in (first, second):
            if isinstance(each, Map):
                _ = each.data  # a map may get its values, and with them its class, when somebody reads them
        self.seen[id(first), id(second)] = first, second
        if type(first) is not type(second):
            numbers = int, float, np.floating, np.integer
            if not (isinstance(first, numbers) and isinstance(second, numbers) and first == second):
                yield f"{where}: {type(first).__name__} {first!r:.80} and {type(second).__name__} {second!r:.80}"
        elif isinstance(first, Table):
            yield from self.differ(first.colnames, second.colnames, f"{where}.colnames")
            yield from self.differ(dict(first.meta), dict(second.meta), f"{where}.meta")
            if first.colnames == second.colnames:
                for name in first.colnames:
                    yield from self.differ(first[name], second[name], f"{where}[{name!r}]")
        elif isinstance(first, Column):
            for name in ("unit", "description", "format"):
                yield from self.differ(getattr(first, name), getattr(second, name), f"{where}.{name}")
            yield from self.differ(dict(first.meta), dict(second.meta), f"{where}.meta")
            yield from self.differ(np.ma.getmaskarray(first), np.ma.getmaskarray(second), f"{where}.mask")
            yield from self.differ(np.asarray(first), np.asarray(second), where)
        elif isinstance(first, np.ndarray):
            yield from self._arrays(first, second, where)
        elif isinstance(first, Time):
            same = (first.scale, first.format, first.shape) == (second.scale, second.format, second.shape)
            if not same or not (np.array_equal(first.jd1, second.jd1) and np.array_equal(first.jd2, second.jd2)):
                yield f"{where}: {first!r} and {second!r}"
        elif self.is_close and isinstance(first, Region):
            yield from self._regions(first, second, where)
        elif self.is_close and isinstance(first, SkyCoord):
            frames = [repr(each.frame.replicate_without_data()) for each in (first, second)]
            if frames[0] != frames[1] or np.any(first.separation(second) > 1e-5 * u.arcsec):
                yield f"{where}: {first!r} and {second!r}"
        elif isinstance(first, SkyCoord | BaseCoordinateFrame | EarthLocation | u.UnitBase | Region | np.dtype):
            if repr(first) != repr(second):
                yield f"{where}: {first!r} and {second!r}"
        elif isinstance(first, WCS):
            if first.to_header_string() != second.to_header_string() or first.array_shape != second.array_shape:
                yield f"{where}: {first!r} and {second!r}"
        else:
            yield from self._others(first, second, where)

    def _arrays(self, first, second, where):
        if first.dtype != second.dtype or first.shape != second.shape:
            yield f"{where}: {first.dtype} {first.shape} and {second.dtype} {second.shape}"
            return
        if isinstance(first, u.Quantity):
            yield from self.differ(first.unit, second.unit, f"{where}.unit")
        plain = np.asarray(first), np.asarray(second)
        if first.dtype == object:
            for i, (one, two) in enumerate(zip(*(each.flat for each in plain), strict=True)):
                yield from self.differ(one, two, f"{where}[{i}]")
        elif not self._are_equal(*plain):
            yield f"{where}: arrays differ in {np.sum(plain[0] != plain[1])} of {first.size} values"

    def _are_equal(self, first, second):
        if first.dtype.kind not in "fc":
            return np.array_equal(first, second)
        if not self.is_close:
            return np.array_equal(first, second, equal_nan=True)
        finite = first[np.isfinite(first)]
        noise = max(self.noise, 1e-13) * np.max(np.abs(finite), initial=0.0)
        return np.allclose(second, first, rtol=1e-5 if first.dtype == np.float32 else 1e-9, atol=noise, equal_nan=True)

    def _regions(self, first, second, where):
        names = [*first._params, "operator"] if isinstance(first, CompoundSkyRegion) else first._params
        for name in names:
            yield from self.differ(getattr(first, name), getattr(second, name), f"{where}.{name}")

    def _others(self, first, second, where):
        if isinstance(first, Mapping):
            if list(first) != list(second):
                yield f"{where}: keys {list(first)} and {list(second)}"
            for key in set(first) & set(second):
                yield from self.differ(first[key], second[key], f"{where}[{key!r}]")
        elif isinstance(first, list | tuple):
            if len(first) != len(second):
                yield f"{where}: lengths {len(first)} and {len(second)}"
            for i, (one, two) in enumerate(zip(first, second, strict=False)):
                yield from self.differ(one, two, f"{where}[{i}]")
        elif _has_attributes(first):
            yield from self._attributes(first, second, where)
        elif self.is_close and isinstance(first, float) and np.isclose(second, first, rtol=1e-9, equal_nan=True):
            return
        elif first != second and not (first != first and second != second):
            yield f"{where}: {first!r:.80} and {second!r:.80}"

    def _attributes(self, first, second, where):
        states = [_state(each) for each in (first, second)]
        if hasattr(type(first), "covariance"):  # what is stored is brought up to date when it is read
            for state, each in zip(states, (first, second), strict=True):
                state["_covariance"] = each.covariance.data
        for name in sorted((set(states[0]) | set(states[1])) - set(self.without)):
            inner = f"{where}.{name}"
            if name not in states[0] or name not in states[1]:
                yield f"{inner}: only in one of them"
            else:
                yield from self.differ(states[0][name], states[1][name], inner)


def _has_attributes(obj):
    is_function = callable(obj) and not type(obj).__module__.startswith("gammapy")  # models can be called too
    return hasattr(obj, "__dict__") and not isinstance(obj, type) and not is_function


def _state(obj):
    """Attributes that were set, without those that the class computes when they are first read."""
    lazy = lazyproperty, cached_property
    return {
        name: value
        for name, value in vars(obj).items()
        if name not in CACHES and not isinstance(getattr(type(obj), name, None), lazy)
    }
