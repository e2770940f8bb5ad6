"""Settings of background models: a template, errors that name lines, and what the sums depend on."""

import json
from importlib import resources

import numpy as np
import pytest
import yaml

from lightpool.config.background import BackgroundSettings
from lightpool.config.build_background import build_background_maker, build_table_maker
from lightpool.config.kinds import read_settings, settings_from_dict
from lightpool.config.settings import Settings
from lightpool.errors import ConfigError

TEMPLATE = resources.files("lightpool.config").joinpath("background.yaml").read_text()
BINS = {
    "energy_axis": {"min": "0.5 TeV", "max": "8 TeV", "nbin": 4},
    "axes": {"offset": {"max": "2 deg", "nbin": 4}},
}


def settings_of(**sections):
    data = {"observations": {"datastore": "/store"}, "background": BINS}
    return BackgroundSettings.from_dict(data | sections)


def test_the_template_is_a_settings_file_that_can_be_carried_out(tmp_path):
    path = tmp_path / "background.yaml"
    path.write_text(TEMPLATE)
    settings = read_settings(path)
    assert isinstance(settings, BackgroundSettings)
    assert settings.observations.datastore == str(tmp_path / "hess-dl3-dr1")
    maker = build_background_maker(settings)
    assert maker.energy_axis.nbin == 20
    assert maker.field.is_radial
    assert build_table_maker(settings).min_remaining == 0.1


@pytest.mark.parametrize("section", ["tables", "run", "output"])
def test_defaults_behind_a_hash_in_the_template_are_those_of_the_settings(section):
    """But for examples of keys that have no default."""
    examples = {"energy_axis", "smoothing", "extrapolate_below", "observation_timeout", "store_out", "folder"}
    text = "\n".join(line.removeprefix("# ") for line in TEMPLATE.splitlines())
    lines = text[text.index(f"\n{section}:") + 1 :].split("\n\n")[0].splitlines()
    # keys of the output have a hash of their own
    shown = yaml.safe_load(
        "\n".join(line.replace("  # ", "  ", 1) if line.startswith("  # ") else line for line in lines)
    )
    defaults = getattr(settings_of(), section).model_dump()
    given = {key: value for key, value in shown[section].items() if key not in examples}
    assert given == {key: value for key, value in defaults.items() if key not in examples}
    settings_of(**{section: shown[section] | ({"interpolate_zenith": False} if section == "tables" else {})})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("energy_axis: {min: 0.3", "energy_axs: {min: 0.3", "unknown key; did you mean 'energy_axis'"),
        ("min: 0.3 TeV, max", "min: 0.3 deg, max", "expected an energy with its unit"),
        ("offset: {max: 2.5 deg, nbin: 10}", "offset: {max: 2.5 deg}", "expected max and nbin (and min), or edges"),
        ("offset:", "fov_lon:", "expected either offset, or fov_lon and fov_lat, got fov_lon"),
        ("by: zenith, n_bin: 2", "by: zenith, n_sector: 2", "groups by 'zenith' do not take n_sector"),
        ("by: zenith, n_bin: 2, spacing: counts", "by: zenith", "give either edges or n_bin"),
        ("by: zenith, n_bin: 2", "by: Zenith, n_bin: 2", "got 'Zenith'"),
        ("radius: 0.4 deg", "radius: 0.4", "got 0.4 without a unit"),
        ("  folder: background", "  folder: background\n  tables: run", "got 'run'"),
        ("  # fov_alignment: ALTAZ", "  fov_alignment: AltAz", "got 'AltAz'"),
        ("  # max_rotation: 0.2", "  max_rotation: 2", "less than or equal to 1"),
    ],
)
def test_wrong_keys_and_values_are_named_with_their_line(old, new, message, tmp_path):
    assert old in TEMPLATE
    text = TEMPLATE.replace(old, new, 1)
    path = tmp_path / "background.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        BackgroundSettings.read(path)
    number = next(n for n, each in enumerate(text.splitlines(), 1) if new.splitlines()[-1] in each)
    assert message in str(error.value)
    # Of a section as a whole, the line is that of its key.
    assert any(f"line {n}:" in str(error.value) for n in (number, number - 1)), str(error.value)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"groups": [{"by": "column"}]}, "groups.0: groups by 'column' need column"),
        ({"groups": [{"by": "dates", "edges": ["2004-01-01", "soon"]}]}, "groups.0: "),
        ({"groups": [{"by": "zenith", "edges": [40, 20]}]}, "need two or more ascending edges"),
        ({"groups": [{"by": "zenith", "edges": ["20 m", 30]}]}, "expected a number or an angle"),
        ({"groups": [{"by": "azimuth"}, {"by": "azimuth", "n_sector": 4}]}, "got more than once: azimuth"),
        ({"tables": {"interpolate_zenith": True}}, "needs groups by zenith"),
        (
            {"tables": {"interpolate_zenith": True}, "groups": [{"by": "zenith", "n_bin": 2}]},
            "needs output.tables: runs",
        ),
        (
            {"tables": {"interpolate_zenith": True, "min_counts": 5}, "groups": [{"by": "zenith", "n_bin": 2}]},
            "needs common_energy_bins: true",
        ),
        ({"tables": {"min_remaining": 0}}, "tables.min_remaining: got 0"),
        ({"tables": {"smoothing": True}}, "the value of 'smoothing' is true or false"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(sections, message):
    with pytest.raises(ConfigError) as error:
        settings_of(**sections)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "item",
    [
        {"mask": "/none.fits"},
        {"regions": "/none.reg"},
        "icrs; point(83, 22)",
        {"catalog": "/none.fits"},
        {"stars": "/none.ecsv"},
    ],
)
def test_an_exclusion_that_cannot_be_used_is_named(item):
    good = "icrs; circle(83, 22, 0.1)"
    with pytest.raises(ConfigError, match=r"background\.exclusion\.1 cannot be used: "):
        build_background_maker(settings_of(background=BINS | {"exclusion": [good, item]}))


