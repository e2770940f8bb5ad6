"""Plots that are part of an HTML page."""

import base64
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lightpool.batch.storage.files import write_aside
from lightpool.typing import Figure

__all__ = ["DrawnPlot", "EmbeddedPlot", "embed_plots"]

_DPI, _DPI_OF_FILES = 100, 200
"""Dots per inch on a page, and in files of their own."""


@dataclass(frozen=True, eq=False)
class DrawnPlot:
    """A plot that is not yet on a page.

    Attributes
    ----------
    title : str
    figure : matplotlib.figure.Figure
    note : str
        What is shown, for which region and energies.
    """

    title: str
    figure: Figure
    note: str = ""

    def png(self, dpi: int) -> bytes:
        """Return the image as PNG.

        Parameters
        ----------
        dpi : int
            Dots per inch.
        """
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.08)
        return buffer.getvalue()


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
        image = DrawnPlot(title, figure, note).png(_DPI)
        return cls(title, "data:image/png;base64," + base64.b64encode(image).decode(), note)


def embed_plots(plots: Iterable[DrawnPlot], name: str, pictures: Path | None) -> list[EmbeddedPlot]:
    """Embed plots, one after the other, and write each to a file of its own too.

    Parameters
    ----------
    plots : iterable of DrawnPlot
    name : str
        Name of their target or stack, with which the names of the files begin.
    pictures : Path or None
        Folder of the files, which exists; none are written if it is None.
    """
    found = []
    for plot in plots:
        found.append(EmbeddedPlot.of(plot.title, plot.figure, plot.note))
        if pictures is not None:
            words = re.sub(r"[^a-z0-9]+", "-", plot.title.lower()).strip("-")
            with write_aside(pictures / f"{name}-{words}.png") as file:
                file.write(plot.png(_DPI_OF_FILES))
    return found
