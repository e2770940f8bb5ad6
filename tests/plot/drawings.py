"""Every plot of the package, drawn from a data store: for tests of labels, and to look at.

``python drawings.py STORE FOLDER [SOURCE]`` writes each of them to a PNG file.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.coordinates import SkyCoord
from matplotlib.figure import Figure

import lightpool
from lightpool.data import DataStore
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.irf import Background3D, EffectiveAreaTable3D, RecoPSFMap
from lightpool.makers import (
    ExcessMapEstimator,
    ExclusionMaskFinder,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    ThetaSquaredTable,
)
from lightpool.maps import HpxGeom, LabelMapAxis, Map, MapAxis, RegionGeom, RegionNDMap, TimeMapAxis, WcsGeom
from lightpool.plot import report
from lightpool.plot.overview import plot_overview
from lightpool.plot.significance import plot_significance, plot_significance_map
from lightpool.plot.theta_squared import plot_theta_squared_table

ELSEWHERE = {
    "Dataset.plot_residuals": "Gammapy draws it",
    "Dataset.plot_residuals_spectral": "Gammapy draws it",
    "SpectrumBase.plot_fit": "Gammapy draws it",
    "Map.plot_interactive": "widgets of a notebook, which draw `plot`",
    "Map.plot": "the maps of its subclasses draw",
    "Map.plot_mask": "the maps of its subclasses draw",
}
"""Plots without a recipe below, with the reason."""


def public_plots() -> set[str]:
    """Names of the functions behind all methods ``plot...`` and ``peek`` of public classes."""
    found = set()
    for module in pkgutil.walk_packages(lightpool.__path__, "lightpool.", onerror=lambda name: None):
        if ".gammapy" in module.name or module.name.endswith("__main__"):
            continue
        for name, kind in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(kind) and kind.__module__ == module.name and not name.startswith("_"):
                methods = [getattr(kind, key) for key in dir(kind) if re.match(r"plot|peek", key)]
                found |= {method.__qualname__ for method in methods if callable(method)}
    return found


class Drawings:
    """Recipes for plots of the data of a store.

    Parameters
    ----------
    store : path
    source : SkyCoord
    """

    def __init__(self, store: str | Path, source: SkyCoord) -> None:
        self.store, self.source = DataStore.from_dir(store), source

    @cached_property
    def observations(self):
        near = self.store.obs_table.select_sky_circle(self.source, 2 * u.deg)
        return self.store.get_observations(list(near["OBS_ID"])[:4])

    @cached_property
    def observation(self):
        return self.observations[0]

    @cached_property
    def energy(self):
        return MapAxis.from_energy_bounds("0.7 TeV", "30 TeV", nbin=6)

    @cached_property
    def energy_true(self):
        return MapAxis.from_energy_bounds("0.3 TeV", "50 TeV", nbin=12, name="energy_true")

    @cached_property
    def geom(self):
        return WcsGeom.create(skydir=self.source, width=3, binsz=0.04, proj="TAN", axes=[self.energy])

    @cached_property
    def exclusion(self):
        ra, dec = self.source.icrs.ra.deg, self.source.icrs.dec.deg
        return self.geom.to_image().region_mask(f"icrs; circle({ra}, {dec}, 0.3)", inside=False)

    @cached_property
    def fov(self):
        """A stack with a background of the field of view."""
        makers = [
            MapDatasetMaker(),
            SafeMaskMaker(["offset-max"], offset_max="2 deg"),
            FoVBackgroundMaker(exclusion_mask=self.exclusion),
        ]
        return self._stacked(makers)

    @cached_property
    def ring(self):
        """A stack with a background from rings."""
        makers = [
            MapDatasetMaker(selection=["counts", "exposure", "background"]),
            SafeMaskMaker(["offset-max"], offset_max="2 deg"),
            RingBackgroundMaker("0.5 deg", "0.3 deg", exclusion_mask=self.exclusion),
        ]
        return self._stacked(makers)

    def _stacked(self, makers):
        empty = MapDataset.create(self.geom, energy_axis_true=self.energy_true, name="stacked")
        parts = []
        for observation in self.observations:
            dataset = empty
            for maker in makers:
                dataset = maker.run(dataset, observation)
            parts.append(dataset)
        first = parts[0]
        for part in parts[1:]:
            first.stack(part)
        return first

    @cached_property
    def spectrum(self):
        region = f"icrs; circle({self.source.icrs.ra.deg}, {self.source.icrs.dec.deg}, 0.11)"
        geom = RegionGeom.create(region, axes=[self.energy])
        empty = SpectrumDataset.create(geom, energy_axis_true=self.energy_true, name="spectrum")
        return SafeMaskMaker(["aeff-max"]).run(SpectrumDatasetMaker().run(empty, self.observation), self.observation)

    @cached_property
    def on_off(self):
        return ReflectedRegionsBackgroundMaker(exclusion_mask=self.exclusion).run(self.spectrum, self.observation)

    @cached_property
    def theta_squared(self):
        axis = MapAxis.from_bounds(0, 0.09, nbin=18, unit="deg2", name="theta_squared", node_type="edges")
        return ThetaSquaredTable(self.observations, axis, self.source).run()

    @cached_property
    def area_3d(self):
        """An effective area on longitude and latitude in the field of view."""
        table = self.observation.aeff
        lon, lat = (
            MapAxis.from_edges(np.linspace(-2, 2, 21), unit="deg", name=name) for name in ("fov_lon", "fov_lat")
        )
        offset = np.hypot(*np.meshgrid(lon.center.value, lat.center.value, indexing="ij"))
        energies = table.axes["energy_true"].center
        values = table.evaluate(energy_true=energies[:, None, None], offset=offset[None] * u.deg)
        return EffectiveAreaTable3D([table.axes["energy_true"], lon, lat], data=values.value, unit=values.unit)

    @cached_property
    def pixels(self):
        """Counts on HEALPix pixels."""
        geom = HpxGeom.create(nside=256, frame="icrs", skydir=self.source, width=4)
        counts = Map.from_geom(geom)
        counts.fill_events(self.observation.events)
        return counts

    def background_table(self):
        table = self.observation.bkg
        return table.to_2d() if isinstance(table, Background3D) else table

    def background_3d(self):
        table = self.observation.bkg
        return table if isinstance(table, Background3D) else table.to_3d()

    def kernel(self):
        return self.fov.edisp.get_edisp_kernel(position=self.source)

    def psf_kernel(self):
        return self.fov.psf.get_psf_kernel(self.fov.exposure.geom, position=self.source, max_radius="0.3 deg")

    def finder(self):
        return ExclusionMaskFinder(ExcessMapEstimator("0.1 deg", correlate_off=False))

    def names(self):
        return LabelMapAxis(["first", "second", "third"], name="group")

    def nights(self):
        edges = {"edges_min": [0, 24, 48] * u.h, "edges_max": [8, 32, 56] * u.h}
        return TimeMapAxis(**edges, reference_time=self.observation.events.time[0], name="time")

    def rad_max(self):
        """The directional cut of a table, or a made-up one."""
        from lightpool.irf import RadMax2D

        energy = MapAxis.from_energy_bounds("0.1 TeV", "50 TeV", nbin=8)
        offset = MapAxis.from_edges([0, 1, 2], unit="deg", name="offset")
        cut = np.linspace(0.3, 0.1, 8)[:, None] * np.array([1, 1.2])
        return RadMax2D([energy, offset], data=cut, unit="deg")

    def edisp_map(self):
        migra = MapAxis.from_edges(np.linspace(0.2, 3, 60), name="migra")
        geom = WcsGeom.create(skydir=self.source, width=1, binsz=0.2, proj="TAN", axes=[self.energy])
        empty = MapDataset.create(geom, energy_axis_true=self.energy_true, migra_axis=migra)
        return MapDatasetMaker(selection=["exposure", "edisp"]).run(empty, self.observation).edisp

    def reco_psf(self):
        return RecoPSFMap.from_gauss(self.energy, sigma=0.1 * u.deg)

    def galactic(self):
        geom = WcsGeom.create(skydir=self.source.galactic, width=3, binsz=0.05, frame="galactic")
        counts = Map.from_geom(geom)
        counts.fill_events(self.observation.events)
        return counts

    def all_sky(self):
        counts = Map.from_geom(WcsGeom.create(npix=(360, 180), binsz=1, proj="AIT", frame="galactic"))
        counts.fill_events(self.observation.events)
        return counts

    def along(self, axis):
        geom = RegionGeom.create(self.spectrum.counts.geom.region, axes=[axis])
        return RegionNDMap.from_geom(geom, data=np.array([5.0, 3.0, 8.0]).reshape(geom.data_shape), unit="s-1")

    def significance(self):
        return (
            ExcessMapEstimator("0.1 deg", correlate_off=False).run(self.ring)["sqrt_ts"].sum_over_axes(keepdims=False)
        )

    def draw(self, name: str) -> "Iterator[Figure]":
        """Draw with one recipe; yield the new figures."""
        plt.close("all")
        made = RECIPES[name](self)
        if isinstance(made, Figure):
            yield made
        elif isinstance(made, list):
            yield from made
        else:
            yield from map(plt.figure, plt.get_fignums())


RECIPES: "dict[str, Callable[[Drawings], object]]" = {
    "EventList.peek": lambda d: d.observation.events.peek(),
    "EventList.peek (all sky)": lambda d: d.observation.events.peek(allsky=True),
    "EventList.plot_energy": lambda d: d.observation.events.plot_energy(),
    "EventList.plot_time": lambda d: d.observation.events.plot_time(),
    "EventList.plot_offset2_distribution": lambda d: d.observation.events.plot_offset2_distribution(),
    "EventList.plot_energy_offset": lambda d: d.observation.events.plot_energy_offset(),
    "EventList.plot_image": lambda d: d.observation.events.plot_image(),
    "Observation.peek": lambda d: d.observation.peek(),
    "MapDataset.peek": lambda d: d.fov.peek(),
    "MapDataset.peek (ring)": lambda d: d.ring.peek(),
    "Dataset.plot_residuals_spatial": lambda d: d.fov.plot_residuals_spatial(),
    "SpectrumBase.peek": lambda d: d.spectrum.peek(),
    "SpectrumBase.peek (on-off)": lambda d: d.on_off.peek(),
    "SpectrumBase.plot_counts": lambda d: d.on_off.plot_counts(),
    "SpectrumBase.plot_excess": lambda d: d.on_off.plot_excess(),
    "SpectrumBase.plot_masks": lambda d: d.spectrum.plot_masks(d.spectrum.counts.plot_hist()),
    "EffectiveArea.peek": lambda d: d.observation.aeff.peek(),
    "EffectiveArea.plot": lambda d: d.observation.aeff.plot(),
    "EffectiveArea.plot_energy_dependence": lambda d: d.observation.aeff.plot_energy_dependence(),
    "EffectiveArea.plot_offset_dependence": lambda d: d.observation.aeff.plot_offset_dependence(),
    "_AsymmetricArea.plot_at_energy": lambda d: d.area_3d.plot_at_energy([1, 10] * u.TeV),
    "EffectiveArea.peek (field of view)": lambda d: d.area_3d.peek(),
    "EnergyDispersionTable.peek": lambda d: d.observation.edisp.peek(),
    "EnergyDispersionTable.plot_bias": lambda d: d.observation.edisp.plot_bias(add_cbar=True),
    "EnergyDispersionTable.plot_migration": lambda d: d.observation.edisp.plot_migration(),
    "PSF.peek": lambda d: d.observation.psf.peek(),
    "PSF.plot_containment_radius": lambda d: d.observation.psf.plot_containment_radius(),
    "PSF.plot_containment_radius_vs_energy": lambda d: d.observation.psf.plot_containment_radius_vs_energy(),
    "PSF.plot_psf_vs_rad": lambda d: d.observation.psf.plot_psf_vs_rad(),
    "Background2D.peek": lambda d: d.background_table().peek(),
    "Background2D.plot": lambda d: d.background_table().plot(),
    "Background2D.plot_offset_dependence": lambda d: d.background_table().plot_offset_dependence(),
    "Background2D.plot_energy_dependence": lambda d: d.background_table().plot_energy_dependence(),
    "Background2D.plot_spectrum": lambda d: d.background_table().plot_spectrum(),
    "BackgroundIRF.plot_at_energy": lambda d: d.background_3d().plot_at_energy([1, 10] * u.TeV),
    "BackgroundIRF.plot_at_energy (offset)": lambda d: d.background_table().plot_at_energy([1, 10] * u.TeV),
    "Background3D.peek": lambda d: d.background_3d().peek(),
    "RadMax2D.plot_rad_max_vs_energy": lambda d: d.rad_max().plot_rad_max_vs_energy(),
    "EDispKernel.peek": lambda d: d.kernel().peek(),
    "EDispKernel.plot_bias": lambda d: d.kernel().plot_bias(),
    "EDispKernel.plot_matrix": lambda d: d.kernel().plot_matrix(add_cbar=True),
    "EDispKernelMap.peek": lambda d: d.fov.edisp.peek(),
    "EDispMap.peek": lambda d: d.edisp_map().peek(),
    "PSFKernel.peek": lambda d: d.psf_kernel().peek(),
    "PSFKernel.plot_kernel": lambda d: d.psf_kernel().plot_kernel(add_cbar=True),
    "PSFMap.peek": lambda d: d.fov.psf.peek(),
    "PSFMap.plot_containment_radius_vs_energy": lambda d: d.fov.psf.plot_containment_radius_vs_energy(),
    "PSFMap.plot_psf_vs_rad": lambda d: d.fov.psf.plot_psf_vs_rad(),
    "RecoPSFMap.plot_psf_vs_rad": lambda d: d.reco_psf().plot_psf_vs_rad(),
    "FoundExclusion.plot": lambda d: d.finder().run(d.fov, RingBackgroundMaker("0.5 deg", "0.3 deg")).plot(),
    "WcsNDMap.plot": lambda d: d.fov.counts.sum_over_axes().plot(add_cbar=True, stretch="sqrt"),
    "WcsNDMap.plot (exposure)": lambda d: d.fov.exposure.slice_by_idx({"energy_true": 5}).plot(add_cbar=True),
    "WcsNDMap.plot (galactic)": lambda d: d.galactic().plot(add_cbar=True),
    "WcsNDMap.plot (all sky)": lambda d: d.all_sky().plot(add_cbar=True),
    "WcsNDMap.plot_mask": lambda d: d.exclusion.plot_mask(ax=d.fov.counts.sum_over_axes().plot(), colors="tab:blue"),
    "Map.plot_grid": lambda d: d.fov.counts.plot_grid(add_cbar=True),
    "HpxNDMap.plot": lambda d: d.pixels.plot(method="raster", add_cbar=True),
    "HpxNDMap.plot (polygons)": lambda d: d.pixels.plot(method="poly"),
    "HpxNDMap.plot_mask": lambda d: (d.pixels > 0).plot_mask(method="raster", colors="tab:blue"),
    "RegionNDMap.plot": lambda d: d.fov.exposure.get_spectrum(d.source).plot(),
    "RegionNDMap.plot (groups)": lambda d: d.along(d.names()).plot(axis_name="group"),
    "RegionNDMap.plot (time)": lambda d: d.along(d.nights()).plot(axis_name="time"),
    "RegionNDMap.plot_hist": lambda d: d.spectrum.counts.plot_hist(),
    "RegionNDMap.plot_mask": lambda d: d.spectrum.mask_safe.plot_mask(ax=d.spectrum.counts.plot_hist()),
    "RegionNDMap.plot_region": lambda d: d.spectrum.counts.plot_region(),
    "RegionGeom.plot_region": lambda d: d.on_off.counts_off.geom.plot_region(),
    "plot_overview": lambda d: plot_overview(d.fov, d.source),
    "plot_significance": lambda d: plot_significance(d.significance(), d.exclusion),
    "plot_significance_map": lambda d: plot_significance_map(d.significance(), d.exclusion),
    "plot_theta_squared_table": lambda d: plot_theta_squared_table(d.theta_squared),
    "report.plot_image": lambda d: report.plot_image(d.fov.counts.sum_over_axes(keepdims=False), "sqrt"),
    "report.plot_significances": lambda d: report.plot_significances(d.significance(), d.exclusion),
    "report.plot_spectrum": lambda d: report.plot_spectrum(d.on_off, d.on_off.background),
    "report.plot_theta_squared": lambda d: report.plot_theta_squared([90, 30, 9, 12], [11, 8, 9, 10], 0.09, 0.1),
    "report.plot_night_rates": lambda d: report.plot_night_rates(
        ["2004-03-26", "2004-03-27", "2004-12-08"], [3.1, 2.9, 3.3], [0.2, 0.3, 0.2], 3.1
    ),
    "report.plot_significance_growth": lambda d: report.plot_significance_growth([0.4, 0.9, 1.3], [9, 14, 16]),
    "report.plot_over_time": lambda d: report.plot_over_time(
        ["2004-03-26T21:00:00", "2004-03-26T21:40:00"], [0.7, 0.9], "lowest safe energy [TeV]"
    ),
}
"""Calls that draw, by the name of the method; several of one method have a text in parentheses."""


def main(store: str, folder: str, source: str = "83.63 22.01") -> None:
    """Write each plot to a PNG file."""
    drawings = Drawings(store, SkyCoord(source, unit="deg"))
    Path(folder).mkdir(exist_ok=True, parents=True)
    for name in RECIPES:
        for number, figure in enumerate(drawings.draw(name)):
            figure.savefig(Path(folder) / f"{re.sub('[^A-Za-z0-9_.]+', '-', name)}-{number}.png", dpi=70)


if __name__ == "__main__":
    main(*sys.argv[1:])
