"""Observation IDs: whole numbers, which some files write as text."""

from typing import Any, SupportsInt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightpool.errors import FormatError

__all__ = ["is_obs_id", "obs_id_numbers", "obs_id_of"]


def obs_id_of(value: str | SupportsInt, where: str) -> int:
    """Return the observation ID in a keyword or an argument.

    Parameters
    ----------
    value : whole number, or text of one, with or without blanks and leading zeros
    where : str, begins the message of an error

    Raises
    ------
    FormatError
        If it is anything else.
    """
    try:
        number = int(value.strip()) if isinstance(value, str) else int(value)
        # int() cuts off decimals: 1.5 is not an observation ID.
        if isinstance(value, str) or number == value:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise FormatError(
        f"{where}: OBS_ID = {value!r}, expected a whole number (also as text, such as '23523'); an observation is "
        "found by it: give it one in the index and in the header of its events"
    )


def is_obs_id(value: str | SupportsInt, obs_id: int | None) -> bool:
    """Return whether a keyword holds an observation ID.

    Parameters
    ----------
    value : value of the keyword, a number or text
    obs_id : int, or None for an observation without ID
    """
    try:
        return bool(obs_id_of(value, "") == obs_id)
    except FormatError:
        return False


def obs_id_numbers(values: ArrayLike, where: str) -> NDArray[np.integer[Any]]:
    """Return the observation IDs of a column as whole numbers; a column of whole numbers is returned unchanged.

    Parameters
    ----------
    values : array-like, shape (n_row,)
    where : str, begins the message of an error

    Raises
    ------
    FormatError
        If a value is not an observation ID.
    """
    numbers: NDArray[Any] = np.asarray(values)
    if numbers.dtype.kind not in "iu":
        found = [obs_id_of(value, f"{where}, row {row}") for row, value in enumerate(numbers.tolist())]
        numbers = np.array(found, dtype=np.int64)
    return numbers
