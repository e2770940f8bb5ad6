"""Targets with HEALPix pixels: the same numbers by makers, workers and resumed reductions; a report with pictures."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Angle
from click.testing import CliRunner
from matplotlib.figure import Figure
from small_reductions import MAP, bits_of

from lightpool.arrays import to_host
from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.execution.executors import ProcessExecutor
from lightpool.batch.execution.source_counts import SUMS, Source, background_of
from lightpool.batch.execution.stack_work import _radius_of
from lightpool.cli import main
from lightpool.config import Settings
from lightpool.config.build import build_dataset, build_exclusion, build_reduction
from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.errors import ConfigError
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import HpxGeom, HpxNDMap, Map, WcsNDMap
from lightpool.plot import report as plots
from lightpool.report import write_report
from lightpool.report.healpix_excess import _factor, excess_of_pixels
from lightpool.report.stacks import stack_view

COMMON = {key: value for key, value in MAP.items() if key not in ("width", "binsz")} | {"kind": "healpix"}
DISC = COMMON | {"name": "disc", "width": "3 deg", "nside": 256}
SKY = COMMON | {"name": "sky", "nside": 32, "nest": False, "frame": "galactic", "binsz_irf": "5 deg"}
FACE = COMMON | {"name": "face", "region": "HPX_PIXEL(NESTED,4,94)", "binsz": "0.5 deg"}
TARGETS = [DISC, SKY, FACE]
RING = {"type": "RingBackgroundMaker", "r_in": "0.5 deg", "width": "0.3 deg"}


def target_of(data, **changes):
    settings = Settings.from_dict({"observations": {"datastore": "store"}, "targets": [data | changes]})
    return settings.targets[0]


def settings_in(folder, store, **observations):
    data = {"observations": {"datastore": str(store)} | observations, "targets": TARGETS, "run": {"chunk_size": 2}}
    return Settings.from_dict(data | {"output": {"folder": str(folder), "compress": False}})


@pytest.fixture(scope="module")
def reference(crab_store, tmp_path_factory):
    """Files of a reduction that nothing disturbed, by the name of the target."""
    result = run_batch(make_plan(settings_in(tmp_path_factory.mktemp("reference") / "out", crab_store)))
    return {path.name.removesuffix(".fits"): path for path in result.files}


def test_targets_have_the_geometries_that_they_name():
    geoms = [build_dataset(target_of(data)).counts.geom for data in TARGETS]
    axes = geoms[0].axes
    assert geoms[0] == HpxGeom.create(nside=256, skydir=(83.633, 22.0145), width=3, axes=axes)
    assert geoms[1] == HpxGeom(32, nest=False, frame="galactic", axes=axes)
    assert geoms[2] == HpxGeom.create(binsz=0.5, region="HPX_PIXEL(NESTED,4,94)", axes=axes)
    assert build_dataset(target_of(DISC)).psf.psf_map.geom.nside[0] == 128
    mask = build_exclusion(target_of(DISC, exclusion=["icrs;circle(83.633,22.0145,0.5)"]))
    assert mask.geom == geoms[0].to_image()
    near = mask.geom.separation(geoms[0].center_skydir) < 0.5 * u.deg
    np.testing.assert_array_equal(mask.data, ~near)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nside": None}, "expected either nside or binsz, got neither"),
        ({"binsz": "1 deg"}, "expected either nside or binsz, got both"),
        ({"nside": 48}, "must be a power of two, got 48; or set nest: false"),
        ({"nside": 0}, "greater than or equal to 1"),
        ({"region": "DISK(1,2,3)"}, "got both width and region"),
        ({"width": None, "region": "SQUARE(1,2,3)"}, "'SQUARE.1,2,3.' of a HEALPix map is not known"),
        ({"frame": "fk5"}, "'icrs' or 'galactic'"),
        ({"proj": "TAN"}, "proj"),
        ({"makers": [{"type": "MapDatasetMaker"}, RING]}, "RingBackgroundMaker"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    data = {key: value for key, value in (DISC | changes).items() if value is not None}
    with pytest.raises(ConfigError, match=message):
        target_of(data)


def test_a_disc_without_a_pixel_is_an_error_that_names_the_target():
    with pytest.raises(ConfigError, match=r"target 'disc': width 0\.01 deg contains no pixel centre"):
        build_dataset(target_of(DISC, width="0.01 deg"))


@pytest.mark.slow
def test_the_stacks_are_those_of_the_makers(reference, crab_store):
    observations = DataStore.from_dir(crab_store).get_observations()
    assert set(reference) == {"disc", "sky", "face"}
    for data in TARGETS:
        stack = MapDataset.read(reference[data["name"]])
        makers = [MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.5 deg"), FoVBackgroundMaker()]
        expected = DatasetsMaker(makers).run(build_dataset(target_of(data)), observations)[0]
        assert stack.counts.geom == expected.counts.geom
        assert expected.counts.data.sum() > 1000
        for name in ("counts", "mask_safe"):
            np.testing.assert_array_equal(getattr(stack, name).data, getattr(expected, name).data)
        for name in ("background", "exposure"):
            np.testing.assert_allclose(getattr(stack, name).data, getattr(expected, name).data, rtol=1e-12)
        np.testing.assert_allclose(stack.psf.psf_map.data, expected.psf.psf_map.data, rtol=1e-9)
        np.testing.assert_allclose(stack.edisp.edisp_map.data, expected.edisp.edisp_map.data, rtol=1e-9, atol=1e-15)


@pytest.mark.slow
def test_a_resumed_reduction_has_the_same_bits(reference, crab_store, tmp_path):
    run_batch(make_plan(settings_in(tmp_path, crab_store, obs_ids=[1, 2, 3, 4])))
    result = run_batch(plan_to_resume(settings_in(tmp_path, crab_store)), resume=True)
    assert result.n_reused == 2
    assert bits_of(tmp_path) == bits_of(reference["disc"].parent)


@pytest.mark.slow
@pytest.mark.parametrize("n_worker", [1, 2])
def test_workers_give_the_same_bits(reference, crab_store, tmp_path, n_worker):
    run_batch(make_plan(settings_in(tmp_path, crab_store)), ProcessExecutor(n_worker))
    assert bits_of(tmp_path) == bits_of(reference["disc"].parent)


@pytest.mark.slow
def test_the_command_line_plans_reduces_and_reports(crab_store, tmp_path, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **options: file.write(b"a picture"))
    data = {"observations": {"datastore": str(crab_store), "obs_ids": [1, 2]}, "targets": [DISC]}
    settings = tmp_path / "settings.yaml"
    settings.write_text(json.dumps(data | {"output": {"folder": "out"}}))
    for command, text in (
        (["plan", str(settings)], "disc: healpix of 134 x 3 bins"),
        (["reduce", str(settings)], "disc.fits.gz"),
        (["report", str(tmp_path / "out")], "report.html"),
        (["info", str(tmp_path / "out" / "disc.fits.gz")], "HpxGeom"),
    ):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        assert text in result.output
    page = (tmp_path / "out" / "report.html").read_text()
    for title in ("Significance", "Distribution of significances", "Excess", "Counts", "Exposure"):
        assert f"{title}" in page
    assert "in pixels of" in page


@pytest.mark.parametrize("data", TARGETS, ids=lambda data: data["name"])
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_sums_at_the_source_are_those_of_a_slow_search_for_its_pixels(device, data, shift):
    circle = {"lon": f"{83.633 + shift} deg", "lat": "22.4 deg", "radius": "2.5 deg" if data is SKY else "0.6 deg"}
    target = target_of(data, source=circle)
    reference, _ = build_reduction(target)
    geom = reference.counts.geom
    source = Source.of(target, geom)
    rng = np.random.default_rng(4)
    counts, background = (Map.from_geom(geom, data=rng.uniform(1, 2, geom.data_shape)).to(device) for _ in range(2))
    mask = Map.from_geom(geom, data=rng.uniform(size=geom.data_shape) > 0.5).to(device)
    whole = MapDataset(counts=counts, background=background, mask_safe=mask)
    for dataset in (whole, whole.cutout(source.position, source.radius * 1.2)):
        inside = dataset.counts.geom.to_image().separation(source.position) <= source.radius
        assert inside.any()
        safe = to_host(dataset.mask_safe.data) & inside
        expected = [to_host(each.data)[safe].sum() for each in (dataset.counts, dataset.background)]
        found = to_host(source.sums(dataset, background_of(dataset)))
        np.testing.assert_allclose(found, [*expected, np.nan, np.nan, np.nan], rtol=1e-12)
        assert len(found) == len(SUMS)
    far = whole.cutout(geom.get_coord().skycoord.ravel()[0], "1 deg") if data is SKY else None
    assert far is None or source.sums(far, far.background) is None


def test_a_source_beside_the_map_has_no_sums():
    target = target_of(DISC, source={"lon": "93 deg", "lat": "22 deg", "radius": "0.1 deg"})
    reference, _ = build_reduction(target)
    assert Source.of(target, reference.counts.geom).sums(build_dataset(target), None) is None


@pytest.mark.parametrize("data", TARGETS, ids=lambda data: data["name"])
def test_the_circle_around_a_map_contains_the_corners_of_all_its_pixels(data):
    geom = build_dataset(target_of(data)).counts.geom
    corners = geom.to_image().upsample(8).get_coord().skycoord
    assert geom.center_skydir.separation(corners).deg.max() <= _radius_of(geom)


@pytest.mark.parametrize("nside", [1, 8, 24, 512, 4096])
@pytest.mark.parametrize("radius", [0.02, 0.1, 1.0, 30.0])
def test_joined_pixels_are_the_nearest_to_the_area_of_the_circle(nside, radius):
    factor = _factor(nside, np.radians(radius))
    area = np.pi * np.radians(radius) ** 2
    possible = [2**n for n in range(13) if nside % 2**n == 0]
    sizes = [abs(np.log(f**2 * np.pi / 3 / nside**2 / area)) for f in possible]
    assert factor == possible[int(np.argmin(sizes))]


def test_the_excess_of_joined_pixels_is_that_of_their_safe_parts():
    geom = build_dataset(target_of(DISC)).counts.geom
    rng = np.random.default_rng(5)
    counts = Map.from_geom(geom, data=rng.poisson(3.0, geom.data_shape))
    background = Map.from_geom(geom, data=rng.uniform(1, 3, geom.data_shape))
    safe = Map.from_geom(geom, data=rng.uniform(size=geom.data_shape) > 0.3)
    dataset = MapDataset(counts=counts, background=background, mask_safe=safe)
    sqrt_ts, excess, note = excess_of_pixels(dataset, Angle("0.25 deg"))
    assert isinstance(excess, HpxNDMap)
    assert excess.geom.nside[0] == 128
    assert "0.458 deg (nside 128)" in note
    expected = ((to_host(counts.data) - to_host(background.data)) * to_host(safe.data)).sum()
    assert np.nansum(to_host(excess.data)) == pytest.approx(expected)
    known = np.isfinite(to_host(sqrt_ts.data))
    assert np.all(np.sign(to_host(sqrt_ts.data)[known]) == np.sign(to_host(excess.data)[known]))
    nothing = MapDataset(counts=counts, background=background, mask_safe=Map.from_geom(geom, data=False, dtype="bool"))
    assert excess_of_pixels(nothing, Angle("0.25 deg"))[0] is None
    assert excess_of_pixels(MapDataset(counts=counts), Angle("0.25 deg"))[0] is None


@pytest.mark.parametrize("data", [DISC, SKY], ids=lambda data: data["name"])
def test_a_picture_repeats_the_values_of_the_pixels(data):
    geom = build_dataset(target_of(data)).counts.geom.to_image()
    image = Map.from_geom(geom, data=np.arange(geom.data_shape[-1], dtype=float))
    raster = plots._raster_of(image)
    assert isinstance(raster, WcsNDMap)
    assert raster.geom.data_shape[1] == pytest.approx(600, abs=2)
    found = to_host(raster.data)
    coords = raster.geom.get_coord()
    on_sky = np.isfinite(coords.lon.value)
    expected = np.where(on_sky, to_host(image.get_by_coord(coords)), np.nan)
    np.testing.assert_array_equal(found, expected)
    assert set(np.unique(found[np.isfinite(found)])) == set(range(geom.data_shape[-1]))
    mask = plots._raster_of_mask(Map.from_geom(geom, data=to_host(image.data) > 5))
    np.testing.assert_array_equal(to_host(mask.data), ~(expected <= 5))


@pytest.mark.slow
def test_the_view_of_a_stack_has_its_numbers_and_pictures(reference, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **options: file.write(b"a picture"))
    settings = Settings.from_dict({"observations": {"datastore": "store"}, "targets": TARGETS})
    for path in reference.values():
        view = stack_view(path, settings, [], has_plots=True)
        dataset = MapDataset.read(path)
        safe = to_host(dataset.mask_safe.data)
        assert not view.error
        assert view.counts == to_host(dataset.counts.data)[safe].sum()
        assert view.energy_min == 1.0
        assert view.at_source.counts > 0
        titles = ["Significance", "Distribution of significances", "Excess", "Counts", "Exposure"]
        assert [plot.title for plot in view.plots] == titles
    assert write_report(reference["disc"].parent, max_pictures=0).exists()
