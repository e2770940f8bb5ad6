"""The demonstration: four runs of a Crab-like source, simulated, reduced and plotted."""

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
    """Results of the demonstration.

    Attributes
    ----------
    dataset : MapDataset
        Stacked dataset.
    store, file : Path
        The data store and the file of the dataset.
    plot : Path or None
        File of the plot; None without matplotlib.
    """

    dataset: MapDataset
    store: Path
    file: Path
    plot: Path | None


def run_demo(folder: str | Path = "lightpool-demo", *, seed: int = 0, n_run: int = 4) -> DemoResult:
    """Simulate runs, reduce them on the default device, write the dataset and plot it.

    Parameters
    ----------
    folder : str or Path
        Files of an earlier demonstration in it are replaced.
    seed : int
    n_run : int
    """
    folder = make_path(folder)
    source = PointSource()
    store = simulate_store(folder / "dl3", n_run, source=source, seed=seed, overwrite=True)
    dataset = reduce_demo(store, source)
    file = folder / "dataset.fits.gz"
    dataset.write(file, overwrite=True)
    return DemoResult(dataset, store, file, _draw(dataset, source, folder / "maps.png"))


def reduce_demo(store: Path, source: PointSource) -> MapDataset:
    """Reduce all runs of a simulated data store to one map around the source.

    Parameters
    ----------
    store : Path
    source : PointSource
    """
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
    stacked = DatasetsMaker(makers).run(empty, DataStore.from_dir(store).get_observations())[0]
    assert isinstance(stacked, MapDataset)
    return stacked


def _draw(dataset: MapDataset, source: PointSource, file: Path) -> Path | None:
    try:
        from lightpool.plot.overview import save_overview
    except ImportError:
        return None
    save_overview(dataset, file, position=source.position)
    return file
