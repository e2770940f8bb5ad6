"""The version that git's tags give, and what is in the archives that are published."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import lightpool

ROOT = Path(__file__).parents[2]


def git(folder, *args):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True)


def version_in(folder):
    """The version that a build in this folder would have."""
    code = "import sys, hatchling.cli; sys.exit(hatchling.cli.hatchling())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, "version"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path):
    """A repository with the files that a build needs, and one commit."""
    pytest.importorskip("hatchling")
    pytest.importorskip("hatch_vcs")
    folder = tmp_path / "clone"
    (folder / "src/lightpool").mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitattributes", ".git_archival.txt", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "src/lightpool/__init__.py", folder / "src/lightpool")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.mark.slow
def test_a_tag_is_the_version_and_later_commits_are_on_the_way_to_the_next(clone):
    git(clone, "tag", "v0.1.0")
    assert version_in(clone) == "0.1.0"
    git(clone, "commit", "-q", "--allow-empty", "-m", "second")
    assert re.fullmatch(r"0\.1\.1\.dev1\+g\w+", version_in(clone))
    git(clone, "tag", "v0.2.0rc1")
    assert version_in(clone) == "0.2.0rc1"


@pytest.mark.slow
def test_tags_that_are_no_releases_do_not_count(clone):
    git(clone, "tag", "v0.1.0")
    git(clone, "commit", "-q", "--allow-empty", "-m", "second")
    git(clone, "tag", "results-2026")
    assert version_in(clone).startswith("0.1.1.dev1+g")


@pytest.mark.slow
def test_a_clone_without_tags_and_a_copy_without_git_have_a_version_before_all_releases(clone):
    assert re.fullmatch(r"0\.0\.1\.dev1\+g\w+", version_in(clone))
    shutil.rmtree(clone / ".git")
    assert version_in(clone) == "0.0.0"


@pytest.mark.slow
def test_an_archive_of_a_tag_that_a_site_offers_knows_its_version(clone, tmp_path):
    git(clone, "tag", "v0.1.0")
    git(clone, "archive", "-o", str(tmp_path / "archive.tar"), "HEAD")
    with tarfile.open(tmp_path / "archive.tar") as archive:
        archive.extractall(tmp_path / "archive", filter="data")
    assert version_in(tmp_path / "archive") == "0.1.0"


@pytest.mark.slow
def test_an_archive_of_a_commit_knows_its_version_and_can_be_built_before_the_first_tag(clone, tmp_path):
    def version_of_archive(name):
        git(clone, "archive", "-o", str(tmp_path / f"{name}.tar"), "HEAD")
        with tarfile.open(tmp_path / f"{name}.tar") as archive:
            archive.extractall(tmp_path / name, filter="data")
        return version_in(tmp_path / name)

    assert version_of_archive("before") == "0.0.0"
    git(clone, "tag", "v0.1.0")
    git(clone, "commit", "-q", "--allow-empty", "-m", "second")
    assert re.fullmatch(r"0\.1\.1\.dev1\+g\w+", version_of_archive("after"))


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["v2", "v0.1", "v0.0", "v0.1.0-foo", "v0.1.0.post1"])
def test_a_tag_that_looks_like_a_release_and_is_none_is_refused(clone, tag):
    git(clone, "tag", tag)
    with pytest.raises(AssertionError, match=f"Can't parse version from tag '{tag}'"):
        version_in(clone)


@pytest.mark.slow
def test_a_source_distribution_knows_its_version(clone, tmp_path):
    git(clone, "tag", "v0.1.0")
    code = f"import hatchling.build; print(hatchling.build.build_sdist({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=clone, check=True, capture_output=True)
    with tarfile.open(tmp_path / "lightpool-0.1.0.tar.gz") as source:
        source.extractall(tmp_path, filter="data")
    assert version_in(tmp_path / "lightpool-0.1.0") == "0.1.0"


def test_without_an_installation_the_version_says_so_and_it_costs_nothing_until_it_is_asked_for():
    folder = str(Path(lightpool.__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {folder!r}); import lightpool; "
    code += "print('importlib.metadata' in sys.modules, lightpool.__version__, 'importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-E", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "0.0.0+unknown", "True"]


@pytest.fixture
def distributions():
    """The script that checks archives."""
    path = ROOT / ".ci/distributions.py"
    spec = importlib.util.spec_from_file_location("distributions", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files_that_are_missing_or_do_not_belong_into_an_archive_are_named(distributions, tmp_path):
    wheel = tmp_path / "lightpool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("lightpool/py.typed", "tests/test_a.py", "lightpool-1.0.dist-info/METADATA"):
            archive.writestr(name, "")
    tracked = {"src/lightpool/py.typed", "src/lightpool/names.py", "tests/test_a.py"}
    faults = distributions.faults_of_wheel(distributions.names_in(wheel), tracked)
    assert "lightpool/names.py is missing" in faults
    assert "lightpool/config/template.yaml is missing" in faults
    assert "tests/test_a.py does not belong there" in faults
    assert not any("py.typed" in fault or "METADATA" in fault for fault in faults)
    source = {"PKG-INFO", "src/lightpool/py.typed", "shared/data/run.fits.gz"}
    faults = distributions.faults_of_source(source, tracked)
    assert "src/lightpool/names.py is missing" in faults
    assert "shared/data/run.fits.gz does not belong there" in faults
    assert not any("PKG-INFO" in fault for fault in faults)


def test_a_folder_without_archives_is_refused(distributions, tmp_path, capsys):
    assert distributions.main(str(tmp_path)) == 1
    assert "has 0 files *.whl, expected one" in capsys.readouterr().out
