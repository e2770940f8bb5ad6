import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.maps import Map, MapAxis, Maps, WcsGeom

GEOM = WcsGeom.create(npix=(4, 3), binsz=0.1, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)])


@pytest.fixture
def maps(backend):
    return Maps.from_geom(GEOM, names=["counts", "mask"], kwargs_list=[{"unit": "s"}, {"dtype": bool}])


def test_maps_are_a_dictionary(maps):
    assert list(maps) == ["counts", "mask"]
    assert len(maps) == 2
    assert maps.geom is GEOM
    maps["twice"] = maps["counts"] * 2
    del maps["mask"]
    assert list(maps.keys()) == ["counts", "twice"]
    with pytest.raises(TypeError, match="'wrong'"):
        maps["wrong"] = np.zeros(3)


def test_maps_print_their_units_and_types(maps):
    text = str(maps)
    assert text.startswith("Maps\n----\n\nWcsGeom\n")
    assert "counts \n\t unit\t : s \n\t dtype\t : float64\n" in text
    assert "mask \n\t unit\t :  \n\t dtype\t : bool\n" in text
    assert "Maps" in maps._repr_html_()
    assert repr(maps).startswith("Maps({'counts': WcsNDMap")


@pytest.mark.parametrize("hdu_bands", ["BANDS", None])
def test_maps_come_back_from_their_file(maps, tmp_path, hdu_bands):
    maps["counts"] += Map.from_geom(GEOM, data=np.arange(24.0).reshape(2, 3, 4), unit="s")
    hdus = maps.to_hdulist(hdu_bands=hdu_bands)
    hdus.writeto(tmp_path / "maps.fits")
    read = Maps.from_hdulist(hdus, hdu_bands=hdu_bands)
    assert list(read) == ["counts", "mask"]
    assert read["mask"].is_mask
    assert_array_equal(to_host(read["counts"].data), to_host(maps["counts"].data))
    maps.write(tmp_path / "maps.fits", overwrite=True)
    assert Maps.read(tmp_path / "maps.fits")["counts"].is_allclose(maps["counts"])


def test_a_map_is_an_attribute_too():
    maps = Maps(counts=Map.from_geom(WcsGeom.create(npix=3)))
    assert maps.counts is maps["counts"]
    with pytest.raises(AttributeError, match="no map 'background'"):
        maps.background  # noqa: B018
