"""Both packages bring the same datasets of maps to the same regions."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleAnnulusSkyRegion, CircleSkyRegion, EllipseSkyRegion, PointSkyRegion, RectangleSkyRegion

pytestmark = pytest.mark.peer

CRAB = SkyCoord(83.633, 22.014, unit="deg")
REGIONS = {
    "circle": CircleSkyRegion(CRAB, 0.3 * u.deg),
    "galactic": CircleSkyRegion(CRAB.galactic, 0.3 * u.deg),
    "annulus": CircleAnnulusSkyRegion(CRAB, 0.2 * u.deg, 0.5 * u.deg),
    "ellipse": EllipseSkyRegion(CRAB, 0.5 * u.deg, 0.3 * u.deg, 30 * u.deg),
    "rectangle": RectangleSkyRegion(CRAB, 0.5 * u.deg, 0.3 * u.deg, 30 * u.deg),
    "point": PointSkyRegion(CRAB),
}
FILES = ("map-23592.fits.gz", "map-stacked-4.fits.gz")
# The file of the stack holds float32, which Gammapy adds up in float32.
RTOL = {"map-23592.fits.gz": 1e-12, "map-stacked-4.fits.gz": 1e-6}


@pytest.fixture(scope="module", params=FILES)
def read(request, shared, gammapy):
    """Name of the file, and it as read by each package."""
    path = shared / "reference" / request.param
    packages = ("lightpool", "gammapy")
    return request.param, [import_module(f"{name}.datasets").MapDataset.read(path) for name in packages]


def parts(dataset):
    maps = {
        name: getattr(dataset, name)
        for name in ("counts", "background", "exposure", "mask_safe", "counts_off")
        if getattr(dataset, name, None) is not None
    }
    for name in ("psf", "edisp"):
        if getattr(dataset, name) is not None:
            maps |= {
                name: getattr(getattr(dataset, name), f"{name}_map"),
                f"{name}_exposure": getattr(dataset, name).exposure_map,
            }
    return maps


def assert_same(found, expected, rtol):
    assert set(parts(found)) == set(parts(expected))
    for name, other in parts(expected).items():
        one = parts(found)[name]
        assert one.unit == other.unit, name
        assert_allclose(one.data, other.data, rtol=rtol, atol=0, err_msg=name)
    for key in ("counts", "livetime", "ontime", "n_bins"):
        assert found.info_dict()[key] == expected.info_dict()[key], key


@pytest.mark.parametrize("region", REGIONS)
def test_datasets_of_a_region(read, region):
    file, (ours, theirs) = read
    for made in (
        lambda dataset: dataset.to_region_map_dataset(REGIONS[region], name="a"),
        lambda dataset: dataset.to_spectrum_dataset(REGIONS[region], name="a"),
    ):
        assert_same(made(ours), made(theirs), RTOL[file])


def test_the_containment_correction_is_that_of_gammapy(read):
    file, (ours, theirs) = read
    found, expected = (_.to_spectrum_dataset(REGIONS["circle"], containment_correction=True) for _ in (ours, theirs))
    assert_same(found, expected, RTOL[file])


def test_on_off_datasets_on_regions_are_those_of_gammapy(read):
    file, datasets = read
    rng = np.random.default_rng(7)
    shape = datasets[0].data_shape
    values = [rng.uniform(0.5, 1, shape), rng.uniform(5, 9, shape), 1.0 + rng.poisson(3, shape)]
    spectra = []
    for package, dataset in zip(("lightpool", "gammapy"), datasets, strict=True):
        maps, kind = import_module(f"{package}.maps"), import_module(f"{package}.datasets").MapDatasetOnOff
        on, off, counts_off = (maps.Map.from_geom(dataset.counts.geom, data=data) for data in values)
        made = kind.from_map_dataset(dataset, acceptance=on, acceptance_off=off, counts_off=counts_off, name="ring")
        spectra.append(made.to_spectrum_dataset(REGIONS["circle"], name="ring"))
    found, expected = spectra
    assert_same(found, expected, RTOL[file])
    safe = expected.mask_safe.data
    for name in ("alpha", "acceptance", "acceptance_off"):
        assert_allclose(getattr(found, name).data[safe], getattr(expected, name).data[safe], rtol=1e-6, err_msg=name)


def test_lists_of_datasets_on_regions_are_those_of_gammapy(shared, gammapy):
    path = shared / "reference" / FILES[0]
    spectra = []
    for package in ("lightpool", "gammapy"):
        lib = import_module(f"{package}.datasets")
        datasets = lib.Datasets([lib.MapDataset.read(path, name=name) for name in ("a", "b")])
        spectra.append(datasets.to_spectrum_datasets(REGIONS["circle"]))
    assert spectra[0].names == spectra[1].names == ["a", "b"]
    assert_array_equal(spectra[0][1].counts.data, spectra[1][1].counts.data)
