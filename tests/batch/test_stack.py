"""Files of datasets are added up by what they hold, each observation once, in their own layout."""

import os
import shutil

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner
from numpy.testing import assert_allclose
from small_reductions import MAP, SPECTRUM

from lightpool.arrays import to_host, use_device
from lightpool.batch import make_plan, run_batch
from lightpool.batch.stack_files import stack_files
from lightpool.cli import main
from lightpool.data import GTI
from lightpool.datasets import (
    Datasets,
    MapDataset,
    MapDatasetOnOff,
    SpectrumDataset,
    SpectrumDatasetOnOff,
    read_dataset,
)
from lightpool.datasets.observations import obs_ids_of
from lightpool.errors import FormatError
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)


def gti_of(start):
    return GTI.create([start] * u.s, [start + 1000] * u.s, reference_time="2010-01-01")


def filled(geom, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return Map.from_geom(geom, data=rng.poisson(5.0, geom.data_shape) * scale + 1)


def finish(dataset, obs_id, start):
    dataset.gti = gti_of(start)
    dataset.meta_table = Table({"TELESCOP": ["HESS"], "OBS_ID": [obs_id]})
    dataset.exposure = dataset.exposure + 1e9 * u.Unit("m2 s")
    dataset.exposure.meta["livetime"] = 1000 * u.s
    dataset.mask_safe = Map.from_geom(dataset.counts.geom, data=np.ones(dataset.data_shape, dtype=bool))
    return dataset


def ring_of(obs_id, start):
    with use_device("cpu"):
        geom = WcsGeom.create(skydir=(83.63, 22.01), npix=(5, 4), binsz=0.2, axes=[ENERGY])
        dataset = MapDataset.create(geom, name=f"obs{obs_id}", binsz_irf=1.0)
        dataset.counts = filled(geom, obs_id)
        finish(dataset, obs_id, start)
        ones = Map.from_geom(geom, data=np.ones(dataset.data_shape))
        return MapDatasetOnOff.from_map_dataset(
            dataset, ones, ones * 4, filled(geom, obs_id + 50, 4), name=dataset.name
        )


def spectrum_of(obs_id, start):
    with use_device("cpu"):
        geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.2)", axes=[ENERGY])
        dataset = SpectrumDataset.create(geom, name=f"obs{obs_id}")
        dataset.counts = filled(geom, obs_id)
        finish(dataset, obs_id, start)
        return SpectrumDatasetOnOff.from_spectrum_dataset(dataset, 1, 4, counts_off=filled(geom, obs_id + 50, 4))


@pytest.fixture
def rings(tmp_path):
    paths = []
    for number in (1, 2):
        paths.append(tmp_path / f"ring{number}.fits.gz")
        ring_of(number, 5000 * number).write(paths[-1])
    return paths


@pytest.fixture
def spectra(tmp_path):
    """PHA files under names that say nothing, and the files that they name."""
    (tmp_path / "spectra").mkdir()
    paths = []
    for number in (1, 2):
        paths.append(tmp_path / "spectra" / f"night{number}.fits")
        spectrum_of(number, 5000 * number).write(paths[-1], format="ogip")
    return paths


def run(*arguments):
    return CliRunner().invoke(main, ["stack", *map(str, arguments)])


# --- what the files hold


@pytest.mark.slow
def test_ring_results_keep_their_off_maps_and_show_their_background(rings, tmp_path):
    done = run(*rings, "-o", tmp_path / "sum.fits.gz")
    assert done.exit_code == 0, done.output
    expected = Datasets([MapDatasetOnOff.read(path, name=path.name) for path in rings]).stack_reduce()
    stack = read_dataset(tmp_path / "sum.fits.gz")
    assert type(stack) is MapDatasetOnOff
    for name in ("counts", "counts_off", "acceptance", "acceptance_off"):
        np.testing.assert_allclose(to_host(stack.maps[name].data), to_host(expected.maps[name].data))
    background = expected.info_dict()["background"]
    assert background > 0
    assert f"{background:.2f}" in done.output


def test_spectra_are_found_by_their_contents_whatever_their_names(spectra, tmp_path):
    stack = stack_files(sorted((tmp_path / "spectra").iterdir()), tmp_path / "sum.fits")
    expected = sum(SpectrumDatasetOnOff.read(path).info_dict()["counts_off"] for path in spectra)
    assert stack.info_dict()["counts_off"] == expected > 0
    again = SpectrumDatasetOnOff.read(tmp_path / "sum.fits", format="ogip")
    assert again.info_dict()["counts_off"] == expected
    assert list(np.ravel(again.meta_table["OBS_ID"])) == [1, 2]


