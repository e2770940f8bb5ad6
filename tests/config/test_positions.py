"""Positions and regions in settings: in numbers, in hours and minutes, in several frames, by name, as points."""

import os

import pytest
from astropy.coordinates import SkyCoord
from pydantic import TypeAdapter, ValidationError

from lightpool.config import Settings
from lightpool.config.build import build_dataset
from lightpool.config.positions import Circle, Point, Position
from lightpool.config.sources import SOURCE_NAMES, known_source
from lightpool.config.targets import Region
from lightpool.errors import ConfigError

CRAB = SkyCoord("05h34m31.9s", "22d00m52s")


def position(**values):
    return Position.model_validate(values)


@pytest.mark.parametrize(
    "values",
    [
        {"lon": "05h34m31.9s", "lat": "22d00m52s"},
        {"lon": "05:34:31.9", "lat": "22:00:52"},
        {"lon": "05:34:31.9 hourangle", "lat": "22:00:52 deg"},
        {"lon": "83:37:58.5 deg", "lat": "+22:00:52"},
        {"lon": "8.36329166666667e1 deg", "lat": "22.01444444444 deg", "frame": "ICRS"},
        {"lon": "05h34m31.9s", "lat": "22d00m52s", "frame": "fk5"},
        {"lon": "184.55715 deg", "lat": "-5.78427 deg", "frame": "galactic"},
        {"lon": "05h31m30.9s", "lat": "21d58m52s", "frame": "fk4"},
        {"name": "Crab"},
    ],
)
def test_one_place_may_be_written_in_many_ways(values):
    place = position(**values)
    assert place.skycoord.icrs.separation(CRAB).arcsec < 30
    assert place.skycoord.frame.name == ("galactic" if place.frame == "galactic" else "icrs")
    assert Position.model_validate(place.model_dump()) == place


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lon": "05:34:31.9", "lat": "1 deg", "frame": "galactic"}, "hours or degrees?"),
        ({"lon": "83:37:58.8", "lat": "1 deg"}, "read as hours and must be below 24"),
        ({"lon": "05:34:31.9 min", "lat": "1 deg"}, "expected the unit hourangle or deg"),
        ({"lon": "1 deg", "lat": "92 deg"}, "expected -90 deg to 90 deg"),
        ({"lon": "836.3 deg", "lat": "2 deg"}, "expected 0 deg to 360 deg"),
        ({"lon": "1 deg", "lat": "2 deg", "frame": "altaz"}, "'icrs', 'galactic', 'fk5' or 'fk4'"),
        ({"name": "Vela", "lon": "1 deg"}, "give only one of them"),
        ({"name": 5}, "expected one such as 'Crab'"),
        ({"lat": "2 deg"}, "lon"),
    ],
)
def test_a_place_that_is_none_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        position(**values)


def test_every_source_of_the_list_is_found_whatever_its_spelling():
    for name in SOURCE_NAMES:
        for spelling in (name, name.lower(), name.replace(" ", "")):
            found = Position.model_validate(spelling).skycoord
            assert (found.ra.deg, found.dec.deg) == pytest.approx(known_source(name))


def test_a_name_that_nobody_knows_says_what_to_write(monkeypatch):
    def no_network(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(SkyCoord, "from_name", no_network)
    with pytest.raises(ValidationError, match=r"'Nebula 7' is not in the built-in list.*no network.*give coordinates"):
        Position.model_validate("Nebula 7")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"name": "Crab", "radius": "0.1 deg"}, Circle),
        ({"name": "Crab"}, Point),
        ({"lon": "1 deg", "lat": "2 deg", "frame": "fk5"}, Point),
        ("icrs; point(83.63, 22.01)", str),
    ],
)
def test_a_region_is_a_circle_a_point_or_a_text(value, kind):
    adapter = TypeAdapter(Region)
    region = adapter.validate_python(value)
    assert type(region) is kind
    assert adapter.validate_python(region) == region


@pytest.mark.parametrize(
    "text",
    [
        "icrs;circle(nan,nan,nan)",
        "icrs;circle(1,2)",
        "icrs;circle(1,95,1)",
        "icrs;circle(1,2,-1)",
        "icrs;circle(1,2,inf)",
        "icrs;circle(1,2,3)\nnonsense(4)",
        "icrs;polygon(1,2,3,4,nan,6)",
        "fk9;circle(1,2,3)",
        "nonsense",
        "",
    ],
)
def test_a_text_of_which_a_region_would_be_lost_is_refused(text):
    with pytest.raises(ValidationError, match="expected regions in DS9 format"):
        TypeAdapter(Region).validate_python(text)


