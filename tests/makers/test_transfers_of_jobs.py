"""What crosses between the host and a device: events once a run, tables once, results once, and nothing else.

PyTorch, the stand-in for CuPy and `strict`, whose arrays refuse every other way.
"""

import astropy.units as u
import numpy as np
import pytest
from regions import CircleSkyRegion

from lightpool.arrays import count_transfers, forget_constants, read_deferred
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.arrays.devices.transfers import Transfers
from lightpool.batch.execution.reduce_chunk import Reducer
from lightpool.config import Settings
from lightpool.data import DataStore
from lightpool.datasets import SpectrumDataset
from lightpool.irf.projection.requests import aeff_request, background_request, edisp_kernel_request, psf_request
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from lightpool.maps import MapAxis, RegionGeom
from lightpool.simulate import PointSource

SOURCE = PointSource().position
CIRCLE = CircleSkyRegion(SOURCE, 0.4 * u.deg)
NONE = Transfers()


pytestmark = pytest.mark.parametrize("backend", ["torch", "strict", "cuda on host"], indirect=True)


@pytest.fixture
def place(backend):
    """A device on which nothing is kept or waits."""
    forget_constants(backend.device)
    read_deferred(backend.device)
    yield backend.device
    forget_constants(backend.device)
    read_deferred(backend.device)


@pytest.fixture
def runs(crab_store):
    """The runs 1 to 3 as nobody has used them: with a table of PSF, Gaussians, King; background in 3D, 2D, 3D."""
    return DataStore.from_dir(crab_store).get_observations()[:3]


@pytest.fixture
def exclusion(geom):
    return lambda **kwargs: geom.region_mask([CIRCLE], inside=False, **kwargs)


def n_bytes_of_events(run):
    """Longitude, latitude and energy of each event in float64."""
    return 3 * 8 * len(run.events.table)


def tables_of(run, dataset, place, maker):
    """Node tables of a run, as they are asked for on a device: pairs of content and size."""
    energy, energy_true = (dataset.edisp.geom.axes[name] for name in ("energy", "energy_true"))
    requests = [
        aeff_request(run.aeff, energy_true),
        background_request(maker.requests(dataset, run).background.irf, energy),
        psf_request(run.psf, energy_true, dataset.psf.geom.axes["rad"]),
        edisp_kernel_request(run.edisp, energy, energy_true),
    ]
    tables = [table for request in requests for table in request.tables]
    return {each.content: each.values.nbytes for table in tables for each in table.needed(place, "float64")}


def matrix_of(run, tables):
    """Rotation to the field of view, which a background in 3D needs; it goes with the tables if there are any."""
    return NONE if run.bkg.has_offset_axis else Transfers(0 if tables else 1, 9 * 8)


def places_of(local):
    """Where the safe mask is looked up at each pixel of the responses: its number, and (x, y, energy)."""
    n_pixel = int(np.prod(local.psf.geom.data_shape[-2:]))
    return Transfers(2, 3 * 8 * n_pixel + 8 * local.counts.geom.axes["energy"].nbin)


def local_steps(dataset, run, exclusion):
    """The body of the loop in a notebook."""
    local = dataset.cutout(run.pointing_radec, width="3.6 deg")
    local = MapDatasetMaker().run(local, run)
    local = SafeMaskMaker(["aeff-default", "offset-max"], offset_max="1.5 deg").run(local, run)
    return FoVBackgroundMaker(exclusion_mask=exclusion).run(local)


def test_a_run_sends_its_events_and_its_tables_and_reads_nothing(place, empty, runs, exclusion):
    mask, stacked, known = exclusion(), empty(), {}
    # the rotations of the pixels, edges of energies, the shape of the norm and the mask of energies, for the first run
    per_geometry = Transfers(8, 2000)
    for run in runs:
        tables = tables_of(run, stacked, place, MapDatasetMaker())
        new = {content: size for content, size in tables.items() if content not in known}
        known |= new
        with count_transfers() as transfers:
            local = local_steps(stacked, run, mask)
            stacked.stack(local)
        once = Transfers(1, n_bytes_of_events(run)) + Transfers(len({dtype for dtype, *_ in new}), sum(new.values()))
        most = once + matrix_of(run, new) + places_of(local) + per_geometry
        assert once.number <= transfers.to_device.number <= most.number
        assert once.bytes <= transfers.to_device.bytes <= most.bytes
        assert transfers.to_host == NONE
        per_geometry = NONE


