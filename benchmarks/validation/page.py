"""The pages of a validation in Markdown."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml

from lightpool.config.targets import EnergyBins
from validation.cases import SOURCES
from validation.explaining import DIFFERENCES, documented
from validation.measuring import LEAST
from validation.reducing import Case
from validation.running import GOOD, STACK, Results, Row
from validation.tables import versions

OUTCOME_TEXTS = {
    "equal": "bit-identical",
    "within": "within the tolerance",
    "explained": "beyond it in some bins, explained",
    "differs": "not explained",
    "failed": "failed in one of the packages",
    "not compared": "not compared",
}
NO_BREAK = "\N{NON-BREAKING HYPHEN}"
"""In place of a minus sign at which a narrow table would break its lines."""
MEANING = f"""\
Both packages reduce each run in the same process, with the same steps; each run is reduced by itself, and the stack
of the runs on a field is compared too. The *deviation* of a bin is the difference of the two values, divided by the
larger of them, or by {LEAST:g} of the largest value in its plane of energy (of all values, where there are no planes)
if that is larger, because numbers far below the largest are differences of large ones, and their rounding is that of
the large ones. For energy dispersion kernels the largest value is 1, as they are differences of cumulative
probabilities. Good times are relative to the duration of the run. The *worst* deviation is that of any bin; the
*median* is over the bins that have a value. A NaN in only one of the packages is an infinite deviation. The table
with all numbers also has the worst deviation relative to the value of the bin, however small that is
(`worst_of_any`).

Counts and masks must be equal in all bins. The tolerance of everything else is 1e-9, or 1e-5 where Gammapy has
float32: in stacks, and in what it computes in float32. A bin beyond the tolerance is explained only if a row of the
[list of differences]({{differences}}) is about this quantity, lightpool announced that difference while it reduced
the run (where it is one that is announced), and the bin is one in which it can occur: each explanation is a condition
on the values or the energies of the bin (`benchmarks/validation/explaining.py`)."""


def write_page(results: Results, cases: Sequence[Case], figures: dict[str, str], folder: Path) -> None:
    """Write the page of results, and a page with the numbers of each run.

    Parameters
    ----------
    results : Results
    cases : sequence of Case
    figures : dict
        File names of figures in the folder, and what they show.
    folder : Path
    """
    docs = os.path.relpath(DIFFERENCES.parent, folder.resolve()).replace(os.sep, "/")
    page = _text(_page(results, cases, figures, docs))
    if DIFFERENCES.parent in folder.resolve().parents:
        page += "\n```{toctree}\n:hidden:\n\nruns\n```\n"  # on the site each page is in a table of contents
    (folder / "index.md").write_text(page, encoding="utf-8")
    (folder / "runs.md").write_text(_text(_runs_page(results, cases)), encoding="utf-8")


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


def _page(results: Results, cases: Sequence[Case], figures: dict[str, str], docs: str) -> Iterator[str]:
    yield from ("# Validation against Gammapy 2.1", "", *_summary(results), "")
    yield from _figure("overview.png", figures)
    if results.unexplained:
        yield from ("## Not explained", "", *_unexplained(results.unexplained), "")
    yield from ("## How the numbers are compared", "", MEANING.format(differences=f"{docs}/differences.md"), "")
    yield from ("## Differences that are explained", "", *_explanations(results, docs), "")
    yield from _figure("background.png", figures)
    yield from ("## Results by kind of data", "")
    yield "Deviations of single runs, then of stacks. The numbers of each run, with the settings of each reduction, are"
    yield from (
        "on [a page of their own](runs.md), and all of them in one table, [validation.ecsv](validation.ecsv).",
        "",
    )
    yield from _figure("histograms.png", figures)
    yield from _figure("runs.png", figures)
    for kind in dict.fromkeys(row.kind for row in results.rows):
        yield from (f"### {kind}", "", *_kind([row for row in results.rows if row.kind == kind], cases), "")
    yield from ("## Data", "", *_data(cases), "", "## Versions", "", *_versions(), "")
    yield from ("## Repeat it", "", *REPEAT.format(docs=docs).splitlines())


REPEAT = """\
In a clone of the repository, with the data sets above in one folder DIR (`gammapy download datasets` makes it):

```
nox -s bench -- validate.py --data DIR
```

This takes some minutes and writes the pages, the figures and the table into the folder `validation`, or where
`--output` says. The exit status is 0 if everything is within the tolerance or explained, and 1 if not.

**Your own data, before you switch.** Every run of a DL3 store, or some, on a map around its pointing:

```
nox -s bench -- validate.py --data STORE --runs 1 2 3
```

The bins, exclusions, makers and runs of a [batch]({docs}/explanation/batch.md), each target of which is compared:

```
nox -s bench -- validate.py --settings settings.yaml
```

