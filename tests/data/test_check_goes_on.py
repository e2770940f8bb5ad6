"""The check of a store ends with findings, whatever one of its files holds."""

import threading

import pytest

from lightpool.data import DataStore
from lightpool.data.store import checks


@pytest.mark.parametrize(
    "error", [RecursionError("too deep"), KeyError("x"), MemoryError("7 GB"), OverflowError("1E400")]
)
@pytest.mark.parametrize("name", ["check_hdu", "check_times"])
def test_an_error_in_one_file_is_a_finding_and_the_others_are_looked_at(crab_store, monkeypatch, error, name):
    plain, seen = getattr(checks, name), []

    def check(cached, *args):
        seen.append(cached.file.source)
        if "run_000003" in cached.file.source:
            raise error
        return plain(cached, *args)

    checks.FILE_CACHE.clear()
    monkeypatch.setattr(checks, name, check)
    found = list(DataStore.from_dir(crab_store).check())
    failed = [each for each in found if each["code"] == "check-failed"]
    assert failed
    assert {each["obs_id"] for each in failed} == {3}
    assert all(type(error).__name__ in each["msg"] and "run_000003" in each["file"] for each in failed)
    assert any("run_000006" in source for source in seen)


def test_a_file_that_never_answers_is_a_finding(crab_store, monkeypatch):
    never = threading.Event()

    def wait(path):
        never.wait()
        raise OSError("the file system has gone")

    monkeypatch.setattr(checks.FILE_CACHE, "open", wait)
    found = list(checks.check_data_store(DataStore.from_dir(crab_store), ["observations"], obs_ids=[2], time_limit=0.1))
    never.set()
    assert [(each["obs_id"], each["code"], each["level"]) for each in found] == [(2, "time-limit", "error")]
