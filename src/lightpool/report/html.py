"""What the pages of reports share: their style, links to files, and tables of failures and of timing."""

import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from lightpool.batch.storage.files import write_aside
from lightpool.batch.storage.outcomes import Outcome
from lightpool.batch.storage.records import ChunkRecord
from lightpool.utils.optional_packages import require_package
from lightpool.utils.text import number_of, printable

__all__ = ["link_to", "timing_of", "write_page"]


def write_page(output: Path, template: str, **values: Any) -> None:
    """Write a page.

    Parameters
    ----------
    output : Path
    template : str
        Name of the template in this package.
    **values
        Its variables; ``link`` is the address of a file on the page.

    Raises
    ------
    ConfigError
        If jinja2 or matplotlib is missing.
    """
    jinja2 = require_package("jinja2", extra="report", purpose="a report")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown, loader=jinja2.FunctionLoader(_source)
    )
    environment.filters["number_of"] = number_of
    text = environment.get_template(template).render(link=lambda path: link_to(path, output), **values)
    with write_aside(output) as file:
        file.write(text.encode())


def _source(name: str) -> str:
    return files("lightpool.report").joinpath(name).read_text(encoding="utf-8")


def _shown(value: object) -> object:
    """Value as it is displayed: a dash for None, control characters as escapes."""
    if isinstance(value, str) and not hasattr(value, "__html__"):  # the output of macros contains displayed values only
        return printable(value)
    return "\N{EN DASH}" if value is None else value


def link_to(path: Path, page: Path) -> str:
    """Return the URL of a file: relative if it is in or below the folder of the page, so that both can be moved.

    Parameters
    ----------
    path, page : Path
    """
    target, start = os.path.abspath(path), os.path.dirname(os.path.abspath(page))
    if os.path.commonpath([target, start]) == start:
        return quote(os.path.relpath(target, start).encode(errors="surrogateescape"))
    return Path(target).as_uri()


def timing_of(outcomes: Sequence[Outcome], records: Sequence[ChunkRecord]) -> dict[str, str]:
    """Return how long the work took, in words.

    Parameters
    ----------
    outcomes : sequence of Outcome
    records : sequence of ChunkRecord
    """
    seconds = np.array([outcome.seconds for outcome in outcomes])
    if seconds.size == 0:
        return {}
    n_byte = sum(file.size for record in records for file in record.inputs)
    return {
        "observations": str(seconds.size),
        "seconds of work": f"{seconds.sum():.1f}",
        "median time per observation": f"{1e3 * np.median(seconds):.0f} ms",
        "slowest observation": f"{1e3 * seconds.max():.0f} ms ({outcomes[int(seconds.argmax())].obs_id})",
        "rate per worker": f"{seconds.size / seconds.sum():.1f} observations per second" if seconds.sum() else "",
        "files read": f"{n_byte / 1e6:.1f} MB",
        "devices": ", ".join(sorted({outcome.device for outcome in outcomes})),
    }
