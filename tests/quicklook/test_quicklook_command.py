"""``lightpool quicklook``, as a newcomer types it."""

import pytest
from astropy.io import fits
from click.testing import CliRunner

import lightpool
from lightpool.cli import main
from lightpool.config import Settings
from lightpool.datasets import MapDatasetOnOff
from lightpool.simulate import simulate_store


@pytest.fixture
def run():
    yield lambda *args: CliRunner().invoke(main, ["quicklook", *map(str, args)])
    lightpool.set_default_device(None)


@pytest.mark.slow
def test_a_source_is_seen_without_a_settings_file(run, small_store, tmp_path):
    folder = tmp_path / "look"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "notes.txt").write_text("mine")
    done = run(small_store, "--source", "Crab", "-o", folder, "--width", 2, "--energy-min", "1TeV", "--max-offset", 1)
    assert done.exit_code == 0, done.output
    assert "ring background from 0.5 to 0.8 deg" in done.output
    cells = next(line for line in done.output.splitlines() if line.startswith("crab-map")).split()
    dataset = MapDatasetOnOff.read(folder / "crab-map.fits.gz")
    circle = dataset.counts.geom.to_image().region_mask("icrs; circle(83.633083, 22.0145, 0.1)")
    assert float(cells[1]) == (dataset.counts.data * dataset.mask_safe.data)[:, circle.data].sum()
    assert float(cells[6]) > 3
    assert (folder / "report.html").exists()
    pictures = {path.name for path in (folder / "pictures").iterdir()}
    assert {"crab-map-significance.png", "crab-map-theta-squared.png", "crab-map-counts.png"} <= pictures
    assert "crab-spectrum-counts-and-background.png" in pictures
    # what was chosen can be changed and reduced
    settings = Settings.read(folder / "settings.yaml")
    assert settings.output.folder == str(folder / "reduced")
    assert "# Source: Crab: RA 83.6331 deg" in (folder / "settings.yaml").read_text()
    again = CliRunner().invoke(main, ["reduce", str(folder / "settings.yaml")])
    assert again.exit_code == 0, again.output
    repeated = MapDatasetOnOff.read(folder / "reduced" / "crab-map.fits.gz")
    assert (repeated.counts_off.data == dataset.counts_off.data).all()
    assert (folder / "pictures" / "notes.txt").read_text() == "mine"
    # the folder is not overwritten, but by request
    again = run(small_store, "--source", "Crab", "-o", folder)
    assert again.exit_code == 2
    assert "use --resume to continue it, or --restart to discard it" in again.output
    again = run(small_store, "--source", "Crab", "-o", folder, "--restart", "--runs", 2, "--width", 2)
    assert again.exit_code == 0, again.output
    assert Settings.read(folder / "settings.yaml").observations.obs_ids == [2]


@pytest.mark.slow
def test_point_like_runs_have_a_spectrum_and_theta_squared(run, point_like_store, tmp_path):
    done = run(point_like_store, "-o", tmp_path / "look")
    assert done.exit_code == 0, done.output
    assert "Map       none: the responses are point-like" in done.output
    names = {path.name for path in (tmp_path / "look" / "pictures").iterdir()}
    assert "simulated-source-spectrum-theta-squared.png" in names
    assert not any("significance.png" in name and "cumulative" not in name for name in names)


@pytest.mark.slow
def test_runs_without_events_have_no_significance(run, tmp_path):
    store = simulate_store(tmp_path / "store", 2, ontime=60)
    for path in (store / "data").iterdir():
        with fits.open(path) as hdus:
            hdus["EVENTS"].data = hdus["EVENTS"].data[:0]
            hdus.writeto(path, overwrite=True)
    done = run(store, "-o", tmp_path / "look", "--width", 2, "--max-offset", 1)
    assert done.exit_code == 0, done.output
    row = next(line for line in done.output.splitlines() if line.startswith("simulated-source-spectrum")).split()
    assert row[1] == "0"
    assert (tmp_path / "look" / "report.html").exists()


@pytest.mark.slow
def test_runs_without_background_responses_have_counts_and_a_spectrum(run, tmp_path):
    store = simulate_store(tmp_path / "store", 2, ontime=60)
    with fits.open(store / "hdu-index.fits.gz") as hdus:
        hdus[1].data = hdus[1].data[hdus[1].data["HDU_TYPE"] != "bkg"]
        hdus.writeto(store / "hdu-index.fits.gz", overwrite=True)
    done = run(store, "-o", tmp_path / "look", "--width", 2, "--max-offset", 1)
    assert done.exit_code == 0, done.output
    rows = {line.split()[0]: line.split() for line in done.output.splitlines() if line.startswith("simulated-source-")}
    assert rows["simulated-source-map"][2:5] == ["-", "-", "-"]
    assert float(rows["simulated-source-spectrum"][-3]) > 3
    names = {path.name for path in (tmp_path / "look" / "pictures").iterdir()}
    assert "simulated-source-map-counts.png" in names
    assert "simulated-source-map-significance.png" not in names


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--source", "Mrk 421"], "points within 2 deg of the source", 2),
        (["--source", "83.63"], "is not a position", 2),
        (["--runs", "99"], "--runs: the data store does not contain 99", 2),
        (["--runs", "x"], "neither a file nor a list of numbers", 2),
        (["--runs", " "], "--runs: expected numbers of runs such as 1,2,5, got ' '", 2),
        (["--width", "wide"], "expected an angle, such as '0.5 deg'", 2),
        (["--width", "0"], "expected more than zero", 2),
        (["--radius", "-1"], "expected more than zero", 2),
        (["--energy-min", "1 deg"], "expected an energy, such as '0.5 TeV'", 2),
        (["--device", "gpu"], "device 'gpu' is not known", 2),
        (["--exclude", "/nowhere.reg"], "--exclude /nowhere.reg cannot be read", 2),
        (["--resume", "--restart"], "mutually exclusive", 2),
    ],
)
def test_bad_input_is_one_message_and_an_exit_code(run, small_store, tmp_path, arguments, message, code):
    done = run(small_store, "-o", tmp_path / "look", *arguments)
    assert done.exit_code == code, done.output
    assert message in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "look" / "settings.yaml").exists()


@pytest.mark.parametrize(
    "name", ["settings.yaml", "report.html", "pictures", "pictures/simulated-source-map-counts.png"]
)
def test_files_of_others_are_not_replaced(run, small_store, tmp_path, name):
    path = tmp_path / "look" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    done = run(small_store, "-o", tmp_path / "look", "--width", 2, "--max-offset", 1)
    assert done.exit_code == 2, done.output
    assert f"{path} existed before any quick look in this folder" in done.output
    assert path.read_text() == "mine"
    assert [each.name for each in (tmp_path / "look").iterdir()] == [name.partition("/")[0]]


def test_a_file_without_numbers_of_runs_is_named(run, small_store, tmp_path):
    (tmp_path / "runs.txt").write_text("\n")
    done = run(small_store, "-o", tmp_path / "look", "--runs", tmp_path / "runs.txt")
    assert done.exit_code == 2
    assert f"the file {tmp_path / 'runs.txt'} has none" in done.output


def test_a_store_that_does_not_exist_is_named(run, tmp_path):
    done = run(tmp_path / "nowhere")
    assert done.exit_code == 1
    assert f"no folder {tmp_path / 'nowhere'}" in done.output


def test_a_file_is_not_a_store(run, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(tmp_path / "file")
    assert done.exit_code == 2
    assert "is a file" in done.output
