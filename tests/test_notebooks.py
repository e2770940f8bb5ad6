"""What notebooks show of the objects of all packages."""

import importlib
import inspect
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from html_check import faults_of, text_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from regions import CircleSkyRegion
from shown_objects import CENTER, ENERGY, ENERGY_TRUE, response_table, shown_objects

from lightpool.arrays import DeferredNumbers, count_transfers, to_device, use_device
from lightpool.arrays.devices.array_windows import LazyWindow
from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.data import GTI, DataStore, EventList, HDULocation, Observation, Observations, PointingInfo
from lightpool.datasets import (
    Dataset,
    Datasets,
    FoVBackgroundModel,
    MapDataset,
    Models,
    PowerLawNormSpectralModel,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from lightpool.irf import EffectiveAreaTable2D, PSFMap
from lightpool.makers import DatasetsMaker, SafeMaskMaker
from lightpool.maps import HpxNDMap, LabelMapAxis, Map, MapAxes, MapAxis, Maps, RegionGeom, RegionNDMap, WcsGeom
from lightpool.stats import CashCountsStatistic
from lightpool.utils.on_demand import Deferred
from lightpool.utils.text import printable

PACKAGES = (
    "arrays batch config data datasets estimators fits irf makers maps modeling.models report simulate stats utils"
)
WITHOUT_HTML = {
    # what computes, and holds no data of a user
    "Constant": "a table inside of kernels",
    "Device": "its name is all of it",
    "DeferredNumber": "stands for a number",
    "DeferredNumbers": "stand for numbers",
    "FileCache": "files that stay open",
    "FileKind": "an enumeration",
    "FitsFile": "bytes of a file",
    "FoVAlignment": "an enumeration",
    "LazyArray": "stands for an array",
    "MissingRequiredHDUError": "an error",
    "OGIPDatasetReader": "reads files",
    "OGIPDatasetWriter": "writes files",
    "PointingMode": "an enumeration",
    "Projection": "numbers of a header",
    "Settings": "printed as YAML, by pydantic",
    "TableData": "columns of a file, inside of other objects",
    "set_and_restore_mask_fit": "a context",
}
SHOWN_AS_TEXT = {"BatchResult", "ExampleData", "Plan"}
"""Shown as they are printed, or by their attributes, in the one way that `test_html.py` tests."""
NOT_SHOWN = "cannot be shown"


@pytest.fixture(scope="module")
def objects(crab_store):
    return shown_objects(crab_store)


def html_of(obj):
    """Return the HTML of an object, after checking it."""
    made = obj._repr_html_()
    assert faults_of(made) == []
    assert NOT_SHOWN not in made
    return made


def public_classes():
    for name in PACKAGES.split():
        package = importlib.import_module(f"lightpool.{name}")
        for each in package.__all__:
            found = getattr(package, each)
            if inspect.isclass(found) and found.__module__.startswith("lightpool."):
                yield found


def test_each_public_class_with_data_is_shown_as_html():
    """A new class derives from ShownInNotebooks, or gets a line above that says why not."""
    missing = {kind.__name__ for kind in public_classes() if not hasattr(kind, "_repr_html_")}
    assert missing == set(WITHOUT_HTML)


def test_each_public_class_that_is_shown_has_an_object_here(objects):
    """Base classes are shown as those that are derived from them."""
    kinds = {base for obj in objects.values() for base in type(obj).__mro__}
    makers = {kind for kind in public_classes() if kind.__module__.startswith("lightpool.makers")}  # all in one way
    tables = {kind for kind in public_classes() if issubclass(kind, Table)}  # shown by astropy
    shown = {kind for kind in public_classes() if hasattr(kind, "_repr_html_")} - makers - tables
    assert {kind.__name__ for kind in shown - kinds} <= SHOWN_AS_TEXT


def faults_by_name(shown):
    return {
        name: faults for name, made in shown.items() if (faults := [*faults_of(made), *re.findall(NOT_SHOWN, made)])
    }


def test_all_objects_are_shown_without_a_fault_where_matplotlib_is_not_installed(objects, monkeypatch):
    monkeypatch.setattr("lightpool.utils.html.find_spec", lambda name: None)
    shown = {name: obj._repr_html_() for name, obj in objects.items()}
    assert faults_by_name(shown) == {}
    assert [name for name, made in shown.items() if "<img" in made] == []
    assert [name for name, made in shown.items() if type(objects[name]).__name__ not in text_of(made)] == []


@pytest.mark.slow
def test_all_objects_are_shown_without_a_fault_and_in_little_space(objects):
    shown = {name: obj._repr_html_() for name, obj in objects.items()}
    assert faults_by_name(shown) == {}
    assert max(len(made) for made in shown.values()) < 100_000
    names = "WcsNDMap RegionNDMap HpxNDMap MapDataset MapDatasetOnOff SpectrumDataset SpectrumDatasetOnOff EventList"
    names += " PSFMap EDispMap EDispKernelMap PSFKernel EffectiveAreaTable2D PSF3D PSFKing Background3D RadMax2D"
    assert [name for name in names.split() if "<img" not in shown[name]] == []


# --- nothing changes by showing


@pytest.mark.slow
def test_showing_draws_no_figure_of_pyplot_and_changes_no_setting(objects):
    plt = pytest.importorskip("matplotlib.pyplot")
    before = plt.get_fignums(), plt.get_backend(), dict(plt.rcParams)
    for name in ("WcsNDMap", "HpxNDMap of all the sky", "MapDataset", "EventList", "PSF3D", "PSFMap", "GTI"):
        html_of(objects[name])
    assert (plt.get_fignums(), plt.get_backend(), dict(plt.rcParams)) == before


def test_settings_of_the_user_do_not_change_a_plot(objects):
    plt = pytest.importorskip("matplotlib.pyplot")
    plain = objects["WcsNDMap"]._repr_html_()
    with plt.rc_context({"text.usetex": True, "figure.facecolor": "red", "savefig.bbox": "tight", "font.size": 30}):
        assert objects["WcsNDMap"]._repr_html_() == plain


@pytest.mark.slow
def test_pyplot_is_not_imported():
    code = """
import sys
from lightpool.maps import Map, MapAxis
energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
energy._repr_html_()
loaded = "matplotlib" in sys.modules
html = Map.create(npix=10, axes=[energy], data=1.0)._repr_html_()
print(loaded, "<img" in html, "matplotlib.figure" in sys.modules, "matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True", "False"]


def on_strict(objects):
    """Objects that can be on a device, there."""
    names = "WcsNDMap RegionNDMap HpxNDMap PSFMap EDispMap EDispKernelMap MapDataset MapDatasetOnOff SpectrumDataset"
    found = {name: objects[name].to("strict") for name in [*names.split(), "SpectrumDatasetOnOff"]}
    found["Maps"] = Maps(counts=found["WcsNDMap"])
    found["Datasets"] = Datasets([found["MapDataset"].copy(name="one")])
    found["CashCountsStatistic"] = CashCountsStatistic(to_device(np.ones(3), "strict"), to_device(np.ones(3), "strict"))
    return found


def test_nothing_is_copied_from_or_to_a_device_by_showing(objects):
    moved = on_strict(objects)
    with count_transfers() as transfers:
        shown = {name: html_of(obj) for name, obj in moved.items()}
    assert (transfers.to_host.number, transfers.to_device.number) == (0, 0)
    assert all("strict" in text_of(made) for made in shown.values())
    assert not any("<img" in made for made in shown.values())


@pytest.mark.slow
def test_a_host_map_stays_on_the_host_where_a_device_is_the_default(objects):
    with use_device("strict"), count_transfers() as transfers:
        for name in ("WcsNDMap", "HpxNDMap", "MapDataset", "MapDatasetOnOff", "EventList", "PSFMap"):
            html_of(objects[name])
    assert (transfers.to_host.number, transfers.to_device.number) == (0, 0)


def test_a_norm_that_waits_on_a_device_is_not_read(objects):
    norm = DeferredNumbers(to_device([1.5], "strict"))
    model = FoVBackgroundModel(dataset_name="run", spectral_model=PowerLawNormSpectralModel())
    model.spectral_model.norm.value = norm[0]
    dataset = objects["MapDataset"].copy(name="run").to("strict")
    dataset.models = [model]
    for obj in (model, Models([model]), model.parameters, model.spectral_model, dataset):
        assert "waits on strict" in text_of(html_of(obj))
    assert not norm.is_read
    assert float(norm[0]) == 1.5
    assert "1.5" in text_of(html_of(model))


def test_maps_that_were_not_read_stay_in_their_file(objects, tmp_path):
    objects["MapDataset"].write(tmp_path / "crab.fits")
    dataset = MapDataset.read(tmp_path / "crab.fits", lazy=True)
    text = text_of(html_of(dataset))
    assert "not read or computed yet" in text
    assert all(isinstance(part, Deferred) for name, part in dataset.given_parts.items() if part is not None)
    assert dataset.counts.data.sum() > 0  # now it is read
    assert isinstance(dataset.given_parts["counts"], Map)


def test_a_growing_stack_goes_on_growing(objects):
    stack = MapDataset.create(WcsGeom.create(skydir=CENTER, width=3, binsz=0.1, axes=[ENERGY]), ENERGY_TRUE)
    for i in range(2):
        stack.stack(objects["MapDataset"].copy(name=f"run {i}"))
    parts = stack.observation_values[1].n_parts
    assert "sums of a stack" in text_of(html_of(stack))
    assert "sums of a stack" in text_of(html_of(stack.psf))
    assert stack.psf.known_maps[0] is None
    assert stack.observation_values[1].n_parts == parts
    assert stack.psf.irf_map is stack.psf.known_maps[0]  # computed by reading it


def test_off_counts_of_a_growing_stack_stay_sums(objects):
    stack = objects["SpectrumDatasetOnOff"].copy(name="stack")
    stack.stack(objects["SpectrumDatasetOnOff"].copy(name="run"))
    assert "not read or computed yet" in text_of(html_of(stack))
    assert stack.off_sums is not None


def test_lazy_values_are_not_computed():
    def compute(rows, columns, mask):
        raise AssertionError("computed by showing")
        yield

    geom = WcsGeom.create(npix=4)
    lazy = Map.from_geom(geom)
    lazy = type(lazy)(geom, data=LazyArray((4, 4), lazy.device, 4, compute, np.dtype("float64")))
    assert "computed when it is used" in text_of(html_of(lazy))
    assert isinstance(lazy.stored, LazyArray)


def test_cutouts_go_on_waiting(objects):
    counts = objects["WcsNDMap"].copy()
    cutout = counts.cutout(CENTER, "1 deg")
    assert isinstance(cutout.stored, LazyWindow)
    html_of(counts)
    html_of(cutout)
    assert isinstance(cutout.stored, LazyWindow)
    assert isinstance(counts.cutout(CENTER, "1 deg").stored, LazyWindow)  # nobody else holds the values of the map
    dataset = MapDataset(counts=counts)
    html_of(dataset)
    assert isinstance(counts.cutout(CENTER, "1 deg").stored, LazyWindow)


def test_an_observation_keeps_nothing_that_was_read_to_show_it(crab_store):
    run = DataStore.from_dir(crab_store).get_observations()[0]
    before = run.parts
    assert "1680" in text_of(html_of(run))
    assert run.parts == before


def test_files_at_an_address_are_not_copied_to_show_an_observation():
    places = {
        name: HDULocation(name, "https://user:secret@nowhere.invalid/store", "", "run.fits")
        for name in ("events", "gti")
    }
    run = Observation(obs_id=1, **places)
    for shown in (run, Observations([run])):
        text = text_of(html_of(shown))
        assert "secret" not in text
    assert "not copied" in text_of(html_of(run))


@pytest.mark.slow
def test_cards_made_by_threads_change_no_setting_and_are_those_of_one_thread(objects):
    rc = pytest.importorskip("matplotlib").rcParams
    names = ["WcsNDMap", "EventList", "PSFMap", "HpxNDMap", "MapDataset", "WcsNDMap", "PSF3D"]
    alone = [html_of(objects[name]) for name in names]
    before, interval = dict(rc), sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        with ThreadPoolExecutor(len(names)) as pool:
            for _ in range(3):
                assert list(pool.map(lambda name: objects[name]._repr_html_(), names)) == alone
    finally:
        sys.setswitchinterval(interval)
    assert dict(rc) == before


# --- what is empty, not finite, or odd


class Points(Dataset):
    tag = "points"

    def __init__(self, name):
        self.name = name


def bare_map(values, **kwargs):
    values = np.asarray(values)
    return Map.from_geom(WcsGeom.create(npix=values.shape[::-1], binsz=0.1), data=values, **kwargs)


def of_counts(values):
    geom = WcsGeom.create(npix=2, axes=[ENERGY])
    return MapDataset(counts=Map.from_geom(geom, data=values), background=Map.from_geom(geom, data=values))


EMPTY = {
    "no axes": lambda: MapAxes([]),
    "an axis without a name or unit": lambda: MapAxis([0.0, 1.0]),
    "an axis without labels": lambda: LabelMapAxis([], name="none"),
    "no maps": Maps,
    "a map of zeros": lambda: bare_map(np.zeros((2, 3))),
    "a map of one pixel": lambda: bare_map([[1.0]]),
    "a map of one column": lambda: bare_map(np.arange(5.0)[:, None]),
    "a map of NaN": lambda: bare_map(np.full((3, 3), np.nan)),
    "a map of infinity": lambda: bare_map(np.full((3, 3), np.inf)),
    "a map of both infinities": lambda: bare_map([[np.inf, -np.inf], [np.nan, 1.0]]),
    "a map of large numbers": lambda: bare_map(np.full((3, 3), 1e308)),
    "a map of negative numbers": lambda: bare_map(-np.arange(9.0).reshape(3, 3)),
    "a map of integers": lambda: bare_map(np.arange(9).reshape(3, 3)),
    "a map of small integers": lambda: bare_map(np.arange(9, dtype="uint8").reshape(3, 3)),
    "a map of float32": lambda: bare_map(np.ones((3, 3), dtype="float32")),
    "a mask without True": lambda: bare_map(np.zeros((3, 3), dtype=bool)),
    "an outline": lambda: bare_map(np.ones((3, 3))).outline(),
    "a map of a region that is not known": lambda: RegionNDMap.create(None, axes=[ENERGY]),
    "a map of a region without axes": lambda: RegionNDMap.create("icrs;circle(0, 0, 1)"),
    "a map of a point": lambda: RegionNDMap.create("icrs;point(0, 0)", axes=[ENERGY]),
    "a region at a pole": lambda: RegionGeom.create("icrs;circle(0, 90, 1)", axes=[ENERGY]),
    "a map of all the sky": lambda: Map.create(npix=(36, 18), binsz=10, proj="AIT"),
    "a map at the pole": lambda: Map.create(skydir=(0, 90), npix=8, binsz=1, proj="TAN"),
    "a map in galactic coordinates": lambda: Map.create(skydir=(0, 0), npix=8, binsz=1, frame="galactic"),
    "a map with labels": lambda: Map.create(npix=2, axes=[LabelMapAxis(["a", "b"], name="run")]),
    "a map of six axes": lambda: Map.create(npix=2, axes=[MapAxis([0, 1, 2], name=f"axis{i}") for i in range(4)]),
    "HEALPix of two resolutions": lambda: HpxNDMap.create(nside=[2, 4], axes=[MapAxis([0, 1, 2], name="a")]),
    "a response without exposure": lambda: PSFMap.from_gauss(ENERGY_TRUE, sigma="0.1 deg"),
    "a response of NaN": lambda: EffectiveAreaTable2D(
        [ENERGY_TRUE, MapAxis([0, 1] * u.deg, name="offset")], np.nan, "m2"
    ),
    "a response of zeros": lambda: EffectiveAreaTable2D([ENERGY_TRUE, MapAxis([0, 1] * u.deg, name="offset")], 0, "m2"),
    "no events": lambda: EventList(None),
    "no good times": lambda: GTI.create([] * u.s, [] * u.s),
    "no observations": Observations,
    "an observation of nothing": lambda: Observation(obs_id=None),
    "a store of nothing": DataStore,
    "no datasets": Datasets,
    "a dataset of nothing": lambda: MapDataset(name="nothing"),
    "a spectrum of nothing": lambda: SpectrumDataset(name="nothing"),
    "OFF counts of nothing": lambda: SpectrumDatasetOnOff(name="nothing"),
    "a dataset of zeros": lambda: of_counts(0.0),
    "a dataset of NaN": lambda: of_counts(np.nan),
    "a dataset of a mask alone": lambda: MapDataset(mask_safe=Map.create(npix=2, axes=[ENERGY], dtype=bool)),
    "a dataset of a user": lambda: Points("mine"),
    "a dataset with a table of no rows": lambda: MapDataset(meta_table=Table({"OBS_ID": [1]})[:0]),
    "no models": lambda: Models([]),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EMPTY)
def test_what_is_empty_or_not_finite_is_shown_without_error_or_warning(name):
    html_of(EMPTY[name]())


def test_values_that_are_not_finite_are_shown_as_such_and_only_missing_ones_left_out():
    text = " ".join(text_of(html_of(of_counts(np.nan))).split())
    assert "Total background counts nan" in text
    assert "Exposure min" not in text
    without = MapDataset(counts=of_counts(1.0).counts)
    assert "Total background counts" not in text_of(html_of(without))


def test_values_that_share_memory_are_values():
    text = " ".join(text_of(html_of(bare_map(np.broadcast_to(5.0, (3, 4))))).split())
    assert "sum 60" in text
    assert "outline" not in text


@pytest.mark.parametrize("values", [np.ones((2, 2), complex), np.ma.masked_less(np.arange(4.0).reshape(2, 2), 2)])
def test_what_is_no_array_of_real_numbers_has_no_sums(values):
    text = text_of(html_of(Map.from_geom(WcsGeom.create(npix=2), data=values)))
    assert "expected an array of real numbers" in text
    assert "sum" not in text


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12, unique=True))
def test_edges_that_differ_are_shown_as_different_numbers(edges):
    made = MapAxis.from_edges(sorted(edges), name="t").html_card().sections[1].to_html()
    numbers = re.search("centres|edges(.*)", text_of(made).strip())[1].split(",")
    assert len({float(number) for number in numbers}) == len(set(edges))


def test_the_edges_of_dates_have_as_many_digits_as_they_need():
    text = text_of(html_of(MapAxis.from_edges([58849.1, 58849.2] * u.d, name="date")))
    assert "58849.1 to 58849.2 d" in text
    assert "58849.1, 58849.2" in text


def test_an_observation_whose_files_are_gone_says_so(tmp_path):
    gone = {name: HDULocation(name, str(tmp_path), "", "gone.fits", "EVENTS") for name in ("events", "gti")}
    made = Observation(obs_id=3, **gone)._repr_html_()
    assert faults_of(made) == []
    assert "no file" in text_of(made)


def test_a_large_map_takes_no_more_space_than_a_small_one():
    values = np.random.default_rng(0).poisson(5, (1200, 1000)).astype(float)
    assert len(html_of(bare_map(values))) < 100_000


def test_a_map_that_is_too_large_is_not_looked_at(monkeypatch):
    monkeypatch.setattr("lightpool.maps.map_card.MAX_VALUES", 8)
    made = html_of(bare_map(np.ones((3, 3))))
    assert "<img" not in made
    assert "too many" in text_of(made)


@pytest.mark.parametrize("name", ["MapDataset", "MapDatasetOnOff", "SpectrumDataset"])
def test_of_a_dataset_with_many_bins_the_statistic_is_not_computed(objects, name, monkeypatch):
    monkeypatch.setattr("lightpool.datasets.dataset_card.MAX_BINS", {"cash": 5, "wstat": 5})
    monkeypatch.setattr(type(objects[name]), "statistic", property(lambda self: 1 / 0))
    counts = objects[name].counts.data[objects[name].mask_safe.data].sum()
    assert f"Total counts {counts:.0f}" in " ".join(text_of(html_of(objects[name])).split())


def test_lists_of_many_objects_show_the_first_ones(objects):
    one = objects["SpectrumDataset"]
    many = Datasets([one.copy(name=f"run {i}") for i in range(60)])
    made = html_of(many)
    assert len(made) < 100_000
    assert "and 40 more" in text_of(made)


def many_regions(n):
    circles = [CircleSkyRegion(SkyCoord(0.05 * i, 0, unit="deg"), 0.01 * u.deg) for i in range(n)]
    return RegionGeom.create(circles)


MANY = {
    "models": lambda n: Models([FoVBackgroundModel(dataset_name=f"run {i}") for i in range(n)]),
    "maps": lambda n: Maps(**{f"m{i}": Map.create(npix=2) for i in range(n)}),
    "makers": lambda n: DatasetsMaker([SafeMaskMaker()] * n),
    "labels": lambda n: LabelMapAxis([f"label {i}" for i in range(n)], name="run"),
}


@pytest.mark.parametrize("name", MANY)
def test_of_many_objects_the_first_are_shown_and_the_others_counted(name):
    made = html_of(MANY[name](1020))
    assert len(made) < 100_000
    assert re.search("and 1,?000 more", text_of(made))
    assert "more" not in text_of(html_of(MANY[name](3)))


def test_hundreds_of_regions_are_shown():
    made = text_of(html_of(many_regions(400)))
    assert "400 regions" in made
    assert "takes long" in made
    assert "3 regions" in text_of(html_of(many_regions(3)))
    assert "deg2" in text_of(html_of(many_regions(3)))


def test_of_a_table_of_pointings_only_the_rows_that_are_shown_are_transformed(objects):
    pointing = PointingInfo(objects["PointingInfo"].table)
    text = text_of(html_of(pointing))
    assert "altaz" not in vars(pointing)
    assert f"ALTAZ: {pointing.altaz[-1].to_string()}" in text


def test_of_statistics_with_many_bins_nothing_is_computed(monkeypatch):
    many = CashCountsStatistic(np.ones((400, 400)), np.ones((400, 400)))
    monkeypatch.setattr(CashCountsStatistic, "sqrt_ts", property(lambda self: 1 / 0))
    assert "too many" in text_of(html_of(many))


def test_metadata_of_any_length_take_little_space():
    meta = {f"key {i}": "x" * 5000 for i in range(1000)}
    assert len(html_of(bare_map(np.ones((2, 2)), meta=meta))) < 100_000


# --- names and texts of anybody


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(min_size=1, max_size=40))
def test_names_labels_and_metadata_of_any_text_are_escaped(text):
    axis = LabelMapAxis([text, f"{text}2"], name=text)
    geom = WcsGeom.create(npix=2, axes=[ENERGY])
    counts = Map.from_geom(geom, meta={text: text})
    table = Table({"TELESCOP": [text]})
    for obj, least in [
        (axis, 3),
        (MapAxes([axis]), 2),
        (counts, 2),
        (Maps(**{text: counts}), 1),
        (MapDataset(counts=counts, name=text, meta_table=table), 2),
        (Datasets([MapDataset(name=text)]), 1),
        (FoVBackgroundModel(dataset_name=text), 1),
    ]:
        assert text_of(html_of(obj)).count(printable(text)) >= least


def test_keywords_of_a_file_are_escaped(objects):
    events = objects["EventList"].copy()
    events.table.meta.update({"TELESCOP": "<b>CTA</b>", "OBJECT": "a & b", "OBS_ID": '"1"'})
    text = text_of(html_of(events))
    assert all(word in text for word in ("<b>CTA</b>", "a & b", '"1"'))


# --- the same numbers as print


def numbers_in(text):
    """Numbers of a text with the precision in which they are written: pairs of value and half of the last digit."""
    found = re.findall(r"(?<![\w.])([-+]?\d+(?:\.(\d+))?(?:e([-+]?\d+))?)(?![\w.])", text)
    return [(float(number), 0.5001 * 10.0 ** (int(power or 0) - len(digits))) for number, digits, power in found]


PRINTED = "MapAxis LabelMapAxis WcsGeom HpxGeom RegionGeom WcsNDMap RegionNDMap HpxNDMap GTI Observation EventList"
PRINTED += " FixedPointingInfo EffectiveAreaTable2D Background3D EDispKernel MapDataset MapDatasetOnOff SpectrumDataset"
PRINTED += " SpectrumDatasetOnOff FoVBackgroundModel CashCountsStatistic SafeMaskMaker"


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED.split())
def test_the_numbers_of_print_are_in_the_html(objects, name):
    # dates have another form; printing first computes what waits
    text = re.sub(r"[\d.]+ s MET|\d{4}-\d\d-\d\d[T ][\d:.]+|-2 log", "", str(objects[name]))
    in_html = [value for value, _ in numbers_in(text_of(html_of(objects[name])).replace(",", ""))]
    missing = [
        value
        for value, precision in numbers_in(text)
        if not any(abs(value - other) <= max(precision, 1e-4 * abs(value)) for other in in_html)
    ]
    assert missing == []


def test_a_section_of_a_class_of_a_user_is_shown_too():
    from dataclasses import replace

    from lightpool.utils.html import Section

    class MyMap(type(bare_map([[1.0]]))):
        def html_card(self):
            card = super().html_card()
            return replace(card, sections=[*card.sections, Section("Mine", lambda: "a < b")])

    mine = MyMap(WcsGeom.create(npix=2))
    assert "a < b" in text_of(html_of(mine))


def test_tables_of_response_classes_of_users_are_shown():
    class Mine(EffectiveAreaTable2D):
        tag = ""

    assert "Mine" in text_of(html_of(response_table(Mine)))


def test_positions_name_their_coordinates():
    text = text_of(
        html_of(WcsGeom.create(skydir=SkyCoord(0.5, -1, unit="deg", frame="galactic"), npix=2, frame="galactic"))
    )
    assert "l 0.5000 deg, b -1.0000 deg" in text


def test_deferred_parts_are_not_created(objects):
    def create():
        raise AssertionError("created by showing")

    dataset = MapDataset(counts=Deferred(create), name="later", gti=Deferred(create), meta_table=Deferred(create))
    assert "not read" in text_of(html_of(dataset))
    run = Observation(obs_id=1, events=Deferred(partial(create)))
    assert "made when it is used" in text_of(run._repr_html_())
