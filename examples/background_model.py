"""A background table made of the runs themselves, with the source excluded, used in the place of that in the files.

    python examples/background_model.py [device]

The runs are simulated (`lightpool simulate`); put the folder of your own data store in the place of ``store``.
"""

import sys
import tempfile
from pathlib import Path

import astropy.units as u
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import lightpool
from lightpool.arrays import to_host
from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.makers import (
    BackgroundModelMaker,
    BackgroundSums,
    BackgroundTableMaker,
    DatasetsMaker,
    ExcessMapEstimator,
    FoVBackgroundMaker,
    GroupRunsBy,
    MapDatasetMaker,
    SafeMaskMaker,
    SkyExclusion,
)
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate import PointSource, simulate_store

lightpool.set_default_device(sys.argv[1] if len(sys.argv) > 1 else "cpu")
folder = Path(tempfile.mkdtemp())
source = PointSource()
store = DataStore.from_dir(simulate_store(folder / "dl3", n_run=24, source=source, wobble_offset=0.7))

# One pass over the events: a block of sums for each run, which are all that is needed from here on.
energy = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=24)
offset = MapAxis.from_bounds(0, 2.5, nbin=10, unit="deg", name="offset")
maker = BackgroundModelMaker(energy, offset, exclusion=SkyExclusion.from_positions(source.position, 0.4 * u.deg))
rows = [dict(zip(store.obs_table.colnames, row, strict=True)) for row in store.obs_table]
sums = maker.run_all(store.get_observations(), rows)
sums.write(folder / "sums.fits.gz")

# Tables for any groups and bins, without the events. Two groups of equal statistics here.
sums = BackgroundSums.read(folder / "sums.fits.gz")
tables = BackgroundTableMaker(
    smoothing=2, min_counts=40, max_energy_ratio=2, extrapolate_below=40, common_energy_bins=True
)
models = tables.run(sums, [GroupRunsBy.zenith(n_bin=2)])
models.summary().pprint()
models.run_norms(sums)[:4].pprint()
models[0].write(folder / "background.fits.gz")  # Gammapy's Background2D.read opens it


def significances(observations):
    """Significances of the field away from the source, and of the source."""
    image = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
    geom = WcsGeom.create(skydir=source.position, width=4, binsz=0.05, axes=[image])
    outside = geom.region_mask(f"icrs;circle({source.position.ra.deg}, {source.position.dec.deg}, 0.4)", inside=False)
    steps = [
        MapDatasetMaker(selection=["counts", "exposure", "background"]),
        SafeMaskMaker(methods=["offset-max"], offset_max="2 deg"),
        FoVBackgroundMaker(method="scale", exclusion_mask=outside),
    ]
    stacked = DatasetsMaker(steps).run(MapDataset.create(geom), observations)[0]
    found = to_host(ExcessMapEstimator("0.1 deg").run(stacked)["sqrt_ts"].data).reshape(geom.data_shape[1:])
    away = to_host(outside.data)[0] & np.isfinite(found)
    return found[away], found[~away]


with_own = store.get_observations()
with_new = store.get_observations()
for observation, row in zip(with_new, rows, strict=True):
    observation.bkg = models.model_of(row, interpolate_zenith=True).table

figure = Figure(figsize=(11, 4.2), layout="constrained")
left, right = figure.subplots(1, 2)
(whole,) = tables.run(sums)
truth = with_own[0].bkg
x = np.linspace(0, 2.5, 60) * u.deg
for number, index in enumerate((2, 6, 10)):
    center = whole.energy_axis.center[index]
    label = f"{center.to_value('TeV'):.2f} TeV"
    left.errorbar(
        offset.center.value, whole.rate[index], whole.error[index], fmt="o", ms=4, color=f"C{number}", label=label
    )
    coords = {"fov_lon": x, "fov_lat": 0 * u.deg} if "fov_lon" in truth.axes.names else {"offset": x}
    left.plot(x, truth.evaluate(energy=center, **coords).to_value("s-1 MeV-1 sr-1"), color=f"C{number}")
left.set(yscale="log", xlabel="offset [deg]", ylabel="rate [1 / (s MeV sr)]", title="From 24 runs; lines: the truth")
left.legend()
bins = np.linspace(-5, 5, 51)
for observations, label in ((with_own, "table of the files"), (with_new, "table from the runs")):
    away, at_source = significances(observations)
    right.hist(away, bins, histtype="step", label=f"{label}: mean {away.mean():.2f}, width {away.std():.2f}")
    print(f"{label}: width {away.std():.3f} away from the source, {np.nanmax(at_source):.1f} sigma at it")
right.plot(bins, away.size * 0.2 * np.exp(-(bins**2) / 2) / np.sqrt(2 * np.pi), "k:", label="width 1")
right.set(xlabel="significance", ylabel="pixels", yscale="log", ylim=(0.8, None), title="Away from the source")
right.legend(fontsize=8)
FigureCanvasAgg(figure).print_figure(Path(__file__).with_suffix(".png"), dpi=110)
