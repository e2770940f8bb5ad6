"""A stack of four runs with a ring background, and a fit of the spectrum in a circle on it."""

from pathlib import Path

from common import CIRCLE, energy_true, exclusion, fitted, main, observations, power_law, sky
from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff
from gammapy.makers import MapDatasetMaker, RingBackgroundMaker, SafeMaskMaker
from gammapy.modeling.models import SkyModel


def reduce(folder: Path) -> MapDatasetOnOff:
    stacked = MapDataset.create(sky(), energy_axis_true=energy_true(), name="stacked")
    make = MapDatasetMaker()
    safe = SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="3 deg")
    for observation in observations(folder):
        dataset = stacked.cutout(observation.get_pointing_icrs(observation.tmid), width="6 deg")
        stacked.stack(safe.run(make.run(dataset, observation), observation))
    return RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg", exclusion_mask=exclusion()).run(stacked)


def fit(rings: MapDatasetOnOff) -> dict[str, float]:
    spectrum = rings.to_spectrum_dataset(CIRCLE, containment_correction=True, name="crab")
    spectrum.models = SkyModel(spectral_model=power_law(), name="crab")
    return fitted(Datasets([spectrum]))


if __name__ == "__main__":
    main(reduce, fit)
