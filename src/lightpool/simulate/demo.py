"""The demonstration: four runs of a Crab-like source, simulated, reduced and drawn."""

from dataclasses import dataclass
from pathlib import Path

from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.fits import make_path
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate.events import PointSource
from lightpool.simulate.store import simulate_store

__all__ = ["DemoResult", "reduce_demo", "run_demo"]


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration made.

    Attributes
    ----------
    dataset : MapDataset, stacked
    store, file : path of the data store and of the written dataset
    picture : path of the picture, None without matplotlib
    """

    dataset: MapDataset
    store: Path
    file: Path
    picture: Path | None


def run_demo(folder: str | Path = "lightpool-demo", *, seed: int = 0, n_run: int = 4) -> DemoResult:
    """Simulate runs into ``folder``, reduce them on the default device, write the dataset and draw it.

    Files of an earlier demonstration in the folder are written over.
    """
    folder = make_path(folder)
    source = PointSource()
    store = simulate_store(folder / "dl3", n_run, source=source, seed=seed, overwrite=True)
    dataset = reduce_demo(store, source)
    file = folder / "dataset.fits.gz"
    dataset.write(file, overwrite=True)
    return DemoResult(dataset, store, file, _draw(dataset, source, folder / "maps.png"))


def reduce_demo(store: Path, source: PointSource) -> MapDataset:
    """Reduce all runs of a store of simulated runs to one map about the source."""
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=12)
    energy_true = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=24, name="energy_true")
    geom = WcsGeom.create(skydir=source.position, width=5, binsz=0.04, axes=[energy])
    target = geom.region_mask(f"icrs;circle({source.position.ra.deg}, {source.position.dec.deg}, 0.35)", inside=False)
    makers = [
        MapDatasetMaker(),
        SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="2.5 deg"),
        FoVBackgroundMaker(method="scale", exclusion_mask=target),
    ]
    empty = MapDataset.create(geom, energy_axis_true=energy_true, name="demo")
    stacked: MapDataset = DatasetsMaker(makers).run(empty, DataStore.from_dir(store).get_observations())[0]
    return stacked


def _draw(dataset: MapDataset, source: PointSource, file: Path) -> Path | None:
    try:
        from lightpool.plot.overview import save_overview
    except ImportError:
        return None
    save_overview(dataset, file, position=source.position)
    return file
