"""Settings files: what they say, what is refused and how, and the objects that are made of them."""

import json
from importlib import resources

import astropy.units as u
import numpy as np
import pytest
import yaml
from numpy.testing import assert_allclose

from lightpool.config import Settings
from lightpool.config.build import build_dataset, build_makers
from lightpool.config.section import Section
from lightpool.errors import ConfigError
from lightpool.makers import FoVBackgroundMaker, ReflectedRegionsBackgroundMaker, SafeMaskMaker, WobbleRegionsFinder

TEMPLATE = resources.files("lightpool.config").joinpath("template.yaml").read_text()
BACKGROUND_TEMPLATE = resources.files("lightpool.config").joinpath("background.yaml").read_text()


def map_target(**changes):
    return {
        "name": "crab",
        "kind": "map",
        "center": {"lon": "83.63 deg", "lat": "22.01 deg"},
        "width": "2 deg",
        "binsz": "0.1 deg",
        "energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 3},
        "makers": [{"type": "MapDatasetMaker"}],
    } | changes


def spectrum_target(**changes):
    return {
        "name": "spectrum",
        "kind": "spectrum",
        "region": {"lon": "83.63 deg", "lat": "22.01 deg", "radius": "0.1 deg"},
        "energy": {"edges": ["1 TeV", "3 TeV", "10 TeV"]},
        "makers": [{"type": "SpectrumDatasetMaker"}],
    } | changes


def settings_of(*targets, **changes):
    data = {"observations": {"datastore": "/store"}, "targets": list(targets) or [map_target()]}
    return Settings.from_dict(data | changes)


def sections():
    kinds = [Section]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return kinds[1:]


def test_a_spectrum_without_exposure_is_refused_before_anything_is_done():
    for selection in (None, ["exposure", "counts"]):
        settings_of(spectrum_target(makers=[{"type": "SpectrumDatasetMaker", "selection": selection}]))
    with pytest.raises(ConfigError, match=r"must contain exposure, .* got \['counts', 'edisp'\]"):
        settings_of(spectrum_target(makers=[{"type": "SpectrumDatasetMaker", "selection": ["counts", "edisp"]}]))
    settings_of(map_target(makers=[{"type": "MapDatasetMaker", "selection": ["counts"]}]))


def test_the_template_is_a_settings_file(tmp_path):
    path = tmp_path / "crab.yaml"
    path.write_text(TEMPLATE)
    settings = Settings.read(path)
    assert [target.name for target in settings.targets] == ["crab", "crab-spectrum"]
    assert settings.observations.datastore == str(tmp_path / "hess-dl3-dr1")
    assert settings.output.folder == str(tmp_path / "crab")


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.__name__)
def test_the_template_mentions_every_key(section):
    is_background = section.__module__.endswith(".background")
    template = BACKGROUND_TEMPLATE if is_background else TEMPLATE
    words = template.replace("{", " ").replace("#", " ").split()
    missing = [name for name in section.model_fields if f"{name}:" not in words]
    assert not missing


def test_defaults_behind_a_hash_in_the_template_are_those_of_the_settings(tmp_path):
    lines = [line for line in TEMPLATE.splitlines() if line.startswith(("# run:", "#   "))]
    run = yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines))["run"]
    assert settings_of(run={"observation_timeout": run.pop("observation_timeout")}).run.observation_timeout is not None
    defaults = settings_of().run.model_dump()
    assert defaults.pop("observation_timeout") is None  # no limit; what the template shows is an example
    assert defaults == run


def test_every_key_has_a_description():
    for section in sections():
        for name, field in section.model_fields.items():
            own = name in ("observations", "groups", "run", "output", "type", "kind", "makers")
            assert field.description or own, f"{section.__name__}.{name}"


def test_settings_survive_dictionaries_json_and_yaml(tmp_path):
    settings = settings_of(map_target(exclusion=["icrs; circle(83.6, 22, 0.2)"]), spectrum_target())
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    (tmp_path / "again.yaml").write_text(settings.to_yaml())
    assert Settings.read(tmp_path / "again.yaml").to_dict() == settings.resolved(tmp_path).to_dict()


