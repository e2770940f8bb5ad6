"""The page about background models: tables of groups and runs, plots, and what is missing."""

import re
from pathlib import Path

import pytest
from astropy.table import Table
from click.testing import CliRunner

from lightpool.batch import plan_to_resume, run_batch
from lightpool.cli import main
from lightpool.config.background import BackgroundSettings
from lightpool.errors import ConfigError
from lightpool.report import write_report

RADIAL = {"offset": {"max": "2 deg", "nbin": 5}}
FLAT = {name: {"min": "-2 deg", "max": "2 deg", "nbin": 5} for name in ("fov_lon", "fov_lat")}
CIRCLE = {"lon": "83.633 deg", "lat": "22.0145 deg", "radius": "0.3 deg"}


@pytest.fixture
def folder_of(crab_store, tmp_path):
    def make(axes=RADIAL, **sections):
        energies = {"min": "1 TeV", "max": "10 TeV", "nbin": 4}
        data = {
            "observations": {"datastore": str(crab_store)},
            "background": {"energy_axis": energies, "axes": axes, "exclusion": [CIRCLE], "oversampling": 4},
            "output": {"folder": str(tmp_path / "models")},
        }
        settings = BackgroundSettings.from_dict(data | sections)
        run_batch(plan_to_resume(settings), resume=True)
        return Path(settings.output.folder)

    return make


def rows_of(page, table):
    body = re.search(rf'<table class="cards" id="{table}">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)] for row in rows
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("axes", "tables", "titles"),
    [
        (RADIAL, {}, ["Spectrum", "Rate", "Remaining exposure", "Norm of each run"]),
        (
            FLAT,
            {"smoothing": 1},
            ["Spectrum", "Rate", "Rate by energy", "Residuals", "Remaining exposure", "Norm of each run"],
        ),
    ],
)
def test_the_page_has_the_tables_and_their_plots(folder_of, axes, tables, titles):
    folder = folder_of(axes, tables=tables)
    page = write_report(folder).read_text()
    assert re.findall(r"<figcaption><b>(.*?)</b>", page) == titles
    summary, runs = (Table.read(folder / name) for name in ("groups.ecsv", "runs.ecsv"))
    ((name, n_run, _, _, counts, n_energy, n_invalid, *_, file),) = rows_of(page, "group-table")
    assert (name, n_run, counts, n_energy) == ("all", "6", str(summary["COUNTS"][0]), "4")
    assert n_invalid == f"{summary['N_INVALID'][0]} of {summary['N_BIN'][0]}"
    assert (folder / file).exists()
    listed = rows_of(page, "run-table")
    assert [row[0] for row in listed] == [str(obs_id) for obs_id in runs["OBS_ID"]]
    assert [row[7] for row in listed] == [
        f"{a:.3f} ± {b:.3f}" for a, b in zip(runs["NORM"], runs["NORM_ERROR"], strict=True)
    ]


@pytest.mark.slow
def test_the_page_names_runs_in_no_group_and_links_its_files(folder_of):
    groups = [{"by": "column", "column": "OBS_ID", "edges": [0, 2.5, 4.5]}]
    folder = folder_of(groups=groups)
    done = CliRunner().invoke(main, ["report", str(folder), "--max-pictures", "1"])
    assert done.exit_code == 0, done.output
    page = (folder / "report.html").read_text()
    assert "2 runs in no group and in no table: 5, 6" in page
    assert '<b id="n-ungrouped">2</b>' in page
    assert "Only the first 1 groups are plotted" in page
    assert [row[7] for row in rows_of(page, "run-table")][-2:] == ["\N{EN DASH}"] * 2
    for address in re.findall(r'<li><a href="([^"#][^"]*)"', page):
        assert (folder / address).exists(), address


def test_a_damaged_table_is_named_and_the_page_is_written(folder_of):
    folder = folder_of()
    (path,) = folder.glob("bkg-*")
    path.write_bytes(path.read_bytes()[:300])
    page = write_report(folder).read_text()
    assert "The file cannot be read: " in page
    assert len(rows_of(page, "run-table")) == 6


def test_before_anything_is_written_the_page_says_so(folder_of, tmp_path):
    with pytest.raises(ConfigError, match="none of the 6 runs is in a group"):
        folder_of(groups=[{"by": "zenith", "edges": [80, 85]}])
    page = write_report(tmp_path / "models").read_text()
    assert "No tables have been written yet." in page
    assert "<b>6</b>summed" in page
