"""The report: what it says, that it needs nothing beside it, and that a browser shows it."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import astropy.units as u
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from lightpool.batch import make_plan, run_batch
from lightpool.batch.storage.folder import BatchFolder
from lightpool.batch.storage.records import ChunkRecord
from lightpool.config import Settings
from lightpool.datasets import MapDataset, MapDatasetOnOff, SpectrumDatasetOnOff
from lightpool.errors import ResumeError
from lightpool.makers import ExcessMapEstimator
from lightpool.maps import MapAxis, WcsGeom
from lightpool.report import write_report
from lightpool.report.source_statistics import AtSource, by_night, cumulated, runs_of, theta_squared_of
from lightpool.report.stacks import stack_view
from lightpool.stats import WStatCountsStatistic

NOTHING = "\N{EN DASH}"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

SETTINGS = {
    "targets": [
        {
            "name": "crab",
            "kind": "map",
            "center": {"lon": "83.633 deg", "lat": "22.0145 deg"},
            "width": "2 deg",
            "binsz": "0.05 deg",
            "energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 2},
            "exclusion": [{"lon": "83.633 deg", "lat": "22.0145 deg", "radius": "0.2 deg"}],
            "makers": [
                {"type": "MapDatasetMaker", "selection": ["counts", "background", "exposure"]},
                {"type": "SafeMaskMaker", "methods": ["offset-max"], "offset_max": "1.5 deg"},
                {"type": "FoVBackgroundMaker"},
            ],
        },
        {
            "name": "spectrum",
            "kind": "spectrum",
            "region": {"lon": "83.633 deg", "lat": "22.0145 deg", "radius": "0.2 deg"},
            "energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 3},
            "makers": [
                {"type": "SpectrumDatasetMaker", "selection": ["counts", "exposure", "edisp"]},
                {"type": "ReflectedRegionsBackgroundMaker"},
            ],
        },
    ],
    "groups": [{"name": "all"}, {"name": "nights", "by": "night"}],
    "run": {"chunk_size": 2},
}


@pytest.fixture(scope="module")
def result(crab_store, tmp_path_factory):
    """A reduction in which observation 3, which is not in the store's files, failed by an error with a tag in it."""
    folder = tmp_path_factory.mktemp("report") / "out"
    store = tmp_path_factory.mktemp("store") / "dl3"
    shutil.copytree(crab_store, store)
    (store / "data" / "run_000003.fits.gz").write_bytes(b"<script>not FITS</script>")
    settings = Settings.from_dict(
        {**SETTINGS, "observations": {"datastore": str(store)}, "output": {"folder": str(folder)}}
    )
    return run_batch(make_plan(settings))


@pytest.fixture(autouse=True)
def undrawn(request, monkeypatch):
    """Drawing takes most of the time of a report: only a browser needs pictures with something in them."""
    if "browser" not in request.node.name:
        monkeypatch.setattr(Figure, "savefig", lambda figure, file, **options: file.write(b"a picture"))


