"""Observations with several sets of responses: for intervals of time, and for types of events."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.data import GTI, DataStore, Observation, ResponseSet, find_response_sets, split_by_responses
from lightpool.datasets import MapDataset
from lightpool.errors import FormatError, MissingDataError
from lightpool.makers import DatasetsMaker, MapDatasetMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate import PointSource

ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=2)
TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=3, name="energy_true")


@pytest.fixture
def run(crab_store):
    return DataStore.from_dir(crab_store).obs(1)


def written(run, path, sets, types=None):
    """A run in one file, whose effective area is there once for each set: keywords, and a factor.

    The other responses have no keywords, so they belong to all sets.
    """
    run.write(path, overwrite=True)
    with fits.open(path) as hdus:
        area = next(hdu for hdu in hdus if hdu.header.get("HDUCLAS2") == "EFF_AREA")
        kept = [hdu for hdu in hdus if hdu is not area]
        for number, (keywords, factor) in enumerate(sets):
            copied = area.copy()
            copied.data["EFFAREA"] *= factor
            copied.name = f"AEFF {number}"
            copied.header.update(keywords)
            kept.append(copied)
        if types is not None:
            events = kept[1]
            column = fits.Column("EVENT_TYPE", types[0], array=types[1][: len(events.data)])
            kept[1] = fits.BinTableHDU.from_columns(events.columns + fits.ColDefs([column]), events.header)
        fits.HDUList(kept).writeto(path, overwrite=True)
    return Observation.read(path)


def reduced(observations, names=("counts", "exposure")):
    geom = WcsGeom.create(skydir=PointSource().position, width=3, binsz=0.3, axes=[ENERGY])
    empty = MapDataset.create(geom, energy_axis_true=TRUE, name="stack")
    (stack,) = DatasetsMaker([MapDatasetMaker(list(names))]).run(empty, observations)
    return stack


def types_of(n_event=100_000):
    """Bits 0 to 2 of events, as numbers: each third of the events has one bit, some have two."""
    numbers = 2 ** (np.arange(n_event) % 3)
    numbers[::5] |= 4
    return numbers.astype(np.int32)


@pytest.mark.slow
def test_each_interval_has_its_own_response(run, tmp_path, device):
    path = tmp_path / "run.fits"
    run.write(path, overwrite=True)
    header = fits.getheader(path, "EVENTS")
    start, stop = header["TSTART"], header["TSTOP"]
    middle = start + 0.25 * (stop - start)
    observation = written(
        run, path, [({"TSTART": start, "TSTOP": middle}, 1.0), ({"TSTART": middle, "TSTOP": stop}, 3.0)]
    )
    assert [each.label for each in find_response_sets(path)] == ["all", "all"]
    parts = split_by_responses(observation)["all"]
    assert sum(len(part.events.table) for part in parts) == len(observation.events.table)
    durations = [part.observation_time_duration.to_value("s") for part in parts]
    assert_allclose(durations, [0.25 * (stop - start), 0.75 * (stop - start)], rtol=1e-6)
    stack, whole = reduced(parts), reduced([run])
    assert_array_equal(to_host(stack.counts.data), to_host(whole.counts.data))
    assert_allclose(to_host(stack.exposure.data), (0.25 + 3 * 0.75) * to_host(whole.exposure.data), rtol=1e-5)


def test_good_time_without_a_response_is_reported(run, tmp_path, caplog):
    path = tmp_path / "run.fits"
    run.write(path, overwrite=True)
    start = fits.getheader(path, "EVENTS")["TSTART"]
    observation = written(run, path, [({"TSTART": start, "TSTOP": start + 10}, 1.0)])
    (part,) = split_by_responses(observation)["all"]
    assert part.observation_time_duration.to_value("s") == pytest.approx(10)
    assert "of its good time are outside the intervals of its responses" in caplog.text


def test_an_observation_without_good_time_has_no_part_and_this_is_said(run, caplog):
    start = run.gti.time_start[:1]
    run.gti = GTI.create(start, start)
    assert split_by_responses(run, [ResponseSet({"aeff": run.aeff})]) == {}
    assert "it has no good time" in caplog.text


@pytest.mark.parametrize("form", ["J", "32X"])
def test_each_type_of_events_has_its_own_response(run, tmp_path, form):
    types = types_of()
    # A bit field has its highest bit first.
    values = types if form == "J" else (types[:, None] >> np.arange(31, -1, -1) & 1).astype(bool)
    sets = [({"EVT_TYPE": 0}, 1.0), ({"EVT_TYPE": "1,2"}, 2.0)]
    observation = written(run, tmp_path / "run.fits", sets, (form, values))
    split = split_by_responses(observation)
    assert list(split) == ["0", "1+2"]
    here = types[: len(observation.events.table)]
    assert [len(split[label][0].events.table) for label in split] == [np.sum(here & 1 > 0), np.sum(here & 6 > 0)]
    exposures = [to_host(reduced(split[label]).exposure.data) for label in split]
    assert_allclose(exposures[1], 2 * exposures[0], rtol=1e-6)
    # Responses without keywords belong to all types.
    assert split["0"][0].psf.is_allclose(run.psf)


def test_sets_may_be_given_with_tables_in_memory(run):
    events = run.events
    events.table["EVENT_TYPE"] = types_of(len(events.table))
    sets = [
        ResponseSet({"aeff": run.aeff}, event_types=(0,), label="few telescopes"),
        ResponseSet({"aeff": run.aeff, "psf": run.psf}, event_types=(1, 2), label="many"),
    ]
    split = split_by_responses(run, sets)
    assert list(split) == ["few telescopes", "many"]
    assert split["many"][0].available_irfs == ["aeff", "psf"]
    assert len(split["few telescopes"][0].events.table) == np.sum(types_of(len(events.table)) & 1)


def test_a_filter_of_the_observation_stays(run):
    half = run.gti.time_start[0] + [0, 0.5] * (run.gti.time_stop[0] - run.gti.time_start[0])
    whole = ResponseSet({"aeff": run.aeff}, interval=run.gti.time_start[0] + [0, 1] * u.d)
    (part,) = split_by_responses(run.select_time(half), [whole])["all"]
    assert_allclose(
        part.observation_time_duration.to_value("s"), 0.5 * run.observation_time_duration.to_value("s"), rtol=1e-9
    )
    assert len(part.events.table) == len(run.select_time(half).events.table)


def test_one_set_without_keywords_changes_nothing(run):
    (part,) = split_by_responses(run)["all"]
    assert part.available_irfs == run.available_irfs
    assert len(part.events.table) == len(run.events.table)


def test_what_cannot_be_told_apart_is_refused(run, tmp_path):
    path = tmp_path / "run.fits"
    observation = written(run, path, [({"EVT_TYPE": 0}, 1.0), ({"EVT_TYPE": 0}, 2.0)])
    with pytest.raises(FormatError, match=r"'AEFF 1'.*another response of the kind 'aeff' .*'AEFF 0'"):
        split_by_responses(observation)
    written(run, path, [({"EVT_TYPE": "software"}, 1.0)])
    assert [each.label for each in find_response_sets(path)] == ["all"]  # how they were made, by magic-cta-pipe
    written(run, path, [({"EVT_TYPE": "good"}, 1.0), ({"EVT_TYPE": 2}, 1.0)])
    with pytest.raises(FormatError, match="event type is 'good', expected the numbers of bits"):
        find_response_sets(path)
    with pytest.raises(ValueError, match="parts of a ResponseSet must be out of aeff"):
        ResponseSet({"area": run.aeff})
    with pytest.raises(MissingDataError, match="give `sets`"):
        split_by_responses(Observation(obs_id=4, aeff=run.aeff))
    events = run.events
    events.table["EVENT_TYPE"] = types_of(len(events.table))
    with pytest.raises(ValueError, match=r"event types \[40\] are the numbers of bits of EVENT_TYPE, which has 32"):
        events.select_event_type([40])
