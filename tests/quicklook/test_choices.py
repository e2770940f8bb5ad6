"""What is chosen from the runs near a source, and what is said about it."""

from dataclasses import replace
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Angle
from astropy.io import fits

from lightpool.batch import make_plan, run_batch
from lightpool.config import Settings
from lightpool.config.positions import Position
from lightpool.data import DataStore
from lightpool.datasets import SpectrumDatasetOnOff
from lightpool.errors import ConfigError
from lightpool.quicklook import Wishes, choose_settings
from lightpool.quicklook.choices import _place_in_names
from lightpool.quicklook.results import _settings_text
from lightpool.quicklook.targets import observed_targets
from lightpool.simulate import simulate_store


def choose(folder, **wishes):
    wishes.setdefault("source", "Crab")
    return choose_settings(DataStore.from_dir(folder), folder, Wishes(**wishes))


def makers_of(target):
    return [step.type for step in target.makers]


def notes_of(choices):
    return "\n".join(f"{label}: {text}" for label, text in choices.notes)


def change_index(folder, name, change):
    """Rewrite an index of a data store after a change of its table."""
    path = folder / f"{name}-index.fits.gz"
    with fits.open(path) as hdus:
        data = change(hdus[1].data)
        new = fits.BinTableHDU(data, header=hdus[1].header, name=hdus[1].name)
        fits.HDUList([fits.PrimaryHDU(), new]).writeto(path, overwrite=True)


def test_a_map_with_a_ring_and_a_spectrum_with_reflected_regions_are_chosen(small_store):
    chosen = choose(small_store)
    sky, spectrum = chosen.settings.targets
    assert (sky.name, spectrum.name) == ("crab-map", "crab-spectrum")
    assert makers_of(sky) == ["MapDatasetMaker", "SafeMaskMaker", "RingBackgroundMaker"]
    assert makers_of(spectrum) == ["SpectrumDatasetMaker", "ReflectedRegionsBackgroundMaker", "SafeMaskMaker"]
    assert spectrum.makers[0].containment_correction
    assert chosen.settings.observations.obs_ids == [1, 2, 3, 4]
    assert sky.theta_squared is not None
    assert u.Quantity(sky.exclusion[0].radius) == 0.3 * u.deg
    assert Settings.from_dict(chosen.written) == chosen.settings


def test_energies_begin_at_the_lowest_threshold_and_end_with_the_responses(small_store):
    energy = choose(small_store).settings.targets[0].energy
    aeff = DataStore.from_dir(small_store).obs(1).aeff
    assert u.Quantity(energy.min).value == pytest.approx(aeff.meta["LO_THRES"], rel=0.1)
    assert u.Quantity(energy.min).value >= aeff.meta["LO_THRES"]
    assert u.Quantity(energy.max) <= aeff.axes["energy_true"].edges[-1]


def test_wishes_go_first(small_store, tmp_path):
    chosen = choose(
        small_store,
        source="galactic 184.56 -5.78",
        runs=[4, 2],
        output=tmp_path / "out",
        width=Angle("3 deg"),
        energy_min=1 * u.TeV,
        energy_max=10 * u.TeV,
        radius=Angle("0.2 deg"),
        max_offset=Angle("1 deg"),
        device="torch",
    ).settings
    sky, spectrum = chosen.targets
    assert chosen.observations.obs_ids == [4, 2]
    assert chosen.output.folder == str(tmp_path / "out")
    assert chosen.run.device == "torch"
    assert (sky.width, sky.source.radius, spectrum.region.radius) == ("3 deg", "0.2 deg", "0.2 deg")
    assert (sky.energy.min, spectrum.energy.max) == ("1 TeV", "10 TeV")
    assert sky.makers[1].offset_max == "1 deg"
    assert sky.center.frame == "galactic"
    assert u.Quantity(sky.exclusion[0].radius) == 0.4 * u.deg


def test_point_like_responses_give_a_spectrum_only(point_like_store):
    chosen = choose(point_like_store, radius=Angle("0.2 deg"), width=Angle("3 deg"))
    (spectrum,) = chosen.settings.targets
    assert makers_of(spectrum)[1] == "ReflectedRegionsBackgroundMaker"
    assert spectrum.makers[1].finder == "wobble"
    assert type(spectrum.region).__name__ == "Point"
    assert not spectrum.makers[0].containment_correction
    assert spectrum.theta_squared is not None
    text = notes_of(chosen)
    assert "Map: none: the responses are point-like" in text
    assert "--radius is not used" in text
    assert "--width is not used" in text


