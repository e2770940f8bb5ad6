"""Spectrum with cuts in direction that depend on energy (RAD_MAX), and OFF regions opposite the source."""

import sys

import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.makers import (
    ReflectedRegionsBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import LogParabolaSpectralModel, SkyModel
from regions import CircleSkyRegion, PointSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
observations = DataStore.from_dir(sys.argv[1]).get_observations([1, 2], required_irf=["aeff", "edisp", "rad_max"])
print(observations[0].rad_max)

energy = MapAxis.from_energy_bounds(0.2, 20, 3, per_decade=True, unit="TeV")
energy_true = MapAxis.from_energy_bounds(0.1, 50, 5, per_decade=True, unit="TeV", name="energy_true")
geom = RegionGeom.create(PointSkyRegion(position), axes=[energy])
empty = SpectrumDataset.create(geom=geom, energy_axis_true=energy_true)
exclusion_mask = Map.from_geom(
    WcsGeom.create(skydir=SkyCoord("84.6 deg", "21.9 deg"), width=(4, 4), binsz=0.02), dtype=bool
)
exclusion_mask.data = ~exclusion_mask.geom.region_mask(
    [CircleSkyRegion(SkyCoord("84.6 deg", "21.9 deg"), 0.2 * u.deg)]
).data

maker = SpectrumDatasetMaker(containment_correction=False, selection=["counts", "exposure", "edisp"])
off_maker = ReflectedRegionsBackgroundMaker(
    region_finder=WobbleRegionsFinder(n_off_regions=3), exclusion_mask=exclusion_mask
)
safe_mask_maker = SafeMaskMaker(methods=["aeff-max"], aeff_percent=5)
datasets = Datasets()
for observation in observations:
    dataset = maker.run(empty.copy(name=str(observation.obs_id)), observation)
    dataset = off_maker.run(dataset, observation)
    dataset = safe_mask_maker.run(dataset, observation)
    print(dataset.counts.data.squeeze(), dataset.counts_off.data.squeeze(), dataset.acceptance_off.data.squeeze())
    print(dataset.counts_off.geom.region.__class__.__name__, dataset.counts_off.geom.width)
    datasets.append(dataset)

print(datasets[0], datasets.info_table()["counts"], datasets.info_table()["alpha"])
datasets.models = [
    SkyModel(LogParabolaSpectralModel(amplitude="3e-11 cm-2 s-1 TeV-1", alpha=2.6, beta=0.0), name="crab")
]
result = Fit().run(datasets)
print(f"{result.total_stat:.3f}")
for parameter in datasets.models.parameters.free_parameters:
    print(parameter.name, f"{parameter.value:.2e} +- {parameter.error:.1e}")
