"""A first look at a source: settings that are chosen from the data, their reduction, and a report with pictures."""

from lightpool.names import show_public
from lightpool.quicklook.choices import Choices, Wishes, choose_settings
from lightpool.quicklook.results import Quicklook, refuse_to_replace, show_results

__all__ = ["Choices", "Quicklook", "Wishes", "choose_settings", "refuse_to_replace", "show_results"]

show_public(__name__)
