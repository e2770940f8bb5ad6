"""Which of several columns or HDUs is meant where names differ only in case."""

import itertools

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from made_up_stores import event_columns, events_hdu, gti_hdu, irf_hdus, table_hdu, write
from numpy.testing import assert_array_equal

from lightpool.data import GTI, DataStore, EventList, HDUIndexTable, ObservationTable
from lightpool.errors import FormatError
from lightpool.fits import read_fits
from lightpool.irf import EffectiveAreaTable2D
from lightpool.maps import Map, MapAxis, WcsGeom

DECOYS = {"ra": "rad", "Ra": "rad", "dec": "rad", "energy": "TeV", "Energy": "GeV", "time": "s"}


def _read(path, columns, **units):
    return EventList.read(write(path, events_hdu(columns, units)))


@pytest.mark.parametrize("decoys_come_first", [True, False])
def test_the_exact_name_of_an_event_column_takes_precedence(tmp_path, decoys_come_first):
    decoys, good = {name: np.full(10, 7.0) for name in DECOYS}, event_columns()
    columns = decoys | good if decoys_come_first else good | decoys
    events = _read(tmp_path / "run.fits", columns, **DECOYS)
    assert_array_equal(events.energy.to_value("TeV"), np.arange(1, 11))
    assert_array_equal(events.radec.dec.deg, good["DEC"].astype("f4").astype(float))
    assert len(events.select_energy([0.5, 5] * u.TeV)) == 4
    assert len(events.select_parameter("ENERGY", (0.5 * u.TeV, 5 * u.TeV))) == 4
    assert len(events.select_parameter("energy", (6.5 * u.TeV, 7.5 * u.TeV))) == 10
    axis = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5)
    geom = WcsGeom.create(skydir=(83.63, 22.51), width=5, binsz=0.5, axes=[axis])
    assert_array_equal(events.map_coord(geom)["energy"].to_value("TeV"), np.arange(1, 11))
    counts = Map.from_geom(geom)
    counts.fill_events(events)
    assert counts.data.sum() == 10
    assert counts.data.sum(axis=(1, 2)).max() < 10  # the decoy would put all into one bin


def test_an_axis_that_is_named_in_small_letters_takes_the_column_in_capitals(tmp_path):
    columns = {"multip": np.full(10, 99.0)} | event_columns() | {"MULTIP": np.arange(10.0)}
    events = _read(tmp_path / "run.fits", columns)
    axis = MapAxis.from_edges([-0.5, 4.5, 9.5], name="multip")
    geom = WcsGeom.create(skydir=(83.63, 22.51), width=5, binsz=5, axes=[axis])
    counts = Map.from_geom(geom)
    counts.fill_events(events)
    assert counts.data.sum(axis=(1, 2)).tolist() == [5, 5]
    assert events.map_coord(geom)["multip"].value.tolist() == list(range(10))


def test_columns_in_another_case_are_found_where_only_these_are_there(tmp_path):
    columns = {name.lower() if name != "EVENT_ID" else name: x for name, x in event_columns().items()}
    events = _read(tmp_path / "run.fits", columns, time="s", ra="deg", dec="deg", energy="TeV")
    assert_array_equal(events.energy.to_value("TeV"), np.arange(1, 11))
    assert events.table.colnames == ["TIME", "ENERGY", "RA", "DEC", "EVENT_ID"]


def test_several_spellings_without_the_exact_one_are_refused(tmp_path):
    columns = event_columns()
    values = columns.pop("ENERGY")
    columns |= {"energy": values, "Energy": values}
    with pytest.raises(FormatError, match=r"run\.fits, HDU 'EVENTS': 'energy', 'Energy' all match 'ENERGY'"):
        _read(tmp_path / "run.fits", columns, energy="TeV", Energy="TeV")


@pytest.mark.parametrize("names", [*itertools.permutations(["start", "START", "STOP"])])
def test_good_times_come_from_the_columns_of_the_exact_name(tmp_path, names):
    values = {"start": 5.0, "START": 1.0e8, "STOP": 1.0e8 + 100}
    columns = [fits.Column(name, "D", "s", array=[values[name]]) for name in names]
    hdu = fits.BinTableHDU.from_columns(columns, name="GTI", header=gti_hdu().header)
    assert GTI.read(write(tmp_path / "gti.fits", hdu)).duration_s == 100


def test_a_response_comes_from_the_column_of_the_exact_name(tmp_path):
    hdu = irf_hdus()[0]
    for order in (1, -1):
        decoy = fits.Column("effarea", "4E", "m2", dim="(2,2)", array=np.full((1, 2, 2), 9.0))
        columns = [*hdu.columns, decoy][::order]
        path = write(tmp_path / "aeff.fits", fits.BinTableHDU.from_columns(columns, header=hdu.header, name="AEFF"))
        assert EffectiveAreaTable2D.read(path, hdu="AEFF").data.max() == 1


def test_two_columns_of_one_name_are_refused_when_they_are_asked_for(tmp_path):
    path = write(tmp_path / "run.fits", events_hdu(event_columns() | {"ENERGX": np.ones(10)}))
    path.write_bytes(path.read_bytes().replace(b"'ENERGX  '", b"'ENERGY  '"))
    table = read_fits(path).table("EVENTS")
    assert table.columns["RA"].shape == (10,)
    with pytest.raises(FormatError, match=r"run\.fits, HDU 'EVENTS': two columns are called 'ENERGY'"):
        table.columns["ENERGY"]


def test_an_hdu_is_found_by_its_exact_name_first_and_namesakes_are_reported(tmp_path, caplog):
    first, second, third = (gti_hdu(stop=[1.0e8 + 10.0 * i]) for i in (1, 2, 3))
    path = write(tmp_path / "gti.fits", first, second, third)
    for old, new in ((b"'GTI     '           / ext", b"'gti     '           / ext"),):
        path.write_bytes(path.read_bytes().replace(old, new, 1))
    assert [hdu.name for hdu in read_fits(path)._hdus] == ["PRIMARY", "gti", "GTI", "GTI"]
    assert GTI.read(path).duration_s == 20
    assert "gti.fits: 2 HDUs are called 'GTI'; the first is read" in caplog.text
    assert GTI.read(path, hdu="gti").duration_s == 10
    with pytest.raises(FormatError, match="all match 'Gti'"):
        GTI.read(path, hdu="Gti")


def test_index_columns_are_found_in_any_case(three):
    folder = three.finish(".fits")
    store = DataStore.from_dir(folder)
    for name in ("hdu-index.fits", "obs-index.fits"):
        path = folder / name
        path.write_bytes(path.read_bytes().replace(b"'OBS_ID  '", b"'obs_id  '"))
    assert HDUIndexTable.read(folder / "hdu-index.fits")["OBS_ID"].tolist() == store.hdu_table["OBS_ID"].tolist()
    assert ObservationTable.read(folder / "obs-index.fits")["OBS_ID"].tolist() == [1, 2, 3]
    assert DataStore.from_dir(folder).get_observations().ids == ["1", "2", "3"]


def test_a_mask_of_nulls_keeps_the_column_when_it_is_renamed(tmp_path):
    hdu = table_hdu("OBS_INDEX", [{"obs_id": 1}, {"obs_id": 2}])
    hdu.columns["obs_id"].null = 2
    table = ObservationTable.read(write(tmp_path / "obs.fits", hdu))
    assert table["OBS_ID"].mask.tolist() == [False, True]
