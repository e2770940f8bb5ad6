"""A dataset that cannot be added leaves the stack as it was."""

from collections.abc import Callable

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from numpy.testing import assert_array_equal

from lightpool.arrays import to_host
from lightpool.data import GTI
from lightpool.datasets import Datasets, MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.datasets.sums import add_stack, empty_stack, sums_of
from lightpool.irf import EDispMap, PSFMap, RecoPSFMap
from lightpool.maps import HpxGeom, Map, MapAxis, RegionGeom, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
RAD = MapAxis.from_bounds(0, 0.6, nbin=6, unit="deg", node_type="edges", name="rad")
GEOMS = {
    "map": WcsGeom.create(skydir=(83.63, 22.01), width=2, binsz=0.2, axes=[ENERGY]),
    "region": RegionGeom.create("icrs;circle(83.63,22.01,0.2)", axes=[ENERGY]),
}


def made(geom, name, reco):
    options = {"energy_axis_true": TRUE, "rad_axis": RAD, "reco_psf": reco, "name": name}
    dataset = MapDataset.create(geom, **options)
    dataset.counts = Map.from_geom(geom, data=1.0)
    dataset.exposure = Map.from_geom(dataset.exposure.geom, data=2.0, unit="m2 s")
    dataset.background = Map.from_geom(geom, data=0.5)
    dataset.mask_safe = Map.from_geom(geom, data=True, dtype="bool")
    return dataset


@pytest.mark.parametrize("geom", list(GEOMS))
def test_a_psf_in_reconstructed_energy_is_refused_before_anything_is_added(device, geom):
    stack, other = (made(GEOMS[geom], name, reco=True) for name in ("stack", "other"))
    before = {name: to_host(getattr(stack, name).data).copy() for name in ("counts", "exposure", "background")}
    for stacking in (lambda: stack.stack(other), lambda: stack.psf.stack(other.psf)):
        with pytest.raises(NotImplementedError, match="RecoPSFMap cannot be stacked"):
            stacking()
    for name, values in before.items():
        assert_array_equal(to_host(getattr(stack, name).data), values)
    with pytest.raises(NotImplementedError, match="reco_psf=False"):
        Datasets([stack, other]).stack_reduce()


@pytest.mark.parametrize("name", ["psf", "edisp"])
def test_a_response_without_exposure_is_refused_before_anything_is_added(device, name):
    stack, other = (made(GEOMS["map"], each, reco=False) for each in ("stack", "other"))
    response = getattr(other, name)
    setattr(other, name, type(response)(response.irf_map, None))
    with pytest.raises(ValueError, match="no exposure map in other"):
        stack.stack(other)
    assert set(to_host(stack.counts.data).ravel().tolist()) == {1.0}
    assert set(to_host(stack.exposure.data).ravel().tolist()) == {2.0}


def test_a_psf_in_reconstructed_energy_survives_its_file(tmp_path):
    dataset = made(GEOMS["map"], "reco", reco=True)
    geom = dataset.psf.psf_map.geom
    dataset.psf = RecoPSFMap.from_gauss(ENERGY, RAD, sigma=[0.1, 0.2, 0.3] * u.deg, geom=geom.to_image())
    dataset.write(tmp_path / "reco.fits.gz")
    again = MapDataset.read(tmp_path / "reco.fits.gz").psf
    assert isinstance(again, RecoPSFMap)
    assert not isinstance(made(GEOMS["map"], "true", reco=False).psf, RecoPSFMap)
    assert isinstance(made(GEOMS["map"], "true", reco=False).psf, PSFMap)
    assert_array_equal(to_host(again.psf_map.data), to_host(dataset.psf.psf_map.data))
    assert_array_equal(to_host(again.exposure_map.data), to_host(dataset.psf.exposure_map.data))


# --- a table of what cannot be stacked

MIGRA = MapAxis.from_bounds(0.2, 5, nbin=5, node_type="edges", name="migra")
OTHER_ENERGY = MapAxis.from_energy_bounds("2 TeV", "30 TeV", nbin=3)
OTHER_TRUE = MapAxis.from_energy_bounds("0.1 TeV", "20 TeV", nbin=4, name="energy_true")
OTHER_RAD = MapAxis.from_bounds(0, 0.9, nbin=6, unit="deg", node_type="edges", name="rad")
OTHER_MIGRA = MapAxis.from_bounds(0.1, 6, nbin=5, node_type="edges", name="migra")
CENTRE, SHIFTED = (83.63, 22.01), (83.66, 22.01)
KINDS = {"map": MapDataset, "map on off": MapDatasetOnOff, "spectrum": SpectrumDataset}
KINDS |= {"spectrum on off": SpectrumDatasetOnOff, "healpix": MapDataset}
ON_SKY = ("map", "map on off")
PARTS = ("counts", "exposure", "mask_safe", "mask_fit", "counts_off", "acceptance", "acceptance_off", "background")


