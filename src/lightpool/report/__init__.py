"""Report of a reduction as an HTML page."""

from lightpool.names import show_public
from lightpool.report.page import write_report

__all__ = ["write_report"]

show_public(__name__)
