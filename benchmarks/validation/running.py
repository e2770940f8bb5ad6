"""Reduce all cases with both packages in this process, and compare them run by run."""

import logging
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import numpy as np

from lightpool.maps import Map
from lightpool.utils.deviations import noted_deviations
from validation.explaining import Context, explained, planes_near_empty_bins
from validation.measuring import Comparison, Numbers, compared, numbers_of
from validation.reducing import PACKAGES, Case, NotInGammapyError, Reduction

STACK = "stack"
BIN_EDGES = np.concatenate([[-np.inf], np.arange(-17, 1.01, 0.25), [np.inf]])
"""Of the histograms of the logarithm of deviations."""
HistogramKey = tuple[str, str, bool]
"""Kind, quantity, and whether it is that of stacks."""
OUTCOMES = ("equal", "within", "explained", "differs", "failed", "not compared")
GOOD = ("equal", "within", "explained", "not compared")


@dataclass(frozen=True, kw_only=True)
class Row:
    """The comparison of one quantity of one run, or of a stack.

    Attributes
    ----------
    outcome : str
        equal: bit-identical; within: within the tolerance; explained: a row of docs/differences.md explains all bins
        that are not; differs: not all; failed: a package raised an error; not compared: both did, or Gammapy cannot.
    """

    kind: str
    field: str
    run: str
    quantity: str
    outcome: str
    n_bin: int = 0
    n_filled: int = 0
    n_different: int = 0
    n_beyond: int = 0
    n_beyond_safe: int = 0
    n_unexplained: int = 0
    worst: float = np.nan
    median: float = np.nan
    worst_of_any: float = np.nan
    tolerance: float = np.nan
    explanations: tuple[str, ...] = ()
    note: str = ""


@dataclass
class Results:
    """Rows of all comparisons, and histograms of the deviations of all bins."""

    rows: list[Row] = field(default_factory=list)
    histograms: dict[HistogramKey, Any] = field(
        default_factory=lambda: defaultdict(lambda: np.zeros(len(BIN_EDGES) - 1))
    )
    n_identical: dict[HistogramKey, int] = field(default_factory=lambda: defaultdict(int))
    pictures: dict[str, Any] = field(default_factory=dict)

    @property
    def unexplained(self) -> list[Row]:
        return [row for row in self.rows if row.outcome not in GOOD]

    @property
    def is_good(self) -> bool:
        """Whether something was compared, and all of it agrees or is explained."""
        return any(row.outcome in GOOD[:3] for row in self.rows) and not self.unexplained


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings and messages of both packages off the screen."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


def run_cases(cases: Sequence[Case], say: Callable[[str], None] = print) -> Results:
    """Compare all runs of all cases; a run that fails in a package becomes a row.

    Parameters
    ----------
    cases : sequence of Case
    say : callable
        Gets one line for each run.
    """
    results = Results()
    for case in cases:
        with quiet():
            _run_case(case, results, say)
    return results


def _run_case(case: Case, results: Results, say: Callable[[str], None]) -> None:
    try:
        reductions = {package: Reduction(case, package) for package in PACKAGES}
    except NotInGammapyError as error:
        rows = [
            Row(kind=case.kind, field=case.field, run="all", quantity="all", outcome="not compared", note=str(error))
        ]
        results.rows += rows
        say(_line(case, "all", rows))
        return
    datasets: dict[str, list[Any]] = {package: [] for package in PACKAGES}
    whole = Context()
    for run in case.runs:
        rows = _compare_run(case, run, reductions, datasets, whole, results)
        results.rows += rows
        say(_line(case, str(run), rows))
    if case.has_stack and len(datasets["gammapy"]) > 1:
        rows = _compare_stack(case, reductions, datasets, whole, results)
        results.rows += rows
        say(_line(case, STACK, rows))


def _line(case: Case, run: str, rows: list[Row]) -> str:
    outcomes = {name: sum(row.outcome == name for row in rows) for name in OUTCOMES}
    text = ", ".join(f"{number} {name}" for name, number in outcomes.items() if number)
    notes = "; ".join(f"{row.quantity}: {row.note}" for row in rows if row.note and row.outcome not in GOOD)
    return f"{case.kind}, {case.field}, {run}: {text}{f' ({notes})' if notes else ''}"


def _compare_run(
    case: Case,
    run: int,
    reductions: dict[str, Reduction],
    datasets: dict[str, list[Any]],
    whole: Context,
    results: Results,
) -> list[Row]:
    made, errors, context = {}, {}, Context()
    for package, reduction in reductions.items():
        try:
            with noted_deviations() as announced:
                observation = reduction.observation(run)
                dataset = reduction.run(observation)
                made[package] = dataset, numbers_of(dataset, case.is_spectrum and hasattr(dataset, "counts_off"))
            if package == "lightpool":
                context.announced = set(announced)
                context.energies = dataset.counts.geom.axes["energy"].edges.to_value("TeV")
                context.has_background_map = isinstance(getattr(observation, "bkg", None), Map)
                context.near_empty = planes_near_empty_bins(observation, dataset)
        except Exception as error:  # reported, whatever it is: the other runs go on
            errors[package] = _said(error)
    if errors:
        return [_failed(case, str(run), errors)]
    for package, (dataset, _) in made.items():
        datasets[package].append(dataset)
    context.ours, context.theirs = (made[package][1] for package in PACKAGES)
    whole.announced |= context.announced
    before = np.zeros_like(context.near_empty) if whole.near_empty is None else whole.near_empty
    whole.near_empty = before | context.near_empty
    _keep_picture(case, run, context, results)
    return _rows(case, str(run), context, results)


