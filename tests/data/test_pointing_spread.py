"""Telescopes that point in different directions, or move, are recognized, and what is assumed is said."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from regions import CircleSkyRegion

from lightpool.data import DataStore, Observation
from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.data.pointing_spread import PointingSpread, pointing_spread
from lightpool.data.store.hdu_checks import check_hdu
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.irf import IRF
from lightpool.makers import MapDatasetMaker, ReflectedRegionsBackgroundMaker, SpectrumDatasetMaker
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=2, name="energy_true")


def table(*rows):
    """A pointing table: time, right ascension and declination of each row."""
    columns = [
        fits.Column(name, "D", unit, array=[row[number] for row in rows])
        for number, (name, unit) in enumerate((("TIME", "s"), ("RA_PNT", "deg"), ("DEC_PNT", "deg")))
    ]
    return fits.BinTableHDU.from_columns(columns, name="POINTING")


@pytest.fixture
def written(crab_store, tmp_path):
    """Write a run with another OBS_MODE, and a pointing table of rows relative to RA_PNT, DEC_PNT."""

    def write(mode=None, rows=()):
        path = tmp_path / "run.fits"
        DataStore.from_dir(crab_store).obs(1).write(path, overwrite=True)
        with fits.open(path, mode="update") as hdus:
            header = hdus["EVENTS"].header
            if mode is not None:
                header["OBS_MODE"] = mode
            if rows:
                ra, dec = header["RA_PNT"], header["DEC_PNT"]
                hdus.append(table(*((time, ra + lon, dec + lat) for time, lon, lat in rows)))
        FILE_CACHE.clear()
        return path

    return write


def spread_of(path):
    (run,) = [Observation.read(path)]
    run = run.copy()
    found = [each["code"] for each in check_hdu(FILE_CACHE.open(path), "EVENTS", "events")]
    return run, [code for code in found if code.startswith("pointing")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "rows", "expected"),
    [
        ("POINTING", (), []),
        ("WOBBLE", ((0, 0, 0),), []),
        ("POINTING", ((0, 0, 0.01), (9, 0, -0.02)), []),  # tracks as well as a telescope does
        ("DIVERGENT", (), ["pointing-divergent"]),
        ("divergent", (), ["pointing-divergent"]),
        ("POINTING", ((0, 0, 2), (0, 0, -2), (9, 0, 2), (9, 0, -2)), ["pointing-divergent"]),
        ("POINTING", ((0, 0, 0), (9, 0, 1.5)), ["pointing-moves"]),
        ("SLEW", (), ["pointing-moves"]),
    ],
)
def test_a_check_recognizes_them(written, mode, rows, expected):
    assert spread_of(written(mode, rows))[1] == expected


def test_a_drift_scan_moves_by_its_nature():
    assert not PointingSpread("DRIFT", 0.0, 5.0).is_moving
    assert PointingSpread("POINTING", 0.0, 5.0).is_moving


def reduced(run, maker, **options):
    geom = WcsGeom.create(skydir=run.pointing_radec, width=2, binsz=0.5, axes=[ENERGY])
    return maker.run(MapDataset.create(geom, energy_axis_true=TRUE, **options), run)


class Area(IRF):
    tag = "aeff_of_a_user"
    required_axes = ["energy_true", "fov_lon", "fov_lat"]  # noqa: RUF012
    default_unit = u.m**2


def store_of(path):
    return DataStore.from_events_files([path]).get_observations()[0]


def test_makers_say_what_they_assume_of_tables_in_one_offset(written, caplog):
    run = store_of(written("DIVERGENT", ((0, 0, 2), (0, 0, -2))))
    assert pointing_spread(run) == PointingSpread("DIVERGENT", pytest.approx(4), pytest.approx(2))
    reduced(run, MapDatasetMaker(["counts", "exposure"]))
    assert (
        "its telescopes point in different directions (OBS_MODE = DIVERGENT, directions 4.00 deg apart" in caplog.text
    )
    assert "effective area depend on one offset, which is taken from the direction of the array" in caplog.text
    caplog.clear()
    # A table in the field of view of the array holds for it as it is.
    lon, lat = (MapAxis.from_edges(np.linspace(-3, 3, 4) * u.deg, name=name) for name in ("fov_lon", "fov_lat"))
    run.aeff = Area([TRUE, lon, lat], np.ones((2, 3, 3)), "m2")
    made = reduced(run, MapDatasetMaker(["counts", "exposure"]))
    assert made.exposure.data.max() > 0
    assert "different directions" not in caplog.text


def test_reflected_regions_say_what_they_assume(written, caplog):
    run = store_of(written("DIVERGENT"))
    region = CircleSkyRegion(SkyCoord(83.633, 22.0145, unit="deg"), 0.1 * u.deg)
    empty = SpectrumDataset.create(RegionGeom.create(region, axes=[ENERGY]), energy_axis_true=TRUE)
    dataset = SpectrumDatasetMaker(["counts", "exposure"]).run(empty, run)
    ReflectedRegionsBackgroundMaker().run(dataset, run)
    assert "OFF regions at the offset of the ON region assume an acceptance that is symmetric" in caplog.text


def test_a_pointing_that_moves_is_reported_by_makers(written, caplog):
    run = store_of(written("POINTING", ((0, 0, 0), (9, 0, 1.5))))
    reduced(run, MapDatasetMaker(["exposure"]))
    assert "its pointing moves (directions up to 1.50 deg from RA_PNT, DEC_PNT in the pointing table)" in caplog.text


def test_a_damaged_pointing_table_does_no_harm(written, caplog):
    path = written("POINTING", ((0, 0, 0), (9, 0, 1.5)))
    with fits.open(path, mode="update") as hdus:
        hdus["POINTING"].header["TTYPE1"] = "WHEN"
    FILE_CACHE.clear()
    assert pointing_spread(store_of(path)) == PointingSpread("POINTING")


def pointing_columns(time, lon, lat, unit="deg", of_lon="D"):
    """A pointing table of columns."""
    return fits.BinTableHDU.from_columns(
        [
            fits.Column("TIME", "D", "s", array=time),
            fits.Column("RA_PNT", of_lon, unit, array=lon),
            fits.Column("DEC_PNT", "D", unit, array=lat),
        ],
        name="POINTING",
    )


NAN = np.nan


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of_pointing", "expected"),
    [
        (lambda ra, dec: pointing_columns([0, NAN], [ra, ra + 90], [dec, dec]), (0, 0)),
        (lambda ra, dec: pointing_columns([NAN, NAN], [ra, ra], [dec, dec]), (0, 0)),
        (lambda ra, dec: pointing_columns([0, 0, 0], [NAN, ra, ra], [dec, dec - 1, dec + 1]), (2, 1)),
        (lambda ra, dec: pointing_columns([0, 0, 9], [ra, ra, NAN], [dec, dec + 2, dec]), (2, 2)),
        (lambda ra, dec: pointing_columns([9, 0, 9, 0], [ra] * 4, [dec, dec - 1, dec + 3, dec]), (3, 3)),
        (lambda ra, dec: pointing_columns([0, 9], *np.radians([[ra, ra], [dec, dec + 1]]), "rad"), (0, 1)),
        (lambda ra, dec: pointing_columns([0, 9], [ra, ra], [dec, dec + 1], ""), (0, 1)),
        (lambda ra, dec: pointing_columns([0, 9], [ra, ra], [dec, dec + 1], "m"), (0, 0)),
        (lambda ra, dec: pointing_columns([0, 9], ["1", "2"], [dec, dec + 1], of_lon="A"), (0, 0)),
        (lambda ra, dec: pointing_columns([0, 9], [[ra, ra], [ra, ra]], [dec, dec + 1], of_lon="2D"), (0, 0)),
    ],
)
def test_only_rows_with_a_time_and_a_direction_count_in_any_unit_of_angle(written, of_pointing, expected):
    path = written("SLEW")
    with fits.open(path, mode="update") as hdus:
        header = hdus["EVENTS"].header
        hdus.append(of_pointing(header["RA_PNT"], header["DEC_PNT"]))
    FILE_CACHE.clear()
    spread = pointing_spread(store_of(path))
    assert (spread.apart, spread.away) == pytest.approx(expected, abs=1e-9)
    assert spread.mode == "SLEW"  # also beside a table that cannot be read
