"""Datasets one by one in a loop, stacked by hand on cutouts, then significance and residual maps and 2-D images."""

import sys

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import MapDataset
from gammapy.estimators import ExcessMapEstimator, TSMapEstimator
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from regions import CircleSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
observations = DataStore.from_dir(sys.argv[1]).get_observations()[:4]
energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
energy_true = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=8, name="energy_true")
geom = WcsGeom.create(skydir=position.galactic, width=(3, 2), binsz=0.05, frame="galactic", proj="TAN", axes=[energy])
stacked = MapDataset.create(geom=geom, energy_axis_true=energy_true, name="stacked")
exclusion_mask = ~geom.to_image().region_mask([CircleSkyRegion(position, 0.3 * u.deg)])

maker = MapDatasetMaker(selection=["counts", "background", "exposure", "psf", "edisp"])
safe_mask_maker = SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="1.6 deg")
fov_maker = FoVBackgroundMaker(method="fit", exclusion_mask=exclusion_mask)
for observation in observations:
    cutout = stacked.cutout(
        observation.get_pointing_icrs(observation.tmid), width="3.2 deg", name=f"{observation.obs_id}"
    )
    dataset = maker.run(cutout, observation)
    dataset = safe_mask_maker.run(dataset, observation)
    dataset = fov_maker.run(dataset, observation)
    bkg_model = dataset.models[f"{observation.obs_id}-bkg"]
    norm = bkg_model.parameters["norm"]
    print(observation.obs_id, f"{norm.value:.6f} +- {norm.error:.6f}", np.sqrt(np.diag(bkg_model.covariance.data)))
    print(dataset.counts.data.sum(), f"{dataset.npred_background().data.sum():.6f}", dataset.mask_safe.data.sum())
    stacked.stack(dataset)

print(stacked)
image = stacked.to_image()
print(image.counts.data.sum(), f"{image.background.data.sum():.6f} {image.exposure.data.max():.6e}")
excess = ExcessMapEstimator(correlation_radius="0.15 deg", energy_edges=[0.5, 20] * u.TeV).run(stacked)
print(np.nanmax(excess.sqrt_ts.data), np.nansum(excess.npred_excess.data))

spatial = PointSpatialModel(lon_0=position.galactic.l, lat_0=position.galactic.b, frame="galactic")
spatial.parameters.freeze_all()
source = SkyModel(
    PowerLawSpectralModel(index=2.6, amplitude="3e-11 cm-2 s-1 TeV-1"),
    spatial,
    name="crab",
)
stacked.models = Models([source, FoVBackgroundModel(dataset_name=stacked.name)])
result = Fit().run([stacked])
print(result.success, f"{result.total_stat:.3f}")
for parameter in stacked.models.parameters.free_parameters:
    print(parameter.name, f"{parameter.value:.3e} +- {parameter.error:.2e}")
residuals = stacked.residuals("diff/sqrt(model)")
print(f"{np.nanstd(residuals.data):.4f}")

small = image.cutout(position, width="0.8 deg")
small.models = None
ts_model = SkyModel(PowerLawSpectralModel(index=2.6), GaussianSpatialModel(sigma="0.02 deg"))
ts = TSMapEstimator(ts_model, kernel_width="0.3 deg", sum_over_energy_groups=True).run(small)
print(f"{np.nanmax(ts['sqrt_ts'].data):.3f}")