def test_the_same_runs_again_send_their_events_alone(place, empty, runs, exclusion):
    mask = exclusion()
    for run in runs:
        local_steps(empty(), run, mask)
    again = empty()
    with count_transfers() as transfers:
        for run in runs:
            local_steps(again, run, mask)
    assert transfers.to_device == Transfers(len(runs), sum(map(n_bytes_of_events, runs)))
    assert transfers.to_host == NONE


def test_runs_with_the_same_responses_send_them_once(place, empty, runs, exclusion):
    mask, first, second = exclusion(), runs[0], runs[0].copy()
    local_steps(empty(), first, mask)
    with count_transfers() as transfers:
        local_steps(empty(), second, mask)
    assert transfers.to_device == Transfers(1, n_bytes_of_events(first))


@pytest.mark.slow
def test_a_chain_of_makers_reads_once_at_its_end_and_each_map_once_when_it_is_written(
    place, empty, runs, exclusion, tmp_path
):
    chain = [
        MapDatasetMaker(),
        SafeMaskMaker(["aeff-default", "offset-max"], offset_max="1.5 deg"),
        FoVBackgroundMaker(exclusion_mask=exclusion()),
    ]
    maker = DatasetsMaker(chain, cutout_width="3.6 deg")
    maker.run(empty(), runs)
    with count_transfers() as transfers:
        stacked = maker.run(empty(), runs)[0]
    assert transfers.to_device == Transfers(len(runs), sum(map(n_bytes_of_events, runs)))
    # norm, error, counts, background and distance of each run; the livetime, and of how many runs it is the sum
    assert transfers.to_host == Transfers(1, 8 * (5 * len(runs) + 2))

    maps = [stacked.counts, stacked.background, stacked.exposure, stacked.mask_safe]
    maps += [m for response in (stacked.psf, stacked.edisp) for m in (response.irf_map, response.exposure_map)]
    with count_transfers() as transfers:
        stacked.write(tmp_path / "stacked.fits")
    assert transfers.to_host == Transfers(len(maps), sum(n_bytes_of(m) for m in maps))
    assert transfers.to_device == NONE

    with count_transfers() as transfers:
        assert "Total counts" in str(stacked)
    assert transfers.to_host.number == 1
    assert transfers.to_device == NONE


def n_bytes_of(m):
    return np.dtype(dtype_name(m.data)).itemsize * int(np.prod(m.data.shape))


def test_what_a_hand_written_loop_leaves_is_read_with_the_first_number(place, empty, runs, exclusion, caplog):
    mask, stacked, locals_ = exclusion(), empty(), []
    with count_transfers() as transfers:
        for run in runs:
            locals_.append(local_steps(stacked, run, mask))
            stacked.stack(FoVBackgroundMaker(min_counts=1e9).run(locals_[-1]))
        assert transfers.to_host == NONE
        assert not caplog.text
        assert stacked.exposure.meta.get("livetime") is None
        assert transfers.to_host.number == 1
        assert caplog.text.count("counts outside the exclusion") == len(runs)
        assert all(dataset.background_model.spectral_model.norm.value > 0 for dataset in locals_)
        assert transfers.to_host.number == 1


def test_a_fit_reads_three_vectors(place, reduced):
    dataset = reduced()
    n_energy = dataset.counts.geom.axes["energy"].nbin
    with count_transfers() as transfers:
        FoVBackgroundMaker("fit").run(dataset)
    assert transfers.to_host == Transfers(1, 3 * 8 * n_energy)


