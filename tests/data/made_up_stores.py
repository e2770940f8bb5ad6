"""Small stores of made-up observations, written with astropy alone."""

import gzip
import io
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

HEADER = {
    "HDUCLASS": "GADF",
    "HDUCLAS1": "EVENTS",
    "OBS_ID": 1,
    "TELESCOP": "POOL",
    "INSTRUME": "P1",
    "OBJECT": "Crab Nebula",
    "RA_OBJ": 83.63,
    "DEC_OBJ": 22.01,
    "RA_PNT": 83.63,
    "DEC_PNT": 22.51,
    "TSTART": 1.0e8,
    "TSTOP": 1.0e8 + 100,
    "ONTIME": 100.0,
    "LIVETIME": 90.0,
    "DEADC": 0.9,
    "MJDREFI": 51910,
    "MJDREFF": 0.000742870370370241,
    "TIMEUNIT": "s",
    "TIMESYS": "TT",
    "TIMEREF": "LOCAL",
    "GEOLON": 16.5,
    "GEOLAT": -23.27,
    "ALTITUDE": 1835.0,
}
TIMES = ("MJDREFI", "MJDREFF", "TIMEUNIT", "TIMESYS", "TIMEREF")
UNITS = {"EVENT_ID": None, "TIME": "s", "RA": "deg", "DEC": "deg", "ENERGY": "TeV"}
FORMS = {"EVENT_ID": "K", "TIME": "D", "RA": "E", "DEC": "E", "ENERGY": "E"}
IRFS = {
    "aeff": ("aeff_2d", "AEFF"),
    "edisp": ("edisp_2d", "EDISP"),
    "psf": ("psf_table", "PSF"),
    "bkg": ("bkg_3d", "BKG"),
}


def header_with(**changes: Any) -> fits.Header:
    values = HEADER | changes
    return fits.Header({key: value for key, value in values.items() if value is not None})


def event_columns(n_event: int = 10) -> dict[str, np.ndarray]:
    """Events on a line in declination, one each 10 s, with energies from 1 TeV up."""
    i = np.arange(n_event)
    return {
        "EVENT_ID": i,
        "TIME": 1.0e8 + 10.0 * i,
        "RA": np.full(n_event, 83.63),
        "DEC": 22.51 + 0.1 * i,
        "ENERGY": 1.0 + i,
    }


def events_hdu(columns: Any = None, units: Any = None, header: Any = None) -> fits.BinTableHDU:
    columns = event_columns() if columns is None else columns
    units = UNITS | (units or {})
    made = [fits.Column(name, FORMS.get(name, "D"), units.get(name), array=x) for name, x in columns.items()]
    return fits.BinTableHDU.from_columns(made, name="EVENTS", header=header_with() if header is None else header)


def gti_hdu(start: Any = (1.0e8,), stop: Any = (1.0e8 + 100,), unit: Any = "s", **changes: Any) -> fits.BinTableHDU:
    header = fits.Header({key: HEADER[key] for key in TIMES} | {"HDUCLASS": "GADF", "HDUCLAS1": "GTI"} | changes)
    columns = [fits.Column(name, "D", unit, array=np.asarray(x)) for name, x in (("START", start), ("STOP", stop))]
    return fits.BinTableHDU.from_columns(columns, name="GTI", header=header)


def irf_hdu(name: str, axes: dict[str, Any], column: str, unit: str, kind: str, hdu_class: str) -> fits.BinTableHDU:
    """Response table of ones; ``axes`` maps the stem of the columns to (edges, unit)."""
    columns, shape = [], []
    for stem, (edges, axis_unit) in axes.items():
        edges = np.asarray(edges, float)
        shape.append(len(edges) - 1)
        for suffix, x in (("LO", edges[:-1]), ("HI", edges[1:])):
            columns.append(fits.Column(f"{stem}_{suffix}", f"{len(x)}E", axis_unit, array=x[np.newaxis]))
    values = np.ones((1, *shape[::-1]))
    dim = str(tuple(shape)).replace(" ", "")
    columns.append(fits.Column(column, f"{values.size}E", unit, dim=dim, array=values))
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    keys = {"HDUCLAS1": "RESPONSE", "HDUCLAS2": kind, "HDUCLAS3": "FULL-ENCLOSURE", "HDUCLAS4": hdu_class}
    hdu.header.update({"HDUCLASS": "GADF"} | keys)
    return hdu


