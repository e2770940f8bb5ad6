"""Reduce with lightpool, then fit a model and estimate flux points with Gammapy, in one program and without files.

    python examples/crab_with_gammapy.py [folder of a data store]

Without a folder the runs are simulated (`lightpool simulate`). With that of the H.E.S.S. public test data release 1 it
takes the four runs on the Crab nebula. Needs Gammapy: ``pip install '.[gammapy]'``.
"""

import sys
import tempfile
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import PointSpatialModel, PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate import PointSource, simulate_store

source = PointSource()
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else simulate_store(Path(tempfile.mkdtemp()) / "dl3", n_run=4)
store = DataStore.from_dir(folder)
near = store.obs_table.select_sky_circle(source.position, 2 * u.deg)

# lightpool: counts, background, exposure, PSF and energy dispersion of all runs, stacked.
energy = MapAxis.from_energy_bounds("1 TeV", "20 TeV", nbin=8)
energy_true = MapAxis.from_energy_bounds("0.4 TeV", "50 TeV", nbin=20, name="energy_true")
geom = WcsGeom.create(skydir=source.position, width=3, binsz=0.04, axes=[energy])
exclusion = geom.region_mask([CircleSkyRegion(source.position, 0.35 * u.deg)], inside=False)
makers = [
    MapDatasetMaker(),
    SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="2.5 deg"),
    FoVBackgroundMaker(exclusion_mask=exclusion),
]
empty = MapDataset.create(geom, energy_axis_true=energy_true, name="stacked")
stacked = DatasetsMaker(makers).run(empty, store.get_observations(near["OBS_ID"]))["stacked"]

# Gammapy: the same arrays, in a dataset that takes models.
dataset = stacked.to_gammapy()
dataset.mask_fit = dataset.counts.geom.region_mask([CircleSkyRegion(source.position, 0.5 * u.deg)])
position = PointSpatialModel(lon_0=source.position.ra, lat_0=source.position.dec, frame="icrs")
spectrum = PowerLawSpectralModel(amplitude="3e-11 cm-2 s-1 TeV-1", reference="1 TeV")
dataset.models = SkyModel(spectrum, position, name="crab")
print(Fit().run(dataset))
print(dataset.models)
points = FluxPointsEstimator(energy_edges=energy.edges[::2], source="crab").run(dataset)
print(points.to_table(sed_type="dnde", formatted=True)["e_ref", "dnde", "dnde_err", "sqrt_ts"])

figure = plt.figure(figsize=(11, 4.2))
left = figure.add_subplot(1, 2, 1, projection=geom.wcs)
excess = (dataset.counts - dataset.npred_background()).sum_over_axes().smooth(0.06 * u.deg)
excess.plot(ax=left, add_cbar=True)
left.set_title("Excess, smoothed")
right = figure.add_subplot(1, 2, 2)
right.xaxis.set_units(u.TeV)
bounds = energy.bounds
spectrum.plot(bounds, ax=right, sed_type="e2dnde", label="fit")
spectrum.plot_error(bounds, ax=right, sed_type="e2dnde", facecolor="C0", alpha=0.3)
points.plot(ax=right, sed_type="e2dnde", color="black", label="flux points")
right.set_ylabel(f"$E^2\\,dN/dE$ [{right.yaxis.units:latex_inline}]")
right.set_title("Reduced by lightpool, fitted by Gammapy")
right.legend()
figure.tight_layout()
figure.savefig(Path(__file__).with_suffix(".png"), dpi=100, bbox_inches="tight")
