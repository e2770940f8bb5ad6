"""A page about a reduction, for people."""

from lightpool.names import show_public
from lightpool.report.page import write_report

__all__ = ["write_report"]

show_public(__name__)
