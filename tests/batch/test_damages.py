"""A store with thirteen kinds of damage: good runs are reduced, each bad one is named with its cause."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner
from small_reductions import bits_of

from lightpool.batch import make_plan, run_batch
from lightpool.cli import main
from lightpool.data import DataStore
from lightpool.simulate import simulate_store

GOOD = [1, 8, 15]
CAUSES = {  # what is in the error of the reduction, the code of the check, and the HDU that it names
    2: ("gzip data are cut off", "file-damaged", None),
    3: ("no file", "file-missing", None),
    4: ("is not a FITS file", "not-fits", None),
    5: ("no HDU 'EVENTS'", "hdu-missing", "EVENTS"),
    6: ("missing: ENERGY", "column-missing", "EVENTS"),
    7: ("column 'ENERGY' has unit 's'", "unit", "EVENTS"),
    9: ("before it starts", "gti-order", "GTI"),
    10: ("axis 'offset'", "irf-range", "AEFF"),
    11: ("Required HDUs ['bkg'] not found", "hdu-not-listed", None),
    12: ("holds a table of the class 'edisp_2d'", "irf-range", "EDISP"),
    13: ("RA_PNT", "pointing", "EVENTS"),
    14: ("DEADC = 1.7", "deadtime", "EVENTS"),
    16: ("one row, this one has none", "irf-range", "PSF"),
}


def _without_column(hdu, name):
    kept = fits.ColDefs([column for column in hdu.columns if column.name != name])
    new = fits.BinTableHDU.from_columns(kept, name=hdu.name)
    keep = {key: value for key, value in hdu.header.items() if key not in new.header and key[:2] != "TT"}
    new.header.update({key: value for key, value in keep.items() if not key[-1].isdigit()})
    return new


def _damage(obs_id, hdus):
    """Change the HDUs of a run."""
    if obs_id == 5:
        del hdus["EVENTS"]
    elif obs_id == 6:
        hdus[hdus.index_of("EVENTS")] = _without_column(hdus["EVENTS"], "ENERGY")
    elif obs_id == 7:
        hdus["EVENTS"].columns["ENERGY"].unit = "s"
    elif obs_id == 9:
        hdus["GTI"].data["STOP"] = hdus["GTI"].data["START"] - 5
    elif obs_id == 10:
        hdus["AEFF"].data["THETA_LO"][0, 1] = np.nan
    elif obs_id == 13:
        del hdus["EVENTS"].header["RA_PNT"]
    elif obs_id == 14:
        hdus["EVENTS"].header["DEADC"] = 1.7
    elif obs_id == 16:
        hdus["PSF"].data = hdus["PSF"].data[:0]


def _damage_index(path):
    with fits.open(path) as hdus:
        header, table = hdus[1].header, hdus[1].data.copy()
        wrong = (table["OBS_ID"] == 12) & (table["HDU_TYPE"] == "aeff")
        table["HDU_NAME"][wrong] = "EDISP"
        table = table[~((table["OBS_ID"] == 11) & (table["HDU_TYPE"] == "bkg"))]
        new = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table, header)])
    new.writeto(path, overwrite=True)


@pytest.fixture(scope="module")
def damaged_store(tmp_path_factory):
    folder = simulate_store(tmp_path_factory.mktemp("damaged"), 16, seed=4, ontime=300)
    for obs_id in CAUSES:
        path = folder / "data" / f"run_{obs_id:06d}.fits.gz"
        if obs_id == 2:
            path.write_bytes(path.read_bytes()[:20_000])
        elif obs_id == 3:
            path.unlink()
        elif obs_id == 4:
            path.write_text("<html>503 Service Unavailable</html>")
        else:
            with fits.open(path, memmap=False) as hdus:
                hdus = fits.HDUList([hdu.copy() for hdu in hdus])
            _damage(obs_id, hdus)
            hdus.writeto(path, overwrite=True)
    _damage_index(folder / "hdu-index.fits.gz")
    return folder


@pytest.mark.slow
def test_good_runs_are_reduced_and_each_bad_one_is_named_with_its_cause(settings_of, damaged_store):
    run = {"chunk_size": 20, "on_error": "skip"}
    result = run_batch(make_plan(settings_of(observations={"datastore": str(damaged_store)}, run=run)))
    failed = {outcome.obs_id: outcome for outcome in result.outcomes if outcome.status == "failed"}
    assert sorted(failed) == sorted(CAUSES)
    for obs_id, (text, _, hdu) in CAUSES.items():
        outcome = failed[obs_id]
        assert text in outcome.error, outcome.error
        assert outcome.step in ("reading", "MapDatasetMaker", "pointing")
        assert obs_id == 11 or f"run_{obs_id:06d}.fits.gz" in outcome.error
        assert hdu is None or hdu in outcome.error, outcome.error
        assert "Traceback" in outcome.traceback
    good = settings_of("good", observations={"datastore": str(damaged_store), "obs_ids": GOOD}, run=run)
    assert run_batch(make_plan(good)).n_failed == 0
    assert bits_of(result.folder) == bits_of(Path(good.output.folder))


@pytest.mark.slow
def test_the_check_names_the_same_runs(damaged_store):
    done = CliRunner().invoke(main, ["check", str(damaged_store), "--json", "--workers", "2"])
    assert done.exit_code == 4
    errors = [found for found in json.loads(done.stdout) if found["level"] == "error"]
    assert [(found["obs_id"], found["code"]) for found in errors] == [(n, code) for n, (_, code, _) in CAUSES.items()]
    for found in errors:
        hdu = CAUSES[found["obs_id"]][2]
        assert found.get("hdu") == hdu
        assert found["obs_id"] == 11 or f"run_{found['obs_id']:06d}.fits.gz" in found["file"]


def test_the_check_of_some_runs_is_a_line_for_each_fault(damaged_store, tmp_path):
    invoke = lambda *args: CliRunner().invoke(main, ["check", str(damaged_store), *args])  # noqa: E731
    done = invoke("--runs", "1,8")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "2 runs checked, 0 errors, 0 warnings")
    (tmp_path / "runs.txt").write_text("1\n14\n")
    done = invoke("--runs", str(tmp_path / "runs.txt"))
    assert done.exit_code == 4
    assert "14  error    deadtime         data/run_000014.fits.gz[EVENTS]: " in done.stdout
    assert done.stdout.splitlines()[-1] == "2 runs checked, 1 error, 0 warnings"
    for wrong in ("1,99", "no-such-file"):
        assert invoke("--runs", wrong).exit_code == 2


def test_a_changed_byte_is_found_by_the_checksum(tmp_path):
    store = simulate_store(tmp_path / "store", 1, seed=4, ontime=60)
    path = store / "data" / "run_000001.fits.gz"
    with fits.open(path, memmap=False) as hdus:
        hdus = fits.HDUList([hdu.copy() for hdu in hdus])
    hdus.writeto(path, overwrite=True, checksum=True)
    assert list(DataStore.from_dir(store).check()) == []
    raw = bytearray(gzip.decompress(path.read_bytes()))
    with fits.open(path) as hdus:
        start = hdus["EVENTS"].fileinfo()["datLoc"]
    raw[raw.index(b"simulated source")] = ord("S")
    path.write_bytes(gzip.compress(raw))
    found = list(DataStore.from_dir(store).check())
    assert [(each["code"], each["level"], each["hdu"]) for each in found] == [("checksum", "warning", "EVENTS")]
    raw[start + 7] ^= 1
    path.write_bytes(gzip.compress(raw))
    found = list(DataStore.from_dir(store).check())
    assert [(each["code"], each["level"], each["hdu"]) for each in found] == [("checksum", "error", "EVENTS")]
