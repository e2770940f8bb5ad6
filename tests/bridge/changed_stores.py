"""Copies of a simulated store: without its RAD_MAX tables, or with point-like responses that need them."""

from pathlib import Path
from shutil import copytree

from astropy.io import fits
from astropy.table import Table


def without_rad_max(store: Path, target: Path) -> Path:
    """A copy for regions of any size; Gammapy takes each run with a RAD_MAX table for a point-like one."""
    copytree(store, target)
    index = target / "hdu-index.fits.gz"
    table = Table.read(index)
    keep = [str(kind).strip() != "rad_max" for kind in table["HDU_TYPE"]]
    table[keep].write(index, overwrite=True)
    return target


def point_like(store: Path, target: Path) -> Path:
    """A copy whose responses are point-like, as those of MAGIC."""
    copytree(store, target)
    for path in (target / "data").iterdir():
        with fits.open(path) as hdus:
            for hdu in hdus[1:]:
                if hdu.header.get("HDUCLAS3") == "FULL-ENCLOSURE":
                    hdu.header["HDUCLAS3"] = "POINT-LIKE"
            hdus.writeto(path, overwrite=True)
    return target
