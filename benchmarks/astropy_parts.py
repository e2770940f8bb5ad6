"""Parts that are our own beside astropy's, each timed against astropy's code on the same input, and compared.

    OMP_NUM_THREADS=1 taskset -c 1 python benchmarks/astropy_parts.py [--repeat 9] [--json FILE] [--names WORD ...]

Both run in turn in one process, and the ratio is the median of the ratios of the pairs. Where astropy has several ways
its fastest public one is taken, with what the reduction needs afterwards (native byte order, plain arrays). Files are
simulated in a temporary folder and are in the cache of the system. The results and what follows from them are in
docs/decisions/0017-own-code-beside-astropy.md.
"""

import argparse
import gzip
import json
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import astropy
import astropy.units as u
import numpy as np
from astropy import convolution
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, angular_separation
from astropy.coordinates.erfa_astrom import ErfaAstromInterpolator, erfa_astrom
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from regions import CircleSkyRegion

from lightpool.arrays import fov_matrix, frame_matrix, rotate, unit_vectors
from lightpool.arrays.kernels import convolution as own_convolution
from lightpool.arrays.kernels import healpix
from lightpool.arrays.kernels.projections import pixel_to_sky, sky_to_pixel
from lightpool.arrays.kernels.sky_shapes import in_any_circle
from lightpool.arrays.kernels.sphere import fov_lonlat, lonlat, separation_of_vectors
from lightpool.arrays.projection_parameters import PROJECTION_CODES
from lightpool.data import GTI
from lightpool.data.tables.time_reference import reference_of
from lightpool.fits import header as own_header
from lightpool.fits import image_values, read_fits, read_time_reference, write_fits
from lightpool.fits.gzip_file import unpack_gzip
from lightpool.fits.table import parse_unit
from lightpool.makers.background_models import field_turns
from lightpool.makers.responses.fov_rotation import sky_to_fov
from lightpool.maps.wcs_header import sky_projection, wcs_of_header
from lightpool.simulate import simulate_store

Arrays = dict[str, Any]
LOCATION = EarthLocation.from_geodetic(16.5002 * u.deg, -23.2718 * u.deg, 1835 * u.m)


@dataclass
class Part:
    """A part that is our own.

    Attributes
    ----------
    name : what it does, and on which input
    ours, theirs : functions that return arrays by name
    tolerance : largest difference, absolute for angles (rad) and pixels, of the same numbers
    note : what the difference is in
    """

    name: str
    ours: Callable[[], Arrays]
    theirs: Callable[[], Arrays]
    tolerance: float = 0.0
    note: str = "values"

    def difference(self) -> float:
        """Largest difference of the two results; infinite if their shapes, names or NaNs differ."""
        one, other = self.ours(), self.theirs()
        if one.keys() != other.keys():
            return float("inf")
        return max((_difference(one[name], other[name]) for name in one), default=0.0)


def _difference(one: Any, other: Any) -> float:
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape:
        return float("inf")
    if one.dtype.kind not in "iufb" or other.dtype.kind not in "iufb":
        return 0.0 if np.array_equal(one, other) else float("inf")
    one, other = one.astype(float), other.astype(float)
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        return float("inf")
    return float(np.max(np.abs(np.nan_to_num(one) - np.nan_to_num(other)), initial=0.0))


def _native(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("="))


