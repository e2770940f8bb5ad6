"""OGIP files of spectra: counts (PHA), OFF counts (BKG), effective area (ARF) and energy dispersion (RMF).

Here are their names and formats; `ogip_read` and `ogip_write` hold the rest. Sources: Arnaud, George & Tennant 2009,
OGIP memo OGIP/92-007, with its addendum 92-007a; George et al. 2007, OGIP memo CAL/GEN/92-002, with 92-002a.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import astropy.units as u

from lightpool.errors import MissingDataError
from lightpool.fits import FileKind, FitsFile, file_kinds, make_path, read_fits
from lightpool.typing import PathInput

__all__ = ["FORMATS", "companion_files", "find_ogip_format", "find_pha_files", "ogip_filenames"]

FORMATS = {"ogip": (None, None), "xspec": (u.keV, u.cm**2), "ogip-sherpa": (u.keV, u.cm**2)}
"""Units of energy and area in each format; None keeps those of the dataset. Gammapy knows "xspec" as "ogip-sherpa".

XSPEC and Sherpa do not read the units of the columns: they take all energies for keV and all areas for cm2.
"""

_PARTS = {"ANCRFILE": "_arf", "BACKFILE": "_bkg", "RESPFILE": "_rmf"}


def ogip_filenames(filename: PathInput) -> dict[str, str]:
    """Return the names of the files that belong to a PHA file, by the keyword that names them."""
    path = Path(filename)
    suffix = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:])
    stem = path.name.removesuffix(suffix)
    return {key: f"{stem}{part}{suffix}" for key, part in _PARTS.items()}


def companion_files(file: FitsFile) -> dict[str, Path]:
    """Return the paths of the files that a PHA file names, by keyword; MissingDataError if one does not exist."""
    found = ((key, _beside(Path(file.source), file.values("SPECTRUM"), key)) for key in _PARTS)
    return {key: path for key, path in found if path is not None}


def find_ogip_format(file: FitsFile) -> str:
    """Return the format of a PHA file, from the unit of its energies: "xspec" for keV."""
    unit = file.table("EBOUNDS").units.get("E_MIN", "") if "EBOUNDS" in file else "keV"
    return "xspec" if unit == "keV" else "ogip"


def find_pha_files(folder: PathInput) -> list[Path]:
    """Return the PHA files in a folder, in the order of their names, without the other files of spectra."""
    path = make_path(folder)
    found = sorted({*path.glob("*.fits"), *path.glob("*.fits.gz"), *path.glob("*.pha")})
    files = [each for each in found if FileKind.PHA in file_kinds(read_fits(each))]
    if not files:
        raise MissingDataError(f"no PHA file of a spectrum among the files *.fits, *.fits.gz and *.pha in {path}")
    return files


def _beside(path: Path, header: dict[str, Any], keyword: str) -> Path | None:
    """Return the path of the file that a keyword names; None if it names none."""
    name = str(header.get(keyword, "")).strip()
    if name.lower() in ("", "none"):
        return None
    candidates: Iterable[Path] = (path.parent / name, make_path(name))
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise MissingDataError(f"{path} names {name!r} as its {keyword}, but there is no such file beside it")