@pytest.mark.parametrize("part", ["arf", "rmf", "bkg"])
def test_a_part_of_a_spectrum_that_is_not_given_is_refused(spectra, tmp_path, part):
    stray = tmp_path / f"stray_{part}.fits"
    shutil.copy(tmp_path / "spectra" / f"night1_{part}.fits", stray)
    with pytest.raises(FormatError, match=rf"stray_{part}\.fits contains the .*none of the given PHA files"):
        stack_files([*spectra, stray], tmp_path / "sum.fits")
    with pytest.raises(FormatError, match=f"stray_{part}"):
        stack_files([stray], tmp_path / "sum.fits")
    assert not (tmp_path / "sum.fits").exists()


@pytest.mark.slow
def test_a_sum_has_the_layout_of_its_files(tmp_path):
    with use_device("cpu"):
        for number in (1, 2):
            spectrum = spectrum_of(number, 5000 * number)
            for format_ in ("ogip", "xspec", "gadf"):
                spectrum.write(tmp_path / f"{format_}{number}.fits", format=format_)
            spectrum.to_spectrum_dataset(name="x").write(tmp_path / f"known{number}.fits")
    for name, kind in (("gadf", SpectrumDatasetOnOff), ("known", SpectrumDataset)):
        stack_files([tmp_path / f"{name}{number}.fits" for number in (1, 2)], tmp_path / f"{name}.fits")
        assert type(kind.read(tmp_path / f"{name}.fits")) is kind
        assert not (tmp_path / f"{name}_arf.fits").exists()
    for name, unit in (("ogip", "TeV"), ("xspec", "keV")):
        stack_files([tmp_path / f"{name}{number}.fits" for number in (1, 2)], tmp_path / f"{name}.fits")
        stack = SpectrumDatasetOnOff.read(tmp_path / f"{name}.fits", format="ogip")
        assert stack.counts.geom.axes["energy"].unit == unit
        assert stack.exposure.unit == ("cm2 s" if name == "xspec" else "m2 s")
        assert stack.exposure.quantity.max().to_value("m2 s") == pytest.approx(2e9)


@pytest.mark.slow
def test_files_of_different_kinds_are_not_added(rings, spectra, tmp_path):
    ring_of(3, 0).to_map_dataset(name="maps").write(tmp_path / "maps.fits")
    for other in (spectra[0], tmp_path / "maps.fits"):
        with pytest.raises(
            FormatError, match=rf"{other.name} contains .* a MapDatasetOnOff, which cannot be stacked together"
        ):
            stack_files([rings[0], other], tmp_path / "sum.fits")


def test_a_file_that_holds_no_dataset_is_named(rings, crab_store, tmp_path):
    run_file = next(crab_store.rglob("run_*.fits.gz"))
    done = run(rings[0], run_file, "-o", tmp_path / "sum.fits")
    assert done.exit_code == 1
    assert f"{run_file.name} holds an event list, which is read by EventList.read" in done.output


# --- the same observation twice


@pytest.mark.slow
def test_a_file_given_twice_is_refused_by_any_of_its_names(rings, spectra, tmp_path):
    for path in (rings[0], spectra[0]):
        link, copy = path.with_name(f"link-{path.name}"), path.with_name(f"copy-{path.name}")
        link.symlink_to(path)
        os.link(path, hard := path.with_name(f"hard-{path.name}"))
        shutil.copy(path, copy)
        for other in (path, path.parent / "." / path.name, link, hard, copy):
            done = run(path, other, "-o", tmp_path / "sum.fits")
            assert done.exit_code == 1, done.output
            assert "twice" in done.output
            assert "--allow-duplicates" in done.output
    assert not (tmp_path / "sum.fits").exists()


@pytest.mark.slow
def test_duplicates_are_added_if_asked_for(rings, tmp_path):
    done = run(rings[0], rings[0], "--allow-duplicates", "-o", tmp_path / "sum.fits")
    assert done.exit_code == 0, done.output
    counts = [read_dataset(path).info_dict()["counts"] for path in (tmp_path / "sum.fits", rings[0])]
    assert counts[0] == 2 * counts[1]


