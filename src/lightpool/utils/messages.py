"""Log messages as lines of a terminal, and the handlers of the logger ``lightpool``.

Most warnings of lightpool are about numbers: something was assumed, or is left out. They must not be lost where a
script never sets up logging, and must not be printed twice, or unasked, where it does.
"""

import logging

from lightpool.utils import pbar
from lightpool.utils.secret_texts import hide_secrets
from lightpool.utils.text import printable

__all__ = ["LineFormatter", "TerminalHandler", "add_handlers"]

_NOTHING = "lightpool: nothing"
_UNHEARD = "lightpool: warnings that nobody takes"
_OWN = {_NOTHING, _UNHEARD}


class LineFormatter(logging.Formatter):
    """Log records without control characters, passwords and tokens; further lines are indented, unlike records."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return printable(hide_secrets(super().format(record))).replace("\n", "\n    ")


class TerminalHandler(logging.Handler):
    """Print each record as one line on standard error, however long, and above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        try:
            pbar.print_line(self.format(record))
        except Exception:
            self.handleError(record)


class _UnheardHandler(TerminalHandler):
    """Print warnings that would reach no handler: where logging is not set up, as Python's last resort does."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record unless a handler of somebody else has it."""
        if not _is_heard(record.name):
            super().emit(record)


def _is_heard(name: str) -> bool:
    """Return whether a handler other than those of `add_handlers` gets the records of a logger."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        if any(handler.name not in _OWN for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def add_handlers() -> None:
    """Add two handlers to the logger ``lightpool``, unless it has them: a `NullHandler`, and one for unheard warnings.

    The second prints warnings and errors on standard error as long as no other handler, of this logger, of the root
    or of a logger in between, takes them. The first is for those who remove it: nothing is printed then.
    """
    logger = logging.getLogger("lightpool")
    present = {handler.name for handler in logger.handlers}
    nothing, unheard = logging.NullHandler(), _UnheardHandler(logging.WARNING)
    unheard.setFormatter(LineFormatter("%(levelname)s: %(message)s [%(name)s]"))
    for handler, name in ((nothing, _NOTHING), (unheard, _UNHEARD)):
        if name not in present:
            handler.name = name
            logger.addHandler(handler)
