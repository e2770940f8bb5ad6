"""Index tables of stores: what lightpool reads is what astropy reads."""

import shutil

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from deep_comparison import differences
from gammapy.data import DataStore, HDUIndexTable, ObservationTable

from lightpool.gammapy import accelerated

KINDS = {"obs-index.fits.gz": ObservationTable, "hdu-index.fits.gz": HDUIndexTable}


def assert_same_tables(folder, names=tuple(KINDS)):
    for name, kind in zip(names, KINDS.values(), strict=True):
        plain = kind.read(folder / name, format="fits")
        with accelerated():
            found = kind.read(folder / name, format="fits")
        assert type(found) is kind
        assert differences(plain, found) == []
        for column in plain.colnames:
            assert type(found[column]) is type(plain[column]), column
            assert found[column].dtype == plain[column].dtype, column
        assert repr(found.meta) == repr(plain.meta)
        assert found.pformat() == plain.pformat()


@pytest.fixture
def store(crab_store, tmp_path):
    for name in KINDS:
        shutil.copy(crab_store / name, tmp_path)
    return tmp_path


def test_tables_are_those_of_astropy(store):
    assert_same_tables(store)


def test_missing_values_are_masked_as_by_astropy(store):
    path = store / "obs-index.fits.gz"
    table = Table.read(path)
    first = next(name for name in table.colnames if table[name].dtype.kind == "f")
    table[first][0] = np.nan
    table["EMPTY"] = ["", *["text  "] * (len(table) - 1)]
    table.meta["comments"] = ["one", "two"]
    table.write(path, overwrite=True)
    assert_same_tables(store)
    with accelerated():
        assert isinstance(ObservationTable.read(path)["EMPTY"], MaskedColumn)


@pytest.mark.parametrize("values", [[True], [[1.0, 2.0]], [1j], [np.uint16(3)]], ids=str)
def test_uncommon_columns_are_read_by_astropy(store, values):
    path = store / "obs-index.fits.gz"
    table = Table.read(path)
    table["MORE"] = values * len(table)
    table.write(path, overwrite=True)
    assert_same_tables(store)


def test_options_and_errors_are_those_of_astropy(store):
    with accelerated():
        assert len(ObservationTable.read(str(store / "obs-index.fits.gz"), hdu=1))
        with pytest.raises(FileNotFoundError):
            ObservationTable.read(store / "missing.fits")
        with pytest.raises(OSError, match="File not found"):
            DataStore.from_dir(store / "missing")


def test_the_class_methods_are_as_before_afterwards():
    before = vars(ObservationTable)["read"]
    with accelerated():
        assert vars(ObservationTable)["read"] is not before
    assert vars(ObservationTable)["read"] is before


@pytest.mark.reference
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("hess-dl3-dr1", tuple(KINDS)),
        ("magic-rad-max", tuple(KINDS)),
        ("cta-1dc/index/gps", tuple(KINDS)),
        ("hawc/crab_events_pass4", ("obs-index-table-NN-Crab.fits.gz", "hdu-index-table-NN-Crab.fits.gz")),
    ],
)
def test_tables_of_real_stores_are_those_of_astropy(shared, name, names):
    assert_same_tables(shared / "data" / name, names)
