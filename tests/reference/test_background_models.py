"""A background made of other runs describes the Crab field as well as the table that came with the runs."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lightpool.arrays import to_host
from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.makers import (
    BackgroundModelMaker,
    BackgroundTableMaker,
    DatasetsMaker,
    ExcessMapEstimator,
    FoVBackgroundMaker,
    GroupRunsBy,
    MapDatasetMaker,
    SafeMaskMaker,
    SkyExclusion,
)
from lightpool.maps import MapAxis, WcsGeom

pytestmark = [pytest.mark.reference, pytest.mark.slow]

CRAB = SkyCoord(83.633, 22.0145, unit="deg")
CRAB_RUNS = [23523, 23526, 23559, 23592]
SOURCES = SkyCoord([329.716938, 187.27792], [-30.225588, 2.052388], unit="deg")  # PKS 2155-304, 3C 273


@pytest.fixture(scope="module")
def store(shared):
    return DataStore.from_dir(shared / "data" / "hess-dl3-dr1")


@pytest.fixture(scope="module")
def sums(store):
    """Sums of the runs on PKS 2155-304 and of those without a source in the field."""
    table = store.obs_table
    wanted = [row for row in table if row["TARGET_NAME"].startswith(("PKS 2155", "Off data"))]
    rows = [{name: row[name] for name in ("OBS_ID", "MUONEFF", "TELLIST", "ZEN_PNT")} for row in wanted]
    energy = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=16)
    offset = MapAxis.from_bounds(0, 2.5, nbin=10, unit="deg", name="offset")
    maker = BackgroundModelMaker(energy, offset, exclusion=SkyExclusion.from_positions(SOURCES, 0.3 * u.deg))
    return maker.run_all(store.get_observations([int(row["OBS_ID"]) for row in wanted]), rows)


def significances(store, model=None):
    """Significances of the Crab field away from the Crab."""
    energy = MapAxis.from_energy_bounds("0.8 TeV", "10 TeV", nbin=5)
    geom = WcsGeom.create(skydir=CRAB, width=5, binsz=0.05, axes=[energy])
    outside = geom.region_mask(f"icrs;circle({CRAB.ra.deg}, {CRAB.dec.deg}, 0.5)", inside=False)
    observations = store.get_observations(CRAB_RUNS)
    if model is not None:
        for observation in observations:
            observation.bkg = model.table
    makers = [
        MapDatasetMaker(selection=["counts", "exposure", "background"]),
        SafeMaskMaker(methods=["offset-max"], offset_max="2 deg"),
        FoVBackgroundMaker(method="scale", exclusion_mask=outside),
    ]
    stacked = DatasetsMaker(makers).run(MapDataset.create(geom), observations)[0]
    found = to_host(ExcessMapEstimator("0.1 deg").run(stacked)["sqrt_ts"].data).reshape(geom.data_shape[1:])
    seen = to_host(stacked.mask_safe.data).any(axis=0) & to_host(outside.data)[0] & np.isfinite(found)
    return found[seen]


def test_residual_significances_in_the_crab_field_have_a_width_near_1(store, sums):
    (model,) = BackgroundTableMaker(smoothing=3, min_counts=50, extrapolate_below=30).run(sums)
    assert model.n_invalid == 0
    new, came_with_the_runs = significances(store, model), significances(store)
    # 1.064 and 1.050: pixels of 0.05 deg in circles of 0.1 deg, some 500 independent ones.
    assert abs(new.mean()) < 0.15
    assert 0.9 < new.std() < 1.12
    assert new.std() < 1.05 * came_with_the_runs.std()


def test_norms_of_real_runs_are_near_1_within_groups_of_zenith_angle(sums):
    models = BackgroundTableMaker().run(sums, [GroupRunsBy.zenith([0, 25, 35, 60])])
    norms = models.run_norms(sums)["NORM"]
    assert len(norms) == len(sums) >= 12
    assert np.all((norms > 0.7) & (norms < 1.4))
    assert np.average(norms, weights=models.run_norms(sums)["PREDICTED"]) == pytest.approx(1.0, abs=1e-9)
