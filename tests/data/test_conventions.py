"""Small files after the layout of each writer of DL3: who wrote them is recognized, and what is not GADF."""

import json

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner
from numpy.testing import assert_allclose
from regions import PointSkyRegion

from lightpool.cli.check import check
from lightpool.data import DataStore, HDUIndexTable, ObservationTable
from lightpool.data.store.checks import check_data_store
from lightpool.data.store.conventions import Conventions
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.makers import MapDatasetMaker, SpectrumDatasetMaker
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

INDEX = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
GADF = {"HDUCLASS": "GADF", "HDUDOC": "https://gamma-astro-data-formats.readthedocs.io", "HDUVERS": "0.3"}
EVENTS = {
    **GADF,
    "HDUCLAS1": "EVENTS",
    "OBS_ID": 1,
    "OBS_MODE": "POINTING",
    "EQUINOX": 2000.0,
    "RADECSYS": "ICRS",
    "TSTART": 0.0,
    "TSTOP": 100.0,
    "ONTIME": 100.0,
    "LIVETIME": 95.0,
    "DEADC": 0.95,
    "RA_PNT": 83.63,
    "DEC_PNT": 22.41,
    "MJDREFI": 58000,
    "MJDREFF": 0.0,
    "TIMEUNIT": "s",
    "TIMESYS": "UTC",
    "TIMEREF": "LOCAL",
    "GEOLON": -17.9,
    "GEOLAT": 28.8,
    "ALTITUDE": 2200.0,
    "ORIGIN": "somebody",
    "TELESCOP": "X",
    "INSTRUME": "X",
    "CREATOR": "x",
}
TIME = {key: EVENTS[key] for key in ("MJDREFI", "MJDREFF", "TIMEUNIT", "TIMESYS", "TIMEREF")}
ENERGY = np.array([[0.1, 1.0, 10.0, 100.0]])


def events(types=None, unit="TeV", drop=(), **keywords):
    columns = [
        fits.Column("EVENT_ID", "K", array=[1, 2]),
        fits.Column("TIME", "D", "s", array=[10.0, 20.0]),
        fits.Column("RA", "D", "deg", array=[83.6, 83.7]),
        fits.Column("DEC", "D", "deg", array=[22.0, 22.1]),
        fits.Column("ENERGY", "D", unit, array=[1.0, 2.0]),
    ]
    if types is not None:
        columns.append(fits.Column("EVENT_TYPE", types, array=np.zeros((2, 32), bool) if "X" in types else [1, 2]))
    header = fits.Header({key: value for key, value in (EVENTS | keywords).items() if key not in drop})
    return fits.BinTableHDU.from_columns([c for c in columns if c.name not in drop], header, name="EVENTS")


def gti(**keywords):
    columns = [fits.Column(name, "D", "s", array=[value]) for name, value in (("START", 0.0), ("STOP", 100.0))]
    return fits.BinTableHDU.from_columns(
        columns, fits.Header({**GADF, "HDUCLAS1": "GTI", **TIME} | keywords), name="GTI"
    )


def response(name, kind, hdu_class, axes, column, unit, cut="FULL-ENCLOSURE", **keywords):
    """A response table: ``axes`` are the edges by the stem of their columns, in the order of the format."""
    columns, shape = [], []
    for stem, edges in axes.items():
        edges = np.atleast_2d(edges)
        length = edges.shape[1] - 1
        shape.append(length)
        of = {"ENERG": "TeV", "MIGRA": ""}.get(stem, "deg")
        columns += [
            fits.Column(f"{stem}_LO", f"{length}D", of, array=edges[:, :-1]),
            fits.Column(f"{stem}_HI", f"{length}D", of, array=edges[:, 1:]),
        ]
    data = np.ones((1, *shape[::-1]))
    dim = f"({','.join(map(str, shape))})"
    columns.append(fits.Column(column, f"{data.size}D", unit, dim=dim, array=data))
    header = {**GADF, "HDUCLAS1": "RESPONSE", "HDUCLAS2": kind, "HDUCLAS3": cut, "HDUCLAS4": hdu_class}
    return fits.BinTableHDU.from_columns(columns, fits.Header(header | keywords), name=name)


