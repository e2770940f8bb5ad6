"""Tables of ObsCore 1.1: from a data store, and a data store from the answer of a TAP service."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time

from lightpool.data import DataStore
from lightpool.data.ivoa import empty_obscore_table, from_obscore_table, tap_address, to_obscore_table
from lightpool.errors import FormatError, MissingColumnError
from lightpool.fits import remote
from lightpool.fits.remote import RemoteCache

# The fields and the form of the answer of a service with ObsCore 1.1 (table 6 of the standard), in VOTable 1.3.
FIELDS = """
<FIELD name="dataproduct_type" datatype="char" arraysize="*" utype="ObsDataset.dataProductType" ucd="meta.id"/>
<FIELD name="calib_level" datatype="int" utype="ObsDataset.calibLevel" ucd="meta.code;obs.calib"/>
<FIELD name="target_name" datatype="char" arraysize="*" utype="Target.Name" ucd="meta.id;src"/>
<FIELD name="obs_id" datatype="char" arraysize="*" utype="DataID.observationID" ucd="meta.id"/>
<FIELD name="access_url" datatype="char" arraysize="*" utype="Access.reference" ucd="meta.ref.url"/>
<FIELD name="access_format" datatype="char" arraysize="*" utype="Access.format" ucd="meta.code.mime"/>
<FIELD name="s_ra" datatype="double" unit="deg" ucd="pos.eq.ra"/>
<FIELD name="s_dec" datatype="double" unit="deg" ucd="pos.eq.dec"/>
<FIELD name="t_min" datatype="double" unit="d" ucd="time.start;obs.exposure"/>
<FIELD name="t_max" datatype="double" unit="d" ucd="time.end;obs.exposure"/>
<FIELD name="t_exptime" datatype="double" unit="s" ucd="time.duration;obs.exposure"/>
<FIELD name="facility_name" datatype="char" arraysize="*" ucd="meta.id;instr.tel"/>
<FIELD name="instrument_name" datatype="char" arraysize="*" ucd="meta.id;instr"/>
"""
ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/><TABLE name="obscore">{fields}
<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""


def answer(urls, **changes):
    rows = []
    for number, url in urls.items():
        day = 53000 + number
        values = {
            "dataproduct_type": "event",
            "calib_level": 2,
            "target_name": "Crab",
            "obs_id": number,
            "access_url": url.replace("&", "&amp;"),
            "access_format": "application/fits",
            "s_ra": 83.0 + number,
            "s_dec": 22.51,
            "t_min": day,
            "t_max": day + 100 / 86400,
            "t_exptime": 90.0,
            "facility_name": "POOL",
            "instrument_name": "",
        } | changes.get(str(number), {})
        rows.append("<TR>" + "".join(f"<TD>{value}</TD>" for value in values.values()) + "</TR>")
    return ANSWER.format(fields=FIELDS, rows="\n".join(rows))


@pytest.fixture
def urls(three):
    folder = three.finish()
    return {number: f"file://{folder}/data/run_{number}.fits" for number in (1, 2, 3)}


@pytest.mark.parametrize("same_layout", [True, False])
def test_the_answer_of_a_service_becomes_a_store(urls, three, tmp_path, same_layout):
    image = {"3": {"dataproduct_type": "image", "access_format": "image/png"}}
    (tmp_path / "answer.xml").write_text(answer(urls, **image))
    store = from_obscore_table(tmp_path / "answer.xml", same_layout=same_layout)
    expected = DataStore.from_dir(three.folder)
    assert store.obs_ids.tolist() == [1, 2]
    for number in (1, 2):
        np.testing.assert_array_equal(store.obs(number).events.energy, expected.obs(number).events.energy)
        np.testing.assert_array_equal(store.obs(number).bkg.data, expected.obs(number).bkg.data)
    assert store.obs_table["OBJECT"].tolist() == ["Crab", "Crab"]
    assert store.obs_table.pointing_radec.ra.deg.tolist() == [84.0, 85.0]
    np.testing.assert_allclose(store.obs_table.time_start.mjd, [53001, 53002], rtol=0, atol=1e-9)
    chosen = store.obs_table.select_time_range(Time([53001.5, 53003], format="mjd", scale="tt"))
    assert chosen["OBS_ID"].tolist() == [2]
    assert store.obs_table["TSTOP"].quantity[0].to_value("s") == pytest.approx(100, abs=1e-5)


class Service(SimpleHTTPRequestHandler):
    """A TAP service that answers each query with the same table, and sends files by their number."""

    table = ""
    queries: list[str] = []  # noqa: RUF012

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        address = urlparse(self.path)
        values = parse_qs(address.query)
        if address.path == "/tap/sync":
            self.queries.append(values["QUERY"][0])
            content = self.table.encode()
        else:
            with open(f"{self.directory}/data/run_{values['id'][0]}.fits", "rb") as stream:
                content = stream.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def test_a_service_is_asked_by_its_address(three, tmp_path, monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(remote, "REMOTE_CACHE", RemoteCache(tmp_path / "cache"))
    folder = three.finish()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Service, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        host = f"http://127.0.0.1:{server.server_port}"
        Service.table = answer({number: f"{host}/get?id={number}&kind=fits" for number in (1, 2, 3)})
        query = "SELECT * FROM ivoa.obscore WHERE obs_collection = 'DL3' AND s_dec > 20"
        store = from_obscore_table(tap_address(f"{host}/tap/", query), same_layout=True)
        assert query in Service.queries
        assert store.obs_ids.tolist() == [1, 2, 3]
        assert store.obs(2).events.arrays["lon"][0] == DataStore.from_dir(folder).obs(2).events.arrays["lon"][0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"2": {"access_url": ""}}, "observations 2 have no access_url"),
        ({"2": {"access_format": "application/x-votable+xml;content=datalink"}}, "datalink"),
        ({"2": {"obs_id": "run two"}}, "run two"),
        ({str(number): {"dataproduct_type": "cube"} for number in (1, 2, 3)}, "no event lists"),
    ],
)
def test_what_cannot_become_a_store_is_said(urls, tmp_path, changes, text):
    (tmp_path / "answer.xml").write_text(answer(urls, **changes))
    with pytest.raises(FormatError, match=text):
        from_obscore_table(tmp_path / "answer.xml", same_layout=True)


def test_a_table_without_addresses_is_refused():
    with pytest.raises(MissingColumnError, match="access_url"):
        from_obscore_table(Table({"obs_id": [1]}))


def test_a_store_becomes_a_table_and_that_a_store_again(three):
    folder = three.finish()
    url = f"file://{folder}/data/"
    table = to_obscore_table(folder, [1, 3], "ivo://example.org/a/very/long/name/of/data", url, {"obs_collection": "X"})
    assert table.colnames == empty_obscore_table().colnames
    assert table["obs_publisher_did"][1] == "ivo://example.org/a/very/long/name/of/data#3"
    assert table["obs_collection"].tolist() == ["X", "X"]
    assert table["s_ra"].unit == u.deg
    assert table["t_resolution"].tolist() == [0, 0]
    store = from_obscore_table(table)
    assert store.obs_ids.tolist() == [1, 3]
    assert len(store.obs(3).events) == 10
    with pytest.raises(ValueError, match="colour"):
        to_obscore_table(folder, [1], obscore_template={"colour": "red"})


def test_the_empty_table_has_the_columns_of_the_standard():
    table = empty_obscore_table()
    assert (len(table), len(table.colnames)) == (0, 29)
    assert table["dataproduct_type"].dtype == "<U10"
    assert table["instrument_name"].meta["Utype"] == "Provenance.ObsConfig.Instrument.name"
