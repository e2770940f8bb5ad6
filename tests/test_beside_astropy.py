"""Parts that are our own give what astropy's give: those that no test of their package compares already.

docs/decisions/0017-own-code-beside-astropy.md has the list of all parts, with their tests.
"""

import re
import sys
import warnings
from datetime import datetime
from io import BytesIO
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.convolution import convolve_fft as astropy_convolve_fft
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import convolve_fft, unit_vectors
from lightpool.arrays.kernels.sky_shapes import in_any_circle
from lightpool.data import GTI
from lightpool.errors import DamagedFileError
from lightpool.fits import FitsFile, read_time_reference
from lightpool.fits.table import parse_unit

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PAGE = Path(__file__).parents[1] / "docs" / "decisions" / "0017-own-code-beside-astropy.md"
MANY = settings(max_examples=40, deadline=None)


@pytest.fixture
def astropy_parts(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import astropy_parts

    yield astropy_parts
    sys.modules.pop("astropy_parts", None)


@pytest.mark.slow
def test_all_parts_that_are_timed_agree(astropy_parts, tmp_path):
    parts = astropy_parts.all_parts(tmp_path, small=True)
    differ = {part.name: part.difference() for part in parts if not part.difference() <= part.tolerance}
    assert differ == {}
    assert len(parts) >= 41


def test_a_part_that_differs_is_not_timed(astropy_parts):
    cases = [
        ({"x": [1.0, 2.0]}, {"x": [1.0, 2.1]}),
        ({"x": [1.0]}, {"x": [1.0, 1.0]}),
        ({"x": [1.0]}, {"y": [1.0]}),
        ({"x": [np.nan]}, {"x": [1.0]}),
        ({"x": ["m"]}, {"x": ["cm"]}),
    ]
    for ours, theirs in cases:
        part = astropy_parts.Part("numbers", lambda ours=ours: ours, lambda theirs=theirs: theirs, 1e-3)
        with pytest.raises(SystemExit, match="numbers: the results differ"):
            astropy_parts.measured(part, 1)


@MANY
@given(
    date=st.datetimes(datetime(1972, 1, 1), datetime(2030, 1, 1)),
    offset=st.sampled_from([0.0, 0.25, -86400.0, 1e6]),
    scale=st.sampled_from(["TT", "UTC", "TAI", "TDB"]),
    how=st.sampled_from(["MJDREFI", "MJDREF", "JDREFI", "JDREF", "DATEREF"]),
)
def test_the_reference_of_times_is_that_of_astropys_times(date, offset, scale, how):
    time = Time(date, scale=scale.lower())
    jd1 = np.floor(time.jd)
    jd2 = float(time.jd1 - jd1 + time.jd2)  # a fraction of the day, also of one with a leap second
    header = {
        "MJDREFI": {"MJDREFI": int(jd1 - 2400001), "MJDREFF": jd2 + 0.5},
        "MJDREF": {"MJDREF": time.mjd},
        "JDREFI": {"JDREFI": int(jd1), "JDREFF": jd2},
        "JDREF": {"JDREF": time.jd},
        "DATEREF": {"DATEREF": Time(time, precision=9).fits},
    }[how]
    day, rest, name = read_time_reference({**header, "TIMESYS": scale, "TIMEOFFS": offset, "TIMEUNIT": "s"})
    assert name == time.scale
    # One number of days resolves 1e-5 s as MJD, and 4e-5 s as JD; days of UTC are taken as 86400 s, as by astropy.
    expected = time.mjd * u.day + offset * u.s
    assert_allclose(((day + rest) * u.day - expected).to_value("s"), 0, atol=5e-5)


@settings(max_examples=20, deadline=None)
@given(
    values=arrays("uint8", st.integers(0, 9000)),
    place=st.integers(0, 2**40),
    bit=st.integers(0, 7),
)
def test_checksums_find_what_astropy_finds(values, place, bit):
    content = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(values, name="X")]).writeto(content, checksum=True)
    whole = content.getvalue()
    FitsFile(whole).verify_checksums()
    if not values.size:
        return
    # A bit of the data: one of the header may make it another file.
    position = FitsFile(whole).hdu(1).data_start + place % values.size
    damaged = bytearray(whole)
    damaged[position] ^= 1 << bit
    with pytest.raises(DamagedFileError, match="'X'"):
        FitsFile(bytes(damaged)).verify_checksums()
    with warnings.catch_warnings(record=True) as found, fits.open(BytesIO(damaged), checksum=True) as hdus:
        warnings.simplefilter("always")
        assert hdus[1].data is not None
    assert any("Datasum verification failed" in str(each.message) for each in found)