def test_cuts_of_off_regions_do_not_overlap(point_like_store):
    (spectrum,) = choose(point_like_store).settings.targets
    n_off, low = spectrum.makers[1].n_off_regions, u.Quantity(spectrum.energy.min)
    table = DataStore.from_dir(point_like_store).obs(1, "point-like").rad_max
    above = table.axes["energy"].edges[1:] > low
    cut = table.quantity.to_value("deg")[above].max()
    assert 0.5 * np.sin(np.pi / (n_off + 1)) > cut
    assert n_off > 1


def test_without_a_background_response_there_are_counts_and_reflected_regions(small_store, tmp_path):
    store = simulate_store(tmp_path / "store", 2, ontime=60)
    change_index(store, "hdu", lambda data: data[data["HDU_TYPE"] != "bkg"])
    chosen = choose(store)
    sky, spectrum = chosen.settings.targets
    assert makers_of(sky) == ["MapDatasetMaker", "SafeMaskMaker"]
    assert "background" not in sky.makers[0].selection
    assert makers_of(spectrum)[1] == "ReflectedRegionsBackgroundMaker"
    assert "counts alone: no background response" in notes_of(chosen)
    with pytest.raises(ConfigError, match="the ON region needs"):
        choose(store, width=Angle("0.2 deg"))
    assert choose(store, width=Angle("0.5 deg")).settings.targets[0].width == "0.5 deg"


def test_without_a_psf_the_exposure_is_not_corrected(tmp_path):
    store = simulate_store(tmp_path / "store", 2, ontime=60)
    change_index(store, "hdu", lambda data: data[data["HDU_TYPE"] != "psf"])
    chosen = choose(store)
    assert not chosen.settings.targets[1].makers[0].containment_correction
    assert "no correction for the containment" in notes_of(chosen)


def test_a_run_that_lacks_what_most_have_is_left_out(tmp_path):
    store = simulate_store(tmp_path / "store", 3, ontime=60)
    change_index(store, "hdu", lambda data: data[(data["HDU_TYPE"] != "bkg") | (data["OBS_ID"] != 2)])
    chosen = choose(store)
    assert chosen.settings.observations.obs_ids == [1, 3]
    assert "left out, as they lack some of aeff, edisp, psf, bkg: 2" in notes_of(chosen)


def test_runs_on_the_source_have_no_off_regions_and_no_theta_squared(tmp_path):
    store = simulate_store(tmp_path / "store", 2, ontime=60, wobble_offset=0.05)
    chosen = choose(store)
    assert chosen.settings.targets[0].theta_squared is None
    assert "too near the source for OFF regions: 1 2" in notes_of(chosen)
    assert "no table of theta squared" in notes_of(chosen)


@pytest.mark.parametrize(
    ("offset", "is_pointlike", "n_off"),
    [(0.15, False, 0), (0.2, False, 1), (0.15, True, 0), (0.2, True, 1), (0.25, True, 2), (0.5, True, 3)],
)
def test_runs_without_off_regions_are_those_that_are_named(tmp_path, offset, is_pointlike, n_off):
    store = simulate_store(tmp_path / "store", 1, ontime=60, wobble_offset=offset, point_like=is_pointlike)
    chosen = choose(store, source="83.633 22.014", output=tmp_path / "look")
    target = chosen.settings.targets[-1]
    batch = chosen.settings.model_copy(update={"targets": [target]})
    result = run_batch(make_plan(batch))
    found = [SpectrumDatasetOnOff.read(path) for path in result.files]
    n_found = [round(float(1 / dataset.alpha.data.flat[0])) for dataset in found]
    assert n_found == ([n_off] if n_off else [])
    assert ("too near the source for OFF regions: 1" in notes_of(chosen)) is (n_off == 0)


def test_off_regions_of_small_cuts_are_outside_the_exclusion(tmp_path):
    # cuts of 0.05 deg have room for three, but two of those would be less than 0.3 deg from the source
    store = simulate_store(tmp_path / "store", 1, ontime=60, wobble_offset=0.19, point_like=True)
    path = store / "data" / "run_000001.fits.gz"
    with fits.open(path) as hdus:
        hdus["RAD_MAX"].data["RAD_MAX"][:] = 0.05
        hdus.writeto(path, overwrite=True)
    chosen = choose(store)
    assert u.Quantity(chosen.settings.targets[0].exclusion[0].radius) == 0.3 * u.deg
    assert chosen.settings.targets[0].makers[1].n_off_regions == 2


