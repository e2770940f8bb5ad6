"""Puts lightpool's functions in the place of Gammapy's methods, and Gammapy's back."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from inspect import getattr_static

from lightpool.arrays import find_device
from lightpool.errors import DiffersFromGammapyError
from lightpool.gammapy.acceleration.child_processes import have_children_do, leave_children_alone
from lightpool.gammapy.acceleration.messages import stop_redirecting_messages
from lightpool.gammapy.acceleration.report import RECORDER, Call
from lightpool.gammapy.acceleration.settings import Settings
from lightpool.gammapy.acceleration.take_over import TAKE_OVERS, NotTakenOverError, TakeOver, original_of
from lightpool.typing import GammapyObject

__all__ = ["accelerate", "accelerated", "is_accelerated", "restore"]

_lock = threading.RLock()
_settings: Settings | None = None
_patches: "list[_Patch]" = []


@dataclass(frozen=True)
class _Patch:
    """A method that was replaced."""

    owner: type
    name: str
    before: object
    was_own: bool  # not inherited
    wrapper: object

    def undo(self) -> None:
        # Somebody else may have replaced it since: theirs stays, and what they call falls through to Gammapy.
        if vars(self.owner).get(self.name) is not self.wrapper:
            return
        if self.was_own:
            setattr(self.owner, self.name, self.before)
        else:
            delattr(self.owner, self.name)


def accelerate(device: str | None = None, strict: bool = False) -> None:
    """Let lightpool do the work of Gammapy's makers from now on; `restore` ends it.

    All code that uses Gammapy in this process, and in those that it starts with `multiprocessing`, is accelerated, also
    what was imported before. Results are objects of
    Gammapy, with arrays of NumPy. What lightpool cannot do, Gammapy does; `report` says what and why. A second call
    changes the settings.

    Parameters
    ----------
    device : str, optional
        Where lightpool computes: ``cpu``, ``cuda``, ``torch`` and others, see `lightpool.set_default_device`. By
        default the environment variable ``LIGHTPOOL_DEVICE``, or ``cpu``.
    strict : bool
        Whether Gammapy also does what lightpool does differently on purpose, as listed in docs/differences.md.

    Raises
    ------
    DeviceError
        If the device is not available.
    """
    name = find_device(device).name if device is not None else None
    with _lock:
        _set(Settings(name, strict))
        if not _patches:
            _patches.extend(_put_in_place(take_over) for take_over in TAKE_OVERS)


def restore() -> None:
    """Give Gammapy's classes their own methods back."""
    with _lock:
        while _patches:
            _patches.pop().undo()
        _set(None)


@contextmanager
def accelerated(device: str | None = None, strict: bool = False) -> Iterator[None]:
    """Accelerate Gammapy inside of a ``with`` block; afterwards it is as before, accelerated or not.

    Parameters
    ----------
    device, strict : as for `accelerate`

    Examples
    --------
    >>> from gammapy.makers import MapDatasetMaker
    >>> from lightpool.gammapy import accelerated
    >>> plain = MapDatasetMaker.run
    >>> with accelerated():
    ...     MapDatasetMaker.run is plain
    False
    >>> MapDatasetMaker.run is plain
    True
    """
    before = _settings
    accelerate(device, strict)
    try:
        yield
    finally:
        if before is None:
            restore()
        else:
            with _lock:
                _set(before)


def is_accelerated() -> bool:
    """Return whether lightpool does the work of Gammapy's makers."""
    return _settings is not None


def _set(settings: Settings | None) -> None:
    global _settings
    _settings = settings
    if settings is None:
        leave_children_alone()
        stop_redirecting_messages()
    else:
        have_children_do(functools.partial(accelerate, settings.device, settings.strict))


def _put_in_place(take_over: TakeOver) -> _Patch:
    owner, name = take_over.owner, take_over.method
    # Others may have put a wrapper back that was taken away.
    before: GammapyObject = original_of(getattr_static(owner, name))
    wrapper: GammapyObject
    if isinstance(before, classmethod):
        wrapper = classmethod(_wrapper(take_over, before.__func__))
        wrapper.lightpool_replaces = before
    else:
        wrapper = _wrapper(take_over, before)
    patch = _Patch(owner, name, before, name in vars(owner), wrapper)
    setattr(owner, name, wrapper)
    return patch


def _wrapper(take_over: TakeOver, original: Callable[..., GammapyObject]) -> Callable[..., GammapyObject]:
    @functools.wraps(original)
    def run(self: GammapyObject, *args: GammapyObject, **kwargs: GammapyObject) -> GammapyObject:
        settings = _settings
        # A method that has fallen back calls that of its base class, which could not be taken over either.
        if settings is None or RECORDER.is_inside(self, take_over.method):
            return original(self, *args, **kwargs)
        with RECORDER.call(take_over.what, self) if take_over.is_listed else nullcontext(Call()) as call:
            # Whatever goes wrong here, Gammapy does the work.
            try:
                take_over.require_plain(self)
                with settings.applied(call):
                    commit = take_over.function(self, *args, **kwargs)
                if not take_over.runs_others:
                    return commit()
            except Exception as error:
                call.fall_back(_reason(error))
                commit = functools.partial(original, self, *args, **kwargs)
            return commit()

    run.lightpool_replaces = original  # type: ignore[attr-defined]  # see `original_of`
    return run


def _reason(error: Exception) -> str:
    if isinstance(error, NotTakenOverError | DiffersFromGammapyError):
        return str(error)
    return f"{type(error).__name__}: {error}"