def spectrum(**changes):
    target = {"name": "s", "kind": "spectrum", "energy": {"edges": ["1 TeV", "1e4 GeV"]}}
    target |= {"region": {"name": "Crab"}, "makers": [{"type": "SpectrumDatasetMaker"}]}
    return {"observations": {"datastore": "/store"}, "targets": [target | changes]}


def test_spectra_of_points_and_of_circles_in_other_frames_are_built():
    point = build_dataset(Settings.from_dict(spectrum()).targets[0])
    assert point.counts.geom.is_all_point_sky_regions
    circle = {"lon": "05h34m31.9s", "lat": "22d00m52s", "frame": "fk5", "radius": "6e-1 deg"}
    geom = build_dataset(Settings.from_dict(spectrum(region=circle)).targets[0]).counts.geom
    assert geom.region.radius.to_value("deg") == pytest.approx(0.6)
    assert geom.center_skydir.separation(CRAB).arcsec < 1


@pytest.fixture
def settings_file(tmp_path):
    def write(**changes):
        import yaml

        path = tmp_path / "night" / "settings.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(spectrum() | changes))
        return path

    return write


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("observations.datastore", {"observations": {"datastore": "$STORE/dl3"}}),
        ("observations.obs_ids_file", {"observations": {"datastore": "/s", "obs_ids_file": "${STORE}/dl3"}}),
        ("targets.0.exclusion_file", spectrum(exclusion_file="$STORE/dl3")),
        ("groups.0.file", {"groups": [{"name": "g", "by": "gti", "file": "$STORE/dl3"}]}),
        ("output.folder", {"output": {"folder": "$STORE/dl3"}}),
    ],
)
def test_variables_are_expanded_in_every_path_and_the_key_is_named_without_them(
    settings_file, monkeypatch, tmp_path, key, changes
):
    path = settings_file(**changes)
    monkeypatch.setenv("STORE", str(tmp_path / "elsewhere"))
    settings = Settings.read(path)
    value = settings.to_dict()
    for part in key.split("."):
        value = value[int(part) if part.isdigit() else part]
    assert value == str(tmp_path / "elsewhere" / "dl3")
    monkeypatch.setenv("STORE", "relative")
    assert str(tmp_path / "night" / "relative" / "dl3") in str(Settings.read(path).to_dict())
    for state in ("is not set", "is empty"):
        monkeypatch.delenv("STORE") if state == "is not set" else monkeypatch.setenv("STORE", "")
        with pytest.raises(ConfigError, match=rf"line \d+: {key}: .*STORE {state}"):
            Settings.read(path)


def test_home_and_addresses_of_files_are_paths_and_addresses_of_machines_are_not(settings_file, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    read = {}
    for folder in ("~/out", f"file://{tmp_path}/out", "$HOME/out"):
        read[folder] = Settings.read(settings_file(output={"folder": folder})).output.folder
    assert set(read.values()) == {os.path.join(tmp_path, "out")}
    for address in ("https://x.org/dl3", "s3://bucket/dl3", "root://host//dl3", "zip://dl3::/data/all.zip"):
        assert Settings.read(settings_file(observations={"datastore": address})).observations.datastore == address
        with pytest.raises(ConfigError, match=r"output\.folder: .*on another machine.*nothing is written"):
            Settings.read(settings_file(output={"folder": address}))
    with pytest.raises(ConfigError, match=r"observations\.datastore: .*on another machine, 'host'"):
        Settings.read(settings_file(observations={"datastore": "file://host/dl3"}))
    with pytest.raises(ConfigError, match="home folder"):
        Settings.read(settings_file(output={"folder": "~nobody-of-this-name/out"}))


def test_a_folder_whose_name_holds_a_variable_is_left_as_it_is(monkeypatch, tmp_path):
    folder = tmp_path / "price in $STORE"
    folder.mkdir()
    monkeypatch.setenv("STORE", "x")
    settings = Settings.from_dict(spectrum()).resolved(folder)
    assert settings.output.folder == str(folder / "lightpool-output")
    assert Settings.from_dict(settings.to_dict()) == settings


def test_schemas_for_editors_know_names():
    schema = Settings.model_json_schema()
    assert schema["$defs"]["MapTarget"]["properties"]["center"]["anyOf"][1] == {"type": "string"}
    assert "name" in schema["$defs"]["Circle"]["properties"]
    assert schema["$defs"]["Circle"]["required"] == ["radius"]