class Page(HTMLParser):
    """What a reader finds: tables by their id, as rows of texts by their labels; links; headings; tiles of targets."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.links, self.images, self.headings, self.ids, self.tiles = {}, [], [], [], set(), {}
        self._table = self._cell = self._heading = self._target = self._tile = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found["id"]} if "id" in found else set()
        if tag == "table":
            self._table = self.tables.setdefault(found.get("id"), [])
        elif tag == "tr" and self._table is not None:
            self._table.append({})
        elif tag == "td":
            self._cell = found.get("data-label", "")
            self._table[-1][self._cell] = ""
        elif tag == "a":
            self.links.append(found["href"])
        elif tag == "img":
            self.images.append(found["src"])
        elif tag in ("h2", "h3"):
            self._heading = tag
            self.headings.append("")
        elif "data-target" in found:
            self._target = self.tiles.setdefault(found["data-target"], {})
        elif tag == "b" and self._target is not None and "class" in found:
            self._tile = found["class"]
            self._target[self._tile] = ""

    def handle_endtag(self, tag):
        if tag == "td":
            self._cell = None
        elif tag in ("h2", "h3"):
            self._heading = None
        elif tag == "b":
            self._tile = None

    def handle_data(self, data):
        if self._cell is not None:
            self._table[-1][self._cell] += data.strip()
        if self._heading is not None:
            self.headings[-1] += data
        if self._tile is not None:
            self._target[self._tile] += data

    def rows(self, table):
        return [row for row in self.tables[table] if row]

    def stack(self, name):
        return next(row for row in self.rows("stack-table") if row["name"] == name)


def page_of(folder, output=None, max_pictures=0):
    return Page(write_report(folder, output, max_pictures=max_pictures).read_text())


def test_the_page_tells_what_was_done_and_what_failed(result):
    text = write_report(result.folder).read_text()
    assert re.search(r"<b>6</b>observations planned", text)
    assert re.search(r"<b>5</b>reduced", text)
    assert re.search(r"<b>1</b>failed", text)
    failed = next(outcome for outcome in result.outcomes if outcome.status == "failed")
    assert failed.obs_id == 3
    assert "run_000003.fits.gz" in text
    assert "<script>" not in text
    assert {"crab", "spectrum", "crab-nights-2020-01-01"} <= set(Page(text).headings)
    assert "type: FoVBackgroundMaker" in text


def test_the_numbers_of_a_map_at_its_source_are_those_of_the_map(result):
    page = page_of(result.folder)
    dataset = MapDataset.read(result.folder / "crab.fits.gz")
    inside = dataset.counts.geom.to_image().separation(dataset.counts.geom.center_skydir).deg <= 0.1
    safe = dataset.mask_safe.data & inside
    on, background = dataset.counts.data[safe].sum(), dataset.npred_background().data[safe].sum()
    row = page.stack("crab")
    assert row["at the source: ON"] == f"{on:.0f}"
    assert row["at the source: background"] == f"{background:.1f}"
    assert row["at the source: excess"] == f"{on - background:.1f} ± {on**0.5:.1f}"
    maps = ExcessMapEstimator("0.1 deg").run(dataset)
    estimate = maps["sqrt_ts"].get_by_coord({"skycoord": dataset.counts.geom.center_skydir, "energy": 3 * u.TeV})
    assert float(row["at the source: significance"]) == pytest.approx(float(estimate[0]), rel=0.3)
    whole = dataset.info_dict()
    assert row["whole map: counts"] == f"{whole['counts']:.0f}"
    assert row["whole map: background"] == f"{whole['npred_background']:.1f}"
    assert row["observations"] == "5"
    assert float(row["livetime [h]"]) == pytest.approx(whole["livetime"].to_value("h"), abs=0.006)
    assert page.tiles["crab"]["on"] == f"{on:.0f}", "the runs add up to the stack"
    assert page.tiles["crab"]["significance"] == f"{row['at the source: significance']} \N{GREEK SMALL LETTER SIGMA}"


def test_the_background_of_a_spectrum_is_alpha_times_off_and_its_rows_add_up(result):
    page = page_of(result.folder)
    dataset = SpectrumDatasetOnOff.read(result.folder / "pha_spectrum.fits.gz")
    safe = dataset.mask_safe.data
    background, off = dataset.background.data[safe].sum(), dataset.counts_off.data[safe].sum()
    row = page.stack("spectrum")
    assert row["at the source: background"] == f"{background:.1f}"
    assert row["observations"] == "5"
    statistic = WStatCountsStatistic(dataset.counts.data[safe].sum(), off, background / off)
    assert row["at the source: significance"] == f"{float(statistic.sqrt_ts):.1f}"
    assert row["at the source: excess"].endswith(f"± {float(statistic.error):.1f}")
    assert row["whole map: counts"] == NOTHING
    runs = [each for each in page.rows("observation-table") if "spectrum" in each["in the stacks"].split(", ")]
    assert len(runs) == 5
    assert sum(float(each["at the source: background"]) for each in runs) == pytest.approx(background, abs=0.3)
    assert sum(int(each["at the source: ON"]) for each in runs) == dataset.counts.data[safe].sum()


def test_observations_are_listed_with_their_safe_energies_and_the_thresholds_that_led_to_them(crab_store, tmp_path):
    make, *_ = SETTINGS["targets"][0]["makers"]
    safe = {"type": "SafeMaskMaker", "methods": ["bkg-peak", "offset-max"], "offset_max": "1.5 deg"}
    target = SETTINGS["targets"][0] | {"makers": [make, safe]}
    observations = {"datastore": str(crab_store), "obs_ids": [1]}
    data = {"targets": [target], "observations": observations, "output": {"folder": str(tmp_path)}}
    run_batch(make_plan(Settings.from_dict(data)))
    text = write_report(tmp_path).read_text(encoding="utf-8")
    [row] = Page(text).rows("observation-table")
    assert row["safe energies [TeV]"] == "1 to 10"
    assert row["thresholds [TeV]"] == "bkg-peak from 1"
    assert "datasets.ecsv" in text


def test_ring_results_have_the_off_counts_of_the_pixel_of_the_source(crab_store, tmp_path):
    target = SETTINGS["targets"][0]
    ring = {"type": "RingBackgroundMaker", "r_in": "0.4 deg", "width": "0.2 deg"}
    target = target | {"makers": [*target["makers"], ring]}
    data = {"targets": [target], "observations": {"datastore": str(crab_store)}, "output": {"folder": str(tmp_path)}}
    run_batch(make_plan(Settings.from_dict(data)))
    dataset = MapDatasetOnOff.read(tmp_path / "crab.fits.gz")
    image = dataset.counts.geom.to_image()
    safe = dataset.mask_safe.data & (image.separation(image.center_skydir).deg <= 0.1)
    on, background = dataset.counts.data[safe].sum(), dataset.background.data[safe].sum()
    x, y = (int(index[0]) for index in image.coord_to_idx(image.center_skydir))
    off = dataset.counts_off.data[:, y, x][dataset.mask_safe.data[:, y, x]].sum()
    row = page_of(tmp_path).stack("crab")
    assert row["at the source: ON"] == f"{on:.0f}"
    assert row["at the source: background"] == f"{background:.1f}"
    statistic = WStatCountsStatistic(on, off, background / off)
    assert row["at the source: significance"] == f"{float(statistic.sqrt_ts):.1f}"
    whole = float(row["whole map: background"])
    assert whole == pytest.approx(float(dataset.background.data[dataset.mask_safe.data].sum()), abs=0.06)


@pytest.mark.slow
def test_without_a_background_there_is_no_significance(crab_store, tmp_path):
    target = SETTINGS["targets"][1]
    target = target | {"makers": target["makers"][:1]}
    data = {"targets": [target], "observations": {"datastore": str(crab_store)}, "output": {"folder": str(tmp_path)}}
    run_batch(make_plan(Settings.from_dict(data)))
    page = page_of(tmp_path)
    assert page.stack("spectrum")["at the source: significance"] == "no background"
    assert page.stack("spectrum")["at the source: background"] == NOTHING
    assert int(page.stack("spectrum")["at the source: ON"]) > 0
    assert page.tiles["spectrum"]["significance"] == NOTHING
    assert page.tiles["spectrum"]["excess"] == NOTHING
    assert len(page.images) == 2, "theta squared, threshold; no rate, no significance, no empty norm"


def test_pixels_in_which_nothing_is_counted_and_nothing_expected_have_no_values(tmp_path, monkeypatch):
    geom = WcsGeom.create(npix=30, binsz=0.1, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)])
    dataset = MapDataset.create(geom, name="crab")
    dataset.background.data[:, :, 15:] = 1.0
    dataset.counts.data[:, :, 15:] = np.random.default_rng(1).poisson(1.0, dataset.counts.data[:, :, 15:].shape)
    dataset.mask_safe.data[...] = True
    dataset.write(tmp_path / "crab.fits")
    drawn = []
    monkeypatch.setattr("lightpool.plot.report.plot_significances", lambda sqrt_ts, mask: drawn.append(sqrt_ts) or [])
    images = {}
    monkeypatch.setattr(
        "lightpool.plot.report.plot_image",
        lambda image, *args, label="Counts": images.update({label: image}) or Figure(),
    )
    folders = {"observations": {"datastore": str(tmp_path)}, "output": {"folder": str(tmp_path)}}
    settings = Settings.from_dict({**SETTINGS, **folders})
    stack_view(tmp_path / "crab.fits", settings, [], has_plots=True)
    for image in (drawn[0], images["Excess"]):
        known = np.isfinite(image.data)
        assert known[:, 15:].all()
        assert not known[:, :12].any(), "further than the radius of the circles from what is known"


@pytest.mark.slow
def test_the_pictures_are_in_the_page_and_links_reach_files_and_parts(result, tmp_path):
    page = page_of(result.folder)
    assert page.images
    assert all(source.startswith("data:image/png;base64,") for source in page.images)
    inner = {link[1:] for link in page.links if link.startswith("#")}
    assert inner
    assert inner <= page.ids
    files = {unquote(link) for link in page.links if not link.startswith("#")}
    assert {"crab.fits.gz", "pha_spectrum.fits.gz", "pha_spectrum_arf.fits.gz", "outcomes.ecsv"} <= files
    assert all((result.folder / name).exists() for name in files)
    elsewhere = page_of(result.folder, tmp_path / "page.html")
    assert (result.folder / "crab.fits.gz").as_uri() in elsewhere.links
    text = (result.folder / "report.html").read_text()
    assert "@import" not in text
    assert "url(" not in text


@pytest.mark.slow
def test_the_contents_list_each_stack_and_stacks_beyond_the_pictures_are_in_the_table(result):
    page = page_of(result.folder, max_pictures=2)
    names = [row["name"] for row in page.rows("stack-table")]
    assert len(names) == 4
    assert sum(link.startswith("#stack-") for link in page.links) == 2 * len(names)
    assert len(page.images) > len(page_of(result.folder).images)


def test_a_file_of_a_stack_that_is_damaged_has_a_row_that_says_so(result, tmp_path):
    shutil.copytree(result.folder, tmp_path / "damaged")
    path = tmp_path / "damaged" / "crab.fits.gz"
    path.write_bytes(path.read_bytes()[:2000])
    row = page_of(tmp_path / "damaged").rows("stack-table")[0]
    assert row["name"] == "crab.fits.gz"
    assert "cannot be read" in row["error"]


@pytest.mark.slow
def test_what_a_terminal_or_a_browser_would_obey_is_shown_as_text(result, tmp_path):
    shutil.copytree(result.folder, tmp_path / "moved")
    folder = BatchFolder(tmp_path / "moved")
    for path in folder.chunks.glob("*.json"):
        record = ChunkRecord.from_json(path)
        bad = "bad \x1b[31m <b>\u202e"
        outcomes = tuple(replace(each, error=each.error and bad) for each in record.outcomes)
        path.write_text(replace(record, outcomes=outcomes).to_json())
    text = write_report(tmp_path / "moved").read_text()
    assert r"bad \x1b[31m &lt;b&gt;\u202e" in text
    assert "\x1b" not in text


SUMS = {"counts": 30.0, "background": 4.0, "counts_off": 8.0, "acceptance": 1.0, "acceptance_off": 2.0}


def row(obs_id, start, source=SUMS, **more):
    return {"obs_id": obs_id, "start": start, "site_lon": 16.5, "livetime": 600.0, "source": source} | more


def test_nights_begin_in_the_evening_of_the_observatory_and_add_up():
    rows = [row(1, "2020-01-02T02:00:00"), row(2, "2020-01-01T21:00:00"), row(3, "2020-01-02T21:00:00")]
    nights = by_night(runs_of([*rows, row(4, "2020-01-02T22:00:00", None)]))
    assert [(night, livetime) for night, livetime, _ in nights] == [("2020-01-01", 1200.0), ("2020-01-02", 600.0)]
    assert nights[0][2] == AtSource(60.0, 8.0, 16.0, 2.0, 4.0)
    assert nights[0][2].excess == 52
    assert nights[0][2].error == pytest.approx((60 + 0.25 * 16) ** 0.5)


def test_an_observation_without_a_safe_energy_is_not_in_the_livetime():
    row = {"obs_id": 1, "start": "2020-01-01T22:00:00", "livetime": 1600.0, "source": SUMS, "energy_min": 0.5}
    nothing = dict.fromkeys(SUMS, 0.0)
    other = row | {"obs_id": 2, "start": "2020-01-01T23:00:00", "source": nothing, "energy_min": None}
    runs = runs_of([row, other])
    assert [run.sums is None for run in runs] == [False, True]
    assert [livetime for livetime, _ in cumulated(runs)] == [1600.0]
    assert [livetime for _, livetime, _ in by_night(runs)] == [1600.0]


def test_the_cumulative_significance_ends_at_that_of_all():
    runs = runs_of([row(number, f"2020-01-0{number}T00:00:00") for number in (3, 1, 2)])
    grown = cumulated(runs)
    assert [livetime for livetime, _ in grown] == [600, 1200, 1800]
    assert grown[-1][1].significance == AtSource.total(run.sums for run in runs).significance
    assert grown[0][1].significance == pytest.approx(float(WStatCountsStatistic(30.0, 8.0, 0.5).sqrt_ts))


def test_theta_squared_counts_add_up_and_parts_of_an_observation_are_one():
    theta2 = {"max": 0.1, "counts": [3, 1], "counts_off": [1, 0]}
    rows = [row(1, "2020-01-01T00:00:00", theta2=theta2), row(1, "2020-01-01T00:10:00", theta2=theta2)]
    found = theta_squared_of([*rows, row(2, "2020-01-01T01:00:00", theta2=None)])
    assert found["counts"].tolist() == [6, 2]
    assert found["counts_off"].tolist() == [2, 0]
    assert found["n_run"] == 1
    assert theta_squared_of([row(2, "2020-01-01T01:00:00")]) is None


def test_the_excess_per_minute_needs_a_livetime():
    found = AtSource(**SUMS)
    assert found.per_minute(0.5) == pytest.approx((26 / 30, found.error / 30))
    assert found.per_minute(0.0) is found.per_minute(None) is None


def test_parts_of_an_observation_by_events_share_its_livetime():
    rows = [row(1, "2020-01-01T00:00:00"), row(1, "2020-01-01T00:00:00")]
    assert [run.livetime for run in runs_of(rows)] == [600, 600]
    (run,) = runs_of(rows, are_disjoint=False)
    assert run.livetime == 600
    assert run.sums["counts"] == 60


@pytest.mark.parametrize(
    ("sums", "excess", "is_known"),
    [
        (SUMS, 26.0, True),
        (SUMS | {"counts_off": 0.0, "background": 0.0}, 30.0, True),
        (SUMS | {"counts_off": 0.0, "background": 0.0, "acceptance_off": 0.0}, None, False),
        (dict.fromkeys(SUMS) | {"counts": 30.0, "background": 4.0}, 26.0, True),
        (dict.fromkeys(SUMS) | {"counts": 30.0, "background": 0.0}, None, False),
        (dict.fromkeys(SUMS) | {"counts": 30.0}, None, False),
    ],
    ids=["OFF counts", "no OFF count yet", "no OFF region", "model", "empty model", "no background"],
)
def test_an_excess_needs_a_background(sums, excess, is_known):
    found = AtSource.total([sums])
    assert found.excess == excess
    assert (found.significance is not None) == (found.error is not None) == is_known


def test_a_run_whose_background_is_unknown_makes_that_of_the_sum_unknown_unless_it_is_empty():
    unknown = dict.fromkeys(SUMS)
    assert AtSource.total([SUMS, unknown | {"counts": 1.0}]).significance is None
    assert AtSource.total([SUMS, unknown | {"counts": 0.0}]) == AtSource(**SUMS)


def test_a_reduction_that_has_not_ended_has_a_report(result, tmp_path):
    shutil.copytree(result.folder / "state", tmp_path / "state")
    folder = BatchFolder(tmp_path)
    settings, chunks, version = folder.read_plan()
    (folder.chunks / f"{folder.key(settings, chunks[0], version)}.json").unlink()
    text = write_report(tmp_path).read_text()
    assert "<b>2</b>not yet reduced" in text
    assert "No results have been written yet." in text


@pytest.mark.slow
def test_a_folder_that_has_moved_has_a_report_of_its_own_results(result, tmp_path):
    shutil.copytree(result.folder, tmp_path / "moved")
    (tmp_path / "moved" / "pha_spectrum.fits.gz").unlink()
    text = write_report(tmp_path / "moved").read_text()
    assert "crab" in Page(text).headings
    assert "spectrum" not in Page(text).headings


def test_without_a_reduction_there_is_no_report(tmp_path):
    with pytest.raises(ResumeError, match="lightpool reduce"):
        write_report(tmp_path)


@pytest.mark.slow
def test_numbers_that_are_missing_stay_empty(result):
    folder = BatchFolder(result.folder)
    settings, chunks, version = folder.read_plan()
    key = folder.key(settings, chunks[0], version)
    record = folder.record(key)
    summaries = [{"target": "crab", "division": "all", "group": "all", "start": "2020-01-01T00:00:00", "norm": None}]
    outcomes = tuple(replace(outcome, summaries=summaries) for outcome in record.outcomes)
    before = (folder.chunks / f"{key}.json").read_text()
    (folder.chunks / f"{key}.json").write_text(replace(record, outcomes=outcomes).to_json())
    try:
        assert "None" not in re.sub(r"<pre>.*?</pre>", "", write_report(result.folder).read_text(), flags=re.DOTALL)
    finally:
        (folder.chunks / f"{key}.json").write_text(before)


@pytest.mark.slow
def test_a_browser_shows_the_page(result, tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"none of the browsers {', '.join(BROWSERS)} is installed")
    page = write_report(result.folder)
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    picture = tmp_path / "page.png"
    for width in (1280, 390):
        shot = [f"--screenshot={picture}", f"--window-size={width},3000", f"file://{page}"]
        subprocess.run([*command, *shot], check=True, capture_output=True, timeout=120)
        pixels = imread(picture)[..., :3]
        assert pixels.shape[1] == width or width < 500, "headless browsers have a least width"
        is_colored = (pixels.max(axis=-1) - pixels.min(axis=-1)) > 0.3
        assert 0.005 < is_colored.mean() < 0.9, "the pictures of the stacks are in colours"
    assert Path(page).stat().st_size < 5e6


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_no_column_is_cut_off_in_a_browser(result, tmp_path, width):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"none of the browsers {', '.join(BROWSERS)} is installed")
    text = write_report(result.folder).read_text()
    frame = tmp_path / "frame.html"  # a frame has the width that is asked for, a window has a least one
    (tmp_path / "page.html").write_text(text)
    measure = (
        "const page = document.querySelector('iframe').contentDocument; const root = page.documentElement;"
        "const wide = [...page.querySelectorAll('table, .scroll, .plots, .tiles')]"
        ".filter(each => each.scrollWidth > each.clientWidth + 1"
        " || each.getBoundingClientRect().right > root.clientWidth);"
        "document.title = `widths ${root.scrollWidth} ${root.clientWidth} ${wide.length} `"
        "+ getComputedStyle(page.querySelector('thead')).display;"
    )
    frame.write_text(
        f'<iframe src="page.html" width="{width}" height="3000" style="border: 0" onload="{measure}"></iframe>'
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--allow-file-access-from-files", "--window-size=1400,3000", "--dump-dom", f"file://{frame}"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    found = re.search(r"widths (\d+) (\d+) (\d+) (.*?)</title>", shown)
    assert found, "the page was measured"
    assert int(found[1]) <= int(found[2])
    assert int(found[2]) in (width, width - 15), "less a scroll bar"
    assert int(found[3]) == 0, "no table is wider than the page"
    assert (found[4] == "none") == (width == 390), "a telephone shows cards instead of columns"