def irf_hdus() -> list[fits.BinTableHDU]:
    energy, theta, det = ([0.1, 1, 10], "TeV"), ([0, 1, 2], "deg"), ([-2, 0, 2], "deg")
    rad, migra = ([0, 0.1, 0.3], "deg"), ([0.2, 1, 5], None)
    sky = {"DETX": det, "DETY": det, "ENERG": energy}
    return [
        irf_hdu("AEFF", {"ENERG": energy, "THETA": theta}, "EFFAREA", "m2", "EFF_AREA", "AEFF_2D"),
        irf_hdu("EDISP", {"ENERG": energy, "MIGRA": migra, "THETA": theta}, "MATRIX", None, "EDISP", "EDISP_2D"),
        irf_hdu("PSF", {"ENERG": energy, "THETA": theta, "RAD": rad}, "RPSF", "sr-1", "RPSF", "PSF_TABLE"),
        irf_hdu("BKG", sky, "BKG", "s-1 MeV-1 sr-1", "BKG", "BKG_3D"),
    ]


@cache
def irf_bytes() -> bytes:
    """All response HDUs as they stand in a file; making them is what takes time."""
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *irf_hdus()]).writeto(stream)
    return stream.getvalue()[2880:]


@cache
def gti_bytes() -> bytes:
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), gti_hdu()]).writeto(stream)
    return stream.getvalue()[2880:]


def write(path: Path, *hdus: fits.BinTableHDU) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def table_hdu(name: str, rows: list[dict[str, Any]], header: Any = None) -> fits.BinTableHDU:
    columns = []
    for key in rows[0]:
        values = np.array([row[key] for row in rows])
        form = {"U": f"{max(values.dtype.itemsize // 4, 1)}A", "i": "K", "f": "D"}[values.dtype.kind]
        unit = {"TSTART": "s", "TSTOP": "s"}.get(key, "deg" if key.endswith("_PNT") else None)
        columns.append(fits.Column(key, form, unit, array=values))
    return fits.BinTableHDU.from_columns(columns, name=name, header=header)


@dataclass
class Store:
    """A folder of observations and what its index files will hold."""

    folder: Path
    hdu_rows: list[dict[str, Any]] = field(default_factory=list)
    obs_rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, obs_id: int, *hdus: Any, name: str | None = None, **changes: Any) -> Path:
        """Write the file of an observation; without ``hdus`` a whole one."""
        start = changes.get("TSTART", 1.0e8 + 1000 * obs_id)  # in the index; the events are alike in all runs
        changes = {"OBS_ID": obs_id, "RA_PNT": 83.0 + obs_id} | changes
        file_name = name or f"run_{obs_id}.fits"
        path = write(self.folder / "data" / file_name, *(hdus or [events_hdu(header=header_with(**changes))]))
        if not hdus:
            path.write_bytes(path.read_bytes() + gti_bytes() + irf_bytes())
        row = {"OBS_ID": obs_id, "FILE_DIR": "data", "FILE_NAME": file_name}
        for kind in ("events", "gti"):
            self.hdu_rows.append({**row, "HDU_TYPE": kind, "HDU_CLASS": kind, "HDU_NAME": kind.upper()})
        for kind, (hdu_class, hdu_name) in IRFS.items():
            self.hdu_rows.append({**row, "HDU_TYPE": kind, "HDU_CLASS": hdu_class, "HDU_NAME": hdu_name})
        zenith = 10.0 * obs_id
        row = {
            "OBS_ID": obs_id,
            "RA_PNT": changes["RA_PNT"],
            "DEC_PNT": 22.51,
            "ZEN_PNT": zenith,
            "OBJECT": "Crab Nebula",
        }
        self.obs_rows.append(row | {"N_TELS": 4 - obs_id % 2, "TSTART": start, "TSTOP": start + 100})
        return path

    def pack(self, path: Path) -> Path:
        """Replace a file by its gzip version, in the index, too."""
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        for row in self.hdu_rows:
            if row["FILE_NAME"] == path.name:
                row["FILE_NAME"] = packed.name
        return packed

    def finish(self, suffix: str = ".fits.gz") -> Path:
        """Write the index files."""
        times = fits.Header({key: HEADER[key] for key in TIMES} | {"HDUCLAS1": "INDEX", "HDUCLAS2": "OBS"})
        index = fits.Header({"HDUCLAS1": "INDEX", "HDUCLAS2": "HDU"})
        write(self.folder / f"hdu-index{suffix}", table_hdu("HDU_INDEX", self.hdu_rows, index))
        write(self.folder / f"obs-index{suffix}", table_hdu("OBS_INDEX", self.obs_rows, times))
        return self.folder
