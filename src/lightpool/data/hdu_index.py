"""The HDU index: which file and HDU holds which data of which observation."""

import logging
from collections import defaultdict
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from lightpool.data.location import HDULocation
from lightpool.errors import FormatError
from lightpool.fits import make_path, read_fits

__all__ = ["HDUIndexTable"]

log = logging.getLogger(__name__)

_COLUMNS = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
_ONE_FILE = ("events", "gti")


class HDUIndexTable(Table):  # type: ignore[misc]
    """HDU index table, columns OBS_ID, HDU_TYPE, HDU_CLASS, FILE_DIR, FILE_NAME and HDU_NAME.

    FILE_DIR is relative to ``meta["BASE_DIR"]``, the folder of the index.
    """

    VALID_HDU_TYPE = ["events", "gti", "aeff", "edisp", "psf", "bkg", "rad_max", "pointing"]  # noqa: RUF012
    """Values of HDU_TYPE."""

    VALID_HDU_CLASS = [  # noqa: RUF012
        "events",
        "gti",
        "aeff_2d",
        "edisp_2d",
        "psf_table",
        "psf_3gauss",
        "psf_king",
        "bkg_2d",
        "bkg_3d",
        "rad_max_2d",
        "pointing",
    ]
    """Values of HDU_CLASS."""

    @classmethod
    def read(cls, filename: str | PathLike[str], hdu: str | int | None = None, **kwargs: Any) -> "HDUIndexTable":
        """Read from a FITS file.

        Parameters
        ----------
        filename : str or path-like
        hdu : str or int, optional; the first table by default

        Raises
        ------
        FormatError
            If a column is missing or a row names no file.
        """
        file = read_fits(filename)
        data = file.table(1 if hdu is None else hdu)
        where = f"{file.source}, HDU {data.name!r}"
        missing = [name for name in _COLUMNS if name not in data]
        if missing:
            raise FormatError(
                f"{where} is no HDU index: columns {', '.join(missing)} are missing; it has {', '.join(data.columns)}"
            )
        empty = np.flatnonzero((data.columns["FILE_NAME"] == "") | (data.columns["HDU_NAME"] == ""))
        if empty.size:
            row = int(empty[0])
            raise FormatError(
                f"{where}: row {row} (OBS_ID {data.columns['OBS_ID'][row]}, {data.columns['HDU_TYPE'][row]}) names no file or "
                f"no HDU: FILE_NAME = {data.columns['FILE_NAME'][row]!r}, HDU_NAME = {data.columns['HDU_NAME'][row]!r}; "
                "fill it in, or remove the row"
            )
        table = cls(data.to_table())
        table.meta["BASE_DIR"] = make_path(filename).parent.as_posix()
        return table

    @property
    def base_dir(self) -> Path:
        """Folder that FILE_DIR is relative to."""
        return make_path(self.meta.get("BASE_DIR", ""))

    def _text(self, name: str) -> list[str]:
        return [str(value).strip() for value in self[name].tolist()]

    def rows_of(self) -> dict[int, dict[str, list[int]]]:
        """Row numbers by OBS_ID and HDU_TYPE."""
        rows: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for row, (obs_id, kind) in enumerate(zip(self["OBS_ID"].tolist(), self._text("HDU_TYPE"), strict=True)):
            rows[obs_id][kind].append(row)
        return {obs_id: dict(kinds) for obs_id, kinds in rows.items()}

    def hdu_location(
        self, obs_id: int, hdu_type: str | None = None, hdu_class: str | None = None, warn_missing: bool = True
    ) -> HDULocation | None:
        """Location of an HDU; None if there is none.

        If several rows match, the first counts, with a warning; several ``events`` or ``gti`` rows that name different
        HDUs are an error.

        Parameters
        ----------
        obs_id : int
        hdu_type, hdu_class : str; at least one of them
        warn_missing : bool
        """
        self._check_selection(obs_id, hdu_type, hdu_class)
        rows = self.row_idx(obs_id, hdu_type, hdu_class)
        if not rows:
            if warn_missing:
                log.warning(f"No HDU found matching: OBS_ID = {obs_id}, HDU_TYPE = {hdu_type}, HDU_CLASS = {hdu_class}")
            return None
        return self.choose(rows)

    def choose(self, rows: list[int]) -> HDULocation:
        """Location of the first of several rows, see `hdu_location`."""
        locations = [self.location_info(row) for row in rows]
        if len(set(locations)) > 1:
            obs_id, kind = self["OBS_ID"][rows[0]], str(self["HDU_TYPE"][rows[0]]).strip()
            named = "; ".join(f"{x.hdu_class} in {x.file_dir}/{x.file_name}[{x.hdu_name}]" for x in locations)
            if kind in _ONE_FILE:
                raise FormatError(
                    f"HDU index of {self.base_dir}: OBS_ID {obs_id} has {len(rows)} different {kind} HDUs: {named}; "
                    "an observation has one: give each file its own OBS_ID, or remove the wrong rows"
                )
            log.warning(
                f"Found multiple HDU matching: OBS_ID = {obs_id}, HDU_TYPE = {kind}: {named}. Taking the first."
            )
        return locations[0]

    def _check_selection(self, obs_id: int, hdu_type: str | None, hdu_class: str | None) -> None:
        if hdu_type is None and hdu_class is None:
            raise ValueError("You have to specify `hdu_type` or `hdu_class`.")
        if hdu_type and hdu_type not in self.VALID_HDU_TYPE:
            raise ValueError(f"Invalid hdu_type: {hdu_type}. Valid values are: {self.VALID_HDU_TYPE}")
        if hdu_class and hdu_class not in self.VALID_HDU_CLASS:
            raise ValueError(f"Invalid hdu_class: {hdu_class}. Valid values are: {self.VALID_HDU_CLASS}")
        if obs_id not in self["OBS_ID"]:
            raise IndexError(f"No entry available with OBS_ID = {obs_id}")

    def row_idx(self, obs_id: int, hdu_type: str | None = None, hdu_class: str | None = None) -> list[int]:
        """Numbers of the rows that match."""
        mask = np.asarray(self["OBS_ID"]) == obs_id
        for name, wanted in (("HDU_TYPE", hdu_type), ("HDU_CLASS", hdu_class)):
            if wanted:
                mask &= np.array([value == wanted for value in self._text(name)], dtype=bool)
        return [int(row) for row in np.flatnonzero(mask)]

    def location_info(self, idx: int) -> HDULocation:
        """Location that a row names."""
        row = self[idx]
        return HDULocation(
            hdu_class=str(row["HDU_CLASS"]).strip(),
            base_dir=self.base_dir.as_posix(),
            file_dir=str(row["FILE_DIR"]).strip() if row["FILE_DIR"] is not np.ma.masked else "",
            file_name=str(row["FILE_NAME"]).strip(),
            hdu_name=str(row["HDU_NAME"]).strip(),
        )

    @property
    def obs_id_unique(self) -> Any:
        """Observation IDs, sorted, each once."""
        return np.unique(np.asarray(self["OBS_ID"]))

    @property
    def hdu_type_unique(self) -> list[str]:
        """HDU types, sorted, each once."""
        return sorted(set(self._text("HDU_TYPE")))

    @property
    def hdu_class_unique(self) -> list[str]:
        """HDU classes, sorted, each once."""
        return sorted(set(self._text("HDU_CLASS")))

    def summary(self) -> str:
        """Summary as text."""
        obs_id = self.obs_id_unique
        span = f"{obs_id[0]} -- {obs_id[-1]}" if len(obs_id) else "none"
        return (
            "HDU index table:\n"
            f"BASE_DIR: {self.base_dir}\n"
            f"Rows: {len(self)}\n"
            f"OBS_ID: {span}\n"
            f"HDU_TYPE: {self.hdu_type_unique}\n"
            f"HDU_CLASS: {self.hdu_class_unique}\n"
        )
