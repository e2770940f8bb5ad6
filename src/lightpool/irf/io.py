"""Where Gammapy reads the responses of a file."""

from lightpool.irf.tables.responses_of_file import load_irf_dict_from_file

__all__ = ["load_irf_dict_from_file"]
