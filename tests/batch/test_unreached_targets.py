"""Targets that no observation reaches are reported, with both places."""

from small_reductions import MAP

from lightpool.batch import make_plan, run_batch


def test_a_target_that_no_observation_reaches_is_named_with_the_nearest_pointing(settings_of, caplog):
    far = MAP | {"name": "far", "center": {"name": "PKS 2155-304"}}
    result = run_batch(make_plan(settings_of(observations={"obs_ids": [1, 2]}, targets=[MAP, far])))
    assert [path.name for path in result.files] == ["crab.fits"]
    said = [record.getMessage() for record in caplog.records if "no result for target" in record.getMessage()]
    assert len(said) == 1
    assert "no result for target far: none of the 2 observations reaches it" in said[0]
    assert "its centre is RA 329.72 deg, Dec -30.23 deg, and the nearest pointing, of observation" in said[0]
