"""Which HDUs of a file belong to a map."""

from typing import TypeAlias, cast

from lightpool.errors import FormatError, MissingMapError
from lightpool.fits import BinTableHDU, HDUList, ImageHDU, PrimaryHDU, column_names_of_hdu

__all__ = ["AnyHDU", "data_and_bands", "find_bands_hdu", "find_hdu", "layout_of_bands"]

AnyHDU: TypeAlias = PrimaryHDU | ImageHDU | BinTableHDU


def find_hdu(hdulist: HDUList, hdu: str | int | None = None) -> AnyHDU:
    """Find an HDU.

    Parameters
    ----------
    hdulist : HDUList
    hdu : str or int, optional
        Name or number; by default the first HDU with data.

    Raises
    ------
    FormatError
        If it does not exist.
    """
    if hdu is None:
        for candidate in hdulist:
            if candidate.header.get("NAXIS", 0) > 0:
                first: AnyHDU = candidate
                return first
        raise FormatError(f"No Image or BinTable HDU found; the HDUs are {_names(hdulist)}")
    try:
        found: AnyHDU = hdulist[hdu]
    except (KeyError, IndexError) as error:
        raise MissingMapError(f"there is no HDU {hdu!r}; the HDUs are {_names(hdulist)}") from error
    return found


def _names(hdulist: HDUList) -> list[str]:
    return [hdu.name for hdu in hdulist]


def find_bands_hdu(hdulist: HDUList, hdu: AnyHDU) -> str | None:
    """Find the name of the HDU with the bins of the axes of a map; None if there is none.

    Parameters
    ----------
    hdulist : HDUList
    hdu : HDU of the map
    """
    if "BANDSHDU" in hdu.header:
        return str(hdu.header["BANDSHDU"])
    if not isinstance(hdu, BinTableHDU):
        is_cube = hdu.header.get("NAXIS") == 3
    else:
        is_cube = hdu.header.get("INDXSCHM", "") in ("EXPLICIT", "IMPLICIT", "") and len(column_names_of_hdu(hdu)) > 1
    if is_cube:
        # cubes of the Fermi tools do not name their table of energies
        return next((name for name in ("EBOUNDS", "ENERGIES") if name in hdulist), None)
    return None


def data_and_bands(
    hdulist: HDUList, hdu: str | int | None = None, hdu_bands: str | int | None = None
) -> tuple[AnyHDU, BinTableHDU | None]:
    """Return the HDU of the values of a map, and that of its axes, if there is one.

    Parameters
    ----------
    hdulist : HDUList
    hdu : str or int, optional
        Name or number; by default the first HDU with data.
    hdu_bands : str or int, optional
        By default the one that `find_bands_hdu` finds.
    """
    data = find_hdu(hdulist, hdu)
    name = find_bands_hdu(hdulist, data) if hdu_bands is None else hdu_bands
    return data, None if name is None else cast(BinTableHDU, find_hdu(hdulist, name))


def layout_of_bands(hdu_bands: BinTableHDU | None) -> str:
    """Return the layout of a file; the name of the table of bins tells which program wrote it."""
    names = {"ENERGIES": "fgst-template", "EBOUNDS": "fgst-ccube"}
    return "gadf" if hdu_bands is None else names.get(hdu_bands.name, "gadf")