def sky(kind, energy=ENERGY, **options):
    if kind == "healpix":
        return HpxGeom.create(nside=options.get("nside", 4), axes=[energy], frame=options.get("frame", "icrs"))
    if kind.startswith("spectrum"):
        return RegionGeom.create("icrs;circle(83.63,22.01,0.2)", axes=[energy])
    return WcsGeom.create(**{"skydir": CENTRE, "width": 1, "binsz": 0.2, "axes": [energy]} | options)


def filled(kind, name, seed, geom=None, true=TRUE, rad=RAD, migra=None):
    """Return a dataset of random values in all parts that its kind has."""
    rng = np.random.default_rng(seed)
    binsz = 15 if kind == "healpix" else 0.5
    options = {} if kind.startswith("spectrum") else {"rad_axis": rad, "migra_axis": migra, "binsz_irf": binsz}
    geom = sky(kind) if geom is None else geom
    dataset = KINDS[kind].create(geom, energy_axis_true=true, name=name, **options)

    def values(of, unit="", dtype=None):
        data = rng.uniform(1, 2, of.data_shape)
        return Map.from_geom(of, data=data > 1.3 if dtype == "bool" else data, unit=unit)

    dataset.counts, dataset.mask_safe = values(geom), values(geom, dtype="bool")
    dataset.exposure = values(dataset.exposure.geom, "m2 s")
    dataset.exposure.meta["livetime"] = 100 * u.s
    for part in ("psf", "edisp"):
        if (response := getattr(dataset, part)) is not None:
            response.exposure_map = values(response.exposure_map.geom, "m2 s")
            response.irf_map = values(response.irf_map.geom, response.irf_map.unit)
    for part in ("counts_off", "acceptance", "acceptance_off") if "off" in kind else ("background",):
        setattr(dataset, part, values(geom))
    dataset.gti = GTI.create([0] * u.s, [100] * u.s, reference_time="2020-01-01")
    return dataset


def arrays_of(dataset):
    """Return copies of all that a stack changes."""
    found = {name: getattr(dataset, name, None) for name in PARTS}
    for name in ("psf", "edisp"):
        response = getattr(dataset, name, None)
        if response is not None:
            found |= {name: response.irf_map, f"{name}_exposure": response.exposure_map}
    copies = {name: to_host(part.data).copy() for name, part in found.items() if part is not None}
    copies["livetime"] = dataset.exposure.meta["livetime"].to_value("s")
    copies["gti"] = dataset.gti.time_sum.to_value("s")
    return copies


def replaced(part: str, geom_of: Callable, unit=None):
    """Return a change of a dataset: one of its maps gets another geometry."""

    def change(kind, other):
        old = getattr(other, part)
        geom = geom_of(kind, old.geom)
        dtype = "bool" if part.startswith("mask") else None
        setattr(other, part, Map.from_geom(geom, data=np.ones(geom.data_shape, dtype), unit=unit or old.unit))
        return other

    return change


def response_changed(part, change_map):
    def change(kind, other):
        response = getattr(other, part)
        irf_map, exposure = change_map(response.irf_map, response.exposure_map)
        setattr(other, part, type(response)(irf_map, exposure))
        return other

    return change


def in_unit(part: str, unit: str):
    def change(kind, other):
        old = getattr(other, part)
        setattr(other, part, Map.from_geom(old.geom, data=old.data, unit=unit))
        return other

    return change


def whole(**options):
    return lambda kind, other: filled(
        kind, "other", 2, **{k: v(kind) if callable(v) else v for k, v in options.items()}
    )


def with_migra(kind, other, migra=MIGRA):
    image = other.edisp.edisp_map.geom.to_image()
    geom = image.to_cube([migra, TRUE])
    other.edisp = EDispMap(ones(geom, ""), ones(geom.squash("migra"), "m2 s"))
    return other


def mean(old, **options):
    return Map.from_geom(**{"geom": old.geom, "data": old.data, "unit": old.unit} | options)


def ones(geom, unit):
    return Map.from_geom(geom, data=np.ones(geom.data_shape), unit=unit)


