"""Index tables made from the headers of event files."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import astropy.units as u
from astropy.coordinates import SkyCoord

from lightpool.attributes import KnownAttributes
from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.data.obs_table import ObservationTable
from lightpool.data.pointing import PointingMode
from lightpool.data.store.hdu_index import HDUIndexTable
from lightpool.data.tables.gadf_tables import classify_hdus
from lightpool.data.tables.obs_ids import obs_id_of
from lightpool.data.tables.part_names import RESPONSES
from lightpool.data.tables.time_reference import TIME_KEYWORDS
from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import (
    FileKind,
    FitsFile,
    Place,
    folder_and_name,
    list_folder,
    parsing,
    place_of,
    require_kind,
    seconds_since_reference,
)
from lightpool.typing import PathInput
from lightpool.utils.pbar import tracked

__all__ = ["CalDBIRF", "IndexMaker", "rows_of_file"]

log = logging.getLogger(__name__)

_NOT_THERE = "NOT AVAILABLE"
_NUMBERS = {"TSTART": u.s, "TSTOP": u.s, "ONTIME": u.s, "LIVETIME": u.s, "DEADC": None}
# FITS spells these with a hyphen; some files have an underscore.
_DATES = (("DATE-OBS", "DATE_OBS"), ("TIME-OBS", "TIME_OBS"), ("DATE-END", "DATE_END"), ("TIME-END", "TIME_END"))
_GADF = {"HDUCLASS": "GADF", "HDUDOC": "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats"}
_GADF |= {"HDUVERS": "0.2", "HDUCLAS1": "INDEX"}


class IndexMaker(KnownAttributes):
    """Creates the index tables of event files from their headers; each file is opened once.

    Parameters
    ----------
    events_paths : list of str or path-like
    irfs_paths : str or path-like for all, or a list with one for each, optional
        Files with the responses, see `lightpool.data.DataStore.from_events_files`.
    """

    events_paths: list[Place]
    irfs_paths: list[Place | None]

    def __init__(
        self, events_paths: Sequence[PathInput], irfs_paths: "PathInput | Sequence[PathInput] | None" = None
    ) -> None:
        if isinstance(events_paths, str | PathLike):
            raise TypeError(f"expected a list of paths, got the single path {events_paths!r}; put it into a list")
        self.events_paths = [place_of(path) for path in events_paths]
        if not self.events_paths:
            raise ValueError("no event files given: the list of paths is empty")
        if irfs_paths is None or isinstance(irfs_paths, str | PathLike):
            one = None if irfs_paths is None else place_of(irfs_paths)
            self.irfs_paths = [one] * len(self.events_paths)
        else:
            self.irfs_paths = [place_of(path) for path in irfs_paths]
        if len(self.irfs_paths) != len(self.events_paths):
            raise ValueError(
                f"{len(self.irfs_paths)} response files for {len(self.events_paths)} event files; give one for all, "
                "or one each"
            )
        self._infos: dict[tuple[Place, Place | None], dict[str, Any]] = {}

    @staticmethod
    def read_events_info(events_path: PathInput, irf_path: PathInput | None = None) -> dict[str, Any]:
        """Return what the header of an event file says, as a row of the observation table.

        Parameters
        ----------
        events_path : str or path-like
        irf_path : str or path-like, optional; the file with the responses
        """
        return _info(place_of(events_path), None if irf_path is None else place_of(irf_path))

    def get_events_info(self, events_path: PathInput, irf_path: PathInput | None = None) -> dict[str, Any]:
        """Return what `read_events_info` reads, which is read once.

        Parameters
        ----------
        events_path, irf_path : as for `read_events_info`
        """
        key = place_of(events_path), None if irf_path is None else place_of(irf_path)
        if key not in self._infos:
            self._infos[key] = self.read_events_info(*key)
        return self._infos[key]

    def get_obs_info(self, events_path: PathInput, irf_path: PathInput | None = None) -> dict[str, Any]:
        """Return a row of the observation table, to which a class that derives from this one may add.

        Parameters
        ----------
        events_path, irf_path : as for `read_events_info`
        """
        return self.get_events_info(events_path, irf_path)

    def _all_infos(self) -> list[dict[str, Any]]:
        pairs = list(zip(self.events_paths, self.irfs_paths, strict=True))
        with tracked(pairs, "event files") as items:
            infos = [self.get_obs_info(*paths) for paths in items]
        _check_unique(infos)
        _check_times(infos)
        return infos

    def get_hdu_table_rows(self, events_path: PathInput, irf_path: PathInput | None = None) -> Iterator[dict[str, Any]]:
        """Yield rows of the HDU index: the HDUs of the event file and of the response file.

        Parameters
        ----------
        events_path : str or path-like
        irf_path : str or path-like, optional; the file with the responses
        """
        return _hdu_rows(place_of(events_path), self.get_obs_info(events_path, irf_path))

    def make_hdu_table(self) -> HDUIndexTable:
        """Return the HDU index.

        Raises
        ------
        FormatError
            If a header lacks a keyword, two files have the same OBS_ID, or the reference times differ.
        """
        self._all_infos()
        paths = zip(self.events_paths, self.irfs_paths, strict=True)
        rows = [row for events, irfs in paths for row in self.get_hdu_table_rows(events, irfs)]
        table = HDUIndexTable(rows=rows, names=list(rows[0]))
        table.meta.update(_GADF | {"HDUCLAS2": "HDU"})
        return table

    def make_obs_table(self) -> ObservationTable:
        """Return the observation index; errors as for `make_hdu_table`."""
        infos = self._all_infos()
        # The union in order of appearance: in mode DRIFT, the pointing has other columns.
        names = list(dict.fromkeys(name for info in infos for name in info))
        table = ObservationTable(
            rows=[[info.get(name, _missing(name)) for name in names] for info in infos], names=names
        )
        reference = {name: infos[0][name] for name in TIME_KEYWORDS if infos[0][name] is not None}
        table.meta.update(reference | _GADF | {"HDUCLAS2": "OBS"})
        return table


@dataclass(frozen=True)
class CalDBIRF:
    """Place of responses in a calibration database with HEASARC's layout, below the variable ``$CALDB``.

    Attributes
    ----------
    telescop, caldb, irf : str, keywords of the events
    """

    telescop: str
    caldb: str
    irf: str

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> "CalDBIRF":
        """Read TELESCOP, CALDB and IRF.

        Parameters
        ----------
        meta : mapping of keyword to value
        """
        return cls(meta["TELESCOP"], meta["CALDB"], meta["IRF"])

    @property
    def file_dir(self) -> str:
        """Folder, with the variable ``$CALDB``."""
        return f"$CALDB/data/{self.telescop.lower()}/{self.caldb}/bcf/{self.irf}"

    @property
    def file_path(self) -> Path:
        """File, with the variable ``$CALDB``; the folder if there is no file in it."""
        return Path(self.file_dir, self.file_name)

    @property
    def file_name(self) -> str:
        """Name of the first FITS file of the folder; empty if there is none."""
        folder = place_of(self.file_dir)
        try:
            names = list_folder(folder) if isinstance(folder, str) else sorted(path.name for path in folder.glob("*"))
        except MissingDataError:
            return ""
        return next((name for name in names if ".fits" in name), "")


def _missing(name: str) -> u.Quantity:
    """Return NaN for a coordinate of the pointing that only observations in the other mode have."""
    return float("nan") * u.deg


def _info(path: Place, irf: Place | None) -> dict[str, Any]:
    """Return a row of the observation table."""
    with parsing(path):
        return _info_of(FILE_CACHE.open(path).file, path, irf)


def _info_of(file: FitsFile, path: Place, irf: Place | None) -> dict[str, Any]:
    require_kind(file, "DataStore.from_events_files", FileKind.EVENTS)
    header = seconds_since_reference(file.values("EVENTS"), f"{file.source}, HDU 'EVENTS'")
    try:
        info: dict[str, Any] = {"OBS_ID": obs_id_of(header["OBS_ID"], f"{file.source}, HDU 'EVENTS'")}
        for name, unit in _NUMBERS.items():
            info[name] = float(header[name]) * unit if unit is not None else float(header[name])
        info["TELESCOP"] = header.get("TELESCOP", _NOT_THERE)
        info |= _pointing(header)
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{file.source}, HDU 'EVENTS': a keyword is missing or not a number: {error}") from error
    dashed = all(name in header for name, _ in _DATES)
    info |= {name: header.get(name if dashed else underscored, _NOT_THERE) for name, underscored in _DATES}
    info |= {"N_TELS": header.get("N_TELS", -1), "OBJECT": header.get("OBJECT", _NOT_THERE)}
    info |= {"EVENTS_FILENAME": str(path), "EVENT_COUNT": header["NAXIS2"]}
    info |= {"CALDB": header.get("CALDB", _NOT_THERE), "IRF": header.get("IRF", _NOT_THERE)}
    info["IRF_FILENAME"] = str(_irf_path(path, irf, info))
    info |= {name: header.get(name) for name in TIME_KEYWORDS}
    return info


def _pointing(header: Mapping[str, Any]) -> dict[str, u.Quantity]:
    if PointingMode.from_gadf_string(str(header.get("OBS_MODE", "POINTING"))) is PointingMode.DRIFT:
        altitude = float(header["ALT_PNT"]) * u.deg
        return {"ALT_PNT": altitude, "AZ_PNT": float(header["AZ_PNT"]) * u.deg, "ZEN_PNT": 90 * u.deg - altitude}
    ra, dec = float(header["RA_PNT"]) * u.deg, float(header["DEC_PNT"]) * u.deg
    galactic = SkyCoord(ra, dec, frame="icrs").galactic
    return {"RA_PNT": ra, "DEC_PNT": dec, "GLON_PNT": galactic.l, "GLAT_PNT": galactic.b}


def _irf_path(path: Place, irf: Place | None, info: dict[str, Any]) -> Place:
    """Return where the responses are; in the calibration database with its variable, so that it can be moved."""
    if irf is not None:
        return irf
    if _NOT_THERE in (info["CALDB"], info["IRF"]):
        return path
    return CalDBIRF.from_meta(info).file_path


def _check_unique(infos: list[dict[str, Any]]) -> None:
    seen: dict[int, str] = {}
    for info in infos:
        other = seen.setdefault(info["OBS_ID"], info["EVENTS_FILENAME"])
        if other != info["EVENTS_FILENAME"]:
            raise FormatError(
                f"OBS_ID {info['OBS_ID']} is that of two event files: {other} and {info['EVENTS_FILENAME']}; an "
                "observation has one event list: remove one, or give it another OBS_ID"
            )


def _check_times(infos: list[dict[str, Any]]) -> None:
    first = infos[0]
    for info in infos[1:]:
        differ = [name for name in TIME_KEYWORDS if info[name] != first[name]]
        if differ:
            raise FormatError(
                "The time information in the EVENT header are not consistent between observations: "
                + "; ".join(
                    f"{name} = {first[name]!r} in {first['EVENTS_FILENAME']}, {info[name]!r} in "
                    f"{info['EVENTS_FILENAME']}"
                    for name in differ
                )
                + ". Make a data store for each group of files"
            )


def _hdu_rows(path: Place, info: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield rows of the HDU index: the HDUs of the event file and of the response file."""
    irf = info["IRF_FILENAME"]
    yield from rows_of_file(path, info["OBS_ID"], ("events", "gti"))
    try:
        # Not expanded: with `$CALDB`, an index that is written is valid on another machine, too.
        yield from rows_of_file(irf, info["OBS_ID"], RESPONSES)
    except MissingDataError as error:
        log.warning(f"observation {info['OBS_ID']} has no response: {error}")


def rows_of_file(path: Place, obs_id: int, kinds: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield a row of the HDU index for the first HDU of each kind that a file holds.

    Parameters
    ----------
    path : path or address of the file; variables in it stay in the rows
    obs_id : int
    kinds : tuple of HDU_TYPE, in the order of the rows
    """
    folder, file_name = folder_and_name(path)
    first: dict[str, tuple[str, str]] = {}
    for name, kind, hdu_class in classify_hdus(FILE_CACHE.open(path).file):
        first.setdefault(kind, (name, hdu_class))
    for kind in kinds:
        if kind in first:
            name, hdu_class = first[kind]
            yield {
                "HDU_TYPE": kind,
                "HDU_CLASS": hdu_class,
                "HDU_NAME": name,
                "OBS_ID": obs_id,
                "FILE_DIR": folder,
                "FILE_NAME": file_name,
            }
