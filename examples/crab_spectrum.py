"""Spectra from ON and OFF regions, their OGIP files, and a theta-squared plot.

    python examples/crab_spectrum.py [device]

The runs are simulated (`lightpool simulate`); put the folder of your own data store in the place of ``store``.
"""

import sys
import tempfile
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
from regions import CircleSkyRegion

import lightpool
from lightpool.data import DataStore
from lightpool.datasets import Datasets, SpectrumDataset
from lightpool.makers import (
    ReflectedRegionsBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    ThetaSquaredTable,
)
from lightpool.maps import MapAxis, RegionGeom
from lightpool.plot.theta_squared import plot_theta_squared_table
from lightpool.simulate import PointSource, simulate_store

lightpool.set_default_device(sys.argv[1] if len(sys.argv) > 1 else "cpu")
source = PointSource()
folder = Path(tempfile.mkdtemp())
observations = DataStore.from_dir(simulate_store(folder / "dl3", n_run=4)).get_observations()

# ON: a circle about the source. OFF: circles at the same offset, found for each run.
energy = MapAxis.from_energy_bounds("0.5 TeV", "30 TeV", nbin=12)
energy_true = MapAxis.from_energy_bounds("0.2 TeV", "80 TeV", nbin=36, name="energy_true")
on_region = CircleSkyRegion(source.position, 0.15 * u.deg)
geom = RegionGeom.create(on_region, axes=[energy])
empty = SpectrumDataset.create(geom, energy_axis_true=energy_true)
make_spectrum = SpectrumDatasetMaker(containment_correction=True, selection=["counts", "exposure", "edisp"])
find_off = ReflectedRegionsBackgroundMaker()
make_safe = SafeMaskMaker(methods=["aeff-max"], aeff_percent=5)

datasets = Datasets()
for observation in observations:
    dataset = make_spectrum.run(empty.copy(name=f"obs-{observation.obs_id}"), observation)
    dataset = find_off.run(dataset, observation)
    datasets.append(make_safe.run(dataset, observation))

print(datasets.info_table()["name", "counts", "counts_off", "alpha", "excess", "sqrt_ts"])
stacked = datasets.stack_reduce(name="crab")
print(stacked)

stacked.write(folder / "pha_crab.fits", format="xspec")  # keV and cm2, which XSPEC and Sherpa take for granted
print(f"Files for XSPEC, Sherpa and Gammapy in {folder}:", *sorted(path.name for path in folder.glob("*.fits")))

theta2 = MapAxis.from_bounds(0, 0.1, nbin=20, interp="lin", unit="deg2")
table = ThetaSquaredTable(observations, theta2, source.position, energy_edges=[0.5, 30] * u.TeV).run()
plot_theta_squared_table(table)
plt.savefig(Path(__file__).with_suffix(".png"), dpi=100, bbox_inches="tight")
