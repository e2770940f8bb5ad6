"""Each documented difference from Gammapy announces itself where it occurs, and nowhere else."""

import ast
import re
from functools import cache
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion, PointSkyRegion, PolygonSkyRegion

import lightpool
from lightpool.data import GTI, DataStore, FixedPointingInfo, Observation, ObservationFilter
from lightpool.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.errors import DiffersFromGammapyError, ReductionError
from lightpool.irf import IRF, Background3D, EffectiveAreaTable2D, PSFKing, RadMax2D
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    PhaseBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from lightpool.maps import HpxGeom, Map, MapAxis, RegionGeom, WcsGeom
from lightpool.simulate import PointSource
from lightpool.utils.deviations import noted_deviations, refused_deviations

SOURCE = PointSource().position
CIRCLE = CircleSkyRegion(SOURCE, 0.2 * u.deg)
ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy_true")
PAGE = Path(lightpool.__file__).parents[2] / "docs" / "differences.md"
SOURCES = Path(lightpool.__file__).parent


@pytest.fixture(scope="module")
def observations(crab_store):
    """Runs 1 to 6: PSF table, Gaussians, King; background in 3D and 2D in turn."""
    found = DataStore.from_dir(crab_store).get_observations()
    for observation in found:
        observation.rad_max = None  # beside full-enclosure responses, Gammapy refuses to take it
    return found


@pytest.fixture
def run(observations):
    """A copy of the first run, which may be changed."""
    return observations[0].copy()


def a_map(axis=ENERGY, width=4.0, binsz=0.1, center=SOURCE, **kwargs):
    geom = WcsGeom.create(skydir=center, width=width, binsz=binsz, axes=[axis], **kwargs)
    return MapDataset.create(geom, energy_axis_true=ENERGY_TRUE, name="map")


def a_spectrum(region=CIRCLE, axis=ENERGY):
    geom = RegionGeom.create(region, axes=[axis])
    return SpectrumDataset.create(geom, energy_axis_true=ENERGY_TRUE, name="spectrum")


def heard(do, *args):
    """What is announced while a function runs, and its result."""
    with noted_deviations() as found:
        result = do(*args)
    return found, result


def at(*steps):
    return SkyCoord(*steps, unit="deg")


def phases_of(run, n=None):
    table = run.events.table
    table["PHASE"] = np.linspace(0, 0.999, len(table)) if n is None else np.full(len(table), n)
    return run


# --- the page


@cache
def announcements():
    """The texts of all calls of `deviates`, with the modules that make them."""
    found = {}
    for path in set(SOURCES.rglob("*.py")) - {SOURCES / "makers/parallel/processes.py"}:  # which passes them on
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "deviates":
                assert isinstance(node.args[0], ast.Constant), f"{path}: a text, so that it can be looked up"
                found.setdefault(node.args[0].value, set()).add(str(path.relative_to(SOURCES)))
    return found


@pytest.mark.slow
def test_the_page_lists_each_announcement_with_the_modules_that_make_it():
    listed = {}
    part = PAGE.read_text().partition("## Announcements")[2].partition("\n## ")[0]
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0] not in ("announcement", "---"):
            listed[cells[0]] = set(re.findall(r"`([\w/]+\.py)`", cells[2]))
    assert listed == announcements()


def test_each_announcement_is_tested_here():
    text = Path(__file__).read_text()
    assert [what for what in announcements() if f'"{what}"' not in text] == []


# --- the ordinary case


def test_nothing_is_announced_in_a_usual_reduction_of_maps(observations):
    makers = [MapDatasetMaker(), SafeMaskMaker(["aeff-default", "offset-max"], offset_max="2 deg")]
    exclusion = a_map().geom.region_mask([CIRCLE], inside=False)
    makers.append(FoVBackgroundMaker("scale", exclusion_mask=exclusion))
    found, (stack,) = heard(DatasetsMaker(makers).run, a_map(), observations)
    assert found == []
    ring = RingBackgroundMaker("0.5 deg", "0.3 deg", exclusion_mask=exclusion)
    assert heard(ring.run, stack.to_image())[0] == []


def test_nothing_is_announced_in_a_usual_reduction_of_spectra(observations):
    makers = [SpectrumDatasetMaker(containment_correction=True), SafeMaskMaker(["aeff-max"])]
    makers.append(ReflectedRegionsBackgroundMaker())
    found, runs = heard(DatasetsMaker(makers, stack_datasets=False).run, a_spectrum(), observations)
    assert found == []
    assert heard(runs.stack_reduce)[0] == []


