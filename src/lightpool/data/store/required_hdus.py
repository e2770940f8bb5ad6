"""Which HDUs an observation of a data store must have."""

from collections.abc import Iterable

from lightpool.data.tables.part_names import RESPONSES
from lightpool.errors import MissingDataError, UnknownNameError

__all__ = [
    "ALL_HDUS",
    "ALL_IRFS",
    "REQUIRED_IRFS",
    "MissingRequiredHDU",
    "MissingRequiredHDUError",
    "require_listed",
    "required_hdus",
    "sufficient_arguments",
]

ALL_IRFS = RESPONSES
ALL_HDUS = ("events", "gti", "pointing", *ALL_IRFS)
# The names and their contents are those of Gammapy.
REQUIRED_IRFS: dict[str, set[str]] = {
    "full-enclosure": {"aeff", "edisp", "psf", "bkg"},
    "point-like": {"aeff", "edisp"},
    "all-optional": set(),
}


class MissingRequiredHDUError(MissingDataError):
    """The HDU index lists no HDU of a requested kind."""


MissingRequiredHDU = MissingRequiredHDUError
"""The name that Gammapy has for it."""


def require_listed(obs_id: int, required: set[str], listed: set[str]) -> None:
    """Check that the HDU index lists what is required of an observation.

    Parameters
    ----------
    obs_id : int, for the error
    required, listed : set of str, kinds of HDUs

    Raises
    ------
    MissingRequiredHDUError
        If it does not.
    """
    missing = sorted(required - listed)
    if missing:
        raise MissingRequiredHDUError(
            f"Required HDUs {missing} not found in observation {obs_id}: the index lists "
            f"{', '.join(sorted(listed))}. If what is missing is not needed, pass "
            f"{sufficient_arguments(required, listed)}"
        )


def sufficient_arguments(required: set[str], listed: set[str]) -> str:
    """Return the arguments of `DataStore.get_observations` that require no more than an observation has.

    Parameters
    ----------
    required : set of str, kinds of HDUs that were required
    listed : set of str, kinds that the HDU index lists
    """
    arguments = []
    if not required & set(ALL_IRFS) <= listed:
        fitting = [name for name, needed in REQUIRED_IRFS.items() if needed and needed <= listed]
        arguments.append(f"required_irf={fitting[0] if fitting else 'all-optional'!r}")
    if not required & {"events", "gti"} <= listed:
        arguments.append("require_events=False")
    return " and ".join(arguments)


def required_hdus(required_irf: str | Iterable[str], require_events: bool) -> set[str]:
    """Return the kinds of HDUs that the arguments of `DataStore.get_observations` require.

    Parameters
    ----------
    required_irf : "full-enclosure", "point-like", "all-optional", or kinds of responses
    require_events : bool, whether events and GTI are required as well

    Raises
    ------
    ValueError
        If a kind is not known.
    """
    if isinstance(required_irf, str):
        if required_irf not in REQUIRED_IRFS:
            raise UnknownNameError(
                f"required_irf = {required_irf!r}, expected one of {list(REQUIRED_IRFS)} or a list of {ALL_IRFS}"
            )
        required = set(REQUIRED_IRFS[required_irf])
    elif isinstance(required_irf, Iterable):
        required = set(required_irf)
    else:
        raise ValueError(
            f"required_irf = {required_irf!r}, expected one of {list(REQUIRED_IRFS)} or a list of {ALL_IRFS}"
        )
    unknown = sorted(required - {*ALL_IRFS, "events", "gti"})
    if unknown:
        raise ValueError(f"{unknown} is not a valid hdu key. Choose from: {list(ALL_IRFS)}")
    return required | ({"events", "gti"} if require_events else set())
