"""Ring backgrounds and ON-OFF maps: both packages give the same numbers, and read each other's files."""

from importlib import import_module
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.kernels.rings import Ring, ring_sums_plain

pytestmark = pytest.mark.peer

OFF_MAPS = ("counts_off", "acceptance", "acceptance_off")
MAKERS = {
    "ring": ("RingBackgroundMaker", {"r_in": "0.4 deg", "width": "0.3 deg"}),
    "fixed_width": (
        "AdaptiveRingBackgroundMaker",
        {"r_in": "0.4 deg", "width": "0.3 deg", "r_out_max": "1.5 deg", "stepsize": "0.1 deg"},
    ),
    "fixed_r_in": (
        "AdaptiveRingBackgroundMaker",
        {"r_in": "0.4 deg", "width": "0.3 deg", "r_out_max": "1.5 deg", "stepsize": "0.1 deg", "method": "fixed_r_in"},
    ),
}


def names_of(package):
    """All public names of the sub-packages that a reduction needs."""
    names = {}
    for module in ("data", "datasets", "makers", "maps"):
        names |= vars(import_module(f"{package}.{module}"))
    return SimpleNamespace(**names)


PACKAGES = {name: names_of(name) for name in ("lightpool", "gammapy")}


def on_off(package, store, key, planes=slice(0, 4), to_image=False, stack=False):
    """Two simulated runs with a ring background; the same lines for both packages."""
    p = PACKAGES[package]
    energy = p.MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
    geom = p.WcsGeom.create(skydir=(83.63, 22.01), width=4, binsz=0.1, axes=[energy])
    exclusion = geom.region_mask("icrs;circle(83.63, 22.01, 0.4)", inside=False)
    kind, options = MAKERS[key]
    if key != "ring":
        options = options | {"threshold_alpha": {"fixed_width": 0.006, "fixed_r_in": 0.003}[key]}
    maker = getattr(p, kind)(**options, exclusion_mask=exclusion)
    safe = p.SafeMaskMaker(methods=["offset-max"], offset_max="1.8 deg")
    made = []
    for observation in p.DataStore.from_dir(store).get_observations()[:2]:
        dataset = p.MapDatasetMaker().run(p.MapDataset.create(geom, name="run"), observation)
        dataset = safe.run(dataset, observation).slice_by_idx({"energy": planes}, name=f"run-{observation.obs_id}")
        made.append(maker.run(dataset.to_image(name="image") if to_image else dataset))
    if not stack:
        return made[0]
    stacked = p.MapDatasetOnOff.create(geom, name="stacked")
    for dataset in made:
        stacked.stack(dataset)
    return stacked


def lines_of(dataset):
    """Lines that a dataset prints, without the blanks at their ends."""
    return [line.rstrip() for line in str(dataset).splitlines()]


def assert_agree(ours, theirs, where=...):
    for name in ("counts", *OFF_MAPS, "background"):
        found, expected = getattr(ours, name).data, getattr(theirs, name).data
        # Gammapy's OFF maps are float32, with the noise of transforms where they should be zero
        assert_allclose(found[where], expected[where], rtol=2e-6, atol=1e-6, err_msg=name)


def test_rings_agree_plane_by_plane(crab_store):
    ours, theirs = (on_off(package, crab_store, "ring") for package in PACKAGES)
    assert_agree(ours, theirs)
    assert_array_equal(ours.counts_off.data, np.round(theirs.counts_off.data))
    background = on_off("lightpool", crab_store, "ring").acceptance
    is_there = ring_sums_plain((background.data > 0) * 1.0, Ring(4.0, 3.0)) > 0
    agree = is_there | ~ours.mask_safe.data
    assert_array_equal(ours.mask_safe.data[agree], theirs.mask_safe.data[agree])
    assert ours.info_dict()["counts"] == theirs.info_dict()["counts"]


@pytest.mark.parametrize("plane", [0, 3])
@pytest.mark.parametrize("key", ["fixed_width", "fixed_r_in"])
def test_adaptive_rings_agree(crab_store, key, plane):
    ours, theirs = (on_off(package, crab_store, key, slice(plane, plane + 1)) for package in PACKAGES)
    has_off = np.isfinite(theirs.counts_off.data)
    assert_agree(ours, theirs, has_off)
    # pixels for which no ring is large enough are NaN there but not masked
    assert not has_off.all()
    assert_array_equal(ours.mask_safe.data, theirs.mask_safe.data & has_off)