def test_what_is_refused_leaves_the_dataset_as_it_was(observations):
    dataset = MapDatasetMaker().run(a_map(), observations[0])
    with pytest.raises(DiffersFromGammapyError, match="fit of the field-of-view"), refused_deviations():
        FoVBackgroundMaker("fit").run(dataset)
    assert dataset.models is None


def test_a_chain_of_makers_names_the_difference_that_is_refused(observations):
    chain = DatasetsMaker([MapDatasetMaker(), FoVBackgroundMaker("fit")])
    with pytest.raises(DiffersFromGammapyError, match="fit of the field-of-view") as error, refused_deviations():
        chain.run(a_map(), observations[:1])
    assert isinstance(error.value.__cause__, ReductionError)


# --- backgrounds on maps


def test_a_fit_and_a_second_scale_of_the_background(observations):
    dataset = MapDatasetMaker().run(a_map(), observations[0])
    scale = FoVBackgroundMaker("scale")
    assert heard(scale.run, dataset)[0] == []
    assert heard(scale.run, dataset)[0] == ["scale of a background that has a norm already"]
    assert heard(FoVBackgroundMaker("fit").run, dataset)[0] == ["fit of the field-of-view background"]


@pytest.fixture
def image(observations):
    """Counts and background within 2 deg of the pointing."""
    dataset = MapDatasetMaker(selection=["counts", "background"]).run(a_map(), observations[0])
    return SafeMaskMaker(["offset-max"], offset_max="1.5 deg").run(dataset, observations[0]).to_image()


def ring(mask=None):
    return RingBackgroundMaker("0.5 deg", "0.3 deg", exclusion_mask=mask)


def test_pixels_whose_ring_has_no_acceptance_are_announced(image):
    mask = image.geom.to_image().region_mask([CircleSkyRegion(SOURCE, 0.9 * u.deg)], inside=False)
    assert heard(ring().run, image)[0] == []
    assert heard(ring(mask).run, image)[0] == ["safe pixels whose ring has no acceptance"]


def test_rings_over_pixels_that_are_not_finite(image):
    image.background.data[0, 3, 4] = np.nan
    assert heard(ring().run, image)[0] == ["background that is not finite, in rings"]


def test_rings_with_a_small_mask(image):
    masks = [Map.create(skydir=SOURCE, width=width, binsz=0.1, dtype=bool) for width in (5, 3)]
    found = [heard(ring(Map.from_geom(mask.geom, data=True)).run, image)[0] for mask in masks]
    assert found[0] == []
    assert found[1][0] == "exclusion mask smaller than the map, in rings"


def test_differences_of_adaptive_rings_are_announced(image, observations):
    options = {"r_in": "0.5 deg", "r_out_max": "1.2 deg", "width": "0.3 deg", "stepsize": "0.1 deg"}
    wide = {**options, "threshold_alpha": 1e9}
    # All pixels have a background, so a high threshold takes the first ring everywhere.
    image = MapDatasetMaker(selection=["counts", "background"]).run(a_map(width=2.0), observations[0]).to_image()
    assert heard(AdaptiveRingBackgroundMaker(**wide).run, image)[0] == []
    narrow = {**options, "threshold_alpha": 0.012}
    assert heard(AdaptiveRingBackgroundMaker(**narrow).run, image)[0] == ["pixels for which no ring is large enough"]
    theta = AdaptiveRingBackgroundMaker(**wide, theta=13.2 * u.arcmin)
    assert heard(theta.run, image)[0] == ["theta of adaptive rings"]
    dataset = MapDatasetMaker(selection=["counts", "background"]).run(a_map(width=2.0), observations[0])
    assert heard(AdaptiveRingBackgroundMaker(**wide).run, dataset)[0] == ["adaptive rings at several energies"]


# --- regions


def test_wobble_regions_that_overlap_the_region_itself(observations):
    pointing = observations[0].pointing_radec
    half_way = CircleSkyRegion(SOURCE, 0.51 * u.deg)
    assert heard(WobbleRegionsFinder(1).run, half_way, pointing)[0] == ["OFF region that overlaps the ON region"]
    # Gammapy sees that many of them overlap each other.
    assert heard(WobbleRegionsFinder(12).run, CIRCLE, pointing)[0] == []


