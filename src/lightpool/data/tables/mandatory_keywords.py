"""Keywords that GADF demands in the headers of event lists and good times."""

from lightpool.data.tables.time_reference import TIME_KEYWORDS

__all__ = ["EVENT_KEYWORDS", "GTI_KEYWORDS"]

_FORMAT = ("HDUCLASS", "HDUDOC", "HDUVERS", "HDUCLAS1")
_PLACE = ("GEOLON", "GEOLAT", "ALTITUDE")

EVENT_KEYWORDS = (
    *_FORMAT,
    *("OBS_ID", "TSTART", "TSTOP", "ONTIME", "LIVETIME", "DEADC", "RA_PNT", "DEC_PNT"),
    *("ORIGIN", "TELESCOP", "INSTRUME", "CREATOR"),
    *TIME_KEYWORDS,
    *_PLACE,
)

GTI_KEYWORDS = (*_FORMAT, "HDUCLAS2", *TIME_KEYWORDS, *_PLACE)
