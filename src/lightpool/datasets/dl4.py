"""Datasets from responses that are maps on the sky already (data level 4)."""

from typing import TypedDict

from lightpool.arrays import array_namespace, to_host
from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation
from lightpool.datasets.created import reduced
from lightpool.datasets.geometries import SkyGeom
from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.masks import all_true
from lightpool.errors import GeometryError
from lightpool.irf import EDispKernelMap, EDispMap, IRFMap, PSFMap
from lightpool.maps import Geom, Map, MapAxis
from lightpool.typing import GammapyObject

__all__ = ["create_map_dataset_from_dl4"]


class _Geoms(TypedDict):
    geom: SkyGeom
    geom_exposure: SkyGeom
    geom_psf: SkyGeom
    geom_edisp: SkyGeom


@accepts_gammapy
def create_map_dataset_from_dl4(
    data: MapDataset | Observation,
    geom: SkyGeom | None = None,
    energy_axis_true: MapAxis | None = None,
    name: str | None = None,
) -> MapDataset:
    """Interpolate exposure, PSF and energy dispersion, which are maps already, on the axes of a dataset.

    Parameters
    ----------
    data : MapDataset; or Observation whose responses are maps
    geom : WcsGeom with an axis ``energy``
        By default the pixels of the exposure (of an observation, of its effective area), and the reconstructed
        energies of the dispersion.
    energy_axis_true : MapAxis, by default that of the energy dispersion
    name : str, a random one by default

    Returns
    -------
    dataset : MapDataset
        With zeros for the background, if the data are a dataset. Its counts are those of the dataset, which must have
        the same geometry.

    Raises
    ------
    GeometryError
        If the counts of a dataset have another geometry.
    """
    if isinstance(data, Observation):
        responses: GammapyObject = (data.response("aeff"), data.response("psf"), data.response("edisp"))
    else:
        responses = (data.required("exposure"), data.required("psf"), data.required("edisp"))
    area, psf, edisp = responses
    for key, part, kind in (("exposure", area, Map), ("psf", psf, PSFMap), ("edisp", edisp, IRFMap)):
        if not isinstance(part, kind):
            raise TypeError(
                f"the {key} is a {type(part).__name__}, expected a {kind.__name__}: responses that are tables are "
                "projected by MapDatasetMaker"
            )
    geoms = _geoms(area, psf, edisp, geom, energy_axis_true)
    empty = MapDataset.from_geoms(**geoms, name=name)
    if isinstance(data, Observation):
        parts = {"counts": data.events, "background": data.bkg}
        selection = ["exposure", "edisp", "psf", *(key for key, part in parts.items() if part is not None)]
        made = reduced(empty, data, selection)
    else:
        made = _interpolated(data, empty, geoms)
    if made.background is None:
        made.background = Map.from_geom(geoms["geom"], dtype=made.precision, device=made.device)
    _weight_dispersion(made)
    return made


def _geoms(
    area: Map, psf: PSFMap, edisp: EDispMap | EDispKernelMap, geom: SkyGeom | None, energy_true: MapAxis | None
) -> _Geoms:
    """Return the geometries of the dataset."""
    if geom is None:
        if "energy" not in edisp.geom.axes.names:
            raise ValueError(
                "an energy dispersion in 'migra' has no reconstructed energies from which the axis of the dataset "
                "would follow; give a geom with an axis 'energy'"
            )
        geom = area.geom.to_image().to_cube([edisp.geom.axes["energy"]])
    if energy_true is None:
        energy_true = edisp.geom.axes["energy_true"]
    energy = geom.axes["energy"]
    of_psf = energy if psf.energy_name == "energy" else energy_true
    return {
        "geom": geom,
        "geom_exposure": geom.to_image().to_cube([energy_true]),
        "geom_psf": psf.geom.to_image().to_cube([psf.geom.axes["rad"], of_psf]),
        "geom_edisp": edisp.geom.to_image().to_cube([energy, energy_true]),
    }


def _interpolated(data: MapDataset, empty: MapDataset, geoms: _Geoms) -> MapDataset:
    """Return a dataset on the geometries of an empty one, of the counts and responses of another."""
    geom, device = geoms["geom"], data.device
    counts = data.counts
    if counts is not None and counts.geom != geom:
        raise GeometryError(
            f"the counts of dataset {data.name!r} have another geometry than the new dataset, and counts cannot be "
            f"interpolated:\n{counts.geom}\nand\n{geom}\nSet data.counts = None, or leave out geom"
        )
    if counts is None:
        counts = Map.from_geom(geom, dtype=data.precision, device=device)
    psf, edisp = data.required("psf"), data.required("edisp")
    return MapDataset(
        name=empty.name,
        gti=data.gti,
        meta=data.meta,
        mask_safe=all_true(geom, device),
        counts=counts,
        exposure=data.required("exposure").interp_to_geom(geoms["geom_exposure"]),
        psf=type(psf)(psf.psf_map.interp_to_geom(geoms["geom_psf"]), _exposure_of(psf, geoms["geom_psf"], "rad")),
        edisp=_kernels(edisp, geoms["geom_edisp"]),
    )


def _kernels(edisp: EDispMap | EDispKernelMap, geom: Geom) -> EDispKernelMap:
    if isinstance(edisp, EDispKernelMap):
        return EDispKernelMap(edisp.edisp_map.interp_to_geom(geom), _exposure_of(edisp, geom, "energy"))
    cube = geom.to_image().to_cube([edisp.geom.axes["migra"], geom.axes["energy_true"]])
    found = EDispMap(edisp.edisp_map.interp_to_geom(cube), _exposure_of(edisp, cube, "migra"))
    return found.to_edisp_kernel_map(geom.axes["energy"])


def _exposure_of(response: IRFMap, geom: Geom, squashed: str) -> Map | None:
    if response.exposure_map is None:
        return None
    found: Map = response.exposure_map.interp_to_geom(geom.squash(axis_name=squashed))
    return found


def _weight_dispersion(dataset: MapDataset) -> None:
    """Weight the energy dispersion as the PSF, if it has an exposure of zero everywhere."""
    edisp, psf = dataset.required("edisp"), dataset.required("psf")
    mine, its = edisp.exposure_map, psf.exposure_map
    if mine is None or its is None:
        return
    xp = array_namespace(mine.data)
    # host: which of two maps is taken is decided there
    if mine.data.shape == its.data.shape and not bool(to_host(xp.any(mine.data != 0))):
        weight: GammapyObject = mine.copy(data=its.data, unit=its.unit)
        edisp.exposure_map = weight
