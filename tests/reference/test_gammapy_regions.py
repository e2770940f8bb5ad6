"""Spectra of regions, taken from the maps of a real run, agree with Gammapy 2.1's."""

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose
from regions import CircleAnnulusSkyRegion, CircleSkyRegion, EllipseSkyRegion, PointSkyRegion

from lightpool.arrays import to_host, use_device
from lightpool.datasets import MapDataset

pytestmark = pytest.mark.reference

CRAB = SkyCoord(83.633, 22.014, unit="deg")
# Sums of counts, background and exposure (m2 s), the highest value of the energy dispersion at the eleventh true
# energy: MapDataset.read("map-23592.fits.gz").to_spectrum_dataset(region, containment_correction) of Gammapy 2.1.
SPECTRA = {
    "circle": (147, 37.056431991566186, 9560897749.833775, 0.27377393765746294),
    "ellipse": (107, 15.234941605959495, 10661252515.34223, 0.27377393765746294),
    "point": (13, 0.3211395773143186, 10498137275.329943, 0.27377393765746294),
    "annulus": (109, 82.80912072509838, 10463570683.691618, 0.27377393765746294),
}
REGIONS = {
    "circle": CircleSkyRegion(CRAB.galactic, 0.3 * u.deg),
    "ellipse": EllipseSkyRegion(CRAB, 0.5 * u.deg, 0.3 * u.deg, 30 * u.deg),
    "point": PointSkyRegion(CRAB),
    "annulus": CircleAnnulusSkyRegion(CRAB, 0.2 * u.deg, 0.5 * u.deg),
}


def test_spectra_of_a_map(device, shared):
    with use_device(device):
        dataset = MapDataset.read(shared / "reference" / "map-23592.fits.gz")
        for name, expected in SPECTRA.items():
            spectrum = dataset.to_spectrum_dataset(REGIONS[name], containment_correction=name == "circle")
            maps = (spectrum.counts, spectrum.background, spectrum.exposure)
            found = [to_host(data.data).sum() for data in maps]
            edisp = to_host(spectrum.edisp.edisp_map.data)[10].max()
            assert spectrum.device.name == device
            assert_allclose([*found, edisp], expected, rtol=1e-12, err_msg=name)
