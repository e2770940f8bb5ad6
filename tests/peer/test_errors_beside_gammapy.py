"""Scripts catch errors by class: for the same input, ours derive from the class that Gammapy raises."""

import importlib
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

pytest.importorskip("gammapy")

CENTER = SkyCoord(83.63, 22.01, unit="deg")


def package(name):
    """Return the modules of a package and some objects made with them."""
    rooms = {room: importlib.import_module(f"{name}.{room}") for room in ("maps", "data", "irf", "datasets", "makers")}
    p = SimpleNamespace(**rooms)
    p.energy = p.maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    p.true = p.maps.MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
    p.geom = p.maps.WcsGeom.create(skydir=CENTER, width=1, binsz=0.1, axes=[p.energy])
    p.map = p.maps.Map.from_geom(p.geom, unit="s")
    p.region = p.maps.RegionGeom.create("icrs;circle(83.63,22.01,0.1)", axes=[p.energy])
    p.offset = p.maps.MapAxis.from_edges([0, 1, 2], unit="deg", name="offset")
    p.aeff = p.irf.EffectiveAreaTable2D(axes=[p.true, p.offset], data=np.ones((4, 2)), unit="m2")
    time = Time([58000.0, 58001.0], format="mjd")
    p.events = p.data.EventList(
        Table({"RA": [83.0, 84] * u.deg, "DEC": [22.0, 22] * u.deg, "ENERGY": [1.0, 2] * u.TeV, "TIME": time})
    )
    p.observations = p.data.ObservationTable(Table({"OBS_ID": [1], "DEC_PNT": [22.0] * u.deg, "OBJECT": ["x"]}))
    return p


PEERS = {name: package(name) for name in ("gammapy", "lightpool")}


def dataset(p, name="a", geom=None):
    return p.datasets.MapDataset.create(geom or p.geom, energy_axis_true=p.true, name=name)


def written(p, folder):
    file = folder / f"{p.maps.__name__}.fits"
    p.map.write(file, overwrite=True)
    return file


BAD = {
    "unit of a sum": lambda p, _: p.map + p.maps.Map.from_geom(p.geom, unit="m"),
    "unit of a stack": lambda p, _: p.map.stack(p.maps.Map.from_geom(p.geom, unit="m")),
    "unit of a conversion": lambda p, _: p.map.to_unit("m"),
    "pixels of a stack": lambda p, _: p.map.stack(p.maps.Map.from_geom(p.geom.upsample(2), unit="s")),
    "name of an axis": lambda p, _: p.geom.axes["foo"],
    "axis of a sum": lambda p, _: p.map.sum_over_axes(["foo"]),
    "cutout outside": lambda p, _: p.map.cutout(SkyCoord(0, 0, unit="deg"), 1 * u.deg),
    "cutout over the border": lambda p, _: p.map.cutout(SkyCoord(83.63, 22.5, unit="deg"), 1 * u.deg, mode="strict"),
    "HDU of a map": lambda p, folder: p.maps.Map.read(written(p, folder), hdu="FOO"),
    "file of a map": lambda p, folder: p.maps.Map.read(folder / "no.fits"),
    "shape of data": lambda p, _: p.maps.Map.from_geom(p.geom, data=np.zeros((7, 10, 10))),
    "edges that descend": lambda p, _: p.maps.MapAxis.from_edges([3, 4, 1], name="x"),
    "two axes of one name": lambda p, _: p.maps.MapAxes([p.energy, p.energy]),
    "unit of energies": lambda p, _: p.maps.MapAxis.from_energy_edges([1, 2] * u.m),
    "coordinates without energy": lambda p, _: p.map.get_by_coord({"skycoord": CENTER}),
    "factor of a downsampling": lambda p, _: p.map.downsample(3),
    "folder of a store": lambda p, folder: p.data.DataStore.from_dir(folder / "no"),
    "column of a selection": lambda p, _: p.events.select_parameter("FOO", [0, 1]),
    "unit of energies of events": lambda p, _: p.events.select_energy([1, 2] * u.m),
    "column of a table of observations": lambda p, _: p.observations.select_range("FOO", [1, 2] * u.deg),
    "unit of a range of observations": lambda p, _: p.observations.select_range("DEC_PNT", [1, 2] * u.m),
    "GTIs that overlap": lambda p, _: p.data.GTI.create([0, 1] * u.s, [2, 3] * u.s).union(overlap_ok=False),
    "HDU of an IRF": lambda p, folder: p.irf.EffectiveAreaTable2D.read(written(p, folder), hdu="FOO"),
    "axes of an IRF": lambda p, _: p.irf.EffectiveAreaTable2D(axes=[p.true], data=np.ones(4), unit="m2"),
    "instrument": lambda p, _: p.irf.EffectiveAreaTable2D.from_parametrization(p.true, instrument="FOO"),
    "PSF of a map with other axes": lambda p, _: p.irf.PSFMap(p.map),
    "PSF of a dataset": lambda p, _: p.datasets.MapDataset(psf=p.map),
    "dispersion of a dataset": lambda p, _: p.datasets.MapDataset(edisp=p.map),
    "statistic": lambda p, _: p.datasets.MapDataset(stat_type="foo"),
    "geometry of a dataset without maps": lambda p, _: p.datasets.MapDataset(name="x")._geom,
    "pixels of a dataset": lambda p, _: dataset(p).stack(dataset(p, "b", p.geom.upsample(2))),
    "two datasets of one name": lambda p, _: p.datasets.Datasets([dataset(p), dataset(p)]),
    "name of a dataset": lambda p, _: p.datasets.Datasets([dataset(p)])["b"],
    "number of a dataset": lambda p, _: p.datasets.Datasets([dataset(p)])[3],
    "selection of a maker": lambda p, _: p.makers.MapDatasetMaker(selection=["foo"]),
    "method of a safe mask": lambda p, _: p.makers.SafeMaskMaker(methods=["foo"]),
    "method of a background": lambda p, _: p.makers.FoVBackgroundMaker(method="foo"),
    "name of a maker": lambda p, _: p.makers.MAKER_REGISTRY.get_cls("foo"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_what_scripts_catch_of_gammapy_they_catch_here(case, tmp_path):
    raised = {}
    for name, peer in PEERS.items():
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the class is what is compared
            BAD[case](peer, tmp_path)
        raised[name] = caught.value
    assert isinstance(raised["lightpool"], type(raised["gammapy"])), (raised, type(raised["lightpool"]).__mro__)


def test_errors_that_derive_from_key_error_show_their_message_as_it_is(tmp_path):
    p = PEERS["lightpool"]
    for case in ("HDU of a map", "HDU of an IRF", "statistic", "column of a selection"):
        with pytest.raises(KeyError) as caught:
            BAD[case](p, tmp_path)
        assert str(caught.value) == caught.value.args[0]
