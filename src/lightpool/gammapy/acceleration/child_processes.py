"""Processes that `multiprocessing` starts do what this one has set up, whether they are forked or start anew."""

import logging
from collections.abc import Callable
from multiprocessing import current_process

__all__ = ["have_children_do", "leave_children_alone"]

log = logging.getLogger(__name__)

_KEY = "lightpool.gammapy"


def have_children_do(setup: Callable[[], object]) -> None:
    """Have each process that is started from now on call a function before its work.

    A process that does not inherit the memory of this one unpickles a description of itself, the settings of its
    parent included; among them, the function is called.

    Parameters
    ----------
    setup : callable without arguments that can be pickled
        Not called in forked processes, which inherit what it did here.
    """
    _settings()[_KEY] = _Setup(setup)


def leave_children_alone() -> None:
    """Undo `have_children_do`."""
    _settings().pop(_KEY, None)


def _settings() -> dict[str, object]:
    # Private, because multiprocessing has no public settings that it passes on; the same since Python 3.2.
    settings: dict[str, object] = getattr(current_process(), "_config", {})
    return settings


class _Setup:
    def __init__(self, setup: Callable[[], object]) -> None:
        self._setup = setup

    def __reduce__(self) -> "tuple[Callable[[Callable[[], object]], _Setup], tuple[Callable[[], object]]]":
        return _begin, (self._setup,)


def _begin(setup: Callable[[], object]) -> _Setup:
    try:
        setup()
    except Exception as error:  # the work of the process does not depend on it
        log.warning("this process runs without acceleration: %s", error)
    return _Setup(setup)
