import json

import numpy as np
import pytest
from astropy.io import fits

from lightpool.arrays import to_host, use_device
from lightpool.datasets import (
    Datasets,
    FoVBackgroundModel,
    MapDataset,
    MapDatasetMetaData,
    SpectrumDatasetOnOff,
)
from lightpool.datasets.metadata import CreatorMetaData
from lightpool.errors import FormatError, MissingDataError
from lightpool.irf import EDispKernelMap, EDispMap
from lightpool.maps import HpxGeom, Map, MapAxis
from lightpool.utils.on_demand import Deferred

MAPS = ("counts", "background", "exposure", "mask_safe")


def assert_same(found, expected):
    for name in MAPS:
        np.testing.assert_array_equal(to_host(found.maps[name].data), to_host(expected.maps[name].data), err_msg=name)
        assert found.maps[name].geom == expected.maps[name].geom
        assert found.maps[name].unit == expected.maps[name].unit
    for name, irf in (("psf", "psf_map"), ("edisp", "edisp_map")):
        new, old = found.maps[name], expected.maps[name]
        np.testing.assert_array_equal(to_host(getattr(new, irf).data), to_host(getattr(old, irf).data), err_msg=name)
        np.testing.assert_array_equal(to_host(new.exposure_map.data), to_host(old.exposure_map.data))
    assert type(found.edisp) is type(expected.edisp)
    assert found.gti.time_sum.to_value("s") == pytest.approx(expected.gti.time_sum.to_value("s"))
    assert found.meta_table["OBS_ID"].tolist() == expected.meta_table["OBS_ID"].tolist()


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_a_dataset_comes_back_from_its_file(make_dataset, tmp_path, suffix, backend):
    dataset = make_dataset(1, "my dataset")
    dataset.mask_fit = dataset.mask_safe.copy()
    path = tmp_path / "new" / f"dataset{suffix}"
    dataset.write(path)
    back = MapDataset.read(path)
    assert back.name == "my dataset"
    assert back.device == backend.device
    assert isinstance(back.edisp, EDispKernelMap)
    assert_same(back, dataset)
    assert to_host(back.mask_fit.data).dtype == bool
    assert back.exposure.meta["livetime"].to_value("s") == pytest.approx(1001)
    assert back.meta_table["TELESCOP"].tolist() == [["HESS"]]
    assert all(column.dtype.isnative for column in back.meta_table.itercols())
    expected, found = dataset.info_dict(), back.info_dict()
    assert found["counts"] == expected["counts"]
    assert found["livetime"].to_value("s") == pytest.approx(1001)


def test_an_energy_dispersion_in_migra_comes_back_as_such(make_dataset, tmp_path):
    migra = MapAxis.from_bounds(0.2, 5, nbin=3, name="migra", node_type="edges")
    dataset = make_dataset(1, migra_axis=migra)
    dataset.write(tmp_path / "a.fits")
    back = MapDataset.read(tmp_path / "a.fits", name="other")
    assert back.name == "other"
    assert isinstance(back.edisp, EDispMap)
    assert_same(back, dataset)


def test_the_layout_is_that_of_gammapy(make_dataset, tmp_path):
    dataset = make_dataset(1, "a")
    dataset.write(tmp_path / "a.fits", checksum=True)
    with fits.open(tmp_path / "a.fits", checksum=True) as hdus:
        names = [hdu.name for hdu in hdus if not hdu.name.endswith("_BANDS")]
        assert names == [
            *("PRIMARY", "COUNTS", "EXPOSURE", "BACKGROUND", "EDISP", "EDISP_EXPOSURE", "PSF", "PSF_EXPOSURE"),
            *("MASK_SAFE", "GTI", "META_TABLE"),
        ]
        assert hdus[0].header["NAME"] == "a"
        assert all(hdu.header["CREATOR"].startswith("lightpool") for hdu in hdus)
        assert json.loads(hdus["EXPOSURE"].header["META"])["livetime"].endswith("s")
        assert "CHECKSUM" in hdus["COUNTS"].header


def test_a_lazy_dataset_reads_a_map_when_it_is_asked_for(make_dataset, tmp_path):
    dataset = make_dataset(1, "a")
    dataset.write(tmp_path / "a.fits")
    lazy = MapDataset.read(tmp_path / "a.fits", lazy=True)
    assert isinstance(vars(lazy)["counts"], Deferred)
    assert lazy.counts is lazy.counts
    assert isinstance(vars(lazy)["psf"], Deferred)
    assert_same(lazy, dataset)
    forgetful = MapDataset.read(tmp_path / "a.fits", lazy=True, cache=False)
    assert forgetful.counts is not forgetful.counts