def test_a_region_far_from_the_pointing_or_without_a_centre(observations):
    maker, pointing = ReflectedRegionsBackgroundMaker(), observations[0].pointing_radec
    far = CircleSkyRegion(at(150.0, 22.0), 0.2 * u.deg)
    polygon = PolygonSkyRegion(at([83.5, 83.7, 83.6], [22.0, 22.0, 22.2]))
    assert heard(maker.region_finder.run, far, pointing)[0] == ["OFF regions of a region far from the pointing"]
    assert heard(maker.region_finder.run, polygon, pointing)[0] == ["OFF regions of a region without a centre"]


def test_no_off_region_for_a_dataset_with_a_background(observations):
    maker, run = ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(12)), observations[0]
    with_background = SpectrumDatasetMaker().run(a_spectrum(), run)
    without = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"]).run(a_spectrum(), run)
    assert heard(maker.run, with_background, run)[0] == ["no OFF region for a dataset with a background"]
    assert heard(maker.run, without, run)[0] == []


def point_like(run, radii=(0.1, 0.1)):
    aeff = run.aeff
    run.aeff = EffectiveAreaTable2D(axes=aeff.axes, data=aeff.data, unit=aeff.unit, is_pointlike=True)
    energy = MapAxis.from_energy_bounds("0.1 TeV", "30 TeV", nbin=1)
    offset = MapAxis.from_edges([0, 0.6, 1.2] * u.deg, name="offset")
    run.rad_max = RadMax2D(axes=[energy, offset], data=[list(radii)], unit="deg", is_pointlike=True)
    return run


def test_several_points_as_on_region(run):
    maker = SpectrumDatasetMaker(selection=["counts"])
    points = [PointSkyRegion(SOURCE), PointSkyRegion(SOURCE.directional_offset_by(0 * u.deg, 0.5 * u.deg))]
    run = point_like(run)
    assert heard(maker.run, a_spectrum(points[0]), run)[0] == []
    assert heard(maker.run, a_spectrum(points), run)[0] == ["ON region of several points"]


def test_cuts_of_points_that_overlap_by_one_of_two_rules(run):
    maker = ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(1))
    dataset = SpectrumDatasetMaker(selection=["counts"]).run(a_spectrum(PointSkyRegion(SOURCE)), point_like(run))
    # The points are 1 deg from each other, and at an offset of 0.5 deg, between the nodes at 0.3 and 0.9 deg.
    assert heard(maker.run, dataset, point_like(run, (0.3, 0.3)))[0] == []
    assert heard(maker.run, dataset, point_like(run, (0.4, 0.8)))[0] == ["overlap of cuts RAD_MAX"]


def test_a_cut_beside_responses_that_include_all(run, observations):
    maker, full = ReflectedRegionsBackgroundMaker(), run.aeff
    dataset = SpectrumDatasetMaker(selection=["counts"]).run(a_spectrum(), run)
    run = point_like(run)
    run.aeff = full
    assert heard(maker.run, dataset, run)[0] == ["RAD_MAX beside full-enclosure responses"]


# --- phases


def test_phases_beyond_one_turn(run):
    dataset = MapDatasetMaker(selection=["counts"]).run(a_map(), phases_of(run))
    for phases in ((0.9, 1.1), (-0.1, 0.1), (0.9, 0.1), (0.5, 1.0), [(0.1, 0.2), (0.9, 1.1)], (0, 1)):
        assert heard(PhaseBackgroundMaker(phases, (0.3, 0.5)).run, dataset, run)[0] == []
    for phases in ((1.2, 1.4), (-0.4, -0.2), [(0.9, 1.05), (0.95, 1.1)]):
        assert heard(PhaseBackgroundMaker(phases, (0.3, 0.5)).run, dataset, run)[0] == ["phases beyond 0 to 1"]


def test_off_phases_without_counts(run):
    maker = PhaseBackgroundMaker((0.1, 0.2), (0.3, 0.5))
    wide = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=1)
    dataset = SpectrumDatasetMaker(selection=["counts"]).run(a_spectrum(axis=wide), phases_of(run))
    assert heard(maker.run, dataset, run)[0] == []
    assert heard(maker.run, dataset, phases_of(run, 0.15))[0] == ["OFF phases without counts in a spectrum"]
    cube = MapDatasetMaker(selection=["counts"]).run(a_map(), run)
    assert heard(maker.run, cube, run)[0] == []


