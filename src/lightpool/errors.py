"""The exception classes of the package; each one also derives from the built-in exception that fits best.

Where Gammapy raises another one for the same input, it derives from that too, so that scripts that catch it still do.
"""

__all__ = [
    "ConfigError",
    "DamagedFileError",
    "DeviceError",
    "DiffersFromGammapyError",
    "FolderInUseError",
    "FormatError",
    "GeometryError",
    "InputChangedError",
    "LightpoolDeprecationWarning",
    "LightpoolError",
    "MissingColumnError",
    "MissingDataError",
    "MissingHDUError",
    "MissingMapError",
    "NoOverlapError",
    "OutOfMemoryError",
    "PartialOverlapError",
    "ReductionError",
    "RemoteFileError",
    "ResumeError",
    "TimeLimitError",
    "TransferError",
    "UnknownNameError",
    "UnreadableFileError",
    "VersionMismatchError",
    "WorkerDiedError",
    "WrongPartError",
    "WrongUnitError",
]


class LightpoolError(Exception):
    """Base of all errors that the package raises on purpose."""


class LightpoolDeprecationWarning(FutureWarning):
    """A name or an argument that is used may be removed in a later version; says what to use instead.

    A FutureWarning, which Python shows wherever it comes from: a DeprecationWarning is shown in scripts and notebooks,
    but not in the modules that they import.
    """


class ConfigError(LightpoolError, ValueError):
    """A settings file has settings that are unknown or do not match; names its lines and keys."""


class DeviceError(LightpoolError, RuntimeError):
    """A device is not available, or an array is on another device than expected."""


class DiffersFromGammapyError(LightpoolError, RuntimeError):
    """A number would differ from Gammapy's where its numbers are asked for; names the difference."""


class FolderInUseError(LightpoolError, RuntimeError):
    """Another process writes to the same folder of results; says which one."""


class FormatError(LightpoolError, ValueError):
    """A file does not contain what its format requires: a column, a unit, an axis, a keyword."""


class DamagedFileError(FormatError):
    """A file is truncated, or its bytes are not those that were written: download it again."""


class _PlainText:
    """Text of an error that derives from `KeyError`, which shows its message in quotes."""

    args: tuple[object, ...]

    def __str__(self) -> str:
        return str(self.args[0]) if len(self.args) == 1 else str(self.args)


class MissingColumnError(_PlainText, FormatError, KeyError):
    """A table lacks a column that its format requires."""


class MissingMapError(_PlainText, FormatError, KeyError):
    """A file lacks the HDU of a map; lists those that it has."""


class WrongUnitError(FormatError):
    """A column has no unit, an unknown unit, or one of the wrong dimension."""


class MissingDataError(LightpoolError, FileNotFoundError):
    """A file, an HDU or a table row that an index refers to does not exist."""


class MissingHDUError(_PlainText, MissingDataError, KeyError):
    """A file lacks an HDU; lists those that it has."""


class UnreadableFileError(LightpoolError, OSError):
    """A file exists but cannot be read: because of its permissions, or a fault of the disk."""


class GeometryError(LightpoolError, ValueError):
    """Two geometries or sets of axes do not match."""


class InputChangedError(LightpoolError, RuntimeError):
    """A file that a reduction reads was changed while it ran; names the file. Completed results are kept."""


class NoOverlapError(GeometryError):
    """A cutout lies entirely outside of the map."""


class OutOfMemoryError(LightpoolError, MemoryError):
    """Something needs more memory than a device has free; says how much of each, and what to change."""


class PartialOverlapError(GeometryError):
    """A cutout that has to lie on the map lies partly outside of it."""


class ReductionError(LightpoolError, RuntimeError):
    """A step failed on an observation; the error of the step is the ``__cause__``.

    Parameters
    ----------
    obs_id : number of the observation
    step : str, name of the step
    error : Exception, what the step raised
    """

    def __init__(self, obs_id: object, step: str, error: BaseException) -> None:
        super().__init__(obs_id, step, error)
        self.obs_id = obs_id
        self.step = step

    def __str__(self) -> str:
        obs_id, step, error = self.args
        return f"observation {obs_id}: {step} failed with {type(error).__name__}: {error}"


class RemoteFileError(LightpoolError, ValueError):
    """A network address cannot be read, or is given where only paths of this machine can be used."""


class ResumeError(LightpoolError, RuntimeError):
    """A reduction cannot be resumed from its folder; says what differs and what to do."""


class TransferError(LightpoolError, TypeError):
    """An object cannot be sent to another process, such as a maker that holds a lock or an open file."""


class UnknownNameError(_PlainText, LightpoolError, ValueError, KeyError):
    """An argument is none of the names that it can have; lists them."""


class TimeLimitError(LightpoolError, TimeoutError):
    """An observation took longer than the time limit of the settings allows."""


class VersionMismatchError(LightpoolError, RuntimeError):
    """A worker runs other code than the process that assigned its work; names both versions."""


class WorkerDiedError(LightpoolError, RuntimeError):
    """A process that reduced observations ended early; says which observations and how it ended."""


class WrongPartError(LightpoolError, TypeError, ValueError):
    """A part of a dataset has another class than expected."""
