"""HEALPix maps in FITS files: layouts and index schemes, written and read again, and as other programs write them."""

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.errors import FormatError
from lightpool.maps import HpxGeom, HpxNDMap, Map, MapAxis, Maps

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
TRUE = MapAxis.from_nodes([1.0, 2.0, 4.0], unit="MeV", name="energy_true", interp="log")
OTHER = MapAxis.from_edges([0.0, 1.0, 2.0], name="y")
GEOMS = {
    "image of all the sky": {"nside": 4},
    "ring, no power of two": {"nside": 5, "nest": False, "frame": "galactic"},
    "cube": {"nside": 4, "axes": [ENERGY, OTHER]},
    "disc": {"nside": 16, "region": "DISK(110.,75.,12.)", "frame": "galactic", "axes": [ENERGY]},
    "image of a disc": {"nside": 16, "region": "DISK(110.,75.,12.)"},
    "pixel": {"nside": 8, "nest": False, "region": "HPX_PIXEL(RING,2,3)", "axes": [ENERGY]},
    "list": {"nside": 8, "region": (np.array([5, 3, 700]),), "axes": [ENERGY]},
    "list in each plane": {
        "nside": 8,
        "region": (np.array([5, 3, 700, 9, 2]), np.array([0, 0, 1, 2, 2])),
        "axes": [ENERGY],
    },
    "grid in each plane": {"nside": [1, 4, 2], "axes": [ENERGY]},
    "grid and disc in each plane": {"nside": [8, 4, 16], "region": "DISK(110,75,30)", "axes": [ENERGY], "nest": False},
    "grid in each of six planes": {"nside": [[1, 2], [4, 8], [1, 1]], "axes": [ENERGY, OTHER]},
}


def filled(geom, **options):
    """A map with another value in each pixel, none of them zero."""
    m = Map.from_geom(geom, **options)
    data = to_host(m.data).copy()
    exists = geom.get_idx()[0] >= 0
    data[exists] = 1 + np.arange(exists.sum())
    return m.copy(data=data)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", GEOMS)
def test_maps_are_the_same_after_they_were_written_and_read(name, sparse, tmp_path):
    m = filled(HpxGeom(**GEOMS[name]), unit="cm-2 s-1", device="cpu")
    m.meta = {"origin": "test"}
    m.write(tmp_path / "map.fits", sparse=sparse)
    again = Map.read(tmp_path / "map.fits", device="cpu")
    assert type(again) is HpxNDMap
    if not (sparse and "list" in name):
        assert again.geom == m.geom
        assert_array_equal(to_host(again.data), to_host(m.data))
    coords = m.geom.get_coord(flat=True)
    assert_array_equal(to_host(again.get_by_coord(coords)), to_host(m.get_by_coord(coords)))
    assert np.nansum(to_host(again.data)) == np.nansum(to_host(m.data))
    assert (again.unit, again.meta) == (m.unit, m.meta)


def test_maps_of_any_device_are_written_and_read_there(device, tmp_path):
    m = filled(HpxGeom(**GEOMS["disc"]))
    m.write(tmp_path / "map.fits")
    again = Map.read(tmp_path / "map.fits")
    assert again.device.name == device
    assert_array_equal(to_host(again.data), to_host(m.data))


def test_masks_and_counts_keep_their_type(tmp_path):
    geom = HpxGeom(4, axes=[ENERGY])
    mask = geom.energy_mask("2 TeV", device="cpu")
    mask.write(tmp_path / "mask.fits", hdu="MASK_SAFE")
    again = Map.read(tmp_path / "mask.fits", device="cpu")
    assert again.is_mask
    assert_array_equal(again.data, mask.data)
    single = filled(geom, dtype="float32", device="cpu")
    single.write(tmp_path / "single.fits.gz")
    assert Map.read(tmp_path / "single.fits.gz", device="cpu").precision == "single"


