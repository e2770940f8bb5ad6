"""Names of columns and HDUs, which FITS compares without regard to case."""

from collections.abc import Iterable

from lightpool.errors import FormatError

__all__ = ["match_name"]


def match_name(wanted: str, names: Iterable[str], where: str) -> str | None:
    """Find a name: the exact one if it exists, else the one that differs only in case.

    Parameters
    ----------
    wanted : str
    names : iterable of str
    where : str, begins the message of an error: the file and what the names are of

    Returns
    -------
    name : str as it is spelled in ``names``, or None if there is none

    Raises
    ------
    FormatError
        If several names differ from the wanted one only in case, and none is exact.
    """
    folded, alike = wanted.upper(), []
    for name in names:
        if name == wanted:
            return name
        if name.upper() == folded:
            alike.append(name)
    if len(set(alike)) > 1:
        raise FormatError(
            f"{where}: {', '.join(map(repr, alike))} all match {wanted!r}, and none is spelled exactly so; rename all "
            "but one"
        )
    return alike[0] if alike else None