REFUSED = {
    "reconstructed energies": (tuple(KINDS), whole(geom=lambda kind: sky(kind, OTHER_ENERGY))),
    "more reconstructed energies": (
        tuple(KINDS),
        whole(geom=lambda kind: sky(kind, MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4))),
    ),
    "true energies": (tuple(KINDS), whole(true=OTHER_TRUE)),
    "rad axis": (ON_SKY, whole(rad=OTHER_RAD)),
    "frame": ((*ON_SKY, "healpix"), whole(geom=lambda kind: sky(kind, frame="galactic"))),
    "pixels between those of the stack": (ON_SKY, whole(geom=lambda kind: sky(kind, skydir=SHIFTED))),
    "pixel size": (ON_SKY, whole(geom=lambda kind: sky(kind, binsz=0.1))),
    "nside": (("healpix",), whole(geom=lambda kind: sky(kind, nside=8))),
    "projection": (ON_SKY, whole(geom=lambda kind: sky(kind, proj="TAN"))),
    "HEALPix pixels": (ON_SKY, lambda kind, other: filled("healpix", "other", 2)),
    "a region": (ON_SKY, lambda kind, other: filled("spectrum" + kind[3:], "other", 2)),
    "a map": (("spectrum", "healpix"), lambda kind, other: filled("map", "other", 2)),
    "exposure in other pixels": (ON_SKY, replaced("exposure", lambda kind, geom: geom.upsample(2))),
    "exposure in other energies": (
        tuple(KINDS),
        replaced("exposure", lambda kind, geom: geom.to_image().to_cube([OTHER_TRUE])),
    ),
    "mask with other energies": (
        tuple(KINDS),
        replaced("mask_safe", lambda kind, geom: geom.to_image().to_cube([OTHER_ENERGY])),
    ),
    "mask with fewer energies": (
        tuple(KINDS),
        replaced("mask_safe", lambda kind, geom: geom.to_image().to_cube([ENERGY.downsample(3), TRUE])),
    ),
    "mask in other pixels": (ON_SKY, replaced("mask_safe", lambda kind, geom: geom.upsample(2))),
    "mask of a smaller window": (ON_SKY, replaced("mask_safe", lambda kind, geom: geom.crop(1))),
    "background in other energies": (
        ("map", "spectrum", "healpix"),
        replaced("background", lambda kind, geom: geom.to_image().to_cube([OTHER_ENERGY])),
    ),
    "acceptance in other energies": (
        ("map on off", "spectrum on off"),
        replaced("acceptance", lambda kind, geom: geom.to_image().to_cube([OTHER_ENERGY])),
    ),
    "OFF counts in other pixels": (("map on off",), replaced("counts_off", lambda kind, geom: geom.upsample(2))),
    "unit of the exposure": (tuple(KINDS), in_unit("exposure", "TeV")),
    "unit of the counts": (tuple(KINDS), in_unit("counts", "m2")),
    "unit of the background": (("map", "spectrum", "healpix"), in_unit("background", "s-1")),
    "unit of the acceptance": (("map on off", "spectrum on off"), in_unit("acceptance", "sr")),
    "unit of the PSF": (ON_SKY, response_changed("psf", lambda psf, exposure: (mean(psf, unit="m-2"), exposure))),
    "PSF without exposure": (ON_SKY, response_changed("psf", lambda psf, exposure: (psf, None))),
    "exposure of the PSF in a unit without area": (
        ON_SKY,
        response_changed("psf", lambda psf, exposure: (psf, mean(exposure, unit="s"))),
    ),
    "exposure of the PSF in other pixels": (
        ON_SKY,
        response_changed("psf", lambda psf, exposure: (psf, ones(exposure.geom.upsample(2), exposure.unit))),
    ),
    "dispersion without exposure": (tuple(KINDS), response_changed("edisp", lambda edisp, exposure: (edisp, None))),
    "exposure of the dispersion with other true energies": (
        tuple(KINDS),
        response_changed(
            "edisp",
            lambda edisp, exposure: (
                edisp,
                ones(exposure.geom.to_image().to_cube([exposure.geom.axes[0], OTHER_TRUE]), exposure.unit),
            ),
        ),
    ),
    "dispersion of another kind": (tuple(KINDS), with_migra),
    "mask_fit in other energies": (
        tuple(KINDS),
        lambda kind, other: with_mask_fit(other, other.counts.geom.to_image().to_cube([OTHER_ENERGY])),
    ),
    "mask_fit in other pixels": (ON_SKY, lambda kind, other: with_mask_fit(other, other.counts.geom.upsample(2))),
    "counts on another device": (tuple(KINDS), lambda kind, other: moved(other, "counts")),
    "OFF counts on another device": (("map on off", "spectrum on off"), lambda kind, other: moved(other, "counts_off")),
    "dispersion on another device": (tuple(KINDS), lambda kind, other: moved(other, "edisp")),
    "mask on another device": (tuple(KINDS), lambda kind, other: moved(other, "mask_safe")),
    "a dataset without OFF counts": (("map on off",), lambda kind, other: filled("map", "other", 2)),
}


def with_mask_fit(other, geom):
    other.mask_fit = Map.from_geom(geom, data=np.ones(geom.data_shape, dtype=bool))
    return other


