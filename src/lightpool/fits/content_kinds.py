"""The kind of content of a FITS file, from its HDUs and never from its name."""

import re
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from lightpool.errors import DamagedFileError, FormatError
from lightpool.fits.reader import FitsFile, HduInfo

__all__ = [
    "DATASET_KINDS",
    "FileKind",
    "description",
    "file_kinds",
    "find_matrix",
    "is_fits",
    "require_kind",
    "require_map",
]


_WITH_PHA = "SpectrumDatasetOnOff.read when it is given the PHA file that names this one"


class FileKind(Enum):
    """A kind of content; its value is a description and the function that reads it."""

    MAP_DATASET = "a map dataset", "MapDataset.read"
    MAP_DATASET_ON_OFF = "a map dataset with OFF counts", "MapDatasetOnOff.read"
    SPECTRUM_DATASET = "a spectrum with a modelled background", "SpectrumDataset.read"
    SPECTRUM_DATASET_ON_OFF = "a spectrum with OFF counts", "SpectrumDatasetOnOff.read"
    PHA = "a spectrum (OGIP PHA file)", "SpectrumDatasetOnOff.read"
    BACKGROUND_PHA = "the background of a spectrum (OGIP)", _WITH_PHA
    ARF = "the effective area of a spectrum (OGIP ARF)", _WITH_PHA
    RMF = "the energy dispersion of a spectrum (OGIP RMF)", "EDispKernel.read"
    EVENTS = "an event list", "EventList.read"
    IRF = "instrument response tables (IRFs)", "load_irf_dict_from_file"
    PSF_MAP = "a PSF map", "PSFMap.read"
    EDISP_MAP = "an energy dispersion map", "EDispMap.read or EDispKernelMap.read"
    MAP = "a map", "Map.read"
    HEALPIX = "a HEALPix map", "Map.read"
    HDU_INDEX = "an HDU index", "HDUIndexTable.read or DataStore.from_files"
    OBS_INDEX = "an observation index", "ObservationTable.read or DataStore.from_files"
    GTI = "good time intervals", "GTI.read"
    BACKGROUND_SUMS = "background counts and exposure of runs", "BackgroundSums.read"

    @property
    def what(self) -> str:
        """The kind in words, with an article."""
        return str(self.value[0])

    @property
    def reader(self) -> str:
        """Function that reads it."""
        return str(self.value[1])

    @property
    def is_dataset(self) -> bool:
        """Whether it is a whole dataset."""
        return self in _DATASETS


_DATASETS = {
    FileKind.MAP_DATASET,
    FileKind.MAP_DATASET_ON_OFF,
    FileKind.SPECTRUM_DATASET,
    FileKind.SPECTRUM_DATASET_ON_OFF,
    FileKind.PHA,
}
DATASET_KINDS = {
    "MapDataset": FileKind.MAP_DATASET,
    "MapDatasetOnOff": FileKind.MAP_DATASET_ON_OFF,
    "SpectrumDataset": FileKind.SPECTRUM_DATASET,
    "SpectrumDatasetOnOff": FileKind.SPECTRUM_DATASET_ON_OFF,
}
"""Kinds of datasets in the layout of Gammapy by the class that reads them."""
_TTYPE = re.compile(r"TTYPE\d+")
_OFF_MAPS = {"COUNTS_OFF", "ACCEPTANCE", "ACCEPTANCE_OFF"}
_RESPONSE_MAPS = {"PSF": FileKind.PSF_MAP, "EDISP": FileKind.EDISP_MAP}
_DATASET_MAPS = {"COUNTS", "EXPOSURE", "BACKGROUND", "MASK_SAFE", "MASK_FIT"} | _OFF_MAPS
_IRF_CLASSES = {"EFF_AREA", "EDISP", "PSF", "RPSF", "BKG", "RAD_MAX"}
_TABLES_OF_RESULTS = {"META_TABLE", "OUTCOMES", "INPUTS", "PROVENANCE"}
_MATRIX_NAMES = {"MATRIX", "SPECRESP MATRIX"}


def file_kinds(file: FitsFile) -> tuple[FileKind, ...]:
    """Return the kinds of content of a file, the main one first; empty if none is known.

    A dataset has good time intervals as well, and a file of one run has events, intervals and responses.
    """
    hdus = [file.hdu(number) for number in range(len(file.names))]
    maps = {hdu.name.upper(): hdu for hdu in hdus if _is_map(hdu)}
    datasets = _dataset_kinds(file, maps)
    others = {kind for kind in map(_table_kind, hdus) if kind is not None}
    if maps and not datasets:
        others |= {_RESPONSE_MAPS.get(name, FileKind.MAP) for name in maps if not name.endswith("_EXPOSURE")}
    elif maps:
        others.add(FileKind.MAP)
    return (*datasets, *(kind for kind in FileKind if kind in others))


def is_fits(path: Path) -> bool:
    """Return whether a file begins like a FITS file, plain or gzip; it may still be damaged."""
    with path.open("rb") as stream:
        begin = stream.read(6)
    return begin == b"SIMPLE" or begin[:2] == b"\x1f\x8b"


