"""The contents of a file decide how it is read: its name says nothing, and what it does not hold is not made up."""

import gzip
import shutil

import numpy as np
import pytest
from astropy.io import fits

from lightpool.arrays import to_host, use_device
from lightpool.data import GTI, DataStore, EventList
from lightpool.data.obs_table import ObservationTable
from lightpool.datasets import (
    Datasets,
    MapDataset,
    MapDatasetOnOff,
    SpectrumDataset,
    SpectrumDatasetOnOff,
    read_dataset,
)
from lightpool.errors import DamagedFileError, FormatError
from lightpool.fits import FileKind, file_kinds, read_fits
from lightpool.irf import EDispKernel, EDispMap, EffectiveAreaTable2D, PSFMap, load_irf_dict_from_file
from lightpool.maps import Map, MapAxis, WcsGeom


@pytest.fixture(scope="module")
def datasets(fill_dataset):
    """A dataset of each kind, with counts in it."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    geom = WcsGeom.create(skydir=(83.63, 22.01), npix=(12, 10), binsz=0.2, axes=[axis])
    with use_device("cpu"):
        maps = fill_dataset(MapDataset.create(geom, name="maps", binsz_irf=0.4), 1)
        maps.mask_safe = Map.from_geom(geom, data=np.ones(maps.data_shape, dtype=bool))
        ones = Map.from_geom(geom, data=np.ones(maps.data_shape))
        ring = MapDatasetOnOff.from_map_dataset(maps, ones, ones * 8.0, counts_off=maps.counts * 2.0, name="ring")
        known = maps.to_spectrum_dataset("icrs;circle(83.63, 22.01, 0.5)", name="known")
        measured = SpectrumDatasetOnOff.from_spectrum_dataset(known, 1, 5, counts_off=known.counts * 3.0, name="off")
    return maps, ring, known, measured


@pytest.fixture(scope="module")
def originals(datasets, crab_store, tmp_path_factory):
    """One file of each kind, under names that say nothing."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, dataset in zip("abcd", datasets, strict=True):
        dataset.write(folder / f"{name}.fits")
    maps, _, _, measured = datasets
    measured.write(folder / "e.fits", format="ogip")
    maps.counts.write(folder / "map.fits")
    measured.counts.write(folder / "region.fits")
    maps.psf.write(folder / "psf.fits")
    maps.edisp.write(folder / "edisp.fits")
    maps.gti.write(folder / "gti.fits")
    run = next(crab_store.rglob("run_*1.fits.gz"))
    (folder / "run.fits").write_bytes(gzip.decompress(run.read_bytes()))
    for name in ("hdu-index", "obs-index"):
        shutil.copy(crab_store / f"{name}.fits.gz", folder / f"{name}.fits")
    EffectiveAreaTable2D.read(run).to_hdulist().writeto(folder / "irf.fits")
    return folder


@pytest.fixture
def folder(originals, tmp_path):
    """A copy of them that a test may change."""
    return shutil.copytree(originals, tmp_path / "kinds")


KINDS = {
    "a.fits": FileKind.MAP_DATASET,
    "b.fits": FileKind.MAP_DATASET_ON_OFF,
    "c.fits": FileKind.SPECTRUM_DATASET,
    "d.fits": FileKind.SPECTRUM_DATASET_ON_OFF,
    "e.fits": FileKind.PHA,
    "e_arf.fits": FileKind.ARF,
    "e_rmf.fits": FileKind.RMF,
    "e_bkg.fits": FileKind.BACKGROUND_PHA,
    "map.fits": FileKind.MAP,
    "region.fits": FileKind.MAP,
    "psf.fits": FileKind.PSF_MAP,
    "edisp.fits": FileKind.EDISP_MAP,
    "gti.fits": FileKind.GTI,
    "run.fits": FileKind.EVENTS,
    "hdu-index.fits": FileKind.HDU_INDEX,
    "obs-index.fits": FileKind.OBS_INDEX,
    "irf.fits": FileKind.IRF,
}
READERS = {
    MapDataset: {"a.fits", "c.fits"},
    MapDatasetOnOff: {"b.fits", "d.fits"},
    SpectrumDataset: {"c.fits"},
    SpectrumDatasetOnOff: {"d.fits", "e.fits"},
    GTI: {"a.fits", "b.fits", "c.fits", "d.fits", "e.fits", "gti.fits", "run.fits"},
    EventList: {"run.fits"},
    EDispKernel: {"e_rmf.fits"},
    PSFMap: {"a.fits", "b.fits", "psf.fits"},
    EDispMap: {"a.fits", "b.fits", "c.fits", "d.fits", "edisp.fits"},
    EffectiveAreaTable2D: {"irf.fits", "run.fits"},
    ObservationTable: {"obs-index.fits", "hdu-index.fits"},
}
"""Which of the files each class reads."""


@pytest.mark.slow
def test_each_kind_of_file_is_known_by_its_contents(originals):
    assert {name: file_kinds(read_fits(originals / name))[0] for name in KINDS} == KINDS


