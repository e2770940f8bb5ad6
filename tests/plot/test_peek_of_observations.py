"""The overview of an observation shows each response, whether it is a table or a map on the sky."""

import astropy.units as u
import numpy as np
import pytest

from lightpool.data import Observation
from lightpool.irf import IRF, EDispKernelMap, EDispMap, EffectiveAreaTable3D, PSFMap
from lightpool.maps import HpxGeom, Map, MapAxis, RegionGeom, WcsGeom

plt = pytest.importorskip("matplotlib.pyplot")

ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true")
GEOMS = {
    "wcs": WcsGeom.create(skydir=(83.6, 22), npix=(4, 4), binsz=0.5),
    "hpx": HpxGeom.create(nside=32, nest=False, frame="icrs", region="DISK(83.6,22,3)"),
}


@pytest.fixture(autouse=True)
def _closed_figures():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def titles():
    plt.gcf().canvas.draw()
    return [ax.get_title() for ax in plt.gcf().axes if ax.get_title()]


@pytest.mark.slow
@pytest.mark.parametrize("pixels", GEOMS)
@pytest.mark.parametrize("in_migra", [True, False], ids=["EDispMap", "EDispKernelMap"])
def test_responses_as_maps_are_drawn(pixels, in_migra):
    image = GEOMS[pixels]
    edisp = (
        EDispMap.from_diagonal_response(ENERGY_TRUE)
        if in_migra
        else EDispKernelMap.from_diagonal_response(ENERGY, ENERGY_TRUE, geom=image)
    )
    observation = Observation(
        aeff=Map.from_geom(image.to_cube([ENERGY_TRUE]), data=2.0, unit="m2"),
        bkg=Map.from_geom(image.to_cube([ENERGY]), data=1.0, unit="s-1 TeV-1 sr-1"),
        psf=PSFMap.from_gauss(ENERGY_TRUE, geom=image),
        edisp=edisp,
    )
    observation.peek()
    assert titles() == [
        "Effective area\n3.00 TeV - 9.49 TeV",
        "Background rate\n2.19 TeV - 4.57 TeV",
        "Energy dispersion",
        "Point spread function",
    ]
    labels = [ax.get_ylabel() for ax in plt.gcf().axes]
    assert {r"Effective area [$\mathrm{m^{2}}$]", "Probability"} <= set(labels)
    area = plt.gcf().axes[0].images[0].get_array()
    assert np.nanmax(area) == np.nanmin(area) == 2


def test_an_effective_area_of_a_region_is_drawn_over_the_energies():
    region = RegionGeom.create("icrs;circle(83.6, 22, 1)", axes=[ENERGY_TRUE])
    Observation(aeff=Map.from_geom(region, data=2.0, unit="m2")).peek()
    (ax,) = plt.gcf().axes
    assert ax.get_title() == "Effective area"
    assert "True Energy" in ax.get_xlabel()


@pytest.mark.slow
def test_tables_that_are_not_symmetric_are_drawn_and_those_of_a_user_are_named():
    lon, lat = (MapAxis.from_edges([-2, 0, 2] * u.deg, name=name) for name in ("fov_lon", "fov_lat"))

    class Zenith(IRF):
        tag = "rad_max_zenith"
        required_axes = ["energy_true"]  # noqa: RUF012

    area = EffectiveAreaTable3D([ENERGY_TRUE, lon, lat], data=np.ones((4, 2, 2)), unit="m2")
    Observation(aeff=area, rad_max=Zenith([ENERGY_TRUE], data=np.ones(4))).peek()
    assert titles() == ["Effective area", "Rad max"]
    texts = [text.get_text() for text in plt.gcf().axes[1].texts]
    assert texts == ["no plot of Zenith"]
