"""Exclusion masks found in finished stacks: the significant pixels, to be excluded in the next reduction."""

import logging
from typing import cast

import astropy.units as u
import numpy as np

from lightpool.arrays import to_host
from lightpool.batch.execution.source_counts import background_of
from lightpool.batch.storage.files import sha256_of
from lightpool.batch.storage.folder import BatchFolder
from lightpool.batch.storage.partial_stack import PartialStack
from lightpool.batch.storage.stack_names import StackNames
from lightpool.config.build import build_exclusion
from lightpool.config.settings import Settings
from lightpool.config.targets import FindExclusion, MapTarget
from lightpool.datasets import MapDataset
from lightpool.datasets.on_off import OnOffDataset
from lightpool.errors import LightpoolError
from lightpool.makers import ExcessMapEstimator, ExclusionMaskFinder
from lightpool.maps import Map, WcsNDMap

__all__ = ["write_exclusions"]

log = logging.getLogger(__name__)


def write_exclusions(folder: BatchFolder, settings: Settings, stacks: PartialStack | None) -> dict[str, str]:
    """Write a mask for each stack of the targets that ask for one.

    A mask unites the exclusion of the target with what is significant outside of it. The background of the stack was
    measured without knowing the new pixels, so a second reduction has to exclude them; if it finds no more, the mask is
    the final one. Only finished sums are used, so the result does not depend on the number of workers.

    Parameters
    ----------
    folder : BatchFolder
    settings : Settings
    stacks : PartialStack or None

    Returns
    -------
    files : dict of str to str
        SHA-256 of each file by its name.
    """
    files, names = {}, StackNames(settings)
    targets = {target.name: target for target in settings.targets}
    for key in stacks or ():
        target = targets[key.target]
        if stacks is None or not isinstance(target, MapTarget) or target.find_exclusion is None:
            continue
        name = f"exclusions/{names.of(key)}.fits"
        try:
            mask, n_new = _found(target.find_exclusion, stacks[key], build_exclusion(target))
        except (LightpoolError, ValueError) as error:
            log.warning("%s: no exclusion can be found: %s", names.of(key), error)
            continue
        path = folder.path_inside(name)
        path.parent.mkdir(exist_ok=True)
        Map.from_geom(mask.geom, data=to_host(mask.data).astype(np.int16), device="cpu").write(path, overwrite=True)
        files[name] = sha256_of(path)
        if n_new:
            log.warning(
                "%s: %d pixels outside of the exclusion are significant, and were used to measure the background; "
                "reduce again with a copy of %s in the exclusion: {mask: FILE}",
                names.of(key),
                n_new,
                path,
            )
        else:
            log.info("%s: no pixel outside of the exclusion is significant", names.of(key))
    return files


def _found(wanted: FindExclusion, stack: MapDataset, before: Map | None) -> tuple[Map, int]:
    """Return the mask of a stack, and the number of pixels that were not excluded before."""
    background = background_of(stack)
    # A stack of datasets without background has zeros.
    if background is None or not np.any(to_host(background.data) > 0):  # host: once for each stack
        raise ValueError("the stack has no background; add a maker that measures one")
    # Neighbouring pixels of a ring background share their OFF events.
    estimator = ExcessMapEstimator(u.Quantity(wanted.radius), correlate_off=not isinstance(stack, OnOffDataset))
    margin = u.Quantity(wanted.margin)
    finder = ExclusionMaskFinder(estimator, wanted.threshold, wanted.threshold_low, wanted.min_size, margin)
    significant = to_host(finder.significant(cast(WcsNDMap, estimator.run(stack)["sqrt_ts"])))  # host: for a file
    image = stack.required("counts").geom.to_image()
    kept = np.ones(image.data_shape, bool)
    if before is not None:
        kept = to_host(before.interp_to_geom(image).data).astype(bool)  # host: likewise
    if not np.any(kept & ~significant):
        raise ValueError(f"no pixel is left outside of it; choose a higher threshold than {wanted.threshold:g}")
    return Map.from_geom(image, data=kept & ~significant, device="cpu"), int(np.count_nonzero(kept & significant))
