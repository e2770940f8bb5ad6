"""Counts, background, excess and exposure of a dataset in one figure."""

from typing import TYPE_CHECKING, cast

import matplotlib.pyplot as plt
from astropy.coordinates import SkyCoord
from matplotlib.figure import Figure

from lightpool.plot.style import data_label
from lightpool.typing import PathInput, SkyAxes

if TYPE_CHECKING:
    from lightpool.datasets import MapDataset
    from lightpool.maps import WcsNDMap

__all__ = ["plot_overview", "save_overview"]

_SMOOTHING = "0.1 deg"


def plot_overview(dataset: "MapDataset", position: SkyCoord | None = None) -> Figure:
    """Draw four images of a dataset, summed over energy; reads them from their device.

    Parameters
    ----------
    dataset : MapDataset
        It needs counts, background and exposure.
    position : SkyCoord, optional
        Marked with a cross.

    Returns
    -------
    figure : Figure
    """
    counts, background = dataset.counts, dataset.npred_background()
    if counts is None or background is None or dataset.exposure is None:
        raise ValueError(f"dataset {dataset.name!r} needs counts, background and exposure for an overview")
    if dataset.mask_safe:
        # the prediction counts only where the events are counted too
        counts, background = counts * dataset.mask_safe, background * dataset.mask_safe
    exposure = dataset.exposure.sum_over_axes(keepdims=False)
    # the mean over energy, so that the values are those of an exposure
    exposure.data = exposure.data / dataset.exposure.geom.axes["energy_true"].nbin
    images = {
        f"Counts, smoothed by {_SMOOTHING}": cast("WcsNDMap", counts.sum_over_axes(keepdims=False)).smooth(_SMOOTHING),
        "Background": background.sum_over_axes(keepdims=False),
        f"Excess, smoothed by {_SMOOTHING}": cast(
            "WcsNDMap", (counts - background).sum_over_axes(keepdims=False)
        ).smooth(_SMOOTHING),
        "Exposure, mean over energy": exposure,
    }
    figure = plt.figure(figsize=(11, 9.5))
    for number, (title, image) in enumerate(images.items(), start=1):
        axes = figure.add_subplot(2, 2, number, projection=image.geom.wcs)
        stretch, name = "sqrt" if title.startswith("Counts") else "linear", title.partition(",")[0]
        bar = {"label": data_label(image.unit, name)}
        image.plot(ax=axes, add_cbar=True, cmap="magma", stretch=stretch, kwargs_colorbar=bar)
        axes.set_title(title)
        if position is not None:
            source = position.icrs
            axes.plot(
                source.ra.deg,
                source.dec.deg,
                "c+",
                ms=5,
                mew=0.7,
                transform=cast("SkyAxes", axes).get_transform("icrs"),
            )
    figure.tight_layout()
    return figure


def save_overview(dataset: "MapDataset", file: PathInput, position: SkyCoord | None = None) -> None:
    """Write the figure of `plot_overview` to a file; this needs no display.

    Parameters
    ----------
    dataset, position : see `plot_overview`
    file : path-like
        Its extension determines the format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = plot_overview(dataset, position)
    FigureCanvasAgg(figure).print_figure(file, dpi=110)
    plt.close(figure)
