"""Scripts written for Gammapy alone print the same on lightpool, one for each topic of Gammapy's tutorials."""

import io
import runpy
import subprocess
import sys
import warnings
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import matplotlib
import pytest
from astropy.table import Table

from lightpool import gammapy as bridge
from lightpool.simulate import simulate_store

SCRIPTS = Path(__file__).parent / "scripts"
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))
DIFFERENCES = {
    "mask_maps": "fit of the field-of-view background",
    "models_3d": "fit of the field-of-view background",
    "point_like": "RAD_MAX beside full-enclosure responses",
}
"""Documented differences from Gammapy in the numbers of a script."""


@pytest.fixture(scope="session")
def point_like_store(tmp_path_factory):
    return simulate_store(tmp_path_factory.mktemp("point_like"), 6, seed=1)


@pytest.fixture(scope="session")
def full_store(tmp_path_factory):
    """Without RAD_MAX tables: where there are some, Gammapy asks for regions that fit them."""
    folder = simulate_store(tmp_path_factory.mktemp("full"), 6, seed=1)
    index = Table.read(folder / "hdu-index.fits.gz")
    index[index["HDU_CLASS"] != "rad_max_2d"].write(folder / "hdu-index.fits.gz", overwrite=True)
    return folder


@pytest.fixture
def store(request, name):
    return request.getfixturevalue("point_like_store" if name == "point_like" else "full_store")


@pytest.fixture
def compare_outputs(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import printed_output

    yield printed_output.compare_outputs
    sys.modules.pop("printed_output")


@pytest.fixture
def run_script(monkeypatch, tmp_path):
    """Call it with a name, a store and a context: what the script printed, as the main program of this process."""
    matplotlib.use("agg")

    def run(name, store, context=None):
        folder = tmp_path / ("plain" if context is None else "other")
        folder.mkdir()
        monkeypatch.chdir(folder)
        path = SCRIPTS / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), str(store)])
        with redirect_stdout(io.StringIO()) as output, context or nullcontext(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runpy.run_path(str(path), run_name="__main__")
        return output.getvalue()

    return run


@pytest.mark.parametrize("name", NAMES)
def test_a_script_prints_the_same_on_lightpool(name, store, run_script, compare_outputs):
    plain = run_script(name, store)
    before = calls_of_lightpool()
    accelerated = run_script(name, store, bridge.accelerated(strict=name in DIFFERENCES))
    comparison = compare_outputs(plain, accelerated)
    assert comparison.texts == []
    assert comparison.numbers == []
    assert calls_of_lightpool() > before


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFERENCES)
def test_only_numbers_of_a_script_differ_and_the_report_says_why(name, store, run_script, compare_outputs):
    plain = run_script(name, store)
    accelerated = run_script(name, store, bridge.accelerated())
    comparison = compare_outputs(plain, accelerated)
    assert comparison.texts == []
    assert 1e-5 < comparison.largest < 0.02
    assert any(DIFFERENCES[name] in row.differences for row in bridge.report().rows)


@pytest.mark.parametrize("name", ["spectrum_fit"])
def test_a_script_prints_the_same_as_the_argument_of_the_module(name, store, run_script, compare_outputs, tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "lightpool.gammapy", "--report", str(SCRIPTS / f"{name}.py")]
    process = subprocess.run([*command, str(store)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "SpectrumDatasetMaker.run" in process.stderr
    assert compare_outputs(run_script(name, store), process.stdout).is_same


def calls_of_lightpool():
    return sum(row.calls - row.fallbacks for row in bridge.report().rows)


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("norm : 0.9912 +- 0.0184", "norm : 0.9912 +-  0.0185", True),
        ("norm : 0.9912 +- 0.0184", "norm : 0.9912 +- 0.0187", False),
        ("norm : 0.9912", "norm : 0.9912 +- 0.0184", False),
        ("12.0 counts", "13.0 counts", False),
        ("12 counts", "13 counts", False),
        ("12 counts", "nan counts", False),
        ("exposure 1.2345678901e+09", "exposure 1.2345678912e+09", True),
        ("exposure 1.2345678901e+09", "exposure 1.2346678912e+09", False),
        ("Name : vd-OsQe-", "Name : B7UwCLGn", True),
        ("Name : rFol4mG-", "Name : KUhsfc-6", True),
        ("amplitude 1.2345e-05", "amplitude 2.2345e-05", False),
        ("Name : stacked", "Name : sources", False),
        ("<Map object at 0x7f2b3c4d>", "<Map object at 0x7f9b3c4d5e>", True),
        ("one line", "one line\nand another", False),
    ],
)
def test_outputs_are_the_same_if_words_and_numbers_agree(first, second, is_same, compare_outputs):
    assert compare_outputs(first, second).is_same == is_same
