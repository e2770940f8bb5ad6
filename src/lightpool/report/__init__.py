"""A page about a reduction, for people."""

from lightpool.report.page import write_report

__all__ = ["write_report"]
