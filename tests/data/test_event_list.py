import copy
import pickle

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from made_up_stores import event_columns, events_hdu, gti_hdu, header_with, write
from numpy.testing import assert_allclose

from lightpool.data import GTI, EventList
from lightpool.errors import DamagedFileError, FormatError
from lightpool.maps import MapAxis, WcsGeom


@pytest.fixture
def events(tmp_path):
    """Ten events, 0.1 deg and 10 s and 1 TeV apart; the first is at the pointing."""
    return EventList.read(write(tmp_path / "run.fits", events_hdu()))


def read(tmp_path, *args, **kwargs):
    return EventList.read(write(tmp_path / "run.fits", events_hdu(*args, **kwargs)))


def energies(events):
    return events.energy.to_value("TeV").tolist()


def test_arrays_are_plain_radians_tev_and_seconds(events):
    arrays = events.arrays
    assert_allclose(arrays["lon"], np.radians(83.63), rtol=1e-7)
    assert_allclose(arrays["lat"], np.radians(22.51 + 0.1 * np.arange(10)), rtol=1e-7)
    assert_allclose(arrays["energy"], 1 + np.arange(10.0))
    assert_allclose(arrays["time"], 1e8 + 10 * np.arange(10))
    assert {x.dtype.name for x in arrays.values()} == {"float64"}


def test_directions_energies_and_times_are_astropy_objects(events):
    assert_allclose(events.radec.ra.deg, 83.63, rtol=1e-7)
    assert_allclose(events.galactic.icrs.ra.deg, 83.63, rtol=1e-7)
    assert events.energy.unit == "TeV"
    assert events.time.scale == "tt"
    expected = Time(51910, 0.000742870370370241, format="mjd", scale="tt") + (1e8 + 90) * u.s
    assert abs((events.time[9] - expected).to_value("s")) < 1e-9
    assert_allclose(events.offset.deg, 0.1 * np.arange(10), atol=3e-6)
    assert_allclose(events.offset_from_median.deg, np.abs(0.1 * np.arange(10) - 0.45), atol=1e-4)


def test_the_table_has_the_columns_of_gammapy(tmp_path):
    columns = event_columns() | {"GLON": np.zeros(10), "MULTIP": np.arange(10)}
    events = read(tmp_path, columns)
    assert events.table.colnames == ["TIME", "ENERGY", "RA", "DEC", "EVENT_ID", "MULTIP"]
    assert isinstance(events.table["TIME"], Time)
    assert events.table.meta["TELESCOP"] == "POOL"


def test_a_changed_table_is_what_counts(events):
    events.table["ENERGY"] *= 2
    assert_allclose(events.arrays["energy"], 2 + 2 * np.arange(10.0))
    assert len(events.select_energy([1, 5] * u.TeV)) == 2
    events.table["PHASE"] = np.linspace(0, 1, 10)
    assert len(events.select_parameter("PHASE", (0, 0.5))) == 5


def test_the_printed_text_is_that_of_gammapy(events):
    assert str(events) == (
        "EventList\n---------\n\n  Instrument       : P1\n  Telescope        : POOL\n  Obs. ID          : 1\n\n"
        "  Number of events : 10\n  Event rate       : 0.100 1 / s\n\n"
        f"  Time start       : {events.observation_time_start}\n  Time stop        : {events.observation_time_stop}\n\n"
        "  Min. energy      : 1.00e+00 TeV\n  Max. energy      : 1.00e+01 TeV\n  Median energy    : 5.50e+00 TeV\n\n"
        "  Max. offset      : 0.9 deg\n"
    )


def test_energies_are_selected_with_the_lower_limit(events):
    assert energies(events.select_energy([2, 4] * u.TeV)) == [2, 3]
    assert energies(events.select_energy([2000, 4000] * u.GeV)) == [2, 3]


def test_limits_without_their_unit_are_refused_by_name(events):
    for limits in ([1, 2], 1 * u.TeV, [1, 2] * u.s):
        with pytest.raises(ValueError, match=r"energy_range must be two values with their unit, as \[1, 2\] \* u.TeV"):
            events.select_energy(limits)
        with pytest.raises(ValueError, match=r"offset_band must be two values with their unit, as \[1, 2\] \* u.deg"):
            events.select_offset(limits)