# --- spectra


def test_a_region_that_the_run_does_not_see(observations):
    far = a_spectrum(CircleSkyRegion(SOURCE.directional_offset_by(0 * u.deg, 8 * u.deg), 0.2 * u.deg))
    assert heard(SpectrumDatasetMaker().run, far, observations[0])[0] == ["region that an observation does not see"]


def test_containment_beyond_the_psf(observations):
    maker, last = SpectrumDatasetMaker(containment_correction=True), observations[0].psf.axes["rad"].edges[-1]
    regions = [CircleSkyRegion(SOURCE, factor * last) for factor in (0.9, 1.1)]
    found = [heard(maker.run, a_spectrum(region), observations[0])[0] for region in regions]
    assert found == [[], ["containment beyond the last radius of a PSF"]]
    assert heard(SpectrumDatasetMaker().run, a_spectrum(regions[1]), observations[0])[0] == []


def test_means_over_a_union(observations):
    maker = SpectrumDatasetMaker(use_region_center=False, selection=["exposure"])
    union = CIRCLE.union(CircleSkyRegion(SOURCE.directional_offset_by(0 * u.deg, 0.5 * u.deg), 0.2 * u.deg))
    assert heard(maker.run, a_spectrum(), observations[0])[0] == []
    assert heard(maker.run, a_spectrum(union), observations[0])[0] == ["mean responses over a union of regions"]


def test_large_and_torn_regions(observations):
    maker = SpectrumDatasetMaker(selection=["background"])
    large = a_spectrum(CircleSkyRegion(SOURCE, 2 * u.deg))
    said = "solid angle of a region larger than 1.5 deg, or of parts far apart"
    assert heard(maker.run, large, observations[0])[0] == [said]
    assert heard(SpectrumDatasetMaker(selection=["counts"]).run, large, observations[0])[0] == []
    halves = CIRCLE.union(CircleSkyRegion(SOURCE.directional_offset_by(0 * u.deg, 80 * u.deg), 0.2 * u.deg))
    torn = SpectrumDataset.create(RegionGeom(halves, axes=[ENERGY], wcs=a_map().geom.wcs), energy_axis_true=ENERGY_TRUE)
    found, _ = heard(SpectrumDatasetMaker(selection=["counts"]).run, torn, observations[0])
    assert found == ["region that its pixels do not show in its shape"]


def test_a_horizon_aligned_background_over_a_region(run):
    bkg = run.bkg
    run.bkg = Background3D(axes=bkg.axes, data=bkg.data, unit=bkg.unit, fov_alignment="ALTAZ")
    dataset, said = a_spectrum(), "mean over a region of a background aligned with the horizon"
    for use_region_center, expected in ((True, []), (False, [said])):
        maker = SpectrumDatasetMaker(selection=["background"], use_region_center=use_region_center)
        assert heard(maker.run, dataset, run)[0] == expected


def test_responses_aligned_with_the_horizon(run):
    bkg, said = run.bkg, "effective area, PSF or energy dispersion aligned with the horizon"
    axes = [run.aeff.axes["energy_true"], bkg.axes["fov_lon"], bkg.axes["fov_lat"]]
    kind = type(
        "Area", (IRF,), {"tag": "of_a_user", "default_unit": u.m**2, "required_axes": [axis.name for axis in axes]}
    )
    maker = MapDatasetMaker(["exposure"])
    for alignment, expected in (("RADEC", []), ("ALTAZ", [said])):
        run.aeff = kind(axes, np.ones([axis.nbin for axis in axes]), "m2", fov_alignment=alignment)
        assert heard(maker.run, a_map(width=1, binsz=0.5), run)[0] == expected
    safe = SafeMaskMaker(["aeff-max"], irfs="DL3", position=SOURCE)
    assert heard(safe._area, run, run.aeff, axes[0].center)[0] == [said]


