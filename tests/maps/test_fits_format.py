import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from numpy.testing import assert_array_equal
from regions import CircleSkyRegion, EllipseSkyRegion

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import FormatError
from lightpool.maps import LabelMapAxis, Map, MapAxis, RegionNDMap, TimeMapAxis, WcsGeom

CENTRE = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3, name="energy_true")
RAD = MapAxis.from_nodes([0.1, 0.2, 0.4], unit="deg", name="rad")
LABEL = LabelMapAxis(["one", "two"], "label")
TIME = TimeMapAxis([0, 2] * u.h, [1, 3] * u.h, reference_time=Time("2020-01-01"))
AXES = {"image": [], "cube": [ENERGY], "four": [RAD, ENERGY_TRUE], "label": [LABEL], "time": [TIME]}


def made_map(axes, **kwargs):
    geom = WcsGeom.create(npix=(5, 4), binsz=0.1, skydir=CENTRE, proj="TAN", axes=axes)
    data = np.arange(np.prod(geom.data_shape)).reshape(geom.data_shape) % 5 * 0.1
    return Map.from_geom(geom, data=data, unit="m2 s", **kwargs)


def assert_same(read, written):
    assert read.geom == written.geom
    assert read.unit == written.unit
    assert read.meta == written.meta
    assert read.device == written.device
    assert read.is_mask == written.is_mask
    assert_array_equal(to_host(read.data), to_host(written.data))


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("options", [{}, {"hdu": "counts"}, {"hdu": "counts", "hdu_bands": "bins"}, {"sparse": True}])
def test_a_map_comes_back_from_its_file(backend, tmp_path, name, options):
    written = made_map(AXES[name], meta={"run": 3, "names": ["a", "b"]})
    written.write(tmp_path / "map.fits.gz", **options)
    assert_same(Map.read(tmp_path / "map.fits.gz"), written)
    assert_same(Map.read(tmp_path / "map.fits.gz", hdu=options.get("hdu"), map_type="wcs"), written)


def test_masks_are_written_as_numbers_and_known_by_their_name(backend, tmp_path):
    mask = made_map([ENERGY]).copy(unit="") > 0.15
    mask.write(tmp_path / "mask.fits", hdu="mask_safe")
    assert_same(Map.read(tmp_path / "mask.fits", hdu="mask_safe"), mask)
    mask.write(tmp_path / "other.fits")
    assert to_host(Map.read(tmp_path / "other.fits").data).dtype == np.int64


def test_the_header_is_that_of_gammapy():
    hdus = made_map([ENERGY], meta={"livetime": 3 * u.h}).to_hdulist(hdu="counts")
    assert [hdu.name for hdu in hdus] == ["PRIMARY", "COUNTS", "COUNTS_BANDS"]
    expected = {
        "CTYPE1": "RA---TAN", "CRVAL1": 83.63, "CDELT1": -0.1, "AXCOLS1": "E_MIN,E_MAX", "INTERP1": "log",
        "WCSSHAPE": "(5,4,4)", "BANDSHDU": "COUNTS_BANDS", "META": '{"livetime": "3.0 h"}', "BUNIT": "m2 s",
    }  # fmt: skip
    assert {key: hdus["COUNTS"].header[key] for key in expected} == expected
    assert hdus["COUNTS_BANDS"].columns.names == ["CHANNEL", "ENERGY", "E_MIN", "E_MAX"]


def test_quantities_in_the_metadata_come_back(tmp_path):
    made_map([], meta={"livetime": 3 * u.h, "run": "x", "long": "y" * 200}).write(tmp_path / "map.fits")
    meta = Map.read(tmp_path / "map.fits").meta
    assert meta == {"livetime": 3 * u.h, "run": "x", "long": "y" * 200}
    with pytest.raises(TypeError, match="object"):
        made_map([], meta={"thing": object()}).to_hdulist()


@pytest.mark.parametrize("options", [{}, {"hdu": "counts"}, {"sparse": True}])
@pytest.mark.parametrize("precision", ["single", "double"])
def test_values_keep_their_precision_in_a_file_to_the_last_bit(backend, tmp_path, precision, options):
    written = made_map([ENERGY]).to(precision=precision)
    written.write(tmp_path / "map.fits", **options)
    read = Map.read(tmp_path / "map.fits", hdu=options.get("hdu"))
    assert_same(read, written)
    assert read.precision == precision
    assert to_host(read.data).dtype.isnative
    stored = fits.getdata(tmp_path / "map.fits", 1 if options else 0)
    stored = stored["VALUE"] if options.get("sparse") else stored
    assert stored.dtype == (">f4" if precision == "single" else ">f8")


