"""The first picture of a new source: significances over a ring background, with an exclusion found from the data.

    python examples/significance_map.py [device]

The runs are simulated (`lightpool simulate`); put the folder of your own data store in the place of ``store``.
"""

import sys
import tempfile
from pathlib import Path

import astropy.units as u
from matplotlib.backends.backend_agg import FigureCanvasAgg

import lightpool
from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.makers import (
    ExcessMapEstimator,
    ExclusionMaskFinder,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
)
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate import PointSource, simulate_store

lightpool.set_default_device(sys.argv[1] if len(sys.argv) > 1 else "cpu")
source = PointSource(norm=6e-12)  # a sixth of the Crab nebula
store = simulate_store(Path(tempfile.mkdtemp()) / "dl3", n_run=4, source=source)

# Counts and background template of each run.
energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
geom = WcsGeom.create(skydir=source.position, width=4, binsz=0.02, axes=[energy])
make_maps = MapDatasetMaker(selection=["counts", "background"])
make_safe = SafeMaskMaker(methods=["offset-max"], offset_max="2 deg")
runs = []
for observation in DataStore.from_dir(store).get_observations():
    dataset = make_maps.run(MapDataset.create(geom, name=f"run-{observation.obs_id}"), observation)
    runs.append(make_safe.run(dataset, observation))

# Rings of neighbouring pixels share their events, so OFF counts are not summed in the circle once more.
estimator = ExcessMapEstimator(
    correlation_radius="0.1 deg", correlate_off=False, selection_optional=["errn-errp", "ul"]
)
finder = ExclusionMaskFinder(estimator, threshold=5, threshold_low=3, margin="0.1 deg")
found = finder.run(runs, RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg"))
print(f"pixels excluded after each round: {found.n_excluded}, stable: {found.is_stable}")

place = {"skycoord": source.position, "energy": 3 * u.TeV}
value = {name: float(image.to("cpu").get_by_coord(place)[0]) for name, image in found.maps.items()}
print(
    f"at the source: {value['sqrt_ts']:.1f} sigma, excess {value['npred_excess']:.1f} "
    f"-{value['npred_excess_errn']:.1f} +{value['npred_excess_errp']:.1f}"
)

left, right = found.plot()
left.set_title(f"Significance in circles of {estimator.correlation_radius}; dashed: exclusion")
FigureCanvasAgg(left.figure).print_figure(Path(__file__).with_suffix(".png"), dpi=110, bbox_inches="tight")
