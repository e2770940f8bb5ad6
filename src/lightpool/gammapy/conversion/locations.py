"""Where the parts of an observation are in files."""

from gammapy.utils.fits import HDULocation as GammapyHDULocation

from lightpool.data.files.hdu_location import HDULocation
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy

__all__ = ["location_from_gammapy", "location_to_gammapy"]


@from_gammapy.register(GammapyHDULocation)
def location_from_gammapy(location: GammapyHDULocation) -> HDULocation:
    """Return the place of an HDU as Gammapy keeps it."""
    folder = "" if location.file_dir is None else str(location.file_dir)
    return HDULocation(
        str(location.hdu_class),
        str(location.base_dir),
        folder,
        str(location.file_name),
        location.hdu_name,
        location.cache,
        location.format,
    )


@to_gammapy.register
def location_to_gammapy(location: HDULocation) -> GammapyHDULocation:
    """Return the place of an HDU as an object of Gammapy."""
    return GammapyHDULocation(
        location.hdu_class,
        base_dir=location.base_dir,
        file_dir=location.file_dir,
        file_name=location.file_name,
        hdu_name=location.hdu_name,
        cache=location.cache,
        format=location.format,
    )