def test_the_hash_sees_what_changes_results_and_nothing_else():
    base = settings_of()
    assert settings_of(output={"folder": "elsewhere"}, run={"on_error": "raise", "read_ahead": 0}).hash() == base.hash()
    assert settings_of(map_target(width="2deg")).hash() == base.hash()
    for other in (
        settings_of(map_target(width="3 deg")),
        settings_of(run={"precision": "single"}),
        settings_of(groups=[{"name": "nights", "by": "night"}]),
    ):
        assert other.hash() != base.hash()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("observations: {datastor: x}", 1, "observations.datastor: unknown key; did you mean 'datastore'?"),
        ("runn: {}", 1, "runn: unknown key; did you mean 'run'?"),
        ("run:\n  device: cpu\n  chunksize: 3", 3, "run.chunksize: unknown key; did you mean 'chunk_size'?"),
        ("run: {on_error: ignore}", 1, "run.on_error: got 'ignore': input should be 'raise', 'skip' or 'retry'"),
        ("run: {chunk_size: 0}", 1, "run.chunk_size: got 0: input should be greater than 0"),
        ("groups:\n  - name: a\n    by: time", 2, "groups.0: groups by 'time' need time_start and time_width"),
        ("groups: [{name: a, by: night, edges: [1, 2]}]", 1, "do not take edges"),
        ("run: {}\nTargets: []", 2, "Targets: unknown key; did you mean 'targets'?"),
        ("map: 1", 1, "map: unknown key; known are"),
        ("groups: [{name: a, by: time, time_width: 1 d, time_start: today}]", 1, "got 'today', expected a time"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path, text, line, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text + "\n")
    with pytest.raises(ConfigError) as caught:
        Settings.read(path)
    found = [each for each in str(caught.value).splitlines() if each.startswith(f"{path}, line {line}: ")]
    assert any(message in each for each in found), caught.value


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (map_target(width="2"), "targets.0.width"),
        (map_target(width="2 TeV"), "got '2 TeV', expected an angle with its unit, such as '0.5 deg'"),
        (map_target(width=2), "got 2 without a unit"),
        (map_target(binsz="0 deg"), "got '0 deg', expected more than zero"),
        (map_target(binsize="0.1 deg"), "targets.0.binsize: unknown key; did you mean 'binsz'?"),
        (map_target(energy={"min": "1 TeV", "max": "1 GeV", "nbin": 2}), "min must be below max, got 1 TeV and 1 GeV"),
        (map_target(energy={"min": "1 TeV"}), "expected min, max and nbin, or edges"),
        (map_target(energy={"edges": ["2 TeV", "1 TeV"]}), "edges must be strictly ascending, got 2 TeV, 1 TeV"),
        (map_target(makers=[{"type": "SafeMaskMaker"}]), "makers must begin with the one maker that bins the events"),
        (map_target(makers=[{"type": "MapDatasetMakr"}]), "targets.0.makers.0: got 'MapDatasetMakr'"),
        (map_target(makers=[{"type": "MapDatasetMaker", "selektion": []}]), "did you mean 'selection'?"),
        (map_target(name="a b"), "targets.0.name"),
        (spectrum_target(makers=[{"type": "SpectrumDatasetMaker"}, {"type": "RingBackgroundMaker"}]), "makers.1"),
    ],
)
def test_a_wrong_target_is_refused_with_what_was_expected(target, message):
    with pytest.raises(ConfigError) as caught:
        settings_of(target)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("run", "chunk_size"),
        ("run", "retries"),
        ("observations", "obs_ids"),
        ("energy", "nbin"),
        ("makers", "min_counts"),
    ],
)
@pytest.mark.parametrize("truth", [True, False])
def test_true_and_false_are_no_numbers(section, key, truth):
    data = settings_of(map_target()).to_dict()
    place = {"run": data["run"], "observations": data["observations"], "energy": data["targets"][0]["energy"]}
    maker = {"type": "FoVBackgroundMaker"}
    data["targets"][0]["makers"] = [{"type": "MapDatasetMaker"}, maker]
    Settings.from_dict(data)
    (place | {"makers": maker})[section][key] = [truth] if key == "obs_ids" else truth
    with pytest.raises(ConfigError, match=f"the value of '{key}' is true or false, expected a number"):
        Settings.from_dict(data)


def test_names_of_targets_are_unique():
    with pytest.raises(ConfigError, match="got more than once: crab"):
        settings_of(map_target(), map_target())


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "contains nothing"), ("- 1", "contains a list"), ("a: [", "no YAML"), ("a: 1\na: 2", "twice")],
)
def test_what_is_no_settings_file_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Settings.read(path)


def test_a_missing_file_is_refused_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(ConfigError, match="lightpool config -o"):
        Settings.read(tmp_path / "none.yaml")


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        settings_of().run.device = "cuda"


