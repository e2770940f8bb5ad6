"""An observation as the HDUs of one FITS file in GADF layout, and where a file holds its responses."""

import logging

from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.data.files.hdu_location import HDULocation
from lightpool.data.metadata import CreatorMetaData
from lightpool.data.observation_parts import ObservationParts
from lightpool.data.tables.gadf_tables import classify_hdus
from lightpool.data.tables.part_names import RESPONSES
from lightpool.fits import HDUList, Place, PrimaryHDU, folder_and_name
from lightpool.irf import IRF, IRFMap
from lightpool.irf.tables.hdu_classes import HDUCLAS2
from lightpool.maps import Map
from lightpool.maps.geoms.map_hdus import AnyHDU

__all__ = ["irf_locations", "observation_hdus"]

log = logging.getLogger(__name__)


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
    hdus: list[AnyHDU] = [primary]
    primary.header.update((observation.meta.creation or CreatorMetaData()).to_header(format))
    events = observation.events
    if events is not None:
        if observation.pointing is None:
            raise ValueError("Cannot write Observation in gadf format: Missing pointing.")
        hdu = events.to_table_hdu(format)
        hdu.header.update(observation.pointing.to_fits_header())
        if observation.obs_id is not None:  # that of an index, where the events have none or another one
            hdu.header["OBS_ID"] = int(observation.obs_id)
        hdus.append(hdu)
    if observation.gti is not None:
        hdus.append(observation.gti.to_table_hdu(format))
    for name in observation.available_irfs if include_irfs else ():
        response: IRF | IRFMap | Map | None = getattr(observation, name)
        if isinstance(response, Map | IRFMap):
            hdus += _hdus_of_map(name, response)
        elif response is not None:
            hdus.append(response.to_table_hdu(format="gadf-dl3"))
    return HDUList(hdus)


def _hdus_of_map(kind: str, response: IRFMap | Map) -> list[AnyHDU]:
    """Return the HDUs of a response as a map; the keywords of the first say what it is, as those of a table do."""
    if isinstance(response, Map):
        hdu_class, hdulist = "map", response.to_hdulist(hdu=kind)
    else:
        hdu_class, hdulist = response.tag, response.to_hdulist()
    _, *hdus = hdulist  # without the empty primary one
    hdus[0].header.update(HDUCLAS1="RESPONSE", HDUCLAS2=HDUCLAS2[kind], HDUCLAS4=hdu_class.upper())
    return hdus


def irf_locations(path: Place) -> dict[str, HDULocation]:
    """Return the locations of the response tables of a file; of several of one type the first, with a warning."""
    locations: dict[str, HDULocation] = {}
    folder, file_name = folder_and_name(path)
    for name, kind, hdu_class in classify_hdus(FILE_CACHE.open(path).file):
        if kind in locations:
            log.warning(
                "%s: more than one HDU of type %s; %r is taken, %r is not", path, kind, locations[kind].hdu_name, name
            )
        elif kind in RESPONSES:
            locations[kind] = HDULocation(hdu_class, folder, "", file_name, name)
    return locations
