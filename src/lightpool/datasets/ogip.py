"""OGIP files of spectra: counts (PHA), OFF counts (BKG), effective area (ARF) and energy dispersion (RMF).

Sources: Arnaud, George & Tennant 2009, OGIP memo OGIP/92-007; George et al. 2007, OGIP memo CAL/GEN/92-002.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, to_host
from lightpool.data import GTI
from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import (
    BinTableHDU,
    Column,
    FitsFile,
    HDUList,
    PrimaryHDU,
    header_number,
    make_path,
    parsing,
    read_fits,
    table_to_hdu,
    write_fits,
)
from lightpool.irf import EDispKernel, EDispKernelMap
from lightpool.maps import Map, MapAxis, RegionGeom
from lightpool.maps.fits_format import verify_checksums

if TYPE_CHECKING:
    from lightpool.datasets.on_off import OnOffDataset

__all__ = [
    "FORMATS",
    "companion_files",
    "find_ogip_format",
    "find_pha_files",
    "ogip_filenames",
    "read_grouped_axis",
    "read_ogip",
    "to_ogip_hdulists",
    "write_ogip",
]

FORMATS = {"ogip": (None, None), "xspec": (u.keV, u.cm**2), "ogip-sherpa": (u.keV, u.cm**2)}
"""Units of energy and area in each format; None keeps those of the dataset."""

_PARTS = {"ANCRFILE": "_arf", "BACKFILE": "_bkg", "RESPFILE": "_rmf"}
_SPECTRUM = {
    "TELESCOP": "unknown",
    "INSTRUME": "unknown",
    "FILTER": "None",
    "EXPOSURE": 0.0,
    "CORRFILE": "",
    "CORRSCAL": "",
    "ANCRFILE": "",
    "HDUCLASS": "OGIP",
    "HDUCLAS1": "SPECTRUM",
    "HDUVERS": "1.2.1",
    "POISSERR": True,
    "CHANTYPE": "PHA",
    "DETCHANS": 0,
    "GROUPING": 0,
    "AREASCAL": 1,
}
_SPECRESP = {
    "TELESCOP": "unknown",
    "INSTRUME": "unknown",
    "FILTER": "None",
    "HDUCLASS": "OGIP",
    "HDUCLAS1": "RESPONSE",
    "HDUCLAS2": "SPECRESP",
    "HDUVERS": "1.1.0",
}


def ogip_filenames(filename: str | Path) -> dict[str, str]:
    """Names of the files that belong to a PHA file, by the keyword that names them: ``a.fits``, ``a_arf.fits``..."""
    path = Path(filename)
    suffix = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:])
    stem = path.name.removesuffix(suffix)
    return {key: f"{stem}{part}{suffix}" for key, part in _PARTS.items()}


def companion_files(file: FitsFile) -> dict[str, Path]:
    """Paths of the files that a PHA file names, by keyword; MissingDataError if one is not there."""
    found = ((key, _beside(Path(file.source), file.values("SPECTRUM"), key)) for key in _PARTS)
    return {key: path for key, path in found if path is not None}


def find_ogip_format(file: FitsFile) -> str:
    """Format in which a PHA file was written, by the unit of its energies: "xspec" for keV."""
    unit = file.table("EBOUNDS").units.get("E_MIN", "") if "EBOUNDS" in file else "keV"
    return "xspec" if unit == "keV" else "ogip"


def find_pha_files(folder: str | Path) -> list[Path]:
    """PHA files in a folder, in the order of their names; the other files of a set are left out."""
    path = make_path(folder)
    found = sorted({*path.glob("pha*.fits"), *path.glob("pha*.fits.gz"), *path.glob("*.pha")})
    parts = {name for pha in found for name in ogip_filenames(pha).values()}
    files = [pha for pha in found if pha.name not in parts]
    if not files:
        raise MissingDataError(f"no PHA file pha*.fits, pha*.fits.gz or *.pha in {path}")
    return files


# --- writing


def write_ogip(
    dataset: "OnOffDataset",
    filename: str | Path,
    format: str = "ogip",
    overwrite: bool = False,
    checksum: bool = False,
) -> None:
    """Write the files of a spectrum, the PHA file last, so that it names files that are there.

    Parameters
    ----------
    dataset : SpectrumDatasetOnOff
    filename : str or Path of the PHA file; the others are named by `ogip_filenames`
    format : "ogip", or "ogip-sherpa" with keV and cm2
    overwrite : bool
    checksum : bool, whether to put checksums into the headers

    Raises
    ------
    FileExistsError
        If one of the files is there and ``overwrite`` is False; then none is written.
    """
    path = make_path(filename)
    files = {path.parent / name: hdulist for name, hdulist in to_ogip_hdulists(dataset, path, format).items()}
    for target in files:
        if target.exists() and not overwrite:
            raise FileExistsError(f"{target} is there already; pass overwrite=True to replace it")
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, hdulist in reversed(files.items()):
        write_fits(hdulist, target, overwrite=overwrite, checksum=checksum)


def to_ogip_hdulists(dataset: "OnOffDataset", filename: str | Path, format: str = "ogip") -> dict[str, HDUList]:
    """HDUs of the files of a spectrum by file name, the PHA file first; arguments as in `write_ogip`.

    There is a BKG file if the dataset has OFF counts, and a RMF file if it has an energy dispersion.
    """
    if format not in FORMATS:
        raise FormatError(f"spectra are written in the formats {list(FORMATS)} or 'gadf', got {format!r}")
    format = "ogip-sherpa" if format == "xspec" else format
    livetime = _livetime(dataset)
    names = ogip_filenames(filename)
    if dataset.counts_off is None:
        names.pop("BACKFILE")
    if dataset.edisp is None:
        names.pop("RESPFILE")
    meta = {"EXPOSURE": livetime.to_value("s"), "OBS_ID": dataset.name, **names}
    pha = _spectrum_hdulist(dataset, dataset.counts, dataset.acceptance, format, meta | {"HDUCLAS2": "TOTAL"})
    if dataset.gti is not None:
        pha.append(dataset.gti.to_table_hdu())
    if dataset.meta_table is not None:
        pha.append(table_to_hdu(dataset.meta_table, name="META_TABLE"))
    hdulists = {Path(filename).name: pha, names["ANCRFILE"]: _arf_hdulist(dataset, livetime, format)}
    if "BACKFILE" in names:
        hdulists[names["BACKFILE"]] = _spectrum_hdulist(
            dataset, dataset.counts_off, dataset.acceptance_off, format, meta | {"HDUCLAS2": "BKG"}
        )
    if "RESPFILE" in names:
        hdulists[names["RESPFILE"]] = _rmf_hdulist(dataset, format)
    creation = dataset.meta.renewed().creation.to_header()
    for hdulist in hdulists.values():
        for hdu in hdulist:
            hdu.header.update(creation)
    return hdulists


def _livetime(dataset: "OnOffDataset") -> u.Quantity:
    if dataset.exposure is None or dataset.exposure.meta.get("livetime") is None:
        raise ValueError(
            f"dataset {dataset.name!r} has no exposure with a livetime, which OGIP files need; "
            "set dataset.exposure.meta['livetime'], or write format 'gadf'"
        )
    return u.Quantity(dataset.exposure.meta["livetime"])


def _along_energy(data: Map) -> NDArray[Any]:
    """Values of a map of a region along its one axis, or the only one."""
    if len(data.geom.axes) > 1:
        raise FormatError(f"OGIP files hold maps with one axis of energy, got the axes {data.geom.axes.names}")
    return np.asarray(to_host(data.data))[..., 0, 0]  # host: FITS is written from NumPy


def _spectrum_hdulist(
    dataset: "OnOffDataset", counts: Map, acceptance: Map | None, format: str, meta: dict[str, Any]
) -> HDUList:
    values = np.nan_to_num(_along_energy(counts))
    n_channel = len(values)
    backscal = np.ones(n_channel) if acceptance is None else _along_energy(acceptance).astype(np.float64)
    mask = np.ones(n_channel, dtype=bool) if dataset.mask_safe is None else _along_energy(dataset.mask_safe)
    columns = [
        Column("CHANNEL", "I", array=np.arange(n_channel, dtype=np.int16)),
        _counts_column(values),
        # The memo asks for an integer; Gammapy writes a logical value.
        Column("QUALITY", "I", array=(~mask).astype(np.int16)),
        Column("BACKSCAL", "D", array=backscal),
    ]
    hdu = BinTableHDU.from_columns(columns, name="SPECTRUM")
    known = {key: value for key, value in counts.meta.items() if key in ("TELESCOP", "INSTRUME", "FILTER")}
    header = {**_SPECTRUM, **known, **meta, "DETCHANS": n_channel, "HDUCLAS3": "COUNT", "HDUCLAS4": "TYPE:1"}
    hdu.header.update(header)
    further = [part for part in counts.geom.to_hdulist(format=format) if not isinstance(part, PrimaryHDU)]
    return HDUList([PrimaryHDU(), hdu, *further])


def _counts_column(values: NDArray[Any]) -> Column:
    """Counts as whole numbers; predicted ones that are not whole stay as they are."""
    is_whole = bool(np.all(values == np.rint(values)) and np.all(np.abs(values) < 2**31))
    return Column("COUNTS", "J", array=values.astype(np.int32)) if is_whole else Column("COUNTS", "D", array=values)


def _arf_hdulist(dataset: "OnOffDataset", livetime: u.Quantity, format: str) -> HDUList:
    exposure = dataset.exposure
    axis = exposure.geom.axes["energy_true"]
    area = u.Quantity(np.nan_to_num(_along_energy(exposure)), exposure.unit) / livetime.to("s")
    unit_energy, unit_area = (given or own for given, own in zip(FORMATS[format], (axis.unit, area.unit), strict=True))
    edges = axis.edges.to_value(unit_energy)
    columns = [
        Column("ENERG_LO", "D", unit=unit_energy.to_string("fits"), array=edges[:-1]),
        Column("ENERG_HI", "D", unit=unit_energy.to_string("fits"), array=edges[1:]),
        Column("SPECRESP", "D", unit=unit_area.to_string("fits"), array=area.to_value(unit_area)),
    ]
    hdu = BinTableHDU.from_columns(columns, name="SPECRESP")
    hdu.header.update(_SPECRESP)
    low, high = dataset.energy_range_safe
    thresholds = [_along_energy(edge).item() * edge.unit.to(unit_energy) for edge in (low, high)]
    if np.all(np.isfinite(thresholds)):
        hdu.header["LO_THRES"] = thresholds[0], f"Lowest safe energy [{unit_energy}]"
        hdu.header["HI_THRES"] = thresholds[1], f"Highest safe energy [{unit_energy}]"
    return HDUList([PrimaryHDU(), hdu])


def _rmf_hdulist(dataset: "OnOffDataset", format: str) -> HDUList:
    has_kernels = "energy" in dataset.edisp.geom.axes.names
    kernel = dataset.edisp.get_edisp_kernel(energy_axis=None if has_kernels else dataset._geom.axes["energy"])
    return kernel.to_hdulist(format=format)


# --- reading


def read_ogip(filename: str | Path | FitsFile, name: str | None = None, checksum: bool = False) -> dict[str, Any]:
    """Arguments for `SpectrumDatasetOnOff`, from a PHA file and the files that it names.

    Parameters
    ----------
    filename : str, Path or FitsFile
    name : str, by default the ``OBS_ID`` of the file, or its name
    checksum : bool, whether to compare the checksums in the headers, with a warning if they differ

    Notes
    -----
    Files are looked for beside the PHA file first, then as they are named. Without a BKG file there are no OFF
    counts, and without a RMF file no energy dispersion. Channels with a ``QUALITY`` other than 0 are not safe. The
    channels are kept as they are; for a column ``GROUPING`` see `read_grouped_axis`.
    """
    file = filename if isinstance(filename, FitsFile) else read_fits(filename)
    if checksum:
        verify_checksums(file.hdulist, file.source)
    path = Path(file.source)
    header = file.values("SPECTRUM")
    livetime = header_number(header, "EXPOSURE", f"{path}, HDU 'SPECTRUM'", low=0, unit="the livetime in s") * u.s
    arguments: dict[str, Any] = {"name": str(header.get("OBS_ID", path.stem)) if name is None else name}
    with parsing(path):
        arguments["counts"], arguments["acceptance"], arguments["mask_safe"] = _read_spectrum(file)
        if "GTI" in file.names:
            arguments["gti"] = GTI.from_table_data(file.table("GTI"))
    area_path = _beside(path, header, "ANCRFILE")
    if area_path is None:
        raise FormatError(f"{path}, HDU 'SPECTRUM': the keyword ANCRFILE names no file, expected an effective area")
    with parsing(area_path):
        arguments["exposure"] = _read_arf(_open(area_path, checksum), livetime)
    off_path = _beside(path, header, "BACKFILE")
    if off_path is not None:
        with parsing(off_path):
            arguments["counts_off"], arguments["acceptance_off"], _ = _read_spectrum(_open(off_path, checksum))
    response_path = _beside(path, header, "RESPFILE")
    if response_path is not None:
        with parsing(response_path):
            arguments["edisp"] = _read_rmf(_open(response_path, checksum), arguments["exposure"])
    return arguments


def read_grouped_axis(file: FitsFile) -> MapAxis | None:
    """Axis of energy with one bin for each group of channels of a PHA file; None if no channels are grouped.

    A group is a channel with a ``GROUPING`` of 1 or 0 and those with -1 after it.
    """
    table = file.table("SPECTRUM")
    if "GROUPING" not in table or not np.any(table.column("GROUPING")[1:] < 0):
        return None
    axis = RegionGeom.from_hdulist(file.hdulist, format="ogip").axes["energy"]
    is_start = table.column("GROUPING") >= 0
    is_start[0] = True
    return MapAxis.from_energy_edges(axis.edges[np.append(is_start, True)], name="energy")


def _open(path: Path, checksum: bool) -> FitsFile:
    file = read_fits(path)
    if checksum:
        verify_checksums(file.hdulist, path)
    return file


def _beside(path: Path, header: Any, keyword: str) -> Path | None:
    """Path of the file that a keyword names; None if it names none."""
    name = str(header.get(keyword, "")).strip()
    if name.lower() in ("", "none"):
        return None
    candidates: Iterable[Path] = (path.parent / name, make_path(name))
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise MissingDataError(f"{path} names {name!r} as its {keyword}, but there is no such file beside it")


def _read_spectrum(file: FitsFile) -> tuple[Map, Map, Map]:
    """Counts, acceptance and safe mask of a PHA or BKG file."""
    table = file.table("SPECTRUM")
    geom = RegionGeom.from_hdulist(file.hdulist, format="ogip")
    shape = geom.data_shape
    where = f"{table.source}, HDU {table.name!r}"
    counts = table.column("COUNTS").astype(np.float64)
    if counts.size != shape[0]:
        raise FormatError(f"{table.source}: {counts.size} channels, but {shape[0]} bins of energy in HDU 'EBOUNDS'")

    def values(key: str, default: float) -> NDArray[Any]:
        given = table.column(key) if key in table else header_number(table.header, key, where, default=default)
        return np.reshape(np.broadcast_to(given, counts.shape).astype(np.float64), shape)

    return (
        Map.from_geom(geom, data=counts.reshape(shape), meta=dict(table.meta)),
        Map.from_geom(geom, data=values("BACKSCAL", 1.0)),
        Map.from_geom(geom, data=values("QUALITY", 0.0) == 0),
    )


def _read_arf(file: FitsFile, livetime: u.Quantity) -> Map:
    table = file.table("SPECRESP")
    geom = RegionGeom.from_hdulist(file.hdulist, format="ogip-arf")
    exposure = table.quantity("SPECRESP").astype(np.float64) * livetime
    return Map.from_geom(
        geom, data=exposure.value.reshape(geom.data_shape), unit=exposure.unit, meta={"livetime": livetime}
    )


def _read_rmf(file: FitsFile, exposure: Map) -> EDispKernelMap:
    edisp = EDispKernelMap.from_edisp_kernel(EDispKernel.from_hdulist(file.hdulist), geom=exposure.geom)
    data = exposure.data
    xp = array_namespace(data)
    shape = tuple(edisp.exposure_map.data.shape)
    edisp.exposure_map = Map.from_geom(
        edisp.exposure_map.geom, data=xp.reshape(data, shape), unit=exposure.unit, device=exposure.device
    )
    return edisp
