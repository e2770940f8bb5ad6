"""A dataset in parts that do not overlap, for fits of one part after the other."""

from typing import TypedDict

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import to_device
from lightpool.bridge import accepts_gammapy, gammapy_bridge
from lightpool.datasets.dataset import Dataset
from lightpool.datasets.datasets import Datasets
from lightpool.errors import GeometryError
from lightpool.maps import Map, WcsGeom
from lightpool.typing import GammapyObject

__all__ = ["split_dataset"]


class _Window(TypedDict):
    position: SkyCoord
    width: Angle


@accepts_gammapy
def split_dataset(
    dataset: Dataset, width: u.Quantity | str, margin: u.Quantity | str, split_template_models: bool = True
) -> Datasets:
    """Split a dataset into parts whose masks for fits do not overlap.

    Parameters
    ----------
    dataset : MapDataset
    width : Quantity or str
        Width of a part.
    margin : Quantity or str, less than half of the width
        Added to each side of a part, so that sources outside of it are there. ``mask_fit`` is False in the margin.
    split_template_models : bool
        Whether templates among models of Gammapy are cut too.

    Returns
    -------
    datasets : Datasets, with new names
        Models that belong to the dataset, such as that of the background, are copied for each part. Other models are
        shared.

    Raises
    ------
    ValueError
        If the margin is too wide.
    GeometryError
        If the dataset is one of a region.
    """
    width, margin = Angle(width), Angle(margin)
    if margin >= width / 2:
        raise ValueError(f"the margin must be less than half of the width, {width / 2}, got {margin}")
    geom = dataset.required("counts").geom.to_image()
    if not isinstance(geom, WcsGeom):
        raise GeometryError(f"only a dataset on a map of pixels can be split, got one on a {type(geom).__name__}")
    # (in latitude, in longitude), as in Gammapy
    size = np.ceil((width / geom.pixel_scales).to_value("")).astype(int)
    n_lat, n_lon = geom.data_shape
    columns, rows = _middles(n_lon, int(size[1])), _middles(n_lat, int(size[0]))
    parts = []
    for column in columns:
        for row in rows:
            lonlat = (u.Quantity(angle).ravel()[0] for angle in geom.pix_to_coord((column, row)))
            center = SkyCoord(*lonlat, frame=geom.frame)
            window: _Window = {"position": center, "width": Angle(width + 2 * margin)}
            part = dataset.cutout(**window)
            inside = _inside(part, center, size, column == columns[-1], row == rows[-1])
            part.mask_fit = _mask_of(dataset, part, inside)
            part.models = _models_of(dataset, part, window, split_template_models)
            parts.append(part)
    return Datasets(parts)


def _middles(n_pixel: int, width: int) -> range:
    """Return the middle pixels of parts along one side, the first at pixel 0; the last may lie beyond the map."""
    last = (n_pixel - 1) // width * width
    # In Gammapy no part follows, and the pixels beyond half of the width of the last one are in none.
    if last + width / 2 < n_pixel - 1:
        last += width
    return range(0, last + 1, width)


def _inside(
    part: Dataset, center: SkyCoord, size: NDArray[np.int64], is_last_column: bool, is_last_row: bool
) -> NDArray[np.bool_]:
    """Return which pixels of a part lie in it, and not in the next one or the margin."""
    image = part.geom.to_image()
    x, y = (float(np.ravel(np.asarray(pixel))[0]) for pixel in image.coord_to_pix(center))
    n_lat, n_lon = image.data_shape

    def between(pixels: NDArray[np.int64], middle: float, width: int, is_last: bool) -> NDArray[np.bool_]:
        upper = pixels <= middle + width / 2 if is_last else pixels < middle + width / 2
        return (pixels >= middle - width / 2) & upper

    in_row = between(np.arange(n_lat), y, int(size[0]), is_last_row)
    in_column = between(np.arange(n_lon), x, int(size[1]), is_last_column)
    return in_row[:, np.newaxis] & in_column


def _mask_of(dataset: Dataset, part: Dataset, inside: NDArray[np.bool_]) -> Map:
    geom, device = part.geom, part.device
    data = to_device(np.broadcast_to(inside, geom.data_shape).copy(), device)
    mask = Map.from_geom(geom, data=data, device=device)
    if dataset.mask_fit is not None:
        mask = mask & dataset.mask_fit.interp_to_geom(geom, method="nearest")
    return mask


def _models_of(dataset: Dataset, part: Dataset, window: _Window, cuts_templates: bool) -> GammapyObject:
    """Return the models of a part."""
    if dataset.models is None:
        return None
    models: GammapyObject = dataset.models
    if dataset.counterpart is not None and cuts_templates:
        cut = gammapy_bridge().original("lightpool.modeling.models.utils", "cutout_template_models")
        models = cut(models, window, [part.name])
    # Gammapy loses what belongs to the dataset, with the norm of its background.
    return [
        model.reassign(dataset.name, part.name) if dataset.name in (model.datasets_names or ()) else model
        for model in models
    ]
