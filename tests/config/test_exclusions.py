"""Exclusions of a target: circles, regions, masks, catalogues and stars, united in one mask."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.testing import assert_array_equal

from lightpool.config import Settings
from lightpool.config.build import build_exclusion, build_makers
from lightpool.errors import ConfigError

FOV = [{"type": "MapDatasetMaker"}, {"type": "FoVBackgroundMaker"}]
RINGS = {
    "RingBackgroundMaker": {"r_in": "0.5 deg", "width": "0.2 deg"},
    "AdaptiveRingBackgroundMaker": {"r_in": "0.5 deg", "width": "0.2 deg", "r_out_max": "1 deg"},
}


@pytest.fixture
def files(tmp_path):
    """Files with exclusions, by the key that names them in the settings."""
    (tmp_path / "some.reg").write_text("icrs; circle(83.2, 22.0, 0.15)\ngalactic; box(184.6, -5.8, 0.3, 0.2, 0)\n")
    sources = {"RAJ2000": [83.63, 84.2, 83.9, 200.0] * u.deg, "DEJ2000": [22.01, 22.4, 21.3, 50.0] * u.deg}
    sources |= {"SIZE": [0.1, 0.25, np.nan, 0.3] * u.deg, "FLUX": [1.0, 2.0, 3.0, 4.0]}
    Table(sources).write(tmp_path / "sources.fits")
    stars = {"RAICRS": [83.0, 84.0, 83.4, 83.5], "DEICRS": [21.5, 22.7, 22.5, 21.4], "Vmag": [3.0, 5.0, 5.01, np.nan]}
    Table(stars).write(tmp_path / "stars.ecsv")
    geom = OneTarget().geom
    geom.region_mask("icrs; circle(83.63, 22.5, 0.2)", inside=False).write(tmp_path / "mask.fits")
    names = {"regions": "some.reg", "catalog": "sources.fits", "stars": "stars.ecsv", "mask": "mask.fits"}
    return {key: str(tmp_path / name) for key, name in names.items()}


class OneTarget:
    """A target of a map with some exclusions, and its pixels."""

    def __init__(self, *exclusion, makers=FOV, **changes):
        data = {
            "name": "crab",
            "kind": "map",
            "center": {"lon": "83.63 deg", "lat": "22.01 deg"},
            "width": "2 deg",
            "binsz": "0.05 deg",
            "energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 3},
            "makers": makers,
            "exclusion": list(exclusion),
        }
        self.data = {"observations": {"datastore": "/store"}, "targets": [data | changes]}
        self.settings = Settings.from_dict(self.data)
        self.target = self.settings.targets[0]

    @property
    def geom(self):
        circle = OneTarget({"lon": "83.63 deg", "lat": "22.01 deg", "radius": "0.1 deg"})
        return build_exclusion(circle.target).geom

    @property
    def excluded(self):
        return ~np.asarray(build_exclusion(self.target).data)


def circles(*rows):
    """Pixels within some radii of some positions, all in deg."""
    directions = OneTarget().geom.get_coord().skycoord
    return np.any([directions.separation(SkyCoord(lon, lat, unit="deg")).deg < r for lon, lat, r in rows], axis=0)


@pytest.mark.parametrize(
    ("key", "options", "expected"),
    [
        ("catalog", {"radius": "0.2 deg"}, [(83.63, 22.01, 0.2), (84.2, 22.4, 0.2), (83.9, 21.3, 0.2)]),
        ("catalog", {"radius_column": "SIZE"}, [(83.63, 22.01, 0.3), (84.2, 22.4, 0.3), (83.9, 21.3, 0.3)]),
        (
            "catalog",
            {"radius": "0.12 deg", "radius_column": "SIZE"},
            [(83.63, 22.01, 0.12), (84.2, 22.4, 0.25), (83.9, 21.3, 0.12)],
        ),
        ("catalog", {"radius": "0.2 deg", "select": "FLUX > 1 and FLUX < 2.5"}, [(84.2, 22.4, 0.2)]),
        ("stars", {"radius": "0.1 deg"}, [(83.0, 21.5, 0.1), (84.0, 22.7, 0.1)]),
        ("stars", {"radius": "0.2 deg", "magnitude_max": 3.5, "magnitude_column": "Vmag"}, [(83.0, 21.5, 0.2)]),
        ("mask", {}, [(83.63, 22.5, 0.2)]),
    ],
)
def test_files_exclude_circles_around_what_they_contain(files, key, options, expected):
    assert_array_equal(OneTarget({key: files[key]} | options).excluded, circles(*expected))


def test_a_file_of_regions_excludes_what_its_text_does(files):
    with open(files["regions"]) as file:
        text = file.read()
    assert_array_equal(OneTarget({"regions": files["regions"]}).excluded, OneTarget(text).excluded)


def test_all_parts_are_united_in_any_order(files):
    parts = [{key: path} for key, path in files.items()]
    parts += [{"lon": "83.3 deg", "lat": "21.4 deg", "radius": "0.2 deg"}, "icrs; circle(84.3, 21.4, 0.2)"]
    each = [OneTarget(part).excluded for part in parts]
    assert all(np.any(one & ~np.any(each[:i] + each[i + 1 :], axis=0)) for i, one in enumerate(each))
    assert_array_equal(OneTarget(*parts).excluded, np.any(each, axis=0))
    assert_array_equal(OneTarget(*parts[::-1]).excluded, np.any(each, axis=0))
    for key in ("regions", "mask"):  # the older key for one file
        others = [part for part in parts if key not in part]
        assert_array_equal(OneTarget(*others, exclusion_file=files[key]).excluded, np.any(each, axis=0))


@pytest.mark.parametrize("maker", RINGS)
def test_rings_get_the_same_mask_as_the_field_of_view(files, maker):
    parts = [{key: path} for key, path in files.items()]
    makers = [{"type": "MapDatasetMaker"}, {"type": maker} | RINGS[maker]]
    ring = build_makers(OneTarget(*parts, makers=makers).target)[1]
    fov = build_makers(OneTarget(*parts).target)[1]
    assert_array_equal(ring.exclusion_mask.data, fov.exclusion_mask.data)


def test_spectra_and_healpix_maps_are_excluded_from_too(files):
    parts = [{key: path} for key, path in files.items()]
    region = {"lon": "83.63 deg", "lat": "22.01 deg", "radius": "0.1 deg"}
    common = {"observations": {"datastore": "/store"}}
    energy = {"edges": ["1 TeV", "10 TeV"]}
    reflect = [{"type": "SpectrumDatasetMaker"}, {"type": "ReflectedRegionsBackgroundMaker"}]
    targets = [
        {"name": "a", "kind": "spectrum", "region": region, "energy": energy, "makers": reflect, "exclusion": parts},
        {"name": "b", "kind": "healpix", "center": "Crab", "nside": 1024, "energy": energy, "width": "2 deg"}
        | {"makers": FOV, "exclusion": parts},
    ]
    for target in Settings.from_dict(common | {"targets": targets}).targets:
        mask = build_makers(target)[1].exclusion_mask
        kept = mask.get_by_coord(
            {"skycoord": SkyCoord([84.2, 83.2, 83.63, 83.0, 83.7], [22.4, 22, 22.5, 21.5, 21.7], unit="deg")}
        )
        assert_array_equal(kept, [0, 0, 0, 0, 1])


def test_files_are_inputs_and_have_copies(files, tmp_path):
    parts = [{key: path} for key, path in files.items()]
    settings = OneTarget(*parts).settings
    assert [str(file) for file in settings.files] == list(files.values())
    copies = {path: f"/copy/{i}" for i, path in enumerate(files.values())}
    assert [str(file) for file in settings.with_files(copies).files] == list(copies.values())
    relative = OneTarget({"stars": "stars.ecsv"}).settings.resolved(tmp_path)
    assert [str(file) for file in relative.files] == [files["stars"]]
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_the_hash_sees_every_key_of_an_exclusion():
    base = {"catalog": "a.fits"}
    others = [{"radius": "0.1 deg"}, {"radius_column": "R"}, {"select": "A > 1"}, {"catalog": "b.fits"}]
    items = [base, *(base | other for other in others), {"stars": "a.fits"}, {"mask": "a.fits"}, {"regions": "a.fits"}]
    items += [{"stars": "a.fits", "magnitude_max": 4}, {"stars": "a.fits", "magnitude_column": "M"}]
    hashes = {OneTarget(item).settings.hash() for item in items} | {OneTarget().settings.hash()}
    assert len(hashes) == len(items) + 1


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"catalog": "none.fits"}, "target 'crab': exclusion.0 cannot be used: no file none.fits"),
        ({"catalog": "@catalog", "radius_column": "R"}, "the catalogue has no column R; it has RAJ2000"),
        ({"catalog": "@catalog", "select": "FLUXX > 1"}, "FLUXX"),
        ({"catalog": "@catalog", "select": "FLUX > 9"}, "excludes nothing: no row is left; check select"),
        ({"stars": "@stars", "magnitude_max": -2}, "excludes nothing: no row is left"),
        ({"stars": "@catalog"}, "the catalogue has no column Vmag or"),
        ({"regions": "@stars"}, "exclusion.0: regions"),
        ({"mask": "@catalog"}, "exclusion.0"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_target_and_key(files, item, message):
    item = {key: files[value[1:]] if str(value).startswith("@") else value for key, value in item.items()}
    with pytest.raises(ConfigError) as caught:
        build_exclusion(OneTarget(item).target)
    assert message in str(caught.value)
    assert "target 'crab'" in str(caught.value)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("{catalog: a.fits, radius: 3}", "got 3 without a unit"),
        ("{catalog: a.fits, radius_colum: R}", "unknown key; did you mean 'radius_column'?"),
        ("{stars: a.fits, magnitude_max: bright}", "got 'bright'"),
        ("{stars: a.fits, magnitude_max: true}", "'magnitude_max' is true or false"),
        ("{regions: a.reg, radius: 1 deg}", "unknown key"),
        ("{mask: [a]}", "got ['a']"),
        ("{lon: 1 deg, lat: 2 deg}", "radius: is missing"),
    ],
)
def test_an_error_in_an_exclusion_has_its_line(tmp_path, item, message):
    path = tmp_path / "bad.yaml"
    path.write_text(f"targets:\n  - kind: map\n    exclusion:\n      - {item}\n")
    with pytest.raises(ConfigError) as caught:
        Settings.read(path)
    found = [
        each for each in str(caught.value).splitlines() if each.startswith(f"{path}, line 4: targets.0.exclusion.0")
    ]
    assert any(message in each for each in found), caught.value


@pytest.mark.parametrize("text", ["image; circle(10, 10, 5)", "icrs; circle(83, 22, 0.3)\nimage; circle(10, 10, 5)"])
def test_regions_in_pixels_are_refused_for_a_spectrum(tmp_path, text):
    (tmp_path / "pixels.reg").write_text(text)
    spectrum = {
        "kind": "spectrum",
        "region": {"lon": "83.63 deg", "lat": "22.01 deg", "radius": "0.1 deg"},
        "makers": [{"type": "SpectrumDatasetMaker"}, {"type": "ReflectedRegionsBackgroundMaker"}],
    }
    axis = {"min": "1 TeV", "max": "10 TeV", "nbin": 3}
    for exclusion in (text, {"regions": str(tmp_path / "pixels.reg")}):
        target = {"name": "crab", "energy": axis, "energy_true": axis, "exclusion": [exclusion]} | spectrum
        settings = Settings.from_dict({"observations": {"datastore": "/store"}, "targets": [target]})
        with pytest.raises(ConfigError, match=r"target 'crab': exclusion.0 .*a region in pixels"):
            build_exclusion(settings.targets[0])
    # a map has pixels
    assert OneTarget("image; circle(10, 10, 5)").excluded.any()
