"""What notebooks show of reduced responses; a growing stack stays one."""

from typing import Protocol

from lightpool.arrays.devices.devices import Device
from lightpool.maps import Map, RegionGeom, WcsGeom
from lightpool.maps.axes.axis_cards import axes_in_a_line
from lightpool.maps.map_card import values_to_show
from lightpool.utils.html import Card, Html, Picture, Section, nested, note, pictures, times

__all__ = ["ResponseToShow", "irf_map_card"]


class ResponseToShow(Protocol):
    """An `IRFMap`."""

    @property
    def geom(self) -> WcsGeom | RegionGeom:
        """Geometry."""

    @property
    def device(self) -> Device:
        """Device."""

    @property
    def known_maps(self) -> tuple[Map | None, Map | None]:
        """Response and exposure."""


def _drawn(response: ResponseToShow) -> list[Picture]:
    from lightpool.plot.irf_previews import draw_response_map  # matplotlib is heavy and optional

    return draw_response_map(response)


def irf_map_card(response: ResponseToShow) -> Card:
    """Return the card of a reduced response.

    Parameters
    ----------
    response : IRFMap
    """
    geom = response.geom
    mean, exposure = response.known_maps

    def plot() -> Html:
        if mean is None or values_to_show(mean) is None:
            return Html("")
        return pictures(lambda: _drawn(response), f"{type(response).__name__} in the middle of the map")

    def maps() -> Html:
        if mean is None:
            first = note("response: kept as sums of a stack, which are divided by the exposure when it is read")
        else:
            first = nested(mean.html_card, "response")
        second = (
            note("no exposure: it cannot be stacked") if exposure is None else nested(exposure.html_card, "exposure")
        )
        return Html(f"<div>{first}</div><div>{second}</div>")

    unit = "" if mean is None else str(mean.unit)
    return Card(
        type(response).__name__,
        "",
        [axes_in_a_line(geom.axes), times(geom.data_shape[::-1]), unit, str(response.device)],
        [
            Section("Plot", plot, is_open=True, only_alone=True),
            Section("Maps", maps, is_open=True),
            Section("Geometry", lambda: nested(geom.html_card), type(geom).__name__),
        ],
    )
