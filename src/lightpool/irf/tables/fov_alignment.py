"""How the axes of the field of view lie on the sky."""

from enum import StrEnum

__all__ = ["FoVAlignment"]


class FoVAlignment(StrEnum):
    """Orientation of the coordinates ``fov_lon`` and ``fov_lat``, keyword ``FOVALIGN`` of GADF.

    ``REVERSE_LON_RADEC`` marks old H.E.S.S. files: as ``RADEC``, with the sign of the longitude turned.
    """

    ALTAZ = "ALTAZ"
    RADEC = "RADEC"
    REVERSE_LON_RADEC = "REVERSE_LON_RADEC"
