"""Strings in place of quantities: what Gammapy accepts in maps is accepted, with the same result."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord

pytestmark = pytest.mark.peer

CALLS = """
WcsGeom.create(binsz="0.1 deg", width="5 deg")
WcsGeom.create(binsz="6 arcmin", width=("5 deg", "3 deg"))
WcsGeom.create(binsz=("0.1 deg", "0.2deg"), width=("5 deg", 3))
WcsGeom.create(binsz="0.1", width="5")
WcsGeom.create(binsz=0.1, width=["5 deg", "3 deg"])
WcsGeom.create(binsz=0.1, width=(5 * u.deg, 180 * u.arcmin))
WcsGeom.create(binsz=0.1 * u.deg, width=Angle("5 deg"))
WcsGeom.from_aligned(image, (83.6, 22), ("1 deg", "0.5 deg"))
geom.cutout(position, ("1 deg", 0.5))
geom.to_binsz("0.2 deg")
geom.to_odd_npix("0.55 deg")
geom.boundary_mask("0.2 deg").data.sum()
geom.binary_structure("0.2 deg").shape
m.smooth("0.2 deg").data.sum()
m.crop("0.2 deg").geom
mask.binary_dilate("0.2 deg", use_fft=False).data.sum()
mask.binary_erode("0.2 deg", kernel="box", use_fft=False).data.sum()
RegionGeom.create("icrs;circle(83.6,22,0.4)", binsz_wcs="0.05 deg").wcs.wcs.cdelt
region.to_binsz_wcs("0.05 deg").wcs.wcs.cdelt
image.region_mask("icrs;circle(83.6,22,0.4)").data.sum()
MapAxis.from_energy_bounds("1 TeV", "10000 GeV", nbin=3).edges
MapAxis.from_energy_bounds("1", "10", nbin=3, unit="TeV").edges
energy.coord_to_idx("2 TeV")
energy.round("2.1 TeV")
m.get_image_by_coord({"energy": "2 TeV"}).data.sum()
TimeMapAxis("0 h", "1 h", "2020-03-19").edges_max
""".strip().splitlines()


def names(package):
    maps = import_module(f"{package}.maps")
    position = SkyCoord(83.6, 22, unit="deg")
    energy = maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", 4)
    geom = maps.WcsGeom.create(npix=20, binsz=0.1, skydir=position, axes=[energy])
    m = maps.Map.from_geom(geom, data=np.arange(1600.0).reshape(4, 20, 20))
    known = {"u": u, "Angle": Angle, "position": position, "energy": energy, "geom": geom, "m": m}
    known["image"] = geom.to_image()
    known["mask"] = known["image"].region_mask("icrs;circle(83.6,22,0.4)")
    known["region"] = maps.RegionGeom.create("icrs;circle(83.6,22,0.4)", axes=[energy])
    return vars(maps) | known


@pytest.fixture(scope="module")
def both():
    return names("gammapy"), names("lightpool")


def plain(result):
    """Return the numbers of a result, of which a geometry has those of its pixels."""
    if hasattr(result, "npix"):
        numbers = [result.npix[0], result.npix[1], result.wcs.wcs.crval, result.wcs.wcs.crpix, result.wcs.wcs.cdelt]
        return np.concatenate([np.ravel(_) for _ in numbers]).astype(float)
    return result.to_value("TeV" if result.unit.is_equivalent("TeV") else "h") if hasattr(result, "unit") else result


@pytest.mark.parametrize("call", CALLS)
def test_strings_are_accepted_as_in_gammapy(both, call):
    its, mine = (plain(eval(call, known)) for known in both)
    np.testing.assert_allclose(mine, its, rtol=1e-9, atol=1e-12)
