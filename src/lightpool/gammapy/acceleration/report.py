"""What ran where: the calls that lightpool did for Gammapy, those that Gammapy did itself, and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from threading import Lock
from time import perf_counter

from lightpool.utils.html import Card, Html, Section, ShownInNotebooks, escaped, grid, note
from lightpool.utils.text import printable

__all__ = ["RECORDER", "Call", "Recorder", "Report", "ReportRow"]


@dataclass(kw_only=True)
class ReportRow:
    """The calls of one method.

    Attributes
    ----------
    what : str
        Class and method of Gammapy, for example ``MapDatasetMaker.run``.
    calls : int
        Number of calls, those that Gammapy did included.
    fallbacks : int
        Number of calls that Gammapy did.
    lightpool_seconds, gammapy_seconds : float
        Time in each package, without the time of the calls inside that have rows of their own.
    reasons : dict of str to int
        Why Gammapy did calls, and how many.
    differences : dict of str to int
        Documented differences from Gammapy that changed results, and in how many calls.
    messages : dict of str to int
        Warnings of lightpool, which are not in the log, and how often it gave them.
    """

    what: str
    calls: int = 0
    fallbacks: int = 0
    lightpool_seconds: float = 0.0
    gammapy_seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    differences: dict[str, int] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """Return the reasons and differences, one line each."""
        counted = [("in Gammapy", self.reasons), ("differs from Gammapy", self.differences), ("warns", self.messages)]
        lines = [
            f"{label} ({number} of {self.calls}): {' '.join(text.split())}"
            for label, numbers in counted
            for text, number in numbers.items()
        ]
        if (n_left_out := len(self.messages) - _MAX_MESSAGES) > 0:
            lines[-n_left_out:] = [f"and {n_left_out} other warnings"]
        return [printable(line) for line in lines]


_MAX_MESSAGES = 5  # of one method; most name an observation, and there may be hundreds
_COLUMNS = ("method", "calls", "in Gammapy", "lightpool / s", "Gammapy / s")
_NOTHING = "No method of Gammapy that lightpool accelerates was called."


@dataclass(frozen=True)
class Report(ShownInNotebooks):
    """Table of the calls so far; printed as text, and as a table in a notebook.

    Attributes
    ----------
    rows : tuple of ReportRow
        One for each method, in the order of the first calls.
    """

    rows: tuple[ReportRow, ...]

    def to_dicts(self) -> list[dict[str, object]]:
        """Return the rows as dictionaries of plain values, for example for JSON."""
        return [asdict(row) for row in self.rows]

    def __str__(self) -> str:
        if not self.rows:
            return _NOTHING
        table = [_COLUMNS, *map(_cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [_line(_COLUMNS, widths)]
        for row in self.rows:
            lines += [_line(_cells(row), widths), *(f"    {note}" for note in row.notes())]
        return "\n".join(lines)

    def html_card(self) -> Card:
        """Return what notebooks show of the report."""

        def calls() -> Html:
            if not self.rows:
                return note(_NOTHING)
            return grid((*_COLUMNS, "notes"), [(*_cells(row), _notes(row)) for row in self.rows], most=len(self.rows))

        return Card(type(self).__name__, "", [], [Section("Calls", calls, is_open=True)])


def _notes(row: ReportRow) -> Html:
    return Html("<br>".join(map(escaped, row.notes())))


def _cells(row: ReportRow) -> tuple[str, ...]:
    seconds = f"{row.lightpool_seconds:.3f}", f"{row.gammapy_seconds:.3f}"
    return printable(row.what), str(row.calls), str(row.fallbacks), *seconds


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    name, *numbers = cells
    right = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
    return "  ".join([name.ljust(widths[0]), *right])


class Call:
    """One call of an accelerated method of an object, while it runs.

    Its time counts for lightpool, until `fall_back` is called; from then on for Gammapy. It stands still during
    calls of other accelerated methods inside.
    """

    def __init__(self, what: str = "", subject: object = None) -> None:
        self.what = what
        self.subject = subject
        self.reason: str | None = None
        self.differences: list[str] = []
        self.messages: list[str] = []
        self.seconds = {"lightpool": 0.0, "gammapy": 0.0}
        self._where = "lightpool"
        self._since: float | None = None

    def fall_back(self, reason: str) -> None:
        """Note that Gammapy does this call.

        Parameters
        ----------
        reason : str
            What lightpool could not take over; without values that change from call to call, so that equal reasons
            are counted together.
        """
        self.stop()
        self.reason, self._where = reason, "gammapy"
        self.differences.clear()  # the result is that of Gammapy
        self.messages.clear()
        self.start()

    def differs(self, difference: str) -> None:
        """Note a documented difference from Gammapy in the result."""
        if difference not in self.differences:
            self.differences.append(difference)

    def start(self) -> None:
        """Let the clock run."""
        self._since = perf_counter()

    def stop(self) -> None:
        """Stop the clock."""
        if self._since is not None:
            self.seconds[self._where] += perf_counter() - self._since
            self._since = None


class Recorder:
    """Counts and times calls, in any number of threads."""

    def __init__(self) -> None:
        self._rows: dict[str, ReportRow] = {}
        self._lock = Lock()
        self._current: ContextVar[Call | None] = ContextVar("current call", default=None)

    @contextmanager
    def call(self, what: str, subject: object = None) -> Iterator[Call]:
        """Time a call.

        Parameters
        ----------
        what : str
            Class and method of Gammapy.
        subject : object, optional
            Whose method it is.
        """
        outer, call = self._current.get(), Call(what, subject)
        with self._lock:
            self._rows.setdefault(what, ReportRow(what=what))  # so that a call is listed before those inside
        if outer is not None:
            outer.stop()
        token = self._current.set(call)
        call.start()
        try:
            yield call
        finally:
            call.stop()
            self._current.reset(token)
            self._add(what, call)
            if outer is not None:
                outer.start()

    def is_inside(self, subject: object, method: str) -> bool:
        """Return whether a method of an object is running, so that a call is that of a base class.

        Parameters
        ----------
        subject : object
        method : str
            Its name, without that of the class.
        """
        current = self._current.get()
        return current is not None and current.subject is subject and current.what.endswith(f".{method}")

    def report(self) -> Report:
        """Return the calls so far."""
        with self._lock:
            rows = [
                replace(row, reasons=dict(row.reasons), differences=dict(row.differences), messages=dict(row.messages))
                for row in self._rows.values()
                if row.calls
            ]
        return Report(tuple(rows))

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._rows.clear()

    def _add(self, what: str, call: Call) -> None:
        with self._lock:
            row = self._rows.setdefault(what, ReportRow(what=what))
            row.calls += 1
            row.lightpool_seconds += call.seconds["lightpool"]
            row.gammapy_seconds += call.seconds["gammapy"]
            for difference in call.differences:
                row.differences[difference] = row.differences.get(difference, 0) + 1
            for message in call.messages:
                row.messages[message] = row.messages.get(message, 0) + 1
            if call.reason is not None:
                row.fallbacks += 1
                row.reasons[call.reason] = row.reasons.get(call.reason, 0) + 1


RECORDER = Recorder()
"""The calls of this process."""
