"""Datasets whose geometries follow from the responses of an observation."""

from collections.abc import Sequence
from importlib import import_module
from typing import TypeAlias

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation, PointingMode
from lightpool.datasets.base import DatasetBase
from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.models.background_model import FoVBackgroundModel
from lightpool.datasets.models.model_lists import ModelsLike
from lightpool.irf import EDispKernel, EDispKernelMap, EDispMap, PSFMap
from lightpool.irf.tables.irf import IRF
from lightpool.maps import Map, MapAxis, WcsGeom
from lightpool.typing import GammapyObject, QuantityLike

__all__ = ["create_empty_map_dataset_from_irfs", "create_map_dataset_from_observation"]

_CONTAINMENT = 0.68
_WIDEST, _SMALLEST_PIXEL = 12 * u.deg, 0.01 * u.deg

Described: TypeAlias = Observation | MapDataset
"""What has a PSF and an energy dispersion: tables, or maps."""


@accepts_gammapy
def create_empty_map_dataset_from_irfs(
    observation: Described,
    dataset_name: str | None = None,
    energy_axis_true: MapAxis | None = None,
    energy_axis: MapAxis | None = None,
    energy_bin_per_decade_max: int = 30,
    spatial_width: "QuantityLike | None" = None,
    spatial_width_max: "QuantityLike" = _WIDEST,
    spatial_bin_size: "QuantityLike | None" = None,
    spatial_bin_size_min: "QuantityLike" = _SMALLEST_PIXEL,
    position: SkyCoord | None = None,
    frame: str = "icrs",
) -> MapDataset:
    """Create an empty dataset on a map that suits the responses of an observation.

    Parameters
    ----------
    observation : Observation, or MapDataset with PSF and energy dispersion
    dataset_name : str, ``obs_`` and the number of the observation by default
    energy_axis_true, energy_axis : MapAxis
        By default the range of the tables, in bins of half of the best energy resolution.
    energy_bin_per_decade_max : int, most bins that are chosen
    spatial_width : Quantity, by default twice the largest offset of the PSF
    spatial_width_max : Quantity, largest width that is chosen
    spatial_bin_size : Quantity, by default the smallest 68 % containment radius
    spatial_bin_size_min : Quantity, smallest pixel that is chosen
    position : SkyCoord, centre of the map; the pointing by default
    frame : str, of the map

    Returns
    -------
    dataset : MapDataset
    """
    if position is None:
        position = _pointing(observation)
    if spatial_width is None:
        spatial_width = min(_field_width(observation), u.Quantity(spatial_width_max))
    if spatial_bin_size is None:
        spatial_bin_size = _pixel_size(observation, u.Quantity(spatial_bin_size_min))
    if energy_axis is None or energy_axis_true is None:
        energy, energy_true = _energy_axes(observation, energy_bin_per_decade_max, position)
        energy_axis = energy if energy_axis is None else energy_axis
        energy_axis_true = energy_true if energy_axis_true is None else energy_axis_true
    geom = WcsGeom.create(
        skydir=position.transform_to(frame),
        width=u.Quantity(spatial_width),
        binsz=u.Quantity(spatial_bin_size).to_value("deg"),
        frame=frame,
        axes=[energy_axis],
    )
    if dataset_name is None:
        dataset_name = f"obs_{observation.obs_id}" if isinstance(observation, Observation) else observation.name
    return MapDataset.create(
        geom, name=dataset_name, energy_axis_true=energy_axis_true, migra_axis=_migra_axis(observation)
    )


@accepts_gammapy
def create_map_dataset_from_observation(
    observation: Observation,
    models: ModelsLike | GammapyObject | None = None,
    dataset_name: str | None = None,
    energy_axis_true: MapAxis | None = None,
    energy_axis: MapAxis | None = None,
    energy_bin_per_decade_max: int = 30,
    spatial_width: "QuantityLike | None" = None,
    spatial_width_max: "QuantityLike" = _WIDEST,
    spatial_bin_size: "QuantityLike | None" = None,
    spatial_bin_size_min: "QuantityLike" = _SMALLEST_PIXEL,
    position: SkyCoord | None = None,
    frame: str = "icrs",
) -> MapDataset:
    """Create a dataset with the responses of an observation and zero counts, on a map that suits them.

    Parameters
    ----------
    observation : Observation
    models : Models of lightpool or Gammapy
        Without a model of the background of this dataset, one with a norm of 1 is added.
    dataset_name, energy_axis_true, energy_axis, energy_bin_per_decade_max : see `create_empty_map_dataset_from_irfs`
    spatial_width, spatial_width_max, spatial_bin_size, spatial_bin_size_min, position, frame : see there

    Returns
    -------
    dataset : MapDataset
    """
    dataset = create_empty_map_dataset_from_irfs(
        observation,
        dataset_name,
        energy_axis_true,
        energy_axis,
        energy_bin_per_decade_max,
        spatial_width,
        spatial_width_max,
        spatial_bin_size,
        spatial_bin_size_min,
        position,
        frame,
    )
    tables = {"edisp": observation.edisp, "background": observation.bkg, "psf": observation.psf}
    selection = ["exposure", *(name for name, table in tables.items() if table is not None)]
    made = reduced(dataset, observation, selection)
    made.models = models
    if made.background_model is None:
        others: GammapyObject = made.models or ()
        made.models = [*others, FoVBackgroundModel(dataset_name=made.name)]
    return made


