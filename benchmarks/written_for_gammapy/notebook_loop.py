"""The loop of a notebook: a stack of four runs, and a fit of a point source on its maps."""

from pathlib import Path

from common import CENTER, exclusion, fitted, main, observations, power_law, sky
from gammapy.datasets import Datasets, MapDataset
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.modeling.models import FoVBackgroundModel, PointSpatialModel, SkyModel


def reduce(folder: Path) -> MapDataset:
    stacked = MapDataset.create(sky(), name="stacked")
    makers = [
        MapDatasetMaker(),
        SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="3 deg"),
        FoVBackgroundMaker(method="scale", exclusion_mask=exclusion()),
    ]
    for observation in observations(folder):
        dataset = stacked.cutout(observation.get_pointing_icrs(observation.tmid), width="6 deg")
        for maker in makers:
            dataset = maker.run(dataset, observation)
        stacked.stack(dataset)
    return stacked


def fit(stacked: MapDataset) -> dict[str, float]:
    place = PointSpatialModel(lon_0=CENTER.ra, lat_0=CENTER.dec, frame="icrs")
    place.freeze()
    stacked.models = [
        SkyModel(spectral_model=power_law(), spatial_model=place, name="crab"),
        FoVBackgroundModel(dataset_name="stacked"),
    ]
    return fitted(Datasets([stacked]))


if __name__ == "__main__":
    main(reduce, fit)
