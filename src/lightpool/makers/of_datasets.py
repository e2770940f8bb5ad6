"""Responses of a dataset that was reduced before, interpolated on the geometries of another one."""

from collections.abc import Collection
from dataclasses import replace
from typing import TypedDict, TypeVar

from lightpool.datasets import MapDataset
from lightpool.datasets.masks import all_true
from lightpool.errors import GeometryError
from lightpool.irf import EDispKernelMap, EDispMap, IRFMap, PSFMap
from lightpool.maps import Map

__all__ = ["dataset_of_dataset"]

_RESPONSES = ("exposure", "edisp", "psf")


_Response = TypeVar("_Response", bound=IRFMap)


class _Responses(TypedDict, total=False):
    exposure: Map
    psf: PSFMap
    edisp: EDispMap | EDispKernelMap


def dataset_of_dataset(dataset: MapDataset, source: MapDataset, selection: Collection[str]) -> MapDataset:
    """Return a dataset without counts whose responses are those of another dataset.

    Parameters
    ----------
    dataset : MapDataset
        Gives geometries, name, device and precision.
    source : MapDataset
        Its exposure and responses are interpolated; good times and metadata are taken over.
    selection : collection of {"exposure", "edisp", "psf"}

    Raises
    ------
    ValueError
        If counts or background are selected, or a selected map is missing in one of the datasets.
    GeometryError
        If a response has other axes.
    """
    more = sorted(set(selection) - set(_RESPONSES))
    if more:
        raise ValueError(
            f"{more} cannot be made of dataset {source.name!r}, which has neither events nor tables of responses; "
            f"select some of {list(_RESPONSES)}, as MapDatasetMaker(selection=[...])"
        )
    geom, device = dataset.required("counts").geom, dataset.device
    made: _Responses = {}
    if "exposure" in selection:
        target = dataset.required("exposure").geom
        made["exposure"] = source.required("exposure").interp_to_geom(target).to(device, dataset.precision)
    if "psf" in selection:
        made["psf"] = _response_on(dataset.required("psf"), source.required("psf"), dataset)
    if "edisp" in selection:
        made["edisp"] = _response_on(dataset.required("edisp"), source.required("edisp"), dataset)
    counts = Map.from_geom(geom, dtype=dataset.precision, device=device)
    return type(dataset)(
        name=dataset.name,
        counts=counts,
        mask_safe=all_true(geom, device),
        gti=source.gti,
        meta=replace(source.meta),
        **made,
    )


def _response_on(target: IRFMap, response: _Response, dataset: MapDataset) -> _Response:
    geom = target.irf_map.geom
    if geom.axes.names != response.irf_map.geom.axes.names:
        raise GeometryError(
            f"a {type(response).__name__} has the axes {response.irf_map.geom.axes.names}, and the geometry for it in "
            f"dataset {dataset.name!r} {geom.axes.names}; create the dataset with the axes of the response"
        )
    weight = response.exposure_map
    exposure = None if weight is None else weight.interp_to_geom(geom.squash(geom.axes.names[0]))
    made = type(response)(response.irf_map.interp_to_geom(geom), exposure)
    return made.to(dataset.device, dataset.precision)
