"""Data stores in buckets (S3), served by a small server on the loopback interface."""

import shutil

import pytest
from loopback_bucket import serving_buckets
from made_up_stores import events_hdu, gti_hdu, header_with, irf_hdus, write

from lightpool.data import DataStore, EventList
from lightpool.errors import MissingDataError, RemoteFileError
from lightpool.fits import address_exists, remote, remote_files
from lightpool.fits.remote import RemoteCache

s3fs = pytest.importorskip("s3fs")

SECRET = "a-secret-that-nobody-reads-Q17"


@pytest.fixture
def bucket(tmp_path, monkeypatch, three):
    """A server with the store of three observations at ``s3://bucket/store``."""
    monkeypatch.setattr(remote, "REMOTE_CACHE", RemoteCache(tmp_path / "cache"))
    monkeypatch.setattr(remote_files, "WAITS", ())
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    shutil.copytree(three.finish(), tmp_path / "buckets" / "bucket" / "store")
    with serving_buckets(tmp_path / "buckets", "somebody") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        s3fs.S3FileSystem.clear_instance_cache()
        yield server
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_store_in_a_bucket_is_that_of_the_folder(bucket, three):
    there, here = DataStore.from_dir("s3://bucket/store"), DataStore.from_dir(three.folder)
    assert there.obs_ids.tolist() == here.obs_ids.tolist()
    for number in (1, 3):
        found, expected = there.obs(number), here.obs(number)
        assert (found.events.arrays["energy"] == expected.events.arrays["energy"]).all()
        assert (found.aeff.data == expected.aeff.data).all()
    assert sorted(name for name in bucket.sent if "run" in name) == ["store/data/run_1.fits", "store/data/run_3.fits"]
    assert "ETag" in remote.REMOTE_CACHE.version_of("s3://bucket/store/data/run_1.fits").identity


def test_an_object_that_changes_is_read_again(bucket):
    address, data = "s3://bucket/store/data/run_1.fits", bucket.folder / "bucket" / "store" / "data"
    assert len(EventList.read(address)) == 10
    shutil.copy(data / "run_2.fits", data / "run_1.fits")
    remote.REMOTE_CACHE.forget()
    EventList.read(address)
    assert bucket.sent.count("store/data/run_1.fits") == 2
    remote.REMOTE_CACHE.forget()
    EventList.read(address)
    assert bucket.sent.count("store/data/run_1.fits") == 2


@pytest.mark.slow
def test_what_is_not_there_or_not_allowed_is_told_apart(bucket, monkeypatch):
    assert not address_exists("s3://bucket/store/none.fits")
    for address in ("s3://bucket/store/none.fits", "s3://other/run.fits"):
        with pytest.raises(MissingDataError, match=address):
            EventList.read(address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(RemoteFileError, match=r"s3://bucket/store/data/run_1\.fits cannot be read") as caught:
        EventList.read("s3://bucket/store/data/run_1.fits")
    assert SECRET not in str(caught.value)


def test_a_calibration_database_in_a_bucket_is_found(bucket, monkeypatch):
    root = bucket.folder / "bucket"
    header = header_with(TELESCOP="CTA", CALDB="1dc", IRF="South")
    write(root / "events.fits", events_hdu(header=header), gti_hdu())
    write(root / "caldb/data/cta/1dc/bcf/South/irf_file.fits", *irf_hdus())
    monkeypatch.setenv("CALDB", "s3://bucket/caldb")
    store = DataStore.from_events_files(["s3://bucket/events.fits"])
    assert store.hdu_table["FILE_NAME"][2] == "irf_file.fits"
    assert store.obs(1).aeff.data.max() > 0