@pytest.mark.parametrize(
    ("method", "n_read"), [("aeff-default", 0), ("offset-max", 0), ("bkg-peak", 0), ("aeff-max", 1), ("edisp-bias", 2)]
)
def test_safe_masks_read_only_what_an_energy_is_found_in(place, reduced, runs, method, n_read):
    dataset = reduced()
    n_true = dataset.exposure.geom.axes["energy_true"].nbin
    for irfs in ("DL4", "DL3"):
        with count_transfers() as transfers:
            SafeMaskMaker([method], irfs=irfs).run(dataset, runs[0])
        assert transfers.to_host.number == (n_read if irfs == "DL4" else 0)
        if method == "aeff-max" and irfs == "DL4":
            assert transfers.to_host.bytes == 8 * n_true


def test_a_spectrum_sends_the_events_in_its_regions_and_its_tables(place, geom, runs):
    energy_true = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy_true")
    region = RegionGeom.create(CIRCLE, axes=[geom.axes["energy"]])
    empty = SpectrumDataset.create(region, energy_axis_true=energy_true)
    maker = SpectrumDatasetMaker(["counts", "exposure", "edisp", "background"])
    reflected = ReflectedRegionsBackgroundMaker()
    for again in (False, True):
        for run in runs:
            with count_transfers() as transfers:
                on_off = reflected.run(maker.run(empty, run), run)
            n_on, n_off = (inside(run, each.geom) for each in (on_off.counts, on_off.counts_off))
            assert transfers.to_host == NONE
            if again:
                assert transfers.to_device == Transfers(2, 8 * (n_on + n_off))
            else:
                # tables, of two types on CUDA; edges of energies, what a PSF or a mask asks for
                assert transfers.to_device.number <= 2 + 4
    with count_transfers() as transfers:
        on_off.info_dict()
    assert transfers.to_host.number == 1


def inside(run, geom):
    return int(geom.contains(run.events.radec).sum())


def test_rings_are_sent_once_and_two_flags_are_read(place, reduced, exclusion):
    ring = RingBackgroundMaker(r_in="0.5 deg", width="0.4 deg", exclusion_mask=exclusion())
    dataset = reduced()
    with count_transfers() as transfers:
        ring.run(dataset)
    n_y, n_x = dataset.counts.data.shape[-2:]
    assert transfers.to_device.number <= 1  # its transform is kept, also from another test
    assert transfers.to_device.bytes <= 8 * (2 * n_y) * (2 * n_x)
    assert transfers.to_host == Transfers(1, 2)
    with count_transfers() as transfers:
        ring.run(reduced())
    assert transfers.to_host == Transfers(1, 2)


def test_rings_that_adapt_read_two_flags_for_each_batch_of_rings(place, reduced, exclusion):
    options = {"r_in": "0.5 deg", "width": "0.4 deg", "r_out_max": "1.6 deg", "stepsize": "0.2 deg"}
    maker = AdaptiveRingBackgroundMaker(**options, exclusion_mask=exclusion())
    n_ring = len(maker.kernels(reduced().counts))
    with count_transfers() as transfers:
        maker.run(reduced())
    assert transfers.to_host.number <= 1 + n_ring
    assert transfers.to_host.bytes == 2 * transfers.to_host.number


def test_a_batch_reads_the_figures_of_all_its_runs_at_once(place, crab_store, tmp_path):
    target = {
        "name": "crab",
        "kind": "map",
        "center": {"lon": "83.633 deg", "lat": "22.0145 deg"},
        "width": "2 deg",
        "binsz": "0.2 deg",
        "energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 3},
        "makers": [{"type": "MapDatasetMaker"}, {"type": "FoVBackgroundMaker"}],
    }
    settings = Settings.from_dict(
        {
            "observations": {"datastore": str(crab_store)},
            "targets": [target],
            "output": {"folder": str(tmp_path)},
            "run": {"device": place.name},
        }
    )
    with count_transfers() as transfers:
        _, outcomes = Reducer(settings).reduce([1, 2, 3])
    # of each run its norm, error, counts and background; counts and background inside the mask, and 3 flags
    assert transfers.to_host.number == 1
    assert transfers.to_host.bytes <= 8 * (3 * (5 + 10) + 2)
    assert all(outcome.summaries[0]["norm"] > 0 for outcome in outcomes)
