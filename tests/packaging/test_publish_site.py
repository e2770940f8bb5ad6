"""Sites of several versions are put beside each other."""

import importlib.util
import json
from pathlib import Path

import pytest

PLACE = Path(__file__).parents[2] / ".ci/publish_site.py"


@pytest.fixture
def publish():
    spec = importlib.util.spec_from_file_location("publish_site", PLACE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.publish


@pytest.fixture
def new(tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "index.html").write_text("first")
    return folder


def test_releases_are_listed_from_the_newest_and_the_newest_final_one_is_where_the_site_begins(publish, new, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for ref in ("main", "v0.9.0", "v0.10.0", "v0.11.0rc1"):
        publish(new, site, ref, "/lightpool/")
    entries = json.loads((site / "switcher.json").read_text())
    assert [entry["version"] for entry in entries] == ["0.11.0rc1", "0.10.0", "0.9.0", "dev"]
    assert [entry["url"] for entry in entries if entry["preferred"]] == ["/lightpool/0.10.0/"]
    assert "url=0.10.0/" in (site / "index.html").read_text()


def test_a_version_that_is_published_again_replaces_what_it_was_and_no_other(publish, new, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    publish(new, site, "v0.1.0", "/")
    (new / "gone.html").write_text("")
    publish(new, site, "main", "/")
    (new / "gone.html").unlink()
    (new / "index.html").write_text("second")
    assert publish(new, site, "main", "/") == ["0.1.0", "dev"]
    assert not (site / "dev/gone.html").exists()
    assert [(site / name / "index.html").read_text() for name in ("dev", "0.1.0")] == ["second", "first"]


def test_a_folder_without_a_site_is_refused(publish, tmp_path):
    with pytest.raises(SystemExit, match=r"has no index\.html, expected a built site"):
        publish(tmp_path / "empty", tmp_path, "main", "/")
