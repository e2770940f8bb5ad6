"""The targets of a data store, and the position of a source that is named."""

import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from lightpool.data import DataStore
from lightpool.errors import ConfigError
from lightpool.quicklook.targets import find_source, observed_targets
from lightpool.simulate import simulate_store


def rewrite(path, change):
    with fits.open(path) as hdus:
        change(hdus)
        hdus.writeto(path, overwrite=True)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(SkyCoord, "from_name", refuse)


@pytest.fixture
def two_targets(tmp_path):
    """Three runs of one target and one of another, whose name lightpool knows."""
    store = simulate_store(tmp_path / "store", 4, ontime=60)

    def rename(hdus):
        hdus[1].data["OBJECT"] = ["Field 7", "Field 7", "field 7", "Crab Nebula"]

    rewrite(store / "obs-index.fits.gz", rename)
    return store


def test_targets_are_those_of_the_index_with_the_most_runs_first(two_targets):
    first, second = observed_targets(DataStore.from_dir(two_targets))
    assert (first.name, first.n_run) == ("Field 7", 3)
    assert (second.name, second.n_run) == ("Crab Nebula", 1)
    assert first.position.ra.deg == pytest.approx(83.633)


def test_targets_are_those_of_the_files_where_the_index_has_none(tmp_path):
    store = simulate_store(tmp_path / "store", 2, ontime=60)
    rewrite(store / "obs-index.fits.gz", lambda hdus: hdus[1].columns.del_col("OBJECT"))
    (target,) = observed_targets(DataStore.from_dir(store))
    assert (target.name, target.n_run) == ("simulated source", 2)
    assert target.position.dec.deg == pytest.approx(22.014)


def test_a_position_that_is_far_from_the_pointing_is_a_placeholder(tmp_path):
    store = simulate_store(tmp_path / "store", 2, ontime=60)

    def at_zero(hdus):
        hdus[1].data["RA_OBJ"], hdus[1].data["DEC_OBJ"] = 0, 0

    rewrite(store / "obs-index.fits.gz", at_zero)
    (target,) = observed_targets(DataStore.from_dir(store))
    assert target.position is None
    with pytest.raises(ConfigError, match="'simulated source': 2 runs, position unknown"):
        find_source(None, DataStore.from_dir(store), store)


def test_the_only_target_needs_no_name(small_store):
    name, position, origin = find_source(None, DataStore.from_dir(small_store), small_store)
    assert (name, origin) == ("simulated source", "the only target of the runs")
    assert position.skycoord.ra.deg == pytest.approx(83.633)


def test_of_several_targets_one_is_to_be_chosen(two_targets):
    with pytest.raises(
        ConfigError, match=r"choose a source, such as --source 'Field 7'. Targets in .*\n  'Field 7': 3"
    ):
        find_source(None, DataStore.from_dir(two_targets), two_targets)


def test_a_target_of_the_runs_is_found_by_its_name(two_targets, no_network):
    name, position, origin = find_source("FIELD7", DataStore.from_dir(two_targets), two_targets)
    assert (name, origin) == ("Field 7", "target of the runs")
    assert position.skycoord.ra.deg == pytest.approx(83.633)


def test_a_name_that_nobody_knows_comes_with_the_targets(two_targets, no_network):
    with pytest.raises(ConfigError, match=r"(?s)--source: .*'Nebula 7' is not in the built-in list.*'Field 7': 3 runs"):
        find_source("Nebula 7", DataStore.from_dir(two_targets), two_targets)


def test_a_name_resolver_is_asked_last(two_targets, monkeypatch):
    monkeypatch.setattr(SkyCoord, "from_name", lambda name: SkyCoord(10.0, 20.0, unit="deg"))
    _, position, origin = find_source("Nebula 7", DataStore.from_dir(two_targets), two_targets)
    assert origin == "name resolver"
    assert (position.lon, position.lat) == ("10 deg", "20 deg")
