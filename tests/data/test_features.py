"""Observations are grouped by properties of their responses."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from lightpool.data import DataStore, Observation, get_irfs_features
from lightpool.errors import MissingDataError
from lightpool.utils.cluster import hierarchical_clustering, standard_scaler

FEATURES = Table({"obs_id": [1, 2, 3, 4], "a": [0.0, 0.1, 5, 5.1], "b": [1.0, 1.1, -3, -3.2]})


def test_scaled_features_have_a_mean_of_zero_and_a_deviation_of_one():
    scaled = standard_scaler(FEATURES)
    for name in ("a", "b"):
        np.testing.assert_allclose([np.mean(scaled[name]), np.std(scaled[name])], [0, 1], atol=1e-12)
    assert scaled["obs_id"].tolist() == [1, 2, 3, 4]
    assert FEATURES["a"][2] == 5


@pytest.mark.parametrize("kwargs", [{"t": 2}, {"criterion": "distance", "t": 3.0}])
def test_similar_rows_are_in_one_group(kwargs):
    labels = hierarchical_clustering(FEATURES, fcluster_kwargs=kwargs)["labels"].tolist()
    assert labels[0] == labels[1] != labels[2] == labels[3]
    single = hierarchical_clustering(FEATURES, {"method": "single"}, {"t": 2})["labels"].tolist()
    assert len(set(single)) == 2


def test_features_are_those_of_the_tables_at_the_offset(three):
    observations = DataStore.from_dir(three.finish()).get_observations()
    by_offset = get_irfs_features(observations, energy_true="1 TeV", fixed_offset="0.5 deg")
    assert by_offset.colnames == ["edisp-bias", "obs_id", "edisp-res", "psf-radius"]
    assert by_offset["obs_id"].tolist() == [1, 2, 3]
    observation = observations[1]
    radius = observation.psf.containment_radius(fraction=0.68, energy_true=1 * u.TeV, offset=0.5 * u.deg)
    np.testing.assert_allclose(by_offset["psf-radius"][1], radius.to_value("deg"), rtol=1e-12)
    position = observation.pointing_radec.directional_offset_by(0 * u.deg, 0.5 * u.deg)
    by_position = get_irfs_features(observations[1:2], "1 TeV", position=position, names=["psf-radius"])
    np.testing.assert_allclose(by_position["psf-radius"], radius.to_value("deg"), rtol=1e-9)
    assert by_position.meta["frame"] == "galactic"
    far = get_irfs_features(observations[1:2], "1 TeV", position=SkyCoord(0, 0, unit="deg"))
    outer = min(irf.axes["offset"].center[-1] for irf in (observation.psf, observation.edisp))
    assert far["edisp-res"] == get_irfs_features(observations[1:2], "1 TeV", fixed_offset=outer)["edisp-res"]


def test_what_does_not_go_together_is_refused(three):
    observations = DataStore.from_dir(three.finish()).get_observations([1])
    with pytest.raises(ValueError, match="mutually exclusive"):
        get_irfs_features(observations, "1 TeV", position=SkyCoord(0, 0, unit="deg"), fixed_offset="1 deg")
    with pytest.raises(ValueError, match="size"):
        get_irfs_features(observations, "1 TeV", names=["size"])
    with pytest.raises(MissingDataError, match="edisp"):
        get_irfs_features([Observation(obs_id=4)], "1 TeV")
