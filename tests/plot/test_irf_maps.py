"""Pictures of the reduced responses: they are drawn, with the right axes."""

import astropy.units as u
import pytest

from lightpool.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from lightpool.maps import HpxGeom, MapAxis, WcsGeom

plt = pytest.importorskip("matplotlib.pyplot")

ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true")


@pytest.fixture(autouse=True)
def _closed_figures(backend):
    """Each picture is drawn of maps on each device."""
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def psf():
    return PSFMap.from_gauss(ENERGY_TRUE, geom=WcsGeom.create(skydir=(83.6, 22), npix=(4, 4), binsz=0.5))


def test_curves_of_a_psf_have_one_line_for_each_containment_and_energy(psf):
    ax = psf.plot_containment_radius_vs_energy()
    assert len(ax.lines) == 2
    assert ax.get_xscale() == "log"
    ax = psf.plot_psf_vs_rad(plt.figure().add_subplot(), energy_true=[1, 10] * u.TeV)
    assert len(ax.lines) == 2
    assert ax.get_xlabel().startswith("Source Offset [")


@pytest.mark.slow
def test_the_overview_of_a_psf_has_four_panels(psf):
    psf.peek()
    plt.gcf().canvas.draw()
    assert len(plt.gcf().axes) >= 4


def test_the_overview_of_a_psf_kernel_has_two_images(psf):
    geom = WcsGeom.create(skydir=(83.6, 22), binsz=0.1, width=1, axes=[ENERGY_TRUE])
    psf.get_psf_kernel(geom).peek()
    plt.gcf().canvas.draw()
    assert sum(len(ax.images) for ax in plt.gcf().axes) == 2


@pytest.mark.slow
def test_overviews_of_energy_dispersions_are_drawn():
    kernels = EDispKernelMap.from_gauss(ENERGY, ENERGY_TRUE, sigma=0.2, bias=0)
    kernels.peek()
    EDispMap.from_diagonal_response(ENERGY_TRUE).peek()
    ax = kernels.get_edisp_kernel().plot_matrix(plt.figure().add_subplot(), add_cbar=True)
    assert "TeV" in ax.get_xlabel()
    plt.gcf().canvas.draw()


@pytest.mark.slow
@pytest.mark.parametrize("region", [None, "DISK(83.6,22,3)"], ids=["all sky", "disk"])
def test_responses_in_healpix_pixels_are_drawn_where_they_are(region):
    geom = HpxGeom.create(nside=32 if region else 2, nest=False, frame="icrs", region=region)
    for psf in (PSFMap.from_gauss(ENERGY_TRUE, geom=geom), RecoPSFMap.from_gauss(ENERGY, geom=geom)):
        psf.peek()
        plt.gcf().canvas.draw()
        exposure = next(ax for ax in plt.gcf().axes if ax.get_title() == "Exposure, sum over energy")
        (image,) = exposure.images
        assert exposure.wcs.wcs.ctype[0] == ("RA---TAN" if region else "RA---AIT")
        # the image has values at the centre of the region, and none beyond it
        x, y = exposure.wcs.wcs_world2pix(83.6, 22 if region else 0, 0)
        assert image.get_array()[round(float(y)), round(float(x))] == psf.energy_axis.nbin  # the sum over energies
        assert image.get_array().mask[0, 0]
    EDispKernelMap.from_diagonal_response(ENERGY, ENERGY_TRUE, geom=geom).peek()
    assert [ax.get_ylabel() for ax in plt.gcf().axes][1].startswith("Energy [")
