"""Background models of 200 simulated runs agree with the acceptance that the events were drawn from."""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from background_runs import ENERGY, FOV, OFFSET, SOURCE, Acceptance, simulated_run

from lightpool.makers import BackgroundModelMaker, BackgroundTableMaker, GroupRunsBy, SkyExclusion

pytestmark = pytest.mark.slow

N_RUN = 200
RADIUS = 0.45 * u.deg


@pytest.fixture(scope="module")
def observations():
    """Runs by the alignment of the acceptance, with a source of a tenth of the events."""
    made = {}

    def make(alignment):
        if alignment not in made:
            rng, acceptance = np.random.default_rng(20), Acceptance(alignment=alignment)
            made[alignment] = [simulated_run(i, acceptance, rng, source_rate=0.03) for i in range(1, N_RUN + 1)]
        return made[alignment]

    return make


def pulls(sums, true_sums, acceptance):
    """Differences of the rates from the true ones over their errors, in all bins of three groups in zenith angle.

    ``true_sums`` has the exposure by which the truth of a group is averaged over its runs.
    """
    field = true_sums.field
    width = np.diff(ENERGY.edges.to_value("MeV"))[:, np.newaxis]
    rate = acceptance.expected(field, ENERGY).reshape(ENERGY.nbin, -1) / field.solid_angle.reshape(-1) / width
    found = []
    for model in BackgroundTableMaker(at_centre=False, min_remaining=0.01).run(sums, [GroupRunsBy.zenith(n_bin=3)]):
        rows = np.flatnonzero(np.isin(true_sums.obs_ids, model.obs_ids))
        factors = acceptance.factor(true_sums.runs["ZEN_PNT"][rows])[:, np.newaxis]
        exposure = true_sums.exposure[rows]
        true = rate * (factors * exposure).sum(axis=0) / exposure.sum(axis=0)
        # The error for the true rate: that of the counts would be smaller where fewer events were drawn.
        error = np.sqrt(true / (width * model.exposure.reshape(-1)))
        found.append((model.rate.reshape(true.shape) - true) / error)
    return np.ravel(found)


@pytest.mark.parametrize(
    ("alignment", "axes"),
    [("RADEC", OFFSET), ("RADEC", FOV), ("ALTAZ", FOV)],
    ids=["radial", "along the sky", "rotating"],
)
def test_pulls_of_the_rates_have_mean_0_and_width_1(observations, alignment, axes):
    runs, acceptance = observations(alignment), Acceptance(alignment=alignment)
    sums = BackgroundModelMaker(ENERGY, axes, alignment, SkyExclusion.from_positions(SOURCE, RADIUS)).run_all(runs)
    right = pulls(sums, sums, acceptance)
    n = right.size
    assert abs(right.mean()) < 4 / np.sqrt(n)
    assert abs(right.std() - 1) < 4 / np.sqrt(2 * n)
    # As if the whole exposure remained, and as if the source were not excluded at all.
    uncorrected = pulls(replace(sums, excluded=np.zeros_like(sums.excluded)), sums, acceptance)
    assert uncorrected.mean() < -8 / np.sqrt(n)
    assert uncorrected.std() > 1 + 5 / np.sqrt(2 * n)
    plain = pulls(BackgroundModelMaker(ENERGY, axes, alignment).run_all(runs), sums, acceptance)
    assert plain.mean() > 10 / np.sqrt(n)
    assert plain.std() > 2


def test_a_field_along_the_horizon_needs_its_rotation(observations):
    """With the exclusion turned as if the field stood still, the rates of the rotating field are wrong."""
    runs, acceptance = observations("ALTAZ"), Acceptance(alignment="ALTAZ")
    exclusion = SkyExclusion.from_positions(SOURCE, RADIUS)
    sums = BackgroundModelMaker(ENERGY, FOV, "ALTAZ", exclusion).run_all(runs)
    still = BackgroundModelMaker(ENERGY, FOV, "RADEC", exclusion).run_all(runs)
    right, wrong = (pulls(each, sums, acceptance) for each in (sums, replace(sums, excluded=still.excluded)))
    assert np.sum(wrong**2) - np.sum(right**2) > 100


def test_smooth_models_are_nearer_to_the_truth_than_bins(observations):
    runs, acceptance = observations("RADEC"), Acceptance(alignment="RADEC")
    sums = BackgroundModelMaker(ENERGY, FOV, "RADEC", SkyExclusion.from_positions(SOURCE, RADIUS)).run_all(runs)
    inside = acceptance.expected(sums.field, ENERGY)
    expected = inside * np.average(acceptance.factor(sums.runs["ZEN_PNT"]), weights=sums.ontime)
    (binned,), (smooth,) = (BackgroundTableMaker(smoothing=order).run(sums) for order in (None, 2))
    errors = []
    for model in (binned, smooth):
        counts, true = model.predicted_counts(model.exposure), expected * model.exposure / sums.field.solid_angle
        errors.append(float(np.nanmean((counts - true) ** 2 / true)))
    assert errors[1] < 0.35 * errors[0]
    # Its errors are those of the parameters: the mean squared pull of a smooth function is about 1.
    true_rate = expected / sums.field.solid_angle / np.diff(ENERGY.edges.to_value("MeV"))[:, np.newaxis, np.newaxis]
    wide = smooth.centre_factor[:, np.newaxis, np.newaxis]
    pull = (smooth.rate * wide - true_rate) / (smooth.error * wide)
    assert 0.4 < float(np.nanmean(pull[:, 2:-2, 2:-2] ** 2)) < 2.5


def test_models_of_zenith_bins_are_interpolated_in_the_cosine(observations):
    acceptance = Acceptance(alignment="RADEC")
    sums = BackgroundModelMaker(ENERGY, OFFSET, exclusion=SkyExclusion.from_positions(SOURCE, RADIUS)).run_all(
        observations("RADEC")
    )
    models = BackgroundTableMaker().run(sums, [GroupRunsBy.zenith(n_bin=4)])
    plain, between = (models.run_norms(sums, interpolate_zenith=flag) for flag in (False, True))
    spread = [float(np.mean(((each["NORM"] - 1) / each["NORM_ERROR"]) ** 2)) for each in (plain, between)]
    assert spread[1] < spread[0]
    assert abs(np.mean((between["NORM"] - 1) / between["NORM_ERROR"])) < 4 / np.sqrt(N_RUN)
    assert abs(np.std((between["NORM"] - 1) / between["NORM_ERROR"]) - 1) < 4 / np.sqrt(2 * N_RUN)
    assert acceptance.factor(0.0) == 1
