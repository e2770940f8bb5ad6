import pickle
from itertools import pairwise

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, Regions

from lightpool.arrays import to_device, to_host, unit_vectors
from lightpool.makers import BackgroundModelMaker, SkyExclusion
from lightpool.maps import HpxGeom, Map, MapAxis, WcsGeom

CENTER = SkyCoord(359.8, -40.0, unit="deg")
CIRCLE = "icrs;circle(359.8, -40.0, 0.7)"
ELLIPSE = "galactic;ellipse(346.0, -72.0, 1.5, 0.4, 30)"


def positions(n=3000, size=3.0, center=CENTER):
    rng = np.random.default_rng(11)
    return center.directional_offset_by(rng.uniform(0, 360, n) * u.deg, size * np.sqrt(rng.uniform(size=n)) * u.deg)


def on_device(exclusion, sky, device):
    vectors = to_device(unit_vectors(np.asarray(sky.ra.rad), np.asarray(sky.dec.rad)), device)
    return to_host(exclusion.contains(vectors))


GEOMS = {
    "TAN": WcsGeom.create(skydir=CENTER, width=5, binsz=0.05),
    "galactic CAR": WcsGeom.create(skydir=CENTER.galactic, width=5, binsz=0.05, frame="galactic", proj="CAR"),
    "all sky": WcsGeom.create(skydir=(180, 0), binsz=0.5, proj="CAR"),
    "HEALPix": HpxGeom.create(nside=128, frame="galactic"),
    "part of HEALPix": HpxGeom.create(nside=256, frame="icrs", region=f"DISK({CENTER.ra.deg},{CENTER.dec.deg},2)"),
}


@pytest.mark.parametrize("name", GEOMS)
def test_a_mask_excludes_its_false_pixels_and_nothing_outside(device, name):
    geom, sky = GEOMS[name], positions()
    mask = geom.region_mask(CIRCLE, inside=False)
    exclusion = SkyExclusion.from_mask(mask)
    kept = to_host(mask.get_by_coord({"skycoord": sky}, fill_value=1.0))
    assert_array_equal(on_device(exclusion, sky, device), ~kept.astype(bool))
    assert on_device(exclusion, sky, device).any()


def test_masks_regions_and_circles_are_united(device):
    sky = positions()
    parts = [
        SkyExclusion.from_regions([CIRCLE, ELLIPSE]),
        SkyExclusion.from_mask(GEOMS["TAN"].region_mask("icrs;box(0.5, -39, 1, 1, 0)", inside=False)),
        SkyExclusion.from_positions(SkyCoord([1.0, 358.0], [-41, -39.5], unit="deg"), [0.3, 0.4] * u.deg),
    ]
    each = [on_device(part, sky, device) for part in parts]
    both = parts[0] | parts[1] | parts[2]
    assert_array_equal(on_device(both, sky, device), np.any(each, axis=0))
    assert_array_equal(on_device(pickle.loads(pickle.dumps(parts[2] | parts[1])), sky, device), each[2] | each[1])
    assert all(found.any() for found in each)
    assert SkyExclusion.union([]).is_empty
    assert not on_device(SkyExclusion(), sky, device).any()


def test_what_is_near_a_pointing_is_all_that_matters_there():
    exclusion = (
        SkyExclusion.from_regions([CIRCLE, ELLIPSE, "icrs;circle(100, 20, 1)"])
        | SkyExclusion.from_mask(GEOMS["TAN"].region_mask("icrs;circle(1.5, -38.5, 0.4)", inside=False))
        | SkyExclusion.from_mask(WcsGeom.create(skydir=(90, 0), width=3).region_mask("icrs;circle(90, 0, 1)", False))
    )
    for center in (CENTER, SkyCoord(2.0, -39.0, unit="deg"), SkyCoord(0.5, -43.0, unit="deg")):
        vector = unit_vectors(np.array(center.ra.rad), np.array(center.dec.rad))
        near, distances = exclusion.near(vector, np.deg2rad(2.0))
        sky = positions(center=center, size=2.0)
        excluded = exclusion.contains_positions(sky)
        assert_array_equal(near.contains_positions(sky), excluded)
        away = sky[excluded].separation(center).rad
        covered = np.zeros(len(away), dtype=bool)
        for low, high in distances:
            covered |= (away >= low) & (away <= high)
        assert covered.all()
        assert all(a[1] < b[0] for a, b in pairwise(distances))
    assert exclusion.near(np.array([0.0, 0.0, 1.0]), 0.05)[1] == []


