"""Light curve of a point source: observations cut in time, a spectrum and a point of the curve for each part."""

import sys

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from gammapy.data import DataStore
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.estimators import LightCurveEstimator
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
observations = DataStore.from_dir(sys.argv[1]).get_observations()[:3]
edges = []
for observation in observations:
    start = observation.gti.time_start[0]
    edges += [Time([start + i * 14 * u.min, start + (i + 1) * 14 * u.min]) for i in range(2)]
pieces = observations.select_time(edges)
print(len(pieces), [len(piece.events.table) for piece in pieces])
print([f"{piece.observation_live_time_duration.to_value('s'):.6f}" for piece in pieces])

energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
energy_true = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=8, name="energy_true")
geom = RegionGeom.create(CircleSkyRegion(position, 0.12 * u.deg), axes=[energy])
empty = SpectrumDataset.create(geom=geom, energy_axis_true=energy_true)
maker = SpectrumDatasetMaker(containment_correction=True)
off_maker = ReflectedRegionsBackgroundMaker(max_region_number=8)
safe_mask_maker = SafeMaskMaker(methods=["edisp-bias"], bias_percent=20)
datasets = Datasets()
for i, piece in enumerate(pieces):
    dataset = off_maker.run(maker.run(empty.copy(name=f"piece-{i}"), piece), piece)
    datasets.append(safe_mask_maker.run(dataset, piece))
for dataset in datasets:
    info = dataset.info_dict()
    print(dataset.counts.data.squeeze(), dataset.counts_off.data.squeeze(), f"{info['livetime']:.6f}")
    print(np.asarray(dataset.mask_safe.data).squeeze(), f"{info['excess']:.6f}")

model = SkyModel(PowerLawSpectralModel(index=2.6, amplitude="3e-11 cm-2 s-1 TeV-1"), name="crab")
model.spectral_model.index.frozen = True
datasets.models = [model]
light_curve = LightCurveEstimator(energy_edges=[0.5, 20] * u.TeV, source="crab", time_intervals=edges).run(datasets)
for row in light_curve.to_table(sed_type="flux", format="lightcurve"):
    print(f"{row['time_min']:.6f} {row['time_max']:.6f} {row['flux'][0]:.3e} {row['flux_err'][0]:.2e}")
