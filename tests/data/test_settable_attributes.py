"""Each public attribute that can be set is kept, by copies and pickles too, and any other is refused."""

import copy
import inspect
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import EarthLocation
from astropy.table import Table
from astropy.time import Time

from lightpool.attributes import settable_attributes
from lightpool.data import GTI, EventList, FixedPointingInfo, ObservationFilter, ObservationMetaData
from lightpool.data.metadata import CreatorMetaData, EventListMetaData, GTIMetaData, TargetMetaData
from lightpool.datasets import (
    FoVBackgroundModel,
    MapDataset,
    MapDatasetOnOff,
    Models,
    Parameter,
    PowerLawNormSpectralModel,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from lightpool.irf import (
    Background2D,
    EDispKernel,
    EDispKernelMap,
    EDispMap,
    EffectiveAreaTable2D,
    PSFKernel,
    PSFKing,
    PSFMap,
    RadMax2D,
)
from lightpool.maps import (
    LabelMapAxis,
    Map,
    MapAxes,
    MapAxis,
    MapCoord,
    Maps,
    RegionGeom,
    RegionNDMap,
    TimeMapAxis,
    WcsGeom,
    WcsNDMap,
)

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
TRUE = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")
OFFSET = MapAxis.from_edges([0, 1, 2], unit="deg", name="offset")
RAD = MapAxis.from_edges([0, 0.1, 0.2], unit="deg", name="rad")
GEOM = WcsGeom.create(width=1, binsz=0.5, axes=[ENERGY])
SPECTRUM = RegionGeom.create("icrs;circle(0, 0, 1)", axes=[ENERGY])
START = Time("2020-01-01")


def _map(geom=GEOM, value=1.0, unit=""):
    return Map.from_geom(geom, data=np.full(geom.data_shape, value), unit=unit)


def _true_map(*axes):
    return _map(GEOM.to_image().to_cube(list(axes)))


def _exposure():
    return _map(GEOM.to_image().to_cube([RAD.squash(), TRUE]), unit="m2 s")


def _table_of(kind, *axes):
    shape = tuple(axis.nbin for axis in axes)
    return kind(axes=list(axes), data=np.ones(shape), unit=kind.default_unit)


def _king():
    data = {"gamma": np.ones((2, 2)), "sigma": np.ones((2, 2))}
    return PSFKing(axes=[TRUE, OFFSET], data=data, unit={"gamma": "", "sigma": "deg"})


MAKE = {
    Map: _map,
    WcsNDMap: _map,
    RegionNDMap: lambda: _map(SPECTRUM),
    WcsGeom: lambda: WcsGeom.create(width=1, binsz=0.5, axes=[ENERGY]),
    RegionGeom: lambda: RegionGeom.create("icrs;circle(0, 0, 1)", axes=[ENERGY]),
    MapAxis: lambda: MapAxis.from_edges([1, 2, 3], name="x"),
    LabelMapAxis: lambda: LabelMapAxis(["a", "b"], name="x"),
    TimeMapAxis: lambda: TimeMapAxis([0, 2] * u.h, [1, 3] * u.h, START),
    MapAxes: lambda: MapAxes([ENERGY]),
    MapCoord: lambda: MapCoord({"lon": [1.0], "lat": [2.0]}),
    Maps: lambda: Maps(one=_map()),
    EffectiveAreaTable2D: lambda: _table_of(EffectiveAreaTable2D, TRUE, OFFSET),
    Background2D: lambda: _table_of(Background2D, ENERGY, OFFSET),
    RadMax2D: lambda: _table_of(RadMax2D, ENERGY, OFFSET),
    EDispKernel: lambda: _table_of(EDispKernel, TRUE, ENERGY),
    PSFKing: _king,
    PSFMap: lambda: PSFMap(_true_map(RAD, TRUE), _exposure()),
    EDispMap: lambda: EDispMap(_true_map(RAD.copy(name="migra"), TRUE)),
    EDispKernelMap: lambda: EDispKernelMap(_true_map(ENERGY, TRUE)),
    PSFKernel: lambda: PSFKernel(_map(GEOM.to_image())),
    GTI: lambda: GTI.create([0] * u.s, [1] * u.s, reference_time=START),
    EventList: lambda: EventList(None),
    FixedPointingInfo: lambda: FixedPointingInfo.from_degrees(0, 0),
    ObservationFilter: ObservationFilter,
    ObservationMetaData: ObservationMetaData,
    EventListMetaData: EventListMetaData,
    GTIMetaData: GTIMetaData,
    Parameter: lambda: Parameter("a", 1.0, unit="TeV"),
    PowerLawNormSpectralModel: PowerLawNormSpectralModel,
    FoVBackgroundModel: lambda: FoVBackgroundModel("a"),
    Models: lambda: Models([FoVBackgroundModel("a")]),
    MapDataset: lambda: MapDataset.create(GEOM, name="a"),
    MapDatasetOnOff: lambda: MapDatasetOnOff.create(GEOM, name="a"),
    SpectrumDataset: lambda: SpectrumDataset.create(SPECTRUM, name="a"),
    SpectrumDatasetOnOff: lambda: SpectrumDatasetOnOff.create(SPECTRUM, name="a"),
}

ASSIGNED = [
    (WcsNDMap, "data", np.full((2, 2, 2), 3.0)),
    (WcsNDMap, "quantity", np.full((2, 2, 2), 3.0) * u.m),
    (WcsNDMap, "meta", {"a": 1}),
    (RegionNDMap, "data", np.full((2, 1, 1), 3.0)),
    (TimeMapAxis, "time_format", "mjd"),
    (EffectiveAreaTable2D, "data", np.full((2, 2), 3.0)),
    (EffectiveAreaTable2D, "quantity", np.full((2, 2), 3.0) * u.cm**2),
    (EffectiveAreaTable2D, "meta", {"a": 1}),
    (EffectiveAreaTable2D, "interp_kwargs", {"fill_value": None}),
    (RadMax2D, "quantity", np.full((2, 2), 3.0) * u.deg),
    (PSFKing, "quantity", {"gamma": u.Quantity(np.full((2, 2), 3.0)), "sigma": np.ones((2, 2)) * u.deg}),
    (PSFMap, "psf_map", _true_map(RAD, TRUE) * 2),
    (PSFMap, "exposure_map", _exposure() * 2),
    (EDispMap, "edisp_map", _true_map(RAD.copy(name="migra"), TRUE) * 2),
    (EDispKernelMap, "edisp_map", _true_map(ENERGY, TRUE) * 2),
    (ObservationFilter, "time_filter", Time(["2020-01-01", "2020-01-02"])),
    (ObservationFilter, "inverted_time", True),
    (ObservationMetaData, "deadtime_fraction", 0.5),
    (ObservationMetaData, "location", EarthLocation(lon=1 * u.deg, lat=2 * u.deg, height=3 * u.m)),
    (ObservationMetaData, "target", TargetMetaData("a")),
    (EventList, "meta", EventListMetaData("a")),
    (EventListMetaData, "event_class", "a"),
    (GTIMetaData, "creation", CreatorMetaData()),
    (GTI, "table", GTI.create([0] * u.s, [5] * u.s, reference_time=START).table),
    (FoVBackgroundModel, "datasets_names", ["b"]),
    (Parameter, "value", 2.0),
    (Parameter, "unit", u.Unit("GeV")),
    (Parameter, "frozen", True),
    (Parameter, "min", 0.5),
    (Parameter, "max", 1.5),
    (Parameter, "error", 0.1),
    (MapDataset, "counts", _map(value=3.0)),
    (MapDataset, "mask_safe", _map() > 0),
    (MapDataset, "gti", GTI.create([0] * u.s, [5] * u.s, reference_time=START)),
    (MapDataset, "meta_table", Table({"OBS_ID": [1]})),
    (MapDatasetOnOff, "counts_off", _map(value=3.0)),
    (MapDatasetOnOff, "acceptance", _map(value=3.0)),
    (SpectrumDatasetOnOff, "acceptance_off", _map(SPECTRUM, value=3.0)),
]


def _shown(value):
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    if isinstance(value, Map):
        return value.data.tolist(), str(value.unit)
    if isinstance(value, GTI | EventList):
        return str(value.table)
    if isinstance(value, u.Quantity):
        return value.to_value().tolist(), str(value.unit)
    return value.tolist() if isinstance(value, np.ndarray) else str(value)


@pytest.mark.parametrize(
    ("kind", "name", "value"), ASSIGNED, ids=[f"{kind.__name__}.{name}" for kind, name, _ in ASSIGNED]
)
def test_what_is_set_is_read_back_and_kept_by_copies_and_pickles(kind, name, value):
    thing = MAKE[kind]()
    assert _shown(getattr(thing, name)) != _shown(value)
    setattr(thing, name, value)
    copied = thing.copy() if hasattr(thing, "copy") else copy.copy(thing)
    for one in (thing, copied, copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert _shown(getattr(one, name)) == _shown(value)


@pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
def test_an_attribute_that_a_class_does_not_know_is_refused(kind):
    thing = MAKE[kind]()
    for one in (thing, copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        with pytest.raises(AttributeError, match=f"{type(one).__name__} has no attribute 'mispelled'"):
            one.mispelled = 1


@pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
def test_an_attribute_that_is_only_computed_or_a_method_is_refused(kind):
    thing = MAKE[kind]()
    known = set(settable_attributes(type(thing)))
    constants = {name for base in type(thing).__mro__ for name, value in vars(base).items() if not callable(value)}
    for name in (name for name in dir(type(thing)) if not name.startswith("_")):
        fixed = inspect.getattr_static(type(thing), name)
        if name not in known and (name not in constants or isinstance(fixed, property)):
            with pytest.raises(AttributeError, match=name):
                setattr(thing, name, 1)


@pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
def test_a_parameter_of_a_class_is_an_attribute_or_is_refused(kind):
    thing = MAKE[kind]()
    for name in list(inspect.signature(type(thing).__init__).parameters)[1:]:
        if name in settable_attributes(type(thing)):
            assert hasattr(thing, name)


@pytest.mark.parametrize(("kind", "name"), [(WcsNDMap, "dtype"), (PSFKernel, "normalize"), (WcsNDMap, "unit")])
def test_a_parameter_that_counts_only_when_the_object_is_made_is_refused(kind, name):
    with pytest.raises(AttributeError, match=name):
        setattr(MAKE[kind](), name, False)


def test_a_method_can_be_replaced_by_a_function():
    one = _map()
    one.get_spectrum = lambda: 3
    assert one.get_spectrum() == 3
