"""Plots of HEALPix pixels as polygons."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from lightpool.arrays.devices.devices import to_host
from lightpool.maps.geoms.hpx_host import centers_of, corners_of
from lightpool.maps.wcs_header import lonlat_deg
from lightpool.plot.maps import label_sky_axes

if TYPE_CHECKING:
    from lightpool.maps import HpxNDMap

__all__ = ["plot_pixels"]

Floats = NDArray[np.float64]
_SEAM = 180.0 - 1e-6
"""Longitude in deg from the middle of the image where pixels at its ends are cut."""


def plot_pixels(m: "HpxNDMap", proj: str = "AIT", ax: Axes | None = None) -> Axes:
    """Draw the pixels of an image as polygons, see `HpxNDMap.plot`.

    Parameters
    ----------
    m : HpxNDMap
        Without axes, or with one bin on each.
    proj : str
        Three-letter code of the projection.
    ax : WCSAxes, optional
        New axes by default.
    """
    if not m.geom.is_flat:
        raise TypeError(
            f"only an image can be drawn, the axes {m.geom.axes.names} have {m.geom.axes.shape} bins; `sum_over_axes` "
            "or `slice_by_idx` help"
        )
    sky = m.geom.sky
    geom = m.geom.to_image().to_wcs_geom(proj=proj, oversample=1)
    middle, _ = lonlat_deg(geom.center_skydir, geom.frame)
    pix = sky.pixels.of_plane(0)
    lon, lat = np.rad2deg(corners_of(pix, sky.nside, nest=m.geom.nest))
    center = np.rad2deg(centers_of(pix, sky.nside, nest=m.geom.nest))[0]
    # at a pole all longitudes are one: that of the pixel makes the best polygon
    lon = np.where(np.abs(lat) > 90.0 - 1e-9, center, lon)
    # from -180 to 180 deg around the middle of the image
    lon = (lon - middle + 180.0) % 360.0 - 180.0
    crosses = np.ptp(lon, axis=0) > 180.0
    values = to_host(m.data).reshape(-1).astype(float)  # host: matplotlib draws NumPy arrays
    parts = [
        (lon[:, ~crosses], lat[:, ~crosses], values[~crosses]),
        # a pixel at the seam is drawn at both ends of the image
        (np.where(lon < 0, _SEAM, lon)[:, crosses], lat[:, crosses], values[crosses]),
        (np.where(lon > 0, -_SEAM, lon)[:, crosses], lat[:, crosses], values[crosses]),
    ]
    vertices: list[Floats] = []
    for part_lon, part_lat, _ in parts:
        x, y = geom.wcs.wcs_world2pix(part_lon + middle, part_lat, 0)
        vertices.append(np.stack([x, y], axis=-1).transpose(1, 0, 2))
    if ax is None:
        ax = plt.gcf().add_subplot(111, projection=geom.wcs, aspect="equal")
    polygons = PolyCollection(np.concatenate(vertices), linewidths=0, edgecolors="none")  # type: ignore[arg-type]
    polygons.set_array(np.concatenate([each for _, _, each in parts]))
    ax.add_collection(polygons)
    ax.autoscale_view()
    label_sky_axes(ax, geom)
    return ax
