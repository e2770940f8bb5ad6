"""Lower limits of the stages of `peer.py`: the arithmetic of each stage alone, in NumPy, on arrays that are in memory.

    OMP_NUM_THREADS=1 python benchmarks/floors.py [--data DIR] [--cta DIR] [--jobs CrabLoop ...] [--repeat 15]

Nothing of lightpool is used for the limits. Each stage is written as few passes as NumPy allows, into memory that is
used again, with blocks that fit into the cache of the processor, for arrays of the shapes of the job: no objects, no
units, no checks, no case in which a table has gaps. What a compiled program could do is less, since it would read each
number once. With the folders of `peer.py` the stages of lightpool are measured in the same process, and the files are
decompressed; stages nest there as they do in `peer.py`. Each figure is the median of the repetitions, in ms per run.
"""

import argparse
import ctypes
import json
import math
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import peer
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]

N_NODE = 50
"""Nodes of the table of background rates, each way."""

ROWS = 32
"""Rows of pixels in a block; with a dozen energies the arrays of a block fit into the second-level cache."""


@dataclass(frozen=True)
class Sizes:
    """Shapes of a job, per run.

    Attributes
    ----------
    n_y, n_x : pixels of the counts
    n_energy, n_energy_true : bins
    n_irf : pixels of the maps of the PSF and the energy dispersion, each way
    n_event, n_inside : events, and those inside the energies of the map
    is_stacked : whether there is a safe mask, a field-of-view background and a stack
    solid_angles : share of the solid angles that each run computes
    """

    n_y: int
    n_x: int
    n_energy: int
    n_energy_true: int
    n_irf: int
    n_event: int
    n_inside: int
    is_stacked: bool
    solid_angles: float


JOBS = {
    "CrabLoop": Sizes(250, 225, 11, 11, 25, 7500, 2600, True, 0.25),
    "CrabTrueEnergies": Sizes(300, 300, 11, 31, 30, 7500, 2600, True, 0.4),
    "Cta": Sizes(300, 300, 9, 20, 30, 106_000, 50_000, False, 1.0),
}


