"""From DL3 runs to a stacked map, one step at a time.

    python examples/crab_map.py [device]

The runs are simulated (`lightpool simulate`); put the folder of your own data store in the place of ``store``.
"""

import sys
import tempfile
from pathlib import Path

import astropy.units as u
from regions import CircleSkyRegion

import lightpool
from lightpool.data import DataStore
from lightpool.datasets import MapDataset, PowerLawNormSpectralModel
from lightpool.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.plot.overview import save_overview
from lightpool.simulate import PointSource, simulate_store

lightpool.set_default_device(sys.argv[1] if len(sys.argv) > 1 else "cpu")
source = PointSource()
store = simulate_store(Path(tempfile.mkdtemp()) / "dl3", n_run=4)

# The geometry: where on the sky, how fine, in which energies.
energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=12)
energy_true = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=24, name="energy_true")
geom = WcsGeom.create(skydir=source.position, width=5, binsz=0.04, axes=[energy])
stacked = MapDataset.create(geom, energy_axis_true=energy_true, name="crab")

# The steps: maps of a run, the range where they can be trusted, the background normalised outside the source.
exclusion = geom.region_mask([CircleSkyRegion(source.position, 0.35 * u.deg)], inside=False)
norm = PowerLawNormSpectralModel()
norm.tilt.frozen = False
make_maps = MapDatasetMaker()
make_safe = SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="2.5 deg")
fit_background = FoVBackgroundMaker(method="fit", exclusion_mask=exclusion, spectral_model=norm)

for observation in DataStore.from_dir(store).get_observations():
    dataset = stacked.cutout(observation.pointing_radec, width="5 deg")
    dataset = make_maps.run(dataset, observation)
    dataset = make_safe.run(dataset, observation)
    dataset = fit_background.run(dataset)
    fitted = dataset.background_model.spectral_model
    print(
        f"run {observation.obs_id}: norm {fitted.norm.value:.3f} +- {fitted.norm.error:.3f}, "
        f"tilt {fitted.tilt.value:+.3f} +- {fitted.tilt.error:.3f}"
    )
    stacked.stack(dataset)

print(stacked)
save_overview(stacked, Path(__file__).with_suffix(".png"), position=source.position)
