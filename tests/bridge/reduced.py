"""Datasets of all kinds, reduced by either package with the same lines."""

from importlib import import_module
from types import SimpleNamespace

import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion, PointSkyRegion

from lightpool.simulate import PointSource

KINDS = ("MapDataset", "MapDatasetOnOff", "SpectrumDataset", "SpectrumDatasetOnOff")
RUNS = [1, 2, 3, 4]


def names_of(package):
    """All public names of the sub-packages that a reduction needs."""
    names = {}
    for module in ("data", "datasets", "irf", "makers", "maps"):
        names |= vars(import_module(f"{package}.{module}"))
    return SimpleNamespace(**names)


def reduce(package, kind, store, migra=False, **options):
    """Four simulated runs, a list of datasets.

    The further options are those of ``create``, such as the precision of lightpool.
    """
    lib = names_of(package)
    center = SkyCoord(PointSource().position)
    energy = lib.MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5)
    options["energy_axis_true"] = lib.MapAxis.from_energy_bounds("0.3 TeV", "40 TeV", nbin=9, name="energy_true")
    if migra:
        options["migra_axis"] = lib.MapAxis.from_bounds(0.2, 3, nbin=28, node_type="edges", name="migra")
    exclusion = CircleSkyRegion(center, 0.4 * u.deg)
    mask = lib.WcsGeom.create(skydir=center, width=4.0, binsz=0.1).region_mask([exclusion], inside=False)
    safe = lib.SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="1.7 deg")
    if kind.startswith("Map"):
        geom = lib.WcsGeom.create(skydir=center, width=4.0, binsz=0.1, axes=[energy])
        ring = lib.RingBackgroundMaker(r_in="0.5 deg", width="0.4 deg", exclusion_mask=mask)
        fov = lib.FoVBackgroundMaker(method="scale", exclusion_mask=geom.region_mask([exclusion], inside=False))
        makers = [lib.MapDatasetMaker(), safe, ring if kind.endswith("OnOff") else fov]
    else:
        # The simulated runs have a RAD_MAX table, with which the region of an ON-OFF spectrum is a point.
        is_point = kind.endswith("OnOff")
        region = PointSkyRegion(center) if is_point else CircleSkyRegion(center, 0.15 * u.deg)
        geom = lib.RegionGeom.create(region, axes=[energy])
        makers = [lib.SpectrumDatasetMaker(selection=["counts", "exposure", "edisp", "background"]), safe]
        if kind.endswith("OnOff"):
            makers[0] = lib.SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"])
            makers.append(lib.ReflectedRegionsBackgroundMaker(region_finder=lib.WobbleRegionsFinder(n_off_regions=3)))
    create = lib.MapDataset.create if kind.startswith("Map") else lib.SpectrumDataset.create
    empty = create(geom, name="all", **options)
    maker = lib.DatasetsMaker(makers, stack_datasets=False, n_jobs=1)
    return maker.run(empty, lib.DataStore.from_dir(store).get_observations(RUNS))


def stacked(datasets):
    """A stack that is of the kind of the datasets; one of the maker is of that of the empty one, without OFF."""
    stack = datasets[0].to_masked(name="all")
    for dataset in datasets[1:]:
        stack.stack(dataset)
    return stack
