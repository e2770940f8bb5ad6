"""Read OGIP files of spectra, see `lightpool.datasets.formats.ogip`."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from lightpool.arrays import array_namespace
from lightpool.data import GTI
from lightpool.datasets.formats.ogip import companion_files
from lightpool.datasets.metadata import read_meta_table
from lightpool.errors import FormatError
from lightpool.fits import FitsFile, HDUList, TableData, header_number, parsing, read_fits
from lightpool.fits.content_kinds import find_matrix
from lightpool.irf import EDispKernel, EDispKernelMap
from lightpool.maps import Map, MapAxis, RegionGeom

__all__ = ["read_arf", "read_counts", "read_grouped_axis", "read_ogip", "read_rmf"]

log = logging.getLogger(__name__)

Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Spectrum:
    """A PHA or BKG file.

    Attributes
    ----------
    geom : RegionGeom
    counts, backscal, quality : array of float, shape (n_channel, 1, 1)
    exposure : float, s
    areascal : float, factor of the effective area
    header : dict, the keywords that do not describe the layout
    """

    geom: RegionGeom
    counts: Values
    backscal: Values
    quality: Values
    exposure: float
    areascal: float
    header: dict[str, Any]


def read_ogip(filename: str | Path | FitsFile, name: str | None = None, checksum: bool = False) -> dict[str, Any]:
    """Read the arguments for `SpectrumDatasetOnOff` from a PHA file and the files that it names.

    Parameters
    ----------
    filename : str, Path or FitsFile
    name : str, by default the ``OBS_ID`` of the file, or its name
    checksum : bool, whether to verify the checksums in the headers; one that is wrong is an error

    Notes
    -----
    Files are looked for beside the PHA file first, then as they are named. Without a BKG file there are no OFF
    counts, and without an RMF file no energy dispersion. Channels with a ``QUALITY`` other than 0 are not safe. The
    channels are kept as they are; for a column ``GROUPING`` see `read_grouped_axis`. The energies of the channels may
    be in the PHA file or in the RMF file, and the effective area may be in the RMF file (``SPECRESP MATRIX``).
    """
    file = filename if isinstance(filename, FitsFile) else read_fits(filename)
    if checksum:
        file.verify_checksums()
    parts = {key: _open(path, checksum) for key, path in companion_files(file).items()}
    response = parts.get("RESPFILE")
    on = _read_spectrum(file, response)
    livetime = on.exposure * u.s
    header = file.values("SPECTRUM")
    path = Path(file.source)
    arguments: dict[str, Any] = {"name": str(header.get("OBS_ID", path.stem)) if name is None else name}
    arguments |= _counts_of(file, on)
    with parsing(path):
        arguments["meta_table"] = _meta_table(file, header)
    arguments["exposure"] = _exposure(file, parts, livetime, on)
    if "BACKFILE" in parts:
        off = _read_spectrum(parts["BACKFILE"], response, file)
        # The scales are per second and per unit of area: the background may have been taken for longer.
        ratio = off.exposure * off.areascal / (on.exposure * on.areascal) if on.exposure else 1.0
        arguments["counts_off"] = Map.from_geom(off.geom, data=off.counts, meta=off.header)
        backscal = off.backscal if ratio == 1 else off.backscal * ratio
        arguments["acceptance_off"] = Map.from_geom(off.geom, data=backscal)
    if response is not None:
        with parsing(response.source):
            arguments["edisp"] = read_rmf(response, arguments["exposure"])
    return arguments


def read_counts(file: FitsFile) -> dict[str, Any]:
    """Return counts, acceptance and safe mask of a PHA or BKG file, and its good time intervals if it has any."""
    return _counts_of(file, _read_spectrum(file))


def _counts_of(file: FitsFile, on: _Spectrum) -> dict[str, Any]:
    parts: dict[str, Any] = {"counts": Map.from_geom(on.geom, data=on.counts, meta=on.header)}
    # OGIP scales the background by the ratio of BACKSCAL, which alpha is for acceptances.
    parts["acceptance"] = Map.from_geom(on.geom, data=on.backscal)
    # OGIP/92-007: 0 is good, any other value marks a bad or dubious channel.
    parts["mask_safe"] = Map.from_geom(on.geom, data=on.quality == 0)
    if "GTI" in file.names:
        with parsing(file.source):
            parts["gti"] = GTI.from_table_data(file.table("GTI"))
    return parts


def read_grouped_axis(file: FitsFile) -> MapAxis | None:
    """Read the energy axis with one bin for each group of channels of a PHA file; None if none are grouped.

    A group is a channel with a ``GROUPING`` of 1 or 0 and those with -1 after it.
    """
    table = file.table("SPECTRUM")
    if "GROUPING" not in table or not np.any(table.column("GROUPING")[1:] < 0):
        return None
    response = companion_files(file).get("RESPFILE")
    axis = _geom(file, None if response is None else read_fits(response)).axes["energy"]
    is_start = table.column("GROUPING") >= 0
    # The first channel begins a group whatever its flag is; the last edge closes the last group.
    is_start[0] = True
    return MapAxis.from_energy_edges(axis.edges[np.append(is_start, True)], name="energy")


def _open(path: Path, checksum: bool) -> FitsFile:
    file = read_fits(path)
    if checksum:
        file.verify_checksums()
    return file


def _meta_table(file: FitsFile, header: dict[str, Any]) -> Table | None:
    """Return the table of the observations: that of the file, or one of the keywords if they name a telescope."""
    if "META_TABLE" in file:
        return read_meta_table(file.hdulist["META_TABLE"])
    known = {key: str(header.get(key, "unknown")).strip() for key in ("TELESCOP", "INSTRUME")}
    if known["TELESCOP"].lower() in ("", "unknown", "none"):
        return None
    return Table([known | {"OBS_ID": str(header["OBS_ID"])}]) if "OBS_ID" in header else Table([known])


def _geom(file: FitsFile, *others: FitsFile | None) -> RegionGeom:
    """Return region and energies of the channels, from the file itself or the first other one that has them."""
    for source in (file, *others):
        if source is not None and "EBOUNDS" in source:
            hdus = [source.hdulist["EBOUNDS"]] + ([file.hdulist["REGION"]] if "REGION" in file else [])
            with parsing(source.source):
                return RegionGeom.from_hdulist(HDUList(hdus), format="ogip")
    raise FormatError(
        f"{file.source}: no HDU 'EBOUNDS' with the energies of the channels, neither in it nor in its RESPFILE"
    )


def _read_spectrum(file: FitsFile, *others: FitsFile | None) -> _Spectrum:
    """Read a PHA or BKG file; ``others`` may hold the energies of its channels."""
    with parsing(file.source):
        table, geom = file.table("SPECTRUM"), _geom(file, *others)
        where = f"{table.source}, HDU {table.name!r}"
        exposure = header_number(table.header, "EXPOSURE", where, low=0, unit="the livetime in s")
        counts = _counts(table, exposure, where)
        shape = geom.data_shape
        if counts.size != shape[0]:
            raise FormatError(f"{table.source}: {counts.size} channels, but {shape[0]} bins of energy in HDU 'EBOUNDS'")

        def values(key: str, default: float) -> Values:
            # OGIP/92-007: a value that all channels share may be a keyword instead of a column.
            given = table.column(key) if key in table else header_number(table.header, key, where, default=default)
            return np.broadcast_to(given, counts.shape).astype(np.float64)

        areascal = values("AREASCAL", 1.0)
        if not np.all(areascal == areascal[0]) or areascal[0] <= 0:
            raise FormatError(
                f"{where}: AREASCAL must be one number above zero for all channels, got {areascal.min()} to "
                f"{areascal.max()}; multiply the effective area by it instead"
            )
        return _Spectrum(
            geom=geom,
            counts=counts.reshape(shape),
            backscal=values("BACKSCAL", 1.0).reshape(shape),
            quality=values("QUALITY", 0.0).reshape(shape),
            exposure=exposure,
            areascal=float(areascal[0]),
            header=dict(table.meta),
        )


def _counts(table: TableData, exposure: float, where: str) -> Values:
    """Return the counts of each channel, in the order of the channels; rates are multiplied by the exposure."""
    name = next((name for name in ("COUNTS", "RATE") if name in table), None)
    if name is None:
        raise FormatError(f"{where} has neither a column COUNTS nor RATE; it has {', '.join(table.columns)}")
    values = table.column(name)
    if values.ndim > 1 or "SPEC_NUM" in table:
        raise FormatError(f"{where} holds several spectra (PHA file of type II); write each to a file of its own")
    values = values.astype(np.float64)
    if "CHANNEL" in table and np.any(np.diff(table.column("CHANNEL").astype(np.int64)) != 1):
        raise FormatError(f"{where}: column CHANNEL does not count up by 1; channels that are left out must be added")
    if name == "COUNTS":
        return values
    counts = values * exposure
    # The rates were rounded when they were written, so whole counts are not exact.
    if np.any(np.abs(counts - np.rint(counts)) > 1e-3):
        log.warning("%s holds rates that are no whole counts in the exposure; Poisson statistics do not apply", where)
        return counts
    return np.rint(counts)


def _exposure(file: FitsFile, parts: dict[str, FitsFile], livetime: u.Quantity, on: _Spectrum) -> Map:
    """Return effective area times livetime, from the ARF file, or from an RMF file whose matrix holds the area."""
    if "ANCRFILE" in parts:
        with parsing(parts["ANCRFILE"].source):
            exposure = read_arf(parts["ANCRFILE"], livetime)
    elif "RESPFILE" in parts and _has_area(parts["RESPFILE"]):
        with parsing(parts["RESPFILE"].source):
            kernel = EDispKernel.from_hdulist(parts["RESPFILE"].hdulist)
            # A matrix of class FULL is redistribution times area: its sum over the channels is the area.
            area = np.sum(kernel.data, axis=1) * u.cm**2
            geom = RegionGeom(on.geom.region, axes=[kernel.axes["energy_true"]], wcs=on.geom.wcs)
            exposure = _map_of(geom, area * livetime, livetime)
    else:
        raise FormatError(
            f"{file.source}, HDU 'SPECTRUM': the keyword ANCRFILE names no file, expected an effective area"
        )
    if on.areascal == 1:
        return exposure
    return exposure.copy(data=exposure.data * on.areascal)


def _has_area(response: FitsFile) -> bool:
    """Return whether the matrix of an RMF file holds the effective area too."""
    name = find_matrix(response.names)
    # CAL/GEN/92-002: FULL is redistribution times effective area, REDIST the redistribution alone.
    return name is not None and str(response.values(name).get("HDUCLAS3", "")).strip().upper() == "FULL"


def read_arf(file: FitsFile, livetime: u.Quantity) -> Map:
    """Return the exposure of a region: the effective area in an ARF file times a livetime.

    Parameters
    ----------
    file : FitsFile
    livetime : Quantity, time
    """
    geom = RegionGeom.from_hdulist(file.hdulist, format="ogip-arf")
    return _map_of(geom, file.table("SPECRESP").quantity("SPECRESP").astype(np.float64) * livetime, livetime)


def _map_of(geom: RegionGeom, exposure: u.Quantity, livetime: u.Quantity) -> Map:
    data = exposure.value.reshape(geom.data_shape)
    return Map.from_geom(geom, data=data, unit=exposure.unit, meta={"livetime": livetime})


def read_rmf(file: FitsFile, exposure: Map) -> EDispKernelMap:
    """Return the energy dispersion of a region in an RMF file.

    Parameters
    ----------
    file : FitsFile
    exposure : Map, by which a stack weights it
    """
    kernel = EDispKernel.from_hdulist(file.hdulist)
    if _has_area(file):
        # Divide the area out, so that each row is a probability; rows without area stay zero.
        total = np.sum(kernel.data, axis=1, keepdims=True)
        kernel = EDispKernel(axes=kernel.axes, data=np.divide(kernel.data, total, where=total > 0, out=0 * kernel.data))
    edisp = EDispKernelMap.from_edisp_kernel(kernel, geom=exposure.geom)
    data = exposure.data
    xp = array_namespace(data)
    empty = edisp.exposure_map
    assert empty is not None  # made with zeros
    shape = tuple(empty.data.shape)
    edisp.exposure_map = Map.from_geom(
        empty.geom, data=xp.reshape(data, shape), unit=exposure.unit, device=exposure.device
    )
    return edisp
