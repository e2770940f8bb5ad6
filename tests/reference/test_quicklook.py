"""The quick look of public runs has the numbers of the classic steps, done one by one with Gammapy 2.1."""

import re

import pytest
from click.testing import CliRunner

from lightpool.cli import main

pytestmark = [pytest.mark.reference, pytest.mark.slow]


def look(tmp_path, store, *arguments):
    done = CliRunner().invoke(main, ["quicklook", str(store), "-o", str(tmp_path / "look"), *arguments])
    assert done.exit_code == 0, done.output
    rows = {}
    for line in done.output.splitlines():
        if match := re.match(
            r"(\S+-(?:map|spectrum))\s+(\d+)\s+([\d.]+)\s+(-?[\d.]+) \+/- ([\d.]+)\s+(-?[\d.]+) ", line
        ):
            rows[match[1].rpartition("-")[2]] = tuple(map(float, match.groups()[1:]))
    return rows


def test_crab_of_hess(tmp_path, shared):
    # MapDatasetMaker, SafeMaskMaker, RingBackgroundMaker; SpectrumDatasetMaker, ReflectedRegionsBackgroundMaker,
    # SafeMaskMaker: counts in the circle, alpha times the OFF counts, and WStatCountsStatistic of their sums
    rows = look(tmp_path, shared / "data" / "hess-dl3-dr1", "--source", "Crab")
    assert rows["map"][:2] == (367, 20.4)
    assert rows["map"][4] == pytest.approx(35.9, abs=0.1)
    assert rows["spectrum"] == (364, 20.1, 343.9, 19.1, 35.2)


def test_an_empty_field_of_hess(tmp_path, shared):
    rows = look(tmp_path, shared / "data" / "hess-dl3-dr1", "--source", "3C 273")
    assert abs(rows["map"][4]) < 1
    assert abs(rows["spectrum"][4]) < 1


def test_a_region_where_another_name_is_in_the_index(tmp_path, shared):
    rows = look(tmp_path, shared / "data" / "hess-dl3-dr1", "--source", "MSH 15-52")
    assert 10 < rows["map"][4] < 13


def test_point_like_runs_of_magic(tmp_path, shared):
    rows = look(tmp_path, shared / "data" / "magic-rad-max")
    assert set(rows) == {"spectrum"}
    assert rows["spectrum"][0] == 855
    assert rows["spectrum"][4] == pytest.approx(28.9, abs=0.1)


def test_the_galactic_centre_of_cta(tmp_path, shared):
    rows = look(tmp_path, shared / "data" / "cta-1dc" / "index" / "gps", "--source", "galactic -0.0558 -0.0462")
    assert rows["map"][4] > 10