class Probe:
    """The arithmetic of the stages of a job."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes, rng = sizes, np.random.default_rng(0)
        self.image = sizes.n_y, sizes.n_x
        self.cube = sizes.n_energy, *self.image
        y, x = np.mgrid[: sizes.n_y, : sizes.n_x]
        self.lon, self.lat = 3.5e-4 * (x - sizes.n_x / 2 + 0.01 * y), 3.5e-4 * (y - sizes.n_y / 2 - 0.01 * x)
        self.offset = np.hypot(self.lon, self.lat)
        cos = np.cos(self.lat)
        self.vectors = np.stack([cos * np.cos(self.lon), cos * np.sin(self.lon), np.sin(self.lat)])
        self.mask = np.repeat((self.offset < 0.042)[None], sizes.n_energy, axis=0)
        self.nodes = np.linspace(-0.09, 0.09, N_NODE)
        # Exponents that grow by a tenth or more, as far from a division by zero as those of a background.
        steps = 0.1 + rng.random((sizes.n_energy + 1, N_NODE**2))
        self.table = np.ascontiguousarray(np.cumsum(steps, axis=0).T)
        self.matrices: dict[int, csr_array] = {}
        self.background = rng.random(self.cube)
        self.total, self.kept = np.zeros(self.cube), np.zeros(self.cube, dtype=bool)
        self.exposure = np.zeros((sizes.n_energy_true, *self.image))
        self.responses: dict[int, Floats] = {}
        self.energies, self.positions = rng.random(sizes.n_event), rng.normal(0, 0.02, (2, sizes.n_event))
        self.counts = self.counting()

    def stages(self) -> dict[str, Callable[[], object]]:
        """The stages by name."""
        found: dict[str, Callable[[], object]] = {"counts": self.counting, "directions": self.directions}
        found["background"] = self.integrals
        found |= {"exposure": self.exposures, "psf": lambda: self.response(66), "edisp": self.dispersion}
        if self.sizes.is_stacked:
            found |= {"safe mask": self.safe_mask, "FoV background": self.sums, "stack": self.stack}
        return found

    def counting(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bins of the events: energies compared, those inside searched, projected by four functions and a rotation."""
        n_y, n_x = self.image
        edges = np.linspace(0, 1, self.sizes.n_energy + 1)
        inside = np.flatnonzero((self.energies >= 0) & (self.energies < 1))[: self.sizes.n_inside]
        number = np.searchsorted(edges[1:-1], self.energies[inside], side="right")
        lon, lat = self.positions[:, inside]
        cos = np.cos(lat)
        x, y, z = np.eye(3) @ np.stack([cos * np.cos(lon), cos * np.sin(lon), np.sin(lat)])
        column, row = (np.floor(v / x * 2800 + n / 2).astype(np.int64) for v, n in ((y, n_x), (z, n_y)))
        kept = (column >= 0) & (column < n_x) & (row >= 0) & (row < n_y)
        index = ((number * n_y + row) * n_x + column)[kept]
        if not self.sizes.is_stacked:  # the map is read
            return index, np.bincount(index, minlength=math.prod(self.cube))
        return np.unique(index, return_counts=True)

    def directions(self) -> None:
        """Positions in the field of view, offsets from the pointing, and the share of the solid angles.

        A rotation of the pixels and three inverse tangents; solid angles are two triangles of great circles.
        """
        for rows in self._blocks():
            x, y, z = np.eye(3) @ self.vectors[:, rows].reshape(3, -1)
            across = np.sqrt(x * x + y * y)
            np.arctan2(-y, x), np.arctan2(z, across), np.arctan2(across, z)
            part = slice(0, max(int(self.sizes.solid_angles * x.size), 2))
            for _ in range(2):  # chord, arc, bearing and sine of an angle, for each of two sides
                dx, dy, dz = (v[part] - w[part] for v, w in ((x, y), (y, z), (z, x)))
                chord = np.sqrt(dx * dx + dy * dy + dz * dz)
                square = chord * chord
                arc = chord * (1 + square * (1 / 24 + square * (3 / 640 + square * (5 / 7168))))
                east, north = x[part] * dy - y[part] * dx, z[part] - dz * (x[part] * dx + y[part] * dy)
                length = east * east + north * north
                arc *= (dx * north - dy * east) / np.sqrt(length * (length + 1.0))

    def _blocks(self) -> list[slice]:
        return [slice(first, min(first + ROWS, self.sizes.n_y)) for first in range(0, self.sizes.n_y, ROWS)]

    def integrals(self) -> None:
        """Background: the four neighbours of each pixel, a sparse product, an exponential integral, a solid angle."""
        step = 1 / (self.nodes[1] - self.nodes[0])
        for rows in self._blocks():
            n = self.lon[rows].size
            where = []
            for angle in (self.lon[rows].ravel(), self.lat[rows].ravel()):
                position = (angle - self.nodes[0]) * step
                lower = position.astype(np.int64)
                where.append((lower, position - lower))
            (ix, fx), (iy, fy) = where
            first, both = (ix * N_NODE + iy).astype(np.int32), fx * fy
            if n not in self.matrices:
                starts = np.arange(0, 4 * n + 1, 4, dtype=np.int32)
                empty = np.zeros(4 * n), np.zeros(4 * n, np.int32)
                self.matrices[n] = csr_array((*empty, starts), shape=(n, N_NODE**2))
            matrix = self.matrices[n]
            columns, weights = matrix.indices.reshape(n, 4), matrix.data.reshape(n, 4)
            corners = (1 - fx - fy + both, fy - both, fx - both, both)
            for number, (shift, weight) in enumerate(zip((0, 1, N_NODE, N_NODE + 1), corners, strict=True)):
                np.add(first, shift, out=columns[:, number])
                weights[:, number] = weight
            exponent = np.ascontiguousarray((matrix @ self.table).T)
            slope = exponent[1:] - exponent[:-1]
            np.exp(exponent, out=exponent)
            integral = exponent[1:] - exponent[:-1]
            integral /= slope
            integral *= 0.2
            shape = len(integral), -1, self.sizes.n_x
            np.multiply(integral.reshape(shape), self.offset[rows], out=self.background[:, rows])

    def _basis(self, offset: Floats) -> Floats:
        """Weights of six nodes in offset."""
        basis = np.empty((6, offset.size))
        np.subtract(offset, np.arange(5.0)[:, None] * 0.0087, out=basis[1:])
        basis[1:] *= 1 / 0.0087
        np.clip(basis[1:], 0, 1, out=basis[1:])
        basis[0] = 1
        for row, following in pairwise(basis):
            row -= following
        return basis

    def exposures(self) -> None:
        """Exposure: weights, a product of matrices, and a sum; without a stack it is written."""
        table = np.ones((self.sizes.n_energy_true, 6))
        for rows in self._blocks():
            part = (table @ self._basis(self.offset[rows].ravel())).reshape(len(table), -1, self.sizes.n_x)
            if self.sizes.is_stacked:
                self.exposure[:, rows] += part
            else:
                self.exposure[:, rows] = part

    def response(self, n_bin: int) -> None:
        """PSF or dispersion: weights times exposure, a product of matrices, and a sum in place."""
        n_true, n_pixel = self.sizes.n_energy_true, self.sizes.n_irf**2
        table = np.ones((n_true, n_bin, 6))
        kept = self.responses.setdefault(n_bin, np.zeros((n_true, n_bin, n_pixel)))
        basis = self._basis(self.offset.ravel()[:n_pixel])
        exposure = np.ones((n_true, 6)) @ basis
        exposure /= np.ones((n_true, 6)) @ basis
        kept += np.matmul(table, basis[None] * exposure[:, None])

    def dispersion(self) -> None:
        """Energy dispersion."""
        self.response(self.sizes.n_energy)

    def safe_mask(self) -> None:
        """Pixels with a finite and positive background, inside an offset, and inside energies."""
        kept = np.isfinite(self.background)
        kept &= self.background > 0
        kept &= self.offset < 0.05

    def sums(self) -> None:
        """Sums of the background in each plane of a mask, and of the events."""
        weights = self.mask[0].ravel().astype(float)
        for plane in self.background:
            plane.ravel() @ weights
        self.mask.ravel()[self.counts[0]] * self.counts[1]

    def stack(self) -> None:
        """Counts, background with norm and mask, and masks, added to the stack."""
        self.total.ravel()[self.counts[0]] += self.counts[1]
        weights, memory = self.mask[0].astype(float), np.empty(self.image)
        for total, plane in zip(self.total, self.background, strict=True):
            np.multiply(plane, weights, out=memory)
            memory *= 1.1
            total += memory
        self.kept |= self.mask