@pytest.mark.parametrize("format", ["fgst-ccube", "fgst-template"])
def test_layouts_of_the_fermi_tools(format, tmp_path):
    axis = ENERGY if format == "fgst-ccube" else TRUE
    m = filled(HpxGeom(8, frame="galactic", axes=[axis]), device="cpu")
    m.write(tmp_path / "map.fits", format=format)
    with fits.open(tmp_path / "map.fits") as hdus:
        bands = {"fgst-ccube": "EBOUNDS", "fgst-template": "ENERGIES"}[format]
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SKYMAP", bands]
        header = hdus[1].header
        assert (header["TELESCOP"], header["HPX_CONV"], header["COORDSYS"]) == ("GLAST", format.upper(), "GAL")
        column = {"fgst-ccube": "CHANNEL1", "fgst-template": "ENERGY1"}[format]
        assert hdus[1].columns.names[0] == column
        assert_allclose(hdus[1].data[column], m.data[0])
    again = Map.read(tmp_path / "map.fits", device="cpu")
    assert again.geom.axes[0].name == axis.name
    assert_array_equal(again.data, m.data)


def test_header_of_the_layout_of_gamma_astro_data_formats(tmp_path):
    m = filled(HpxGeom(16, region="DISK(110.,75.,12.)", axes=[ENERGY]), device="cpu")
    hdus = m.to_hdulist(hdu="counts")
    assert [hdu.name for hdu in hdus] == ["PRIMARY", "COUNTS", "COUNTS_BANDS"]
    header = hdus[1].header
    expected = {
        "PIXTYPE": "HEALPIX", "ORDERING": "NESTED", "INDXSCHM": "EXPLICIT", "ORDER": 4, "NSIDE": 16, "FIRSTPIX": 0,
        "LASTPIX": 3071, "HPX_CONV": "GADF", "COORDSYS": "CEL", "HPX_REG": "DISK(110.,75.,12.)",
        "BANDSHDU": "COUNTS_BANDS",
    }  # fmt: skip
    assert {name: header[name] for name in expected} == expected
    assert hdus[1].columns.names == ["PIX", "CHANNEL1", "CHANNEL2", "CHANNEL3"]
    assert_array_equal(hdus[1].data["PIX"], m.geom.ipix[0][0])


def table(columns, **cards):
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column(name, code, array=x, unit=unit) for name, code, x, unit in columns]
    )
    hdu.header.update({"PIXTYPE": "HEALPIX", "ORDERING": "RING", "NSIDE": 2} | cards)
    return hdu


def test_image_of_healpy_has_the_unit_of_its_column_and_nan_where_data_are_missing(tmp_path):
    values = np.arange(48.0, dtype=np.float32)
    values[5] = -1.6375e30
    hdu = table([("TFLOAT", "E", values, "GeV-1 m-2 s-1 sr-1")], EXTNAME="xtension", COORDSYS="G", BAD_DATA=-1.6375e30)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "map.fits")
    m = Map.read(tmp_path / "map.fits", device="cpu")
    assert (m.unit, m.geom.frame, m.geom.nest) == ("GeV-1 m-2 s-1 sr-1", "galactic", False)
    assert np.isnan(m.data[5])
    assert m.data[6] == 6


def test_pixels_of_an_explicit_file_may_have_any_order(tmp_path):
    hdu = table([("PIX", "J", [7, 2, 40], None), ("CHANNEL1", "E", [70.0, 20.0, 400.0], None)], INDXSCHM="EXPLICIT")
    hdu.header["HPX_CONV"], hdu.header["COORDSYS"] = "GADF", "CEL"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "map.fits")
    m = Map.read(tmp_path / "map.fits", device="cpu")
    assert_array_equal(m.geom.ipix[0], [2, 7, 40])
    assert_array_equal(m.data, [20, 70, 400])


def test_sparse_file_of_all_the_sky_is_zero_elsewhere(tmp_path):
    hdu = table([("PIX", "J", [7, 2], None), ("VALUE", "E", [70.0, 20.0], None)], INDXSCHM="SPARSE", HPX_CONV="GADF")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "map.fits")
    m = Map.read(tmp_path / "map.fits", device="cpu")
    assert m.data.shape == (48,)
    assert (m.data[2], m.data[7], m.data.sum()) == (20, 70, 90)


