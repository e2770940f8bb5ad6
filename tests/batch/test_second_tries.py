"""What is tried again begins afresh: the files are opened again, and what the first try had made is gone."""

import weakref
from pathlib import Path

import numpy as np
import pytest

from lightpool.batch import make_plan, run_batch
from lightpool.batch.execution import reduce_chunk as reduce_module
from lightpool.data.files import file_cache
from lightpool.errors import OutOfMemoryError, ReductionError
from lightpool.makers import DatasetsMaker


@pytest.mark.parametrize("read_ahead", [0, 2])
def test_a_retry_opens_the_files_again(settings_of, monkeypatch, read_ahead):
    plain, opened = file_cache.read_fits, []

    def read_fits(path):
        opened.append(Path(path).name)
        if opened.count("run_000002.fits.gz") < 3 and opened[-1] == "run_000002.fits.gz":
            raise OSError(5, "Input/output error", str(path))
        return plain(path)

    file_cache.FILE_CACHE.clear()
    monkeypatch.setattr(file_cache, "read_fits", read_fits)
    run = {"on_error": "retry", "retries": 20, "read_ahead": read_ahead}
    result = run_batch(make_plan(settings_of(observations={"obs_ids": [1, 2]}, run=run)))
    assert [outcome.status for outcome in result.outcomes] == ["done", "done"]
    assert result.outcomes[0].n_try == 1


class Large(np.ndarray):
    """Array that can be watched."""


@pytest.mark.slow
def test_what_did_not_fit_is_gone_when_it_is_tried_again(settings_of, monkeypatch):
    plain, made, left = DatasetsMaker.make_dataset, [], []
    plain_reduce = reduce_module.Reducer.reduce

    def make_dataset(self, dataset, observation, name):
        if made:
            return plain(self, dataset, observation, name)
        large = np.zeros(1000).view(Large)
        made.append(weakref.ref(large))
        try:
            raise OutOfMemoryError(f"no memory for {large.size} more")
        except OutOfMemoryError as error:
            raise ReductionError(observation.obs_id, "MapDatasetMaker", error) from error

    def reduce(self, obs_ids, keep=None):
        left.extend(each() is not None for each in made)
        return plain_reduce(self, obs_ids, keep)

    monkeypatch.setattr(DatasetsMaker, "make_dataset", make_dataset)
    monkeypatch.setattr(reduce_module.Reducer, "reduce", reduce)
    result = run_batch(make_plan(settings_of(observations={"obs_ids": [1, 2]})))
    assert [outcome.status for outcome in result.outcomes] == ["done", "done"]
    assert left == [False, False], "each half began without what the whole had made"
