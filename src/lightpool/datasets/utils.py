"""Functions on datasets, under the module name of Gammapy."""

from lightpool.datasets.dl4 import create_map_dataset_from_dl4
from lightpool.datasets.energy_dispersion import apply_edisp
from lightpool.datasets.fit_masks import set_and_restore_mask_fit
from lightpool.datasets.splitting import split_dataset
from lightpool.names import show_public

__all__ = ["apply_edisp", "create_map_dataset_from_dl4", "set_and_restore_mask_fit", "split_dataset"]

show_public(__name__)