def file_parts(folder: Path, n_map: int) -> list[Part]:
    """Parts that read and write FITS files."""
    store = simulate_store(folder / "store", 1, ontime=1800.0)
    path = store / "data" / "run_000001.fits.gz"
    packed = path.read_bytes()
    plain = gzip.decompress(packed)
    (folder / "plain.fits").write_bytes(plain)
    end = plain.find(b"END".ljust(80), 2880) + 80
    header = plain[2880 : end + -end % 2880]
    columns = ("EVENT_ID", "TIME", "RA", "DEC", "ENERGY")

    def our_events(file: Path) -> Arrays:
        table = read_fits(file).table("EVENTS")
        return {name: table.column(name) for name in columns}

    def their_events(file: Path) -> Arrays:
        with fits.open(file) as hdus:
            return {name: _native(hdus["EVENTS"].data[name]) for name in columns}

    names = ("AEFF", "EDISP", "PSF", "BKG")

    def our_responses() -> Arrays:
        file = read_fits(folder / "plain.fits")
        tables = {name: file.table(name) for name in names}
        return {f"{name} {key}": table.column(key) for name, table in tables.items() for key in table.columns}

    def their_responses() -> Arrays:
        with fits.open(folder / "plain.fits") as hdus:
            return {
                f"{name} {key}": _native(hdus[name].data[key]) for name in names for key in hdus[name].columns.names
            }

    maps, n_small = _write_maps(folder / "maps.fits", n_map, (11, 100, 100)), 4 * n_map
    _write_maps(folder / "small.fits", n_small, (11, 4, 4))

    def our_maps(name: str, n_map: int) -> Arrays:
        hdus = read_fits(folder / name).hdulist
        return {f"MAP{number}": image_values(hdus[f"MAP{number}"]) for number in range(n_map)}

    def their_maps(name: str, n_map: int) -> Arrays:
        with fits.open(folder / name, memmap=False) as hdus:
            return {f"MAP{number}": _native(hdus[f"MAP{number}"].data) for number in range(n_map)}

    def our_checksums() -> Arrays:
        read_fits(folder / "maps.fits").verify_checksums()
        return {}

    def their_checksums() -> Arrays:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # astropy tells a fault by a warning
            with fits.open(folder / "maps.fits", checksum=True) as hdus:
                for hdu in hdus:
                    hdu.data  # noqa: B018  # reading it is what verifies it
        return {}

    def our_writing() -> Arrays:
        write_fits(maps, folder / "ours.fits.gz", overwrite=True)
        return {"bytes": len(gzip.decompress((folder / "ours.fits.gz").read_bytes()))}

    def their_writing() -> Arrays:
        maps.writeto(folder / "theirs.fits.gz", overwrite=True)
        return {"bytes": len(gzip.decompress((folder / "theirs.fits.gz").read_bytes()))}

    def our_header() -> Arrays:
        own_header._KNOWN.clear()  # the same header is parsed once, which would be measured
        return dict(own_header.read_cards(header, 0, "header").values)

    def their_header() -> Arrays:
        found = fits.Header.fromstring(header)
        return {key: found[key] for key in found}

    return [
        Part(f"header of an event list, {end // 80 - 36} cards", our_header, their_header),
        Part("event list, .fits.gz", lambda: our_events(path), lambda: their_events(path)),
        Part(
            "event list, not compressed",
            lambda: our_events(folder / "plain.fits"),
            lambda: their_events(folder / "plain.fits"),
        ),
        Part("four response tables of a file", our_responses, their_responses),
        Part(
            f"gzip, {len(packed) / 1e3:.0f} kB packed",
            lambda: {"n": len(unpack_gzip(packed, "x"))},
            lambda: {"n": len(gzip.decompress(packed))},
        ),
        Part(
            f"{n_map} maps of 11 x 100 x 100 by name",
            lambda: our_maps("maps.fits", n_map),
            lambda: their_maps("maps.fits", n_map),
        ),
        Part(
            f"{n_small} maps of 11 x 4 x 4 by name",
            lambda: our_maps("small.fits", n_small),
            lambda: their_maps("small.fits", n_small),
        ),
        Part(f"checksums of {n_map} maps", our_checksums, their_checksums),
        Part(f"writing {n_map} maps, .fits.gz", our_writing, their_writing, note="unpacked size"),
    ]


def _write_maps(path: Path, n_map: int, shape: tuple[int, ...]) -> fits.HDUList:
    rng = np.random.default_rng(0)
    images = [fits.ImageHDU(rng.random(shape), name=f"MAP{number}") for number in range(n_map)]
    hdus = fits.HDUList([fits.PrimaryHDU(), *images])
    hdus.writeto(path, overwrite=True, checksum=True)
    return hdus


def keyword_parts() -> list[Part]:
    """Parts that interpret keywords."""
    header = {"MJDREFI": 53005, "MJDREFF": 0.000742870370370, "TIMEUNIT": "s", "TIMESYS": "UTC"}
    texts = ["TeV", "m2", "s-1 MeV-1 sr-1", "deg", "s", "sr-1", "m**2 s"]

    def their_reference() -> Arrays:
        time_ = Time(header["MJDREFI"], header["MJDREFF"], format="mjd", scale="utc")
        return {"mjd": time_.mjd}

    def our_reference() -> Arrays:
        day, fraction, _ = read_time_reference(header)
        return {"mjd": day + fraction}

    wcs_header = WCS(naxis=2)
    wcs_header.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs_header.wcs.crval, wcs_header.wcs.crpix, wcs_header.wcs.cdelt = [83.63, 22.01], [50.5, 50.5], [-0.02, 0.02]
    cards = wcs_header.to_header()

    return [
        Part("reference time of a header", our_reference, their_reference, 1e-9, "days"),
        Part(
            "units of seven columns",
            lambda: {"units": [parse_unit(text, "x") for text in texts]},
            lambda: {"units": [u.Unit(text) for text in texts]},
        ),
        Part(
            "WCS of a header that is one of many",
            lambda: {"crval": wcs_of_header(cards).wcs.crval},
            lambda: {"crval": WCS(cards).wcs.crval},
        ),
    ]


