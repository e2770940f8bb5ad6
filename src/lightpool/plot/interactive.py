"""Images with sliders for the axes of a map, in a notebook."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from lightpool.plot.maps import bin_text, plot_map

if TYPE_CHECKING:
    from lightpool.maps import Map

__all__ = ["plot_interactive"]


def _widgets() -> Any:
    try:
        return import_module("ipywidgets")
    except ImportError as error:
        raise ImportError("sliders need ipywidgets; install it with: pip install ipywidgets") from error


def plot_interactive(m: "Map", rc_params: Mapping[str, object] | None = None, **kwargs: object) -> None:
    """Draw an image of a map, with a slider for each axis and a choice of the stretch, see `Map.plot_interactive`.

    Parameters
    ----------
    m : Map
    rc_params : dict, optional
        Settings of matplotlib.
    **kwargs
        Keywords of `plot_map`.
    """
    if m.geom.is_region:
        raise NotImplementedError("Interactive plotting currently not support for RegionNDMap; see RegionNDMap.plot")
    if m.geom.is_image:
        raise TypeError("Use .plot() for 2D Maps")
    widgets = _widgets()
    style: dict[str, Any] = dict(kwargs)
    controls: dict[str, object] = {
        axis.name: widgets.SelectionSlider(
            # pairs of the text and the number of the bin, since two bins may have the same text
            options=[(bin_text(axis, i), i) for i in range(axis.nbin)],
            description=f"Select {axis.name}:",
            continuous_update=False,
            style={"description_width": "initial"},
            layout={"width": "50%"},
        )
        for axis in m.geom.axes
    }
    stretches = widgets.RadioButtons(
        options=["linear", "sqrt", "log"],
        value=style.pop("stretch", "sqrt"),
        description="Select stretch:",
        style={"description_width": "initial"},
    )
    # copied once, not for each image
    draw = _drawing(m.to("cpu"), dict(rc_params or {}), style)
    widgets.interact(draw, stretch=stretches, **controls)


def _drawing(m: "Map", rc_params: dict[str, object], style: dict[str, Any]) -> Callable[..., None]:
    def draw(stretch: str, **bins: int) -> None:
        image: Any = m.get_image_by_idx(tuple(bins[name] for name in m.geom.axes.names))
        settings: Any = rc_params
        with mpl.rc_context(rc=settings):
            plot_map(image, stretch=stretch, **style)
            plt.show()

    return draw
