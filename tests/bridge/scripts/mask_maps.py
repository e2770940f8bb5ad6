"""Masks made from regions, energies and maps, used as safe masks, masks of a fit and exclusion masks."""

import sys

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel
from regions import CircleSkyRegion, RectangleSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
observations = DataStore.from_dir(sys.argv[1]).get_observations([1, 2])
energy = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=5)
energy_true = MapAxis.from_energy_bounds("0.1 TeV", "60 TeV", nbin=8, name="energy_true")
geom = WcsGeom.create(skydir=position, width=(3, 3), binsz=0.1, axes=[energy])

circle = CircleSkyRegion(position, 0.3 * u.deg)
rectangle = RectangleSkyRegion(position, 1 * u.deg, 0.4 * u.deg, 20 * u.deg)
outside = geom.region_mask([circle, rectangle], inside=False)
high = geom.energy_mask(energy_min=1 * u.TeV)
inner = geom.boundary_mask("0.4 deg")
print(outside.data.sum(), high.data.sum(), inner.data.sum(), (outside & high | ~inner).data.sum())
grown = (~outside).binary_dilate(0.2 * u.deg)
print(grown.data.sum(), (outside.binary_erode(0.1 * u.deg)).data.sum())

datasets = Datasets()
maker = MapDatasetMaker(selection=["counts", "exposure", "background", "edisp"])
for observation in observations:
    dataset = maker.run(
        MapDataset.create(geom, energy_axis_true=energy_true, name=f"{observation.obs_id}"), observation
    )
    for method, options in [
        ("aeff-default", {}),
        ("aeff-max", {"aeff_percent": 20}),
        ("offset-max", {"offset_max": 1.2 * u.deg}),
        ("bkg-peak", {}),
        ("edisp-bias", {"bias_percent": 15, "position": position}),
    ]:
        masked = SafeMaskMaker(methods=[method], **options).run(dataset.copy(name="copy"), observation)
        print(method, masked.mask_safe.data.sum(axis=(1, 2)))
    dataset = SafeMaskMaker(methods=["offset-max", "aeff-max"], aeff_percent=10).run(dataset, observation)
    dataset.mask_safe &= inner
    dataset.mask_fit = outside & high
    print(dataset.mask.data.sum(), dataset.mask_safe_image.data.sum(), dataset.energy_range_safe[0].data.max())
    dataset.models = [FoVBackgroundModel(dataset_name=dataset.name)]
    dataset = FoVBackgroundMaker(method="fit", exclusion_mask=outside).run(dataset, observation)
    print(f"{dataset.models[0].parameters['norm'].value:.6f} {dataset.stat_sum():.6f}")
    datasets.append(dataset)

stacked = datasets.stack_reduce(name="stacked", nan_to_num=True)
print(stacked, stacked.mask_safe.data.sum(axis=(1, 2)), stacked.mask_fit)
significance = Map.from_geom(geom, data=(stacked.counts.data - stacked.background.data))
significance.data[~stacked.mask_safe.data] = np.nan
print(f"{np.nansum(significance.data):.6f} {np.isnan(significance.data).sum()}")
