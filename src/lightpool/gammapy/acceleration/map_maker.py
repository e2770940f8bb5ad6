"""Gammapy's `MapDatasetMaker`."""

from gammapy.data import Observation as GammapyObservation
from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.datasets import MapDatasetMetaData as GammapyMapDatasetMetaData
from gammapy.makers import MapDatasetMaker as GammapyMapDatasetMaker

from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.gammapy.acceleration.exchange import gammapy_map, gammapy_response, reference_dataset
from lightpool.gammapy.acceleration.makers import declare_maker
from lightpool.gammapy.acceleration.observations import lightpool_observation, meta_table_of
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError
from lightpool.gammapy.conversion.internals import internal
from lightpool.irf import FoVAlignment
from lightpool.makers import MapDatasetMaker
from lightpool.makers.responses.fov_rotation import turns_against_the_sky
from lightpool.typing import GammapyObject

__all__ = ["made_dataset", "run_on_geometries"]


def _convert(maker: GammapyMapDatasetMaker) -> MapDatasetMaker:
    return MapDatasetMaker(
        selection=sorted(maker.selection),
        background_oversampling=maker.background_oversampling,
        background_interp_missing_data=maker.background_interp_missing_data,
        background_pad_offset=maker.background_pad_offset,
        fov_rotation_step=getattr(maker, "fov_rotation_step", "1 deg"),
    )


def _run(maker: GammapyMapDatasetMaker, dataset: GammapyMapDataset, observation: GammapyObservation) -> Commit:
    return run_on_geometries(_convert(maker), maker, dataset, observation)


def run_on_geometries(
    ours: MapDatasetMaker, maker: GammapyMapDatasetMaker, dataset: GammapyMapDataset, observation: GammapyObservation
) -> Commit:
    """Make a dataset on the geometries of one of Gammapy.

    Parameters
    ----------
    ours : MapDatasetMaker or SpectrumDatasetMaker of lightpool
    maker : the one of Gammapy
    dataset : MapDataset or SpectrumDataset of Gammapy
    observation : Observation of Gammapy
    """
    events = lightpool_observation(observation)
    if "background" in ours.selection and not hasattr(maker, "fov_rotation_step"):
        _refuse_background_of_gammapy_1_3(observation, events, "exposure" in ours.selection)
    parts = sorted((ours.selection - {"background"}) | {"counts"})
    made = ours.run(reference_dataset(dataset, parts=parts), events)
    result = made_dataset(made, type(dataset), observation, events, counted="counts" in ours.selection)
    return lambda: result


def _refuse_background_of_gammapy_1_3(observation: GammapyObservation, ours: Observation, has_exposure: bool) -> None:
    """Refuse backgrounds that Gammapy 1.3 evaluates in another way than later versions.

    Parameters
    ----------
    observation : Observation of Gammapy
    ours : Observation, the same one in lightpool
    has_exposure : bool
        Whether the exposure is made before the background.
    """
    bkg = ours.bkg
    if bkg is None:
        return
    if turns_against_the_sky(bkg):
        raise NotTakenOverError("the background is aligned with the horizon, and Gammapy 1.3 does not rotate it")
    # The old files of H.E.S.S. are known by metadata, which are read for the place of the observatory.
    is_noticed = has_exposure or internal(observation, "_meta") is not None
    if bkg.fov_alignment is FoVAlignment.REVERSE_LON_RADEC and not is_noticed:
        raise NotTakenOverError("the background is mirrored, which Gammapy 1.3 does not notice without an exposure")


def made_dataset(
    made: MapDataset,
    kind: type[GammapyMapDataset],
    observation: GammapyObservation,
    ours: Observation,
    *,
    counted: bool = True,
) -> GammapyMapDataset:
    """Return a dataset of one observation as Gammapy's makers make it.

    Parameters
    ----------
    made : MapDataset of lightpool
    kind : class of datasets of Gammapy
    observation : Observation of Gammapy
    ours : Observation, the same one in lightpool
    counted : bool
        Whether the events were counted; if not, Gammapy has zeros of integers.
    """
    parts: dict[str, GammapyObject] = {}
    # Gammapy counts in single precision, and computes everything else in double.
    dtypes = {"counts": "float32" if counted else "int64", "mask_safe": "bool", "mask_fit": "bool"}
    for name in ("counts", "exposure", "background", "mask_safe", "mask_fit"):
        values = getattr(made, name)
        if values is not None:
            parts[name] = gammapy_map(values, dtypes.get(name, "float64"))
    for name in ("psf", "edisp"):
        response = getattr(made, name)
        if response is not None:
            parts[name] = gammapy_response(response)
    table = meta_table_of(observation, ours)
    meta = internal(GammapyMapDatasetMetaData, "_from_meta_table")(table)
    return kind(name=made.name, gti=observation.gti, meta_table=table, meta=meta, **parts)


declare_maker(GammapyMapDatasetMaker, _convert, _run)
