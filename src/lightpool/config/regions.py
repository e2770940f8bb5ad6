"""Sky regions in a settings file, in DS9 format."""

import warnings
from functools import lru_cache
from typing import Annotated

import numpy as np
from pydantic import AfterValidator

__all__ = ["RegionText", "checked_regions"]

_LENGTHS = [f"{part}{side}" for part in ("", "inner_", "outer_") for side in ("radius", "width", "height")] + ["angle"]


# Settings are validated anew with each change (`with_options`, `with_files`), with the same texts.
@lru_cache(maxsize=256)
def checked_regions(text: str) -> str:
    """Check that all regions in a text can be read, and return the text.

    Raises
    ------
    ValueError
        If a line is not a region, or a position or a length is not a finite number.
    """
    from lightpool.maps.regions.sky_regions import all_parts, parse_regions

    wanted = "expected regions in DS9 format, such as 'icrs; circle(83.63, 22.01, 0.2)'"
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            regions = parse_regions(text)
    except Exception as error:  # the parser raises many kinds of errors: IndexError, KeyError, UnitsError, ...
        raise ValueError(f"got {_brief(text)}, which cannot be read ({error}); {wanted}") from error
    for warning in caught:
        if "unable to parse" in str(warning.message):  # the region would be dropped silently
            raise ValueError(f"got {_brief(text)}, part of which cannot be read ({warning.message}); {wanted}")
        warnings.warn_explicit(str(warning.message), warning.category, warning.filename, warning.lineno)
    for region in regions:
        for part in all_parts(region):
            values = [getattr(part, name) for name in _LENGTHS if getattr(part, name, None) is not None]
            for name in ("center", "vertices"):
                position = getattr(part, name, None)
                if position is not None:
                    values += [position.data.lon, position.data.lat] if hasattr(position, "data") else list(position.xy)
            if not all(np.all(np.isfinite(np.asarray(value, dtype=float))) for value in values):
                raise ValueError(f"got {_brief(text)}, whose position or size is not finite; {wanted}")
    return text


def _brief(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) < 80 else f"{shown[:76]}...'"


RegionText = Annotated[str, AfterValidator(checked_regions)]
