"""Fits with priors: on the spectrum of a source, and on the background of each observation."""

import sys

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset
from gammapy.makers import MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
    UniformPrior,
)

position = SkyCoord(83.633, 22.014, unit="deg")
observations = DataStore.from_dir(sys.argv[1]).get_observations([1, 2])
energy = MapAxis.from_energy_bounds("1 TeV", "20 TeV", nbin=4)
energy_true = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=7, name="energy_true")
geom = WcsGeom.create(skydir=position, width=1.6, binsz=0.08, axes=[energy])
safe_mask_maker = SafeMaskMaker(methods=["offset-max"], offset_max="2 deg")

spatial = PointSpatialModel(lon_0=position.ra, lat_0=position.dec, frame="icrs")
spatial.parameters.freeze_all()
spectral = PowerLawSpectralModel(index=2, amplitude="3e-11 cm-2 s-1 TeV-1")
spectral.index.prior = GaussianPrior(mu=2.5, sigma=0.05)
spectral.amplitude.prior = UniformPrior(min=0)
models = [SkyModel(spectral, spatial, name="crab")]
datasets = Datasets()
for observation in observations:
    dataset = MapDatasetMaker().run(
        MapDataset.create(geom, energy_axis_true=energy_true, name=f"{observation.obs_id}"), observation
    )
    datasets.append(safe_mask_maker.run(dataset, observation))
    background = FoVBackgroundModel(dataset_name=dataset.name)
    background.parameters["norm"].prior = GaussianPrior(mu=1, sigma=0.02)
    models.append(background)
datasets.models = models

print(datasets, f"{datasets.stat_sum():.6f}", f"{np.sum(datasets.models.parameters.prior_stat_sum()):.6f}")
result = Fit().run(datasets)
print(f"{result.total_stat:.3f}")
for parameter in datasets.models.parameters.free_parameters:
    print(parameter.name, f"{parameter.value:.3e} +- {parameter.error:.2e}", parameter.prior)
print(datasets.to_dict() if hasattr(datasets, "to_dict") else [dataset.tag for dataset in datasets])
print(spectral.integral(1 * u.TeV, 10 * u.TeV).to("cm-2 s-1").value.round(14))
