"""Processes that do not run the script that starts them again, so it needs neither a guard nor a file."""

import contextlib
import json
import multiprocessing.spawn
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import ModuleType
from typing import cast

from lightpool.arrays.devices.blas_threads import one_thread_each
from lightpool.errors import TransferError

__all__ = ["WorkerProcess", "packed", "script_not_run_again", "spawn_main", "unpacked"]

_START = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from lightpool.makers.parallel import worker_processes; worker_processes.spawn_main()"
)
"""What the interpreter of a worker runs; `multiprocessing` would run the script of its parent again."""


class WorkerProcess:
    """A Python process that calls one function and ends.

    It is started by a command of its own: not forked, as threads of this process may hold locks, and without running
    the script, the notebook or the standard input that this process runs. It ends when this process ends.

    Parameters
    ----------
    do : callable
        Called in the process with its end of the connection and the arguments. What ``__main__`` defines is sent by
        value, everything else by the name of its module.
    *args
        Further arguments.

    Attributes
    ----------
    connection : Connection
        The end of this process. After the process has ended, receiving raises EOFError or OSError.

    Raises
    ------
    TransferError
        If the function or an argument cannot be sent.
    """

    def __init__(self, do: Callable[..., None], *args: object) -> None:
        # Before the process starts: what cannot be sent leaves none behind.
        first = packed((do, args))
        self.connection, its_end = Pipe()
        lifeline, self._lifeline = os.pipe()
        try:
            # The environment of the new process: libraries read their number of threads when they are loaded.
            with one_thread_each():
                self._process = _started(its_end.fileno(), lifeline)
        except BaseException:
            os.close(self._lifeline)
            self.connection.close()
            raise
        finally:
            # The process has its own copies: with these open, reading would not end when it does.
            its_end.close()
            os.close(lifeline)
        self._sending = threading.Lock()
        with contextlib.suppress(OSError):  # it has died already: receiving its first answer will raise the error
            self.send_bytes(first)

    def send_bytes(self, data: bytes) -> None:
        """Send a message; OSError if the process has ended. Threads may call it at the same time."""
        with self._sending:
            self.connection.send_bytes(data)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def is_alive(self) -> bool:
        """Return whether it is still running."""
        return self.exitcode is None

    def terminate(self) -> None:
        """Ask it to end at once."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, or for so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        if self.exitcode is not None and self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def how_it_ended(self) -> str:
        """Return a description of the exit code, such as "was killed by SIGKILL"."""
        self.join()
        code = self._process.returncode
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"


@contextlib.contextmanager
def script_not_run_again() -> Iterator[None]:
    """Keep processes that other libraries start by `multiprocessing` in a ``with`` block from running the script again.

    They run the file that ``__main__`` was loaded from, and a script without a guard would start them once more.
    """
    main = sys.modules["__main__"]
    hidden: dict[str, object] = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    try:
        vars(main).pop("__file__", None)
        # `multiprocessing` takes the path of the script from these two, and runs nothing without them.
        main.__spec__ = None
        yield
    finally:
        vars(main).update(hidden)


def packed(value: object) -> bytes:
    """Return the bytes of an object for another process.

    Raises
    ------
    TransferError
        If it cannot be sent, such as a lock or an open file.
    """
    try:
        return bytes(_pickle().dumps(value))
    except MemoryError:
        raise
    except Exception as error:  # whatever the parts of the object raise
        raise TransferError(f"{type(error).__name__}: {error}") from error


def unpacked(data: bytes) -> object:
    """Return an object that another process sent.

    Raises
    ------
    TransferError
        If what defines it cannot be imported here.
    """
    try:
        value: object = pickle.loads(data)
        return value
    except MemoryError:
        raise
    except Exception as error:  # whatever the parts of the object raise
        by_value = "" if _pickle() is not pickle else "; with `pip install cloudpickle` the script itself will do"
        raise TransferError(
            f"{type(error).__name__}: {error}; other processes must be able to import what defines makers and "
            f"functions: put it into a module next to the script, or use one process{by_value}"
        ) from error


def _pickle() -> ModuleType:
    """Return cloudpickle, if it is installed, which sends the contents of ``__main__`` by value, or else `pickle`."""
    try:
        return import_module("cloudpickle")
    except ImportError:
        return pickle


def _started(connection: int, lifeline: int) -> "subprocess.Popen[bytes]":
    """Start the process; it inherits one end of the connection, and of a pipe that closes when this process ends."""
    interpreter = os.fsdecode(multiprocessing.spawn.get_executable())  # `multiprocessing.set_executable` may change it
    folders = [folder for folder in sys.path if isinstance(folder, str)]
    command = [interpreter, "-P", "-c", _START, json.dumps(folders)]  # -P: modules in the working folder hide no others
    if sys.platform == "win32":  # handles instead of descriptors
        import msvcrt

        handles = [connection, msvcrt.get_osfhandle(lifeline)]
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        info = subprocess.STARTUPINFO(lpAttributeList={"handle_list": handles})
        return subprocess.Popen([*command, *map(str, handles)], stdin=subprocess.DEVNULL, startupinfo=info)
    numbers = [connection, lifeline]
    return subprocess.Popen([*command, *map(str, numbers)], stdin=subprocess.DEVNULL, pass_fds=numbers)


def spawn_main() -> None:
    """Run in a worker: call the function that the parent sends."""
    number, lifeline = map(int, sys.argv[2:4])
    # Code that the process imports must not take these for options.
    del sys.argv[1:]
    if sys.platform == "win32":
        import msvcrt

        lifeline = msvcrt.open_osfhandle(lifeline, os.O_RDONLY)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    connection = _connection(number)
    try:
        do, args = cast("tuple[Callable[..., None], tuple[object, ...]]", unpacked(connection.recv_bytes()))
        do(connection, *args)
    except (EOFError, BrokenPipeError):
        return  # the parent has closed the connection
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _connection(number: int) -> Connection:
    """Return one end of a `multiprocessing.Pipe`, given by its descriptor, or on Windows by its handle."""
    if sys.platform == "win32":
        # There, `Connection` is for sockets, and those of a pipe have a class of their own with the same methods.
        from multiprocessing.connection import PipeConnection

        return PipeConnection(number)
    return Connection(number)


def _end_with_parent(lifeline: int) -> None:
    """End this process as soon as the one that started it has ended, for whatever reason."""
    # Nothing is ever written: it returns when the other end is closed.
    os.read(lifeline, 1)
    os._exit(1)
