"""A map that does not fit is refused before it is made."""

import pytest

from lightpool.arrays.devices import memory
from lightpool.errors import OutOfMemoryError
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom


@pytest.fixture
def geom():
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=30)
    return WcsGeom.create(skydir=(83.63, 22.01), npix=(600, 500), binsz=0.02, axes=[energy])


def with_free_memory(monkeypatch, n_bytes):
    monkeypatch.setattr(memory, "free_memory", lambda device: n_bytes)


def test_an_empty_map_that_does_not_fit_says_how_large_it_would_be(device, geom, monkeypatch):
    with_free_memory(monkeypatch, 50_000_000)
    message = (
        r"a map with axes \['lon', 'lat', 'energy'\] and data of shape \(30, 500, 600\) would take 72 MB on device "
        rf"'{device}', where 50 MB are free. To need less, take larger pixels"
    )
    with pytest.raises(OutOfMemoryError, match=message):
        Map.from_geom(geom)
    with pytest.raises(OutOfMemoryError):
        Map.create(skydir=(83.63, 22.01), npix=(5000, 5000), binsz=0.02)


def test_masks_take_an_eighth(geom, monkeypatch):
    with_free_memory(monkeypatch, 10_000_000)
    assert Map.from_geom(geom, dtype=bool).is_mask


def test_copies_cutouts_and_moves_are_checked_too(geom, monkeypatch):
    counts = Map.from_geom(geom, device="cpu")
    with_free_memory(monkeypatch, 50_000_000)
    with pytest.raises(OutOfMemoryError, match="on device 'cpu'"):
        counts.copy()
    with pytest.raises(OutOfMemoryError):
        counts.cutout(geom.center_skydir, "20 deg")
    with pytest.raises(OutOfMemoryError, match="on device 'strict'"):
        counts.to("strict")
    assert counts.cutout(geom.center_skydir, "2 deg").data.shape == (30, 100, 100)


@pytest.mark.parametrize(
    "enlarge",
    [
        lambda counts, geom: counts.upsample(3),
        lambda counts, geom: counts.upsample(8, axis_name="energy"),
        lambda counts, geom: counts.pad(250),
        lambda counts, geom: counts.pad(250, axis_name="energy"),
        lambda counts, geom: counts.interp_to_geom(geom),
    ],
)
def test_a_larger_map_made_of_a_map_is_checked_before(device, geom, monkeypatch, enlarge):
    counts = Map.from_geom(WcsGeom.create(skydir=(83.63, 22.01), npix=200, binsz=0.06, axes=geom.axes))
    with_free_memory(monkeypatch, 50_000_000)
    with pytest.raises(OutOfMemoryError, match=f"on device '{device}', where 50 MB are free"):
        enlarge(counts, geom)


def test_a_spectrum_with_finer_bins_is_checked_before(device, geom, monkeypatch):
    wide = MapAxis.from_bounds(0, 1, nbin=300, name="rad", unit="deg")
    spectrum = Map.from_geom(RegionGeom.create("icrs;circle(83.63, 22.01, 1)", axes=[*geom.axes, wide]))
    with_free_memory(monkeypatch, 50_000_000)
    with pytest.raises(OutOfMemoryError, match=f"on device '{device}', where 50 MB are free"):
        spectrum.upsample(1_000, axis_name="energy")


def test_arrays_for_the_pixels_are_checked_before(geom, monkeypatch):
    large = WcsGeom.create(skydir=(83.63, 22.01), npix=(6000, 5000), binsz=0.002)
    with_free_memory(monkeypatch, 200_000_000)
    for make, n_number in ((large.solid_angle, 1), (large.get_coord, 2), (large.directions, 3)):
        message = f"{n_number} x 5000 x 6000 numbers .* {24 * n_number}0 MB .*larger pixels"
        with pytest.raises(OutOfMemoryError, match=message):
            make()
    with pytest.raises(OutOfMemoryError, match="1 x 5000 x 6000"):
        large.separation(large.center_skydir)
    assert geom.solid_angle().shape == (1, 500, 600)
