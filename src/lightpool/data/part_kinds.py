"""What each part of an observation may be: a table in the field of view, or a map on the sky."""

from typing import TypeAlias

from lightpool.data.tables.part_names import RESPONSES
from lightpool.errors import FormatError
from lightpool.irf import IRF, IRF_CLASSES, EDispKernelMap, EDispMap, IRFMap, PSFMap
from lightpool.maps import Map

__all__ = ["PRODUCTS", "ResponseMap", "require_response", "require_settable", "require_table"]

ResponseMap: TypeAlias = Map | IRFMap
"""A response as a map on the sky, as HAWC publishes it."""

PRODUCTS = {"events": "counts", "aeff": "exposure", "edisp": "edisp", "psf": "psf", "bkg": "background"}
"""Product that the makers compute from a part, as their ``selection`` names it."""

_MAPS: dict[str, tuple[type[Map] | type[IRFMap], ...]] = {
    "aeff": (Map,),
    "edisp": (EDispMap, EDispKernelMap),
    "psf": (PSFMap,),
    "bkg": (Map,),
}
"""Classes of a response as a map on the sky."""


def require_table(part: object, where: str) -> None:
    """Raise a FormatError if a part is a map on the sky, where a table in the field of view is needed.

    Parameters
    ----------
    part : part of an observation
    where : str, begins the message
    """
    if isinstance(part, Map | IRFMap):
        raise FormatError(
            f"{where} is a map on the sky ({type(part).__name__} with the axes "
            f"{part.geom.axes.names}), as HAWC publishes its responses; this needs a response table, which "
            "depends on the position in the field of view"
        )


def require_response(part: object, name: str, where: str) -> None:
    """Raise a FormatError if a response is a map of another kind, such as a PSF as the effective area.

    Parameters
    ----------
    part : part of an observation
    name : {"aeff", "edisp", "psf", "bkg"}
    where : str, begins the message
    """
    known = _MAPS[name]
    if isinstance(part, Map | IRFMap) and not isinstance(part, known):
        expected = " or ".join(kind.__name__ for kind in known)
        raise FormatError(
            f"{where} is a {type(part).__name__} with the axes "
            f"{part.geom.axes.names}, expected a response table or a {expected}"
        )


def require_settable(name: str, value: object) -> None:
    """Raise a TypeError if an object cannot be the part of this name.

    Parameters
    ----------
    name : str, of the part
    value : object that is to be set; None removes the part
    """
    # A class of a user may have any tag.
    if isinstance(value, IRF) and value.tag in IRF_CLASSES and not value.tag.startswith(name):
        raise TypeError(f"{name} of an observation cannot be a {type(value).__name__}, a table of kind {value.tag}")
    if name in RESPONSES and value is not None and not hasattr(value, "axes") and not hasattr(value, "geom"):
        wanted = "a response table or map, or None"
        raise TypeError(f"{name} of an observation must be {wanted}, got {type(value).__name__}")