def projection_parts(n_side: int) -> list[Part]:
    """Each projection, both ways."""
    parts = []
    for code in PROJECTION_CODES:
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = [f"GLON-{code}", f"GLAT-{code}"]
        wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [184.5, -5.8], [n_side / 2 + 0.5] * 2, [-5 / n_side, 5 / n_side]
        if code == "CAR":
            wcs.wcs.crval = [184.5, 0.0]
            wcs.wcs.crpix = [n_side / 2 + 0.5, n_side / 2 + 0.5 + 5.8 * n_side / 5]
        wcs.wcs.set()
        projection = sky_projection(wcs)
        assert projection is not None
        y, x = (each.astype(float) for each in np.mgrid[:n_side, :n_side])
        lon_deg, lat_deg = wcs.wcs_pix2world(x.ravel(), y.ravel(), 0)
        lon, lat = np.deg2rad(lon_deg), np.deg2rad(lat_deg)
        parts += _both_ways(code, wcs, projection, (x, y), (lon, lat))
    return parts


def _both_ways(code: str, wcs: WCS, projection: Any, pixels: Any, sky: Any) -> list[Part]:
    (x, y), (lon, lat) = pixels, sky
    lon_deg, lat_deg = np.rad2deg(lon), np.rad2deg(lat)

    def our_sky() -> Arrays:
        found_lon, found_lat = pixel_to_sky(projection, x, y)
        return {"lon": found_lon.ravel(), "lat": found_lat.ravel()}

    def their_sky() -> Arrays:
        found = wcs.wcs_pix2world(x.ravel(), y.ravel(), 0)
        return {"lon": np.deg2rad(found[0]), "lat": np.deg2rad(found[1])}

    def our_pixels() -> Arrays:
        return dict(zip("xy", sky_to_pixel(projection, lon, lat), strict=True))

    def their_pixels() -> Arrays:
        return dict(zip("xy", wcs.wcs_world2pix(lon_deg, lat_deg, 0), strict=True))

    n = f"{len(lon):,}".replace(",", " ")
    return [
        Part(f"{code}: {n} pixels to the sky", our_sky, their_sky, 1e-12, "rad"),
        Part(f"{code}: {n} directions to pixels", our_pixels, their_pixels, 1e-7, "pixels"),
    ]


def sphere_parts(n: int) -> list[Part]:
    """Frames, angles, fields of view, HEALPix pixels and regions of directions."""
    rng = np.random.default_rng(1)
    lon, lat = np.deg2rad(83.6 + rng.normal(0, 2, n)), np.deg2rad(22.0 + rng.normal(0, 2, n))
    vectors = unit_vectors(lon, lat)
    icrs, center = SkyCoord(lon, lat, unit="rad"), SkyCoord(83.63, 22.01, unit="deg")
    lon0, lat0 = float(center.ra.rad), float(center.dec.rad)
    center_vector = unit_vectors(np.array([lon0]), np.array([lat0]))
    to_galactic, to_fov = frame_matrix("icrs", "galactic"), fov_matrix(lon0, lat0)
    offset_frame = center.skyoffset_frame()
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [83.63, 22.01], [-0.02, 0.02]
    circle = CircleSkyRegion(center, 1 * u.deg)

    def our_galactic() -> Arrays:
        return dict(zip(("lon", "lat"), lonlat(rotate(to_galactic, vectors)), strict=True))

    def their_galactic() -> Arrays:
        found = icrs.galactic
        return {"lon": found.l.rad, "lat": found.b.rad}

    def our_field() -> Arrays:
        found = fov_lonlat(rotate(to_fov, vectors))
        return {"lon": -found[0], "lat": found[1]}  # our longitude increases the other way, as Gammapy's

    def their_field() -> Arrays:
        found = icrs.transform_to(offset_frame)
        return {"lon": found.lon.wrap_at("180d").rad, "lat": found.lat.rad}

    parts = [
        Part(f"ICRS to Galactic, {n} directions", our_galactic, their_galactic, 1e-12, "rad"),
        Part(
            f"separation from a position, {n} directions as vectors",
            lambda: {"angle": separation_of_vectors(vectors, center_vector)},
            lambda: {"angle": angular_separation(lon, lat, lon0, lat0)},
            1e-12,
            "rad",
        ),
        Part(f"field-of-view coordinates, {n} directions", our_field, their_field, 1e-12, "rad"),
        Part(
            f"in a circle on the sphere, {n} directions",
            lambda: {"n": in_any_circle(vectors, center_vector, np.array([np.deg2rad(1)])).sum()},
            lambda: {"n": circle.contains(icrs, wcs).sum()},
            n / 1000,
            "directions: regions draws the circle on a plane",
        ),
    ]
    try:
        import astropy_healpix
    except ImportError:
        return parts
    return [
        *parts,
        Part(
            f"HEALPix pixels (nside 1024, NESTED), {n} directions",
            lambda: {"pix": healpix.lonlat_to_pix(lon, lat, 1024, nest=True)},
            lambda: {"pix": astropy_healpix.HEALPix(1024, order="nested").lonlat_to_healpix(lon * u.rad, lat * u.rad)},
        ),
    ]


