"""Messages name commands that work where they are read: in any environment, from a checkout or an index."""

import json
import re
import shlex
import sys
from importlib import metadata
from pathlib import Path

import pytest

from lightpool.errors import ConfigError
from lightpool.utils import optional_packages
from lightpool.utils.optional_packages import command_line, install_command, require_package


class Installed:
    """A distribution whose installer left this text in ``direct_url.json``."""

    def __init__(self, text):
        self.text = text

    def read_text(self, name):
        assert name == "direct_url.json"
        return self.text


ORIGINS = {
    "a package index": (None, "lightpool[plot]"),
    "a checkout": ({"url": "file:///data/my%20code/lightpool", "dir_info": {}}, "/data/my code/lightpool[plot]"),
    "an editable checkout": ({"url": "file:///src/lightpool", "dir_info": {"editable": True}}, "/src/lightpool[plot]"),
    "a repository": (
        {"url": "https://example.org/lightpool.git", "vcs_info": {"vcs": "git", "commit_id": "0123abc"}},
        "lightpool[plot] @ git+https://example.org/lightpool.git@0123abc",
    ),
    "an archive": (
        {"url": "file:///tmp/lightpool-1.0.zip", "archive_info": {}},
        "lightpool[plot] @ file:///tmp/lightpool-1.0.zip",
    ),
}


@pytest.mark.parametrize(("origin", "requirement"), ORIGINS.values(), ids=ORIGINS)
def test_an_extra_is_installed_from_where_the_package_came_from(monkeypatch, origin, requirement):
    installed = Installed(origin and json.dumps(origin))
    monkeypatch.setattr(optional_packages.metadata, "distribution", lambda name: installed)
    assert shlex.split(install_command("plot")) == [sys.executable, "-m", "pip", "install", requirement]


def test_a_checkout_that_is_not_installed_is_found_from_its_source(monkeypatch):
    def not_installed(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(optional_packages.metadata, "distribution", not_installed)
    requirement = shlex.split(install_command("plot"))[-1]
    assert Path(requirement.removesuffix("[plot]")) == Path(optional_packages.__file__).parents[3]


def test_every_extra_that_a_message_names_exists():
    source = "".join(path.read_text() for path in Path(optional_packages.__file__).parents[1].rglob("*.py"))
    named = {
        first or second for first, second in re.findall(r'install_command\(["\'](\w+)|extra="(\w+)", purpose', source)
    }
    assert {"batch", "plot", "report"} <= named <= set(metadata.metadata("lightpool").get_all("Provides-Extra"))
    assert "pip install 'lightpool[" not in source, "the package is on no index: use install_command"


def test_the_command_is_called_by_its_path_where_the_environment_is_not_active(monkeypatch, tmp_path):
    script = tmp_path / "my venv" / "lightpool"
    script.parent.mkdir()
    monkeypatch.setattr(optional_packages.sys, "executable", str(script.with_name("python")))
    monkeypatch.setattr(optional_packages.shutil, "which", lambda name: None)
    assert shlex.split(command_line()) == [str(script.with_name("python")), "-m", "lightpool"]
    script.touch()
    assert shlex.split(command_line()) == [str(script)]
    monkeypatch.setattr(optional_packages.shutil, "which", lambda name: str(script))
    assert command_line() == "lightpool"
    monkeypatch.setattr(optional_packages.shutil, "which", lambda name: str(tmp_path / "lightpool"))  # of another one
    assert shlex.split(command_line()) == [str(script)]


def test_a_missing_package_comes_with_the_command_that_installs_it():
    with pytest.raises(ConfigError) as caught:
        require_package("package_that_is_nowhere", extra="report", purpose="a report")
    assert "a report needs the package 'package-that-is-nowhere'" in str(caught.value)
    assert install_command("report") in str(caught.value)
