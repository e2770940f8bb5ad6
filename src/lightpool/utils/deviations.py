"""Announcements that a number is about to differ from that of Gammapy 2.1, for those who want to know.

docs/differences.md lists where lightpool differs. Code that takes such a way says so with `deviates`, at the place and
under the condition where the numbers differ, and before it changes anything. Usually nobody listens, and it costs no
more than reading one variable. `lightpool.gammapy` listens: it notes the differences for its report, or refuses them
and lets Gammapy do the work.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lightpool.errors import DiffersFromGammapyError

__all__ = ["deviates", "deviations_are_heard", "noted_deviations", "refused_deviations"]

# A context variable, so that two threads do not hear each other; threads that lightpool starts inherit it.
_listeners: ContextVar[tuple[Callable[[str], None], ...]] = ContextVar("lightpool_deviations", default=())


def deviates(what: str) -> None:
    """Announce that a number is about to differ from that of Gammapy 2.1.

    Parameters
    ----------
    what : str
        A text of the table "Announcements" in docs/differences.md.

    Raises
    ------
    DiffersFromGammapyError
        Inside of `refused_deviations`.
    """
    for listener in _listeners.get():
        listener(what)


def deviations_are_heard() -> bool:
    """Return whether anybody listens; if not, a condition that is costly to evaluate need not be."""
    return bool(_listeners.get())


@contextmanager
def noted_deviations() -> Iterator[list[str]]:
    """Yield a list to which each kind of difference is added when it is announced for the first time."""
    found: list[str] = []

    def note(what: str) -> None:
        if what not in found:
            found.append(what)

    with _listening(note):
        yield found


@contextmanager
def refused_deviations() -> Iterator[None]:
    """Raise an error where a difference is announced.

    Code in between may catch that error, or make another one of it. On leaving, it is raised again, so that no result
    gets out in which a number differs.

    Raises
    ------
    DiffersFromGammapyError
        If a difference was announced.
    """

    def refuse(what: str) -> None:
        raise DiffersFromGammapyError(f"Gammapy has other numbers: {what}")

    with noted_deviations() as found, _listening(refuse):
        try:
            yield
        except DiffersFromGammapyError:
            raise
        except Exception as error:
            if found:
                raise DiffersFromGammapyError(f"Gammapy has other numbers: {found[0]}") from error
            raise
        if found:
            raise DiffersFromGammapyError(f"Gammapy has other numbers: {found[0]}")


@contextmanager
def _listening(listener: Callable[[str], None]) -> Iterator[None]:
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)
