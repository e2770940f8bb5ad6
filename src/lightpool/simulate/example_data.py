"""Data of the tutorials: public files if this machine has them, otherwise simulated runs with the same numbers."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.time import TimeDelta

from lightpool.fits import make_path
from lightpool.simulate.events import PointSource, SimulatedRun
from lightpool.simulate.store import FIRST_MIDNIGHT, simulate_store
from lightpool.utils.html import ShownInNotebooks

__all__ = ["EXAMPLES", "ExampleData", "example_data"]

_VARIABLES = ("LIGHTPOOL_DATA", "GAMMAPY_DATA")
_CRAB = PointSource()
# Aharonian et al. 2005, A&A 435, L17; an extended source, which is a point here
_MSH_15_52 = PointSource(SkyCoord(228.529, -59.158, unit="deg"), norm=5.7e-12, index=2.27)
# As bright as the Crab nebula at 1 TeV, and constant: in the night of the real runs there was a flare.
_PKS_2155_304 = PointSource(SkyCoord(329.717, -30.226, unit="deg"), norm=3.5e-11, index=3.3)
# Sources of about the brightness of those near the centre of the Galaxy, ten times brighter for the smaller telescopes
_GALACTIC_CENTRE = PointSource(SkyCoord(359.944, -0.046, unit="deg", frame="galactic").icrs, norm=2.5e-11, index=2.2)
_G09_01 = PointSource(SkyCoord(0.872, 0.076, unit="deg", frame="galactic").icrs, norm=8.4e-12, index=2.4)
_J1745_303 = PointSource(SkyCoord(358.71, -0.64, unit="deg", frame="galactic").icrs, norm=2.8e-11, index=2.7)


@dataclass(frozen=True)
class _Pointing:
    """A run that is simulated in the place of a real one: where it points, and when, in days of the simulation."""

    obs_id: int
    position_angle: float  # deg, from north through east, in the frame of the position
    offset: float  # deg
    day: float

    def run(self, center: SkyCoord, target: str) -> SimulatedRun:
        return SimulatedRun(
            obs_id=self.obs_id,
            pointing=center.directional_offset_by(self.position_angle * u.deg, self.offset * u.deg).icrs,
            start=FIRST_MIDNIGHT + TimeDelta(self.day, format="jd"),
            target=target,
        )


@dataclass(frozen=True)
class _Field:
    """What is simulated around a position."""

    target: str
    center: SkyCoord
    sources: Sequence[PointSource]
    pointings: Sequence[_Pointing]


@dataclass(frozen=True)
class _Example:
    """Where files of a release are found, and what is simulated in their place."""

    title: str
    address: str
    folders: Sequence[str]
    stand_in: str
    fields: Sequence[_Field]
    psf_kind: str = "psf_table"
    point_like: bool = False


def _in_turn(first: int, angles: Sequence[float], days: Sequence[float], offset: float = 0.5) -> list[_Pointing]:
    """Return pointings of runs with successive numbers."""
    return [_Pointing(first + i, angle, offset, day) for i, (angle, day) in enumerate(zip(angles, days, strict=True))]


_HALF_HOUR = 1 / 48
EXAMPLES = {
    "hess-dl3-dr1": _Example(
        title="H.E.S.S. DL3 public test data release 1",
        address="https://zenodo.org/record/1421099",
        folders=["hess-dl3-dr1"],
        stand_in="runs on point sources at the positions of the Crab nebula, MSH 15-52 and PKS 2155-304",
        fields=[
            _Field(
                "Crab Nebula",
                _CRAB.position,
                [_CRAB],
                [
                    _Pointing(23523, 180, 0.5, 0.90),
                    _Pointing(23526, 0, 0.5, 0.94),
                    _Pointing(23559, 90, 1.5, 2.94),
                    _Pointing(23592, 270, 1.5, 4.90),
                ],
            ),
            _Field(
                "MSH 15-52",
                _MSH_15_52.position,
                [_MSH_15_52],
                [
                    *_in_turn(20282, [0, 180], [30.95, 30.97]),
                    *_in_turn(20301, [0, 180, 0], [31.95, 31.97, 31.99]),
                    *_in_turn(20322, [180, 0, 180], [32.95, 32.97, 32.99]),
                ],
            ),
            _Field(
                "PKS 2155-304",
                _PKS_2155_304.position,
                [_PKS_2155_304],
                _in_turn(33787, [0, 270, 90, 180] * 2, [60.8 + i * _HALF_HOUR for i in range(8)]),
            ),
        ],
    ),
    "magic-rad-max": _Example(
        title="two MAGIC runs with a directional cut for each energy",
        address="https://github.com/gammapy/gammapy-data",
        folders=["magic-rad-max", "magic/rad_max/data"],
        stand_in="two runs on the Crab nebula with point-like responses",
        fields=[_Field("Crab Nebula", _CRAB.position, [_CRAB], _in_turn(5029747, [55, 235], [0.9, 0.92], 0.4))],
        point_like=True,
    ),
    "cta-1dc": _Example(
        title="first CTA data challenge (1DC), Galactic plane survey",
        address="https://github.com/gammapy/gammapy-data",
        folders=["cta-1dc/index/gps"],
        stand_in="four runs on three bright point sources near the centre of the Galaxy",
        fields=[
            _Field(
                "Galactic Plane Survey",
                SkyCoord(0, 0, unit="deg", frame="galactic"),
                [_GALACTIC_CENTRE, _G09_01, _J1745_303],
                _in_turn(110380, [180, 0, 90, 270], [0.9 + i * _HALF_HOUR for i in range(4)], 1.3),
            )
        ],
        psf_kind="psf_3gauss",
    ),
}
"""The data of the tutorials, by name."""


@dataclass(frozen=True)
class ExampleData(ShownInNotebooks):
    """A data store for the tutorials; printed, it says whether its runs are real or simulated.

    Attributes
    ----------
    name : str
    folder : Path
        Folder of the index files, for `lightpool.data.DataStore.from_dir`. One of simulated runs is removed when the
        program ends.
    is_simulated : bool
    """

    name: str
    folder: Path
    is_simulated: bool
    _example: _Example = field(repr=False)

    def __str__(self) -> str:
        """Say in a few lines what the data are, and where the real ones come from."""
        example = self._example
        if not self.is_simulated:
            return f"Real data: {example.title}\n{example.address}"
        return (
            f"Simulated data of four imaginary telescopes: {example.stand_in}\n"
            f"To use the real data instead ({example.title},\n"
            f"{example.address}), set {' or '.join(_VARIABLES)} to a folder that contains {example.folders[0]}"
        )


def example_data(name: str) -> ExampleData:
    """Find the files of a public release on this machine, or simulate runs that have the same numbers.

    Files are looked for in the folders that the environment variables LIGHTPOOL_DATA and GAMMAPY_DATA name. Nothing is
    downloaded. Simulated runs are made once in a program, in a temporary folder.

    Parameters
    ----------
    name : {"hess-dl3-dr1", "magic-rad-max", "cta-1dc"}

    Returns
    -------
    data : ExampleData

    Examples
    --------
    >>> from lightpool.data import DataStore
    >>> from lightpool.simulate import example_data
    >>> data = example_data("magic-rad-max")
    >>> observations = DataStore.from_dir(data.folder).get_observations(required_irf="point-like")
    >>> observations.ids
    ['5029747', '5029748']
    """
    if name not in EXAMPLES:
        raise ValueError(f"there are no example data {name!r}, expected one of {', '.join(EXAMPLES)}")
    example = EXAMPLES[name]
    for variable in _VARIABLES:
        if not os.environ.get(variable):
            continue
        for folder in (make_path(os.environ[variable]) / below for below in example.folders):
            if (folder / "obs-index.fits.gz").is_file() and (folder / "hdu-index.fits.gz").is_file():
                return ExampleData(name, folder, False, example)
    return ExampleData(name, _simulated(name), True, example)


@lru_cache
def _simulated(name: str) -> Path:
    """Simulate the runs of an example in a folder that is removed when the program ends."""
    example = EXAMPLES[name]
    folder = Path(tempfile.mkdtemp(prefix="lightpool-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return simulate_store(
        folder / name,
        runs=[pointing.run(field.center, field.target) for field in example.fields for pointing in field.pointings],
        source=[source for field in example.fields for source in field.sources],
        point_like=example.point_like,
        psf_kinds=[example.psf_kind],
        background_kinds=["bkg_3d"],
    )
