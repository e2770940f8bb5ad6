"""Significances in the Crab field with a background from other runs, next to those with the table of the files.

    OMP_NUM_THREADS=1 python benchmarks/background_crab.py --data DIR --plot FILE

DIR is a DL3 folder with the H.E.S.S. public test data release 1: a radial model is made of its eight runs on PKS
2155-304 and of those of "Off data", with exclusions on PKS 2155-304 and 3C 273, and used for its four runs on the Crab.
"""

import argparse
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lightpool.data import DataStore, Observations
from lightpool.datasets import MapDataset
from lightpool.makers import (
    BackgroundModel,
    BackgroundModelMaker,
    BackgroundTableMaker,
    DatasetsMaker,
    ExcessMapEstimator,
    FoVBackgroundMaker,
    MapDatasetMaker,
    SafeMaskMaker,
    SkyExclusion,
)
from lightpool.maps import MapAxis, WcsGeom

CRAB = SkyCoord(83.633, 22.0145, unit="deg")
RUNS = [23523, 23526, 23559, 23592]
SOURCES = SkyCoord([329.716938, 187.27792], [-30.225588, 2.052388], unit="deg")  # PKS 2155-304, 3C 273


def model_of(store: DataStore) -> BackgroundModel:
    table = store.obs_table
    runs = [int(row["OBS_ID"]) for row in table if row["TARGET_NAME"].startswith(("PKS 2155", "Off data"))]
    energy = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=16)
    offset = MapAxis.from_bounds(0, 2.5, nbin=10, unit="deg", name="offset")
    maker = BackgroundModelMaker(energy, offset, exclusion=SkyExclusion.from_positions(SOURCES, 0.3 * u.deg))
    sums = maker.run_all(store.get_observations(runs))
    return BackgroundTableMaker(smoothing=3, min_counts=50, extrapolate_below=30).run(sums)[0]


def significances(observations: Observations) -> Any:
    energy = MapAxis.from_energy_bounds("0.8 TeV", "10 TeV", nbin=5)
    geom = WcsGeom.create(skydir=CRAB, width=5, binsz=0.05, axes=[energy])
    outside = geom.region_mask(f"icrs;circle({CRAB.ra.deg}, {CRAB.dec.deg}, 0.5)", inside=False)
    makers = [
        MapDatasetMaker(selection=["counts", "exposure", "background"]),
        SafeMaskMaker(methods=["offset-max"], offset_max="2 deg"),
        FoVBackgroundMaker(method="scale", exclusion_mask=outside),
    ]
    stacked = DatasetsMaker(makers).run(MapDataset.create(geom), observations)[0]
    found = np.asarray(ExcessMapEstimator("0.1 deg").run(stacked)["sqrt_ts"].data).reshape(geom.data_shape[1:])
    seen = np.asarray(stacked.mask_safe.data).any(axis=0) & np.asarray(outside.data)[0]
    return found[seen & np.isfinite(found)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--plot", type=Path, required=True)
    options = parser.parse_args()
    store = DataStore.from_dir(options.data)
    model = model_of(store)
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(-5, 5, 51)
    for name, table in (("table of the files", None), (f"table of {model.n_run} other runs", model.table)):
        observations = store.get_observations(RUNS)
        for observation in observations if table is not None else ():
            observation.bkg = table
        found = significances(observations)
        print(f"{name}: mean {found.mean():.3f}, width {found.std():.3f}")
        axes.hist(found, bins, histtype="step", label=f"{name}: mean {found.mean():.2f}, width {found.std():.2f}")
    axes.plot(bins, found.size * 0.2 * np.exp(-(bins**2) / 2) / np.sqrt(2 * np.pi), "k:", label="width 1")
    axes.set(
        xlabel="significance", ylabel="pixels", yscale="log", ylim=(0.8, None), title="Crab field, away from the Crab"
    )
    axes.legend(fontsize=8)
    FigureCanvasAgg(figure).print_figure(options.plot, dpi=110)


if __name__ == "__main__":
    main()
