"""Simulated counts: `fake` of maps and spectra, events drawn from a model, and these events reduced again."""

import sys

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore, FixedPointingInfo, Observation
from gammapy.datasets import MapDataset, MapDatasetEventSampler, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.makers import MapDatasetMaker, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel, PointSpatialModel, PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
run = DataStore.from_dir(sys.argv[1]).get_observations([1])[0]
irfs = {"aeff": run.aeff, "edisp": run.edisp, "psf": run.psf, "bkg": run.bkg}
pointing = FixedPointingInfo(fixed_icrs=position.directional_offset_by(0 * u.deg, 0.5 * u.deg))
observation = Observation.create(obs_id="7", pointing=pointing, livetime=2 * u.h, irfs=irfs)
print(observation)

energy = MapAxis.from_energy_bounds("0.5 TeV", "30 TeV", nbin=5)
energy_true = MapAxis.from_energy_bounds("0.2 TeV", "60 TeV", nbin=9, name="energy_true")
migra = MapAxis.from_bounds(0.2, 3, nbin=60, node_type="edges", name="migra")
source = SkyModel(
    PowerLawSpectralModel(index=2.2, amplitude="5e-12 cm-2 s-1 TeV-1"),
    PointSpatialModel(lon_0=position.ra, lat_0=position.dec, frame="icrs"),
    name="source",
)

geom = WcsGeom.create(skydir=pointing.fixed_icrs, width=2, binsz=0.05, axes=[energy])
empty = MapDataset.create(geom, energy_axis_true=energy_true, migra_axis=migra, name="simulated")
dataset = MapDatasetMaker(selection=["exposure", "background", "psf", "edisp"]).run(empty, observation)
dataset = SafeMaskMaker(methods=["offset-max"], offset_max=1.5 * u.deg).run(dataset, observation)
dataset.models = [source, FoVBackgroundModel(dataset_name="simulated")]
print(dataset, f"{dataset.npred().data.sum():.5f}")
dataset.fake(random_state=42)
print(dataset.counts.data.sum(), f"{dataset.stat_sum():.4f}")

observation.aeff.meta["TELESCOP"] = "cta_south"
events = MapDatasetEventSampler(random_state=3).run(dataset, observation)
print(len(events.table), events.table["MC_ID"].sum(), f"{events.energy.sum():.4f}")
observation._events = events
counts = MapDatasetMaker(selection=["counts"]).run(empty, observation).counts
print(counts.data.sum(axis=(1, 2)))

region_geom = RegionGeom.create(CircleSkyRegion(position, 0.12 * u.deg), axes=[energy])
empty_spectrum = SpectrumDataset.create(region_geom, energy_axis_true=energy_true, name="spectrum")
maker = SpectrumDatasetMaker(selection=["exposure", "edisp", "background"], containment_correction=True)
spectrum = maker.run(empty_spectrum, observation)
spectrum.models = [SkyModel(source.spectral_model, name="spectral")]
spectrum.fake(random_state=1)
print(spectrum.counts.data.squeeze(), np.round(spectrum.npred().data.squeeze(), 6))
on_off = SpectrumDatasetOnOff.from_spectrum_dataset(dataset=spectrum, acceptance=1, acceptance_off=5)
on_off.fake(random_state=2, npred_background=spectrum.npred_background())
print(on_off.counts_off.data.squeeze(), f"{on_off.stat_sum():.5f}")