def test_bins_of_tables_are_unions_of_the_fine_ones():
    edges = {"energy_axis": {"edges": ["0.5 TeV", "2 TeV", "8 TeV"]}}
    assert build_table_maker(settings_of(tables=edges)).energy_axis.nbin == 2
    with pytest.raises(ConfigError, match=r"tables.energy_axis: 3 TeV is no edge .* the nearest one is 4 TeV"):
        build_table_maker(settings_of(tables={"energy_axis": {"edges": ["0.5 TeV", "3 TeV", "8 TeV"]}}))


def test_the_hash_sees_what_the_sums_depend_on_and_nothing_else():
    base = settings_of()
    for same in (
        settings_of(groups=[{"by": "zenith", "n_bin": 2}]),
        settings_of(tables={"smoothing": 1}),
        settings_of(output={"tables": "runs", "store_out": "/new"}),
        settings_of(run={"chunk_size": 3, "device": "torch"}),
        settings_of(observations={"datastore": "/moved", "obs_ids": [1]}),
    ):
        assert same.hash() == base.hash()
    for other in (
        settings_of(background=BINS | {"oversampling": 5}),
        settings_of(background=BINS | {"exclusion": ["icrs; circle(83, 22, 0.3)"]}),
        settings_of(observations={"datastore": "/store", "required_irf": "all-optional"}),
    ):
        assert other.hash() != base.hash()


def test_settings_survive_dictionaries_json_and_yaml(tmp_path):
    exclusion = [{"mask": "m.fits"}, {"regions": "a.reg"}, {"regions": "/b.reg"}, {"catalog": "c.fits"}]
    settings = settings_of(
        background=BINS | {"exclusion": exclusion},
        groups=[{"by": "zenith", "edges": ["20 deg", 40, 60.5]}, {"by": "azimuth"}, {"by": "telescopes"}],
        output={"store_out": "new"},
    )
    assert settings_from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    (tmp_path / "again.yaml").write_text(settings.to_yaml())
    resolved = settings.resolved(tmp_path)
    assert BackgroundSettings.read(tmp_path / "again.yaml").to_dict() == resolved.to_dict()
    assert list(map(str, resolved.files)) == [
        str(tmp_path / "m.fits"),
        str(tmp_path / "a.reg"),
        "/b.reg",
        str(tmp_path / "c.fits"),
    ]
    assert resolved.output.store_out == str(tmp_path / "new")
    copies = {str(tmp_path / "a.reg"): "/copy.reg", str(tmp_path / "c.fits"): "/copy.fits"}
    copied = resolved.with_files(copies)
    assert [each.regions for each in copied.background.exclusion[1:3]] == ["/copy.reg", "/b.reg"]
    assert copied.background.exclusion[3].catalog == "/copy.fits"


def test_groups_of_the_settings_are_those_of_python():
    built = [
        each.build()
        for each in settings_of(groups=[{"by": "zenith", "edges": ["20 deg", 40]}, {"by": "azimuth"}]).groups
    ]
    assert built[0].edges == (20.0, 40.0)
    assert built[1].n_bin == 2
    dates = settings_of(groups=[{"by": "dates", "edges": ["2004-01-01", "2005-01-01"]}]).groups[0].build()
    np.testing.assert_allclose(dates.edges, [53005, 53371])


def test_the_two_kinds_of_settings_are_told_apart():
    assert isinstance(settings_from_dict(settings_of().to_dict()), BackgroundSettings)
    with pytest.raises(ConfigError, match="background: unknown key"):
        Settings.from_dict(settings_of().to_dict())
