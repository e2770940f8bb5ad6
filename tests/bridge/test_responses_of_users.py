"""Classes of responses that a user derives: converted only where the values stay the same, else left to Gammapy."""

import astropy.units as u
import gammapy.data
import gammapy.datasets
import gammapy.irf
import gammapy.makers
import gammapy.maps
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

import lightpool.irf
import lightpool.maps
from lightpool.gammapy import accelerated, from_gammapy, report, to_gammapy

POINTING = SkyCoord(20, 40, unit="deg")


class Area(gammapy.irf.IRF):
    """A class of a user, in other coordinates than those of Gammapy's."""

    tag = "aeff_of_a_user"
    required_axes = ["energy_true", "fov_lon", "fov_lat"]  # noqa: RUF012
    default_unit = u.m**2


class Doubled(gammapy.irf.EffectiveAreaTable2D):
    """A class of a user that evaluates itself in a way of its own."""

    def evaluate(self, method=None, **kwargs):
        return 2 * super().evaluate(method, **kwargs)


class OwnArea(lightpool.irf.IRF):
    tag = "aeff_of_a_user"
    required_axes = ["energy_true", "fov_lon", "fov_lat"]  # noqa: RUF012
    default_unit = u.m**2


class OwnDoubled(lightpool.irf.EffectiveAreaTable2D):
    def evaluate(self, method=None, **kwargs):
        return 2 * super().evaluate(method, **kwargs)


class Renamed(lightpool.irf.EffectiveAreaTable2D):
    """A class that changes nothing."""


def table(kind, library):
    axis = library.maps.MapAxis
    by_name = {
        "energy_true": axis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=4, name="energy_true"),
        "fov_lon": axis.from_edges(np.linspace(-3, 3, 4) * u.deg, name="fov_lon"),
        "fov_lat": axis.from_edges(np.linspace(-3, 3, 5) * u.deg, name="fov_lat"),
        "offset": axis.from_edges([0, 1, 2, 3] * u.deg, name="offset"),
    }
    axes = [by_name[name] for name in kind.required_axes]
    return kind(axes, data=np.random.default_rng(1).uniform(1, 2, [each.nbin for each in axes]), unit="m2")


@pytest.mark.parametrize("kind", [Area, Doubled])
def test_the_accelerator_leaves_them_to_gammapy_and_says_why(kind):
    observation = gammapy.data.Observation.create(
        gammapy.data.FixedPointingInfo(fixed_icrs=POINTING), livetime=1 * u.h, irfs={"aeff": table(kind, gammapy)}
    )
    energy = gammapy.maps.MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=2)
    true = gammapy.maps.MapAxis.from_energy_bounds("0.2 TeV", "50 TeV", nbin=2, name="energy_true")
    geom = gammapy.maps.WcsGeom.create(skydir=POINTING, width=2, binsz=0.5, axes=[energy])

    def exposure():
        empty = gammapy.datasets.MapDataset.create(geom, energy_axis_true=true)
        return gammapy.makers.MapDatasetMaker(["exposure"]).run(empty, observation).exposure.data

    plain = exposure()
    with accelerated():
        fast = exposure()
    assert_array_equal(fast, plain)
    assert plain.max() > 0
    assert kind.__name__ in str(report())


@pytest.mark.parametrize("kind", [Area, Doubled])
def test_a_class_derived_from_one_of_gammapy_is_not_taken_for_another(kind):
    with pytest.raises(TypeError, match=kind.__name__):
        from_gammapy(table(kind, gammapy))


@pytest.mark.parametrize("kind", [OwnArea, OwnDoubled])
def test_a_class_derived_from_one_of_lightpool_is_not_taken_for_another(kind):
    with pytest.raises(TypeError, match=kind.__name__):
        to_gammapy(table(kind, lightpool))


def test_a_class_that_changes_nothing_is_converted():
    own = table(Renamed, lightpool)
    theirs = to_gammapy(own)
    assert type(theirs) is gammapy.irf.EffectiveAreaTable2D
    place = {"energy_true": 1 * u.TeV, "offset": 0.7 * u.deg}
    assert_allclose(theirs.evaluate(**place), own.evaluate(**place), rtol=1e-12)