def horizon_parts(n_time: int, n: int) -> list[Part]:
    """The pointing in altitude and azimuth over a run of half an hour, and a field along the horizon."""
    lon, lat = np.deg2rad(83.63), np.deg2rad(22.01)
    reference = reference_of(Time("2004-12-08T20:00:00", scale="utc"))
    seconds = np.linspace(0, 1800, n_time)
    # Of the pointing and of a direction north of it, from which the rotation of the field follows.
    positions = SkyCoord([lon, lon], [lat, lat + np.deg2rad(0.5)], unit="rad")[:, np.newaxis]

    def ours() -> Arrays:
        found = field_turns._horizontal(lon, lat, LOCATION, reference, seconds)
        return {"altitude": found[:, 1], "azimuth": found[:, 0]}

    def theirs() -> Arrays:
        frame = AltAz(obstime=reference.to_time(0.0) + seconds[np.newaxis] * u.s, location=LOCATION)
        with erfa_astrom.set(ErfaAstromInterpolator(300 * u.s)):  # the faster way of astropy
            found = positions.transform_to(frame)
        return {"altitude": found.alt.rad, "azimuth": found.az.rad}

    moment = reference.to_time(600.0)
    frame = AltAz(obstime=moment, location=LOCATION)
    center = SkyCoord(lon, lat, unit="rad")
    origin = center.transform_to(frame)
    rng = np.random.default_rng(4)
    lons, lats = lon + rng.normal(0, 0.03, n), lat + rng.normal(0, 0.03, n)
    sky, vectors = SkyCoord(lons, lats, unit="rad"), unit_vectors(lons, lats)

    def our_field() -> Arrays:
        matrix, velocity = sky_to_fov(center, origin, moment, LOCATION)
        return dict(zip(("lon", "lat"), fov_lonlat(rotate(matrix, vectors + velocity[:, np.newaxis])), strict=True))

    def their_field() -> Arrays:
        found = sky.transform_to(frame).transform_to(origin.skyoffset_frame())
        return {"lon": -found.lon.wrap_at("180d").rad, "lat": found.lat.rad}

    return [
        # Up to 15 arcsec, as UT1 - UTC is left out: the bins of a background are wider than 0.1 deg.
        Part(f"altitude and azimuth of two directions at {n_time} times", ours, theirs, 1e-4, "rad"),
        Part(f"a field of view along the horizon at one time, {n} directions", our_field, their_field, 2e-8, "rad"),
    ]


