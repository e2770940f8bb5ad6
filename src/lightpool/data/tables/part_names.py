"""Names of the parts of an observation that files hold."""

__all__ = ["PARTS_IN_FILES", "RESPONSES"]

RESPONSES = ("aeff", "edisp", "psf", "bkg", "rad_max")
PARTS_IN_FILES = ("events", "gti", *RESPONSES)
