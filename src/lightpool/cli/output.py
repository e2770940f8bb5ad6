"""All output of commands: lines are not mixed, and control characters from files never reach the terminal."""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import click

from lightpool.utils.messages import LineFormatter, TerminalHandler
from lightpool.utils.secret_texts import hide_secrets
from lightpool.utils.text import printable

__all__ = ["install_traceback", "logged", "printable_errors", "say", "show_traceback"]

log = logging.getLogger("lightpool")


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text with control characters escaped, and without the passwords and tokens of addresses.

    Parameters
    ----------
    text : object
        Converted to str.
    err : bool
        Whether to print to standard error.
    nl : bool
        Whether to append a newline.
    """
    click.echo(printable(hide_secrets(str(text))), err=err, nl=nl)


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an unexpected error; for ``sys.excepthook``.

    Parameters
    ----------
    kind : type of BaseException
    error : BaseException
    trace : traceback or None
    """
    say("".join(traceback.format_exception(kind, error, trace)), err=True, nl=False)


@contextmanager
def printable_errors() -> Iterator[None]:
    """Escape control characters in the messages of click about wrong arguments."""
    try:
        yield
    except click.ClickException as error:
        error.message = printable(hide_secrets(error.message))  # type: ignore[misc]  # click gives no other way
        raise


@contextmanager
def logged(log_file: Path | None = None, *, verbose: bool = False) -> Iterator[None]:
    """Show log messages and warnings on standard error, and write them to a file.

    Parameters
    ----------
    log_file : Path, optional
    verbose : bool
        Whether to show messages of level INFO on standard error; the file always contains them.
    """
    terminal = TerminalHandler(logging.INFO if verbose else logging.WARNING)
    terminal.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    handlers: list[logging.Handler] = [terminal]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, encoding="utf-8"))
        handlers[1].setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [log, logging.getLogger("py.warnings")]
    level = log.level
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for logger in loggers:
        for handler in handlers:
            logger.addHandler(handler)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        log.setLevel(level)
        for logger in loggers:
            for handler in handlers:
                logger.removeHandler(handler)
        for handler in handlers:
            handler.close()


def install_traceback() -> None:
    """Print unexpected errors with `show_traceback`, unless another hook is installed."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = show_traceback
