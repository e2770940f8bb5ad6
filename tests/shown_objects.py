"""One object of each class that notebooks show, made from simulated runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

import lightpool.irf as irfs
from lightpool.data import (
    DataStore,
    EventTypeCounts,
    GTIMetaData,
    HDULocation,
    ObservationFilter,
    PointingInfo,
    ResponseSet,
)
from lightpool.datasets import (
    Datasets,
    FoVBackgroundModel,
    MapDataset,
    Models,
    PiecewiseNormSpectralModel,
    PowerLawNormSpectralModel,
    SpectrumDataset,
)
from lightpool.makers import (
    BackgroundModelMaker,
    BackgroundTableMaker,
    DatasetsMaker,
    FoundExclusion,
    FoVBackgroundMaker,
    GroupRunsBy,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SkyExclusion,
    SpectrumDatasetMaker,
    ThetaSquaredTable,
)
from lightpool.maps import (
    HpxNDMap,
    LabelMapAxis,
    Map,
    MapAxis,
    MapCoord,
    Maps,
    RegionGeom,
    TimeMapAxis,
    WcsGeom,
)
from lightpool.simulate import Instrument, PointSource, SimulatedRun
from lightpool.stats import CashCountsStatistic, WStatCountsStatistic
from lightpool.utils.registry import Registry

CENTER = SkyCoord(83.633, 22.0145, unit="deg")
ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=6)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "100 TeV", nbin=8, name="energy_true")

_AXES = {
    "energy": ENERGY,
    "energy_true": ENERGY_TRUE,
    "offset": MapAxis.from_edges(np.linspace(0, 2.5, 6) * u.deg, name="offset"),
    "rho": MapAxis.from_edges(np.linspace(0, 2.5, 6) * u.deg, name="rho"),
    "phi": MapAxis.from_edges(np.linspace(0, 360, 5) * u.deg, name="phi"),
    "rad": MapAxis.from_edges(np.linspace(0, 0.5, 11) * u.deg, name="rad"),
    "migra": MapAxis.from_edges(np.linspace(0.2, 3, 15), name="migra"),
    "fov_lon": MapAxis.from_edges(np.linspace(-2.5, 2.5, 6) * u.deg, name="fov_lon"),
    "fov_lat": MapAxis.from_edges(np.linspace(-2, 2, 5) * u.deg, name="fov_lat"),
}


def response_table(kind: type[irfs.IRF]) -> irfs.IRF:
    """Return a table of a class whose values grow along its axes."""
    axes = [_AXES[name] for name in kind.required_axes]
    shape = tuple(axis.nbin for axis in axes)
    values = 1.0 + np.arange(np.prod(shape), dtype=float).reshape(shape)
    parameters = getattr(kind, "required_parameters", None)
    if parameters:
        units = {name: "deg" if name.startswith("sigma") else "sr-1" if name == "scale" else "" for name in parameters}
        return kind(axes=axes, data=dict.fromkeys(parameters, 0.1 * values), unit=units)
    return kind(axes=axes, data=values, unit=kind.default_unit)


def axes() -> dict[str, Any]:
    return {
        "MapAxis": ENERGY,
        "MapAxes": WcsGeom.create(npix=2, axes=[ENERGY, LabelMapAxis(["a", "b"], name="run")]).axes,
        "TimeMapAxis": TimeMapAxis([0, 2] * u.h, [1, 3] * u.h, Time("2020-01-01"), name="time"),
        "LabelMapAxis": LabelMapAxis(["Crab & <nebula>", "PKS"], name="source"),
    }


def maps() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    geom = WcsGeom.create(skydir=CENTER, width=3, binsz=0.1, axes=[ENERGY])
    on_pixels = Map.from_geom(geom, data=rng.poisson(2.0, geom.data_shape).astype(float), meta={"origin": "<made>"})
    planes = WcsGeom.create(skydir=CENTER, binsz=np.linspace(0.1, 0.3, 6), npix=(10, 10), axes=[ENERGY])
    in_region = Map.create(map_type="region", region="icrs;circle(83.63, 22.01, 0.5)", axes=[ENERGY], unit="cm-2 s-1")
    in_region.data = np.geomspace(1, 1e-5, 6).reshape(-1, 1, 1)
    healpix = HpxNDMap.create(nside=64, region="DISK(83.6,22,5)", axes=[ENERGY], frame="icrs")
    healpix.data = rng.normal(size=healpix.data.shape)
    all_sky = HpxNDMap.create(nside=8, frame="galactic")
    all_sky.data = rng.normal(size=all_sky.data.shape)
    return {
        "WcsGeom": geom,
        "PlanesWcsGeom": planes,
        "RegionGeom": in_region.geom,
        "HpxGeom": healpix.geom,
        "WcsNDMap": on_pixels,
        "WcsNDMap of an image": on_pixels.sum_over_axes(keepdims=False),
        "WcsNDMap of bool": on_pixels > 2,
        "WcsNDMap of planes": Map.from_geom(planes),
        "RegionNDMap": in_region,
        "HpxNDMap": healpix,
        "HpxNDMap of all the sky": all_sky,
        "Maps": Maps(counts=on_pixels, excess=on_pixels * 0.5),
        "MapCoord": MapCoord.create({"skycoord": CENTER, "energy": 1 * u.TeV}),
    }


def responses() -> dict[str, Any]:
    kinds = {name: each for name in irfs.__all__ if isinstance(each := getattr(irfs, name), type)}
    tables = {
        name: response_table(kind)
        for name, kind in kinds.items()
        if issubclass(kind, irfs.IRF) and kind.tag and name not in ("EDispKernel", "BackgroundIRF")
    }
    psf = irfs.PSFMap.from_gauss(ENERGY_TRUE, sigma="0.1 deg")
    return tables | {
        "PSFMap": psf,
        "RecoPSFMap": irfs.RecoPSFMap.from_gauss(ENERGY, sigma="0.1 deg"),
        "EDispMap": irfs.EDispMap.from_diagonal_response(ENERGY_TRUE),
        "EDispKernelMap": irfs.EDispKernelMap.from_diagonal_response(ENERGY, ENERGY_TRUE),
        "EDispKernel": irfs.EDispKernel.from_gauss(ENERGY_TRUE, ENERGY, sigma=0.2, bias=0),
        "PSFKernel": irfs.PSFKernel.from_gauss(
            WcsGeom.create(binsz=0.05, width=1, axes=[ENERGY_TRUE]), sigma="0.1 deg"
        ),
    }


def observations(store: DataStore) -> dict[str, Any]:
    run = store.get_observations()[0]
    pointings = Table({"TIME": [0.0, 60.0] * u.s, "RA_PNT": [83.0, 84.0] * u.deg, "DEC_PNT": [22.0, 22.0] * u.deg})
    pointings.meta = {"MJDREFI": 51910, "MJDREFF": 0.0, "TIMESYS": "TT", "TIMEUNIT": "s", "TIMEREF": "LOCAL"}
    pointings.meta |= {"GEOLON": 16.5, "GEOLAT": -23.3, "ALTITUDE": 1835.0}
    return {
        "DataStore": store,
        "Observations": store.get_observations(),
        "Observation": run,
        "EventList": run.events,
        "GTI": run.gti,
        "FixedPointingInfo": run.pointing,
        "ObservationMetaData": run.meta,
        "GTIMetaData": GTIMetaData(),
        "ObservationFilter": ObservationFilter(event_filters=[{"type": "custom", "opts": {"parameter": "ENERGY"}}]),
        "HDULocation": HDULocation("events", file_name="<run>.fits"),
        "EventListMetaData": run.events.meta,
        "PointingInfo": PointingInfo(pointings),
        "EventTypeCounts": EventTypeCounts(1, 20, {"MST & SST": 20}),
        "ResponseSet": ResponseSet({"aeff": run.aeff}),
    }


def _empty(geom: WcsGeom) -> MapDataset:
    return MapDataset.create(geom, energy_axis_true=ENERGY_TRUE, name="Crab")


def datasets(store: DataStore) -> dict[str, Any]:
    runs = store.get_observations()[:2]
    geom = WcsGeom.create(skydir=CENTER, width=3, binsz=0.1, axes=[ENERGY])
    safe = SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="2 deg")
    outside = geom.to_image().region_mask("icrs;circle(83.633, 22.0145, 0.3)", inside=False)
    makers = [MapDatasetMaker(), safe, FoVBackgroundMaker(exclusion_mask=outside)]
    stacked = DatasetsMaker(makers).run(_empty(geom), runs)[0]
    ring = RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg")
    on_off = DatasetsMaker([MapDatasetMaker(), safe, ring], stack_datasets=False).run(_empty(geom), runs)[0]
    region = RegionGeom.create("icrs;circle(83.633, 22.0145, 0.11)", axes=[ENERGY])
    spectrum = SpectrumDataset.create(region, energy_axis_true=ENERGY_TRUE, name="spectrum")
    reflected = DatasetsMaker([SpectrumDatasetMaker(), ReflectedRegionsBackgroundMaker()], stack_datasets=False)
    spectra = reflected.run(spectrum, runs)
    model = FoVBackgroundModel(dataset_name="Crab")
    return {
        "MapDataset": stacked,
        "MapDataset without data": MapDataset.create(geom, name="empty"),
        "MapDatasetOnOff": on_off,
        "SpectrumDataset": stacked.to_spectrum_dataset(region.region, name="inside"),
        "SpectrumDatasetOnOff": spectra[0],
        "Datasets": Datasets([stacked, *spectra]),
        "MapDatasetMetaData": stacked.meta,
        "MemoryEstimate": stacked.memory,
        "FoVBackgroundModel": model,
        "Models": Models([model]),
        "Parameters": model.parameters,
        "Parameter": model.parameters[0],
        "PowerLawNormSpectralModel": PowerLawNormSpectralModel(),
        "PiecewiseNormSpectralModel": PiecewiseNormSpectralModel([1, 10] * u.TeV),
    }


def others(store: DataStore) -> dict[str, Any]:
    offset = MapAxis.from_bounds(0, 2, nbin=4, unit="deg", name="offset")
    maker = BackgroundModelMaker(ENERGY, [offset], exclusion=SkyExclusion.from_regions("icrs;circle(83.6, 22, 0.3)"))
    sums = maker.run_all(store.get_observations())
    models = BackgroundTableMaker().run(sums)
    theta_squared = MapAxis.from_bounds(0, 0.2, nbin=10, unit="deg2", name="theta_squared")
    image = Map.create(skydir=CENTER, npix=10, binsz=0.1)
    return {
        "SafeMaskMaker": SafeMaskMaker(methods=["aeff-max"]),
        "DatasetsMaker": DatasetsMaker([MapDatasetMaker(), SafeMaskMaker()]),
        "ThetaSquaredTable": ThetaSquaredTable(store.get_observations(), theta_squared, CENTER),
        "BackgroundModelMaker": maker,
        "BackgroundSums": sums,
        "BackgroundModel": models[0],
        "BackgroundModels": models,
        "GroupRunsBy": GroupRunsBy.zenith([0, 30, 60]),
        "FoundExclusion": FoundExclusion(image > 0, Maps(excess=image), (3, 0), is_stable=True),
        "SkyExclusion": SkyExclusion.from_regions("icrs;circle(83.6, 22, 0.3)"),
        "CashCountsStatistic": CashCountsStatistic(10.0, 3.0),
        "WStatCountsStatistic": WStatCountsStatistic(np.array([10.0, 3.0]), np.array([30.0, 20.0]), 0.1),
        "PointSource": PointSource(),
        "SimulatedRun": SimulatedRun(obs_id=1, pointing=CENTER, start=Time("2020-01-01")),
        "Instrument": Instrument(),
        "Registry": Registry([SafeMaskMaker]),
    }


def shown_objects(folder: Path) -> Mapping[str, Any]:
    """Return objects by the name of their class, and what is special about them.

    Parameters
    ----------
    folder : Path, of a simulated store
    """
    store = DataStore.from_dir(folder)
    return axes() | maps() | responses() | observations(store) | datasets(store) | others(store)