@pytest.mark.slow
@pytest.mark.parametrize("make", [ring_of, spectrum_of])
def test_an_observation_in_two_files_is_refused(make, tmp_path):
    make(1, 5000).write(tmp_path / "a.fits")
    again = make(1, 5000)
    again.counts = again.counts * 2  # reduced in another way
    again.write(tmp_path / "b.fits")
    with pytest.raises(FormatError, match=r"b\.fits contains observation 1 of .*a\.fits again"):
        stack_files([tmp_path / "a.fits", tmp_path / "b.fits"], tmp_path / "sum.fits")


@pytest.mark.slow
def test_a_sum_and_one_of_its_files_are_refused(rings, tmp_path):
    stack_files(rings, tmp_path / "sum.fits")
    with pytest.raises(FormatError, match=r"observation 2 of .*sum\.fits again"):
        stack_files([tmp_path / "sum.fits", rings[1]], tmp_path / "all.fits")


@pytest.mark.slow
def test_the_parts_of_an_observation_that_was_divided_in_time_are_added(tmp_path):
    for number, start in enumerate((5000, 6000, 7000)):
        ring_of(1, start).write(tmp_path / f"part{number}.fits")
    stack = stack_files([tmp_path / f"part{number}.fits" for number in range(3)], tmp_path / "sum.fits")
    assert stack.gti.time_sum.to_value("s") == pytest.approx(3000)


def test_the_same_number_of_another_telescope_is_another_observation(tmp_path):
    for name in ("HESS", "MAGIC"):
        dataset = ring_of(1, 5000)
        dataset.meta_table["TELESCOP"] = [name]
        dataset.counts = dataset.counts + 1.0 * len(name)
        dataset.write(tmp_path / f"{name}.fits")
    stack = stack_files([tmp_path / "HESS.fits", tmp_path / "MAGIC.fits"], tmp_path / "sum.fits")
    assert stack.meta_table["TELESCOP"].tolist() == [["HESS", "MAGIC"]]


@pytest.mark.slow
def test_files_that_list_no_observation_are_compared_by_counts_and_times(tmp_path):
    for name, start in (("a", 5000), ("b", 5000), ("c", 9000)):
        dataset = ring_of(1, start)
        dataset.meta_table = None
        dataset.write(tmp_path / f"{name}.fits")
    with pytest.raises(FormatError, match=r"b\.fits contains the same counts and good times as .*a\.fits"):
        stack_files([tmp_path / "a.fits", tmp_path / "b.fits"], tmp_path / "sum.fits")
    stack_files([tmp_path / "a.fits", tmp_path / "c.fits"], tmp_path / "sum.fits")


def test_stacking_the_same_observation_in_memory_is_warned_of(caplog):
    first, second = ring_of(1, 5000), ring_of(1, 5000)
    second.counts = second.counts * 2
    Datasets([first, ring_of(2, 9000)]).stack_reduce()
    assert not caplog.text
    second.name = "again"
    Datasets([first, second]).stack_reduce()
    assert "'again' holds observation 1 of obs1 again, with the same good times" in caplog.text


def test_the_spectra_of_a_reduction_are_in_kev_and_cm2_if_the_settings_ask_for_it(settings_of):
    output = {"spectrum_format": "xspec", "observations": True}
    result = run_batch(make_plan(settings_of(targets=[SPECTRUM], observations={"obs_ids": [1]}, output=output)))
    for path in (result.files[0], result.folder / "observations" / "pha_1-spectrum.fits"):
        spectrum = read_dataset(path)
        assert spectrum.counts.geom.axes["energy"].unit == "keV"
        assert spectrum.exposure.unit == "cm2 s"
        assert spectrum.info_dict()["counts_off"] > 0
        assert obs_ids_of(spectrum) == ["1"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["scale", "fit"])
def test_the_files_of_observations_add_up_to_the_stack_of_the_batch_with_their_background_norms(settings_of, method):
    makers = [*MAP["makers"][:2], {"type": "FoVBackgroundMaker", "method": method}]
    settings = settings_of(
        targets=[MAP | {"makers": makers}], observations={"obs_ids": [1, 2, 3]}, output={"observations": True}
    )
    result = run_batch(make_plan(settings))
    parts = sorted((result.folder / "observations").glob("*-crab.fits"))
    again = stack_files(parts, result.folder / "again.fits")
    norms = np.asarray([summary["norm"] for outcome in result.outcomes for summary in outcome.summaries])
    assert (len(parts), norms.size) == (3, 3)
    assert np.all(np.abs(norms - 1) > 1e-3)
    assert_allclose(to_host(again.background.data), to_host(read_dataset(result.files[0]).background.data), rtol=1e-9)
