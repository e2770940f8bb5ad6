"""Exclusion masks that a reduction finds, and that the next one uses."""

import shutil

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from small_reductions import MAP

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.execution.executors import ProcessExecutor
from lightpool.datasets import MapDataset
from lightpool.errors import ConfigError, ResumeError
from lightpool.makers import ExcessMapEstimator, ExclusionMaskFinder
from lightpool.maps import Map

CRAB = SkyCoord(83.633, 22.0145, unit="deg")
FINE = MAP | {"binsz": "0.05 deg", "find_exclusion": {"radius": "0.12 deg", "margin": "0.1 deg"}}
RING = [*MAP["makers"][:2], {"type": "RingBackgroundMaker", "r_in": "0.4 deg", "width": "0.2 deg"}]


def mask_of(result, name="crab"):
    mask = Map.read(result.folder / "exclusions" / f"{name}.fits")
    assert set(np.unique(mask.data)) <= {0, 1}
    return mask


@pytest.mark.slow
def test_what_one_reduction_finds_is_excluded_by_the_next_until_nothing_is_found(settings_of, tmp_path, caplog):
    corner = {"lon": "84.3 deg", "lat": "22.7 deg", "radius": "0.15 deg"}
    targets = [FINE | {"exclusion": [corner]}, FINE | {"name": "ring", "makers": RING}]
    result = run_batch(make_plan(settings_of(targets=targets)))
    mask = mask_of(result)
    assert not mask.get_by_coord({"skycoord": CRAB})
    assert not mask.get_by_coord({"skycoord": SkyCoord(84.3, 22.7, unit="deg")})  # that of the settings is in it
    assert mask.data.mean() > 0.9
    assert "crab: " in caplog.text
    assert "pixels outside of the exclusion are significant" in caplog.text
    assert not mask_of(result, "ring").get_by_coord({"skycoord": CRAB})
    stack = MapDataset.read(result.folder / "crab.fits")
    finder = ExclusionMaskFinder(ExcessMapEstimator("0.12 deg"), margin="0.1 deg")
    significant = finder.significant(finder.estimator.run(stack)["sqrt_ts"])
    assert np.array_equal(mask.data == 0, significant | (mask_of_settings(stack, corner) == 0))
    for number in range(4):
        caplog.clear()
        copy = shutil.copy(result.folder / "exclusions" / "crab.fits", tmp_path / f"mask-{number}.fits")
        target = FINE | {"exclusion": [{"mask": str(copy)}]}
        result = run_batch(make_plan(settings_of(f"round-{number}", targets=[target])))
        if "are significant" not in caplog.text:
            break
    assert "are significant" not in caplog.text
    again = MapDataset.read(result.folder / "crab.fits")
    assert again.npred_background().data.sum() < stack.npred_background().data.sum()  # without the source in it


def mask_of_settings(stack, circle):
    text = f"icrs; circle({circle['lon'].split()[0]}, {circle['lat'].split()[0]}, {circle['radius'].split()[0]})"
    return stack.counts.geom.to_image().region_mask(text, inside=False).data


@pytest.mark.slow
def test_masks_depend_neither_on_workers_nor_on_interruptions_and_other_thresholds_cost_nothing(settings_of):
    targets = [FINE, FINE | {"name": "ring", "makers": RING}]
    one = run_batch(make_plan(settings_of("one", targets=targets)))
    two = run_batch(make_plan(settings_of("two", targets=targets)), ProcessExecutor(2))
    for name in ("crab", "ring"):
        assert np.array_equal(mask_of(one, name).data, mask_of(two, name).data)
    high = FINE | {"find_exclusion": {"radius": "0.12 deg", "threshold": 1000, "threshold_low": 1000}}
    resumed = run_batch(plan_to_resume(settings_of("one", targets=[high, targets[1]])), resume=True)
    assert resumed.n_reused == 3
    assert mask_of(resumed).data.all()
    without = [{key: value for key, value in target.items() if key != "find_exclusion"} for target in targets]
    run_batch(plan_to_resume(settings_of("one", targets=without)), resume=True)
    assert not list((one.folder / "exclusions").glob("*"))


@pytest.mark.slow
def test_a_mask_that_is_an_input_is_not_replaced(settings_of):
    result = run_batch(make_plan(settings_of(targets=[FINE])))
    path = result.folder / "exclusions" / "crab.fits"
    again = settings_of(targets=[FINE | {"exclusion": [{"mask": str(path)}]}])
    with pytest.raises(ResumeError, match=r"crab\.fits is not the result of a reduction"):
        run_batch(make_plan(again), restart=True)


@pytest.mark.slow
def test_a_stack_without_a_background_has_no_exclusion_but_a_result(settings_of, caplog):
    makers = [{"type": "MapDatasetMaker", "selection": ["counts"]}, MAP["makers"][1]]
    result = run_batch(make_plan(settings_of(targets=[FINE | {"makers": makers}])))
    assert [path.name for path in result.files] == ["crab.fits"]
    assert "crab: no exclusion can be found: " in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 3, "threshold_low": 4}, "threshold_low must be at most the threshold, got 4.0 and 3.0"),
        ({"threshold": 0}, "threshold"),
        ({"min_size": 0}, "min_size"),
        ({"margin": "-1 deg"}, "margin"),
        ({"radius": "1"}, "got '1' without a unit"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(settings_of, options, message):
    with pytest.raises(ConfigError, match=r"targets\.0\.find_exclusion") as caught:
        settings_of(targets=[MAP | {"find_exclusion": options}])
    assert message in str(caught.value)
