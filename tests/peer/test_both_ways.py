"""Each package reads what the other writes, and both make the same of the simulated runs."""

from importlib import import_module
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

pytestmark = pytest.mark.peer

MAPS = ("counts", "exposure", "background", "mask_safe")


def names_of(package):
    """All public names of the sub-packages that a reduction needs."""
    names = {}
    for module in ("data", "datasets", "irf", "makers", "maps"):
        names |= vars(import_module(f"{package}.{module}"))
    return SimpleNamespace(**names)


PACKAGES = {}


@pytest.fixture(scope="module", autouse=True)
def packages(gammapy):
    PACKAGES.update({name: names_of(name) for name in ("gammapy", "lightpool")})


def reduce(package, store, projection, migra=False, stack=True):
    """Four simulated runs, reduced by one of the packages with the same lines."""
    lib = PACKAGES[package]
    energy = lib.MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5)
    energy_true = lib.MapAxis.from_energy_bounds("0.3 TeV", "40 TeV", nbin=9, name="energy_true")
    migra_axis = lib.MapAxis.from_bounds(0.2, 3, nbin=28, node_type="edges", name="migra") if migra else None
    geom = lib.WcsGeom.create(axes=[energy], **projection)
    empty = lib.MapDataset.create(geom, energy_axis_true=energy_true, migra_axis=migra_axis, name="all")
    exclusion = geom.region_mask("icrs;circle(83.633, 22.014, 0.4)", inside=False)
    makers = [
        lib.MapDatasetMaker(),
        lib.SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="1.7 deg"),
        lib.FoVBackgroundMaker(method="scale", exclusion_mask=exclusion),
    ]
    observations = lib.DataStore.from_dir(store).get_observations([1, 2, 3, 4])
    maker = lib.DatasetsMaker(makers, stack_datasets=stack, n_jobs=1, cutout_width="3.4 deg")
    datasets = maker.run(empty, observations)
    return datasets[0] if stack else datasets


def printed(dataset):
    """Lines of the summary; Gammapy leaves blanks at the end of some."""
    return [line.rstrip() for line in str(dataset).rstrip().splitlines()]


def assert_same(found, expected, rtol):
    for name in MAPS:
        one, other = getattr(found, name), getattr(expected, name)
        atol = 1e-12 * np.abs(other.data).max()
        assert_allclose(one.data, other.data, rtol=rtol, atol=atol, err_msg=name)
        assert u.Unit(str(one.unit)) == u.Unit(str(other.unit))
    for name in ("psf", "edisp"):
        one, other = getattr(found, name), getattr(expected, name)
        values, of_other = (getattr(each, f"{name}_map").data for each in (one, other))
        atol = max(2e-8 if name == "edisp" else 0, rtol * np.abs(of_other).max())
        assert_allclose(values, of_other, rtol=rtol, atol=atol, err_msg=name)
        assert_allclose(one.exposure_map.data, other.exposure_map.data, rtol=rtol, atol=1, err_msg=name)
    assert_allclose(found.gti.time_sum.to_value("s"), expected.gti.time_sum.to_value("s"), atol=1e-6)


@pytest.mark.parametrize("migra", [False, True], ids=["kernels", "migra"])
def test_both_make_the_same_of_simulated_runs(crab_store, projection, migra):
    ours, theirs = (reduce(package, crab_store, projection, migra) for package in ("lightpool", "gammapy"))
    assert_array_equal(ours.counts.data, theirs.counts.data)
    assert_array_equal(ours.mask_safe.data, theirs.mask_safe.data)
    assert_same(ours, theirs, rtol=1e-5)  # Gammapy stacks in float32


@pytest.mark.parametrize("i", range(4))
def test_both_make_the_same_of_one_run(crab_store, projection, i):
    ours, theirs = (reduce(package, crab_store, projection, stack=False)[i] for package in ("lightpool", "gammapy"))
    assert_array_equal(ours.counts.data, theirs.counts.data)
    assert_allclose(
        ours.background_model.spectral_model.norm.value, theirs.background_model.spectral_model.norm.value, rtol=1e-9
    )
    assert_same(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize("migra", [False, True], ids=["kernels", "migra"])
def test_gammapy_reads_our_dataset(crab_store, projection, migra, tmp_path):
    ours = reduce("lightpool", crab_store, projection, migra)
    ours.write(tmp_path / "ours.fits.gz")
    theirs = PACKAGES["gammapy"].MapDataset.read(tmp_path / "ours.fits.gz", name="all")
    assert_same(theirs, ours, rtol=0 if not migra else 1e-15)
    assert printed(ours) == printed(theirs)


@pytest.mark.parametrize("migra", [False, True], ids=["kernels", "migra"])
def test_we_read_the_dataset_of_gammapy(crab_store, projection, migra, tmp_path):
    theirs = reduce("gammapy", crab_store, projection, migra)
    theirs.write(tmp_path / "theirs.fits.gz")
    ours = PACKAGES["lightpool"].MapDataset.read(tmp_path / "theirs.fits.gz", name="all")
    assert_same(ours, theirs, rtol=1e-15)


@pytest.mark.parametrize(("writer", "reader"), [("lightpool", "gammapy"), ("gammapy", "lightpool")])
def test_lists_of_datasets_with_their_models(crab_store, projection, tmp_path, writer, reader):
    written = reduce(writer, crab_store, projection, stack=False)
    written.write(tmp_path / "datasets.yaml", filename_models=tmp_path / "models.yaml")
    read = PACKAGES[reader].Datasets.read(tmp_path / "datasets.yaml", filename_models=tmp_path / "models.yaml")
    assert read.names == written.names
    for one, other in zip(read, written, strict=True):
        assert_same(one, other, rtol=1e-15)
        assert_allclose(one.npred_background().data, other.npred_background().data, rtol=1e-12)


def test_responses_are_read_alike(crab_store):
    ours, theirs = (PACKAGES[name].DataStore.from_dir(crab_store).get_observations() for name in PACKAGES)
    for one, other in zip(ours, theirs, strict=True):
        assert type(one.psf).__name__ == type(other.psf).__name__
        assert type(one.bkg).__name__ == type(other.bkg).__name__
        for name in ("aeff", "edisp", "bkg", "rad_max"):
            assert_array_equal(getattr(one, name).data, getattr(other, name).data, err_msg=name)
            assert str(getattr(one, name).unit) == str(getattr(other, name).unit)
        for name in ("RA", "DEC", "ENERGY", "TIME"):
            assert_array_equal(np.asarray(one.events.table[name]), np.asarray(other.events.table[name]))
        assert str(one) == str(other)


def test_index_tables_are_read_alike(crab_store):
    ours, theirs = (PACKAGES[name].DataStore.from_dir(crab_store) for name in PACKAGES)
    for name in ("obs_table", "hdu_table"):
        one, other = Table(getattr(ours, name)), Table(getattr(theirs, name))
        assert one.colnames == other.colnames
        for column in one.colnames:
            assert list(one[column]) == list(other[column]), column
