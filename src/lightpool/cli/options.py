"""Arguments of commands: paths and quantities as users write them, numbers of runs, and mutually exclusive options."""

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from astropy.units import Quantity

    from lightpool.data import DataStore

    QuantityType = click.ParamType[Quantity]
else:
    QuantityType = click.ParamType  # older releases of click cannot be told the type of its values

__all__ = ["AnyPlace", "LocalPath", "QuantityWithUnit", "refuse_together", "run_numbers"]


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


class QuantityWithUnit(QuantityType):
    """A positive angle or energy, such as ``0.5deg``; a plain number is in deg or TeV.

    Parameters
    ----------
    unit : {"deg", "TeV"}
    """

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.name = "angle" if unit == "deg" else "energy"

    def convert(self, value: "str | Quantity", param: click.Parameter | None, ctx: click.Context | None) -> "Quantity":
        """Return the quantity, an `~astropy.coordinates.Angle` if it is an angle.

        Parameters
        ----------
        value : str or Quantity
        param : click.Parameter or None
        ctx : click.Context or None
        """
        from astropy.coordinates import Angle

        from lightpool.config.quantities import positive_quantity

        try:
            found = positive_quantity(str(value), self.unit)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return Angle(found) if self.unit == "deg" else found


def run_numbers(store: "DataStore", runs: str | None) -> Sequence[int]:
    """Return the numbers of the selected observations.

    Parameters
    ----------
    store : DataStore
    runs : str or None
        Numbers such as ``1,2,5``, or the name of a file with them; all by default.

    Raises
    ------
    ConfigError
        If there is none, or one is not in the data store.
    """
    from lightpool.errors import ConfigError
    from lightpool.fits import read_text

    listed: list[int] = store.obs_ids.tolist()
    if runs is None:
        return listed
    text = read_text(runs) if os.path.exists(runs) else runs
    try:
        wanted = [int(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise ConfigError(f"--runs {runs} is neither a file nor a list of numbers such as 1,2,5") from error
    if not wanted:
        what = f"the file {runs} has none" if os.path.exists(runs) else f"got {runs!r}"
        raise ConfigError(f"--runs: expected numbers of runs such as 1,2,5, {what}")
    if unknown := sorted(set(wanted) - set(listed)):
        raise ConfigError(f"--runs: the data store does not contain {', '.join(map(str, unknown))}")
    return list(dict.fromkeys(wanted))


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
