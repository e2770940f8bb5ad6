"""An observation as the HDUs of one FITS file in GADF layout, and where a file holds its responses."""

import logging

from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.data.files.hdu_location import HDULocation
from lightpool.data.metadata import CreatorMetaData
from lightpool.data.observation_parts import ObservationParts
from lightpool.data.tables.gadf_tables import classify_hdus
from lightpool.fits import BinTableHDU, HDUList, Place, PrimaryHDU, folder_and_name
from lightpool.irf import IRF

__all__ = ["irf_locations", "observation_hdus"]

log = logging.getLogger(__name__)

_IRFS = ("aeff", "edisp", "psf", "bkg", "rad_max")


def observation_hdus(observation: ObservationParts, format: str, include_irfs: bool) -> HDUList:
    """Return the HDUs of the events, the GTI and the responses that an observation has.

    Parameters
    ----------
    observation : Observation
    format : {"gadf"}
    include_irfs : bool

    Raises
    ------
    ValueError
        If there are events but no pointing, which their header must state.
    """
    primary = PrimaryHDU()
    hdus: list[PrimaryHDU | BinTableHDU] = [primary]
    primary.header.update((observation.meta.creation or CreatorMetaData()).to_header(format))
    events = observation.events
    if events is not None:
        if observation.pointing is None:
            raise ValueError("Cannot write Observation in gadf format: Missing pointing.")
        hdu = events.to_table_hdu(format)
        hdu.header.update(observation.pointing.to_fits_header())
        hdus.append(hdu)
    if observation.gti is not None:
        hdus.append(observation.gti.to_table_hdu(format))
    for name in observation.available_irfs if include_irfs else ():
        irf: IRF | None = getattr(observation, name)
        if irf is not None:
            hdus.append(irf.to_table_hdu(format="gadf-dl3"))
    return HDUList(hdus)


def irf_locations(path: Place) -> dict[str, HDULocation]:
    """Return the locations of the response tables of a file; of several of one type the first, with a warning."""
    locations: dict[str, HDULocation] = {}
    folder, file_name = folder_and_name(path)
    for name, kind, hdu_class in classify_hdus(FILE_CACHE.open(path).file):
        if kind in locations:
            log.warning(
                "%s: more than one HDU of type %s; %r is taken, %r is not", path, kind, locations[kind].hdu_name, name
            )
        elif kind in _IRFS:
            locations[kind] = HDULocation(hdu_class, folder, "", file_name, name)
    return locations
