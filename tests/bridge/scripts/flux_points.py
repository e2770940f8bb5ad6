"""Map datasets by `DatasetsMaker`, stacked, then a 3-D fit and flux points with a field-of-view background."""

import sys

import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import FluxPointsEstimator
from gammapy.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, PointSpatialModel, PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
observations = DataStore.from_dir(sys.argv[1]).get_observations()[:3]

energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6)
energy_true = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=10, name="energy_true")
geom = WcsGeom.create(skydir=position, width=2, binsz=0.05, axes=[energy])
exclusion_mask = ~geom.region_mask([CircleSkyRegion(position, 0.3 * u.deg)])
empty = MapDataset.create(geom=geom, energy_axis_true=energy_true, name="crab-field")

makers = [
    MapDatasetMaker(),
    SafeMaskMaker(methods=["offset-max"], offset_max=2 * u.deg),
    FoVBackgroundMaker(method="scale", exclusion_mask=exclusion_mask),
]
datasets = DatasetsMaker(makers, stack_datasets=True, cutout_mode="partial", cutout_width="2.5 deg").run(
    empty, observations
)
dataset = datasets[0]
print(datasets, dataset, dataset.models)
print(f"{dataset.background.data.sum():.7f} {dataset.exposure.data.sum():.7e} {dataset.psf.psf_map.data.sum():.7e}")
print(f"{dataset.edisp.edisp_map.data.sum():.7e} {dataset.mask_safe.data.sum()} {dataset.counts.data.sum()}")
print(dataset.gti)

spectral = PowerLawSpectralModel(index=2.5, amplitude="3e-11 cm-2 s-1 TeV-1")
spatial = PointSpatialModel(lon_0=position.ra, lat_0=position.dec, frame="icrs")
spatial.parameters.freeze_all()
dataset.models = [SkyModel(spectral, spatial, name="crab"), FoVBackgroundModel(dataset_name="crab-field")]
result = Fit().run(datasets)
print(result.success, f"{result.total_stat:.3f}")
for parameter in dataset.models.parameters.free_parameters:
    print(parameter.name, f"{parameter.value:.3e} +- {parameter.error:.2e}")

estimator = FluxPointsEstimator(energy_edges=[0.5, 2, 20] * u.TeV, source="crab", selection_optional=["ul"])
points = estimator.run(Datasets([dataset]))
table = points.to_table(sed_type="dnde")
for row in table:
    print(f"{row['e_ref']:.4f} {row['dnde']:.3e} {row['dnde_err']:.2e} {row['dnde_ul']:.2e} {row['sqrt_ts']:.2f}")