OFFSET, MIGRA, RAD = np.array([0.0, 1.0, 2.0]), np.array([0.2, 1.0, 5.0]), np.array([0.0, 0.1, 0.3])
PLANE = {"ENERG": ENERGY, "DETX": [-2.0, 0.0, 2.0], "DETY": [-2.0, 0.0, 2.0]}


def aeff(name="EFFECTIVE AREA", hdu_class="AEFF_2D", **keywords):
    return response(name, "EFF_AREA", hdu_class, {"ENERG": ENERGY, "THETA": OFFSET}, "EFFAREA", "m2", **keywords)


def edisp(**keywords):
    axes = {"ENERG": ENERGY, "MIGRA": MIGRA, "THETA": OFFSET}
    return response("ENERGY DISPERSION", "EDISP", "EDISP_2D", axes, "MATRIX", "", **keywords)


def psf(kind="RPSF", **keywords):
    axes = {"ENERG": ENERGY, "THETA": OFFSET, "RAD": RAD}
    return response("PSF", kind, "PSF_TABLE", axes, "RPSF", "sr-1", **keywords)


def bkg(**keywords):
    return response("BACKGROUND", "BKG", "BKG_3D", PLANE, "BKG", "s-1 MeV-1 sr-1", **keywords)


def rad_max():
    axes = {"ENERG": ENERGY, "THETA": OFFSET}
    return response("RAD_MAX", "RAD_MAX", "RAD_MAX_2D", axes, "RAD_MAX", "deg", cut="POINT-LIKE")


def lst():
    """lstchain: point-like, a cut for each energy, tables of the cuts, no frame, PSF as pyirf writes it."""
    cut = {"cut": "POINT-LIKE", "CREATOR": "pyirf v0.12.0"}
    header = {"CREATOR": "lstchain v0.10.5", "TELESCOP": "CTA-N", "INSTRUME": "LST-1"}
    cuts = fits.BinTableHDU.from_columns([fits.Column("cut", "D", array=[0.5])], name="GH_CUTS")
    names = ("TIME", "RA_PNT", "DEC_PNT")
    columns = [fits.Column(name, "D", "s" if name == "TIME" else "deg", array=[1.0]) for name in names]
    pointing = fits.BinTableHDU.from_columns(
        columns, fits.Header({**GADF, "HDUCLAS1": "POINTING", **TIME}), name="POINTING"
    )
    start = [events(drop=("EQUINOX", "RADECSYS"), **header), gti(), pointing]
    return [*start, aeff(**cut), edisp(**cut), rad_max(), cuts]


def ctapipe():
    made_by = {"CREATOR": "pyirf v0.12.0"}
    alignment = {"FOVALIGN": "ALTAZ", **made_by}
    area = response("EFFECTIVE AREA", "EFF_AREA", "AEFF_3D", PLANE, "EFFAREA", "m2", **alignment)
    header = {"CREATOR": "ctapipe 0.24.0", "TELESCOP": "CTAO"}
    return [events(types="32X", **header), gti(), area, edisp(**made_by), psf("PSF", **made_by), bkg(**alignment)]


def veritas():
    """V2DL3: no OBS_MODE, FK5, UTC in small letters, and the number of telescopes as EVENT_TYPE."""
    made_by = {"TELESCOP": "VERITAS", "INSTRUME": "Epoch V6"}
    cut = {"cut": "POINT-LIKE", "RAD_MAX": 0.0894, **made_by}
    header = {"CREATOR": "pyV2DL3 v0.9.0::EventDisplay v491", "RADECSYS": "FK5", "TIMESYS": "utc", **made_by}
    types = events(types="J", drop=("OBS_MODE",), TIMEREF="topocenter", **header)
    dispersion = edisp(**cut)
    dispersion.name = "ENERGY DISPERSION"
    return [types, gti(TIMESYS="utc", TIMEREF="topocenter"), aeff(LO_THRES=0.2, HI_THRES=30.0, **cut), dispersion]


def fact():
    """The package irf of FACT: point-like, no keyword for the cut, EQUINOX as text."""
    cut = {"cut": "POINT-LIKE"}
    made_by = {"TELESCOP": "FACT", "INSTRUME": "FACT", "CREATOR": "FACT IRF", "EQUINOX": "2000.0"}
    return [events(drop=("OBS_MODE",), **made_by), gti(CREATOR="FACT IRF"), aeff(**cut), edisp(**cut)]


