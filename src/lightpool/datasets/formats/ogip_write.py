"""Write OGIP files of spectra, see `lightpool.datasets.formats.ogip`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import to_host
from lightpool.datasets.formats.ogip import FORMATS, ogip_filenames
from lightpool.datasets.on_off import OnOffDataset
from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, Column, HDUList, PrimaryHDU, make_path, table_to_hdu, write_fits
from lightpool.maps import Map, RegionGeom
from lightpool.maps.axes.axis_format import integer_type
from lightpool.typing import PathInput

__all__ = ["to_ogip_hdulists", "write_ogip"]

_SPECTRUM = {
    "HDUCLASS": "OGIP",
    "HDUCLAS1": "SPECTRUM",
    "HDUCLAS3": "COUNT",
    "HDUCLAS4": "TYPE:I",
    "HDUVERS": "1.2.1",
    "CORRFILE": "none",
    "CORRSCAL": 1.0,
    "POISSERR": True,
    "STAT_ERR": 0,
    "SYS_ERR": 0,
    "CHANTYPE": "PHA",
    "GROUPING": 0,
    "AREASCAL": 1.0,
}
_SPECRESP = {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "SPECRESP", "HDUVERS": "1.1.0"}
_NO_FILE = "none"
"""Value of a keyword that names a file, where there is none: the standard requires the keyword anyway."""


def write_ogip(
    dataset: OnOffDataset,
    filename: PathInput,
    format: str = "ogip",
    overwrite: bool = False,
    checksum: bool = False,
) -> None:
    """Write the files of a spectrum, the PHA file last, so that the files that it names exist.

    Parameters
    ----------
    dataset : SpectrumDatasetOnOff
    filename : str or Path of the PHA file; the others are named by `ogip_filenames`
    format : "ogip", or "xspec" with keV and cm2
    overwrite : bool
    checksum : bool, whether to put checksums into the headers

    Raises
    ------
    FileExistsError
        If one of the files exists and ``overwrite`` is False; then none is written.
    """
    path = make_path(filename)
    files = {path.parent / name: hdulist for name, hdulist in to_ogip_hdulists(dataset, path, format).items()}
    for target in files:
        if target.exists() and not overwrite:
            raise FileExistsError(f"{target} is there already; pass overwrite=True to replace it")
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, hdulist in reversed(files.items()):
        write_fits(hdulist, target, overwrite=overwrite, checksum=checksum)


def to_ogip_hdulists(dataset: OnOffDataset, filename: PathInput, format: str = "ogip") -> dict[str, HDUList]:
    """Return the HDUs of the files of a spectrum by file name, the PHA file first.

    There is a BKG file if the dataset has OFF counts, and an RMF file if it has an energy dispersion.

    Parameters
    ----------
    dataset : SpectrumDatasetOnOff
    filename : str or Path, of the PHA file
    format : {"ogip", "xspec", "ogip-sherpa"}
    """
    if format not in FORMATS:
        raise FormatError(f"spectra are written in the formats {list(FORMATS)} or 'gadf', got {format!r}")
    livetime = _livetime(dataset)
    names = ogip_filenames(filename)
    if dataset.counts_off is None:
        names["BACKFILE"] = _NO_FILE
    if dataset.edisp is None:
        names["RESPFILE"] = _NO_FILE
    channels = _Channels.of(dataset, format)
    about = _instrument(dataset) | {"EXPOSURE": livetime.to_value("s"), "OBS_ID": dataset.name, **_dates(dataset)}
    keywords = {"BACKFILE": names["BACKFILE"], "RESPFILE": names["RESPFILE"], "ANCRFILE": names["ANCRFILE"]}
    pha = channels.hdulist(dataset.required("counts"), channels.backscal, about | keywords | {"HDUCLAS2": "TOTAL"})
    if dataset.gti is not None:
        pha.append(dataset.gti.to_table_hdu())
    if dataset.meta_table is not None:
        pha.append(table_to_hdu(dataset.meta_table, name="META_TABLE"))
    # The PHA file first: `write_ogip` writes in reverse order, so that it is written last.
    hdulists = {Path(filename).name: pha, names["ANCRFILE"]: _arf_hdulist(dataset, livetime, format)}
    if dataset.counts_off is not None:
        # A background file has no background of its own.
        keywords |= {"BACKFILE": _NO_FILE, "HDUCLAS2": "BKG"}
        hdulists[names["BACKFILE"]] = channels.hdulist(dataset.counts_off, channels.backscal_off, about | keywords)
    if dataset.edisp is not None:
        hdulists[names["RESPFILE"]] = _rmf_hdulist(dataset, format)
    creation = dataset.meta.renewed().creation_header
    for hdulist in hdulists.values():
        for hdu in hdulist:
            hdu.header.update(creation)
            if hdu.header.get("HDUCLASS") == "OGIP":
                hdu.header.update(_instrument(dataset))
    return hdulists


def _livetime(dataset: OnOffDataset) -> u.Quantity:
    if dataset.exposure is None or dataset.exposure.meta.get("livetime") is None:
        raise ValueError(
            f"dataset {dataset.name!r} has no exposure with a livetime, which OGIP files need; "
            "set dataset.exposure.meta['livetime'], or write format 'gadf'"
        )
    return u.Quantity(dataset.exposure.meta["livetime"])


def _instrument(dataset: OnOffDataset) -> dict[str, str]:
    """Return telescope, instrument and filter, from the table of observations or from the file that was read."""
    found = {}
    for key, default in (("TELESCOP", "unknown"), ("INSTRUME", "unknown"), ("FILTER", "None")):
        table = dataset.meta_table
        listed: Any = [] if table is None or key not in table.colnames else np.ravel(np.asarray(table[key]))
        names = sorted({str(name).strip() for name in listed} - {"", "Unknown", "unknown"})
        # The text of one card has at most 68 characters (FITS standard 4.0, 4.2.1.1).
        found[key] = ", ".join(names)[:68] or str(dataset.required("counts").meta.get(key, default))
    return found


def _dates(dataset: OnOffDataset) -> dict[str, str]:
    """Return the first and the last good time in UTC."""
    if dataset.gti is None or not len(dataset.gti):
        return {}
    gti = dataset.gti
    first, last = gti.time_start.min(), gti.time_stop.max()
    return {"DATE-OBS": first.utc.isot, "DATE-END": last.utc.isot, "TIMESYS": "UTC"}


def _along_energy(data: Map) -> NDArray[Any]:
    """Return the values of the map of a region along its only axis, or its only value."""
    if len(data.geom.axes) > 1:
        raise FormatError(f"OGIP files hold maps with one axis of energy, got the axes {data.geom.axes.names}")
    return np.asarray(to_host(data.data))[..., 0, 0]  # host: FITS is written from NumPy


@dataclass(frozen=True)
class _Channels:
    """Values of each channel in the PHA and the BKG file.

    Attributes
    ----------
    is_good : array of bool, shape (n_channel,)
    backscal, backscal_off : array of float, shape (n_channel,), acceptances
    layout : str, of the table of energies
    """

    is_good: NDArray[np.bool_]
    backscal: NDArray[np.float64]
    backscal_off: NDArray[np.float64]
    layout: str

    @classmethod
    def of(cls, dataset: OnOffDataset, format: str) -> "_Channels":
        n_channel = len(_along_energy(dataset.required("counts")))
        good = np.ones(n_channel, dtype=bool) if dataset.mask_safe is None else _along_energy(dataset.mask_safe)
        scales = [
            np.ones(n_channel) if acceptance is None else _along_energy(acceptance).astype(np.float64)
            for acceptance in (dataset.acceptance, dataset.acceptance_off)
        ]
        if format == "ogip":
            return cls(good.astype(bool), scales[0], scales[1], "ogip")
        # XSPEC and Sherpa divide by the scale of the background: a channel without OFF region is bad, of scale 1.
        has_off = scales[1] > 0
        return cls(good.astype(bool) & has_off, scales[0], np.where(has_off, scales[1], 1.0), "ogip-sherpa")

    def hdulist(self, counts: Map, backscal: NDArray[np.float64], keywords: dict[str, Any]) -> HDUList:
        """Return the HDUs of a PHA or BKG file: the spectrum, the energies of the channels, the region."""
        n_channel = len(self.is_good)
        channel = np.arange(n_channel, dtype=integer_type(n_channel))
        columns = [
            Column("CHANNEL", "I" if channel.dtype == np.int16 else "J", array=channel),
            _counts_column(np.nan_to_num(_along_energy(counts))),
            # The memo asks for an integer; Gammapy writes a logical value.
            Column("QUALITY", "I", array=(~self.is_good).astype(np.int16)),
            Column("BACKSCAL", "D", array=backscal),
        ]
        hdu = BinTableHDU.from_columns(columns, name="SPECTRUM")
        # TLMIN says that CHANNEL counts from 0; readers assume 1 without it.
        limits = {"DETCHANS": n_channel, "TLMIN1": 0, "TLMAX1": n_channel - 1}
        hdu.header.update(_SPECTRUM | keywords | limits)
        geom = counts.geom
        assert isinstance(geom, RegionGeom)  # this is a spectrum
        further = [part for part in geom.to_hdulist(format=self.layout) if not isinstance(part, PrimaryHDU)]
        return HDUList([PrimaryHDU(), hdu, *further])


def _counts_column(values: NDArray[Any]) -> Column:
    """Return a column of counts as whole numbers; predicted counts that are not whole stay unchanged."""
    is_whole = bool(np.all(values == np.rint(values)) and np.all(np.abs(values) < 2**31))
    values = values.astype(np.int32) if is_whole else values
    return Column("COUNTS", "J" if is_whole else "D", unit="count", array=values)


def _arf_hdulist(dataset: OnOffDataset, livetime: u.Quantity, format: str) -> HDUList:
    exposure = dataset.required("exposure")
    axis = exposure.geom.axes["energy_true"]
    area = u.Quantity(np.nan_to_num(_along_energy(exposure)), exposure.unit) / livetime.to("s")
    unit_energy, unit_area = (given or own for given, own in zip(FORMATS[format], (axis.unit, area.unit), strict=True))
    edges = axis.edges.to_value(unit_energy)
    if edges[0] <= 0:
        raise FormatError(
            f"dataset {dataset.name!r}: energy_true begins at {axis.edges[0]}, but OGIP files hold energies above zero"
        )
    columns = [
        Column("ENERG_LO", "D", unit=unit_energy.to_string("fits"), array=edges[:-1]),
        Column("ENERG_HI", "D", unit=unit_energy.to_string("fits"), array=edges[1:]),
        Column("SPECRESP", "D", unit=unit_area.to_string("fits"), array=area.to_value(unit_area)),
    ]
    hdu = BinTableHDU.from_columns(columns, name="SPECRESP")
    hdu.header.update(_SPECRESP)
    low, high = dataset.energy_range_safe
    thresholds = [_along_energy(edge).item() * edge.unit.to(unit_energy) for edge in (low, high)]
    # NaN if no bin is safe, which a header cannot hold.
    if np.all(np.isfinite(thresholds)):
        hdu.header["LO_THRES"] = thresholds[0], f"Lowest safe energy [{unit_energy}]"
        hdu.header["HI_THRES"] = thresholds[1], f"Highest safe energy [{unit_energy}]"
    return HDUList([PrimaryHDU(), hdu])


def _rmf_hdulist(dataset: OnOffDataset, format: str) -> HDUList:
    hdulist: HDUList = dataset.central_edisp_kernel().to_hdulist(format=format)
    return hdulist