@pytest.mark.slow
def test_times_of_a_background_aligned_with_the_horizon(run):
    bkg, maker, dataset = run.bkg, MapDatasetMaker(["background"]), a_map(width=0.3, binsz=0.1)
    run.bkg = Background3D(axes=bkg.axes, data=bkg.data, unit=bkg.unit, fov_alignment="ALTAZ")
    assert heard(maker.run, dataset, run)[0] == []
    start, whole, place = run.gti.time_start[0], run.gti, run.observatory_earth_location
    run.gti = GTI.create([0, 1000] * u.s, [500, 1600] * u.s, reference_time=start)
    assert heard(maker.run, dataset, run)[0] == ["field of view that turns while there are gaps in the good times"]
    run.gti = whole
    zenith = SkyCoord(az=90.2 * u.deg, alt=87 * u.deg, frame="altaz", obstime=run.tstart, location=place)
    run.pointing = FixedPointingInfo(fixed_icrs=SkyCoord(zenith.icrs.ra, zenith.icrs.dec))
    assert heard(maker.run, dataset, run)[0] == ["field of view that turns faster and faster"]
    run.pointing = FixedPointingInfo(fixed_altaz=SkyCoord(az=10 * u.deg, alt=60 * u.deg, frame="altaz"))
    assert heard(maker.run, dataset, run)[0] == ["background of a drift scan aligned with the horizon"]


# --- safe masks


def test_a_threshold_where_there_is_no_effective_area(observations):
    dataset = MapDatasetMaker().run(a_map(), observations[0])
    maker = SafeMaskMaker(["aeff-max"], irfs="DL3", fixed_offset="8 deg")
    assert heard(maker.run, dataset, observations[0])[0] == ["aeff-max without effective area"]
    assert heard(SafeMaskMaker(["aeff-max", "bkg-peak"]).run, dataset)[0] == []


def test_a_threshold_where_the_effective_area_ends(observations):
    dataset = MapDatasetMaker().run(a_map(), observations[0])
    dataset.exposure.data[-1] = 0
    said, result = heard(SafeMaskMaker(["aeff-max"], aeff_percent=1).run, dataset)
    assert said == ["aeff-max of an effective area that falls"]
    assert result.mask_safe.data.all()


# --- maps


def test_pixels_near_a_pole(run):
    maker, said = MapDatasetMaker(selection=["background"]), "solid angles near a pole, or of large pixels"
    for dec, binsz, expected in ((22.0, 0.1, []), (60.0, 0.02, []), (89.0, 0.1, [said]), (70.0, 0.2, [said])):
        dataset = a_map(center=at(83.6, dec), width=1.0, binsz=binsz, proj="TAN")
        assert heard(maker.run, dataset, run)[0] == expected
    assert heard(MapDatasetMaker(selection=["counts"]).run, dataset, run)[0] == []


@pytest.mark.parametrize("dec", [0.0, 20.0, 37.0, 39.0, 60.0, 80.0, 85.0, 89.9, -89.9])
@pytest.mark.parametrize("options", [{"proj": "TAN"}, {"proj": "CAR"}, {"proj": "AIT"}, {"proj": "TAN", "binsz": 0.02}])
def test_it_is_known_which_solid_angles_are_those_of_gammapy(dec, options):
    from lightpool.arrays.kernels.solid_angles import are_turned

    geom = a_map(center=at(83.6, dec), width=2.0, **options).geom.to_image()
    window = geom.window
    found, _ = heard(geom.solid_angle_array, "cpu")
    assert bool(found) == are_turned(np.asarray(window.grid.directions(window.box, "cpu", corners=True)))


def test_a_map_over_a_seam(observations):
    maker, said = MapDatasetMaker(selection=["counts"]), "map over the seam of its projection"
    for lon, expected in ((10.0, []), (180.0, [said])):
        geom = WcsGeom.create(skydir=(0.0, 0.0), npix=(3600, 1800), binsz=0.1, proj="CAR", axes=[ENERGY])
        cutout = MapDataset.create(geom.cutout(at(lon, 0.0), 4 * u.deg))
        assert heard(maker.run, cutout, observations[0])[0] == expected


def test_energies_in_descending_order(observations):
    axis = MapAxis.from_edges([20, 5, 1, 0.5] * u.TeV, name="energy")
    found, _ = heard(MapDatasetMaker(selection=["counts"]).run, a_map(axis), observations[0])
    assert found == ["energies in descending order"]