def magic():
    cut = {"cut": "POINT-LIKE"}
    return [events(TELESCOP="MAGIC", CREATOR="magic_dl3"), gti(), aeff(**cut), edisp(**cut), rad_max()]


def magic_and_lst():
    """magic-cta-pipe: times since 1970, no class, creator or frame in EVENTS; the cuts are a table of its own class."""
    lost = ("HDUCLASS", "HDUDOC", "HDUVERS", "EQUINOX", "RADECSYS", "ORIGIN", "TELESCOP", "CREATOR")
    time = {"MJDREFI": 40587.0, "MJDREFF": 0.0, "TIMESYS": "UTC", "TIMEREF": "TOPOCENTER"}
    made_by = {"CREATOR": "pyirf v0.10.1", "TELESCOP": "CTA-N", "INSTRUME": "LST-1_MAGIC", "EVT_TYPE": "software"}
    cut = {"cut": "POINT-LIKE", "GH_EFF": 0.9, "TH_EFF": 0.75, "FOVALIGN": "RADEC", **made_by}
    start = events(drop=lost, INSTRUME="LST1_M1_M2", OBS_MODE="WOBBLE", FOVALIGN="RADEC", **time)
    good = gti(**time)
    for key in ("HDUCLASS", "HDUDOC", "HDUVERS"):
        del good.header[key]
    axes = {"ENERG": ENERGY, "THETA": OFFSET}
    cuts = response("GH_CUTS", "GH_CUTS", "GH_CUTS_2D", axes, "GH_CUTS", "", CREATOR="magicctapipe v0.6.2")
    return [start, good, aeff(**cut), edisp(**cut), cuts, rad_max()]


def fermi():
    """Events of the LAT: MeV, EVENT_TYPE as bits, no responses."""
    header = {"TELESCOP": "GLAST", "INSTRUME": "LAT", "HDUCLASS": "OGIP"}
    return [events(types="32X", unit="MeV", drop=("OBS_MODE",), **header), gti(HDUCLASS="OGIP")]


def intervals():
    """Two responses of one class in a file, each for its interval, as CTAO plans them; and numbers as types."""
    spans = [{"TSTART": 0.0, "TSTOP": 50.0}, {"TSTART": 50.0, "TSTOP": 100.0}]
    areas = [aeff(f"AEFF {number}", **span) for number, span in enumerate(spans)]
    return [
        events(types="J", CREATOR="ctapipe 1.0", TELESCOP="CTAO"),
        gti(),
        *areas,
        edisp(),
        psf(),
        bkg(FOVALIGN="RADEC"),
    ]


LAYOUTS = {
    lst: ("LST-1 (lstchain), point-like responses with a cut for each energy (RAD_MAX_2D)", {"keywords", "frame"}),
    ctapipe: ("ctapipe, full-enclosure responses", {"response", "index-class"}),
    veritas: ("VERITAS (V2DL3), point-like responses with one cut (RAD_MAX)", {"keywords", "event-type"}),
    fact: ("FACT, point-like responses without a cut", {"keywords", "no-cut"}),
    magic_and_lst: (
        "MAGIC and LST-1 (magic-cta-pipe), point-like responses with a cut for each energy (RAD_MAX_2D)",
        {"keywords", "frame", "hduclass"},
    ),
    magic: ("MAGIC, point-like responses with a cut for each energy", set()),
    fermi: ("Fermi-LAT, without responses", {"keywords", "energy-unit"}),
    intervals: ("ctapipe, full-enclosure responses", {"intervals", "event-type"}),
}


