"""Spectrum of a point source with reflected regions, and a fit of a power law."""

import sys

import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
observations = DataStore.from_dir(sys.argv[1]).get_observations(required_irf=["aeff", "edisp"])

energy = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=8)
energy_true = MapAxis.from_energy_bounds("0.1 TeV", "80 TeV", nbin=14, name="energy_true")
geom = RegionGeom.create(CircleSkyRegion(position, 0.11 * u.deg), axes=[energy])
empty = SpectrumDataset.create(geom=geom, energy_axis_true=energy_true)
exclusion_mask = ~WcsGeom.create(skydir=position, width=4, binsz=0.04).region_mask(
    [CircleSkyRegion(position, 0.3 * u.deg)]
)

maker = SpectrumDatasetMaker(containment_correction=True, selection=["counts", "exposure", "edisp"])
off_maker = ReflectedRegionsBackgroundMaker(exclusion_mask=exclusion_mask)
safe_mask_maker = SafeMaskMaker(methods=["aeff-max"], aeff_percent=10)

datasets = Datasets()
for observation in observations:
    dataset = maker.run(empty.copy(name=str(observation.obs_id)), observation)
    dataset = off_maker.run(dataset, observation)
    datasets.append(safe_mask_maker.run(dataset, observation))

print(datasets)
info_table = datasets.info_table(cumulative=True)
for row in info_table:
    print(row["name"], row["counts"], row["counts_off"], f"{row['excess']:.6f} {row['sqrt_ts']:.6f}")
for dataset in datasets[:2]:
    print(type(dataset).__name__, dataset.counts_off.geom.region, dataset.counts_off.data.squeeze())
    print(dataset.acceptance_off.data.squeeze(), dataset.exposure.quantity.squeeze()[:4], dataset.gti.time_sum)

datasets.models = [SkyModel(PowerLawSpectralModel(index=2, amplitude="2e-11 cm-2 s-1 TeV-1"), name="crab")]
result = Fit().run(datasets)
print(result.success, f"{result.total_stat:.4f}")
for parameter in datasets.models.parameters.free_parameters:
    print(parameter.name, f"{parameter.value:.4e} +- {parameter.error:.3e}")

stacked = datasets.stack_reduce(name="stacked")
print(stacked, stacked.info_dict()["sqrt_ts"])
print(stacked.meta_table["OBS_ID"][0], stacked.counts.geom.region)
print(stacked.mask_safe.data.sum())