def test_dispersion_at_pixels_outside_of_the_sky(observations):
    geom = WcsGeom.create(npix=(36, 18), binsz=10, proj="AIT", axes=[ENERGY])
    dataset = MapDataset.create(geom, energy_axis_true=ENERGY_TRUE, binsz_irf=10.0)
    found, _ = heard(MapDatasetMaker(selection=["edisp"]).run, dataset, observations[0])
    assert found == ["energy dispersion kernels at pixels outside of the sky"]
    assert heard(MapDatasetMaker(selection=["exposure"]).run, dataset, observations[0])[0] == []


def test_datasets_on_healpix_pixels(observations):
    geom = HpxGeom.create(nside=64, skydir=(83.63, 22.01), width=4, axes=[ENERGY])
    dataset = MapDataset.create(geom, energy_axis_true=ENERGY_TRUE, binsz_irf=1.0)
    found, made = heard(MapDatasetMaker(selection=["counts", "edisp"]).run, dataset, observations[0])
    assert found == ["energy dispersion kernels on HEALPix pixels"]
    assert heard(dataset.counts.stack, made.counts.cutout(geom.center_skydir, "2 deg"))[0] == []
    wide = made.counts.cutout(geom.center_skydir, "6 deg", mode="partial")
    found, _ = heard(dataset.counts.stack, wide)
    assert found == ["HEALPix cutout over the border of a map in a stack"]


def test_a_response_at_one_offset(run):
    aeff = run.aeff
    offset = MapAxis.from_nodes([0.5] * u.deg, name="offset")
    run.aeff = EffectiveAreaTable2D(axes=[aeff.axes[0], offset], data=aeff.data[:, :1], unit=aeff.unit)
    found, _ = heard(SpectrumDatasetMaker(selection=["exposure"]).run, a_spectrum(), run)
    assert found == ["response at one offset without a width"]


def test_a_king_psf_that_cannot_be_normalised(observations):
    maker = MapDatasetMaker(selection=["psf"])
    run = observations[2].copy()
    assert isinstance(run.psf, PSFKing)
    assert heard(maker.run, a_map(), run)[0] == []
    data = {name: run.psf.quantity[name] for name in ("gamma", "sigma")}
    run.psf = PSFKing(axes=run.psf.axes, data=data | {"gamma": 0 * data["gamma"] + 0.9})
    assert heard(maker.run, a_map(), run)[0] == ["King PSF that cannot be normalised"]


def with_background(run, empty):
    axis = MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=5)
    lon, lat = (MapAxis.from_edges(np.linspace(-2, 2, 6) * u.deg, name=name) for name in ("fov_lon", "fov_lat"))
    data = np.where(empty, 0, 1e-9 / axis.center.value[:, None, None]).astype(np.float32)
    run.bkg = Background3D(axes=[axis, lon, lat], data=np.broadcast_to(data, (5, 5, 5)), unit="s-1 MeV-1 sr-1")
    return run


def test_a_background_beside_empty_bins(run):
    maker = MapDatasetMaker(selection=["background"], background_interp_missing_data=False)
    empty = np.zeros((5, 5, 5), dtype=bool)
    assert heard(maker.run, a_map(), with_background(run, empty))[0] == []
    empty[:, 1, :] = True
    said = "background beyond the outer nodes of a table with empty bins"
    assert heard(maker.run, a_map(), with_background(run, empty))[0] == [said]
    # The nodes at the border are at 1.6 deg: a small map does not reach beyond them.
    assert heard(maker.run, a_map(width=1.0, center=run.pointing_radec), run)[0] == []


def test_a_background_of_bins_beyond_the_table(run):
    maker, said = (
        MapDatasetMaker(selection=["background"]),
        ["background of a bin with an edge beyond the table, or in an empty part of it"],
    )
    run = with_background(run, np.zeros((5, 5, 5), dtype=bool))
    assert heard(maker.run, a_map(MapAxis.from_energy_bounds("0.1 TeV", "20 TeV", nbin=2)), run)[0] == said
    # The same table again, of which the result is remembered.
    assert heard(maker.run, a_map(MapAxis.from_energy_bounds("0.1 TeV", "20 TeV", nbin=2)), run)[0] == said


# --- stacks


@pytest.fixture
def pair(observations):
    """An empty stack and a reduced run on it."""
    dataset = MapDatasetMaker().run(a_map(), observations[0])
    return a_map(), dataset


def test_a_plain_stack_announces_nothing(pair):
    assert heard(pair[0].stack, pair[1])[0] == []


