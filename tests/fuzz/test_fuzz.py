"""Damaged files are refused by name, told of or read alike; they never crash, hang or change a result in silence."""

import time

import pytest

from fuzz.campaign import make_store, run_cases, summary
from fuzz.verdicts import FAULTS

SEED = 2026


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fuzz") / "store")


def faults_of(store, numbers, request):
    begin = time.monotonic()
    verdicts = list(run_cases(numbers, SEED, store))
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n" + summary(verdicts, SEED, time.monotonic() - begin))  # noqa: T201 (the summary is asked for)
    assert len(verdicts) == len(numbers)
    return [f"case {n}: {v}" for n, v in zip(numbers, verdicts, strict=True) if v.outcome in FAULTS]


@pytest.mark.slow
def test_some_dozen_damaged_files_cause_no_fault(store, request):
    assert not faults_of(store, range(36), request)


@pytest.mark.slow
def test_five_hundred_damaged_files_cause_no_fault(store, request):
    assert not faults_of(store, range(36, 536), request)
