"""Contours of images."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.path import Path

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["contour_lines"]


def contour_lines(image: "NDArray[np.float64]", level: float) -> "list[NDArray[np.float64]]":
    """Return the closed contours of an image at a level.

    Parameters
    ----------
    image : array, shape (ny, nx)
    level : float

    Returns
    -------
    lines : list of arrays (x, y) of pixel coordinates, shape (n, 2), one for each line
    """
    figure = Figure()
    (path,) = figure.add_subplot().contour(image, [level]).get_paths()
    codes, vertices = np.asarray(path.codes), np.asarray(path.vertices, dtype=float)
    starts = np.flatnonzero(codes == Path.MOVETO)
    # a line that ends at the border of the image is not closed
    stops = np.append(starts[1:], len(codes))
    return [
        vertices[start:stop] for start, stop in zip(starts, stops, strict=True) if codes[stop - 1] == Path.CLOSEPOLY
    ]
