"""Sherpa, which takes all energies for keV and all areas for cm2, finds in our files what is in the dataset."""

import os

import numpy as np
import pytest

if not os.environ.get("LIGHTPOOL_SHERPA"):  # where it is set, Sherpa must be there
    pytest.importorskip("sherpa.astro.ui", reason="Sherpa is not installed", exc_type=ImportError)

from lightpool.arrays import to_host, use_device


@pytest.fixture
def backend():
    with use_device("cpu"):
        yield


@pytest.fixture
def session(one, tmp_path):
    """A session of Sherpa with the spectrum loaded."""
    from sherpa.astro.ui.utils import Session
    from sherpa.models import basic

    one.write(tmp_path / "pha.fits", format="xspec")
    session = Session()
    session._add_model_types(basic)
    session.load_pha(str(tmp_path / "pha.fits"))
    return session


def values(data):
    return to_host(data.data).ravel().astype(float)


def test_counts_livetime_and_scale_of_the_background_are_ours(session, one):
    data = session.get_data()
    np.testing.assert_array_equal(data.counts, values(one.counts))
    assert data.exposure == one.exposure.meta["livetime"].to_value("s")
    np.testing.assert_array_equal(data.get_background().counts, values(one.counts_off))
    np.testing.assert_allclose(session.get_bkg_scale(), values(one.alpha))
    np.testing.assert_array_equal(data.quality, ~to_host(one.mask_safe.data).ravel())


def test_energies_are_in_kev_and_areas_in_cm2(session, one):
    area = session.get_arf()
    edges = one.exposure.geom.axes["energy_true"].edges.to_value("keV")
    np.testing.assert_allclose(area.energ_lo, edges[:-1])
    np.testing.assert_allclose(area.specresp, values(one.exposure) * 1e4 / 1000)
    session.set_analysis("energy")
    np.testing.assert_allclose(session.get_data().get_x(), np.sqrt(_products(one)), rtol=0.1)


def _products(one):
    edges = one.counts.geom.axes["energy"].edges.to_value("keV")
    return edges[:-1] * edges[1:]


def test_a_power_law_predicts_the_same_counts(session, one):
    amplitude, index = 3e-20, 2.0  # per cm2, s and keV at 1 TeV
    model = session.create_model_component("powlaw1d", "crab")
    model.gamma, model.ref, model.ampl = index, 1e9, amplitude
    session.set_source(model)
    folded = session.get_data().eval_model(session.get_model())
    axis = one.exposure.geom.axes["energy_true"]
    edges = axis.edges.to_value("keV")
    flux = amplitude * 1e18 * (1 / edges[:-1] - 1 / edges[1:])  # integral of (E / 1 TeV)^-2, per cm2 and s
    expected = (flux * values(one.exposure) * 1e4) @ one.edisp.get_edisp_kernel().pdf_matrix
    assert expected.sum() > 1
    np.testing.assert_allclose(folded, expected, rtol=1e-5)  # the matrix is in float32
