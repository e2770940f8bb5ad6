"""All responses of a file."""

import logging
from collections.abc import Mapping

from lightpool.fits import FileKind, FitsFile, read_fits, require_kind
from lightpool.irf.reduced.asymmetric_tables import (
    PSF4D,
    EffectiveAreaTable3D,
    EffectiveAreaTablePolar,
    EnergyDispersion3D,
    EnergyDispersionPolar,
    PSFPolar,
)
from lightpool.irf.reduced.edisp_kernel_map import EDispKernelMap
from lightpool.irf.reduced.edisp_map import EDispMap
from lightpool.irf.reduced.energy_dispersion import EnergyDispersion2D
from lightpool.irf.reduced.irf_map import IRFMap
from lightpool.irf.reduced.irf_map_format import IRF_MAP_HDU_SPECIFICATION
from lightpool.irf.reduced.psf_map import PSFMap
from lightpool.irf.reduced.reco_psf_map import RecoPSFMap
from lightpool.irf.tables.background import Background2D, Background3D
from lightpool.irf.tables.effective_area import EffectiveAreaTable2D
from lightpool.irf.tables.gadf_format import has_directional_cut
from lightpool.irf.tables.hdu_classes import find_class, is_response
from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.layouts import (
    COMMON_HEADERS,
    COMMON_IRF_HEADERS,
    IRF_DL3_AXES_SPECIFICATION,
    IRF_DL3_HDU_SPECIFICATION,
)
from lightpool.irf.tables.psf_parametric import EnergyDependentMultiGaussPSF, PSFKing
from lightpool.irf.tables.psf_table import PSF3D
from lightpool.irf.tables.rad_max import RadMax2D
from lightpool.typing import PathInput
from lightpool.utils.registry import Registry

__all__ = [
    "COMMON_HEADERS",
    "COMMON_IRF_HEADERS",
    "IRF_CLASSES",
    "IRF_DL3_AXES_SPECIFICATION",
    "IRF_DL3_HDU_SPECIFICATION",
    "IRF_MAP_HDU_SPECIFICATION",
    "IRF_REGISTRY",
    "UnknownHDUClass",
    "gadf_is_pointlike",
    "irf_class",
    "load_irf_dict_from_file",
]

log = logging.getLogger(__name__)

IRF_CLASSES: dict[str, type[IRF]] = {
    cls.tag: cls
    for cls in (
        EffectiveAreaTable2D,
        EnergyDispersion2D,
        PSF3D,
        EnergyDependentMultiGaussPSF,
        PSFKing,
        Background3D,
        Background2D,
        RadMax2D,
        EffectiveAreaTable3D,
        EffectiveAreaTablePolar,
        EnergyDispersion3D,
        EnergyDispersionPolar,
        PSF4D,
        PSFPolar,
    )
}
"""Classes of response tables by their name in GADF, in small letters (``HDU_CLASS`` of an index)."""


IRF_REGISTRY: Registry[type[IRF] | type[IRFMap]] = Registry(
    [
        EffectiveAreaTable2D,
        EnergyDispersion2D,
        PSF3D,
        EnergyDependentMultiGaussPSF,
        PSFKing,
        Background3D,
        Background2D,
        PSFMap,
        RecoPSFMap,
        EDispKernelMap,
        RadMax2D,
        EDispMap,
    ]
)
"""Classes of responses, as tables and as maps. A class that is appended is found by its tag in the index of a store."""


class UnknownHDUClass(OSError):  # noqa: N818  the name that Gammapy gave it
    """A file has a response of a class that is not known; kept for scripts that catch it."""


def gadf_is_pointlike(header: Mapping[str, object]) -> bool:
    """Return whether the keywords of a table say that a directional cut was applied."""
    return has_directional_cut(header)


def irf_class(header: Mapping[str, object]) -> tuple[str, type[IRF]] | None:
    """Return kind ("aeff", "edisp", "psf", "bkg", "rad_max") and class of a table; None if the header tells neither."""
    found = find_class(header)
    return None if found is None else (found[0], IRF_CLASSES[found[1]])


def load_irf_dict_from_file(filename: PathInput | FitsFile) -> dict[str, IRF]:
    """Return the responses of a file, by kind: "aeff", "edisp", "psf", "bkg", "rad_max".

    Of several tables of one kind the first is taken, with a warning. For point-like responses without a table of the
    directional cut, the one of the keyword RAD_MAX is returned.

    Parameters
    ----------
    filename : str, path or `~lightpool.fits.FitsFile`
    """
    file = filename if isinstance(filename, FitsFile) else read_fits(filename)
    require_kind(file, "load_irf_dict_from_file", FileKind.IRF, FileKind.EVENTS, takes_unknown=True)
    found: dict[str, IRF] = {}
    is_pointlike = False
    for number, name in enumerate(file.names):
        header = file.values(number)
        if not is_response(header):
            continue
        is_pointlike |= has_directional_cut(header)
        known = irf_class(header)
        if known is None:
            log.warning(
                "%s: HDU %r has HDUCLAS2=%r, HDUCLAS4=%r, which is no known class; left out",
                file.source,
                name,
                header.get("HDUCLAS2"),
                header.get("HDUCLAS4"),
            )
            continue
        kind, cls = known
        if kind in found:
            taken = found[kind].meta.get("EXTNAME")
            log.warning("%s: more than one HDU of type %s; %r is taken, %r is not", file.source, kind, taken, name)
            continue
        found[kind] = cls.read(file, hdu=number)
    aeff = found.get("aeff")
    if is_pointlike and "rad_max" not in found and aeff is not None and "RAD_MAX" in aeff.meta:
        found["rad_max"] = RadMax2D.from_irf(aeff)
    return found
