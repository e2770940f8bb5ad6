"""Put a built site beside those of other versions: ``publish_site.py NEW SITE main|v0.2.0 /lightpool/``.

``SITE/dev`` is the site of the branch main, and ``SITE/0.2.0`` that of a release. ``SITE/switcher.json`` lists them for
the menu of versions, and ``SITE/index.html`` leads to the newest release, or to ``dev`` if there is none.
"""

import json
import re
import shutil
import sys
from pathlib import Path

RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?")


def publish(new: Path, site: Path, ref: str, base: str) -> list[str]:
    """Copy a site and write the lists; return the versions, the newest release first and dev last.

    Parameters
    ----------
    new : Path
        Folder of the built site.
    site : Path
        Folder of the sites of all versions.
    ref : str
        Name of the branch or tag.
    base : str
        Path of the site on its host: the menu of versions is on pages in any folder.
    """
    name = ref.removeprefix("v") if RELEASE.fullmatch(ref.removeprefix("v")) else "dev"
    if not (new / "index.html").is_file():
        raise SystemExit(f"{new} has no index.html, expected a built site: run nox -s docs")
    shutil.rmtree(site / name, ignore_errors=True)
    shutil.copytree(new, site / name)
    releases = sorted((each.name for each in site.iterdir() if RELEASE.fullmatch(each.name)), key=order, reverse=True)
    final = [each for each in releases if RELEASE.fullmatch(each)[4] is None]
    versions = [*releases, *(["dev"] if (site / "dev").is_dir() else [])]
    newest = (final or versions)[0]
    entries = [{"version": each, "url": f"{base}{each}/", "preferred": each == newest} for each in versions]
    (site / "switcher.json").write_text(json.dumps(entries, indent=1))
    (site / "index.html").write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={newest}/">\n')
    (site / ".nojekyll").touch()  # folders such as _static are served
    return versions


def order(version: str) -> tuple[int | str, ...]:
    """Return what sorts versions: a final release comes after its candidates."""
    major, minor, patch, kind, number = RELEASE.fullmatch(version).groups()
    return (int(major), int(minor), int(patch), kind or "z", int(number or 0))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    print("\n".join(publish(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])))
