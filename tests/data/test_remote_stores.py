"""Data stores at addresses: in an archive, on a server, in the memory of a file system."""

import io
import threading
import zipfile
from contextlib import redirect_stdout
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from loopback_server import serving
from made_up_stores import events_hdu, gti_hdu, header_with, irf_hdus, write

from lightpool.data import DataStore, EventList, HDUIndexTable, Observation
from lightpool.data.files.hdu_location import HDULocation
from lightpool.errors import MissingDataError
from lightpool.fits import join_address, remote
from lightpool.fits.remote import RemoteCache

fsspec = pytest.importorskip("fsspec")


class Counting(SimpleHTTPRequestHandler):
    """Remembers which files were sent."""

    sent: list[str] = []  # noqa: RUF012

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.sent.append(self.path)
        super().do_GET()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    cache = RemoteCache(tmp_path / "cache")
    monkeypatch.setattr(remote, "REMOTE_CACHE", cache)
    return cache


@pytest.fixture(params=["zip", "memory", "http"])
def address(request, three, tmp_path):
    folder = three.finish()
    files = [path for path in folder.rglob("*") if path.is_file()]
    if request.param == "zip":
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for path in files:
                archive.write(path, f"release/{path.relative_to(folder)}")
        yield f"zip://release::{tmp_path}/all.zip"
    elif request.param == "memory":
        system = fsspec.filesystem("memory")
        for path in files:
            system.pipe(f"/release/{path.relative_to(folder)}", path.read_bytes())
        yield "memory://release"
        system.store.clear()
    else:
        pytest.importorskip("aiohttp")
        Counting.sent.clear()
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Counting, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_store_at_an_address_is_that_of_the_folder(address, three, tmp_path):
    there, here = DataStore.from_dir(address), DataStore.from_dir(three.folder)
    assert there.obs_ids.tolist() == here.obs_ids.tolist()
    assert len(there.obs_table) == 3
    assert str(there.hdu_table.base_dir).rstrip("/") == address.rstrip("/")
    for number in (1, 3):
        found, expected = there.obs(number), here.obs(number)
        np.testing.assert_array_equal(found.events.arrays["energy"], expected.events.arrays["energy"])
        np.testing.assert_array_equal(found.aeff.data, expected.aeff.data)
        assert found.gti.duration_s == expected.gti.duration_s
        assert found.pointing_degrees == expected.pointing_degrees
    assert "run_1.fits" in str(there.hdu_table.location_info(0).place)
    if address.startswith("http"):
        # Each file once, and of the observation that nobody asked for nothing.
        data = [path for path in Counting.sent if "run" in path]
        assert sorted(data) == ["/data/run_1.fits", "/data/run_3.fits"]
    copied = tmp_path / "copied"
    copied.mkdir()
    there.copy_obs([2], copied)
    assert len(DataStore.from_dir(copied).obs(2).events) == len(here.obs(2).events)


def test_single_files_at_addresses_are_read(address, three):
    run = join_address(address, "data", "run_2.fits")
    assert len(EventList.read(run)) == 10
    observation = Observation.read(run)
    assert observation.obs_id == 2
    assert observation.aeff.data.max() > 0
    store = DataStore.from_events_files([run])
    assert store.obs(2).available_irfs == ["aeff", "edisp", "psf", "bkg"]
    assert len(HDUIndexTable.read(join_address(address, "hdu-index.fits.gz"))) == 18


def test_a_calibration_database_on_a_server_is_found(tmp_path, monkeypatch):
    pytest.importorskip("aiohttp")
    header = header_with(TELESCOP="CTA", CALDB="1dc", IRF="South")
    write(tmp_path / "served" / "events.fits", events_hdu(header=header), gti_hdu())
    write(tmp_path / "served" / "caldb/data/cta/1dc/bcf/South/irf_file.fits", *irf_hdus())
    with serving(tmp_path / "served") as server:
        monkeypatch.setenv("CALDB", f"{server.address}/caldb")
        for events in (tmp_path / "served" / "events.fits", f"{server.address}/events.fits"):
            store = DataStore.from_events_files([events])
            assert set(store.hdu_table["FILE_DIR"][2:]) == {"$CALDB/data/cta/1dc/bcf/South"}
            assert store.obs(1).aeff.data.max() > 0
        monkeypatch.setenv("CALDB", f"{server.address}/other")
        without = DataStore.from_events_files([events])
        assert without.hdu_table["HDU_TYPE"].tolist() == ["events", "gti"]


def test_a_file_that_is_missing_is_named_and_does_not_stop_a_check(address):
    with pytest.raises(MissingDataError, match="other"):
        DataStore.from_dir(address, hdu_table_filename="other.fits")
    store = DataStore.from_dir(address)
    store.hdu_table["FILE_NAME"][store.hdu_table["OBS_ID"] == 2] = "none.fits"
    with pytest.raises(MissingDataError, match="none"):
        _ = store.obs(2).events
    codes = {(record.get("obs_id"), record["code"]) for record in store.check(["hdu_table"])}
    assert codes == {(2, "file-missing")}


def shown_texts(thing):
    """What printing, a list, a notebook and ``info`` show of an object."""
    texts = {"str": str(thing), "repr": repr([thing])}
    if hasattr(thing, "_repr_html_"):
        texts["html"] = thing._repr_html_() or ""
    if isinstance(thing, DataStore | HDULocation):
        stream = io.StringIO()
        with redirect_stdout(stream):
            stream.write(str(thing.info()))
        texts["info"] = stream.getvalue()
    if isinstance(thing, HDUIndexTable):
        texts["summary"] = thing.summary()
    return texts


def test_no_object_of_a_store_shows_the_password_of_its_address(three):
    pytest.importorskip("aiohttp")
    with serving(three.finish()) as server:
        server.allowed = ("me:QxyzzyQ17",)
        store = DataStore.from_dir(server.address.replace("http://", "http://me:QxyzzyQ17@"))
        run = store.obs(1)
        names = ("events", "gti", "aeff", "edisp", "psf", "bkg", "pointing", "meta", "parts", "locations")
        things = [store, store.hdu_table, store.obs_table, store.get_observations([1, 2]), run]
        things += [getattr(run, name) for name in names] + [run.events.meta, run.events.table]
        things += list(run.locations.values())
        shown = [(type(each).__name__, *text) for each in things for text in shown_texts(each).items()]
        assert [(name, kind) for name, kind, text in shown if "Qxyzzy" in text] == []
        with pytest.raises(MissingDataError) as caught:
            EventList.read(f"{store.hdu_table.base_dir}/none.fits")
        assert "Qxyzzy" not in str(caught.value)
