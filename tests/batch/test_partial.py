"""Partial stacks: nothing is lost when they are saved, loaded, moved and merged."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from numpy.testing import assert_allclose
from small_reductions import MAP, SPECTRUM

from lightpool.batch.execution.merge import MergeTree
from lightpool.batch.execution.reduce_chunk import Reducer
from lightpool.batch.storage.partial_stack import PartialStack, StackKey
from lightpool.datasets.sums import sums_of


def sums(partial):
    return {(key, name): np.asarray(values) for key in partial for name, values in sums_of(partial[key]).items()}


def assert_same_bits(left, right):
    assert list(left) == list(right)
    for name, values in sums(left).items():
        np.testing.assert_array_equal(values, sums(right)[name], err_msg=str(name), strict=True)
    for key in left:
        assert str(left[key].gti) == str(right[key].gti)
        np.testing.assert_array_equal(left[key].meta_table["OBS_ID"], right[key].meta_table["OBS_ID"])
        assert left[key].exposure.meta["livetime"] == right[key].exposure.meta["livetime"]


@pytest.fixture
def reducer(settings_of):
    groups = [{"name": "all"}, {"name": "energy", "by": "events", "expression": "ENERGY", "edges": [1, 2, 100]}]
    return Reducer(settings_of(targets=[MAP, SPECTRUM], groups=groups))


@pytest.mark.slow
def test_what_is_loaded_is_what_was_saved_and_grows_on_as_it_would_have(reducer, tmp_path):
    partial, _ = reducer.reduce([1, 2])
    more, _ = reducer.reduce([3])
    partial.save(tmp_path / "partial.zip")
    loaded = PartialStack.load(tmp_path / "partial.zip", reducer.settings)
    assert_same_bits(loaded, partial)
    again, _ = reducer.reduce([3])
    partial.merge(more)
    loaded.merge(again)
    assert_same_bits(loaded, partial)


def test_a_partial_stack_survives_another_device(reducer):
    partial, _ = reducer.reduce([1, 2])
    assert_same_bits(partial.to("strict").to("cpu"), partial)


def merge_tree(parts):
    tree = MergeTree()
    for part in parts:
        tree.add(part)
    return tree.result()


@pytest.mark.slow
def test_merged_parts_are_the_whole(reducer):
    whole, _ = reducer.reduce([1, 2, 3, 4])
    parts = [reducer.reduce(obs_ids)[0] for obs_ids in ([1, 2], [3, 4])]
    merged = merge_tree(parts)
    assert list(merged) == list(whole)
    for name, values in sums(whole).items():
        assert_allclose(sums(merged)[name], values, rtol=1e-12, atol=1e-300, err_msg=str(name))
    key = StackKey("crab", "all", "all")
    assert merged[key].gti.time_sum == whole[key].gti.time_sum
    assert merged[key].meta_table["OBS_ID"][0].tolist() == [1, 2, 3, 4]


def test_merged_parts_are_the_whole_at_the_borders_of_cutouts(settings_of):
    """Pixels of the responses, larger than those of the counts, lie half outside of the cutout of an observation."""
    target = MAP | {"width": "5 deg", "binsz": "0.05 deg", "binsz_irf": "0.13 deg", "makers": MAP["makers"][:2]}
    reducer = Reducer(settings_of(targets=[target]))
    whole, _ = reducer.reduce([1, 2, 3, 4])
    merged = merge_tree(reducer.reduce(obs_ids)[0] for obs_ids in ([1, 2], [3, 4]))
    for name, values in sums(whole).items():
        assert_allclose(sums(merged)[name], values, rtol=1e-12, atol=1e-15 * values.max(), err_msg=str(name))


def test_groups_of_events_add_up_to_the_whole(reducer):
    partial, _ = reducer.reduce([1])
    names = ("1-2", "2-100")
    counts = sum(partial[StackKey("crab", "energy", name)].counts.data for name in names)
    np.testing.assert_array_equal(counts, partial[StackKey("crab", "all", "all")].counts.data)


class Noted:
    """Stands for a partial stack; writes down how it was merged."""

    def __init__(self, text):
        self.text = text

    def merge(self, other):
        self.text = f"({self.text}{other.text})"


@pytest.mark.parametrize(
    ("letters", "tree"), [("", None), ("a", "a"), ("ab", "(ab)"), ("abc", "((ab)c)"), ("abcde", "(((ab)(cd))e)")]
)
def test_the_tree_is_given_by_the_number_of_parts(letters, tree):
    merged = merge_tree(Noted(letter) for letter in letters)
    assert (None if merged is None else merged.text) == tree


@settings(max_examples=30)
@given(strategies.integers(1, 200))
def test_the_tree_keeps_the_order_and_is_flat(n_part):
    merged = merge_tree(Noted(f"{i:03d}") for i in range(n_part)).text
    assert merged.replace("(", "").replace(")", "") == "".join(f"{i:03d}" for i in range(n_part))
    depth = max(merged[:i].count("(") - merged[:i].count(")") for i in range(len(merged)))
    assert depth <= 2 * np.ceil(np.log2(n_part + 1))


def test_sums_are_double_where_the_observations_are_single(settings_of):
    single = Reducer(settings_of(run={"precision": "single"}))
    double = Reducer(settings_of())
    key = StackKey("crab", "all", "all")
    left, right = (reducer.reduce([1, 2])[0][key] for reducer in (single, double))
    assert left.precision == "double"
    for name in ("counts", "exposure", "background"):
        assert_allclose(getattr(left, name).data, getattr(right, name).data, rtol=1e-5, err_msg=name)
    assert not np.array_equal(left.exposure.data, right.exposure.data), "the observations were reduced in single"