def keep_freed_memory() -> None:
    """Let glibc keep what is freed, as lightpool does: new memory of the system takes longer than the arithmetic."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-3, 2**25)  # M_MMAP_THRESHOLD
        mallopt(-1, 2**28)  # M_TRIM_THRESHOLD


def milliseconds(function: Callable[[], object], repeat: int) -> float:
    """Median time of a call, the first of which is left out."""
    function()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def of_lightpool(name: str, data: Path, repeat: int) -> dict[str, float]:
    """Stages of a job of lightpool, the whole job, and the decompression of its files; ms per run."""
    job = peer.JOBS[name]("lightpool", data)
    job()
    whole, stages = [], []
    for _ in range(repeat):
        peer.forget_files("lightpool")
        start = time.perf_counter()
        job()
        whole.append(time.perf_counter() - start)
        peer.forget_files("lightpool")
        with peer.timed_stages("lightpool") as seconds:
            job()
        stages.append(seconds)
    found = {key: statistics.median(each.get(key, 0.0) for each in stages) for key in peer.STAGES}
    found = {key: value for key, value in found.items() if value} | {"whole job": statistics.median(whole)}
    return {key: 1e3 * value / job.n_run for key, value in found.items()} | {"decompression": decompression(job)}


def decompression(job: peer.Job) -> float:
    """Time to read the files of a run and to decompress them with isal, ms."""
    from isal import igzip

    files = {path for observation in job.names["DataStore"].from_dir(job.data).get_observations(job.runs)
             for path in observation.files}  # fmt: skip

    def read() -> None:
        for path in files:
            packed = path.read_bytes()
            if packed[:2] == b"\x1f\x8b":
                igzip.decompress(packed)

    return milliseconds(read, 5) / job.n_run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of hess-dl3-dr1")
    parser.add_argument("--cta", type=Path, help="folder of the index files of cta-1dc")
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")
    keep_freed_memory()
    print(f"{platform.processor() or platform.machine()}, NumPy {np.__version__}, ms per run")
    results = {}
    for name in args.jobs:
        stages = Probe(JOBS[name]).stages()
        limits = {key: milliseconds(function, args.repeat) for key, function in stages.items()}
        data = args.cta if name == "Cta" else args.data
        measured = {} if data is None else of_lightpool(name, data, args.repeat)
        results[name] = {"limits": limits, "lightpool": measured}
        print(f"\n{name}, least time of the arithmetic:")
        print("  " + ", ".join(f"{key} {value:.2f}" for key, value in limits.items()))
        print(f"  together {sum(limits.values()):.2f}")
        if measured:
            print("  lightpool: " + ", ".join(f"{key} {value:.2f}" for key, value in measured.items()))
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
