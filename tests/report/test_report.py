"""The report: what it says, that it needs nothing beside it, and that a browser shows it."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.image import imread

from lightpool.batch import make_plan, run_batch
from lightpool.batch.folder import BatchFolder
from lightpool.config import Settings
from lightpool.errors import ResumeError
from lightpool.report import write_report

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


def test_the_page_tells_what_was_done_and_what_failed(result):
    text = write_report(result.folder).read_text()
    assert re.search(r"<b>6</b>observations planned", text)
    assert re.search(r"<b>5</b>done", text)
    assert re.search(r"<b>1</b>failed", text)
    failed = next(outcome for outcome in result.outcomes if outcome.status == "failed")
    assert failed.obs_id == 3
    assert "run_000003.fits.gz" in text
    assert "<script>" not in text
    for name in ("crab", "spectrum", "crab-nights-2020-01-01"):
        assert f"<h3>{name}</h3>" in text
    assert "type: FoVBackgroundMaker" in text


def test_the_page_needs_nothing_beside_it(result, tmp_path):
    text = write_report(result.folder, tmp_path / "page.html").read_text()
    links = re.findall(r"(?:src|href)=[\"']([^\"']*)", text)
    assert links
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert "@import" not in text
    assert "url(" not in text


def test_a_reduction_that_has_not_ended_has_a_report(result, tmp_path):
    shutil.copytree(result.folder / "state", tmp_path / "state")
    folder = BatchFolder(tmp_path)
    settings, chunks, version = folder.read_plan()
    (folder.chunks / f"{folder.key(settings, chunks[0], version)}.json").unlink()
    text = write_report(tmp_path).read_text()
    assert "<b>2</b>not done yet" in text
    assert "No results are written yet." in text


def test_a_folder_that_has_moved_has_a_report_of_its_own_results(result, tmp_path):
    shutil.copytree(result.folder, tmp_path / "moved")
    (tmp_path / "moved" / "pha_spectrum.fits.gz").unlink()
    text = write_report(tmp_path / "moved").read_text()
    assert "<h3>crab</h3>" in text
    assert "<h3>spectrum</h3>" not in text


def test_without_a_reduction_there_is_no_report(tmp_path):
    with pytest.raises(ResumeError, match="lightpool reduce"):
        write_report(tmp_path)


def test_numbers_that_are_missing_stay_empty(result):
    folder = BatchFolder(result.folder)
    settings, chunks, version = folder.read_plan()
    key = folder.key(settings, chunks[0], version)
    record = folder.record(key)
    figures = [{"target": "crab", "division": "all", "group": "all", "start": "2020-01-01T00:00:00", "norm": None}]
    outcomes = tuple(replace(outcome, figures=figures) for outcome in record.outcomes)
    before = (folder.chunks / f"{key}.json").read_text()
    (folder.chunks / f"{key}.json").write_text(replace(record, outcomes=outcomes).to_json())
    try:
        assert "None" not in re.sub(r"<pre>.*?</pre>", "", write_report(result.folder).read_text(), flags=re.DOTALL)
    finally:
        (folder.chunks / f"{key}.json").write_text(before)


def test_a_browser_shows_the_page(result, tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"none of the browsers {', '.join(BROWSERS)} is installed")
    page = write_report(result.folder)
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    picture = tmp_path / "page.png"
    shot = [f"--screenshot={picture}", "--window-size=1280,3000", f"file://{page}"]
    subprocess.run([*command, *shot], check=True, capture_output=True, timeout=120)
    shown = subprocess.run(
        [*command, "--dump-dom", f"file://{page}"], check=True, capture_output=True, text=True, timeout=120
    )
    assert '<h2 id="stacks">Stacks</h2>' in shown.stdout
    pixels = imread(picture)[..., :3]
    assert pixels.shape == (3000, 1280, 3)
    is_colored = (pixels.max(axis=-1) - pixels.min(axis=-1)) > 0.3
    assert 0.02 < is_colored.mean() < 0.9, "the pictures of the stacks are in colours"
    assert Path(page).stat().st_size < 5e6
