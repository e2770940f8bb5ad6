"""Positions written as one text: two coordinates, with or without the name of a frame."""

import re

from lightpool.utils.text import number_of

__all__ = ["FRAMES", "coordinates_of_text"]

FRAMES = ("icrs", "galactic", "fk5", "fk4")
"""Frames of a position: FK5 of J2000 and FK4 of B1950. Frames fixed to the horizon, such as AltAz, are not possible."""

_FRAME_OF = {frame: frame for frame in FRAMES} | {"gal": "galactic", "j2000": "fk5", "b1950": "fk4"}
_FRAME_OF |= {"j2000.0": "fk5", "b1950.0": "fk4"}
_OTHER_FRAMES = "altaz|azalt|horizon|ecliptic|supergalactic|cirs|gcrs|itrs|[jb](?:18|19|20)[0-9]{2}(?:\\.[0-9]+)?"
_WORD = re.compile(
    rf"({'|'.join(map(re.escape, sorted(_FRAME_OF, key=len, reverse=True)))}|{_OTHER_FRAMES})", re.IGNORECASE
)

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?"
_COLONS = r"[-+]?[0-9]+:[0-9]+(?::[0-9]+(?:\.[0-9]*)?)?"
_LETTERS = r"[-+]?[0-9]+\s*[hd°]\s*(?:[0-9]+(?:\.[0-9]+)?\s*['m]\s*(?:[0-9]+(?:\.[0-9]*)?\s*[\"s])?)"
_ANGLE = rf"{_COLONS}|{_LETTERS}|{_NUMBER}\s*(?:degrees|degree|deg|d|°|arcmin|arcsec|rad|hourangle|h)?"
_PAIR = re.compile(rf"({_ANGLE})(?:\s*[,;]\s*|\s+|(?=[-+]))({_ANGLE})", re.IGNORECASE)

_LABELLED = re.compile(
    r"(?:(?P<ra>ra)|(?P<glon>glon)|l)\s*[=:]?\s*(?P<lon>[-+.0-9].*?)[\s,;]*"
    r"(?<![a-z])(?(ra)dec|(?(glon)glat|b))\s*[=:]?\s*(?P<lat>[-+.0-9].*)",
    re.IGNORECASE,
)
"""Coordinates with their names, such as ``RA 83.63 deg, Dec +22.01 deg`` and ``l=184.56 b=-5.78``."""

_UNITS = r"degrees?|deg|arcmin|arcsec|rad|hourangle|[hdms]|e(?=[-+0-9])"

_WHOLE, _LAST = "[0-9]{1,3}", r"[0-9]{1,2}(?:\.[0-9]*)?"
_SPACES = re.compile(
    rf"([-+]?{_WHOLE}) ([0-9]{{1,2}}) ({_LAST})(?:\s*[,;]\s*|\s+)([-+]?{_WHOLE}) ([0-9]{{1,2}}) ({_LAST})"
)

_EXAMPLES = "'83.63 22.01', '05:34:31.9 +22:00:52', '05h34m31.9s +22d00m52s' or 'galactic 184.56 -5.78'"


def coordinates_of_text(text: str) -> dict[str, str] | None:
    """Return longitude, latitude and frame, as a position in a settings file has them; None if the text is a name.

    Parameters
    ----------
    text : str
        Such as ``83.63 22.01`` (deg), ``05:34:31.9 +22:00:52`` (hours, deg) or ``galactic 184.56 -5.78``. The name of
        the frame may also follow, and each coordinate may have its name before it: RA and Dec, l and b, GLON and GLAT.

    Raises
    ------
    ValueError
        If the text begins like coordinates and is not two of them, or if its frame is not one of `FRAMES`.
    """
    plain = text.strip().translate({0x2212: "-", 0x2013: "-", 0x2032: "'", 0x2033: '"'}).strip("()[] ")
    words, rest = _without_frame(plain)
    if (labelled := _LABELLED.fullmatch(rest)) is not None:
        rest = f"{labelled['lon']} {labelled['lat']}"
        words += [] if labelled["ra"] else ["galactic"]
    if not re.match(r"[-+.]?[0-9]", rest):
        return None
    pair = _pair(rest)
    if pair is None:
        if re.search("[a-z]", re.sub(_UNITS, "", rest), re.IGNORECASE):
            return None  # names may begin with digits too, as that of 3C 273
        raise ValueError(
            f"got {text!r}, which is not a position{_why(rest)}; expected two coordinates such as {_EXAMPLES}"
        )
    lon, lat = (_with_unit(each) for each in pair)
    return {"lon": lon, "lat": lat, "frame": _frame(words, text)}


def _without_frame(text: str) -> tuple[list[str], str]:
    """Return the words about the frame at both ends of a text, and the rest."""
    words: list[str] = []
    while (match := re.match(rf"{_WORD.pattern}[\s:;,]+", text, re.IGNORECASE)) is not None:
        words.append(match[1].lower())
        text = text[match.end() :].lstrip("( ")
    while (match := re.search(rf"[\s;,]+\(?{_WORD.pattern}$", text, re.IGNORECASE)) is not None:
        words.append(match[1].lower())
        text = text[: match.start()].rstrip(") ")
    return words, text


def _pair(text: str) -> tuple[str, str] | None:
    if (match := _PAIR.fullmatch(text)) is not None:
        return match[1], match[2]
    if (match := _SPACES.fullmatch(text)) is not None:
        return ":".join(match.groups()[:3]), ":".join(match.groups()[3:])
    return None


def _with_unit(angle: str) -> str:
    match = re.fullmatch(rf"({_NUMBER})\s*(degrees|degree|deg|d|°)?", angle, re.IGNORECASE)
    if match is not None:
        return f"{match[1]} deg"
    # `h` alone would be a time.
    return re.sub(r"(?<=[0-9.\s])h$", "hourangle", angle.lower())


def _frame(words: list[str], text: str) -> str:
    """Return the one frame that the words name."""
    unknown = [word for word in words if word not in _FRAME_OF]
    frames = {_FRAME_OF[word] for word in words if word in _FRAME_OF}
    if unknown or len(frames) > 1:
        what = (
            f"whose frame {unknown[0]!r} is not possible"
            if unknown
            else f"with two frames, {' and '.join(sorted(frames))}"
        )
        raise ValueError(f"got {text!r}, {what}; expected one of icrs, galactic, fk5 (J2000) and fk4 (B1950)")
    return frames.pop() if frames else "icrs"


def _why(text: str) -> str:
    """Explain why a text is not a pair of coordinates."""
    if re.match(r"[-+]?\d+,\d+[\s;]+[-+]?\d+,\d+$", text):
        return ", as it has commas in place of decimal points"
    n = len(re.findall(_NUMBER, text))
    if n == 2:
        return ", as what stands beside its two numbers is no unit of angles"
    return f", as it has {number_of(n, 'number')}"
