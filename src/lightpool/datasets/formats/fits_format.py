"""FITS files of map datasets, in the layout of Gammapy (``gadf``): one image HDU and one table of bins per map."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from lightpool.arrays import array_namespace
from lightpool.data import GTI
from lightpool.datasets.base import DatasetBase, DatasetPart
from lightpool.datasets.metadata import MapDatasetMetaData, read_meta_table
from lightpool.errors import FormatError
from lightpool.fits import (
    DATASET_KINDS,
    FitsFile,
    HDUList,
    PrimaryHDU,
    parsing,
    read_fits,
    require_kind,
    required_path,
    table_to_hdu,
    write_fits,
)
from lightpool.irf import EDispMap, PSFMap
from lightpool.maps import Map
from lightpool.maps.fits_format import precision_in_file
from lightpool.typing import PathInput
from lightpool.utils.on_demand import Deferred

__all__ = ["from_hdulist", "read", "to_hdulist", "write"]

_HDU_ORDER = (
    "counts",
    "exposure",
    "background",
    "edisp",
    "psf",
    "mask_safe",
    "mask_fit",
    "counts_off",
    "acceptance",
    "acceptance_off",
)


def to_hdulist(dataset: DatasetBase) -> HDUList:
    """Return the HDUs of a dataset; models are not among them."""
    primary = PrimaryHDU()
    meta = dataset.meta.renewed()
    primary.header["NAME"] = dataset.name
    primary.header["DATASET"] = dataset.tag
    primary.header.update(meta.to_header())
    hdulist = HDUList([primary])
    maps = dataset.maps
    # Without the primary HDU, which each map has by itself.
    hdus = {name: maps[name].to_hdulist(**_hdu_keyword(name))[1:] for name in _HDU_ORDER if name in maps}
    off = [hdus.pop(name) for name in ("counts_off", "acceptance", "acceptance_off") if name in hdus]
    for of_map in hdus.values():
        hdulist += of_map
    if dataset.gti is not None:
        hdulist.append(dataset.gti.to_table_hdu())
    if dataset.meta_table is not None:
        hdulist.append(table_to_hdu(dataset.meta_table, name="META_TABLE"))
    for of_map in off:  # in Gammapy's order, by which scripts may find them
        hdulist += of_map
    for hdu in hdulist:
        hdu.header.update(meta.creation_header)
    return hdulist


def _hdu_keyword(name: str) -> dict[str, str]:
    """Name the HDU of a map; the responses know theirs."""
    return {} if name in ("psf", "edisp") else {"hdu": name}


def write(dataset: DatasetBase, filename: PathInput, overwrite: bool = False, checksum: bool = False) -> None:
    """Write a dataset to a file, whole or not at all.

    Parameters
    ----------
    dataset : DatasetBase
    filename : str or Path
    overwrite : bool
    checksum : bool, whether to put checksums into the headers
    """
    path = required_path(filename)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_fits(to_hdulist(dataset), path, overwrite=overwrite, checksum=checksum)


def from_hdulist(
    hdulist: HDUList,
    name: str | None = None,
    format: str = "gadf",
    map_names: Sequence[str] = _HDU_ORDER,
    *,
    lazy: bool = False,
) -> dict[str, Any]:
    """Read the arguments for a dataset from HDUs.

    Parameters
    ----------
    hdulist : HDUList
    name : str, of the dataset, by default the one in the HDUs
    format : {"gadf"}
    map_names : sequence of str, maps that the dataset has
    lazy : bool, whether each map is read when it is first used
    """
    _check_format(format)
    _check_maps(hdulist, map_names)
    maps: dict[str, Any] = {}
    is_mixed = _is_mixed(hdulist)
    for key in (key for key in map_names if key.upper() in hdulist):
        read_map = partial(_read, hdulist, key, is_mixed)
        maps[key] = Deferred(read_map, renewable=True) if lazy else read_map()
    return maps | _small_parts(hdulist, name)


def read(
    tag: str,
    class_name: str,
    map_names: Sequence[str],
    filename: PathInput | FitsFile,
    name: str | None = None,
    lazy: bool = False,
    cache: bool = True,
    format: str = "gadf",
    checksum: bool = False,
) -> dict[str, Any]:
    """Read the arguments for a dataset from a file; see `MapDataset.read`.

    Parameters
    ----------
    tag : str, of the class
    class_name : str, its name, for messages
    map_names : sequence of str, maps that the class has
    filename, name, lazy, cache, format, checksum : as for `MapDataset.read`
    """
    _check_format(format)
    file = filename if isinstance(filename, FitsFile) else read_fits(filename, in_pieces=True)
    require_kind(file, f"{class_name}.read", DATASET_KINDS[tag])
    with parsing(file.source):
        hdulist = file.hdulist
        if checksum:
            file.verify_checksums()
        if not lazy:
            return from_hdulist(hdulist, name, format, map_names)
        maps = {
            key: Deferred(partial(_load, file.source, key), cache, renewable=True)
            for key in map_names
            if key.upper() in hdulist
        }
        return maps | _small_parts(hdulist, name)


def _check_format(format: str) -> None:
    if format != "gadf":
        raise FormatError(f"map datasets are read in format 'gadf', got {format!r}")


def _check_maps(hdulist: HDUList, map_names: Sequence[str]) -> None:
    """Raise a FormatError if there are maps that the dataset would lose, or if there is no dataset at all."""
    found = [name for name in _HDU_ORDER if name.upper() in hdulist]
    if others := [name for name in found if name not in map_names]:
        raise FormatError(
            f"the HDUs hold the maps {', '.join(others)}, which this kind of dataset does not have; "
            f"it has {', '.join(map_names)}. Datasets with counts_off are those of the classes ...OnOff"
        )
    # A dataset may have no maps at all, but its name is always written.
    if not found and "NAME" not in hdulist[0].header:
        raise FormatError(f"the HDUs hold no dataset, they are {[hdu.name for hdu in hdulist]}")


def _load(filename: PathInput, key: str) -> DatasetPart:
    with parsing(filename):
        # Opened again for each map, so that the content of the file is not kept in memory until then.
        hdulist = read_fits(filename, in_pieces=True).hdulist
        return _read(hdulist, key, _is_mixed(hdulist))


def _is_mixed(hdulist: HDUList) -> bool:
    """Return whether some maps are in single and some in double precision, as in some files of Gammapy."""
    names = [f"{name}{end}".upper() for name in _HDU_ORDER for end in ("", "_exposure") if not name.startswith("mask")]
    return len({precision_in_file(hdulist[name]) for name in names if name in hdulist} - {None}) > 1


def _read(hdulist: HDUList, key: str, is_mixed: bool) -> DatasetPart:
    """Read a map in the precision of the file; if its maps differ, all are double."""
    data = _READERS[key](hdulist)
    return data.to(precision="double") if is_mixed else data


def _small_parts(hdulist: HDUList, name: str | None) -> dict[str, Any]:
    """Read what is not a map: the name, the time intervals, the tables."""
    header = hdulist[0].header
    parts: dict[str, Any] = {
        "name": header.get("NAME") if name is None else name,
        "meta": MapDatasetMetaData.from_header(header),
    }
    if "GTI" in hdulist:
        parts["gti"] = GTI.from_table_hdu(hdulist["GTI"])
    if "META_TABLE" in hdulist:
        parts["meta_table"] = read_meta_table(hdulist["META_TABLE"])
    return parts


def _read_mask(hdulist: HDUList, name: str) -> Map:
    mask = Map.from_hdulist(hdulist, hdu=name, format="gadf")
    xp = array_namespace(mask.data)
    # FITS has no images of logical values: a mask is written as integers.
    return mask.copy(data=xp.astype(mask.data, xp.bool), unit="")


def _read_exposure(hdulist: HDUList) -> Map:
    exposure = Map.from_hdulist(hdulist, hdu="exposure", format="gadf")
    if exposure.geom.axes[0].name == "energy":  # files of the first versions of Gammapy
        exposure = exposure.rename_axes(names=["energy"], new_names=["energy_true"])
    return exposure


def _read_map(hdulist: HDUList, name: str) -> Map:
    return Map.from_hdulist(hdulist, hdu=name, format="gadf")


_READERS: dict[str, Callable[[HDUList], DatasetPart]] = {
    "counts": lambda hdulist: _read_map(hdulist, "counts"),
    "background": lambda hdulist: _read_map(hdulist, "background"),
    "counts_off": lambda hdulist: _read_map(hdulist, "counts_off"),
    "acceptance": lambda hdulist: _read_map(hdulist, "acceptance"),
    "acceptance_off": lambda hdulist: _read_map(hdulist, "acceptance_off"),
    "exposure": _read_exposure,
    "edisp": lambda hdulist: EDispMap.from_hdulist(hdulist, hdu="edisp", exposure_hdu="edisp_exposure"),
    "psf": lambda hdulist: PSFMap.from_hdulist(hdulist, hdu="psf", exposure_hdu="psf_exposure"),
    "mask_safe": lambda hdulist: _read_mask(hdulist, "mask_safe"),
    "mask_fit": lambda hdulist: _read_mask(hdulist, "mask_fit"),
}
