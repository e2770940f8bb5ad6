from collections.abc import Iterator
from typing import Any

from astropy.coordinates import BaseCoordinateFrame
from astropy.visualization.wcsaxes.frame import BaseFrame as BaseFrame
from astropy.visualization.wcsaxes.frame import EllipticalFrame as EllipticalFrame
from astropy.visualization.wcsaxes.frame import RectangularFrame as RectangularFrame
from astropy.wcs import WCS
from matplotlib.axes import Axes
from matplotlib.transforms import Transform

class CoordinateHelper:
    def set_axislabel(self, text: str, minpad: float = ..., **kwargs: Any) -> None: ...
    def set_ticks(
        self,
        values: Any = ...,
        spacing: Any = ...,
        number: int | None = ...,
        size: float | None = ...,
        width: float | None = ...,
        color: Any = ...,
        alpha: float | None = ...,
        direction: str | None = ...,
        exclude_overlapping: bool | None = ...,
    ) -> None: ...
    def set_ticks_position(self, position: Any) -> None: ...
    def set_ticks_visible(self, visible: bool) -> None: ...
    def set_ticklabel(
        self, color: Any = ..., size: Any = ..., pad: float | None = ..., exclude_overlapping: Any = ..., **kwargs: Any
    ) -> None: ...
    def set_ticklabel_visible(self, visible: bool) -> None: ...
    def set_major_formatter(self, formatter: Any) -> None: ...
    def grid(self, draw_grid: bool = ..., grid_type: str | None = ..., **kwargs: Any) -> None: ...

class CoordinatesMap:
    frame: BaseFrame
    def __getitem__(self, item: int | str) -> CoordinateHelper: ...
    def __iter__(self) -> Iterator[CoordinateHelper]: ...

class WCSAxes(Axes):
    coords: CoordinatesMap
    wcs: WCS
    def get_transform(self, frame: WCS | BaseCoordinateFrame | Transform | str = ...) -> Transform: ...