def reduced(dataset: MapDataset, observation: Observation, selection: Sequence[str]) -> MapDataset:
    """Return what `MapDatasetMaker` makes of an observation.

    Parameters
    ----------
    dataset : MapDataset, the reference
    observation : Observation
    selection : list of str, what is made
    """
    # By its name, as Gammapy is loaded: makers know datasets, so datasets cannot know them
    # (docs/explanation/architecture.md).
    makers: GammapyObject = import_module("lightpool.makers")
    made: MapDataset = makers.MapDatasetMaker(selection=selection).run(dataset, observation)
    return made


# --- what suits the responses


def _pointing(observation: Described) -> SkyCoord:
    if isinstance(observation, DatasetBase):
        return observation.geom.center_skydir
    tracked = observation.pointing.fixed_icrs
    if observation.pointing.mode is not PointingMode.POINTING or tracked is None:
        raise NotImplementedError(
            f"observation {observation.obs_id} is in {observation.pointing.mode} mode, so there is no position that "
            "the map should have; give one: position="
        )
    return tracked


def _required(observation: Described, name: str) -> GammapyObject:
    """Return the PSF or energy dispersion, a table or a map."""
    if isinstance(observation, Observation):
        tables: GammapyObject = observation
        return tables.response(name)
    maps: GammapyObject = observation
    return maps.required(name)


def _migra_axis(observation: Described) -> MapAxis | None:
    edisp = observation.edisp
    if isinstance(edisp, EDispMap):
        axis: MapAxis = edisp.geom.axes["migra"]
        return axis
    return edisp.axes["migra"] if isinstance(edisp, IRF) else None


def _field_width(observation: Described) -> u.Quantity:
    psf = _required(observation, "psf")
    if isinstance(psf, PSFMap):
        return 2 * u.Quantity(psf.geom.width).max()
    return 2 * u.Quantity(psf.axes["offset"].edges[-1])


def _pixel_size(observation: Described, smallest: u.Quantity) -> u.Quantity:
    """Return the smallest 68 % containment radius, apart from outliers, or the smallest pixel."""
    psf = _required(observation, "psf")
    if isinstance(psf, PSFMap):
        axis = psf.geom.axes[psf.energy_name]
        radius = psf.containment_radius(_CONTAINMENT, axis.edges)
    else:
        axis = psf.axes["energy_true"]
        radius = psf.containment_radius(_CONTAINMENT, energy_true=axis.edges, offset=0 * u.deg)
    found = _least_usual(np.ravel(radius.to_value("deg")))
    return smallest if found is None else max(found * u.deg, smallest)


def _energy_axes(observation: Described, n_max: int, position: SkyCoord) -> tuple[MapAxis, MapAxis]:
    """Return axes of reconstructed and true energy with bins of half of the best energy resolution."""
    psf, edisp = _required(observation, "psf"), _required(observation, "edisp")
    of_psf: GammapyObject = psf.geom.axes[psf.energy_name] if isinstance(psf, PSFMap) else psf.axes["energy_true"]
    true: MapAxis = of_psf
    kernel: EDispKernel
    if isinstance(edisp, EDispKernelMap):
        kernel = edisp.get_edisp_kernel(position=position)
    elif isinstance(edisp, EDispMap):
        kernel = edisp.get_edisp_kernel(position=position, energy_axis=true.copy(name="energy"))
    else:
        kernel = edisp.to_edisp_kernel(_pointing(observation).separation(position))
    resolution = np.asarray(u.Quantity(kernel.get_resolution(u.Quantity(true.center))).to_value(""))
    best = _least_usual(resolution[resolution > 0])
    n = n_max if best is None else min(int(np.rint(2 / best)), n_max)
    bkg = observation.bkg if isinstance(observation, Observation) else None
    energy: GammapyObject = true if bkg is None else (bkg.geom.axes if isinstance(bkg, Map) else bkg.axes)["energy"]
    return _binned(energy, n, "energy"), _binned(true, n, "energy_true")


def _binned(axis: MapAxis, n_per_decade: int, name: str) -> MapAxis:
    first, last = axis.edges[0], axis.edges[-1]
    return MapAxis.from_energy_bounds(first, last, nbin=n_per_decade, per_decade=True, name=name)


def _least_usual(values: NDArray[np.float64]) -> float | None:
    """Return the least value that is not further below the median than the median deviation; None without values."""
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    median = np.median(values)
    limit = median - np.median(np.abs(values - median))
    return float(np.min(values[values >= limit]))
