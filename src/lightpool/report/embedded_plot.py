"""Plots that are part of an HTML page."""

import base64
import io
from dataclasses import dataclass

from lightpool.typing import Figure

__all__ = ["EmbeddedPlot"]


@dataclass(frozen=True)
class EmbeddedPlot:
    """A plot on a page.

    Attributes
    ----------
    title : str
    src : str
        Data URL that contains the image.
    note : str
        What is shown, for which region and energies.
    """

    title: str
    src: str
    note: str = ""

    @classmethod
    def of(cls, title: str, figure: Figure, note: str = "") -> "EmbeddedPlot":
        """Embed a figure.

        Parameters
        ----------
        title : str
        figure : matplotlib.figure.Figure
        note : str
        """
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight", pad_inches=0.08)
        return cls(title, "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode(), note)
