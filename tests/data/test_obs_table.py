import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.time import Time
from made_up_stores import HEADER, TIMES

from lightpool.data import ObservationTable
from lightpool.data.tables.conditions import evaluate_condition

N = 8


@pytest.fixture
def table():
    """Eight observations, one a day and one degree apart."""
    i = np.arange(N)
    columns = {
        "OBS_ID": 100 + i,
        "RA_PNT": (80.0 + i) * u.deg,
        "DEC_PNT": np.zeros(N) * u.deg,
        "ZEN_PNT": 10.0 * i * u.deg,
        "TSTART": 86400.0 * i * u.s,
        "TSTOP": (86400.0 * i + 1800) * u.s,
        "N_TELS": 3 + i % 2,
        "OBJECT": np.array(["Crab Nebula", "MSH 15-52"] * (N // 2)),
    }
    return ObservationTable(columns, meta={key: HEADER[key] for key in TIMES})


def ids(table):
    return (table["OBS_ID"] - 100).tolist()


def test_a_cone_selects_by_pointing(table):
    center = SkyCoord(83, 0, unit="deg")
    assert ids(table.select_sky_circle(center, Angle("1.5 deg"))) == [2, 3, 4]
    assert ids(table.select_sky_circle(center, 1.5 * u.deg, inverted=True)) == [0, 1, 5, 6, 7]
    circle = {"type": "sky_circle", "frame": "icrs", "lon": "83 deg", "lat": "0 deg", "radius": "1.2 deg"}
    assert ids(table.select_observations(circle)) == [2, 3, 4]
    assert ids(table.select_observations(circle | {"border": 1 * u.deg})) == [1, 2, 3, 4, 5]
    galactic = center.galactic
    circle |= {"frame": "galactic", "lon": galactic.l, "lat": galactic.b}
    assert ids(table.select_observations(circle)) == [2, 3, 4]


def test_a_time_box_selects_whole_or_part_observations(table):
    span = table.time_ref + [86400 * 2 + 60, 86400 * 5 + 60] * u.s
    assert ids(table.select_time_range(span)) == [3, 4]
    assert ids(table.select_time_range(span, partial_overlap=True)) == [2, 3, 4, 5]
    with pytest.raises(TypeError, match="must be a Time of length 2"):
        table.select_time_range(5)
    assert ids(table.select_observations({"type": "time_box", "time_range": span, "inverted": True})) == [
        0,
        1,
        2,
        5,
        6,
        7,
    ]
    assert len(table.select_observations({"type": "time_box", "time_range": Time(["1990-01-01", "1991-01-01"])})) == 0


def test_start_times_are_times(table):
    assert table.time_start.scale == "tt"
    np.testing.assert_allclose((table.time_stop - table.time_start).to_value("s"), 1800, rtol=1e-9)


def test_a_range_selects_without_its_upper_end(table):
    assert ids(table.select_range("ZEN_PNT", Angle([20, 40], "deg"))) == [2, 3]
    assert ids(table.select_range("ZEN_PNT", [0.3, 0.6] * u.rad)) == [2, 3]
    assert ids(table.select_range("N_TELS", [4, 4])) == [1, 3, 5, 7]
    assert ids(table.select_range("OBS_ID", [101, 103], inverted=True)) == [0, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ZEN_PNT < 30", [0, 1, 2]),
        ("10 <= ZEN_PNT < 30", [1, 2]),
        ("ZEN_PNT < 30 and N_TELS == 4", [1]),
        ("(ZEN_PNT < 10) | (ZEN_PNT > 60)", [0, 7]),
        ("not ZEN_PNT < 50", [5, 6, 7]),
        ("OBJECT == 'Crab Nebula' and OBS_ID > 103", [4, 6]),
        ("startswith(OBJECT, 'MSH') and ZEN_PNT < 20", [1]),
        ("OBS_ID in (101, 104)", [1, 4]),
        ("OBS_ID not in [100, 101, 102, 103, 104]", [5, 6, 7]),
        ("OBJECT in ('Crab Nebula',) and ZEN_PNT < 30", [0, 2]),
        ("TSTOP - TSTART >= 1800 and abs(RA_PNT - 83) <= 1", [2, 3, 4]),
        ("OBS_ID % 2 == 1", [1, 3, 5, 7]),
        ("-ZEN_PNT > -15.5", [0, 1]),
        ("True", list(range(N))),
    ],
)
def test_an_expression_selects_by_columns(table, expression, expected):
    assert ids(table.select_expression(expression)) == expected
    assert ids(table.select_observations(expression)) == expected
    rest = table.select_expression(expression, inverted=True)
    assert sorted(expected + ids(rest)) == list(range(N))


def test_nan_fulfils_no_comparison():
    columns = {"X": np.array([1.0, np.nan])}
    assert evaluate_condition("X > 0", columns, 2).tolist() == [True, False]
    assert evaluate_condition("isfinite(X)", columns, 2).tolist() == [True, False]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ZENITH < 30", "no column 'ZENITH' to select by; there are OBS_ID"),
        ("ZEN_PNT <", "cannot be read"),
        ("ZEN_PNT + 1", "expected a condition"),
        ("ZEN_PNT and OBS_ID", "'ZEN_PNT' is not a condition"),
        ("OBJECT < 3", "compares text with numbers"),
        ("OBJECT in (1, 2)", "compares text with numbers"),
        ("OBJECT + 1 == 2", "mixes types"),
        ("__import__('os').system('true')", "is not a function of a selection"),
        ("ZEN_PNT.__class__ == 1", "Attribute is not allowed"),
        ("(lambda: 1)() == 1", "is not a function of a selection"),
        ("[x for x in (1,)] == 1", "ListComp is not allowed"),
        ("ZEN_PNT ** 999999999 > 1", "Pow is not allowed"),
        ("b'x' == OBJECT", "Constant is not allowed"),
        ("OBJECT[0] == 'C'", "Subscript is not allowed"),
        ("ZEN_PNT is 3", "Is is not allowed"),
    ],
)
def test_anything_else_is_refused(table, expression, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        table.select_expression(expression)


def test_selections_follow_each_other(table):
    selections = [{"type": "par_box", "variable": "N_TELS", "value_range": [4, 4]}, "ZEN_PNT < 40"]
    chosen = table.select_observations(selections)
    assert ids(chosen) == [1, 3]
    assert isinstance(chosen, ObservationTable)
    assert len(table.select_observations()) == N
    with pytest.raises(ValueError, match="Invalid selection type: 'sky_box'"):
        table.select_observations({"type": "sky_box"})


def test_observations_are_found_by_id_in_the_order_asked_for(table):
    assert ids(table.select_obs_id([105, 101])) == [5, 1]
    assert ids(table.select_obs_id(103)) == [3]
    with pytest.raises(KeyError, match="9"):
        table.select_obs_id([9])


def test_the_summary_names_the_observatory(table):
    assert table.summary() == "Observation table:\nObservatory name: 'N/A'\nNumber of observations: 8\n"
    table.meta["OBSERVER"] = "pool"
    assert "Observatory name: 'pool'" in table.summary()


LACKING = {
    "a cone": ("RA_PNT", lambda table: table.select_sky_circle(SkyCoord(83, 0, unit="deg"), 1 * u.deg)),
    "a cone by name": (
        "DEC_PNT",
        lambda table: table.select_observations(
            {"type": "sky_circle", "frame": "icrs", "lon": "83 deg", "lat": "0 deg", "radius": "1 deg"}
        ),
    ),
    "starts": ("TSTART", lambda table: table.select_time_range(Time(["2004-01-01", "2006-01-01"]))),
    "stops": ("TSTOP", lambda table: table.select_time_range(Time(["2004-01-01", "2006-01-01"]))),
    "a time box": (
        "TSTART",
        lambda table: table.select_observations(
            {"type": "time_box", "time_range": Time(["2004-01-01", "2006-01-01"]), "partial_overlap": True}
        ),
    ),
    "a range": ("ZEN_PNT", lambda table: table.select_range("ZEN_PNT", [0, 10] * u.deg)),
    "a range by name": (
        "ZENITH",
        lambda table: table.select_observations(
            {"type": "par_box", "variable": "ZENITH", "value_range": [0, 1] * u.deg}
        ),
    ),
    "a condition": ("ZEN_PNT", lambda table: table.select_expression("ZEN_PNT < 30")),
    "a text": ("N_TELS", lambda table: table.select_observations("N_TELS == 4")),
    "directions": ("RA_PNT", lambda table: table.pointing_radec),
    "galactic directions": ("RA_PNT", lambda table: table.pointing_galactic),
    "times": ("TSTOP", lambda table: table.time_stop),
}


@pytest.mark.parametrize(("name", "select"), LACKING.values(), ids=LACKING)
def test_a_selection_by_a_column_that_the_index_lacks_names_the_column_and_the_file(table, tmp_path, name, select):
    if name in table.colnames:
        table.remove_column(name)
    table.write(tmp_path / "obs-index.fits")
    read = ObservationTable.read(tmp_path / "obs-index.fits")
    with pytest.raises(ValueError, match=rf"obs-index\.fits.*'{name}'.*OBS_ID"):
        select(read)
    with pytest.raises(ValueError, match=f"'{name}'"):
        select(table)


def test_what_needs_no_such_column_works_without_it(table, tmp_path):
    table.remove_columns(["RA_PNT", "DEC_PNT", "TSTART", "TSTOP", "ZEN_PNT"])
    table.write(tmp_path / "obs-index.fits")
    read = ObservationTable.read(tmp_path / "obs-index.fits")
    assert "Number of observations: 8" in read.summary()
    assert ids(read.select_expression("N_TELS == 3")) == [0, 2, 4, 6]
    assert ids(read.select_observations({"type": "par_box", "variable": "n_tels", "value_range": [4, 5]})) == [
        1,
        3,
        5,
        7,
    ]
    assert ids(read.select_obs_id([101, 103])) == [1, 3]


def test_galactic_pointings_follow_from_ra_and_dec(table):
    expected = table.pointing_radec.galactic
    assert max(table.pointing_galactic.separation(expected).deg) < 1e-10


def test_the_file_of_an_index_is_not_written_into_a_copy(table, tmp_path):
    table.write(tmp_path / "one.fits")
    read = ObservationTable.read(tmp_path / "one.fits")
    read.write(tmp_path / "two.fits")
    read[:2].write(tmp_path / "three.ecsv", format="ascii.ecsv")
    for name in ("two.fits", "three.ecsv"):
        assert b"one.fits" not in (tmp_path / name).read_bytes()


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"type": "sky_circle", "lon": "1 deg"}, "needs frame, lon, lat, radius; missing: frame, lat, radius"),
        ({"type": "time_box"}, "missing: time_range"),
        ({"type": "par_box", "variable": "ZEN_PNT"}, "missing: value_range"),
        ({"type": "par_box", "variable": "OBJECT", "value_range": [0, 1]}, "'OBJECT' holds no numbers"),
        ({"type": "par_box", "variable": "ZEN_PNT", "value_range": [0, 1]}, "'ZEN_PNT' has the unit 'deg'"),
        ({"type": "par_box", "variable": "ZEN_PNT", "value_range": [0, 1] * u.s}, "'ZEN_PNT' has the unit 'deg'"),
        ({"type": "par_box", "variable": "ZEN_PMT", "value_range": [0, 1]}, "did you mean 'ZEN_PNT'"),
    ],
)
def test_selections_that_lack_something_say_what(table, selection, message):
    with pytest.raises(ValueError, match=message):
        table.select_observations(selection)
