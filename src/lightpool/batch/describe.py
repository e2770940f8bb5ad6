"""Describe the contents of a FITS file for a first look."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import astropy.units as u
import numpy as np

from lightpool.batch.storage.provenance import Provenance, read_provenance
from lightpool.data import GTI, EventList, HDUIndexTable, ObservationTable
from lightpool.datasets import read_dataset
from lightpool.datasets.observations import obs_ids_of
from lightpool.errors import LightpoolError
from lightpool.fits import FileKind, FitsFile, file_kinds, parsing, read_fits
from lightpool.fits.content_kinds import description
from lightpool.irf import EDispKernel, load_irf_dict_from_file
from lightpool.makers import BackgroundSums
from lightpool.maps import Geom, Map, MapAxes
from lightpool.typing import JSONValue
from lightpool.utils.text import number_of

__all__ = ["FileDescription", "describe_file"]

_MAPS = (FileKind.MAP, FileKind.PSF_MAP, FileKind.EDISP_MAP, FileKind.HEALPIX)
_MAX_LISTED = 20

Facts: TypeAlias = dict[str, str | int | float | bool | None]
"""Properties of the contents of a file by name, in the order in which they are shown."""


@dataclass(frozen=True)
class FileDescription:
    """Contents of a file.

    Attributes
    ----------
    path : str
    kind : str
        What it contains and what reads it.
    facts : dict of str to str or number
        Properties, in the order in which they are shown.
    hdus : list of str
        One line per HDU.
    provenance : Provenance or None
        How a result was made; None if the file does not record it.
    """

    path: str
    kind: str
    facts: Facts = field(default_factory=dict)
    hdus: list[str] = field(default_factory=list)
    provenance: Provenance | None = None

    def to_dict(self) -> dict[str, JSONValue]:
        """Return a JSON-compatible dict without the provenance."""
        return {"path": self.path, "kind": self.kind, "facts": self.facts, "hdus": self.hdus}

    def __str__(self) -> str:
        lines = [f"{self.path} contains {self.kind}", ""]
        width = max(map(len, self.facts), default=0)
        for name, value in self.facts.items():
            first, *others = str(value).splitlines() or [""]
            lines += [f"  {name:{width}} : {first}", *(f"  {'':{width}}   {line}" for line in others)]
        lines += ["", "HDUs", *(f"  {line}" for line in self.hdus)]
        if self.provenance is not None:
            lines += ["", str(self.provenance)]
        return "\n".join(lines)


def describe_file(path: Path) -> FileDescription:
    """Describe a FITS file by its contents: a dataset, a map, a run, responses, an index, part of a spectrum.

    Raises
    ------
    MissingDataError
        If the file does not exist.
    FormatError
        If it is not a FITS file, or its contents are damaged.
    """
    file = read_fits(path)
    kinds = file_kinds(file)
    facts: Facts = {}
    with parsing(path):
        if kinds and kinds[0].is_dataset:
            facts = _dataset_facts(file)
        else:
            for kind in kinds:
                facts |= _facts_of(file, kind, is_main=kind is kinds[0])
        provenance = read_provenance(path) if "PROVENANCE" in file and "OUTCOMES" in file else None
    hdus = [_hdu_line(file, number) for number in range(len(file.names))]
    return FileDescription(str(path), description(file, kinds), facts, hdus, provenance)


def _facts_of(file: FitsFile, kind: FileKind, *, is_main: bool) -> Facts:
    """Return facts about one kind of content; an error in any but the main content is reported as a fact."""
    if kind not in _FACTS:
        return {}
    try:
        return _FACTS[kind](file)
    except LightpoolError as error:
        if is_main:
            raise
        return {kind.what: f"cannot be read: {error}"}


def _hdu_line(file: FitsFile, number: int) -> str:
    info = file.hdu(number)
    values = info.cards.values
    n_axis = int(values.get("NAXIS") or 0)
    shape = " x ".join(str(values.get(f"NAXIS{i}")) for i in range(1, n_axis + 1))
    if info.kind == "BINTABLE":
        shape = f"{values.get('NAXIS2')} rows, {values.get('TFIELDS')} columns"
    return f"{number:3} {info.name or '(no name)':20} {info.kind:9} {shape}".rstrip()


def _dataset_facts(file: FitsFile) -> Facts:
    dataset = read_dataset(file)
    info = dataset.info_dict()
    facts: Facts = {"class": type(dataset).__name__, "name": str(dataset.name)}
    facts |= {name: round(float(info[name]), 3) for name in ("counts", "background", "excess") if name in info}
    if "counts_off" in info:
        facts["OFF counts"] = round(float(info["counts_off"]), 3)
    facts["livetime"] = f"{info['livetime'].to('h'):.3f}"
    obs_ids = obs_ids_of(dataset)
    facts["observations"] = _listed(obs_ids) if obs_ids else "not listed"
    facts |= _gti_facts(dataset.gti)
    maps = {name: getattr(dataset, name) for name in type(dataset).map_names}
    facts["maps"] = ", ".join(name for name, value in maps.items() if value is not None)
    if dataset.counts is not None:
        facts |= _geom_facts(dataset.counts.geom)
    return facts


def _geom_facts(geom: Geom) -> Facts:
    lines = [line.strip() for line in str(geom).splitlines()]
    return {"geometry": "\n".join(line for line in lines if line), "axes": _axes_text(geom.axes) or "none"}


def _axes_text(axes: MapAxes) -> str:
    """Name, number of bins and range of each axis."""
    parts = []
    for axis in axes:
        edges = getattr(axis, "edges", ())
        ends = f", {edges[0]:.3g} to {edges[-1]:.3g}" if isinstance(edges, u.Quantity) else ""
        parts.append(f"{axis.name} ({axis.nbin}{ends})")
    return ", ".join(parts)


def _listed(values: list[str]) -> str:
    more = f" and {len(values) - _MAX_LISTED} more" if len(values) > _MAX_LISTED else ""
    return f"{len(values)}: {', '.join(values[:_MAX_LISTED])}{more}"


def _gti_facts(gti: GTI | None) -> Facts:
    if gti is None or not len(gti):
        return {"good times": "none"}
    first, last = gti.time_start.min().utc.iso, gti.time_stop.max().utc.iso
    return {"good times": f"{number_of(len(gti), 'interval')}, {gti.time_sum.to('h'):.3f} from {first} to {last} UTC"}


def _events_facts(file: FitsFile) -> Facts:
    events = EventList.from_table_data(file.table("EVENTS"))
    header = file.values("EVENTS")
    facts: Facts = {"events": len(events.table)}
    facts |= {key.lower(): header[key] for key in ("OBS_ID", "TELESCOP", "INSTRUME", "OBJECT") if key in header}
    if "RA_PNT" in header and "DEC_PNT" in header:
        facts["pointing"] = f"RA {header['RA_PNT']} deg, DEC {header['DEC_PNT']} deg"
    if facts["events"]:
        energy = events.energy
        facts["energies"] = f"{energy.min():.3g} to {energy.max():.3g}"
    return facts


def _irf_facts(file: FitsFile) -> Facts:
    return {
        name: f"{type(irf).__name__}, axes {_axes_text(irf.axes)}"
        for name, irf in load_irf_dict_from_file(file).items()
    }


def _map_facts(file: FitsFile) -> Facts:
    found = Map.read(file.source, device="cpu")
    # In float64, because a sum in float32 is inexact for large maps.
    values = np.asarray(found.data, dtype=np.float64)
    facts = {"unit": found.unit.to_string() or "none", **_geom_facts(found.geom)}
    return facts | {"sum": f"{np.nansum(values):.6g}"}


def _index_facts(file: FitsFile) -> Facts:
    is_hdu_index = FileKind.HDU_INDEX in file_kinds(file)
    table = (HDUIndexTable if is_hdu_index else ObservationTable).read(file.source)
    obs_ids = list(dict.fromkeys(str(value) for value in table["OBS_ID"]))
    return {"rows": len(table), "observations": _listed(obs_ids), "columns": ", ".join(table.colnames)}


def _matrix_facts(file: FitsFile) -> Facts:
    return {"axes": _axes_text(EDispKernel.read(file).axes)}


def _area_facts(file: FitsFile) -> Facts:
    table = file.table("SPECRESP")
    area = table.quantity("SPECRESP")
    return {"energies": table.n_row, "effective area": f"{area.min():.3g} to {area.max():.3g}"}


def _background_facts(file: FitsFile) -> Facts:
    table = file.table("SPECTRUM")
    name = next((name for name in ("COUNTS", "RATE") if name in table), None)
    total = {} if name is None else {name.lower(): float(np.sum(table.column(name)))}
    return {"channels": table.n_row, "exposure": f"{table.header.get('EXPOSURE')} s", **total}


def _sums_facts(file: FitsFile) -> Facts:
    sums = BackgroundSums.read(file.source)
    return {
        "observations": _listed([str(obs_id) for obs_id in sums.obs_ids]),
        "good time": f"{sums.ontime.sum() / 3600:.3f} h",
        "counts": int(sums.run_counts().sum()),
        "excluded counts": int(sums.run_counts(excluded=True).sum()),
        "axes": _axes_text(MapAxes([sums.energy_axis, *sums.field.axes])),
        "field of view": f"along {sums.field.alignment}",
        "columns": ", ".join(sums.runs),
    }


_FACTS: dict[FileKind, Callable[[FitsFile], Facts]] = {
    FileKind.EVENTS: _events_facts,
    FileKind.GTI: lambda file: _gti_facts(GTI.from_table_data(file.table("GTI"))),
    FileKind.IRF: _irf_facts,
    FileKind.HDU_INDEX: _index_facts,
    FileKind.OBS_INDEX: _index_facts,
    FileKind.RMF: _matrix_facts,
    FileKind.ARF: _area_facts,
    FileKind.BACKGROUND_SUMS: _sums_facts,
    FileKind.BACKGROUND_PHA: _background_facts,
    **dict.fromkeys(_MAPS, _map_facts),
}
