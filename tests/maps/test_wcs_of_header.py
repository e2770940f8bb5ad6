"""The WCS of a header is that of astropy, also of headers that differ from others in one keyword."""

import numpy as np
import pytest
from astropy.wcs import WCS

from lightpool.maps import MapAxis, WcsGeom
from lightpool.maps.wcs_header import same_wcs, wcs_of_header

CHANGES = {
    "CRVAL1": 10.0,
    "CRVAL2": 12.0,
    "CRPIX1": 3.0,
    "CRPIX2": 4.5,
    "CDELT1": -0.3,
    "CDELT2": 0.4,
    "LONPOLE": 90.0,
    "PC1_2": 0.25,
    "CTYPE": ("RA---SIN", "DEC--SIN"),
    "FRAME": ("GLON-TAN", "GLAT-TAN"),
    "PV2_1": 0.2,
}


def header_with(**changes):
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    geom = WcsGeom.create(skydir=(83, 22), npix=(7, 5), binsz=0.2, proj="TAN", frame="icrs", axes=[energy])
    header = geom.to_header()
    header.update({"NAXIS": 3, "NAXIS1": 7, "NAXIS2": 5, "NAXIS3": 3, "EXTNAME": "COUNTS", "META": "x" * 300})
    for key, value in changes.items():
        if key in ("CTYPE", "FRAME"):
            header["CTYPE1"], header["CTYPE2"] = value
        else:
            header[key] = value
    return header


@pytest.mark.parametrize("key", CHANGES)
def test_each_keyword_of_the_sky_counts_though_another_header_was_read_before(key):
    plain, changed = header_with(), header_with(**{key: CHANGES[key]})
    for header in (plain, changed, plain):
        ours, expected = wcs_of_header(header), WCS(header, naxis=2).sub(2)
        assert ours.to_header_string() == expected.to_header_string()
        np.testing.assert_array_equal(ours.wcs_pix2world([[1.0, 2.0]], 0), expected.wcs_pix2world([[1.0, 2.0]], 0))
    assert not same_wcs(wcs_of_header(plain), wcs_of_header(changed), 1e-9)


def test_keywords_of_the_map_do_not_count_and_no_two_headers_share_a_wcs():
    first, second = wcs_of_header(header_with()), wcs_of_header(header_with(EXTNAME="EXPOSURE", BUNIT="m2 s", NAXIS3=8))
    assert first is not second
    assert same_wcs(first, second, 1e-12)
    second.wcs.crval = [1.0, 2.0]
    np.testing.assert_array_equal(wcs_of_header(header_with()).wcs.crval, [83, 22])


def test_a_header_without_the_number_of_axes_of_its_wcs_is_read():
    header = header_with()
    header.remove("WCSAXES")
    assert wcs_of_header(header).to_header_string() == WCS(header, naxis=2).sub(2).to_header_string()