def test_files_that_cannot_be_read_are_told_by_name(make_dataset, tmp_path):
    with pytest.raises(MissingDataError, match=r"nowhere\.fits"):
        MapDataset.read(tmp_path / "nowhere.fits")
    with pytest.raises(FormatError, match="'ogip'"):
        MapDataset.read(tmp_path / "nowhere.fits", format="ogip")
    path = tmp_path / "a.fits"
    dataset = make_dataset(1)
    dataset.write(path)
    with pytest.raises(FileExistsError):
        dataset.write(path)
    dataset.write(path, overwrite=True)


def test_a_dataset_without_maps_is_written_and_read(tmp_path, geom):
    dataset = MapDataset.create(geom, name="a")
    for name in ("psf", "edisp", "gti", "exposure"):
        setattr(dataset, name, None)
    dataset.write(tmp_path / "a.fits")
    back = MapDataset.read(tmp_path / "a.fits")
    assert sorted(back.maps) == ["background", "counts", "mask_safe"]
    assert back.gti is None
    assert back.meta_table is None


@pytest.mark.slow
def test_datasets_and_models_come_back_from_their_files(make_dataset, tmp_path):
    datasets = Datasets([make_dataset(1, "a"), make_dataset(2, "b b")])
    datasets.models = [FoVBackgroundModel("a"), FoVBackgroundModel("b b")]
    datasets.models["a-bkg"].spectral_model.norm.value = 1.5
    datasets.write(tmp_path / "datasets.yaml", tmp_path / "models.yaml")
    assert (tmp_path / "b_b.fits").is_file()
    back = Datasets.read(tmp_path / "datasets.yaml", tmp_path / "models.yaml")
    assert back.names == ["a", "b b"]
    assert isinstance(vars(back["a"])["counts"], Deferred)
    assert back["a"].background_model.spectral_model.norm.value == 1.5
    for name in datasets.names:
        assert_same(back[name], datasets[name])
    with pytest.raises(FileExistsError, match="overwrite"):
        datasets.write(tmp_path / "datasets.yaml")
    datasets.write(tmp_path / "datasets.yaml", overwrite=True)


def test_datasets_that_nobody_named_come_back_from_their_files(tmp_path, geom):
    datasets = Datasets([MapDataset.create(geom), MapDataset.create(geom)])
    datasets.models = [FoVBackgroundModel(name) for name in datasets.names]
    datasets.write(tmp_path / "datasets.yaml", tmp_path / "models.yaml")
    back = Datasets.read(tmp_path / "datasets.yaml", tmp_path / "models.yaml")
    assert back.names == datasets.names
    assert [dataset.background_model.name for dataset in back] == [f"{name}-bkg" for name in datasets.names]


def test_the_creator_of_a_file_is_kept_when_it_is_read():
    header = {"CREATOR": "Gammapy 2.1", "CREATED": "2026-11-22 10:47:39.801", "EVT_TYPE": "3"}
    meta = MapDatasetMetaData.from_header(header)
    assert meta.creation == CreatorMetaData("Gammapy 2.1", "2026-11-22 10:47:39.801", None)
    assert meta.to_header() == header
    assert meta.renewed().creation.creator.startswith("lightpool")
    assert meta.renewed().event_type == "3"


def test_a_creator_that_is_no_program_of_the_reduction_is_written(geom):
    dataset = MapDataset.create(geom)
    dataset.meta.creation.creator, dataset.meta.creation.origin = "pipeline 7", "observatory"
    for hdu in dataset.to_hdulist():
        assert (hdu.header["CREATOR"], hdu.header["ORIGIN"]) == ("pipeline 7", "observatory")
        assert hdu.header["CREATED"]


