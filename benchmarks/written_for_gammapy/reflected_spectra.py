"""Four spectra with reflected regions, and a joint fit of them."""

from pathlib import Path

import numpy as np
from common import CIRCLE, energy, energy_true, exclusion, fitted, main, observations, power_law
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import RegionGeom
from gammapy.modeling.models import SkyModel


def reduce(folder: Path) -> Datasets:
    empty = SpectrumDataset.create(RegionGeom.create(CIRCLE, axes=[energy()]), energy_axis_true=energy_true())
    make = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=True)
    mask = exclusion().reduce_over_axes(np.logical_or, keepdims=False)
    reflect = ReflectedRegionsBackgroundMaker(exclusion_mask=mask)
    safe = SafeMaskMaker(methods=["aeff-max"], aeff_percent=10)
    datasets = Datasets()
    for observation in observations(folder):
        dataset = make.run(empty.copy(name=str(observation.obs_id)), observation)
        datasets.append(safe.run(reflect.run(dataset, observation), observation))
    return datasets


def fit(datasets: Datasets) -> dict[str, float]:
    datasets.models = SkyModel(spectral_model=power_law(), name="crab")
    return fitted(datasets)


if __name__ == "__main__":
    main(reduce, fit)
