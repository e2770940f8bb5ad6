"""Objects converted to Gammapy and back, and scripts written for Gammapy that run on lightpool."""

from lightpool.gammapy.installation import require_gammapy

require_gammapy()

from lightpool.gammapy.acceleration import accelerate, accelerated, report, restore  # noqa: E402 - it imports Gammapy
from lightpool.gammapy.background_fits import (  # noqa: E402
    fit_background,
    normalise_background,
    scale_background,
    spatial_background_model,
    spatial_model,
)
from lightpool.gammapy.conversion import from_gammapy, to_gammapy  # noqa: E402
from lightpool.gammapy.counterparts import (  # noqa: E402
    Counterpart,
    counterpart,
    datasets_of_gammapy,
    joined_models,
    modelled,
    modelled_in,
    set_joined_models,
)
from lightpool.gammapy.notebook import load_ipython_extension, unload_ipython_extension  # noqa: E402
from lightpool.gammapy.originals import original, original_module  # noqa: E402
from lightpool.names import show_public  # noqa: E402

__all__ = [
    "Counterpart",
    "accelerate",
    "accelerated",
    "counterpart",
    "datasets_of_gammapy",
    "fit_background",
    "from_gammapy",
    "joined_models",
    "load_ipython_extension",
    "modelled",
    "modelled_in",
    "normalise_background",
    "original",
    "original_module",
    "report",
    "restore",
    "scale_background",
    "set_joined_models",
    "spatial_background_model",
    "spatial_model",
    "to_gammapy",
    "unload_ipython_extension",
]

show_public(__name__)
