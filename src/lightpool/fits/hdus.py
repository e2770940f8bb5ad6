"""HDUs made from tables."""

from typing import Any

from astropy.io import fits

__all__ = ["table_to_hdu"]


def table_to_hdu(table: Any, name: str | None = None) -> fits.BinTableHDU:
    """HDU of an astropy table, named in one go, which `astropy.io.fits.table_to_hdu` does since version 7.1 only."""
    hdu = fits.table_to_hdu(table)
    if name is not None:
        hdu.name = name
    return hdu
