"""Excess and significance over a background from rings, of a fixed and of an adaptive size."""

import sys

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import MapDataset, MapDatasetOnOff
from gammapy.estimators import ExcessMapEstimator
from gammapy.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
)
from gammapy.maps import MapAxis, WcsGeom
from regions import CircleSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
observations = DataStore.from_dir(sys.argv[1]).get_observations()[:3]
energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=2)
energy_true = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=6, name="energy_true")
geom = WcsGeom.create(skydir=position, width=3, binsz=0.05, axes=[energy])
empty = MapDataset.create(geom=geom, energy_axis_true=energy_true)
exclusion_mask = ~geom.to_image().region_mask([CircleSkyRegion(position, 0.3 * u.deg)])

ring_maker = RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg", exclusion_mask=exclusion_mask)
adaptive_maker = AdaptiveRingBackgroundMaker(
    r_in="0.5 deg", width="0.3 deg", r_out_max="1.2 deg", stepsize="0.1 deg", exclusion_mask=exclusion_mask
)
safe_mask_maker = SafeMaskMaker(methods=["offset-max"], offset_max=1.5 * u.deg)
datasets = DatasetsMaker([MapDatasetMaker(), safe_mask_maker], stack_datasets=False).run(empty, observations)

stacked = MapDatasetOnOff.create(geom=geom.squash("energy"), energy_axis_true=energy_true, name="ring")
for dataset in datasets:
    on_off = ring_maker.run(dataset.to_image())
    stacked.stack(on_off)
print(stacked)
print(f"{stacked.counts_off.data.sum():.3f} {np.nansum(stacked.acceptance_off.data):.4f}")
print(f"{np.nansum(stacked.alpha.data):.5f}")
maps = ExcessMapEstimator("0.1 deg", selection_optional=[]).run(stacked)
print(f"{np.nanmax(maps.sqrt_ts.data):.6f} {np.nansum(maps.npred_excess.data):.5f}")

on_off = adaptive_maker.run(datasets[0].to_image())
print(on_off.counts_off.data.sum(), f"{np.nansum(on_off.acceptance_off.data):.5f}")
maps = ExcessMapEstimator("0.1 deg").run(ring_maker.run(datasets[1]))
print(f"{np.nanmax(maps.sqrt_ts.data):.6f} {np.nansum(maps.npred_excess.data):.5f}")