def test_a_map_is_built_as_its_settings_say():
    energy_true = {"min": "0.1 TeV", "max": "100 TeV", "nbin": 2, "per_decade": True}
    target = map_target(
        width=["2 deg", "1 deg"],
        proj="TAN",
        center={"lon": "0 deg", "lat": "0 deg", "frame": "galactic"},
        energy_true=energy_true,
        rad={"max": "0.3 deg", "nbin": 10},
        migra={"nbin": 20},
    )
    dataset = build_dataset(settings_of(target).targets[0])
    assert dataset.name == "crab"
    assert dataset.counts.geom.data_shape == (3, 10, 20)
    assert dataset.counts.geom.frame == "galactic"
    assert dataset.counts.geom.projection == "TAN"
    assert dataset.exposure.geom.axes["energy_true"].nbin == 6
    assert dataset.psf.geom.axes["rad"].nbin == 10
    assert_allclose(dataset.edisp.geom.axes["migra"].edges.value[[0, -1]], [0.2, 5])


def test_a_spectrum_is_built_as_its_settings_say():
    dataset = build_dataset(settings_of(spectrum_target()).targets[0])
    assert dataset.counts.geom.region.radius == 0.1 * u.deg
    assert_allclose(dataset.counts.geom.axes["energy"].edges.to_value("TeV"), [1, 3, 10])


def test_makers_are_built_with_the_exclusion_of_their_target():
    steps = [
        {"type": "MapDatasetMaker", "selection": ["counts"]},
        {"type": "SafeMaskMaker", "methods": ["offset-max"], "offset_max": "1.5 deg", "fixed_offset": "0.5 deg"},
        {"type": "FoVBackgroundMaker", "method": "fit"},
    ]
    exclusion = [{"lon": "83.63 deg", "lat": "22.01 deg", "radius": "0.3 deg"}]
    make, safe, fov = build_makers(settings_of(map_target(makers=steps, exclusion=exclusion)).targets[0])
    assert make.selection == {"counts"}
    assert isinstance(safe, SafeMaskMaker)
    assert safe.offset_max == 1.5 * u.deg
    assert safe.fixed_offset == 0.5 * u.deg
    assert isinstance(fov, FoVBackgroundMaker)
    assert fov.method == "fit"
    excluded = ~np.asarray(fov.exclusion_mask.data)
    separation = fov.exclusion_mask.geom.separation(fov.exclusion_mask.geom.center_skydir).deg
    np.testing.assert_array_equal(excluded, separation < 0.3)


def test_a_preset_of_the_safe_mask_becomes_its_methods():
    def steps(**safe):
        return map_target(makers=[{"type": "MapDatasetMaker"}, {"type": "SafeMaskMaker"} | safe])

    for preset, methods in SafeMaskMaker.presets.items():
        settings = settings_of(steps(preset=preset, offset_max="2 deg"))
        assert settings == settings_of(steps(methods=list(methods), offset_max="2 deg"))
        assert build_makers(settings.targets[0])[1].methods == set(methods)
        assert Settings.from_dict(settings.to_dict()) == settings
    both = {"preset": "keywords", "methods": ["aeff-max"]}
    for wrong, message in ((both, "got both preset and methods"), ({"preset": "hess"}, "got 'hess'")):
        with pytest.raises(ConfigError, match=f"targets.0.makers.1.*{message}"):
            settings_of(steps(**wrong))


def fov_target(**options):
    return map_target(makers=[{"type": "MapDatasetMaker"}, {"type": "FoVBackgroundMaker"} | options])


