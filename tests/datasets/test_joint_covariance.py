"""Covariances between the background models of different datasets."""

import numpy as np
import pytest

from lightpool.datasets import Datasets, MapDataset
from lightpool.datasets.models.background_model import FoVBackgroundModel
from lightpool.datasets.models.model_lists import DatasetModels, Models


def joint_covariance(n_parameter):
    root = np.random.default_rng(0).normal(size=(n_parameter, n_parameter))
    return root @ root.T


def test_covariances_between_models_are_kept():
    models = Models([FoVBackgroundModel("a"), FoVBackgroundModel("b")])
    covariance = joint_covariance(6)
    models.covariance = covariance
    assert np.array_equal(models[1].covariance, covariance[3:, 3:])
    np.testing.assert_allclose(models.covariance, covariance, rtol=1e-15)
    np.testing.assert_allclose(models.copy().covariance, covariance, rtol=1e-15)
    np.testing.assert_allclose(DatasetModels(models).covariance, covariance, rtol=1e-15)


def test_a_list_of_other_models_forgets_covariances_between_them():
    models = Models([FoVBackgroundModel("a"), FoVBackgroundModel("b")], covariance_data=joint_covariance(6))
    models[0] = FoVBackgroundModel("a")
    assert not models.covariance[:3, 3:].any()
    assert np.array_equal(models.covariance[3:, 3:], models[1].covariance)


def test_a_list_of_datasets_keeps_the_covariance_of_its_models():
    datasets = Datasets([MapDataset(name="a"), MapDataset(name="b")])
    datasets.models = Models([FoVBackgroundModel("a"), FoVBackgroundModel("b")], covariance_data=joint_covariance(6))
    np.testing.assert_allclose(datasets.models.covariance, joint_covariance(6), rtol=1e-15)
    datasets[0].models = [FoVBackgroundModel("a")]
    assert not datasets.models.covariance[:3, 3:].any()


def test_a_covariance_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="covariance of 3 parameters must be a square"):
        Models([FoVBackgroundModel("a")]).covariance = np.eye(2)
