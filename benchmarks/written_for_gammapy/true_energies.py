"""The same with 31 true energies, by `DatasetsMaker`."""

from pathlib import Path

from common import energy_true, exclusion, main, observations, sky
from gammapy.datasets import MapDataset
from gammapy.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from notebook_loop import fit


def reduce(folder: Path) -> MapDataset:
    makers = [
        MapDatasetMaker(),
        SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="3 deg"),
        FoVBackgroundMaker(method="scale", exclusion_mask=exclusion()),
    ]
    maker = DatasetsMaker(makers, cutout_mode="partial", cutout_width="6 deg", n_jobs=1)
    reference = MapDataset.create(sky(), energy_axis_true=energy_true(), name="stacked")
    return maker.run(reference, observations(folder))[0]


if __name__ == "__main__":
    main(reduce, fit)