def interval_parts(n_event: int) -> list[Part]:
    """Good time intervals as plain seconds, or as times."""
    rng = np.random.default_rng(3)
    start = np.arange(10) * 200.0
    stop = start + 180.0
    reference = Time("2004-12-08T20:00:00", scale="tt")
    gti = GTI.create(start * u.s, stop * u.s, reference)
    other = GTI.create(start[::2] * u.s + 90 * u.s, stop[::2] * u.s + 90 * u.s, reference)
    seconds = np.sort(rng.uniform(0, 2000, n_event))
    times, starts, stops = (reference + values * u.s for values in (seconds, start, stop))

    def our_events() -> Arrays:
        place = np.searchsorted(start, seconds, side="right") - 1
        return {"inside": seconds <= stop[place]}

    def their_events() -> Arrays:
        inside = np.zeros(n_event, dtype=bool)
        for first, last in zip(starts, stops, strict=True):
            inside |= (times >= first) & (times <= last)
        return {"inside": inside}

    def their_intersection() -> Arrays:
        total = 0.0
        for a, b in zip(gti.time_start, gti.time_stop, strict=True):
            for c, d in zip(other.time_start, other.time_stop, strict=True):
                total += max(0.0, float((min(b, d) - max(a, c)).sec))
        return {"seconds": total}

    return [
        Part(f"{n_event} events in ten good time intervals", our_events, their_events),
        Part(
            "time that two sets of good time intervals share",
            lambda: {"seconds": gti.intersect(other).time_sum.to_value("s")},
            their_intersection,
            1e-6,
            "s",
        ),
    ]


def filter_parts(n_side: int) -> list[Part]:
    """Convolutions of images, and their kernels."""
    rng = np.random.default_rng(2)
    image = rng.random((n_side, n_side))
    kernel = own_convolution.disk_kernel(20.0)

    return [
        Part(
            f"convolution of {n_side} x {n_side} pixels with a disk of 41 x 41",
            lambda: {"image": own_convolution.convolve_fft(image, kernel)},
            lambda: {"image": convolution.convolve_fft(image, kernel, normalize_kernel=False, nan_treatment="fill")},
            1e-9,
        ),
        Part(
            "a ring of 61 x 61 pixels",
            lambda: {"kernel": own_convolution.ring_kernel(20.0, 10.0) > 0},
            lambda: {"kernel": convolution.Ring2DKernel(20.0, 10.0).array > 0},
        ),
    ]


def all_parts(folder: Path, *, small: bool = False) -> list[Part]:
    """Return all parts.

    Parameters
    ----------
    folder : Path, for files
    small : bool, whether inputs are small, to compare the results only
    """
    n = 1000 if small else 100_000
    return [
        *file_parts(folder, 2 if small else 12),
        *keyword_parts(),
        *projection_parts(20 if small else 250),
        *sphere_parts(n),
        *horizon_parts(5 if small else 17, n),
        *interval_parts(n),
        *filter_parts(50 if small else 500),
    ]


@dataclass
class Result:
    """Times in ms of the two, medians, and their ratio."""

    name: str
    ours_ms: float
    theirs_ms: float
    ratio: float
    lowest: float
    highest: float
    difference: float
    note: str


def measured(part: Part, n_repeat: int, least: float = 0.02) -> Result:
    """Time a part and astropy's in turn; short ones are called so often that a time is at least 20 ms."""
    difference = part.difference()
    if not difference <= part.tolerance:
        raise SystemExit(
            f"{part.name}: the results differ by {difference} {part.note}, expected up to {part.tolerance}"
        )
    counts = [max(1, int(least / max(_seconds(each, 1), 1e-7))) for each in (part.ours, part.theirs)]
    both = list(zip((part.ours, part.theirs), counts, strict=True))
    pairs = [[_seconds(each, n_call) for each, n_call in both] for _ in range(n_repeat)]
    ours, theirs = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
    ratios = [their / our for our, their in pairs]
    return Result(part.name, ours, theirs, statistics.median(ratios), min(ratios), max(ratios), difference, part.note)


def _seconds(function: Callable[[], Arrays], n_call: int) -> float:
    start = time.perf_counter()
    for _ in range(n_call):
        function()
    return (time.perf_counter() - start) / n_call


def main() -> None:
    """Measure all parts, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--names", nargs="*", default=[], help="only parts with one of these words in their name")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for part in all_parts(Path(folder)):
            if options.names and not any(word in part.name for word in options.names):
                continue
            result = measured(part, options.repeat)
            results.append(result)
            print(
                f"| {result.name} | {result.ours_ms:.3g} | {result.theirs_ms:.3g} | {result.ratio:.2g} "
                f"({result.lowest:.2g} to {result.highest:.2g}) | {result.difference:.1g} {result.note} |",
                flush=True,
            )
    if options.json is not None:
        about = {"astropy": astropy.__version__, "numpy": np.__version__, "python": platform.python_version()}
        about |= {"machine": platform.machine(), "date": time.strftime("%Y-%m-%d")}
        document = {"about": about, "parts": [asdict(result) for result in results]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
