from typing import Any

from matplotlib.axes import Axes

class WCSAxes(Axes):
    coords: Any
    wcs: Any
    def get_transform(self, frame: Any = ...) -> Any: ...