@pytest.mark.slow
@pytest.mark.reference
@pytest.mark.parametrize(
    ("device", "name"),
    [("cpu", "map-23592"), ("cpu", "map-stacked-4"), ("cpu", "map-cta-110380"), ("strict", "map-migra-23523")],
)
def test_files_of_gammapy_give_the_figures_of_gammapy(device, shared, name, tmp_path):
    path = shared / "reference" / f"{name}.fits.gz"
    expected = json.loads((shared / "reference" / "figures.json").read_text())[name]
    with use_device(device):
        dataset = MapDataset.read(path)
    info = dataset.info_dict()
    for key in ("counts", "excess", "sqrt_ts", "background", "npred", "n_bins", "n_fit_bins"):
        assert info[key] == pytest.approx(expected[key], rel=1e-6, abs=1e-4), key
    for key in ("exposure_min", "exposure_max", "livetime", "ontime", "counts_rate", "background_rate", "excess_rate"):
        value = info[key].to_value(expected[key]["unit"])
        assert value == pytest.approx(expected[key]["value"], rel=2e-6), key
    dataset.write(tmp_path / "again.fits")
    with fits.open(path) as old, fits.open(tmp_path / "again.fits") as new:
        assert [hdu.name for hdu in new] == [hdu.name for hdu in old]
        for hdu in old:
            if hdu.is_image and hdu.data is not None:
                np.testing.assert_array_equal(new[hdu.name].data, hdu.data, err_msg=hdu.name)


def damage(path, hdu):
    """Change one bit of the data of an HDU."""
    content = bytearray(path.read_bytes())
    with fits.open(path) as hdus:
        content[hdus[hdu].fileinfo()["datLoc"] + 7] ^= 1
    path.write_bytes(content)


def test_a_damaged_dataset_is_told_by_its_checksums(make_dataset, tmp_path):
    path = tmp_path / "run.fits"
    make_dataset(1).write(path, checksum=True)
    assert MapDataset.read(path, checksum=True).counts is not None
    damage(path, "COUNTS")
    assert MapDataset.read(path).counts is not None
    with pytest.raises(FormatError, match=r"checksum of HDU 'COUNTS' of .*run.fits"):
        MapDataset.read(path, checksum=True)


@pytest.mark.parametrize(("name", "hdu"), [("pha_obs.fits", "SPECTRUM"), ("pha_obs_arf.fits", "SPECRESP")])
def test_damaged_files_of_a_spectrum_are_told_by_their_checksums(make_spectrum, tmp_path, name, hdu):
    spectrum = make_spectrum([3, 2, 1, 0], [5, 4, 3, 2], 0.5, name="obs")
    spectrum.write(tmp_path / "pha_obs.fits", format="ogip", checksum=True)
    assert SpectrumDatasetOnOff.read(tmp_path / "pha_obs.fits", checksum=True).counts is not None
    damage(tmp_path / name, hdu)
    assert SpectrumDatasetOnOff.read(tmp_path / "pha_obs.fits").counts is not None
    with pytest.raises(FormatError, match=f"checksum of HDU '{hdu}' of .*{name}"):
        SpectrumDatasetOnOff.read(tmp_path / "pha_obs.fits", checksum=True)


def test_a_dataset_on_healpix_pixels_has_the_hdus_that_gammapy_writes(tmp_path):
    """Names, columns, rows and keywords are those of a file that Gammapy 2.1 wrote with healpy 1.20.1."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    geom = HpxGeom(64, region="DISK(83.63,22.01,6)", axes=[energy], frame="icrs")
    counts = Map.from_geom(geom, data=1.0)
    MapDataset(counts=counts, mask_safe=counts > 0, name="hpx").write(tmp_path / "hpx.fits")
    expected = {"PIXTYPE": "HEALPIX", "INDXSCHM": "EXPLICIT", "ORDERING": "NESTED", "COORDSYS": "CEL", "NSIDE": 64}
    expected |= {"FIRSTPIX": 0, "LASTPIX": 49151, "HPX_REG": "DISK(83.63,22.01,6)", "HPX_CONV": "GADF"}
    with fits.open(tmp_path / "hpx.fits") as hdulist:
        for name in ("COUNTS", "MASK_SAFE"):
            hdu, bands = hdulist[name], hdulist[f"{name}_BANDS"]
            assert hdu.columns.names == ["PIX", "CHANNEL1", "CHANNEL2", "CHANNEL3"]
            assert bands.columns.names == ["CHANNEL", "ENERGY", "E_MIN", "E_MAX"]
            assert {key: hdu.header[key] for key in expected} == expected
            assert hdu.header["BANDSHDU"] == f"{name}_BANDS"
            assert len(hdu.data) == 137
            assert int(hdu.data["PIX"].sum()) == 3322159