@pytest.mark.parametrize(
    ("text", "unit"), [("ph cm-2 s-1", "cm-2 s-1"), ("ct", ""), ("nonsense", ""), ("m2 s", "m2 s")]
)
def test_units_lose_photons_and_what_is_no_unit(tmp_path, text, unit, caplog):
    hdus = made_map([]).to_hdulist()
    hdus[0].header["BUNIT"] = text
    hdus.writeto(tmp_path / "map.fits")
    assert Map.read(tmp_path / "map.fits").unit == unit
    assert ("nonsense" in caplog.text) == (text == "nonsense")


def test_a_damaged_file_is_noticed_by_its_checksum(tmp_path):
    path = tmp_path / "map.fits"
    made_map([]).write(path, checksum=True)
    assert_same(Map.read(path, checksum=True), made_map([]))
    content = bytearray(path.read_bytes())
    content[-2880 + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match="checksum"):
        Map.read(path, checksum=True)


def test_what_cannot_be_read_or_written_is_said(tmp_path):
    path = tmp_path / "map.fits"
    m = made_map([ENERGY])
    with pytest.raises(FormatError, match="PRIMARY"):
        m.write(path, sparse=True, hdu="primary")
    with pytest.raises(FormatError, match="'fgst-ccube'"):
        m.write(path, format="fits")
    with pytest.raises(FormatError, match="one axis"):
        made_map([]).write(path, format="fgst-ccube")
    m.write(path)
    with pytest.raises(FileExistsError):
        m.write(path)
    with pytest.raises(FormatError, match=r"'psf'.*PRIMARY_BANDS"):
        Map.read(path, hdu="psf")
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(FormatError, match="No Image"):
        Map.read(tmp_path / "empty.fits")
    healpix = fits.BinTableHDU.from_columns([fits.Column("A", "D", array=[1.0])])
    healpix.header["PIXTYPE"] = "HEALPIX"
    fits.HDUList([fits.PrimaryHDU(), healpix]).writeto(tmp_path / "healpix.fits")
    with pytest.raises(FormatError, match="HEALPix"):
        Map.read(tmp_path / "healpix.fits")
    hdus = m.to_hdulist()
    hdus[0].header["META"] = "[1"
    hdus.writeto(tmp_path / "meta.fits")
    with pytest.raises(FormatError, match="META"):
        Map.read(tmp_path / "meta.fits")


@pytest.mark.parametrize("axes", [[ENERGY], [ENERGY, ENERGY_TRUE]], ids=["spectrum", "matrix"])
@pytest.mark.parametrize("dtype", ["float64", "bool"])
def test_a_region_map_comes_back_from_its_file(backend, tmp_path, axes, dtype):
    region = EllipseSkyRegion(CENTRE, 0.4 * u.deg, 0.2 * u.deg, angle=30 * u.deg)
    written = RegionNDMap.create(region, axes=axes, unit="" if dtype == "bool" else "s", meta={"a": 1})
    written.data = (np.arange(np.prod(written.geom.data_shape)) % 3).reshape(written.geom.data_shape).astype(dtype)
    written.write(tmp_path / "map.fits", hdu="spec")
    read = Map.read(tmp_path / "map.fits", hdu="spec")
    assert isinstance(read, RegionNDMap)
    assert_same(read, written)
    assert read.geom.region.center.separation(CENTRE) < 1e-6 * u.deg
    assert read.geom.region.width.to_value("deg") == pytest.approx(0.4)
    assert [hdu.name for hdu in written.to_hdulist()] == ["PRIMARY", "SKYMAP", "SKYMAP_BANDS", "SKYMAP_REGION"]


def test_region_maps_are_written_in_known_layouts(tmp_path):
    m = RegionNDMap.create(CircleSkyRegion(CENTRE, 1 * u.deg), axes=[ENERGY])
    with pytest.raises(FormatError, match="got 'fits'"):
        m.write(tmp_path / "map.fits", format="fits")
    with pytest.raises(FormatError, match="single energy axis, 'energy_true'"):
        m.write(tmp_path / "map.fits", format="ogip-arf")
    with pytest.raises(FormatError, match="got 'fits'"):
        RegionNDMap.from_hdulist(m.to_hdulist(), format="fits")
    hdus = m.to_hdulist()
    hdus["SKYMAP"].columns.change_name("DATA", "VALUES")
    hdus.writeto(tmp_path / "map.fits")
    with pytest.raises(FormatError, match="VALUES"):
        RegionNDMap.read(tmp_path / "map.fits")


@pytest.mark.reference
def test_the_maps_that_gammapy_wrote_are_read(shared, backend):
    path = shared / "reference" / "map-stacked-4.fits.gz"
    counts, mask, psf = (Map.read(path, hdu=name) for name in ("counts", "mask_safe", "psf"))
    assert counts.device == backend.device
    assert to_host(counts.data).sum() == 7972
    assert mask.is_mask
    assert mask.geom == counts.geom
    assert psf.geom.axes.names == ["rad", "energy_true"]
    assert psf.geom.data_shape == (11, 66, 25, 25)
    assert psf.unit == "sr-1"