def store(folder, hdus):
    """A data store of one run."""
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(folder / "run.fits")
    kinds = {"EFF_AREA": "aeff", "EDISP": "edisp", "RPSF": "psf", "PSF": "psf", "BKG": "bkg", "RAD_MAX": "rad_max"}
    rows = []
    for hdu in hdus:
        kind = kinds.get(hdu.header.get("HDUCLAS2"), hdu.name.lower())
        if kind in (*kinds.values(), "events", "gti", "pointing") and kind not in {row[1] for row in rows}:
            rows.append((1, kind, hdu.header.get("HDUCLAS4", kind).lower(), "", "run.fits", hdu.name))
    index = Table(rows=rows, names=INDEX, meta={"HDUCLAS1": "INDEX", "HDUCLAS2": "HDU"})
    index.write(folder / "hdu-index.fits.gz", format="fits")
    runs = Table({"OBS_ID": [1], "RA_PNT": [83.63], "DEC_PNT": [22.41]})
    runs.write(folder / "obs-index.fits.gz", format="fits")
    return folder


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_a_writer_is_recognized_and_what_is_not_gadf_is_reported(tmp_path, layout):
    result = CliRunner().invoke(check, [str(store(tmp_path, layout())), "--json"])
    notes = [found for found in json.loads(result.output) if found["level"] == "note"]
    expected, violations = LAYOUTS[layout]
    (recognized,) = [found["msg"] for found in notes if found["code"] == "convention"]
    assert recognized.startswith(f"run 1: {expected}")
    errors = [found for found in json.loads(result.output) if found["level"] == "error"]
    assert [each for each in errors if each["code"] != "hdu-not-listed"] == []
    found = {note["code"].removeprefix("gadf-") for note in notes} - {"convention"}
    assert found == violations
    assert all(note["msg"].startswith("not GADF, run 1: ") for note in notes if note["code"] != "convention")


def test_the_lines_say_it_without_counting_it_as_a_fault(tmp_path):
    result = CliRunner().invoke(check, [str(store(tmp_path, magic()))])
    first, last = result.output.splitlines()[-2:]
    assert first.split()[:3] == ["store", "note", "convention"]
    assert "MAGIC, point-like" in first
    assert last.startswith("1 run checked, 0 errors, ")


@pytest.mark.parametrize(
    ("layout", "area"),
    [(lst, "point-like"), (magic_and_lst, "point-like"), (magic, "point-like"), (ctapipe, "full-enclosure")],
)
def test_runs_of_lst_magic_and_ctapipe_are_reduced(tmp_path, layout, area):
    (run,) = DataStore.from_dir(store(tmp_path, layout())).get_observations(required_irf=area)
    energy = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=2)
    true = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=2, name="energy_true")
    crab = SkyCoord(83.63, 22.01, unit="deg")
    if area == "point-like":
        # The cut of RAD_MAX_2D is 1 deg: both events are in it.
        geom = RegionGeom.create(PointSkyRegion(crab), axes=[energy])
        empty = SpectrumDataset.create(geom, energy_axis_true=true)
        made = SpectrumDatasetMaker(["counts", "exposure", "edisp"]).run(empty, run)
    else:
        empty = MapDataset.create(WcsGeom.create(skydir=crab, width=1, binsz=0.1, axes=[energy]), energy_axis_true=true)
        made = MapDatasetMaker(["counts", "exposure", "edisp", "psf"]).run(empty, run)
    assert made.counts.data.sum() == 2
    assert_allclose(made.exposure.data, 95.0, rtol=1e-9)  # 1 m2 for 95 s


@pytest.mark.reference
def test_the_maps_of_hawc_are_recognized(shared):
    folder = shared / "data" / "hawc" / "crab_events_pass4"
    opened = DataStore(
        hdu_table=HDUIndexTable.read(folder / "hdu-index-table-NN-Crab.fits.gz", hdu=6),
        obs_table=ObservationTable.read(folder / "obs-index-table-NN-Crab.fits.gz", hdu=1),
    )
    arguments = [str(folder), "--hdu-index", "hdu-index-table-NN-Crab.fits.gz", "--index-hdu", "6", "--obs-index"]
    lines = CliRunner().invoke(check, [*arguments, "obs-index-table-NN-Crab.fits.gz"]).output.splitlines()
    assert any("HAWC, responses as maps on the sky" in line for line in lines)
    assert lines[-1].startswith("1 run checked, 1 error, ")
    conventions = Conventions()
    findings = list(check_data_store(opened, ["observations"], conventions=conventions))
    # The good times of this file do overlap, by a second.
    assert [found["code"] for found in findings if found["level"] == "error"] == ["gti-overlap"]
    notes = {found["code"]: found["msg"] for found in conventions.findings()}
    assert notes["convention"] == "run 103000133: HAWC, responses as maps on the sky (aeff, edisp, psf, bkg)"
    assert {"gadf-maps", "gadf-obs-id", "gadf-index-class"} <= set(notes)
