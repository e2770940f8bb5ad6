"""Spectrum in an extended region: responses averaged over it, background from reflected regions."""

import sys

import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.makers import ReflectedRegionsBackgroundMaker, ReflectedRegionsFinder, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from regions import CircleSkyRegion, EllipseSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
store = DataStore.from_dir(sys.argv[1])
table = store.obs_table
observations = store.get_observations(table["OBS_ID"][:3])
energy = MapAxis.from_energy_bounds(0.3, 40, 4, per_decade=True, unit="TeV")
energy_true = MapAxis.from_energy_bounds(0.2, 100, 5, per_decade=True, unit="TeV", name="energy_true")
exclusion_mask = ~WcsGeom.create(skydir=position, width=4, binsz=0.04).region_mask(
    [CircleSkyRegion(position, 0.35 * u.deg)]
)

for region in [
    CircleSkyRegion(position, 0.25 * u.deg),
    EllipseSkyRegion(position, 0.5 * u.deg, 0.3 * u.deg, 30 * u.deg),
]:
    geom = RegionGeom.create(region, axes=[energy], binsz_wcs="0.05 deg")
    empty = SpectrumDataset.create(geom=geom, energy_axis_true=energy_true, name="stacked")
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], use_region_center=False)
    off_maker = ReflectedRegionsBackgroundMaker(
        region_finder=ReflectedRegionsFinder(angle_increment=2 * u.deg), exclusion_mask=exclusion_mask
    )
    safe_mask_maker = SafeMaskMaker(methods=["aeff-max"], aeff_percent=10)
    datasets = Datasets()
    for observation in observations:
        dataset = maker.run(empty.copy(name=f"obs-{observation.obs_id}"), observation)
        dataset = safe_mask_maker.run(dataset, observation)
        dataset = off_maker.run(dataset, observation)
        if dataset.counts_off is not None:
            datasets.append(dataset)
    print(datasets.info_table().meta, [dataset.name for dataset in datasets])
    for dataset in datasets:
        print(dataset.counts.data.squeeze(), dataset.counts_off.data.squeeze(), dataset.acceptance_off.data.squeeze())
        print(dataset.exposure.data.squeeze()[::3], dataset.edisp.edisp_map.data.sum())
    stacked = datasets.stack_reduce()
    print(stacked.counts.data.sum(), stacked.info_dict()["excess"], stacked.info_dict()["livetime"])