def _compare_stack(
    case: Case, reductions: dict[str, Reduction], datasets: dict[str, list[Any]], whole: Context, results: Results
) -> list[Row]:
    found, errors = {}, {}
    for package, reduction in reductions.items():
        try:
            with noted_deviations() as announced:
                found[package] = numbers_of(reduction.stacked(datasets[package]))
            whole.announced |= set(announced)
        except Exception as error:
            errors[package] = _said(error)
    if errors:
        return [_failed(case, STACK, errors)]
    whole.ours, whole.theirs = (found[package] for package in PACKAGES)
    return _rows(case, STACK, whole, results)


def _said(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {last.name}: {' '.join(str(error).split())}"[:300]


def _failed(case: Case, run: str, errors: dict[str, str]) -> Row:
    note = "; ".join(f"{'Gammapy' if package == 'gammapy' else package}: {text}" for package, text in errors.items())
    outcome = "not compared" if len(errors) == len(PACKAGES) else "failed"
    return Row(kind=case.kind, field=case.field, run=run, quantity="all", outcome=outcome, note=note)


def _rows(case: Case, run: str, context: Context, results: Results) -> list[Row]:
    found = []
    place = {"kind": case.kind, "field": case.field, "run": run}
    for name in [*context.ours, *(name for name in context.theirs if name not in context.ours)]:
        if name not in context.ours or name not in context.theirs:
            found.append(_only_in_one(name, context, place))
            continue
        comparison = compared(name, context.ours[name], context.theirs[name])
        if comparison.note:
            found.append(Row(**place, quantity=name, outcome="differs", note=comparison.note))
            continue
        found.append(_row(name, comparison, context, place))
        _count(results, (case.kind, name, run == STACK), comparison)
    return found


def _only_in_one(name: str, context: Context, place: dict[str, str]) -> Row:
    only = "lightpool" if name in context.ours else "Gammapy"
    if name == "exposure of energy dispersion" and only == "lightpool":
        # As of HAWC: where an observation brings no exposure of the dispersion, ours has that of the dataset.
        return Row(**place, quantity=name, outcome="not compared", note="only in lightpool, which needs it for stacks")
    return Row(**place, quantity=name, outcome="differs", note=f"only in {only}")


def _row(name: str, comparison: Comparison, context: Context, place: dict[str, str]) -> Row:
    explanations: list[str] = []
    left = np.zeros(0, bool)
    if comparison.agrees:
        outcome = "within" if comparison.n_different else "equal"
    else:
        explanations, left = explained(name, comparison, context)
        outcome = "differs" if left.any() else "explained"
    return Row(
        **place,
        quantity=name,
        outcome=outcome,
        n_bin=comparison.n_bin,
        n_filled=comparison.n_filled,
        n_different=comparison.n_different,
        n_beyond=comparison.n_beyond,
        n_beyond_safe=_in_safe_bins(comparison, context),
        n_unexplained=int(np.count_nonzero(left)),
        worst=comparison.worst,
        median=comparison.median,
        worst_of_any=comparison.worst_of_any,
        tolerance=comparison.tolerance,
        explanations=tuple(explanations),
    )


def _in_safe_bins(comparison: Comparison, context: Context) -> int:
    mask = context.theirs.get("safe mask", Numbers(np.zeros(0, bool))).values
    return int(np.count_nonzero(mask & comparison.is_beyond)) if mask.shape == comparison.is_beyond.shape else 0


def _count(results: Results, key: HistogramKey, comparison: Comparison) -> None:
    """Add the deviations of the bins to the histogram of their kind and quantity."""
    different = comparison.deviations > 0
    with np.errstate(divide="ignore"):
        logarithms = np.log10(comparison.deviations[different])
    results.histograms[key] += np.histogram(logarithms, BIN_EDGES)[0]
    results.n_identical[key] += int(comparison.n_filled - np.count_nonzero(different))


def _keep_picture(case: Case, run: int, context: Context, results: Results) -> None:
    """Keep the background of the first run of the wide energy range that deviates, for a figure."""
    if case.kind.endswith("0.3 to 30 TeV") and "background" not in results.pictures and context.near_empty.any():
        results.pictures["background"] = {
            "run": run,
            "ours": context.ours["background"].values,
            "theirs": context.theirs["background"].values,
            "energies": context.energies,
            "binsz": float(u.Quantity(case.target.binsz).to_value("deg")),
        }
