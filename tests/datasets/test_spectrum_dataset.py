import matplotlib as mpl
import numpy as np
import pytest

from lightpool.arrays import to_host
from lightpool.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.irf import EDispMap
from lightpool.maps import Map, MapAxis, RegionGeom, RegionNDMap

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def region_geom():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=5)
    return RegionGeom.create("icrs;circle(83.63, 22.01, 0.2)", axes=[axis])


@pytest.fixture
def spectrum(one):
    return one.to_spectrum_dataset(name="known background")


@pytest.fixture
def figures():
    yield plt
    plt.close("all")


def test_an_empty_spectrum_has_the_maps_of_gammapy_and_no_psf(backend, region_geom):
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=7, name="energy_true")
    dataset = SpectrumDataset.create(region_geom, energy_axis_true=energy_true, name="empty")
    assert sorted(dataset.maps) == ["background", "counts", "edisp", "exposure", "mask_safe"]
    assert isinstance(dataset.counts, RegionNDMap)
    assert dataset.data_shape == (5, 1, 1)
    assert dataset.exposure.geom.data_shape == (7, 1, 1)
    assert dataset.edisp.geom.data_shape == (7, 5, 1, 1)
    assert dataset.device == backend.device
    assert str(dataset).startswith("SpectrumDataset\n---------------\n")
    assert dataset.info_dict()["stat_type"] == "cash"


def test_a_migra_axis_makes_a_map_in_migra(region_geom):
    migra = MapAxis.from_edges([0.5, 1, 2], name="migra")
    assert isinstance(SpectrumDataset.create(region_geom, migra_axis=migra).edisp, EDispMap)


@pytest.mark.parametrize("kind", [SpectrumDataset, SpectrumDatasetOnOff])
def test_a_geometry_with_pixels_is_refused(kind, geom):
    with pytest.raises(TypeError, match="needs a RegionGeom, got WcsGeom"):
        kind.create(geom)
    with pytest.raises(TypeError, match=r"needs a RegionGeom, got str; RegionGeom.create\(region"):
        kind.create("icrs;circle(83.63, 22.01, 0.5)")


def test_there_is_nothing_to_cut_out_of_a_region(spectrum, one):
    for dataset in (spectrum, one):
        with pytest.raises(TypeError, match="no pixels"):
            dataset.cutout("anywhere", "1 deg")


def test_a_copy_has_its_own_maps_and_a_new_name(spectrum):
    copy = spectrum.copy(name="copy")
    copy.counts.data = copy.counts.data * 0.0
    assert float(to_host(spectrum.counts.data).sum()) == 14.0
    assert (copy.name, copy.tag) == ("copy", "SpectrumDataset")
    assert copy.exposure.meta["livetime"].value == 1000.0


def test_spectra_with_a_known_background_are_stacked_inside_their_masks(one, two):
    spectra = Datasets([one.to_spectrum_dataset(name="1"), two.to_spectrum_dataset(name="2")])
    stacked = spectra.stack_reduce(name="both")
    np.testing.assert_array_equal(to_host(stacked.counts.data).ravel(), [7, 8, 3, 2])
    np.testing.assert_allclose(to_host(stacked.background.data).ravel(), [2.4, 0.8, 0, 0.5])
    assert stacked.info_dict()["livetime"].value == 3000.0
    assert type(stacked) is SpectrumDataset


def test_a_spectrum_survives_a_file(spectrum, tmp_path):
    spectrum.write(tmp_path / "spectrum.fits")
    again = SpectrumDataset.read(tmp_path / "spectrum.fits")
    assert again.name == "known background"
    for name, data in spectrum.maps.items():
        if name != "edisp":
            np.testing.assert_array_equal(to_host(again.maps[name].data), to_host(data.data))
    assert str(again) == str(spectrum)
    assert again.counts.geom.region.radius.to_value("deg") == pytest.approx(0.2)


@pytest.mark.slow
def test_the_picture_of_a_spectrum_has_three_panels(one, spectrum, figures):
    for dataset in (one, spectrum):
        dataset.peek()
        assert [ax.get_title() for ax in figures.gcf().axes[:3]] == ["Counts", "Exposure", "Energy Dispersion"]


def test_pictures_name_what_they_show(one, figures):
    one.mask_fit = Map.from_geom(one.counts.geom, data=np.array([1, 0, 1, 1], bool).reshape(4, 1, 1))
    _, ax = figures.subplots()
    one.plot_counts(ax=ax, kwargs_counts={"label": "ON"}, color="k")
    one.plot_masks(ax=ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sorted(labels) == ["Background", "Mask fit", "Mask safe", "ON"]


@pytest.mark.parametrize("has_source", [False, True])
def test_the_excess_is_drawn_with_the_prediction_of_a_source_if_there_is_one(has_source, one, figures, monkeypatch):
    if has_source:
        monkeypatch.setattr(type(one), "npred_signal", lambda self: self.counts)
    _, ax = figures.subplots()
    one.plot_excess(ax=ax)
    labels = {text.get_text() for text in ax.get_legend().get_texts()}
    assert labels == {"Excess counts"} | ({"Predicted signal counts"} if has_source else set())


def test_the_error_bars_of_the_excess_are_those_of_both_counts(one, figures):
    _, ax = figures.subplots()
    one.plot_excess(ax=ax)
    bars = next(c for c in ax.containers if c.get_label() == "Excess counts")[2]
    lengths = [float(np.ptp(segment[:, 1])) for bar in bars for segment in bar.get_segments()]
    expected = 2 * np.sqrt(7 + 0.2**2 * 12)
    assert any(abs(length - expected) < 1e-6 for length in lengths)