def _dataset_kinds(file: FitsFile, maps: dict[str, HduInfo]) -> list[FileKind]:
    """Return the kinds of dataset that maps may be, the likeliest first.

    If there are neither a background nor OFF counts, the keyword DATASET says which of the two is missing.
    """
    header = file.values(0)
    has_name = "NAME" in header and (maps or {"GTI", "META_TABLE"} & {name.upper() for name in file.names})
    if not (maps.keys() & _DATASET_MAPS or has_name or "DATASET" in header):
        return []
    is_region = (
        all(hdu.kind == "BINTABLE" and "PIX" not in _columns(hdu) for hdu in maps.values()) and "PSF" not in maps
    )
    # Maps of a region may be of either kind, the spectrum being likelier; maps with pixels are no spectrum.
    known = [FileKind.SPECTRUM_DATASET, FileKind.MAP_DATASET][not is_region :]
    measured = [FileKind.SPECTRUM_DATASET_ON_OFF, FileKind.MAP_DATASET_ON_OFF][not is_region :]
    written = DATASET_KINDS.get(str(header.get("DATASET", "")).strip())
    if maps.keys() & _OFF_MAPS:
        kinds = measured
    elif "BACKGROUND" in maps:
        kinds = known
    else:
        kinds = known + measured if written is None else known if written in known else measured
    # False sorts before True: the kind that the header names comes first.
    return sorted(kinds, key=lambda kind: kind is not written)


def _is_map(hdu: HduInfo) -> bool:
    """Return whether an HDU holds a map: an image on the sky, its pixels in a table, or the values of a region."""
    values = hdu.cards.values
    if str(values.get("PIXTYPE", "")).strip() == "HEALPIX":
        return False
    if hdu.kind != "BINTABLE":
        return bool(values.get("NAXIS")) and "CTYPE1" in values
    columns = _columns(hdu)
    return {"PIX", "VALUE"} <= columns or "DATA" in columns


def _columns(hdu: HduInfo) -> frozenset[str]:
    """Return the names of the columns of a table, in capital letters."""
    cards = hdu.cards.values.items()
    return hdu.cards.once(
        "names of columns",
        lambda: frozenset(str(value).strip().upper() for key, value in cards if _TTYPE.fullmatch(key)),
    )


def _table_kind(hdu: HduInfo) -> FileKind | None:
    """Return the kind of a table that is not a map, from its class, or from its name if it has no class."""
    values = hdu.cards.values
    if hdu.kind != "BINTABLE" or hdu.name.upper() in _TABLES_OF_RESULTS:
        return None
    if str(values.get("PIXTYPE", "")).strip() == "HEALPIX":
        return FileKind.HEALPIX
    name, classes = hdu.name.upper(), [str(values.get(f"HDUCLAS{i}", "")).strip().upper() for i in (1, 2)]
    if name == "SPECTRUM" or classes[0] == "SPECTRUM":
        return FileKind.BACKGROUND_PHA if classes[1] == "BKG" else FileKind.PHA
    if name in _MATRIX_NAMES or classes == ["RESPONSE", "RSP_MATRIX"]:
        return FileKind.RMF
    if name == "SPECRESP" or classes == ["RESPONSE", "SPECRESP"]:
        return FileKind.ARF
    if "EVENTS" in (name, classes[0]):
        return FileKind.EVENTS
    if "GTI" in (name, classes[0]):
        return FileKind.GTI
    if classes[0] == "RESPONSE" and (classes[1] in _IRF_CLASSES or classes[1].startswith("PSF")):
        return FileKind.IRF
    return _index_kind(_columns(hdu))


def _index_kind(columns: frozenset[str]) -> FileKind | None:
    if {"HDU_TYPE", "FILE_NAME", "HDU_NAME"} <= columns:
        return FileKind.HDU_INDEX
    if {"OBS_ID", "N_ENTRY", "EXCLUDED"} <= columns:
        return FileKind.BACKGROUND_SUMS
    return FileKind.OBS_INDEX if "OBS_ID" in columns else None


def require_map(file: FitsFile, hdu: str, reader: str, kind: FileKind) -> None:
    """Refuse a file without a map in an HDU, see `require_kind`.

    Parameters
    ----------
    file : FitsFile
    hdu : str
    reader : str, the function that reads, such as ``Map.read``
    kind : FileKind, the kind of map

    Raises
    ------
    FormatError
        If the HDU is not a map.
    """
    if not (hdu in file and _is_map(file.hdu(hdu))):
        require_kind(file, reader, kind)


def require_kind(file: FitsFile, reader: str, *expected: FileKind, takes_unknown: bool = False) -> None:
    """Refuse a file that holds something other than its reader expects.

    Parameters
    ----------
    file : FitsFile
    reader : str, the function that reads, such as ``MapDataset.read``
    *expected : FileKind, any of which will do
    takes_unknown : bool, whether files of no known kind are accepted

    Raises
    ------
    FormatError
        If the file holds none of them; it says what the file is and what reads it.
    DamagedFileError
        If the file is truncated, so that its kind is not known.
    """
    kinds = file_kinds(file)
    if set(kinds) & set(expected) or (takes_unknown and not kinds):
        return
    last = file.hdu(-1)
    if last.data_start + last.layout.data_size > file.size:
        raise DamagedFileError(
            f"{file.source} is cut off inside HDU {last.name!r}, the last of {', '.join(file.names)}; download it again"
        )
    wanted = " or ".join(dict.fromkeys(kind.what for kind in expected))
    raise FormatError(f"{file.source} holds {description(file, kinds)}; {reader} expects {wanted}")


def description(file: FitsFile, kinds: tuple[FileKind, ...]) -> str:
    """Return what a file holds and what reads it, as the end of a sentence that begins with ``FILE holds``.

    Parameters
    ----------
    file : FitsFile
    kinds : tuple of FileKind, see `file_kinds`
    """
    if not kinds:
        return f"nothing that lightpool knows: its HDUs are {', '.join(file.names)}"
    return f"{kinds[0].what}, which is read by {kinds[0].reader}"


def find_matrix(names: Iterable[str]) -> str | None:
    """Return the name of the HDU of a redistribution matrix among names of HDUs; None if there is none."""
    return next((name for name in names if name.upper() in _MATRIX_NAMES), None)
