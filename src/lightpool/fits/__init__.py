"""Read tables and write HDUs; the only package that imports astropy.io.fits."""

from astropy.io.fits import BinTableHDU, Column, HDUList, Header, ImageHDU, PrimaryHDU

from lightpool.fits.addresses import (
    Place,
    folder_and_name,
    is_address,
    join_address,
    name_of_place,
    parent_of_place,
    place_below,
)
from lightpool.fits.content_kinds import DATASET_KINDS, FileKind, file_kinds, require_kind, require_map
from lightpool.fits.files import file_status, open_file, read_bytes, read_text
from lightpool.fits.hdus_of_file import column_names_of_hdu, detached, image_values, table_in_file
from lightpool.fits.keywords import header_integer, header_number, header_text
from lightpool.fits.name_matching import match_name
from lightpool.fits.parse_errors import parsing
from lightpool.fits.paths import expanded_text, make_path, missing_file_hint, required_path
from lightpool.fits.reader import FitsFile, read_fits
from lightpool.fits.remote import address_exists, place_exists, place_of, readable_path
from lightpool.fits.remote_files import list_folder
from lightpool.fits.table import TableData, conversion_factor, parse_unit, require_numbers
from lightpool.fits.time_keywords import (
    has_time_reference,
    read_time_reference,
    seconds_per_time_unit,
    seconds_since_reference,
    time_position,
)
from lightpool.fits.writer import table_to_hdu, write_fits
from lightpool.names import show_public

__all__ = [
    "DATASET_KINDS",
    "BinTableHDU",
    "Column",
    "FileKind",
    "FitsFile",
    "HDUList",
    "Header",
    "ImageHDU",
    "Place",
    "PrimaryHDU",
    "TableData",
    "address_exists",
    "column_names_of_hdu",
    "conversion_factor",
    "detached",
    "expanded_text",
    "file_kinds",
    "file_status",
    "folder_and_name",
    "has_time_reference",
    "header_integer",
    "header_number",
    "header_text",
    "image_values",
    "is_address",
    "join_address",
    "list_folder",
    "make_path",
    "match_name",
    "missing_file_hint",
    "name_of_place",
    "open_file",
    "parent_of_place",
    "parse_unit",
    "parsing",
    "place_below",
    "place_exists",
    "place_of",
    "read_bytes",
    "read_fits",
    "read_text",
    "read_time_reference",
    "readable_path",
    "require_kind",
    "require_map",
    "require_numbers",
    "required_path",
    "seconds_per_time_unit",
    "seconds_since_reference",
    "table_in_file",
    "table_to_hdu",
    "time_position",
    "write_fits",
]

show_public(__name__)
