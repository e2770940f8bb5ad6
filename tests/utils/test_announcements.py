"""Announcements of differences, by themselves; tests/test_deviations.py has the places that make them."""

import threading
from contextlib import closing, suppress

import pytest

from lightpool.data import DataStore
from lightpool.data.read_ahead import read_ahead
from lightpool.errors import DiffersFromGammapyError
from lightpool.makers.parallel.processes import in_processes
from lightpool.utils.deviations import deviates, deviations_are_heard, noted_deviations, refused_deviations


def differ(what):
    deviates(what)
    return what


def differ_with_another_error():
    try:
        deviates("one")
    except DiffersFromGammapyError as error:
        raise ValueError("another") from error


def test_an_announcement_that_nobody_hears_does_nothing():
    assert not deviations_are_heard()
    deviates("one")


def test_each_kind_of_difference_is_noted_once():
    with noted_deviations() as found:
        assert deviations_are_heard()
        for what in ("one", "two", "one"):
            deviates(what)
    deviates("three")
    assert found == ["one", "two"]


def test_a_difference_that_is_refused_is_an_error_that_names_it():
    with pytest.raises(DiffersFromGammapyError, match="one"), refused_deviations():
        deviates("one")
    with refused_deviations():
        pass


def test_a_refused_difference_gets_out_whatever_is_made_of_its_error():
    with pytest.raises(DiffersFromGammapyError, match="one"), refused_deviations(), suppress(Exception):
        deviates("one")
    with pytest.raises(DiffersFromGammapyError, match="one"), refused_deviations():
        differ_with_another_error()


def test_an_error_that_is_not_about_a_difference_stays_what_it_is():
    with pytest.raises(ValueError, match="another"), refused_deviations():
        raise ValueError("another")


def test_two_threads_do_not_hear_each_other():
    with noted_deviations() as found:
        thread = threading.Thread(target=deviates, args=("one",))
        thread.start()
        thread.join()
    assert found == []


def test_the_thread_that_reads_ahead_is_heard(crab_store):
    observations = DataStore.from_dir(crab_store).get_observations()
    with noted_deviations() as found, closing(read_ahead(observations, before=lambda _: deviates("one"))) as ahead:
        list(ahead)
    assert found == ["one"]


@pytest.mark.slow
def test_other_processes_are_heard():
    with noted_deviations() as found, closing(in_processes(2, differ, [("one",), ("two",)])) as results:
        assert list(results) == ["one", "two"]
    assert sorted(found) == ["one", "two"]
    with pytest.raises(DiffersFromGammapyError), refused_deviations(), closing(in_processes(1, differ, [("x",)])) as r:
        list(r)
