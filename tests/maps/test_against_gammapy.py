"""Operations on small maps give the numbers of Gammapy 2.1.

The numbers were made by running the same operations with the names of ``gammapy.maps`` on maps of float64. Of each
result the test knows the shape, the sum and a sum with weights that differ from bin to bin, so that a value in the
wrong place shows.
"""

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion, RectangleSkyRegion

from lightpool.arrays.devices.devices import to_host
from lightpool.maps import Map, MapAxis, RegionNDMap, WcsGeom

CENTRE = SkyCoord(83.63, 22.01, unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
RAD = MapAxis.from_bounds(0, 1, 5, unit="deg", name="rad")
PLACES = {
    "skycoord": SkyCoord([83.6, 83.2, 84.0, 90.0], [22.0, 22.3, 21.6, 22.0], unit="deg"),
    "energy": [2.0, 0.5, 9.0, 3.0] * u.TeV,
}
CIRCLE = CircleSkyRegion(CENTRE, 0.4 * u.deg)
BOX = RectangleSkyRegion(CENTRE, 0.6 * u.deg, 0.4 * u.deg, angle=20 * u.deg)


def made_map(axes: tuple[Any, ...] = (ENERGY,), unit: str = "", **kwargs: Any) -> Any:
    options = {"npix": (12, 8), "binsz": 0.2, "skydir": CENTRE} | kwargs
    m = Map.create(axes=list(axes), unit=unit, dtype="float64", **options)
    m.data = 3 + 2 * np.sin(np.arange(np.prod(m.geom.data_shape)) * 1.3).reshape(m.geom.data_shape)
    return m


def filled(weights: Any = None) -> Any:
    m = made_map()
    m.fill_by_coord(PLACES, weights=weights)
    return m


def normalized() -> Any:
    m = made_map((RAD, ENERGY))
    m.normalize("rad")
    return m


def stacked(mode: str, weighted: bool) -> Any:
    m = made_map()
    part = m.cutout(SkyCoord(84.7, 22.6, unit="deg"), (1.3 * u.deg, 0.9 * u.deg), mode=mode)
    m.stack(part, weights=(part > 3) if weighted else None)
    return m


def masks_stacked() -> Any:
    m = made_map() > 4.5
    m.stack((made_map() > 3).cutout(CENTRE, 0.7 * u.deg))
    return m


def region_map() -> Any:
    m = RegionNDMap.create(CIRCLE, axes=[ENERGY])
    m.data = np.array([1.0, 3.0, 4.0, 9.0]).reshape(4, 1, 1)
    return m


GALACTIC = WcsGeom.create(npix=(9, 7), binsz=0.25, proj="TAN", frame="galactic", skydir=CENTRE.galactic, axes=[ENERGY])
COARSE = WcsGeom.create(npix=(6, 4), binsz=0.4, skydir=CENTRE, axes=[ENERGY])
# Its centres are on no line between pixels, and its energies no centres of bins: there rounding, which depends on the
# processor, decides what is not zero.
SHIFTED = WcsGeom.create(
    npix=(6, 4),
    binsz=0.4,
    skydir=SkyCoord(83.7, 22.04, unit="deg"),
    axes=[MapAxis.from_energy_bounds("1.2 TeV", "9 TeV", nbin=4)],
)
WIDE = MapAxis.from_energy_edges([1, 3, 10] * u.TeV)

OPERATIONS = {
    "sum_over_axes": lambda: made_map().sum_over_axes(),
    "sum_over_axes with weights": lambda: made_map().sum_over_axes(weights=made_map() > 3, keepdims=False),
    "mask sum_over_axes": lambda: (made_map() > 3).sum_over_axes(),
    "reduce with or": lambda: (made_map() > 4.5).reduce_over_axes(func=np.logical_or),
    "cutout trim": lambda: made_map().cutout(SkyCoord(84.7, 22.6, unit="deg"), (1.3 * u.deg, 0.9 * u.deg)),
    "cutout partial": lambda: made_map().cutout(SkyCoord(84.7, 22.6, unit="deg"), 1.2 * u.deg, mode="partial"),
    "cutout odd": lambda: made_map().cutout(CENTRE, "0.7 deg", odd_npix=True),
    "stack": lambda: stacked("partial", weighted=False),
    "stack weighted": lambda: stacked("trim", weighted=True),
    "stack masks": masks_stacked,
    "fill_by_coord": filled,
    "fill_by_coord with weights": lambda: filled(np.array([1.0, 2.0, 3.0, 4.0])),
    "get_by_coord": lambda: made_map().get_by_coord(PLACES, fill_value=-1.0),
    "interp_by_coord": lambda: made_map().interp_by_coord(PLACES),
    "interp_by_coord filled": lambda: made_map().interp_by_coord(PLACES, fill_value=0),
    "interp_by_coord nearest": lambda: made_map().interp_by_coord(PLACES, method="nearest"),
    "interp_by_coord log": lambda: made_map().interp_by_coord(PLACES, values_scale="log"),
    "interp_to_geom": lambda: made_map().interp_to_geom(GALACTIC),
    "interp_to_geom counts": lambda: made_map().interp_to_geom(COARSE, preserve_counts=True),
    "interp_to_geom mask": lambda: (made_map() > 3).interp_to_geom(GALACTIC),
    "interp_to_geom mask extrapolated": lambda: (made_map() > 4.96).interp_to_geom(SHIFTED, fill_value=None),
    "resample": lambda: made_map().resample(COARSE),
    "resample mean": lambda: made_map().resample(COARSE, preserve_counts=False),
    "downsample": lambda: made_map().downsample(2),
    "downsample mean": lambda: made_map().downsample(4, preserve_counts=False, weights=made_map() > 3),
    "downsample axis": lambda: made_map().downsample(2, axis_name="energy"),
    "upsample": lambda: made_map().upsample(2),
    "upsample linear": lambda: made_map().upsample(3, order=1, preserve_counts=False),
    "upsample axis": lambda: made_map().upsample(2, axis_name="energy"),
    "crop": lambda: made_map().crop((2, 1)),
    "pad": lambda: made_map().pad((1, 2), cval=7),
    "pad axis": lambda: made_map().pad((1, 2), axis_name="energy", mode="edge"),
    "resample_axis": lambda: made_map().resample_axis(WIDE),
    "resample_axis with and": lambda: (made_map() > 2).resample_axis(WIDE, ufunc=np.logical_and),
    "cumsum": lambda: made_map().cumsum("energy"),
    "cumsum rad": lambda: made_map((RAD, ENERGY)).cumsum("rad"),
    "normalize": normalized,
    "smooth gauss": lambda: made_map().smooth(1.3),
    "smooth disk": lambda: made_map().smooth("0.5 deg", kernel="disk"),
    "smooth box": lambda: made_map().smooth(4, kernel="box"),
    "convolve": lambda: made_map().convolve(np.arange(15.0).reshape(3, 5)),
    "binary_erode": lambda: (made_map() > 1.2).binary_erode("0.1 deg"),
    "binary_dilate": lambda: (made_map() > 4.9).binary_dilate("0.1 deg", kernel="box", use_fft=False),
    "region sum": lambda: made_map().to_region_nd_map(CIRCLE),
    "region mean": lambda: made_map().to_region_nd_map(BOX, func=np.mean, weights=made_map() > 2),
    "region any": lambda: (made_map() > 4.99).to_region_nd_map(BOX, func=np.any),
    "value at a position": lambda: made_map().to_region_nd_map(SkyCoord(83.4, 22.1, unit="deg"), method="linear"),
    "get_spectrum": lambda: made_map().get_spectrum(),
    "arithmetic": lambda: (made_map(unit="m2") * made_map(unit="s") - 3 * u.Unit("cm2 s")) / 2,
    "region map downsample": lambda: region_map().downsample(2),
    "region map interp": lambda: region_map().interp_by_coord({"skycoord": CENTRE, "energy": [1.5, 3, 20] * u.TeV}),
    "region map resample_axis": lambda: region_map().resample_axis(WIDE),
}

NUMBERS: dict[str, tuple[tuple[int, ...], float, float]] = {
    "sum_over_axes": ((1, 8, 12), 1154.2587308946963, -12.388828868420916),
    "sum_over_axes with weights": ((8, 12), 842.2472858434694, -19.97849175996805),
    "mask sum_over_axes": ((1, 8, 12), 199.0, -5.396370658259519),
    "reduce with or": ((8, 12), 63.0, -1.1410455848422214),
    "cutout trim": ((4, 3, 4), 143.97353138103512, 5.967630764458113),
    "cutout partial": ((4, 6, 6), 192.86105412126548, -17.293547576896422),
    "cutout odd": ((4, 5, 5), 299.19703516123457, 55.23691355474163),
    "stack": ((4, 8, 12), 1298.2322622757315, 10.574391390561457),
    "stack weighted": ((4, 8, 12), 1259.3369609642064, 15.528773544223496),
    "stack masks": ((4, 8, 12), 102.0, 1.810419799094115),
    "fill_by_coord": ((4, 8, 12), 1156.2587308946963, -0.22466885418018911),
    "fill_by_coord with weights": ((4, 8, 12), 1158.2587308946963, 1.1275890266055697),
    "get_by_coord": ((4,), 2.157919939413947, 2.4001066582884327),
    "interp_by_coord": ((4,), -14.049145979939807, 18.834802786119486),
    "interp_by_coord filled": ((4,), 5.777686366389779, 3.395079470011326),
    "interp_by_coord nearest": ((4,), 6.71153427593419, 3.247946279204724),
    "interp_by_coord log": ((4,), 10.021751764500706, 6.814531096806489),
    "interp_to_geom": ((4, 7, 9), 588.7072322672293, -107.47207464106597),
    "interp_to_geom counts": ((4, 4, 6), 1154.2536534397104, -7.555904800292154),
    "interp_to_geom mask": ((4, 7, 9), 102.0, -18.630650831961518),
    "interp_to_geom mask extrapolated": ((4, 4, 6), 53.0, 1.6950586940519963),
    "resample": ((4, 4, 6), 1154.258731842041, -7.555888845691356),
    "resample mean": ((4, 4, 6), 288.56468296051025, -1.888972211422839),
    "downsample": ((4, 4, 6), 1154.2587308946963, -7.555888094021881),
    "downsample mean": ((4, 2, 3), 101.6958016726633, -2.741520053913856),
    "downsample axis": ((2, 8, 12), 1154.2587308946963, 10.899499033357555),
    # that of Gammapy is 1154.26003812854: it adds counts, as a pixel is not quite as large as its parts
    "upsample": ((4, 16, 24), 1154.2587308946963, 8.099779354786001),
    "upsample linear": ((4, 24, 36), 10388.328578052267, -10.288402129347226),
    "upsample axis": ((8, 8, 12), 1154.2587308946963, 1.6454257243056407),
    "crop": ((4, 6, 8), 577.519522562259, 5.91136679881573),
    "pad": ((4, 12, 14), 3170.2587308946963, -14.831400267712496),
    "pad axis": ((7, 8, 12), 2018.0780604375946, -1.492249985080862),
    "resample_axis": ((2, 8, 12), 1154.2587308946963, 10.899499033357555),
    "resample_axis with and": ((2, 8, 12), 99.0, 0.4492593450804716),
    "cumsum": ((5, 8, 12), 4778.723247218442, 19.795928398209085),
    "cumsum rad": ((4, 6, 8, 12), 7961.853722204183, 29.049011664185286),
    "normalize": ((4, 5, 8, 12), 640.8904274675987, -0.1409343123423299),
    "smooth gauss": ((4, 8, 12), 1154.2587308946963, -1.8763697189767763),
    "smooth disk": ((4, 8, 12), 1154.2587308946963, -2.5296649336081867),
    "smooth box": ((4, 8, 12), 1154.1202765179505, -2.110380082058782),
    "convolve": ((4, 8, 12), 99710.76251983643, -233.1028625037585),
    "binary_erode": ((4, 8, 12), 100.0, 1.5734327166651643),
    "binary_dilate": ((4, 8, 12), 41.0, 0.27985128722557007),
    "region sum": ((4, 1, 1), 145.3766273397163, 53.085375463582835),
    "region mean": ((4, 1, 1), 14.85177082206551, 4.949958216328575),
    "region any": ((4, 1, 1), 0.0, 0.0),
    "value at a position": ((4, 1, 1), 16.183456178243034, 7.605092769640905),
    "get_spectrum": ((4, 1, 1), 1154.2587308946963, 414.4656354465566),
    "arithmetic": ((4, 8, 12), 2118.7050263382416, 2.1401494386033626),
    "region map downsample": ((2, 1, 1), 17.0, 13.94294843469835),
    "region map interp": ((3,), 22.337815004603712, 6.993609518769354),
    "region map resample_axis": ((2, 1, 1), 17.0, 13.94294843469835),
}


def fingerprint(result: Any) -> tuple[tuple[int, ...], float, float]:
    data = np.asarray(to_host(result.data if isinstance(result, Map) else result), dtype=float)
    weights = np.cos(np.arange(data.size) * 0.7).reshape(data.shape)
    return tuple(int(n) for n in data.shape), float(data.sum()), float((data * weights).sum())


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_gives_the_numbers_of_gammapy(backend, name):
    shape, total, weighted = fingerprint(OPERATIONS[name]())
    # Gammapy resamples and convolves in float32, and its solid angles of pixels of 0.4 deg are wrong by 1e-5.
    rtol = 1e-5 if name.startswith(("resample", "convolve", "interp_to_geom counts")) else 1e-9
    expected = NUMBERS[name]
    assert shape == expected[0]
    np.testing.assert_allclose([total, weighted], expected[1:], rtol=rtol, atol=rtol * (1 + abs(expected[1])))
