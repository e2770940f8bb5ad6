from itertools import pairwise

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz
from background_runs import ENERGY, FOV, OFFSET, SOURCE, observation_of
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.errors import FormatError
from lightpool.makers import BackgroundModelMaker, BackgroundSums, BackgroundTableMaker, GroupRunsBy, SkyExclusion
from lightpool.makers.background_models.field_bins import FieldBins
from lightpool.maps import MapAxis

FIELD = FieldBins.of([OFFSET])


def block(obs_id, seed=None, **row):
    """Sums of one run with random counts."""
    rng = np.random.default_rng(obs_id if seed is None else seed)
    counts = rng.poisson(0.4, (ENERGY.nbin, FIELD.n_bin, 2))
    seconds = float(rng.uniform(100, 2000))
    excluded = rng.uniform(0, 0.5, FIELD.n_bin) * seconds * FIELD.solid_angle
    known = {"OBS_ID": obs_id, "MJD_START": 58849.0 + obs_id, "ONTIME": seconds, "LIVETIME": 0.9 * seconds}
    return BackgroundSums.of_run(ENERGY, FIELD, known | row, counts, excluded)


def same(one, other):
    for name in ("first", "bins", "events", "excluded"):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert list(one.runs) == list(other.runs) or set(one.runs) == set(other.runs)
    for name in one.runs:
        assert_array_equal(one.runs[name], other.runs[name], err_msg=name)
    return True


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(6)), cuts=st.lists(st.integers(0, 6), max_size=4))
def test_sums_are_bit_identical_whatever_the_order_and_the_chunks(order, cuts):
    blocks = [block(i) for i in range(1, 7)]
    edges = [0, *sorted(cuts), 6]
    chunks = [BackgroundSums.merged([blocks[i] for i in order[a:b]]) for a, b in pairwise(edges) if b > a]
    same(BackgroundSums.merged(chunks), BackgroundSums.merged(blocks))


def test_nothing_is_the_neutral_element():
    sums, none = block(1), BackgroundSums.empty(ENERGY, FIELD)
    same(none + sums, sums)
    same(sums + none, sums)
    assert len(none) == 0
    assert none.total_counts().sum() == 0


def test_a_run_counts_once():
    with pytest.raises(ValueError, match=r"observations \[2\] are in two"):
        BackgroundSums.merged([block(1), block(2), block(2, seed=9)])
    with pytest.raises(ValueError, match="no sums to merge"):
        BackgroundSums.merged([])


def test_sums_in_other_bins_are_not_merged():
    wide = BackgroundSums.empty(ENERGY, FieldBins.of([MapAxis.from_bounds(0, 3, 8, unit="deg", name="offset")]))
    turned = BackgroundSums.empty(ENERGY, FieldBins.of(FOV, "ALTAZ"))
    straight = BackgroundSums.empty(ENERGY, FieldBins.of(FOV, "RADEC"))
    for one, other in ((block(1), wide), (block(1), straight), (turned, straight)):
        with pytest.raises(ValueError, match="cannot be merged"):
            one + other


def test_a_file_holds_the_sums_without_loss(tmp_path):
    sums = BackgroundSums.merged(
        [block(1, TELLIST="1,2,3,4", MUONEFF=0.8), block(2, TELLIST="1,2,3"), block(3, N_TELS=4)]
    )
    assert sums.runs["TELLIST"].tolist() == ["1,2,3,4", "1,2,3", ""]
    assert np.isnan(sums.runs["MUONEFF"][1:]).all()
    path = tmp_path / "sums.fits.gz"
    sums.write(path)
    again = BackgroundSums.read(path)
    same(again, sums)
    same(again + block(9), sums + block(9))
    with pytest.raises(FileExistsError):
        sums.write(path)
    for empty in (BackgroundSums.empty(ENERGY, FIELD), BackgroundSums.empty(ENERGY, FieldBins.of(FOV, "ALTAZ"))):
        empty.write(path, overwrite=True)
        found = BackgroundSums.read(path)
        assert len(found) == 0
        assert found.field.alignment == empty.field.alignment
        assert found.energy_axis.interp == "log"


def test_another_file_is_refused(tmp_path):
    BackgroundTableMaker().run(block(1))[0].table.write(tmp_path / "bkg.fits")
    with pytest.raises(FormatError, match="no background sums"):
        BackgroundSums.read(tmp_path / "bkg.fits")


def test_counts_of_runs_are_those_of_the_blocks():
    blocks = [block(i) for i in (3, 1, 2)]
    sums = BackgroundSums.merged(blocks)
    assert sums.obs_ids.tolist() == [1, 2, 3]
    for flag in (False, True):
        each = {int(part.obs_ids[0]): part.counts(excluded=flag)[0] for part in blocks}
        whole = sums.counts(excluded=flag)
        for place, obs_id in enumerate(sums.obs_ids):
            assert_array_equal(whole[place], each[obs_id])
        assert_array_equal(sums.total_counts(excluded=flag), whole.sum(axis=0))
        assert_array_equal(sums.total_counts(np.array([0, 2]), excluded=flag), whole[[0, 2]].sum(axis=0))
        assert_array_equal(sums.run_counts(excluded=flag), whole.sum(axis=(1, 2)))
    same(sums.take([2, 0]).take([1, 0]), sums.take([0, 2]))
    same(sums.select([3, 1, 77]), sums.take([0, 2]))
    assert_allclose(sums.exposure + sums.excluded, sums.full_exposure)