def test_a_stack_that_has_a_background_model(pair):
    stack, dataset = pair
    stack.stack(FoVBackgroundMaker().run(dataset))
    FoVBackgroundMaker().run(stack)
    assert heard(stack.stack, dataset)[0] == ["stack onto a dataset that has a background model"]


def test_the_livetime_of_a_dataset_without_a_mask(pair):
    stack, dataset = pair
    dataset.mask_safe = None
    assert heard(stack.stack, dataset)[0] == ["livetime of a dataset without mask_safe in a stack"]


def test_the_fit_mask_of_a_cutout(pair):
    stack, dataset = pair
    dataset.mask_fit = dataset.mask_safe
    small = dataset.cutout(SOURCE, "2 deg")
    assert heard(a_map().stack, dataset)[0] == []
    assert heard(stack.stack, small)[0] == ["mask_fit of a cutout in a stack"]


def test_off_counts_in_a_stack_without_them(pair, observations):
    stack, dataset = pair
    said = ["OFF counts in the stack of a dataset without them"]
    on_off = MapDatasetOnOff.from_map_dataset(dataset, acceptance=1.0, acceptance_off=2.0)
    assert heard(stack.stack, on_off)[0] == said
    chain = DatasetsMaker([MapDatasetMaker(), RingBackgroundMaker("0.5 deg", "0.3 deg")])
    assert set(said) <= set(heard(chain.run, a_map(), observations[:1])[0])


def test_a_stack_without_any_off_counts(observations):
    dataset = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"]).run(a_spectrum(), observations[0])

    def on_off(n_off):
        counts_off = Map.from_geom(dataset.geom, data=float(n_off))
        return SpectrumDatasetOnOff.from_spectrum_dataset(
            dataset, acceptance=1.0, acceptance_off=2.0, counts_off=counts_off
        )

    assert heard(on_off(0).stack, on_off(3))[0] == []
    assert heard(on_off(0).stack, on_off(0))[0] == ["stack without any OFF counts"]


# --- files


def test_times_with_an_offset():
    from lightpool.fits import read_time_reference

    header = {"MJDREFI": 51544, "MJDREFF": 0.0}
    assert heard(read_time_reference, header)[0] == []
    assert heard(read_time_reference, header | {"TIMEZERO": 0.0})[0] == []
    assert heard(read_time_reference, header | {"TIMEZERO": 5.0})[0] == ["times with an offset TIMEOFFS or TIMEZERO"]


# --- filters of observations


def test_the_live_time_with_filters_of_phases():
    def fraction(*bands, parameter="PHASE"):
        filters = [{"type": "custom", "opts": {"parameter": parameter, "values": band}} for band in bands]
        said, found = heard(lambda: ObservationFilter(event_filters=filters).livetime_fraction)
        return said, round(found, 9)

    said = ["live time with filters of phases"]
    assert fraction() == ([], 1)
    assert fraction((0.2, 0.5)) == ([], 0.3)
    assert fraction((0.2, 0.5), parameter="ENERGY") == ([], 1)
    assert fraction((0.2, 0.5), (0.4, 0.6)) == (said, 0.1)
    assert fraction((0.8, 1.2)) == (said, 0.2)


def test_background_of_an_interval_of_phases(run):
    run = phases_of(run)
    maker = MapDatasetMaker(selection=["counts", "background"])
    assert heard(maker.run, a_map(width=2.0), run)[0] == []
    opts = {"parameter": "PHASE", "values": (0.2, 0.5)}
    part = Observation(
        run.obs_id, meta=run.meta, gti=run.gti, events=run.events, pointing=run.pointing, bkg=run.bkg,
        obs_filter=ObservationFilter(event_filters=[{"type": "custom", "opts": opts}]),
    )  # fmt: skip
    said = ["background or map of the exposure of an interval of phases"]
    assert heard(maker.run, a_map(width=2.0), part)[0] == said


def test_good_times_outside_of_an_interval():
    gti = GTI.from_seconds([0.0, 100.0], [50.0, 200.0])
    inside, after = ([gti.time_ref + edge * u.s for edge in edges] for edges in ((120.0, 150.0), (300.0, 400.0)))
    said, found = heard(gti.select_time, inside, True)
    assert said == ["good times outside of an interval"]
    assert found.duration_s == pytest.approx(120, abs=1e-6)
    assert heard(gti.select_time, after, True)[0] == []
    assert heard(gti.select_time, inside)[0] == []
