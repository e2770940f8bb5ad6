"""Files of response tables that are not symmetric around the pointing, and of classes that a user has added."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.data import HDULocation
from lightpool.errors import FormatError
from lightpool.fits import read_fits
from lightpool.irf import (
    IRF,
    IRF_REGISTRY,
    PSF4D,
    EffectiveAreaTable2D,
    EffectiveAreaTable3D,
    EffectiveAreaTablePolar,
    EnergyDispersion3D,
    EnergyDispersionPolar,
    PSFMap,
    PSFPolar,
    load_irf_dict_from_file,
)
from lightpool.irf.io import COMMON_IRF_HEADERS, IRF_DL3_AXES_SPECIFICATION, IRF_DL3_HDU_SPECIFICATION
from lightpool.maps import MapAxis

AXES = {
    "energy_true": MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=4, name="energy_true"),
    "fov_lon": MapAxis.from_edges([-2, 0, 3] * u.deg, name="fov_lon"),
    "fov_lat": MapAxis.from_edges([-3, -1, 1, 3] * u.deg, name="fov_lat"),
    "rho": MapAxis.from_edges([0, 1, 3] * u.deg, name="rho"),
    "phi": MapAxis.from_edges([0, 90, 180, 270, 360] * u.deg, name="phi"),
    "rad": MapAxis.from_bounds(0, 0.6, nbin=5, unit="deg", name="rad", node_type="edges"),
    "migra": MapAxis.from_bounds(0.2, 3, nbin=6, name="migra", node_type="edges"),
    "zenith": MapAxis.from_edges([0, 20, 60] * u.deg, name="zenith"),
}
OWN = [
    EffectiveAreaTable3D,
    EffectiveAreaTablePolar,
    EnergyDispersion3D,
    EnergyDispersionPolar,
    PSF4D,
    PSFPolar,
]


def table(kind):
    axes = [AXES[name] for name in kind.required_axes]
    data = np.random.default_rng(1).uniform(0.1, 1, tuple(axis.nbin for axis in axes))
    return kind(axes, data=data, unit=kind.default_unit)


class Zenith(IRF):
    """A class of a user, with an axis that no format has."""

    tag = "aeff_zenith"
    required_axes = ["energy_true", "zenith", "fov_lon", "fov_lat"]  # noqa: RUF012
    default_unit = u.m**2


@pytest.fixture
def zenith(monkeypatch):
    """What a script adds for its class."""
    specification = {
        "extname": "EFFECTIVE AREA",
        "column_name": "AREA",
        "mandatory_keywords": {**COMMON_IRF_HEADERS, "HDUCLAS2": "EFF_AREA", "HDUCLAS4": "AEFF_ZEN", "MINE": "yes"},
    }
    monkeypatch.setitem(IRF_DL3_HDU_SPECIFICATION, Zenith.tag, specification)
    monkeypatch.setitem(IRF_DL3_AXES_SPECIFICATION, "ZEN", {"name": "zenith", "interp": "lin"})
    IRF_REGISTRY.append(Zenith)
    yield Zenith
    IRF_REGISTRY.remove(Zenith)


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.tag)
def test_a_table_is_read_as_it_was_written(tmp_path, kind):
    path, written = tmp_path / "irf.fits", table(kind)
    written.write(path)
    assert kind.read(path).is_allclose(written, rtol=1e-6)
    names = set(fits.getdata(path).names)
    stems = {"fov_lon": "DETX_LO", "fov_lat": "DETY_LO", "rho": "THETA_LO", "phi": "PHI_LO", "rad": "RAD_LO"}
    assert {stems[name] for name in kind.required_axes if name in stems} <= names
    assert fits.getheader(path, 1)["FOVALIGN"] == "RADEC"
    (found,) = load_irf_dict_from_file(path).items()
    assert (found[0], type(found[1])) == (kind.tag.split("_")[0], kind)


@pytest.mark.parametrize("hdu_class", ["AEFF_3D", "3D", "", "AEFF_2D"])
def test_an_area_in_longitude_and_latitude_is_known_by_its_columns(tmp_path, hdu_class):
    path = tmp_path / "pyirf.fits"
    hdu = table(EffectiveAreaTable3D).to_table_hdu()
    hdu.header["HDUCLAS4"] = hdu_class
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    location = HDULocation("aeff_3d", base_dir=str(tmp_path), file_name=path.name, hdu_name="EFFECTIVE AREA")
    assert type(location.load()) is EffectiveAreaTable3D


def test_a_class_of_a_user_is_written_read_and_found_in_an_index(tmp_path, zenith):
    path, written = tmp_path / "zenith.fits", table(zenith)
    written.write(path)
    header = fits.getheader(path, "EFFECTIVE AREA")
    assert (header["HDUCLAS4"], header["HDUCLAS3"], header["MINE"]) == ("AEFF_ZEN", "FULL-ENCLOSURE", "yes")
    assert "ZEN_LO" in fits.getdata(path, 1).names
    read = zenith.read(path)
    assert_allclose(read.data, written.data)
    assert_array_equal(read.axes["zenith"].edges, written.axes["zenith"].edges)
    location = HDULocation("aeff_zenith", base_dir=str(tmp_path), file_name=path.name, hdu_name="EFFECTIVE AREA")
    assert type(location.load()) is zenith


def test_a_class_without_a_format_and_an_axis_without_columns_say_what_to_add(monkeypatch):
    with pytest.raises(FormatError, match=r"tag 'aeff_zenith'; add it to lightpool.irf.io.IRF_DL3_HDU_SPECIFICATION"):
        table(Zenith).to_table()
    specification = {"extname": "A", "column_name": "AREA", "mandatory_keywords": {}}
    monkeypatch.setitem(IRF_DL3_HDU_SPECIFICATION, Zenith.tag, specification)
    with pytest.raises(FormatError, match=r"axis 'zenith', only for .*; add its stem to .*IRF_DL3_AXES_SPECIFICATION"):
        table(Zenith).to_table()


def test_a_column_of_a_user_needs_a_unit_of_its_kind(tmp_path, zenith):
    path = tmp_path / "zenith.fits"
    table(zenith).write(path)
    for unit in ("", "s"):
        with fits.open(path) as hdus:
            column = hdus[1].columns.names.index("AREA") + 1
            hdus[1].header[f"TUNIT{column}"] = unit
            hdus.writeto(path, overwrite=True)
        with pytest.raises(FormatError, match="AREA"):
            zenith.read(path)


def test_the_specification_of_a_class_of_the_package_may_be_replaced(tmp_path, monkeypatch):
    changed = {**IRF_DL3_HDU_SPECIFICATION["aeff_2d"], "extname": "MY AREA"}
    monkeypatch.setitem(IRF_DL3_HDU_SPECIFICATION, "aeff_2d", changed)
    EffectiveAreaTable2D.from_parametrization().write(tmp_path / "aeff.fits")
    assert read_fits(tmp_path / "aeff.fits").names[1] == "MY AREA"


def test_classes_are_found_by_their_tags():
    assert IRF_REGISTRY.get_cls("psf_map") is PSFMap
    assert IRF_REGISTRY.get_cls("aeff_2d") is EffectiveAreaTable2D
    with pytest.raises(KeyError, match="aeff_9d"):
        IRF_REGISTRY.get_cls("aeff_9d")