def test_sources_of_a_catalogue_have_a_radius_each(tmp_path):
    table = Table(
        {"RAJ2000": [10.0, 20.0, 30.0] * u.deg, "DEJ2000": [0.0, 5.0, 5.0] * u.deg, "Size": [1.0, np.nan, 0.1]}
    )
    exclusion = SkyExclusion.from_catalog(table, "0.3 deg", radius_column="Size")
    assert_allclose(np.rad2deg(exclusion.radii), [1.0, 0.3, 0.3])
    path = tmp_path / "sources.fits"
    table.write(path)
    table.write(tmp_path / "sources.ecsv")
    for file in (path, tmp_path / "sources.ecsv"):
        again = SkyExclusion.from_catalog(file, "0.3 deg", radius_column="Size")
        assert_allclose(again.centers, exclusion.centers, atol=1e-15)
        assert_array_equal(again.radii, exclusion.radii)
    assert SkyExclusion.from_catalog(table).contains_positions(SkyCoord(20, 5.2, unit="deg"))
    with pytest.raises(ValueError, match="no column EXTENT"):
        SkyExclusion.from_catalog(table, radius_column="EXTENT")
    with pytest.raises(ValueError, match="no column RA or"):
        SkyExclusion.from_catalog(Table({"x": [1]}))


def test_only_bright_stars_are_excluded():
    stars = Table({"RAICRS": [10.0, 11.0, 12.0, 13.0], "DEICRS": [0.0] * 4, "Vmag": [2.0, 5.0, 5.01, np.nan]})
    exclusion = SkyExclusion.from_stars(stars, magnitude_max=5.0, radius="0.25 deg")
    inside = exclusion.contains_positions(SkyCoord([10.0, 11.2, 12.0, 13.0], [0.2, 0, 0, 0], unit="deg"))
    assert inside.tolist() == [True, True, False, False]


def test_regions_are_read_from_a_file_and_errors_name_it(tmp_path):
    path = tmp_path / "exclusion.reg"
    Regions([CircleSkyRegion(CENTER, 0.5 * u.deg)]).write(path, format="ds9")
    assert SkyExclusion.from_region_file(path).contains_positions(CENTER)
    path.write_text("icrs;point(10, 10)")
    with pytest.raises(TypeError, match=r"(?s)exclusion\.reg.*no area"):
        SkyExclusion.from_region_file(path)


def test_an_exclusion_that_makes_no_sense_is_refused():
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    with pytest.raises(ValueError, match="must be an image"):
        SkyExclusion.from_mask(WcsGeom.create(skydir=CENTER, width=1, axes=[energy]).region_mask(CIRCLE, inside=False))
    with pytest.raises(TypeError, match="must be a map of bool"):
        SkyExclusion.from_mask(Map.create(skydir=CENTER, width=1))
    with pytest.raises(ValueError, match="0 or more"):
        SkyExclusion.from_positions(CENTER, -1 * u.deg)
    with pytest.raises(ValueError, match="finite"):
        SkyExclusion.from_positions(SkyCoord([np.nan], [0], unit="deg"), 1 * u.deg)
    offset = MapAxis.from_bounds(0, 2, nbin=2, unit="deg", name="offset")
    assert BackgroundModelMaker(energy, offset, exclusion=CIRCLE).exclusion.contains_positions(CENTER)
