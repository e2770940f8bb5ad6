"""The exception classes of the package; every one is also the built-in that describes it best."""

__all__ = [
    "ConfigError",
    "DamagedFileError",
    "DeviceError",
    "FolderInUseError",
    "FormatError",
    "GeometryError",
    "InputChangedError",
    "LightpoolError",
    "MissingColumnError",
    "MissingDataError",
    "NoOverlapError",
    "OutOfMemoryError",
    "ReductionError",
    "RemoteFileError",
    "ResumeError",
    "TimeLimitError",
    "TransferError",
    "UnreadableFileError",
    "VersionMismatchError",
    "WorkerDiedError",
    "WrongUnitError",
]


class LightpoolError(Exception):
    """Base of all errors that the package raises on purpose."""


class ConfigError(LightpoolError, ValueError):
    """A settings file asks for what is not known or does not fit; names its lines and keys."""


class DeviceError(LightpoolError, RuntimeError):
    """A device was asked for that is not there, or an array was met on another device than expected."""


class FolderInUseError(LightpoolError, RuntimeError):
    """Another process writes to the same folder of results; says which one."""


class FormatError(LightpoolError, ValueError):
    """A file is there but does not hold what its format asks for: a column, a unit, an axis, a keyword."""


class DamagedFileError(FormatError):
    """A file is cut off, or its bytes are not those that were written: it is to be fetched again."""


class MissingColumnError(FormatError):
    """A table lacks a column that its format asks for."""


class WrongUnitError(FormatError):
    """A column has no unit, an unknown one, or one of another kind."""


class MissingDataError(LightpoolError, FileNotFoundError):
    """A file, an HDU or a table row that an index promises is not there."""


class UnreadableFileError(LightpoolError, OSError):
    """A file is there, but the system does not let it be read: permissions, or a fault of the disk."""


class GeometryError(LightpoolError, ValueError):
    """Two geometries or sets of axes were combined that do not fit."""


class InputChangedError(LightpoolError, RuntimeError):
    """A file that a reduction reads was changed while it ran; names the file. What is done is kept."""


class NoOverlapError(GeometryError):
    """A cutout lies wholly outside the map that it is cut from."""


class OutOfMemoryError(LightpoolError, MemoryError):
    """Something larger was asked for than a device has free; says how much of each, and what to change."""


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
    """A file or folder is named by an address on the network, and such files cannot be read."""


class ResumeError(LightpoolError, RuntimeError):
    """A reduction cannot go on from what is in its folder; says what differs and what to do."""


class TransferError(LightpoolError, TypeError):
    """An object cannot be sent to another process, such as a maker that holds a lock or an open file."""


class TimeLimitError(LightpoolError, TimeoutError):
    """An observation took longer than the time limit of the settings allows."""


class VersionMismatchError(LightpoolError, RuntimeError):
    """A worker runs other code than the process that gave it its work; names both versions."""


class WorkerDiedError(LightpoolError, RuntimeError):
    """A process that reduced observations ended before it was done; says which observations and how it ended."""