def test_runs_whose_pointing_is_unknown_are_named(tmp_path):
    store = simulate_store(tmp_path / "store", 3, ontime=60)

    def forget(data):
        data["RA_PNT"][1] = np.nan
        return data

    change_index(store, "obs", forget)
    assert "left out, as their pointing is unknown: 2" in notes_of(choose(store))
    assert "left out, as their pointing is unknown: 2" in notes_of(choose(store, runs=[1, 2]))
    with pytest.raises(ConfigError, match="--runs names no run with a known pointing"):
        choose(store, runs=[2])


def test_runs_that_were_asked_for_and_point_elsewhere_are_named(tmp_path):
    store = simulate_store(tmp_path / "store", 3, ontime=60)

    def elsewhere(data):
        data["DEC_PNT"][1] += 10
        return data

    change_index(store, "obs", elsewhere)
    assert "left out, as they point farther from the source: 2" in notes_of(choose(store, runs=[1, 2]))
    assert "farther" not in notes_of(choose(store))


def test_runs_without_an_effective_area_are_named_once(tmp_path):
    store = simulate_store(tmp_path / "store", 3, ontime=60)
    change_index(store, "hdu", lambda data: data[(data["HDU_TYPE"] != "aeff") | (data["OBS_ID"] != 2)])
    chosen = choose(store)
    assert [text for label, text in chosen.notes if label == "Note"] == [
        "left out, as they lack some of aeff, edisp, psf, bkg: 2"
    ]
    change_index(store, "hdu", lambda data: data[data["HDU_TYPE"] != "aeff"])
    with pytest.raises(ConfigError, match="the HDU index has no effective area of 3 runs near the source"):
        choose(store)


def test_pointings_of_the_files_replace_those_of_a_missing_index(tmp_path):
    store = simulate_store(tmp_path / "store", 2, ontime=60)
    (store / "obs-index.fits.gz").unlink()
    assert choose(store).settings.observations.obs_ids == [1, 2]
    assert choose(store, source=None).settings.targets[0].name == "simulated-source-map"


def test_files_without_thresholds_begin_at_a_tenth_of_the_area(tmp_path):
    store = simulate_store(tmp_path / "store", 1, ontime=60)
    path = store / "data" / "run_000001.fits.gz"
    with fits.open(path) as hdus:
        hdus["AEFF"].header.pop("LO_THRES", None)
        hdus.writeto(path, overwrite=True)
    chosen = choose(store)
    assert chosen.settings.targets[0].makers[1].methods == ["aeff-max", "offset-max"]
    assert "reaches 10% of its maximum" in notes_of(chosen)
    aeff = DataStore.from_dir(store).obs(1).aeff
    spectrum = aeff.quantity.to_value("m2").max(axis=1)
    crossing = aeff.axes["energy_true"].center[np.argmax(spectrum > 0.1 * spectrum.max())].to_value("TeV")
    assert u.Quantity(chosen.settings.targets[0].energy.min).value == pytest.approx(crossing, rel=0.3)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"source": "Mrk 421"}, r"none of the 4 runs .* points within 2 deg .* the nearest, \d, points .* away"),
        ({"source": "Mrk 421", "runs": [1]}, "no run of --runs points within 2 deg"),
        ({"source": "83.63"}, "--source: got '83.63'"),
        ({"source": "10 95"}, "--source: got '95 deg'"),
        ({"width": Angle("1 deg")}, "the ring around the source needs"),
        ({"radius": Angle("1.2 deg"), "width": Angle("3 deg")}, "a larger --width, or a smaller --radius"),
        ({"energy_min": 5 * u.TeV, "energy_max": 1 * u.TeV}, "change --energy-min or --energy-max"),
        ({"energy_min": 500 * u.TeV}, "the lowest energy would be 500 TeV"),
        ({"energy_min": 1e-5 * u.TeV, "energy_max": 1e-4 * u.TeV}, "change --energy-min or --energy-max"),
        ({"energy_min": 1e4 * u.TeV, "energy_max": 1e5 * u.TeV}, "change --energy-min or --energy-max"),
        ({"radius": Angle("1 arcsec")}, "got a --radius of 0.000278 deg, expected at least that of a pixel, 0.02 deg"),
    ],
)
def test_wishes_that_cannot_be_met_are_named(small_store, wishes, message):
    with pytest.raises(ConfigError, match=message):
        choose(small_store, **wishes)