def test_exposure_cube_of_the_fermi_tools_has_its_unit(tmp_path):
    columns = [(f"ENERGY{i}", "E", np.full(48, i), None) for i in (1, 2)]
    hdu = table(columns, EXTNAME="HPXEXPOSURES", COORDSYS="CEL")
    energies = fits.BinTableHDU.from_columns([fits.Column("Energy", "D", array=[100.0, 1000.0])], name="ENERGIES")
    gti = fits.BinTableHDU.from_columns([fits.Column("START", "D", array=[0.0])], name="GTI")
    fits.HDUList([fits.PrimaryHDU(), hdu, energies, gti]).writeto(tmp_path / "map.fits")
    m = Map.read(tmp_path / "map.fits", device="cpu")
    assert (m.unit, m.geom.axes.names, m.data.shape) == ("cm2 s", ["energy_true"], (2, 48))
    assert_array_equal(m.data[:, 0], [1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ORDERING": "SPIRAL"}, "ORDERING"),
        ({"NSIDE": None}, "NSIDE or ORDER"),
        ({"COORDSYS": "ECL"}, "frame"),
        ({"HPX_CONV": None, "EXTNAME": "OTHER", "TTYPE1": "COUNTS"}, "format="),
        ({"HPX_CONV": "FITS-9"}, "not known"),
        ({"NSIDE": 4}, "48 values"),
        ({"HPX_REG": "explicit", "INDXSCHM": "LOCAL"}, "list the pixels"),
        ({"HPX_REG": "BOX(1,2)"}, "DISK"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(change, message, tmp_path):
    name = change.pop("TTYPE1", "CHANNEL1")
    hdu = table([(name, "E", np.arange(48.0), None)], HPX_CONV="GADF", COORDSYS="CEL")
    for name, value in change.items():
        if value is None:
            del hdu.header[name]
        else:
            hdu.header[name] = value
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "map.fits", output_verify="ignore")
    with pytest.raises(Exception, match=message):
        Map.read(tmp_path / "map.fits", device="cpu")


def test_layouts_that_are_only_read_are_not_written():
    with pytest.raises(FormatError, match="not written"):
        Map.from_geom(HpxGeom(2), device="cpu").to_hdulist(format="galprop")
    with pytest.raises(FormatError, match="not known"):
        Map.from_geom(HpxGeom(2), device="cpu").to_hdulist(format="png")


def test_maps_by_name_share_the_table_of_their_axes(tmp_path):
    m = filled(HpxGeom(4, axes=[ENERGY]), device="cpu")
    Maps(one=m, two=m * 2).write(tmp_path / "maps.fits")
    again = Maps.read(tmp_path / "maps.fits")
    assert list(again) == ["one", "two"]
    assert_array_equal(to_host(again["two"].data), 2 * m.data)


@pytest.mark.reference
@pytest.mark.slow
def test_map_of_hermes_is_read(shared):
    """The unit, and the pixels that healpy says have values."""
    m = Map.read(shared / "data/tests/hermes/hermes-VariableMin-pi0-Htot_CMZ_nside256.fits.gz", hdu=3, device="cpu")
    assert (m.unit, m.geom.frame, int(m.geom.nside[0])) == ("GeV-1 m-2 s-1 sr-1", "galactic", 256)
    known = np.isfinite(m.data)
    assert known.sum() == 786432 - 582656
    assert abs(m.geom.get_coord().lat[known]).max().value < 90


def test_maps_are_made_of_tables(tmp_path):
    m = filled(HpxGeom(4, axes=[ENERGY]), device="cpu")
    hdus = m.to_hdulist()
    again = HpxNDMap.from_hdu(hdus[1], hdus[2], device="cpu")
    assert_array_equal(again.data, m.data)
    assert HpxGeom.from_header(hdus[1].header, hdus[2]) == m.geom
    image = m.get_image_by_idx((1,))
    one = HpxNDMap.from_hdu(m.to_hdu(), format="gadf", colname="CHANNEL2", device="cpu")
    assert_array_equal(one.data, image.data)