@pytest.mark.parametrize("reader", READERS, ids=lambda cls: cls.__name__)
def test_a_reader_takes_its_kinds_and_names_the_kind_of_all_others(originals, reader):
    for name, kind in KINDS.items():
        if name in READERS[reader]:
            reader.read(originals / name)
        else:
            with pytest.raises(FormatError, match=f"{name} holds .*{kind.reader.split()[0]}") as caught:
                reader.read(originals / name)
            assert kind.what in str(caught.value)


def test_a_dataset_of_any_kind_is_read_by_its_contents(folder):
    kinds = [MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff, SpectrumDatasetOnOff]
    for name, kind in zip("abcde", kinds, strict=True):
        assert type(read_dataset(folder / f"{name}.fits")) is kind
    for name in KINDS.keys() - {f"{name}.fits" for name in "abcde"}:
        with pytest.raises(FormatError, match=f"{name} holds .*; expected a dataset"):
            read_dataset(folder / name)


def test_ring_results_keep_their_off_maps(folder, datasets):
    ring = datasets[1]
    again = read_dataset(folder / "b.fits")
    for name in ("counts", "counts_off", "acceptance", "acceptance_off"):
        np.testing.assert_array_equal(to_host(again.maps[name].data), to_host(ring.maps[name].data))
    assert again.info_dict()["background"] == ring.info_dict()["background"] > 0


@pytest.mark.parametrize("name", ["anything.dat", "pha_map.fits", "x.fits.gz", "x"])
def test_the_name_of_a_file_says_nothing(folder, name):
    packed = gzip.compress((folder / "e.fits").read_bytes())
    for content in ((folder / "e.fits").read_bytes(), packed):
        (folder / name).write_bytes(content)
        assert read_dataset(folder / name).info_dict()["counts_off"] > 0
    shutil.copy(folder / "a.fits", folder / name)
    assert type(read_dataset(folder / name)) is MapDataset


def test_a_dataset_without_background_and_off_counts_keeps_its_class(datasets, tmp_path):
    maps, ring = (dataset.copy() for dataset in datasets[:2])
    ring.counts_off, ring.acceptance, ring.acceptance_off = None, None, None
    maps.background = None
    for dataset in (ring, maps):
        dataset.write(tmp_path / "x.fits", overwrite=True)
        assert type(read_dataset(tmp_path / "x.fits")) is type(dataset)


def test_hdus_with_off_maps_are_not_read_as_a_map_dataset(datasets):
    with pytest.raises(FormatError, match=r"counts_off.*OnOff"):
        MapDataset.from_hdulist(datasets[1].to_hdulist())


def test_a_list_of_datasets_refuses_a_file_of_another_kind(folder):
    with pytest.raises(FormatError, match=r"a\.fits holds a map dataset.*YAML"):
        Datasets.read(folder / "a.fits")
    (folder / "all.yaml").write_text("datasets:\n- {name: x, type: MapDataset, filename: b.fits}\n")
    with pytest.raises(FormatError, match=r"b\.fits holds a map dataset with OFF counts.*MapDatasetOnOff\.read"):
        Datasets.read(folder / "all.yaml")
    for text in ("components: []\n", "datasets: [{name: x}]\n", "datasets: 3\n"):
        (folder / "all.yaml").write_text(text)
        with pytest.raises(FormatError, match="section 'datasets'"):
            Datasets.read(folder / "all.yaml")


def test_a_map_is_not_read_from_a_table_of_something_else(folder):
    for name in ("e.fits", "run.fits", "gti.fits", "irf.fits", "e_arf.fits", "e_rmf.fits", "hdu-index.fits"):
        with pytest.raises(FormatError, match=f"{name} holds "):
            Map.read(folder / name)
    assert Map.read(folder / "a.fits", hdu="background").geom.data_shape == (4, 10, 12)


def test_a_run_is_read_from_its_own_kind_of_file(folder):
    assert len(DataStore.from_events_files([folder / "run.fits"]).obs_table) == 1
    with pytest.raises(FormatError, match=r"a\.fits holds a map dataset"):
        DataStore.from_events_files([folder / "a.fits"])


def test_responses_are_not_looked_for_in_a_dataset(folder):
    for name in ("a.fits", "e.fits", "e_rmf.fits", "map.fits"):
        with pytest.raises(FormatError, match=f"{name} holds .*; load_irf_dict_from_file expects"):
            load_irf_dict_from_file(folder / name)
    assert load_irf_dict_from_file(folder / "run.fits").keys() >= {"aeff", "bkg", "edisp", "psf"}


def test_a_file_that_is_cut_off_is_called_damaged(folder):
    content = (folder / "b.fits").read_bytes()
    (folder / "cut.fits").write_bytes(content[: len(content) // 3])
    with pytest.raises(DamagedFileError, match="cut off"):
        MapDatasetOnOff.read(folder / "cut.fits")


def test_a_file_of_other_programs_is_described_by_its_hdus(tmp_path):
    path = tmp_path / "x.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2)), name="FLAT")]).writeto(path)
    with pytest.raises(FormatError, match="its HDUs are PRIMARY, FLAT"):
        read_dataset(path)