Groups, tables of theta squared and the settings of `run` are left out: every run is reduced on the processor, in
double precision. Steps and options that Gammapy does not have, such as `OffRunsBackgroundMaker` and
`node_min_counts`, are listed as not compared, and so are targets of kind healpix. A run that fails in one of the
packages is listed with its error, and the others are compared. With `--compare validation.ecsv` an outcome that is
worse than in an earlier table is a failure too.

Without nox: `pip install '.[peer]' matplotlib`, then `python benchmarks/validate.py` with the same arguments."""


def _summary(results: Results) -> Iterator[str]:
    rows = [row for row in results.rows if row.quantity != "all"]
    n_run = len({(row.kind.split()[0], row.run) for row in rows if row.run != STACK})
    n_bin = sum(row.n_bin for row in rows)
    outcome = (
        "all of them agree within the tolerance or are explained" if results.is_good else "**not all of them agree**"
    )
    ways = _number_of(len({row.kind for row in rows}), "way")
    yield f"lightpool and Gammapy 2.1 reduced {_number_of(n_run, 'run')} in {ways}. {len(rows)} quantities of single"
    yield f"runs and of stacks, {n_bin / 1e6:.1f} million bins in all, were compared, and {outcome}."
    yield from ("", "| outcome | quantities of a run or stack |", "|---|---|")
    for name, text in OUTCOME_TEXTS.items():
        number = sum(row.outcome == name for row in results.rows)
        if number:
            yield f"| {text} | {number} |"


def _figure(name: str, figures: dict[str, str]) -> Iterator[str]:
    if name in figures:
        yield from (f"![{figures[name]}]({name})", "", f"*{figures[name]}*", "")


def _unexplained(rows: Sequence[Row]) -> Iterator[str]:
    yield from ("| where | what |", "|---|---|")
    for row in rows:
        what = row.note or f"deviation {_number(row.worst)} in {row.n_unexplained} of {row.n_bin} bins"
        yield f"| {row.kind}, {row.field}, {row.run}: {row.quantity} | {row.outcome}: {_cell(what)} |"


def _explanations(results: Results, docs: str) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in results.rows for name in row.explanations))
    if not names:
        yield "None was needed."
    for name in names:
        rows = [row for row in results.rows if name in row.explanations]
        entry = documented(name)
        quantities = list(dict.fromkeys(row.quantity for row in rows))
        n_run = len({(row.kind, row.field, row.run) for row in rows if row.run != STACK})
        n_stack = len({(row.kind, row.field) for row in rows if row.run == STACK})
        where = " and ".join(_number_of(n, what) for n, what in ((n_run, "run"), (n_stack, "stack")) if n)
        bins, safe, whole = (sum(getattr(row, key) for row in rows) for key in ("n_beyond", "n_beyond_safe", "n_bin"))
        yield from (f"**[{entry.title}]({docs}/differences.md#{entry.anchor})**", "")
        yield f"- Gammapy 2.1: {_moved(entry.gammapy, docs)}"
        yield f"- lightpool: {_moved(entry.lightpool, docs)}"
        yield f"- in: {', '.join(quantities)}"
        yield f"- where: {', '.join(dict.fromkeys(row.kind for row in rows))}; {where}"
        yield f"- {_share(bins, whole)} of their bins are beyond the tolerance,"
        yield f"  {_share(safe, whole) if safe else 'none'} are so inside the safe mask"
        yield ""


def _number_of(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _share(number: int, whole: int) -> str:
    return f"{100 * number / whole:.1f} %" if whole else "none"


def _moved(text: str, docs: str) -> str:
    """Links of another page, as seen from this one."""
    return re.sub(r"\]\((?!\w+:)", f"]({docs}/", text)


def _kind(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[str]:
    case = next(each for each in cases if each.kind == rows[0].kind)
    fields = ", ".join(dict.fromkeys(row.field for row in rows))
    n_run = len({row.run for row in rows if row.run != STACK})
    steps = ", ".join(f"`{step.type}`" for step in case.target.makers)
    yield from (f"{_number_of(n_run, 'run')}: {fields}. {_bins(case)}. Makers: {steps}.", "")
    for is_stack, title in ((False, "single runs"), (True, "stacks")):
        chosen = [row for row in rows if (row.run == STACK) == is_stack and row.quantity != "all"]
        if not chosen:
            continue
        equal = _equal_names(chosen)
        if equal:
            yield from (f"Bit-identical in all {title}: {', '.join(equal)}.", "")
        yield from (f"| {title} | worst | median | outcome |", "|---|---|---|---|")
        for name in dict.fromkeys(row.quantity for row in chosen):
            if name not in equal:
                yield _summary_row(name, [row for row in chosen if row.quantity == name])
        yield ""
    for row in rows:
        if row.quantity == "all":
            yield f"- {row.field}, {row.run}: {OUTCOME_TEXTS[row.outcome]}. {row.note}"


def _bins(case: Case) -> str:
    target = case.target
    true = "" if target.energy_true is None else f", {_energies(target.energy_true)} of true energy"
    if case.is_spectrum:
        size = "A circle" if hasattr(target.region, "radius") else "A point"
    else:
        size = f"Maps of {target.width} with pixels of {target.binsz}"
    return f"{size}, {_energies(target.energy)} of energy{true}"


def _energies(bins: EnergyBins) -> str:
    if bins.edges is not None:
        return f"{len(bins.edges) - 1} bins from {bins.edges[0]} to {bins.edges[-1]}"
    number = _number_of(int(bins.nbin or 0), "bin")
    return f"{number}{' per decade' if bins.per_decade else ''} from {bins.min} to {bins.max}"


def _summary_row(name: str, rows: Sequence[Row]) -> str:
    ranks = list(OUTCOME_TEXTS)
    outcome = max((row.outcome for row in rows), key=ranks.index)
    worst = [row.worst for row in rows if not np.isnan(row.worst)]
    medians = [row.median for row in rows if not np.isnan(row.median)]
    if not worst:
        return f"| {name} | | | {outcome} |"
    return f"| {name} | {_number(max(worst))} | {_number(float(np.median(medians)))} | {outcome} |"


def _equal_names(rows: Sequence[Row]) -> list[str]:
    names = dict.fromkeys(row.quantity for row in rows)
    return [name for name in names if all(row.outcome == "equal" for row in rows if row.quantity == name)]


def _number(value: float) -> str:
    if np.isnan(value):
        return ""
    text = "0" if value == 0 else "NaN in one" if np.isinf(value) else f"{value:.0e}"
    return text.replace("-", NO_BREAK)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _data(cases: Sequence[Case]) -> Iterator[str]:
    used = {case.folder for case in cases}
    listed = [source for source in SOURCES.values()
              if any(path.as_posix().endswith(name) for path in used for name in source.folders)]  # fmt: skip
    if not listed:
        yield from (f"- `{path.name}`" for path in sorted(used))
    for source in listed:
        yield f"- **{source.title}**: {source.content}. {', '.join(f'<{address}>' for address in source.addresses)}"


def _versions() -> Iterator[str]:
    yield from ("| package | version |", "|---|---|")
    yield from (f"| {name} | {version} |" for name, version in versions().items())
    yield from ("", f"Made on {datetime.now(UTC):%Y-%m-%d} by `benchmarks/validate.py`.")


def _runs_page(results: Results, cases: Sequence[Case]) -> Iterator[str]:
    yield from ("# Deviations of each run", "")
    yield "Each cell has the worst and the median deviation of all bins; *equal* means bit-identical. How they are"
    yield "computed, and what explains those beyond the tolerance (marked with a star), is on"
    yield "[the page of the validation](index.md); all numbers are in the table [validation.ecsv](validation.ecsv)."
    for kind in dict.fromkeys(row.kind for row in results.rows):
        rows = [row for row in results.rows if row.kind == kind and row.quantity != "all"]
        case = next(each for each in cases if each.kind == kind)
        yield from ("", f"## {kind}", "", f"Settings of the target, here for {case.field}:", "", "```yaml")
        settings = case.target.model_dump(mode="json", exclude_unset=True)
        yield from yaml.safe_dump(settings, sort_keys=False, width=100).splitlines()
        yield from ("```", "")
        equal = _equal_names(rows)
        if equal:
            yield from (f"Bit-identical in all runs and stacks: {', '.join(equal)}.", "")
        names = [name for name in dict.fromkeys(row.quantity for row in rows) if name not in equal]
        for first in range(0, len(names), 3):
            yield from (*_runs_table(rows, names[first : first + 3]), "")


def _runs_table(rows: Sequence[Row], names: Sequence[str]) -> Iterator[str]:
    yield f"| run | {' | '.join(names)} |"
    yield f"|---|{'---|' * len(names)}"
    found = {(row.field, row.run, row.quantity): row for row in rows}
    for field, run in dict.fromkeys((row.field, row.run) for row in rows):
        label = f"{field}, {run}" if run == STACK else run
        yield f"| {label} | {' | '.join(_pair(found.get((field, run, name))) for name in names)} |"


def _pair(row: Row | None) -> str:
    if row is None:
        return ""
    if row.outcome == "equal":
        return "equal"
    if np.isnan(row.worst):
        return _cell(row.note)
    mark = "" if row.outcome == "within" else " \\*" if row.outcome in GOOD else " **!**"
    return f"{_number(row.worst)} / {_number(row.median)}{mark}"
