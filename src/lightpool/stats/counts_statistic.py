"""Excess, significance, errors and limits of counts, bin by bin or summed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias, TypeGuard

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import Device, array_namespace, device_of, full_on, to_device, to_host
from lightpool.arrays.cuda import statistics as cuda_statistics
from lightpool.arrays.devices.array_types import Array, Index
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.kernels.clipping import clip, sign
from lightpool.stats.cash import TRUNCATION_VALUE, cash
from lightpool.stats.poisson import excess_of_significance, likelihood_interval
from lightpool.stats.wstat import wstat
from lightpool.stats.wstat_intervals import wstat_error, wstat_excess
from lightpool.utils.html import Card, Html, Section, ShownInNotebooks, fields, note, times

if TYPE_CHECKING:
    from lightpool.maps import Map

__all__ = ["CashCountsStatistic", "CountsStatistic", "WStatCountsStatistic"]

Axis: TypeAlias = int | tuple[int, ...] | None
CountsLike: TypeAlias = "Array | Map | Sequence[float] | float"
"""What the statistics take: arrays, maps, sequences and numbers."""


def _as_arrays(*values: CountsLike) -> tuple[Array, ...]:
    """Return arrays of float64 of one shape, on the device of the first array or map."""
    bare = [value.data if _is_map(value) else value for value in values]
    known = [value for value in bare if _is_array(value)]
    device = device_of(known[0]) if known else "cpu"
    arrays = [as_dtype(_array_on(value, device), "float64") for value in bare]
    # Views with strides of zero where shapes differ: they must not be written to.
    return tuple(array_namespace(*arrays).broadcast_arrays(*arrays))


def _is_map(value: object) -> "TypeGuard[Map]":
    return hasattr(value, "geom")


def _is_array(value: object) -> TypeGuard[Array]:
    return bool(array_api_compat.is_array_api_obj(value))


def _array_on(value: CountsLike, device: Device | str) -> Array:
    if _is_array(value):
        return value
    return full_on((), value, device) if isinstance(value, int | float | np.generic) else to_device(value, device)


class Summary(NamedTuple):
    """What a statistic says about counts, each an array: the properties of this name of `CountsStatistic`."""

    n_bkg: Array
    n_sig: Array
    error: Array
    ts: Array
    sqrt_ts: Array


class CountsStatistic(ShownInNotebooks, ABC):
    """Base class of the two statistics; the arrays have one shape and may live on any device.

    The ends of intervals and the limits are where the statistic is ``n_sigma**2`` above its minimum. They are found in
    a fixed number of steps for all bins at once, without copying from the device.
    """

    n_on: Array

    @property
    @abstractmethod
    def n_bkg(self) -> Array:
        """Background in the ON region."""

    @property
    @abstractmethod
    def n_sig(self) -> Array:
        """Excess."""

    @property
    @abstractmethod
    def error(self) -> Array:
        """Error of the excess from the covariance matrix."""

    @property
    @abstractmethod
    def stat_null(self) -> Array:
        """Statistic without an excess."""

    @property
    @abstractmethod
    def stat_max(self) -> Array:
        """Statistic with the excess that fits best."""

    @property
    def ts(self) -> Array:
        """Test statistic of the excess, never negative."""
        # Both are large and nearly equal where the excess is small: rounding alone can make the difference negative.
        return clip(self.stat_null - self.stat_max, 0.0)

    @property
    def sqrt_ts(self) -> Array:
        """Significance in standard deviations, with the sign of the excess."""
        return self._sqrt_ts(self.n_sig, self.ts)

    @staticmethod
    def _sqrt_ts(n_sig: Array, ts: Array) -> Array:
        return sign(n_sig) * array_namespace(ts).sqrt(ts)

    def summary(self) -> Summary:
        """Return background, excess, its error and its significance, computed together."""
        n_sig, ts = self.n_sig, self.ts
        return Summary(self.n_bkg, n_sig, self.error, ts, self._sqrt_ts(n_sig, ts))

    @property
    def p_value(self) -> NDArray[np.float64]:
        """One-sided probability of a larger excess by chance; copied to the host.

        The test statistic follows a chi-square distribution of one degree of freedom (Wilks 1938), and half of it
        belongs to deficits.
        """
        from scipy.stats import chi2

        p_value: NDArray[np.float64] = 0.5 * chi2.sf(to_host(self.ts), 1)  # host: scipy
        return p_value

    @abstractmethod
    def compute_errn(self, n_sigma: float = 1.0) -> Array:
        """Return the distance from the excess down to the lower end of its interval."""

    @abstractmethod
    def compute_errp(self, n_sigma: float = 1.0) -> Array:
        """Return the distance from the excess up to the upper end of its interval."""

    @abstractmethod
    def compute_upper_limit(self, n_sigma: float = 3) -> Array:
        """Return the upper limit on the excess."""

    @abstractmethod
    def n_sig_matching_significance(self, significance: float) -> Array:
        """Return the excess that would have a given significance, NaN where there is none."""

    @abstractmethod
    def sum(self, axis: Axis = None) -> Self:
        """Return the statistic of all bins together, along some dimensions or all."""

    @abstractmethod
    def __getitem__(self, key: Index) -> Self: ...

    def info_dict(self) -> dict[str, Array]:
        """Return counts, background, excess, significance and probability."""
        return {
            "n_on": self.n_on,
            "background": self.n_bkg,
            "excess": self.n_sig,
            "significance": self.sqrt_ts,
            "p_value": self.p_value,
        }

    def _lines(self) -> dict[str, str]:
        info = {name: _text(value) for name, value in self.info_dict().items() if name != "p_value"}
        return {
            "Total counts": f"{info['n_on']} ",
            "Total background counts": info["background"],
            "Total excess counts": info["excess"],
            "Total significance": info["significance"],
            "p - value": _text(self.p_value, 3),
            "Total number of bins": f"{int(np.prod(self.n_on.shape))}",
        }

    def __str__(self) -> str:
        lines = [type(self).__name__, *(f"  {label:32}: {text}" for label, text in self._lines().items())]
        return "\n".join(lines) + "\n"

    def html_card(self) -> Card:
        """Return what notebooks show of the statistic; of arrays on a device only their shape."""
        shape = times(self.n_on.shape) or "one bin"

        def numbers() -> Html:
            if not isinstance(self.n_on, np.ndarray | np.generic):
                return note(f"on {device_of(self.n_on)}; nothing is copied from there to show it, print does that")
            if np.size(self.n_on) > _MOST_SHOWN:
                return note(f"more than {_MOST_SHOWN:,} bins: too many to compute each time, print does that")
            return fields(self._lines())

        return Card(type(self).__name__, "", [shape], [Section("Summary", numbers, is_open=True)])


_MOST_SHOWN = 100_000
"""Bins whose significances notebooks show."""


def _text(value: Array, n_digit: int = 2) -> str:
    """Return the digits of a number, or of an array as NumPy prints it; copied to the host."""
    array = to_host(value)
    return f"{array.item():.{n_digit}f}" if array.ndim == 0 else np.array2string(array, precision=n_digit)


class CashCountsStatistic(CountsStatistic):
    """Counts over a known background.

    Parameters
    ----------
    n_on : array, Map, sequence or number
        Observed counts.
    mu_bkg : array, Map, sequence or number
        Expected background.

    Notes
    -----
    Source: Cash 1979, ApJ 228, 939. An interval ends where ``y - log(1 + y) = n_sigma**2 / (2 n_on)``, with the
    relative distance ``y`` from the counts, see `lightpool.stats.poisson`.
    """

    def __init__(self, n_on: CountsLike, mu_bkg: CountsLike) -> None:
        self.n_on, self.mu_bkg = _as_arrays(n_on, mu_bkg)

    @property
    def n_bkg(self) -> Array:
        """Expected background."""
        return self.mu_bkg

    @property
    def n_sig(self) -> Array:
        """Excess, counts minus background."""
        return self.n_on - self.mu_bkg

    @property
    def error(self) -> Array:
        """Error of the excess, the square root of the counts."""
        return array_namespace(self.n_on).sqrt(self.n_on)

    @property
    def stat_null(self) -> Array:
        """Statistic without a signal."""
        return cash(self.n_on, self.mu_bkg)

    @property
    def stat_max(self) -> Array:
        """Statistic with the signal that fits best."""
        return cash(self.n_on, self.n_on)

    def summary(self) -> Summary:
        """Return background, excess, its error and its significance, computed together."""
        if cuda_statistics.are_on_cuda(self.n_on, self.mu_bkg):
            return Summary(self.mu_bkg, *cuda_statistics.cash_summary(self.n_on, self.mu_bkg, TRUNCATION_VALUE))
        return super().summary()

    def compute_errn(self, n_sigma: float = 1.0) -> Array:
        """Return the distance from the excess down to the lower end of its interval; zero without counts."""
        return likelihood_interval(self.n_on, n_sigma)[0]

    def compute_errp(self, n_sigma: float = 1.0) -> Array:
        """Return the distance from the excess up to the upper end of its interval."""
        return likelihood_interval(self.n_on, n_sigma)[1]

    def compute_upper_limit(self, n_sigma: float = 3) -> Array:
        """Return the upper limit on the excess; without counts that of a positive signal, ``n_sigma**2 / 2``."""
        xp = array_namespace(self.n_on)
        errp = self.compute_errp(n_sigma)
        # Without counts the best signal is that at the border, 0, and not minus the background.
        return errp + xp.where(self.n_on > 0.0, self.n_sig, xp.zeros_like(errp))

    def n_sig_matching_significance(self, significance: float) -> Array:
        """Return the excess that would have a given significance.

        NaN without background, or if no deficit is that significant.
        """
        return excess_of_significance(self.mu_bkg, significance)

    def sum(self, axis: Axis = None) -> Self:
        """Return the statistic of all bins together, along some dimensions or all."""
        xp = array_namespace(self.n_on)
        return type(self)(xp.sum(self.n_on, axis=axis), xp.sum(self.mu_bkg, axis=axis))

    def __getitem__(self, key: Index) -> Self:
        return type(self)(self.n_on[key], self.mu_bkg[key])

    def info_dict(self) -> dict[str, Array]:
        """Return counts, background, excess, significance, probability and expected background."""
        return super().info_dict() | {"mu_bkg": self.mu_bkg}

    def _lines(self) -> dict[str, str]:
        return super()._lines() | {"Predicted background counts": f"{_text(self.mu_bkg)} "}


class WStatCountsStatistic(CountsStatistic):
    """Counts in an ON region, over a background that an OFF region measures.

    Parameters
    ----------
    n_on, n_off : array, Map, sequence or number
        Observed counts in the ON and in the OFF region.
    alpha : array, Map, sequence or number
        Acceptance of the ON region over that of the OFF region.
    mu_sig : array, Map, sequence or number, optional
        Expected signal in the ON region, zero by default.

    Notes
    -----
    The significance is that of Li & Ma 1983, ApJ 272, 317, formula 17. Errors and limits are profile likelihood
    intervals, see Rolke, Lopez & Conrad 2005, NIM A 551, 493.
    """

    def __init__(
        self, n_on: CountsLike, n_off: CountsLike, alpha: CountsLike, mu_sig: "CountsLike | None" = None
    ) -> None:
        signal = 0.0 if mu_sig is None else mu_sig
        self.n_on, self.n_off, self.alpha, self.mu_sig = _as_arrays(n_on, n_off, alpha, signal)

    @property
    def n_bkg(self) -> Array:
        """Background in the ON region, ``alpha * n_off``."""
        return self.alpha * self.n_off

    @property
    def n_sig(self) -> Array:
        """Excess, counts minus background minus expected signal."""
        return self.n_on - self.n_bkg - self.mu_sig

    @property
    def error(self) -> Array:
        """Error of the excess, from the variances of both counts."""
        return array_namespace(self.n_on).sqrt(self.n_on + self.alpha**2 * self.n_off)

    @property
    def stat_null(self) -> Array:
        """Statistic with the expected signal only."""
        return wstat(self.n_on, self.n_off, self.alpha, self.mu_sig)

    @property
    def stat_max(self) -> Array:
        """Statistic with the signal that fits best."""
        return self._stat(self.n_sig)

    def summary(self) -> Summary:
        """Return background, excess, its error and its significance, computed together."""
        counts = self.n_on, self.n_off, self.alpha, self.mu_sig
        if cuda_statistics.are_on_cuda(*counts):
            return Summary(*cuda_statistics.wstat_summary(*counts))
        return super().summary()

    def _stat(self, n_sig: Array) -> Array:
        """Return the statistic with an excess over the expected signal."""
        return wstat(self.n_on, self.n_off, self.alpha, n_sig + self.mu_sig)

    def compute_errn(self, n_sigma: float = 1.0) -> Array:
        """Return the distance from the excess down to the lower end of its interval; ``n_on`` where it has none."""
        return self._error(n_sigma, is_upper=False)

    def compute_errp(self, n_sigma: float = 1.0) -> Array:
        """Return the distance from the excess up to the upper end of its interval."""
        return self._error(n_sigma, is_upper=True)

    def _error(self, n_sigma: float, *, is_upper: bool) -> Array:
        return wstat_error(self.n_on, self.n_off, self.alpha, self.mu_sig, float(n_sigma), is_upper=is_upper)

    def compute_upper_limit(self, n_sigma: float = 3) -> Array:
        """Return the upper limit on the excess: the upper end of its interval."""
        return self.n_sig + self.compute_errp(n_sigma)

    def n_sig_matching_significance(self, significance: float) -> Array:
        """Return the excess that would have a given significance; NaN if no deficit is that significant."""
        return wstat_excess(self.n_off, self.alpha, float(significance))

    def sum(self, axis: Axis = None) -> Self:
        """Return the statistic of all bins together.

        Its ``alpha`` is the summed background over the summed OFF counts, or without OFF counts the mean ``alpha``.
        """
        xp = array_namespace(self.n_on)
        # Backgrounds are summed, not alphas: alpha of the sum is the mean weighted by the OFF counts.
        n_on, n_off, n_bkg, mu_sig = (xp.sum(x, axis=axis) for x in (self.n_on, self.n_off, self.n_bkg, self.mu_sig))
        has_off = n_off > 0.0
        ratio = n_bkg / xp.where(has_off, n_off, xp.ones_like(n_off))
        return type(self)(n_on, n_off, xp.where(has_off, ratio, xp.mean(self.alpha, axis=axis)), mu_sig)

    def __getitem__(self, key: Index) -> Self:
        return type(self)(self.n_on[key], self.n_off[key], self.alpha[key], self.mu_sig[key])

    def info_dict(self) -> dict[str, Array]:
        """Return counts, background, excess, significance, probability, OFF counts, alpha and expected signal."""
        return super().info_dict() | {"n_off": self.n_off, "alpha": self.alpha, "mu_sig": self.mu_sig}

    def _lines(self) -> dict[str, str]:
        return super()._lines() | {
            "Off counts": f"{_text(self.n_off)} ",
            "alpha ": f"{_text(self.alpha)} ",
            "Predicted signal counts": f"{_text(self.mu_sig)} ",
        }
