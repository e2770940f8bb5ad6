"""How classes of response tables look in a file, also classes that a user has added.

Scripts add a class of their own to `IRF_DL3_HDU_SPECIFICATION`, under its tag, and read and write its tables then; for
an axis with another name they add its columns to `IRF_DL3_AXES_SPECIFICATION`.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Required, TypedDict

import astropy.units as u

from lightpool.errors import FormatError
from lightpool.irf.tables.table_rules import ColumnRule

__all__ = [
    "COMMON_HEADERS",
    "COMMON_IRF_HEADERS",
    "IRF_DL3_AXES_SPECIFICATION",
    "IRF_DL3_HDU_SPECIFICATION",
    "LAYOUTS",
    "Layout",
    "axis_stems",
    "layout_of",
]

COMMON_HEADERS = {
    "HDUCLASS": "GADF",
    "HDUDOC": "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats",
    "HDUVERS": "0.2",
}
"""Keywords of all tables."""

COMMON_IRF_HEADERS = {**COMMON_HEADERS, "HDUCLAS1": "RESPONSE"}
"""Keywords of all response tables."""

# Unit of a background whose column has none, or one that cannot be parsed.
_RATE = "s-1 MeV-1 sr-1"
# Names of the columns that hold an axis; where there are two, the first is written.
_STEMS = {
    "energy": ("ENERG",),
    "energy_true": ("ENERG", "ETRUE"),
    "offset": ("THETA",),
    "rad": ("RAD",),
    "migra": ("MIGRA",),
    "fov_lon": ("DETX",),
    "fov_lat": ("DETY",),
    "rho": ("THETA",),
    "phi": ("PHI",),
}


class AxisSpecification(TypedDict, total=False):
    """What is known of the axis in two columns ``..._LO`` and ``..._HI``."""

    name: Required[str]
    interp: str


class HDUSpecification(TypedDict):
    """What is known of the HDU of a class."""

    extname: str
    column_name: str | dict[str, str]
    mandatory_keywords: dict[str, str]


IRF_DL3_AXES_SPECIFICATION: dict[str, AxisSpecification] = {
    "THETA": {"name": "offset", "interp": "lin"},
    "ENERG": {"name": "energy_true", "interp": "log"},
    "ETRUE": {"name": "energy_true", "interp": "log"},
    "RAD": {"name": "rad", "interp": "lin"},
    "DETX": {"name": "fov_lon", "interp": "lin"},
    "DETY": {"name": "fov_lat", "interp": "lin"},
    "MIGRA": {"name": "migra", "interp": "lin"},
    "PHI": {"name": "phi", "interp": "lin"},
}
"""Axes by the stem of their columns."""


def axis_stems(name: str) -> tuple[str, ...]:
    """Return the stems of the columns that may hold an axis; the first one is written.

    Parameters
    ----------
    name : str

    Raises
    ------
    FormatError
        If no columns are known for it.
    """
    added = tuple(stem for stem, axis in IRF_DL3_AXES_SPECIFICATION.items() if axis["name"] == name)
    found = _STEMS.get(name, added)
    if not found:
        known = ", ".join(dict.fromkeys([*_STEMS, *(axis["name"] for axis in IRF_DL3_AXES_SPECIFICATION.values())]))
        raise FormatError(
            f"no columns are known for an axis {name!r}, only for {known}; add its stem to "
            "lightpool.irf.io.IRF_DL3_AXES_SPECIFICATION"
        )
    return found


@dataclass(frozen=True)
class Layout:
    """How a class of table looks in a file.

    Attributes
    ----------
    hdu : str, name of the HDU
    columns : dict of our name to the rule of the column
    kind : str, keyword HDUCLAS2
    hdu_class : str, keyword HDUCLAS4
    any_order : bool, whether files exist whose dimensions run the other way
    keywords : dict, further keywords that are written
    """

    hdu: str
    columns: dict[str, ColumnRule]
    kind: str
    hdu_class: str
    any_order: bool = False
    keywords: Mapping[str, str] = field(default_factory=dict)


def _parameters(**units: str) -> dict[str, ColumnRule]:
    """Return the rules of profile parameters: a unit may be missing in a file only if there is none or it cancels."""
    return {name: ColumnRule((name.upper(),), unit, None if unit == "deg" else unit) for name, unit in units.items()}


_BKG = {"data": ColumnRule(("BKG", "BGD"), _RATE, _RATE, warns=True, replaces_unknown=True)}
_PSF = {"data": ColumnRule(("RPSF",), "sr-1", "sr-1", warns=True)}
_GAUSS = _parameters(sigma_1="deg", sigma_2="deg", sigma_3="deg", scale="sr-1", ampl_2="", ampl_3="")
LAYOUTS = {
    "aeff_2d": Layout("EFFECTIVE AREA", {"data": ColumnRule(("EFFAREA",), "m2")}, "EFF_AREA", "AEFF_2D"),
    "edisp_2d": Layout("ENERGY DISPERSION", {"data": ColumnRule(("MATRIX",), "", "")}, "EDISP", "EDISP_2D"),
    "psf_table": Layout("PSF_2D_TABLE", _PSF, "RPSF", "PSF_TABLE"),
    "psf_3gauss": Layout("PSF_2D_GAUSS", _GAUSS, "RPSF", "PSF_3GAUSS"),
    "psf_king": Layout("PSF_2D_KING", _parameters(gamma="", sigma="deg"), "RPSF", "PSF_KING"),
    "aeff_3d": Layout("EFFECTIVE AREA", {"data": ColumnRule(("EFFAREA",), "m2")}, "EFF_AREA", "AEFF_3D"),
    "edisp_3d": Layout("ENERGY DISPERSION", {"data": ColumnRule(("MATRIX",), "", "")}, "EDISP", "EDISP_3D"),
    "psf_4d": Layout("PSF_4D_TABLE", _PSF, "RPSF", "PSF_4D"),
    "aeff_polar": Layout("EFFECTIVE AREA", {"data": ColumnRule(("EFFAREA",), "m2")}, "EFF_AREA", "AEFF_POLAR"),
    "edisp_polar": Layout("ENERGY DISPERSION", {"data": ColumnRule(("MATRIX",), "", "")}, "EDISP", "EDISP_POLAR"),
    "psf_polar": Layout("PSF_POLAR_TABLE", _PSF, "RPSF", "PSF_POLAR"),
    "bkg_2d": Layout("BACKGROUND", _BKG, "BKG", "BKG_2D", any_order=True),
    "bkg_3d": Layout("BACKGROUND", _BKG, "BKG", "BKG_3D", any_order=True),
    "rad_max_2d": Layout("RAD_MAX", {"data": ColumnRule(("RAD_MAX",), "deg")}, "RAD_MAX", "RAD_MAX_2D"),
}
"""The classes of the package by their tags."""


def _specification(layout: Layout) -> HDUSpecification:
    """Return what is known of the HDU of a class of the package, as scripts look it up."""
    columns = {name: rule.spellings[0] for name, rule in layout.columns.items()}
    cut = "POINT-LIKE" if layout.kind == "RAD_MAX" else "FULL-ENCLOSURE"
    keywords = {"HDUCLAS2": layout.kind, "HDUCLAS3": cut, "HDUCLAS4": layout.hdu_class}
    if layout.hdu_class == "BKG_3D":
        keywords["FOVALIGN"] = "RADEC"
    return {
        "extname": layout.hdu,
        "column_name": columns["data"] if list(columns) == ["data"] else columns,
        "mandatory_keywords": {**COMMON_IRF_HEADERS, **keywords},
    }


IRF_DL3_HDU_SPECIFICATION: dict[str, HDUSpecification] = {
    tag: _specification(layout) for tag, layout in LAYOUTS.items()
}
"""HDUs by the tag of their class."""

_OWN = deepcopy(IRF_DL3_HDU_SPECIFICATION)


def layout_of(tag: str, unit: u.UnitBase = u.dimensionless_unscaled) -> Layout:
    """Return how the tables of a class look in a file.

    Parameters
    ----------
    tag : str, of the class
    unit : Unit, that the values of a class of a user must convert to

    Raises
    ------
    FormatError
        If the class is neither one of the package nor in `IRF_DL3_HDU_SPECIFICATION`.
    """
    found = IRF_DL3_HDU_SPECIFICATION.get(tag)
    # What a script has put in the place of a class of the package counts.
    if tag in LAYOUTS and (found is None or found == _OWN[tag]):
        return LAYOUTS[tag]
    if found is None:
        raise FormatError(
            f"no file format is known for response tables with the tag {tag!r}; add it to "
            f"lightpool.irf.io.IRF_DL3_HDU_SPECIFICATION, or take one of {', '.join(IRF_DL3_HDU_SPECIFICATION)}"
        )
    columns, keywords = found["column_name"], dict(found["mandatory_keywords"])
    # Values without a unit are an error where the class needs one.
    text = str(unit)
    rules = (
        {"data": ColumnRule((columns,), text, None if text else "")}
        if isinstance(columns, str)
        else {name: ColumnRule((column,), "", "", any_unit=True) for name, column in columns.items()}
    )
    kind, hdu_class = keywords.pop("HDUCLAS2", ""), keywords.pop("HDUCLAS4", tag.upper())
    keywords.pop("HDUCLAS3", None)  # whether a table is point-like is known to itself
    return Layout(found["extname"], rules, kind, hdu_class, keywords=keywords)
