"""Run pages of docs/how_to as somebody does who is new: ``python .ci/how_to.py [--update] [page...]``, by default all.

Each page gets a clone of this repository, an empty home, and Python; no variable is set. Its blocks are run in the
clone and their outputs compared with those of the page (tests/pages.py describes how). With ``--update`` outputs that
differ and the pictures are written to the page instead.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from pages import PageError, Reader, is_same_output, pictures_of  # noqa: E402 - the folder is not a package

HOW_TO = ROOT / "docs/how_to"


def main() -> int:
    """Run the pages, print how long each took or what is wrong with it, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="names of pages, such as ring_map")
    parser.add_argument("--update", action="store_true", help="write outputs and pictures to the page")
    arguments = parser.parse_args()
    names = arguments.pages or sorted(page.stem for page in HOW_TO.glob("*.md") if page.stem != "index")
    failed = []
    for name in names:
        page = HOW_TO / f"{Path(name).stem}.md"
        begun = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as folder:
                run_as_newcomer(page, Path(folder), update=arguments.update)
        except (PageError, subprocess.SubprocessError) as error:
            failed.append(page.stem)
            print(error)
        outcome = "failed" if page.stem in failed else "is right"
        print(f"{page.stem}.md {outcome} ({time.monotonic() - begun:.0f} s)", flush=True)
    return 1 if failed else 0


def run_as_newcomer(page: Path, folder: Path, *, update: bool) -> None:
    """Run a page in a clone of this repository, with nothing that is set or installed here but Python."""
    clone, home = folder / "lightpool", folder / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    path = f"{sys.base_prefix}/bin:/usr/bin:/bin"
    reader = Reader(clone, {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"}, installs=True)
    if update:
        write_outputs(page, reader)
    else:
        reader.check(page.read_text(encoding="utf-8"), page.name)


def write_outputs(page: Path, reader: Reader) -> None:
    """Replace the outputs of a page that differ, and its pictures, by those of a run."""
    text = page.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    for block, output in reversed(reader.read(text, page.name)):
        if not is_same_output(block.text, output):
            begin = block.line - 1
            lines[begin : begin + block.text.count("\n")] = ["{}\n".format(output.strip("\n").rstrip())]
    page.write_text("".join(lines), encoding="utf-8")
    for picture in pictures_of(text):
        shutil.copyfile(reader.folder / picture, page.parent / picture)


if __name__ == "__main__":
    sys.exit(main())
