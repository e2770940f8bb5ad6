"""Which class of response table an HDU holds: its keywords say so, and where they do not, its columns."""

from collections.abc import Mapping
from typing import Any

from lightpool.irf.tables.layouts import LAYOUTS

__all__ = ["HDUCLAS2", "MAP_CLASSES", "find_class", "find_map_class", "is_response"]

_KINDS = {
    "aeff_2d": "aeff",
    "edisp_2d": "edisp",
    "aeff_3d": "aeff",
    "aeff_polar": "aeff",
    "edisp_3d": "edisp",
    "edisp_polar": "edisp",
    "psf_4d": "psf",
    "psf_polar": "psf",
    "psf_table": "psf",
    "psf_3gauss": "psf",
    "psf_king": "psf",
    "bkg_2d": "bkg",
    "bkg_3d": "bkg",
    "rad_max_2d": "rad_max",
}
# HDUCLAS2 of the format and of the files of the CTAO productions, which write PSF for RPSF.
_KIND_OF_HDUCLAS2 = {
    "eff_area": "aeff",
    "edisp": "edisp",
    "psf": "psf",
    "rpsf": "psf",
    "bkg": "bkg",
    "rad_max": "rad_max",
}
HDUCLAS2 = {"aeff": "EFF_AREA", "edisp": "EDISP", "psf": "RPSF", "bkg": "BKG", "rad_max": "RAD_MAX"}
"""Keyword HDUCLAS2 of the format for each kind of response."""

MAP_CLASSES = ("map", "psf_map", "psf_map_reco", "edisp_map", "edisp_kernel_map")
"""HDU_CLASS of responses that are maps on the sky, as in the index of HAWC; in the keyword HDUCLAS4 of their HDUs."""

# Names of a class in files older than the format, in HDUCLAS2 or HDUCLAS4.
_OLD_NAMES = {"psf_2d_table": "psf_table", "psf_2d_gauss": "psf_3gauss", "psf_2d_king": "psf_king"}
# Columns that only the table of a class has, besides those of its values.
_AXIS_COLUMNS = {
    "aeff_2d": {"THETA_LO"},
    "edisp_2d": {"MIGRA_LO", "THETA_LO"},
    "aeff_3d": {"DETX_LO", "DETY_LO"},
    "aeff_polar": {"THETA_LO", "PHI_LO"},
    "edisp_3d": {"MIGRA_LO", "DETX_LO", "DETY_LO"},
    "edisp_polar": {"MIGRA_LO", "THETA_LO", "PHI_LO"},
    "psf_4d": {"RAD_LO", "DETX_LO", "DETY_LO"},
    "psf_polar": {"RAD_LO", "THETA_LO", "PHI_LO"},
    "psf_table": {"RAD_LO", "THETA_LO"},
    "psf_3gauss": {"THETA_LO"},
    "psf_king": {"THETA_LO"},
    "bkg_2d": {"THETA_LO"},
    "bkg_3d": {"DETX_LO", "DETY_LO"},
    "rad_max_2d": {"THETA_LO"},
}


def is_response(header: Mapping[str, Any]) -> bool:
    """Return whether a keyword or the columns of an HDU mark it as a response: a damaged keyword must not hide it."""
    return _keyword(header, 1) == "response" or find_class(header) is not None


def find_class(header: Mapping[str, Any]) -> tuple[str, str] | None:
    """Find the kind ("aeff", "edisp", "psf", "bkg", "rad_max") and class of a response table; None if not known.

    Files of the first CTA data challenge write "2D" where the format has "AEFF_2D"; older ones have the class in
    HDUCLAS2, or none at all. If the columns of the table are not those of the class in its keywords, but
    those of another class, the other one is returned.

    Parameters
    ----------
    header : mapping, keywords of the HDU

    Returns
    -------
    kind : str
    hdu_class : str, HDU_CLASS of GADF in lower case
    """
    named, found = _class_of_keywords(header), _class_of_columns(header)
    hdu_class = found or named
    return None if hdu_class is None else (_KINDS[hdu_class], hdu_class)


def find_map_class(header: Mapping[str, Any]) -> tuple[str, str] | None:
    """Find the kind and class of a response that is a map on the sky; None if its keywords do not say so.

    Parameters
    ----------
    header : mapping, keywords of the HDU
    """
    kind, name = _KIND_OF_HDUCLAS2.get(_keyword(header, 2)), _keyword(header, 4)
    return (kind, name) if kind is not None and name in MAP_CLASSES else None


def _class_of_keywords(header: Mapping[str, Any]) -> str | None:
    kind = _KIND_OF_HDUCLAS2.get(_keyword(header, 2))
    # HDUCLAS4 is the keyword of the format; older files have the class in HDUCLAS2.
    for name in (_keyword(header, 4), _keyword(header, 2)):
        # The last spelling is for "2D" in HDUCLAS4, with the rest of the name in HDUCLAS2.
        for spelling in (name, _OLD_NAMES.get(name, ""), f"{kind}_{name}"):
            if spelling in _KINDS:
                return spelling
    return None


def _class_of_columns(header: Mapping[str, Any]) -> str | None:
    """Find the class whose columns are all there; None if there is none, or more than one."""
    n_column = header.get("TFIELDS", 0)
    if not isinstance(n_column, int):
        return None
    names = {str(header.get(f"TTYPE{i}", "")).strip().upper() for i in range(1, n_column + 1)}
    fitting = [
        hdu_class
        for hdu_class, layout in LAYOUTS.items()
        if names >= _AXIS_COLUMNS[hdu_class]
        and all(names.intersection(rule.spellings) for rule in layout.columns.values())
    ]
    # A table with an angle around the pointing has the columns of one without it, too.
    most = max((len(_AXIS_COLUMNS[hdu_class]) for hdu_class in fitting), default=0)
    fitting = [hdu_class for hdu_class in fitting if len(_AXIS_COLUMNS[hdu_class]) == most]
    return fitting[0] if len(fitting) == 1 else None


def _keyword(header: Mapping[str, Any], number: int) -> str:
    return str(header.get(f"HDUCLAS{number}", "")).strip().lower()