def test_sums_of_groups_make_the_same_models_with_one_block_each():
    sums = BackgroundSums.merged([block(i, ZEN_PNT=10.0 * i) for i in range(1, 7)])
    groups = [np.array([0, 2, 4]), np.array([1, 3, 5])]
    small = sums.summed(groups, {"OBS_ID": [1, 2], "MJD_START": [0.0, 0.0], "PARITY": [1.0, 0.0]})
    assert len(small) == 2
    models = BackgroundTableMaker(at_centre=False).run(small, [GroupRunsBy.by_column("PARITY")])
    for places, parity in zip(groups, ("1", "0"), strict=True):
        model = next(each for each in models if each.validity["PARITY"] == parity)
        expected = BackgroundTableMaker(at_centre=False).run(sums.take(places))[0]
        assert_allclose(model.rate, expected.rate, rtol=1e-12)
        assert_allclose(model.ontime, expected.ontime)


@pytest.mark.parametrize("alignment", ["RADEC", "ALTAZ"])
def test_the_parts_of_a_run_add_up_to_it(alignment):
    rng = np.random.default_rng(5)
    time = np.sort(rng.uniform(80000, 81500, 400))
    sky = SOURCE.directional_offset_by(rng.uniform(0, 360, 400) * u.deg, rng.uniform(0, 1.7, 400) * u.deg)
    energy = rng.uniform(0.4, 9, 400)
    maker = BackgroundModelMaker(
        ENERGY, FOV, alignment, SkyExclusion.from_regions("icrs;circle(84, -25.3, 0.4)"), max_rotation=0.05
    )

    def part(low, high):
        some = (time >= low) & (time < high)
        return observation_of(5, SOURCE, low, high, time[some], sky.ra.deg[some], sky.dec.deg[some], energy[some])

    whole = maker.run(part(80000, 81500))
    halves = maker.run(part(80000, 80600)) + maker.run(part(80600, 81500))
    assert len(halves) == 2
    assert_array_equal(halves.total_counts(), whole.total_counts())
    assert_array_equal(halves.total_counts(excluded=True), whole.total_counts(excluded=True))
    assert_allclose(halves.full_exposure.sum(axis=0), whole.full_exposure[0])
    full = whole.full_exposure.sum(axis=0)
    assert_allclose(halves.excluded.sum(axis=0) / full, whole.excluded[0] / full, atol=3e-3)


def test_the_row_of_a_run_says_what_was_measured():
    run = observation_of(5, SOURCE, 80000, 81500, [], [], [], [])
    row = {"OBS_ID": 77, "ONTIME": 1.0, "ZEN_PNT": 89.0, "MUONEFF": 0.8, "TELLIST": "1,2,3,4  "}
    runs = BackgroundModelMaker(ENERGY, OFFSET).run(run, row).runs
    assert runs["OBS_ID"][0] == 5
    assert runs["ONTIME"][0] == 1500
    assert runs["MUONEFF"][0] == 0.8
    assert runs["TELLIST"][0] == "1,2,3,4"
    horizon = SOURCE.transform_to(AltAz(obstime=run.tmid, location=run.observatory_earth_location))
    assert_allclose(runs["ZEN_PNT"][0], horizon.zen.deg, atol=0.5)
    assert_allclose(runs["AZ_PNT"][0], horizon.az.deg, atol=20)


def test_values_of_an_index_are_kept_as_text_or_numbers():
    run = observation_of(5, SOURCE, 80000, 81500, [], [], [], [])
    row = {"A": np.float32(0.5), "B": np.int64(3), "C": b"x ", "D": np.ma.masked, "E": np.zeros(3), "TSTART": 1e8}
    runs = BackgroundModelMaker(ENERGY, OFFSET).run(run, row).runs
    assert (runs["A"][0], runs["B"][0], runs["C"][0], runs["TSTART"][0]) == (0.5, 3, "x", 1e8)
    assert np.isnan(runs["D"][0])
    assert "E" not in runs
    assert_allclose(runs["MJD_START"][0], run.tstart.utc.mjd)


def test_runs_without_events_count_with_their_exposure():
    runs = [observation_of(i, SOURCE, 80000 + i, 81500 + i, [], [], [], []) for i in (1, 2)]
    sums = BackgroundModelMaker(ENERGY, OFFSET).run_all(runs, [{"A": 1.0}, None])
    assert sums.total_counts().sum() == 0
    assert_allclose(sums.exposure.sum(), 3000 * OFFSET_SOLID_ANGLE)
    (model,) = BackgroundTableMaker(smoothing=2, min_counts=10, extrapolate_below=5).run(sums)
    assert_array_equal(model.rate, 0)
    with pytest.raises(ValueError, match="shorter"):
        BackgroundModelMaker(ENERGY, OFFSET).run_all(runs, [{"A": 1.0}])
    assert len(BackgroundModelMaker(ENERGY, OFFSET).run_all([])) == 0


OFFSET_SOLID_ANGLE = 2 * np.pi * (1 - np.cos(np.deg2rad(2.0)))