def test_norms_of_the_background_are_built_as_their_settings_say():
    def norm_of(**options):
        return build_makers(settings_of(fov_target(**options)).targets[0])[1].spectral_model

    assert norm_of().tilt.frozen
    fitted = norm_of(method="fit", tilt="fit", reference="2 TeV")
    assert not fitted.tilt.frozen
    assert fitted.reference.quantity == 2 * u.TeV
    fixed = norm_of(tilt=0.3)
    assert (fixed.tilt.value, fixed.tilt.frozen) == (0.3, True)
    piecewise = norm_of(method="fit", nodes=["1 TeV", "3000 GeV"])
    assert_allclose(piecewise.energy.to_value("TeV"), [1, 3])
    maker = build_makers(settings_of(fov_target(method="fit", node_min_counts=30)).targets[0])[1]
    assert maker.node_min_counts == 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "fit", "tilt": "fit", "nodes": ["1 TeV", "2 TeV"]}, "got both tilt and nodes"),
        ({"tilt": "fit"}, "tilt needs method: fit, got scale"),
        ({"node_min_counts": 10}, "node_min_counts needs method: fit, got scale"),
        ({"method": "fit", "node_min_counts": 0}, "greater than 0"),
        ({"method": "fit", "nodes": ["2 TeV", "1 TeV"]}, "nodes must be strictly ascending, got 2 TeV, 1 TeV"),
        ({"method": "fit", "nodes": ["2 TeV"]}, "at least 2 items"),
        ({"method": "fit", "nodes": ["2 TeV", "3 deg"]}, "got '3 deg', expected an energy"),
        ({"method": "fit", "reference": "1 TeV"}, "reference is that of tilt, which is missing"),
        ({"tilt": float("nan")}, "tilt"),
    ],
)
def test_norms_that_exclude_each_other_are_refused(options, message):
    with pytest.raises(ConfigError, match=r"targets\.0\.makers\.1") as caught:
        settings_of(fov_target(**options))
    assert message in str(caught.value)


def test_new_keys_leave_the_hashes_of_older_settings_as_they_were():
    keys = ["preset", "tilt", "reference", "nodes", "node_min_counts"]
    data = settings_of(fov_target(), spectrum_target()).to_dict()
    assert not [key for target in data["targets"] for step in target["makers"] for key in keys if key in step]
    hashes = {
        settings_of(fov_target(method="fit", **options)).hash()
        for options in ({}, {"tilt": 0.1}, {"tilt": "fit"}, {"node_min_counts": 5}, {"nodes": ["1 TeV", "2 TeV"]})
    }
    assert len(hashes) == 5


def test_reflected_regions_are_built_with_their_finder():
    step = {"type": "ReflectedRegionsBackgroundMaker", "finder": "wobble", "n_off_regions": 5}
    exclusion = ["icrs; circle(83.63, 22.01, 0.3)"]
    makers = [{"type": "SpectrumDatasetMaker"}, step]
    _, reflect = build_makers(settings_of(spectrum_target(makers=makers, exclusion=exclusion)).targets[0])
    assert isinstance(reflect, ReflectedRegionsBackgroundMaker)
    assert isinstance(reflect.region_finder, WobbleRegionsFinder)
    assert reflect.region_finder.n_off_regions == 5
    area = np.sum(~np.asarray(reflect.exclusion_mask.data)) * 0.01**2
    assert_allclose(area, np.pi * 0.3**2, rtol=0.01)


def test_exclusion_comes_from_files_too(tmp_path):
    makers = [{"type": "MapDatasetMaker"}, {"type": "FoVBackgroundMaker"}]
    regions = tmp_path / "regions.reg"
    regions.write_text("icrs; circle(83.63, 22.01, 0.3)\n")
    direct = build_makers(settings_of(map_target(makers=makers, exclusion=[regions.read_text()])).targets[0])[1]
    target = settings_of(map_target(makers=makers, exclusion_file=str(regions))).targets[0]
    by_regions = build_makers(target)[1]
    np.testing.assert_array_equal(by_regions.exclusion_mask.data, direct.exclusion_mask.data)
    direct.exclusion_mask.write(tmp_path / "mask.fits")
    target = settings_of(map_target(makers=makers, exclusion_file=str(tmp_path / "mask.fits"))).targets[0]
    by_mask = build_makers(target)[1]
    np.testing.assert_array_equal(by_mask.exclusion_mask.data, direct.exclusion_mask.data)
    with pytest.raises(ConfigError, match=r"targets\.0\.exclusion\.0: got 'nonsense', which cannot be read"):
        build_makers(settings_of(map_target(makers=makers, exclusion=["nonsense"])).targets[0])


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ({}, 10),
        ({"device": "cuda"}, 50),
        ({"device": "torch:cuda:1"}, 50),
        ({"device": "torch"}, 10),
        ({"device": "cuda", "chunk_size": 3}, 3),
    ],
)
def test_chunks_are_larger_on_a_gpu_unless_their_size_is_given(run, expected):
    settings = Settings.from_dict(settings_of(map_target()).to_dict() | {"run": run})
    assert settings.run.chunk_size == expected
    # Another device for the same settings changes no sums, so that a reduction can be resumed on it.
    assert settings.with_options(device="cpu").hash() == settings.with_options(device="cuda").hash()
