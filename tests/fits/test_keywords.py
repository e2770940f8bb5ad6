"""Values of keywords are asked for by type, and errors of parsing name the file."""

import numpy as np
import pytest
from astropy.io import fits

from lightpool.errors import (
    DamagedFileError,
    DeviceError,
    FormatError,
    GeometryError,
    MissingDataError,
    OutOfMemoryError,
)
from lightpool.fits import header_integer, header_number, header_text, parsing

WHERE = "run.fits, HDU 'EVENTS'"


@pytest.mark.parametrize("value", [1, 1.0, "1", " 1.0 ", "1E0", "1D0", np.float32(1), np.int16(1)])
def test_what_is_a_number_counts_as_one(value):
    assert header_number({"DEADC": value}, "DEADC", WHERE, low=0, high=1) == 1.0
    assert header_integer({"OBS_ID": value}, "OBS_ID", WHERE) == 1


@pytest.mark.parametrize(
    "value", [True, np.True_, 1j, "one", "1_0", "nan", "inf", "1E400", np.nan, np.inf, (1, 2), 10**400, -0.1, 1.1]
)
def test_what_is_no_number_in_the_limits_is_refused_by_name(value):
    with pytest.raises(FormatError, match=r"^run\.fits, HDU 'EVENTS': DEADC = .*, expected a number from 0 to 1$"):
        header_number({"DEADC": value}, "DEADC", WHERE, low=0, high=1)


@pytest.mark.parametrize("value", [1.5, "1.5", True, "x", np.nan, 2**63, "9" * 30])
def test_what_is_no_whole_number_is_refused_by_name(value):
    with pytest.raises(FormatError, match=r"^run\.fits, HDU 'EVENTS': OBS_ID = .*, expected a whole number$"):
        header_integer({"OBS_ID": value}, "OBS_ID", WHERE)


def test_a_large_whole_number_stays_exact():
    assert header_integer({"OBS_ID": 2**62 + 1}, "OBS_ID", WHERE) == 2**62 + 1


@pytest.mark.parametrize("header", [{}, {"KEY": None}, fits.Header([("KEY", None)])])
def test_a_missing_value_is_refused_unless_there_is_a_default(header):
    for read, default in ((header_number, 0.5), (header_integer, 5), (header_text, "x")):
        assert read(header, "KEY", WHERE, default=default) == default
        with pytest.raises(FormatError, match="keyword KEY is missing or has no value, expected a"):
            read(header, "KEY", WHERE)


def test_a_text_is_one_in_quotes():
    assert header_text({"OBJECT": " Crab "}, "OBJECT", WHERE) == "Crab"
    with pytest.raises(FormatError, match="OBJECT = 5, expected a text"):
        header_text({"OBJECT": 5}, "OBJECT", WHERE)


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), IndexError("x"), fits.VerifyError("x"), OSError("x"), GeometryError("x")]
)
def test_an_error_of_parsing_becomes_one_that_names_the_file(error):
    with pytest.raises(FormatError, match=r"^run\.fits, HDU 'T'.*x") as caught, parsing("run.fits, HDU 'T'"):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("kind", [DamagedFileError, MissingDataError, OutOfMemoryError, DeviceError])
def test_an_error_of_the_package_keeps_its_kind_and_names_the_file_once(kind):
    with pytest.raises(kind, match=r"^folder/run\.fits: x$"), parsing("folder/run.fits"):
        raise kind("x")
    with pytest.raises(kind, match=r"^run\.fits is cut$"), parsing("folder/run.fits"):
        raise kind("run.fits is cut")


def test_short_memory_is_no_fault_of_the_file():
    with (
        pytest.raises(OutOfMemoryError, match=r"run\.fits: there is not enough memory to read it"),
        parsing("run.fits"),
    ):
        raise MemoryError
