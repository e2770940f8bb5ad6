"""How long it takes to convert a stack to Gammapy and back.

    pip install '.[gammapy]'
    OMP_NUM_THREADS=1 python benchmarks/gammapy_conversion.py [--repeat 20] [--json FILE]

The stack has 250 x 250 pixels and 11 energies, once with 11 and once with 31 true energies, point spread function and
kernels of the energy dispersion, the good time intervals and the table of 20 observations, and a background model. It
grows until it is converted, so the first conversion to Gammapy also computes the mean responses from their sums; that
time is listed apart. Each repetition converts new geometries, since those that were converted before are remembered.
"""

import argparse
import json
import pickle
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from lightpool.data import GTI
from lightpool.datasets import FoVBackgroundModel, MapDataset
from lightpool.gammapy import from_gammapy, to_gammapy
from lightpool.maps import MapAxis, WcsGeom

N_OBSERVATION = 20
TRUE_ENERGIES = (11, 31)
LIMIT = 20.0  # ms, both directions


def make_run(n_energy_true: int, number: int, n_pixel: int = 250, n_energy: int = 11) -> MapDataset:
    """One observation with random maps."""
    rng = np.random.default_rng(number)
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=n_energy)
    energy_true = MapAxis.from_energy_bounds("0.3 TeV", "40 TeV", nbin=n_energy_true, name="energy_true")
    geom = WcsGeom.create(skydir=(83.63, 22.01), npix=n_pixel, binsz=0.02, axes=[energy])
    table = Table({"TELESCOP": ["simulated"], "OBS_ID": [number], "RA_PNT": [83.63], "DEC_PNT": [22.51]})
    run = MapDataset.create(geom, energy_axis_true=energy_true, name="stack", meta_table=table)
    run.counts.data += rng.poisson(0.1, geom.data_shape)
    run.background.data += rng.uniform(0.05, 0.15, geom.data_shape)
    run.mask_safe.data |= True
    run.exposure.data += rng.uniform(1e9, 2e9, run.exposure.data.shape)
    run.exposure.meta["livetime"] = 1600 * u.s
    for response in (run.psf, run.edisp):
        response.irf_map.data += rng.uniform(0.0, 1.0, response.irf_map.data.shape)
        response.exposure_map.data += rng.uniform(1e9, 2e9, response.exposure_map.data.shape)
    run.gti = GTI.create([2000.0 * number] * u.s, [2000.0 * number + 1700.0] * u.s, reference_time="2010-01-01")
    return run


def make_stack(n_energy_true: int, n_observation: int = N_OBSERVATION, **options: int) -> MapDataset:
    """A stack that grows: its responses, good time intervals and table are sums."""
    stack = make_run(n_energy_true, 0, **options).to_masked(name="stack")
    for number in range(1, n_observation):
        stack.stack(make_run(n_energy_true, number, **options))
    stack.models = FoVBackgroundModel("stack")
    return stack


def measure(n_energy_true: int, repeat: int) -> dict[str, Any]:
    """Times of a stack in ms: of the first conversion to Gammapy, and of others, see `time_of`."""
    stack = make_stack(n_energy_true)
    start = time.perf_counter()
    to_gammapy(stack)
    first = 1e3 * (time.perf_counter() - start)
    return {"n_energy_true": n_energy_true, "first": first, **time_of(stack, repeat)}


def time_of(stack: MapDataset, repeat: int) -> dict[str, dict[str, float]]:
    """Smallest and median time of conversions in ms: to Gammapy, from it, both together, and back to the original."""
    times: dict[str, list[float]] = {"to": [], "from": [], "both": [], "back": []}

    def timed(name: str, convert: Callable[[Any], Any], obj: Any) -> Any:
        start = time.perf_counter()
        found = convert(obj)
        times[name].append(1e3 * (time.perf_counter() - start))
        return found

    for _ in range(repeat):
        there = timed("to", to_gammapy, with_new_geometries(stack))
        timed("back", from_gammapy, there)
        timed("from", from_gammapy, there.copy(name="copy"))
        times["both"].append(times["to"][-1] + times["from"][-1])
    return {name: {"min": min(each), "median": statistics.median(each)} for name, each in times.items()}


def with_new_geometries(dataset: MapDataset) -> MapDataset:
    """A copy whose axes and geometries have not been converted before."""
    copy: MapDataset = pickle.loads(pickle.dumps(dataset))
    return copy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results = [measure(n_energy_true, args.repeat) for n_energy_true in TRUE_ENERGIES]
    print(f"ms, smallest and median of {args.repeat}; first: with the division of the sums; limit {LIMIT:.0f} for both")
    print("true energies    first          to        from        both        back")
    for each in results:
        columns = [f"{each[name]['min']:5.1f} {each[name]['median']:5.1f}" for name in ("to", "from", "both", "back")]
        print(f"{each['n_energy_true']:13d} {each['first']:8.1f} " + " ".join(columns))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
