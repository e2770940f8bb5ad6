"""Parts of the sky that are excluded from a background, in a settings file: circles, regions, and files of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import astropy.units as u
from pydantic import Discriminator, Tag

from lightpool.config.paths import PlaceText
from lightpool.config.positions import Circle
from lightpool.config.quantities import PositiveAngleText
from lightpool.config.regions import RegionText
from lightpool.config.section import Section
from lightpool.fits import FileKind, file_kinds, name_of_place, read_fits
from lightpool.fits.content_kinds import is_fits
from lightpool.makers.background_models.exclusion import SkyExclusion
from lightpool.maps import Map

__all__ = [
    "Excluded",
    "ExcludedCatalog",
    "ExcludedMask",
    "ExcludedRegions",
    "ExcludedStars",
    "excluded_file",
    "excluded_files",
    "is_mask_file",
    "read_mask",
    "sky_exclusion",
]


class ExcludedRegions(Section):
    """The regions of a file."""

    regions: PlaceText
    """File with regions of the sky in DS9 format."""


class ExcludedMask(Section):
    """The pixels of a mask that are false."""

    mask: PlaceText
    """FITS file with a map, false in regions with gamma rays. Nothing outside of this map is excluded."""


class ExcludedCatalog(Section):
    """A circle around each source of a catalogue."""

    catalog: PlaceText
    """FITS, ECSV, CSV or VO table with columns such as RA and DEC or RAJ2000 and DEJ2000."""
    radius: PositiveAngleText = "0.3 deg"
    """Radius of all circles, or the smallest with radius_column."""
    radius_column: str | None = None
    """Column with the radius of each circle, in deg if it has no unit."""
    select: str | None = None
    """Condition on columns: only these sources are excluded."""


class ExcludedStars(Section):
    """A circle around each bright star."""

    stars: PlaceText
    """Table of stars, as for catalog, with their magnitudes."""
    magnitude_max: float = 5.0
    """Stars of this magnitude and brighter are excluded."""
    radius: PositiveAngleText = "0.3 deg"
    """Radius of all circles."""
    magnitude_column: str | None = None
    """Column of the magnitude; the first of Vmag, MAG, MAGNITUDE, Gmag, Bmag by default."""


ExcludedFile = ExcludedRegions | ExcludedMask | ExcludedCatalog | ExcludedStars

_FILE_KEYS = {
    "regions": ExcludedRegions,
    "mask": ExcludedMask,
    "catalog": ExcludedCatalog,
    "stars": ExcludedStars,
}
"""The key that tells each kind of file, which is also the key of its name."""


def _kind_of_excluded(value: object) -> str:
    if isinstance(value, str):
        return "str"
    keys = value if isinstance(value, dict) else ()
    for key, kind in _FILE_KEYS.items():
        if isinstance(value, kind) or key in keys:
            return kind.__name__
    # Anything else is checked as a circle, whose errors name its keys.
    return "Circle"


Excluded = Annotated[
    Annotated[Circle, Tag("Circle")]
    | Annotated[RegionText, Tag("str")]
    | Annotated[ExcludedRegions, Tag("ExcludedRegions")]
    | Annotated[ExcludedMask, Tag("ExcludedMask")]
    | Annotated[ExcludedCatalog, Tag("ExcludedCatalog")]
    | Annotated[ExcludedStars, Tag("ExcludedStars")],
    Discriminator(_kind_of_excluded),
]
"""A circle, a text in DS9 format, or a file of regions, of a mask, of sources or of stars."""


def excluded_files(items: list[Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the keys of a list of `Excluded` whose values are names of files, each with the dict that contains it.

    Parameters
    ----------
    items : list of str or dict, see `Settings.to_dict`
    """
    for item in items:
        if isinstance(item, dict):
            yield from ((item, key) for key in _FILE_KEYS if key in item)


def excluded_file(path: Path) -> dict[str, str]:
    """Return the item of a list of `Excluded` for a file, whose content tells what it is.

    Parameters
    ----------
    path : Path
        A mask in FITS; a catalogue in FITS, VOTable or ECSV; or else regions in DS9 format.

    Raises
    ------
    OSError, FormatError
        If it cannot be read.
    """
    name = str(path.absolute())
    if is_fits(path):
        kinds = file_kinds(read_fits(path))
        return {"mask": name} if {FileKind.MAP, FileKind.HEALPIX} & set(kinds) else {"catalog": name}
    with path.open("rb") as stream:
        begin = stream.read(1000)
    return {"catalog": name} if b"%ECSV" in begin or b"<VOTABLE" in begin.upper() else {"regions": name}


def is_mask_file(path: str) -> bool:
    """Return whether the name of a file is that of a mask in FITS, and not of regions."""
    return name_of_place(path).endswith((".fits", ".fits.gz", ".fit", ".fit.gz"))


def read_mask(path: str) -> Map:
    """Read a mask; masks are numbers in files."""
    mask = Map.read(path)
    return Map.from_geom(mask.geom, data=mask.data != 0)


def sky_exclusion(item: ExcludedMask | ExcludedCatalog | ExcludedStars) -> SkyExclusion:
    """Read a file of `Excluded` that is no list of regions.

    Parameters
    ----------
    item : ExcludedMask, ExcludedCatalog or ExcludedStars
    """
    if isinstance(item, ExcludedMask):
        return SkyExclusion.from_mask(read_mask(item.mask))
    radius = u.Quantity(item.radius)
    if isinstance(item, ExcludedCatalog):
        return SkyExclusion.from_catalog(item.catalog, radius, radius_column=item.radius_column, select=item.select)
    return SkyExclusion.from_stars(item.stars, item.magnitude_max, radius, magnitude_column=item.magnitude_column)
