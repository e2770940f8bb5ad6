"""Arguments of commands: paths as users write them, and options that do not go together."""

from pathlib import Path
from typing import Any

import click

__all__ = ["LocalPath", "refuse_together"]


class LocalPath(click.Path):
    """A path with ``~`` and variables expanded, where the shell has left them, as in ``--output=$HOME/crab`` in quotes.

    Parameters are those of `click.Path`; the value is a `pathlib.Path`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Path of this machine; anything else ends the command as wrong use."""
        from lightpool.fits.paths import expanded_path

        try:
            expanded = expanded_path(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return super().convert(str(expanded), param, ctx)


def refuse_together(first: str, second: str, values: tuple[Any, Any], advice: str) -> None:
    """End the command as wrong use if two options are given that contradict each other.

    Parameters
    ----------
    first, second : str, names of the options
    values : their values
    advice : str, what each of them does
    """
    if all(value not in (None, False) for value in values):
        raise click.UsageError(f"{first} and {second} contradict each other: {advice}. Give one of them.")