def test_the_nearest_run_and_the_targets_help_where_no_run_is_near(small_store):
    with pytest.raises(ConfigError, match=r"Targets in .*\n  'simulated source': 4 runs, RA 83.6330 deg"):
        choose(small_store, source="Mrk 421")


def test_of_a_single_run_the_error_does_not_count_them(tmp_path):
    store = simulate_store(tmp_path / "store", 1, ontime=60)
    with pytest.raises(ConfigError, match=r"^no run of .* points within 2 deg .* the nearest, 1, points"):
        choose(store, source="Mrk 421")


def test_files_to_exclude_are_told_by_their_content(small_store, tmp_path):
    from astropy.table import Table

    from lightpool.maps import WcsGeom

    (tmp_path / "regions.txt").write_text("icrs; circle(83.0, 22.5, 0.1)\n")
    geom = WcsGeom.create(skydir=(83.6, 22.0), width=2, binsz=0.1)
    geom.region_mask("icrs; circle(84, 22, 0.2)", inside=False).write(tmp_path / "mask.bin.fits")
    table = Table({"RA": [83.9], "DEC": [21.7]})
    table.write(tmp_path / "catalog.fits")
    table.write(tmp_path / "catalog.txt", format="ascii.ecsv")
    names = ["regions.txt", "mask.bin.fits", "catalog.fits", "catalog.txt"]
    chosen = choose(small_store, exclude=[tmp_path / name for name in names])
    kinds = [type(item).__name__ for item in chosen.settings.targets[0].exclusion[1:]]
    assert kinds == ["ExcludedRegions", "ExcludedMask", "ExcludedCatalog", "ExcludedCatalog"]
    assert "0.3 deg around the source, regions.txt, mask.bin.fits" in notes_of(chosen)
    with pytest.raises(ConfigError, match=r"--exclude .*missing\.reg cannot be read"):
        choose(small_store, exclude=[tmp_path / "missing.reg"])


def folder_of(store, source):
    return Path(choose(store, source=source).settings.output.folder).name


def test_a_position_has_one_folder_however_it_is_written(small_store):
    texts = ["83.63 22.01", "83.63+22.01", "83.63d, 22.01d", "5.57533333h 22.01", "icrs 05:34:31.2 22:00:36"]
    assert {folder_of(small_store, text) for text in texts} == {"quicklook-source-83.6300p22.0100"}
    assert _place_in_names(Position(lon="83.63 deg", lat="-22.01 deg")) == "source-83.6300m22.0100"


def test_names_of_sources_are_letters_and_digits_in_folders(small_store):
    assert folder_of(small_store, "Crab nebula") == "quicklook-crab-nebula"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("../../etc: [1", "quicklook-etc-1"),
        ("x" * 300, "quicklook-" + "x" * 60),
        ("Field\nobservations: {datastore: elsewhere}", "quicklook-field-observations-datastore-elsewhere"),
        ("\x1b[31mred # \x85\u2028\uffff\ud800", "quicklook-31mred"),
        ("\t", "quicklook-source-83.6330p22.0140"),
        ("\u65e5\u672c", "quicklook-source-83.6330p22.0140"),
        ("'%s' {0} $HOME \\ \"", "quicklook-s-0-home"),
    ],
)
def test_names_in_files_of_anybody_are_only_comments_in_the_settings_file(
    small_store, tmp_path, monkeypatch, name, folder
):
    (target,) = observed_targets(DataStore.from_dir(small_store))
    monkeypatch.setattr("lightpool.quicklook.targets.observed_targets", lambda store: [replace(target, name=name)])
    chosen = choose(small_store, source=None)
    assert Path(chosen.settings.output.folder).name == folder
    path = tmp_path / "settings.yaml"
    path.write_text(_settings_text(chosen), encoding="utf-8")
    read = Settings.read(path)
    assert (read.observations, read.targets) == (chosen.settings.observations, chosen.settings.targets)
