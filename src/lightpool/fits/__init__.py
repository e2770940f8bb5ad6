"""Reading tables and writing HDUs; the only door to astropy.io.fits."""

from astropy.io.fits import BinTableHDU, Column, HDUList, Header, ImageHDU, PrimaryHDU, table_to_hdu

__all__ = ["BinTableHDU", "Column", "HDUList", "Header", "ImageHDU", "PrimaryHDU", "table_to_hdu"]
