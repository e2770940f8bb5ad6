"""A batch makes a stack for each type of events, with its own responses, in one pass."""

from pathlib import Path

import numpy as np
import pytest
from small_reductions import MAP, SPECTRUM
from typed_stores import with_types

from lightpool.batch import make_plan, run_batch
from lightpool.data import DataStore, split_by_responses
from lightpool.datasets import MapDataset
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker

SETS = {"0": 1.0, "1,2": 2.0}


@pytest.mark.slow
@pytest.mark.parametrize("n_interval", [1, 2])
def test_a_batch_has_a_stack_for_each_type(settings_of, crab_store, tmp_path, n_interval, caplog):
    def types(n_event):
        return np.append(2 ** (np.arange(n_event - 1) % 3), 64)

    store = with_types(crab_store, tmp_path / "store", SETS, types, n_interval=n_interval)
    groups = [{"name": "all", "by": "all"}, {"name": "types", "by": "event_types"}]
    settings = settings_of(
        "typed",
        targets=[MAP, SPECTRUM],
        groups=groups,
        observations={"datastore": str(store)},
        output={"folder": str(tmp_path / "results"), "observations": True},
    )
    result = run_batch(make_plan(settings))
    assert [outcome.status for outcome in result.outcomes] == ["done"] * 6
    assert caplog.text.count("observation 3: 1 of") == 1  # once for both targets
    stacks = {path.name.partition(".")[0]: path for path in result.files}
    assert {"crab", "crab-types-0", "crab-types-1+2"} <= set(stacks)
    read = {name: MapDataset.read(path) for name, path in stacks.items() if name.startswith("crab")}
    split = split_by_responses(DataStore.from_dir(store).get_observations())
    makers = [MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.5 deg"), FoVBackgroundMaker()]
    for label, parts in split.items():
        stack = read[f"crab-types-{label}"]
        (expected,) = DatasetsMaker(makers).run(MapDataset.from_geoms(**stack.geoms), parts)
        np.testing.assert_array_equal(stack.counts.data, expected.counts.data)
        np.testing.assert_allclose(stack.exposure.data, expected.exposure.data, rtol=1e-12)
        np.testing.assert_allclose(stack.background.data, expected.background.data, rtol=1e-9)
    total = read["crab-types-0"].counts.data.sum() + read["crab-types-1+2"].counts.data.sum()
    # One event of each run has a bit that no response is for.
    assert 0 <= read["crab"].counts.data.sum() - total <= 6
    single = {path.name for path in (Path(settings.output.folder) / "observations").glob("2-crab-types-0*")}
    assert len(single) == n_interval
