"""Responses of one dataset on the geometries of another one."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.datasets import MapDataset
from lightpool.errors import GeometryError
from lightpool.makers import MapDatasetMaker
from lightpool.maps import MapAxis, WcsGeom

RESPONSES = ["exposure", "psf", "edisp"]


@pytest.fixture
def source(reduced):
    return reduced()


def smaller(source, **kwargs):
    axes = source.geom.axes
    geom = WcsGeom.create(skydir=source.geom.center_skydir, width=2, binsz=0.1, axes=[axes["energy"]])
    return MapDataset.create(geom, energy_axis_true=source.exposure.geom.axes["energy_true"], name="fine", **kwargs)


def test_the_responses_of_a_dataset_are_interpolated_on_another_one(source):
    target = smaller(source)
    made = MapDatasetMaker(RESPONSES).run(target, source)
    assert (made.name, made.geom, made.device) == ("fine", target.geom, target.device)
    assert made.background is None
    assert to_host(made.counts.data).sum() == 0
    assert to_host(made.mask_safe.data).all()
    assert_array_equal(made.gti.table["START"].mjd, source.gti.table["START"].mjd)
    assert made.meta.obs_info == source.meta.obs_info
    place = target.geom.to_image().pix_to_coord((7.2, 11.9))
    coords = {"lon": place[0], "lat": place[1], "energy_true": source.exposure.geom.axes["energy_true"].center}
    expected = source.exposure.interp_by_coord(coords)
    assert_allclose(made.exposure.interp_by_coord(coords), expected, rtol=1e-3)
    for name in ("psf", "edisp"):
        found, given = getattr(made, name), getattr(source, name)
        assert type(found) is type(given)
        assert found.irf_map.geom == getattr(target, name).irf_map.geom
        assert_allclose(
            to_host(found.irf_map.data), to_host(given.irf_map.interp_to_geom(found.irf_map.geom).data), rtol=1e-12
        )
        assert found.exposure_map.geom == getattr(target, name).exposure_map.geom


def test_on_its_own_geometries_a_dataset_keeps_its_responses(source):
    made = MapDatasetMaker(RESPONSES).run(source, source)
    assert_allclose(to_host(made.exposure.data), to_host(source.exposure.data), rtol=1e-9, atol=1e-3)  # m2 s
    kernel, expected = (one.edisp.get_edisp_kernel(energy_axis=source.geom.axes["energy"]) for one in (made, source))
    assert_allclose(kernel.pdf_matrix, expected.pdf_matrix, rtol=1e-9, atol=1e-15)
    energy = [1, 3] * u.TeV
    radius = made.psf.containment_radius(0.68, energy_true=energy)
    assert_array_equal(radius, source.psf.containment_radius(0.68, energy_true=energy))


def test_what_a_dataset_cannot_give_is_refused(source):
    with pytest.raises(ValueError, match=r"\['background', 'counts'\] cannot be made of dataset 'run'"):
        MapDatasetMaker().run(smaller(source), source)
    source.psf = None
    with pytest.raises(ValueError, match="psf"):
        MapDatasetMaker(["psf"]).run(smaller(source), source)
    migra = MapAxis.from_edges(np.linspace(0.2, 5, 11), name="migra")
    with pytest.raises(GeometryError, match="migra"):
        MapDatasetMaker(["edisp"]).run(smaller(source, migra_axis=migra), source)
