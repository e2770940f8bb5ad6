"""Nodes of a piecewise norm that are chosen by counts."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lightpool.arrays import to_host
from lightpool.datasets import PiecewiseNormSpectralModel, PowerLawNormSpectralModel
from lightpool.makers import FoVBackgroundMaker
from lightpool.makers.background.norm_fit import fit_norm
from lightpool.makers.background.norm_nodes import intervals_by_counts, norm_by_counts


@pytest.mark.parametrize(
    ("counts", "minimum", "expected"),
    [
        ([10, 10, 10, 10], 10, [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ([10, 10, 10, 10], 11, [(0, 2), (2, 4)]),
        ([30, 5, 5, 5, 4], 10, [(0, 1), (1, 5)]),
        ([30, 5, 5, 5, 5], 10, [(0, 1), (1, 3), (3, 5)]),
        ([1, 2, 3], 100, [(0, 3)]),
        ([0, 0, 9], 5, [(0, 3)]),
    ],
)
def test_bins_are_joined_from_below_until_they_have_the_counts(counts, minimum, expected):
    assert intervals_by_counts(np.array(counts, float), np.ones(len(counts)), minimum) == expected


def test_bins_without_background_do_not_count():
    template = np.array([0, 0, 1, 0, 1, 1, 0.0])
    assert intervals_by_counts(np.full(7, 9.0), template, 9) == [(2, 3), (3, 5), (5, 6)]
    assert intervals_by_counts(np.full(7, 9.0), np.zeros(7), 9) == []


def test_every_interval_has_the_counts_and_determines_its_node():
    rng = np.random.default_rng(5)
    edges = np.geomspace(0.1, 100, 31) * u.TeV
    centers = np.sqrt(edges[1:] * edges[:-1])
    for _ in range(200):
        template = rng.uniform(1, 200) * centers.value ** -rng.uniform(0.5, 2.5) * (rng.uniform(size=30) > 0.1)
        counts = rng.poisson(template).astype(float)
        minimum = rng.uniform(1, 60)
        intervals = intervals_by_counts(counts, template, minimum)
        if len(intervals) < 2:
            continue
        used = np.where(template > 0, counts, 0)
        assert [first for first, _ in intervals[1:]] == [stop for _, stop in intervals[:-1]]
        assert all(used[first:stop].sum() >= minimum for first, stop in intervals)
        model = norm_by_counts(edges, counts, template, minimum)
        assert len(model.energy) == len(intervals)
        assert fit_norm(model, centers, counts, template).reason is None
        assert np.all(np.isfinite(model.norms))


def test_a_distorted_background_is_found_again(reduced):
    dataset = reduced()
    background = to_host(dataset.background.data)
    factor = np.array([1.5, 0.7, 1.2] + [1.0] * (len(background) - 3))[:, np.newaxis, np.newaxis]
    dataset.counts = dataset.counts.copy(data=dataset.device.xp.asarray(factor * background))
    FoVBackgroundMaker(method="fit", node_min_counts=1e-6).run(dataset)
    model = dataset.background_model.spectral_model
    assert isinstance(model, PiecewiseNormSpectralModel)
    axis = dataset.counts.geom.axes["energy"]
    assert_allclose(model.energy.to_value("TeV"), axis.center.to_value("TeV"))
    assert_allclose(model.norms, factor.ravel(), rtol=1e-6)
    assert_allclose(np.diag(dataset.background_model.covariance), model.parameters.error**2)


def test_too_few_counts_for_nodes_give_one_norm(backend, reduced):
    dataset, plain = reduced(), reduced()
    FoVBackgroundMaker(method="fit", node_min_counts=1e9).run(dataset)
    FoVBackgroundMaker(method="fit").run(plain)
    model = dataset.background_model.spectral_model
    assert isinstance(model, PowerLawNormSpectralModel)
    assert model.norm.value == plain.background_model.spectral_model.norm.value


def test_a_model_that_is_there_is_kept(reduced):
    dataset = FoVBackgroundMaker().run(reduced())
    before = dataset.background_model
    FoVBackgroundMaker(method="fit", node_min_counts=1).run(dataset)
    assert dataset.background_model is before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"node_min_counts": 5}, "node_min_counts needs method='fit'"),
        ({"method": "fit", "node_min_counts": 0}, "node_min_counts must be above zero, got 0"),
        ({"method": "fit", "node_min_counts": float("nan")}, "node_min_counts must be above zero, got nan"),
    ],
)
def test_nodes_that_cannot_be_chosen_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FoVBackgroundMaker(**options)


def test_a_method_that_is_set_later_is_checked_too(reduced):
    maker = FoVBackgroundMaker(method="fit", node_min_counts=5)
    maker.method = "scale"
    with pytest.raises(ValueError, match="node_min_counts needs method='fit'"):
        maker.run(reduced())