def moved(other, part):
    pytest.importorskip("array_api_strict")
    setattr(other, part, getattr(other, part).to("strict"))
    return other


CASES = [(kind, case) for case, (kinds, _) in REFUSED.items() for kind in kinds]


@pytest.mark.parametrize(("kind", "case"), CASES, ids=[f"{kind}: {case}" for kind, case in CASES])
def test_a_dataset_that_differs_is_refused_before_anything_is_added(kind, case):
    stack = filled(kind, "stack", 1)
    other = REFUSED[case][1](kind, filled(kind, "other", 2))
    before = arrays_of(stack)
    with pytest.raises((ValueError, TypeError, RuntimeError, u.UnitConversionError)):
        stack.stack(other)
    after = arrays_of(stack)
    assert set(before) == set(after)
    for name, values in before.items():
        assert_array_equal(after[name], values, err_msg=name)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_dataset_that_fits_is_added_to_all_parts(kind):
    stack = filled(kind, "stack", 1)
    stack.mask_safe = Map.from_geom(stack.geom, data=np.zeros(stack.data_shape, dtype=bool))
    before = arrays_of(stack)
    stack.stack(filled(kind, "other", 2))
    after = arrays_of(stack)
    assert [name for name, values in before.items() if np.array_equal(values, after[name])] == ["gti"]


@pytest.mark.parametrize("kind", ON_SKY)
def test_another_migra_axis_is_refused_before_anything_is_added(kind):
    stack, fits, other = (
        with_migra(kind, filled(kind, str(seed), seed), migra) for seed, migra in enumerate((MIGRA, MIGRA, OTHER_MIGRA))
    )
    stack.stack(fits)
    before = arrays_of(stack)
    with pytest.raises(ValueError, match="stack"):
        stack.stack(other)
    after = arrays_of(stack)
    for name, values in before.items():
        assert_array_equal(after[name], values, err_msg=name)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_error_names_the_part_and_both_datasets(kind):
    other = in_unit("exposure", "TeV")(kind, filled(kind, "run 7", 2))
    with pytest.raises(u.UnitConversionError) as caught:
        filled(kind, "all", 1).stack(other)
    assert caught.value.__notes__ == ["exposure of dataset 'run 7' cannot be stacked on 'all'; nothing was added"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_stack_that_grows_is_not_changed_by_a_dataset_that_is_refused(kind):
    grown, expected = (filled(kind, "stack", 1) for _ in range(2))
    for stack in (grown, expected):
        stack.stack(filled(kind, "first", 2))
    with pytest.raises(ValueError, match="stack"):
        grown.stack(filled(kind, "other", 3, true=OTHER_TRUE))
    for stack in (grown, expected):
        stack.stack(filled(kind, "second", 4))
    found = arrays_of(grown)
    for name, values in arrays_of(expected).items():
        assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_partial_stack_with_a_mask_of_other_energies_is_refused_before_anything_is_added(kind):
    stack = empty_stack(filled(kind, "stack", 1))
    add_stack(stack, filled(kind, "part", 2))
    part = replaced("mask_safe", lambda _, geom: geom.to_image().to_cube([OTHER_ENERGY]))(kind, filled(kind, "bad", 3))
    before, mask = arrays_of_sums(stack), part.mask_safe
    with pytest.raises(ValueError, match="stack"):
        add_stack(stack, part)
    assert part.mask_safe is mask
    for name, values in before.items():
        assert_array_equal(arrays_of_sums(stack)[name], values, err_msg=name)


def arrays_of_sums(stack):
    return {name: to_host(values).copy() for name, values in sums_of(stack).items()}


def test_datasets_that_cannot_be_stacked_stay_as_they_were(device):
    first, other = filled("map", "first", 1), filled("map", "other", 2, true=OTHER_TRUE)
    before = arrays_of(first), arrays_of(other)
    with pytest.raises(ValueError, match="stack"):
        Datasets([first, other]).stack_reduce()
    for dataset, values in zip((first, other), before, strict=True):
        after = arrays_of(dataset)
        for name in values:
            assert_array_equal(after[name], values[name], err_msg=name)


def test_single_precision_and_another_time_scale_are_no_reasons_to_refuse():
    stack, other = filled("map", "stack", 1), filled("map", "other", 2).to(precision="single")
    other.gti = GTI.create([200] * u.s, [300] * u.s, reference_time=Time("2020-01-01", scale="tt"))
    before = arrays_of(stack)
    stack.stack(other)
    added = to_host(other.counts.data * other.mask_safe.data)
    np.testing.assert_allclose(to_host(stack.counts.data), before["counts"] + added, rtol=1e-6)
    assert stack.gti.time_sum.to_value("s") == pytest.approx(200)
