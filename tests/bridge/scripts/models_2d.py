"""An image of one energy bin, its significance, and a fit of the flux of a Gaussian and the norm of the background."""

import sys

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import MapDataset
from gammapy.estimators import ExcessMapEstimator
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, GaussianSpatialModel, PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
store = DataStore.from_dir(sys.argv[1])
selection = {
    "type": "sky_circle",
    "frame": "icrs",
    "lon": position.ra,
    "lat": position.dec,
    "radius": "2 deg",
}
table = store.obs_table.select_observations(selection)
observations = store.get_observations(table["OBS_ID"][:2], required_irf="full-enclosure")
print(observations.ids, [str(observation.pointing.mode) for observation in observations])

energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=8, name="energy_true")
geom = WcsGeom.create(skydir=position, npix=(50, 40), binsz=0.04, proj="TAN", axes=[energy])
stacked = MapDataset.create(geom, energy_axis_true=energy_true, migra_axis=None, name="image")
exclusion_mask = ~geom.region_mask([CircleSkyRegion(position, Angle("0.25 deg"))])

maker = MapDatasetMaker(background_oversampling=3)
safe_mask_maker = SafeMaskMaker(methods=["offset-max", "bkg-peak"], offset_max=2.5 * u.deg)
fov_maker = FoVBackgroundMaker(exclusion_mask=exclusion_mask)
for observation in observations:
    dataset = maker.run(stacked, observation)
    dataset = safe_mask_maker.run(dataset, observation)
    dataset = fov_maker.run(dataset)
    print(dataset.name == "image", len(dataset.models), f"{dataset.npred().data.sum():.6f}")
    stacked.stack(dataset)

print(stacked)
maps = ExcessMapEstimator("0.12 deg", selection_optional=["errn-errp"]).run(stacked)
print(f"{np.nanmax(maps.sqrt_ts.data):.5f}, {np.nansum(maps.npred_excess_errp.data):.5f}")

spatial = GaussianSpatialModel(lon_0=position.ra, lat_0=position.dec, sigma="0.05 deg", frame="icrs")
spatial.parameters.freeze_all()
spectral = PowerLawSpectralModel(index=2.6, amplitude="3e-11 cm-2 s-1 TeV-1")
spectral.index.frozen = True
stacked.models = [SkyModel(spectral, spatial, name="crab"), FoVBackgroundModel(dataset_name="image")]
result = Fit(optimize_opts={"print_level": 0}).run(stacked)
print(f"{result.total_stat:.3f}")
for parameter in stacked.models.parameters.free_parameters:
    print(parameter.name, f"{parameter.value:.3e} +- {parameter.error:.2e}")