def test_times_are_selected_with_the_start_and_without_the_stop(events):
    # The limits are times of events, which lose their last bit on the way.
    chosen = events.select_time(events.time[[2, 5]])
    assert energies(chosen) == [3, 4, 5]
    rest = events.select_time(events.time[[2, 5]], inverted=True)
    assert len(chosen) + len(rest) == len(events)


def test_offsets_are_selected_with_the_lower_limit(events):
    assert energies(events.select_offset([0.15, 0.45] * u.deg)) == [3, 4, 5]


def test_regions_and_masks_select_the_same(events):
    geom = WcsGeom.create(skydir=events.pointing_radec, width=4, binsz=0.02)
    region = "icrs;circle(83.63, 22.51, 0.45)"
    assert energies(events.select_region(region)) == [1, 2, 3, 4, 5]
    assert energies(events.select_mask(geom.region_mask(region))) == [1, 2, 3, 4, 5]


def test_parameters_are_selected_by_range_or_by_value(events):
    assert energies(events.select_parameter("EVENT_ID", (2, 4))) == [3, 4]
    assert energies(events.select_parameter("EVENT_ID", [0, 9], is_range=False)) == [1, 10]
    assert energies(events.select_parameter("ENERGY", [2, 4] * u.TeV)) == [2, 3]
    with pytest.raises(ValueError, match="a range of 'EVENT_ID' has two limits, got 3"):
        events.select_parameter("EVENT_ID", [1, 2, 3])
    with pytest.raises(FormatError, match="Column not found in event list: 'NO'"):
        events.select_parameter("NO", [1, 2])


def test_text_and_nan_are_selected_by_value(events):
    events.table["KIND"] = ["a", "b"] * 5
    events.table["Q"] = [np.nan] + [1.0] * 9
    assert len(events.select_parameter("KIND", ["a"], is_range=False)) == 5
    assert len(events.select_parameter("Q", [np.nan], is_range=False)) == 1


def test_rows_are_chosen_by_slice_index_and_mask(events):
    assert energies(events.select_row_subset(slice(1, 3))) == [2, 3]
    assert energies(events.select_row_subset([9, 0])) == [10, 1]
    assert energies(events.select_row_subset(np.arange(10) > 7)) == [9, 10]
    assert energies(events.select_row_subset(4)) == [5]
    with pytest.raises(ValueError, match="does not fit 10 events"):
        events.select_row_subset(np.ones(9, dtype=bool))


def test_map_coord_follows_the_axes(events):
    geom = WcsGeom.create(skydir=(83, 22), width=2, axes=[MapAxis.from_energy_bounds("0.1 GeV", "1 GeV", nbin=2)])
    coord = events.map_coord(geom)
    assert coord["energy"].unit == "GeV"
    assert_allclose(coord["energy"].value, 1000 * (1 + np.arange(10.0)))
    with pytest.raises(FormatError, match="'multip'"):
        events.map_coord(WcsGeom.create(axes=[MapAxis.from_edges([0, 1], name="multip")]))


def test_stacking_keeps_all_events_and_what_the_headers_share(events, tmp_path):
    other = read(tmp_path, header=header_with(OBS_ID=2, RA_PNT=80.0))
    stacked = EventList.from_stack([events, other])
    assert len(stacked) == 20
    assert stacked.table.meta["TELESCOP"] == "POOL"
    assert "OBS_ID" not in stacked.table.meta
    with pytest.raises(FormatError, match=r"no header keyword 'RA_PNT'.*a stack of lists"):
        _ = stacked.offset
    events.stack(other)
    assert len(events) == 20


def test_stacking_converts_times_and_units(events, tmp_path):
    other = read(tmp_path, header=header_with(MJDREFI=51911), units={"ENERGY": "GeV"})
    stacked = EventList.from_stack([events, other])
    assert_allclose(stacked.arrays["time"][10:], other.arrays["time"] + 86400, rtol=1e-14)
    assert_allclose(stacked.energy.to_value("TeV")[10:], (1 + np.arange(10)) / 1000, rtol=1e-6)


