"""Response tables of equal content are one table, however many files hold them."""

import numpy as np
import pytest
from astropy.io import fits
from made_up_stores import events_hdu, gti_hdu, header_with, irf_hdus, write

from lightpool.data import FILE_CACHE, DataStore
from lightpool.data.files.response_tables import copy_response, read_response
from lightpool.fits import read_fits

KINDS = {"AEFF": "aeff_2d", "EDISP": "edisp_2d", "PSF": "psf_table", "BKG": "bkg_3d"}


def add(store, obs_id, change=None):
    """A run whose response is changed by a function of its HDUs, by name."""
    responses = {hdu.name: hdu for hdu in irf_hdus()}
    if change is not None:
        change(responses)
    store.add(obs_id, events_hdu(header=header_with(OBS_ID=obs_id)), gti_hdu(), *responses.values())


@pytest.fixture
def two(store):
    """Make a store of two runs, the second with a change, and give their observations."""

    def make(change=None):
        add(store, 1)
        add(store, 2, change)
        return DataStore.from_dir(store.finish()).get_observations()

    return make


@pytest.mark.parametrize("name", ["aeff", "edisp", "psf", "bkg"])
def test_equal_tables_of_two_files_share_values_and_what_is_derived(two, name):
    one, other = (getattr(observation, name) for observation in two())
    assert one is not other
    assert np.shares_memory(one.data, other.data)
    assert one.derived("key", lambda: [1]) is other.derived("key", lambda: [2])


def test_keywords_are_those_of_each_file(two):
    def change(responses):
        responses["AEFF"].header["LO_THRES"] = 0.7
        responses["AEFF"].header["DATE"] = "2020-02-02"

    one, other = (observation.aeff for observation in two(change))
    assert np.shares_memory(one.data, other.data)
    assert "LO_THRES" not in one.meta
    assert other.meta["LO_THRES"] == 0.7


def with_other_value(responses):
    responses["AEFF"].data["EFFAREA"][0, 0, 0] = 2


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_values_that_are_not_finite_count_as_zero_and_a_warning_tells_where_they_are(two, caplog, value):
    def change(responses):
        responses["AEFF"].data["EFFAREA"][0, 0, :2] = value

    one, other = two(change)
    assert one.aeff.evaluate().value.all()
    assert not caplog.messages
    aeff = other.aeff
    (message,) = caplog.messages
    assert f"run_2.fits, HDU 'AEFF': 2 of {aeff.data.size} values are not finite" in message
    bad = ~np.isfinite(aeff.data)
    assert np.count_nonzero(bad) == 2
    found = aeff.evaluate().value
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[bad], 0)


def with_other_axis(responses):
    responses["AEFF"].data["THETA_HI"][0, -1] = 3


def with_other_unit(responses):
    responses["AEFF"].columns["EFFAREA"].unit = "cm2"


def with_a_directional_cut(responses):
    responses["AEFF"].header["HDUCLAS3"] = "POINT-LIKE"


@pytest.mark.parametrize("change", [with_other_value, with_other_axis, with_other_unit, with_a_directional_cut])
def test_tables_that_differ_in_their_meaning_are_two(two, change):
    one, other = two(change)
    assert not np.shares_memory(one.aeff.data, other.aeff.data)
    assert np.shares_memory(one.edisp.data, other.edisp.data)
    expected = read_response(read_fits(other._parts["aeff"].path()), "AEFF", "aeff_2d")
    assert other.aeff.is_allclose(expected)
    assert (other.aeff.unit, other.aeff.is_pointlike) == (expected.unit, expected.is_pointlike)
    assert one.aeff != other.aeff or one.aeff.is_pointlike != other.aeff.is_pointlike


def test_the_alignment_of_the_field_of_view_is_part_of_the_meaning(two):
    def change(responses):
        responses["BKG"].header["FOVALIGN"] = "ALTAZ"

    one, other = (observation.bkg for observation in two(change))
    assert (one.fov_alignment, other.fov_alignment) == ("RADEC", "ALTAZ")
    assert not np.shares_memory(one.data, other.data)


def test_a_mirrored_table_is_not_the_plain_one(tmp_path):
    file = read_fits(write(tmp_path / "run.fits", *irf_hdus()))
    plain, mirrored = (read_response(file, "BKG", "bkg_3d", mirrored=mirrored) for mirrored in (False, True))
    assert (plain.fov_alignment, mirrored.fov_alignment) == ("RADEC", "REVERSE_LON_RADEC")


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_a_table_that_is_known_reads_as_one_that_is_not(tmp_path, name, kind):
    paths = [write(tmp_path / f"{i}.fits", *irf_hdus()) for i in range(2)]
    first = read_response(read_fits(paths[0]), name, kind)
    again = read_response(read_fits(paths[1]), name, kind)
    expected = type(first).read(paths[1], hdu=name)
    assert np.shares_memory(first.data, again.data)
    np.testing.assert_array_equal(again.data, expected.data)
    assert again.axes == expected.axes
    assert (again.unit, again.meta, again.fov_alignment) == (expected.unit, expected.meta, expected.fov_alignment)


def test_tables_are_forgotten_with_the_last_file_that_holds_them(two):
    from lightpool.data.files import response_tables

    observations = two()
    for name in ("aeff", "edisp", "psf", "bkg"):
        for observation in observations:
            getattr(observation, name)
    assert len(response_tables._KNOWN) == 4
    FILE_CACHE.clear()
    assert len(response_tables._KNOWN) == 0


def test_a_changed_copy_does_not_reach_the_same_table_of_another_file(two):
    one, other = (observation.aeff for observation in two())
    one.data = one.data * 2
    one.interp_kwargs["fill_value"] = None
    assert other.data.max() == 1
    assert other.interp_kwargs["fill_value"] == 0
    assert one.derived("key", lambda: 1) != other.derived("key", lambda: 2)


def test_a_copy_with_another_scale_of_interpolation_derives_its_own():
    with fits.HDUList([fits.PrimaryHDU(), *irf_hdus()]) as hdus:
        from lightpool.irf import Background3D

        table = Background3D.from_hdulist(hdus, hdu="BKG")
    changed = copy_response(table)
    table.derived("nodes", lambda: "log")
    changed.interp_kwargs["values_scale"] = "lin"
    assert changed.derived("nodes", lambda: "lin") == "lin"
    assert table.derived("nodes", lambda: "new") == "log"
