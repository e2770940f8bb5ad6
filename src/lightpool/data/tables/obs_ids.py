"""Observation IDs: whole numbers, which some files write as text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError

__all__ = ["is_obs_id", "obs_id_numbers", "obs_id_of"]


def obs_id_of(value: Any, where: str) -> int:
    """Observation ID of a keyword or an argument: a whole number, also one written as text, with blanks or zeros.

    Raises
    ------
    FormatError
        If it is anything else; the message begins with ``where``.
    """
    try:
        number = int(value.strip()) if isinstance(value, str) else int(value)
        if isinstance(value, str) or number == value:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise FormatError(
        f"{where}: OBS_ID = {value!r}, expected a whole number (also as text, such as '23523'); an observation is "
        "found by it: give it one in the index and in the header of its events"
    )


def is_obs_id(value: Any, obs_id: Any) -> bool:
    """Whether a keyword says an observation ID, as a number or as text."""
    try:
        return bool(obs_id_of(value, "") == obs_id)
    except FormatError:
        return False


def obs_id_numbers(values: Any, where: str) -> NDArray[np.integer[Any]]:
    """Observation IDs of a column as whole numbers; a column of whole numbers as it is."""
    numbers: NDArray[Any] = np.asarray(values)
    if numbers.dtype.kind not in "iu":
        found = [obs_id_of(value, f"{where}, row {row}") for row, value in enumerate(numbers.tolist())]
        numbers = np.array(found, dtype=np.int64)
    return numbers