@pytest.mark.parametrize("touched", [False, True])
def test_a_file_gives_the_same_events(events, tmp_path, touched):
    if touched:
        events.table["MULTIP"] = np.arange(10, dtype=">i2").reshape(10, 1) + np.arange(3, dtype=">i2")
        events.table["LABEL"] = ["x"] * 10
    gti = GTI.from_table_hdu(gti_hdu())
    events.write(tmp_path / "copy.fits.gz", gti=gti)
    back = EventList.read(tmp_path / "copy.fits.gz")
    for name in events.table.colnames:
        if name == "TIME":
            assert abs((back.time - events.time).to_value("s")).max() < 1e-7
        else:
            np.testing.assert_array_equal(back.table[name], events.table[name])
    for key in ("RA_PNT", "DEADC", "OBS_ID", "GEOLON", "MJDREFI", "MJDREFF"):
        assert back.table.meta[key] == events.table.meta[key]
    assert GTI.read(tmp_path / "copy.fits.gz").duration_s == 100


def test_events_made_in_memory_can_be_written(tmp_path):
    table = Table({"RA": [1.0] * u.deg, "DEC": [2.0] * u.deg, "ENERGY": [3.0] * u.GeV})
    table["TIME"] = Time(["2020-01-01"], scale="utc")
    EventList(table).write(tmp_path / "a.fits")
    back = EventList.read(tmp_path / "a.fits")
    assert abs((back.time[0] - table["TIME"][0]).to_value("s")) < 1e-6
    assert_allclose(back.arrays["energy"], 0.003)


def test_copies_and_pickles_are_independent(events):
    for other in (events.copy(), copy.deepcopy(events), pickle.loads(pickle.dumps(events))):
        other.table["ENERGY"] *= 2
        assert energies(events)[0] == 1
        assert energies(other)[0] == 2


def test_shared_arrays_refuse_to_be_changed(events):
    with pytest.raises(ValueError, match="read-only"):
        events.arrays["energy"][0] = 3


@pytest.mark.parametrize(("unit", "factor"), [("GeV", 1e-3), ("TeV", 1), ("MeV", 1e-6), ("erg", 0.6241509074460763)])
def test_energies_in_any_unit_become_tev(tmp_path, unit, factor):
    events = read(tmp_path, units={"ENERGY": unit})
    assert events.energy.unit == unit
    assert_allclose(events.arrays["energy"], factor * (1 + np.arange(10)), rtol=1e-9)


def test_directions_in_radians_are_read(tmp_path):
    columns = event_columns() | {"RA": np.full(10, 1.0), "DEC": np.full(10, 0.5)}
    events = read(tmp_path, columns, {"RA": "rad", "DEC": "rad"})
    assert_allclose(events.arrays["lon"], 1)
    assert_allclose(events.radec.dec.rad, 0.5)


@pytest.mark.parametrize(
    ("name", "unit"), [("ENERGY", "deg"), ("ENERGY", None), ("RA", "TeV"), ("DEC", None), ("TIME", "m")]
)
def test_a_column_of_the_wrong_unit_is_refused(tmp_path, name, unit):
    with pytest.raises(FormatError, match=f"run.fits, HDU 'EVENTS'.*column '{name}'.*unit"):
        read(tmp_path, units={name: unit})


def test_a_unit_nobody_knows_is_refused(tmp_path):
    with pytest.raises(FormatError, match="column 'ENERGY': unit 'Tev' is not known"):
        read(tmp_path, units={"ENERGY": "Tev"})


def test_times_without_a_unit_are_in_timeunit(tmp_path):
    assert_allclose(read(tmp_path, units={"TIME": None}).arrays["time"][0], 1e8)


@pytest.mark.parametrize("name", ["RA", "DEC", "ENERGY", "TIME"])
def test_a_missing_column_is_named(tmp_path, name):
    columns = event_columns()
    del columns[name]
    with pytest.raises(FormatError, match=rf"run\.fits.*missing: {name}; there are"):
        read(tmp_path, columns)


def test_a_missing_time_reference_is_refused(tmp_path):
    with pytest.raises(FormatError, match="keyword 'MJDREFI' is missing"):
        read(tmp_path, header=header_with(MJDREFI=None))