@MANY
@given(
    names=st.lists(st.sampled_from(["TeV", "m", "cm", "s", "sr", "deg", "MeV", "keV", "h", "ph", "ct"]), max_size=4),
    powers=st.lists(st.sampled_from([-2, -1, 1, 2]), min_size=4, max_size=4),
    format=st.sampled_from(["fits", "generic", "ogip", "vounit"]),
)
def test_units_are_read_as_astropy_wrote_them(names, powers, format):
    unit = u.dimensionless_unscaled
    for name, power in zip(names, powers, strict=False):
        unit = unit * u.Unit(name) ** power
    try:
        text = unit.to_string(format)
    except ValueError:  # photons and counts are no units of OGIP
        return
    assert parse_unit(text, "x") == u.Unit(text, format=format) == unit


@MANY
@given(
    edges=st.lists(st.floats(0, 1e4), min_size=2, max_size=12, unique=True),
    other=st.lists(st.floats(0, 1e4), min_size=2, max_size=12, unique=True),
    reference=st.sampled_from(["2010-01-01", "2016-12-31T20:00:00"]),
    scale=st.sampled_from(["tt", "utc"]),
)
def test_good_times_have_in_common_what_comparisons_of_times_say(edges, other, reference, scale):
    def good_times(values):
        values = np.sort(values[: 2 * (len(values) // 2)])
        return GTI.create(values[::2] * u.s, values[1::2] * u.s, Time(reference, scale=scale))

    one, two = good_times(edges), good_times(other)
    common = 0.0
    for a, b in zip(one.time_start, one.time_stop, strict=True):
        for c, d in zip(two.time_start, two.time_stop, strict=True):
            common += max(0.0, float((min(b, d) - max(a, c)).sec))
    assert one.intersect(two).time_sum.to_value("s") == pytest.approx(common, abs=1e-5)


@MANY
@given(
    shape=st.tuples(st.integers(5, 30), st.integers(5, 30)), size=st.sampled_from([1, 3, 5]), seed=st.integers(0, 99)
)
def test_images_are_convolved_as_by_astropy(shape, size, seed):
    rng = np.random.default_rng(seed)
    image, kernel = rng.normal(size=shape), rng.random((size, size)) + 0.1
    theirs = astropy_convolve_fft(image, kernel, normalize_kernel=False, nan_treatment="fill")
    assert_allclose(convolve_fft(image, kernel), theirs, atol=1e-10)


@MANY
@given(
    lon=st.floats(0, 360),
    lat=st.floats(-90, 90),
    radius=st.floats(0.05, 170),
    seed=st.integers(0, 99),
)
def test_a_circle_holds_the_directions_that_are_nearer_to_its_centre(lon, lat, radius, seed):
    vectors = np.random.default_rng(seed).normal(size=(3, 500))
    vectors /= np.linalg.norm(vectors, axis=0)
    center = unit_vectors(np.deg2rad([lon]), np.deg2rad([lat]))
    sky = SkyCoord(*vectors, representation_type="cartesian").separation(SkyCoord(lon, lat, unit="deg")).deg
    near = np.abs(sky - radius) < 1e-7
    inside = in_any_circle(vectors, center, np.deg2rad([radius]))
    assert_array_equal(inside[~near], (sky < radius)[~near])


def test_the_page_names_tests_that_there_are():
    named = re.findall(r"\[(tests/[\w/]+\.py)\]\(\.\./\.\./(tests/[\w/]+\.py)\)", PAGE.read_text())
    assert len(named) >= 15
    assert all(text == link and (PAGE.parents[2] / link).is_file() for text, link in named)
