"""Plots; the only package that imports matplotlib, reached from the ``plot`` and ``peek`` methods."""

from importlib.util import find_spec

from lightpool.names import show_public
from lightpool.utils.optional_packages import install_command

if find_spec("matplotlib") is None:
    raise ImportError(
        f"plots need the package matplotlib, which is not installed; install it with: {install_command('plot')}",
        name="matplotlib",
    )

__all__ = [
    "axes",
    "background",
    "background_models",
    "datasets",
    "effective_area",
    "energy_dispersion",
    "events",
    "healpix",
    "irf_maps",
    "maps",
    "observation",
    "overview",
    "psf",
    "rad_max",
    "regions",
    "report",
    "significance",
    "spectra",
    "theta_squared",
]

show_public(__name__)
