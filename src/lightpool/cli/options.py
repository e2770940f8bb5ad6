"""Arguments of commands: paths as users write them, and mutually exclusive options."""

from os import PathLike
from pathlib import Path

import click

__all__ = ["AnyPlace", "LocalPath", "refuse_together"]


class LocalPath(click.Path):
    """A path in which ``~`` and variables are expanded if the shell has not done so, as in ``'--output=$HOME/crab'``.

    The value is a `pathlib.Path`.

    Parameters
    ----------
    file_okay, dir_okay : bool
        Whether the path may be a file, or a folder, if it exists.
    """

    def __init__(self, *, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(path_type=Path, file_okay=file_okay, dir_okay=dir_okay)

    def convert(
        self, value: str | PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | PathLike[str]:
        """Return the path; anything but a local path ends the command as wrong usage.

        Parameters
        ----------
        value : str or path
        param : click.Parameter or None
        ctx : click.Context or None
        """
        from lightpool.fits.paths import expanded_path

        try:
            expanded = expanded_path(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return super().convert(str(expanded), param, ctx)


class AnyPlace(LocalPath):
    """A path, as `LocalPath`, or an address, such as ``https://host/store``, whose value is a text."""

    def convert(
        self, value: str | PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | PathLike[str]:
        """Return the path or the address.

        Parameters
        ----------
        value : str or path
        param : click.Parameter or None
        ctx : click.Context or None
        """
        from lightpool.errors import LightpoolError
        from lightpool.fits.remote import place_of

        try:
            place = place_of(value)
        except (LightpoolError, ValueError) as error:
            self.fail(str(error), param, ctx)
        return place if isinstance(place, str) else super().convert(value, param, ctx)


def refuse_together(first: str, second: str, values: tuple[object, object], advice: str) -> None:
    """End the command as wrong usage if two mutually exclusive options are given.

    Parameters
    ----------
    first, second : str
        Names of the options.
    values : (object, object)
        Their values; None and False mean that an option is not given.
    advice : str
        What each of them does.
    """
    if all(value not in (None, False) for value in values):
        raise click.UsageError(f"{first} and {second} are mutually exclusive: {advice}. Give only one of them.")