def test_all_planes_at_once_are_the_planes_one_by_one(crab_store):
    whole = on_off("lightpool", crab_store, "fixed_width")
    for plane in range(4):
        one = on_off("lightpool", crab_store, "fixed_width", slice(plane, plane + 1))
        for name in (*OFF_MAPS, "mask_safe"):
            assert_allclose(getattr(whole, name).data[plane], getattr(one, name).data[0], rtol=1e-12)


@pytest.mark.parametrize("method", ["to_image", "downsample", "cutout", "to_spectrum_dataset", "to_map_dataset"])
def test_what_is_made_of_it_agrees(crab_store, method):
    import regions

    center = SkyCoord(83.63, 22.01, unit="deg")
    arguments = {
        "downsample": [2],
        "cutout": [center, 1.5 * u.deg],
        "to_spectrum_dataset": [regions.CircleSkyRegion(center, 0.3 * u.deg)],
    }.get(method, [])
    ours, theirs = (getattr(on_off(package, crab_store, "ring"), method)(*arguments) for package in PACKAGES)
    names = ["counts", "background", *([] if method == "to_map_dataset" else OFF_MAPS)]
    for name in names:
        found, expected = getattr(ours, name).data, getattr(theirs, name).data
        finite = np.isfinite(expected)
        if name == "acceptance_off":  # of pixels without OFF counts that of the mean alpha, there a ratio of noise
            finite = finite & (ours.counts_off.data > 0)
        assert_allclose(found[finite], expected[finite], rtol=1e-5, atol=1e-5, err_msg=name)
    assert_array_equal(ours.mask_safe.data, theirs.mask_safe.data)


def test_stacks_agree(crab_store):
    ours, theirs = (on_off(package, crab_store, "ring", stack=True) for package in PACKAGES)
    for name in ("counts", "counts_off", "acceptance", "background"):
        found, expected = getattr(ours, name).data, getattr(theirs, name).data
        assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)
    assert lines_of(ours)[:9] == lines_of(theirs)[:9]


def test_gammapy_reads_our_file(crab_store, tmp_path):
    ours = on_off("lightpool", crab_store, "ring")
    ours.write(tmp_path / "ours.fits.gz")
    theirs = PACKAGES["gammapy"].MapDatasetOnOff.read(tmp_path / "ours.fits.gz", name=ours.name)
    for name in ("counts", "exposure", "mask_safe", *OFF_MAPS):
        assert_array_equal(getattr(theirs, name).data, getattr(ours, name).data, err_msg=name)
    assert_array_equal(theirs.psf.psf_map.data, ours.psf.psf_map.data)
    assert_array_equal(theirs.edisp.edisp_map.data, ours.edisp.edisp_map.data)


def test_we_read_the_file_of_gammapy(crab_store, tmp_path):
    theirs = on_off("gammapy", crab_store, "ring")
    theirs.write(tmp_path / "theirs.fits.gz")
    ours = PACKAGES["lightpool"].MapDatasetOnOff.read(tmp_path / "theirs.fits.gz")
    for name in ("counts", "exposure", "mask_safe", *OFF_MAPS):
        assert_array_equal(getattr(ours, name).data, getattr(theirs, name).data, err_msg=name)
    assert ours.mask_safe.is_mask
    assert_allclose(ours.stat_sum(), theirs.stat_sum(), rtol=1e-9)
    assert_allclose(ours.gti.time_sum.to_value("s"), theirs.gti.time_sum.to_value("s"))


def test_the_summary_prints_alike(crab_store, tmp_path):
    ours = on_off("lightpool", crab_store, "ring", to_image=True)
    ours.write(tmp_path / "ours.fits")
    theirs = PACKAGES["gammapy"].MapDatasetOnOff.read(tmp_path / "ours.fits", name=ours.name)
    assert lines_of(ours) == lines_of(theirs)
