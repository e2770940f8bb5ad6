"""Pictures as parts of a page."""

import base64
import io
from dataclasses import dataclass
from typing import Any

__all__ = ["Picture"]


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Attributes
    ----------
    title : str
    src : str, address that holds the picture itself
    note : str, what it shows and where
    """

    title: str
    src: str
    note: str = ""

    @classmethod
    def of(cls, title: str, figure: Any, note: str = "") -> "Picture":
        """Picture of a figure of matplotlib."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight", pad_inches=0.08)
        return cls(title, "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode(), note)