def test_events_that_cannot_be_binned_stay_and_are_told(tmp_path, caplog):
    columns = event_columns()
    columns["ENERGY"][[0, 1, 2]] = np.nan, -1, np.inf
    columns["RA"] = columns["RA"].copy()
    columns["RA"][9] = np.nan
    events = read(tmp_path, columns)
    assert "4 of 10 events have no finite direction, time or positive energy" in caplog.text
    assert "run.fits" in caplog.text
    assert len(events) == 10
    assert events.n_invalid == 4
    assert len(events.select_energy([0, 1000] * u.TeV)) == 7
    assert "Min. energy      : -1.00e+00 TeV" in str(events)


def test_an_empty_list_is_a_list(tmp_path):
    events = read(tmp_path, {name: x[:0] for name, x in event_columns().items()})
    assert len(events) == len(events.table) == 0
    assert events.arrays["energy"].shape == (0,)
    assert "Number of events : 0" in str(events)
    assert "Min. energy      : nan TeV" in str(events)
    assert len(events.select_energy([1, 2] * u.TeV)) == 0
    assert len(events.select_time(Time([50000, 60000], format="mjd"))) == 0
    assert len(EventList(None)) == 0


def test_a_table_that_is_no_event_list_is_refused():
    with pytest.raises(TypeError, match="made from an astropy Table, got list"):
        EventList([1, 2])
    table = Table({"RA": [1] * u.deg, "DEC": [2] * u.deg, "ENERGY": [1] * u.TeV, "TIME": [1] * u.s})
    with pytest.raises(TypeError, match="expected astropy Time"):
        EventList(table)


def test_a_wrong_checksum_is_told(tmp_path):
    path = tmp_path / "run.fits"
    fits.HDUList([fits.PrimaryHDU(), events_hdu()]).writeto(path, checksum=True)
    assert len(EventList.read(path, checksum=True)) == 10
    content = path.read_bytes()
    path.write_bytes(content.replace(np.array(1.0e8 + 10, ">f8").tobytes(), np.array(1.0e8 + 11, ">f8").tobytes()))
    with pytest.raises(DamagedFileError, match=r"checksum of HDU 'EVENTS' of .*run\.fits does not agree with its data"):
        EventList.read(path, checksum=True)


def test_the_energy_dependent_cut_selects_events(events):
    class RadMax:
        """A cut of 0.35 deg below 4 TeV, and of 10 deg above."""

        def evaluate(self, method, energy, offset):
            assert method == "nearest"
            assert offset == 0 * u.deg
            return np.where(energy < 4 * u.TeV, 0.15, 10) * u.deg

    assert energies(events.select_rad_max(RadMax())) == [1, 2, 4, 5, 6, 7, 8, 9, 10]


def test_the_place_of_the_observatory_comes_from_the_header(events):
    assert_allclose(events.observatory_earth_location.lon.deg, 16.5)
    assert abs(events.altaz.alt.deg).max() <= 90
    assert isinstance(events.pointing_radec, SkyCoord)
    assert events.observation_live_time_duration == 90 * u.s
    assert events.observation_dead_time_fraction == pytest.approx(0.1)


def test_pictures_are_drawn(events, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    events.peek()
    events.peek(allsky=True)
    sky = plt.gcf().axes[-1].images[0].get_array()
    assert 0 < sky.sum() <= len(events)  # some light falls off the edge of the sky
    events.plot_image()
    read(tmp_path, {name: x[:0] for name, x in event_columns().items()}).peek()
    plt.close("all")


def test_an_event_list_that_is_written_says_who_made_it_and_when(events):
    events.meta.creation.creator, events.meta.creation.origin = "me", "here"
    before = Time.now()
    header = events.to_table_hdu().header
    assert (header["CREATOR"], header["ORIGIN"]) == ("me", "here")
    assert Time(header["CREATED"]) >= before - 1 * u.s
    made = EventList(events.table).to_table_hdu().header
    assert made["CREATOR"].startswith("lightpool")
    assert Time(made["CREATED"]) >= before - 1 * u.s
    assert events.meta.creation.creator == "me"
