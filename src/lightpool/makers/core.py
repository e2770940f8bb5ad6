"""The base class of the reduction steps, and checks of their arguments."""

import inspect
import logging
from abc import ABC, abstractmethod
from typing import ClassVar, Literal, overload

import astropy.units as u
from astropy.coordinates import Angle, SkyCoord

from lightpool.arrays import DeferredNumbers
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.arrays.devices.staging import Uploads
from lightpool.attributes import KnownAttributes
from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.maps import Map
from lightpool.maps.geoms.geom_card import position_text
from lightpool.typing import AngleLike
from lightpool.utils.html import Card, Html, Section, ShownInNotebooks, fields, shown

__all__ = [
    "Described",
    "Maker",
    "check_run",
    "checked_angle",
    "checked_mask",
    "require_rows_of_pixels",
    "safe_with_off",
    "warn_of_odd_mask",
]

log = logging.getLogger(__name__)

_LEAST_KEPT, _LEAST_KEPT_OF_ISLANDS = 0.1, 0.5
"""Fractions of the pixels; exclusion masks that keep less are reported."""


class Described(KnownAttributes, ShownInNotebooks):
    """Base class of objects with settings: prints them, and refuses to set any that it does not have."""

    def __str__(self) -> str:
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        width = max((len(name) for name in names), default=0) + 1
        title = type(self).__name__
        settings = {name: getattr(self, name, None) for name in names}
        lines = [f"  {name:{width}s}: {_in_a_line(value)}" for name, value in settings.items() if value is not None]
        return "\n".join([title, "-" * len(title), "", *lines, ""])

    def html_card(self) -> Card:
        """Return what notebooks show of the settings; those that are maps, makers or models can be opened."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        settings = {name: value for name in names if (value := getattr(self, name, None)) is not None}
        rows = {name: _html_of(value) for name, value in settings.items()}
        return Card(type(self).__name__, "", [], [Section("Settings", lambda: fields(rows), is_open=True)])


def _html_of(value: object) -> object:
    """Return a setting for notebooks."""
    if isinstance(value, SkyCoord) and value.isscalar:
        return position_text(value)
    made = shown(value)
    return made if isinstance(made, Html) else _in_a_line(value)


def _in_a_line(value: object) -> str:
    """Return the text of a setting; the class name for what needs several lines, such as maps, models and makers."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(_in_a_line(item) for item in value)}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(repr, value)))}}}"
    if isinstance(value, Angle):
        return f"{value.value:g} {value.unit}"
    text = str(value)
    return type(value).__name__ if "\n" in text or text.startswith("<") else text


def checked_mask(mask: Map | None) -> Map | None:
    """Return the exclusion mask of a maker, with a warning if it seems to be inverted.

    Raises
    ------
    TypeError
        If it is not a map, or not one of bool.
    """
    if mask is None:
        return None
    if isinstance(mask, Map) and mask.is_mask:
        warn_of_odd_mask(mask)
        return mask
    kind = f"one of {dtype_name(mask.data)}" if isinstance(mask, Map) else f"a {type(mask).__name__}"
    raise TypeError(
        f"exclusion_mask must be a map of bool, got {kind}; geom.region_mask(regions, inside=False) makes one"
    )


def warn_of_odd_mask(mask: Map) -> None:
    """Warn of an exclusion mask that excludes nearly all.

    The excluded regions of a usual mask are islands in what it keeps. A mask that keeps only islands and less than half
    of its pixels, or less than a tenth in any arrangement, probably has True and False interchanged: the background
    would be measured on the source.
    """
    xp = mask.device.xp
    data = mask.data
    # A pixel is kept if it is at any energy.
    n_axes = len(mask.geom.axes)
    image = xp.any(xp.reshape(data, (-1, *data.shape[n_axes:])), axis=0) if n_axes else data
    kept = xp.mean(xp.astype(image, xp.float64))
    # Regions and HEALPix maps have no border, so they never count as islands.
    edge = xp.any(image)
    if not (mask.geom.is_region or mask.geom.is_hpx) and image.ndim == 2:
        edge = xp.any(image[:1, :]) | xp.any(image[-1:, :]) | xp.any(image[:, :1]) | xp.any(image[:, -1:])
    # The warning is logged when the numbers are read from the device together with others.
    DeferredNumbers(xp.stack([kept, xp.astype(edge, xp.float64)]), _warn_of_kept_part)


def require_rows_of_pixels(what: str, dataset: MapDataset) -> None:
    """Refuse a dataset on HEALPix pixels, whose numbers say nothing of which pixels are neighbours.

    Parameters
    ----------
    what : str
        What needs pixels in rows and columns, for the error.
    dataset : MapDataset

    Raises
    ------
    TypeError
        If its counts are on a HpxGeom.
    """
    if dataset.required("counts").geom.is_hpx:
        raise TypeError(
            f"{what} needs pixels in rows and columns, and dataset {dataset.name!r} is on a HpxGeom; reduce the "
            "observations on a WcsGeom for this step"
        )


def _warn_of_kept_part(numbers: tuple[float, ...]) -> None:
    part, reaches_edge = numbers
    if part == 0:
        log.warning("the exclusion mask is False everywhere: it excludes all, and no background can be measured")
    elif part < _LEAST_KEPT or (part < _LEAST_KEPT_OF_ISLANDS and not reaches_edge):
        log.warning(
            "the exclusion mask keeps only %.2g %% of its pixels%s: is it inverted? False is where gamma rays "
            "are expected, as in geom.region_mask(regions, inside=False); ~mask inverts it",
            100 * part,
            "" if reaches_edge else ", all of them islands in what is excluded",
        )


def checked_angle(name: str, value: AngleLike) -> Angle:
    """Return an argument as an angle or array of angles.

    Parameters
    ----------
    name : str
        Name of the argument, for the error.
    value : Angle, Quantity or str

    Raises
    ------
    ValueError
        If it has no unit, or the unit is not one of angle.
    """
    try:
        return Angle(value)
    except (TypeError, ValueError, u.UnitsError) as error:
        raise ValueError(f"{name} must be an angle with its unit, as '2 deg' or 2 * u.deg, got {value!r}") from error


@overload
def check_run(tag: str, dataset: MapDataset, observation: Observation | MapDataset | None) -> Observation: ...
@overload
def check_run(
    tag: str, dataset: MapDataset, observation: Observation | MapDataset | None, *, needs_observation: Literal[False]
) -> Observation | None: ...


def check_run(
    tag: str, dataset: MapDataset, observation: Observation | MapDataset | None, *, needs_observation: bool = True
) -> Observation | None:
    """Check the arguments of `Maker.run` and return the observation.

    Parameters
    ----------
    tag : str
        Name of the maker, for the error.
    dataset : MapDataset
    observation : Observation or None
    needs_observation : bool
        Whether None is refused.

    Raises
    ------
    TypeError
        If one is not a dataset or the other not an observation.
    """
    if isinstance(dataset, Observation) and isinstance(observation, MapDataset):
        raise TypeError(f"{tag}.run got an observation and a dataset, expected run(dataset, observation); swap them")
    if not isinstance(dataset, MapDataset):
        raise TypeError(
            f"{tag}.run(dataset, observation) got a dataset of type {type(dataset).__name__}, expected a MapDataset or "
            "SpectrumDataset; their `create` makes an empty one on a geometry"
        )
    if not isinstance(observation, Observation | None) or (needs_observation and observation is None):
        raise TypeError(
            f"{tag}.run(dataset, observation) got an observation of type {type(observation).__name__}, expected an "
            "Observation; DataStore.obs(obs_id) returns one"
        )
    return observation


def safe_with_off(dataset: MapDataset, acceptance_off: Map) -> Map:
    """Return the safe mask of a dataset without the pixels that have no OFF acceptance.

    Parameters
    ----------
    dataset : MapDataset
    acceptance_off : Map
        On the geometry of its counts.
    """
    has_off = acceptance_off.copy(data=acceptance_off.data > 0.0)
    mask_safe: Map | None = dataset.mask_safe
    return has_off if mask_safe is None else mask_safe & has_off


class Maker(Described, ABC):
    """Base class of the steps of a reduction, each of which takes a dataset and an observation and returns a dataset.

    A maker holds only settings, so one maker serves any number of observations and can be sent to a worker.
    It works on the device where its dataset lives. A new maker needs only a ``tag`` and `run`.
    """

    tag: ClassVar[str]
    reads_maps: ClassVar[bool] = True
    """Whether the step uses the values of the dataset that it is given, and not only its geometries."""
    n_work_maps: ClassVar[int] = 2
    """Number of arrays of the size of the counts that the step needs at a time, besides the maps of its dataset."""

    @abstractmethod
    def run(self, dataset: MapDataset, observation: Observation | None = None) -> MapDataset:
        """Run the step.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
        observation : Observation, optional
            Makers that work on the dataset alone ignore it.

        Returns
        -------
        dataset : MapDataset or SpectrumDataset
            A new dataset, or the same one changed in place.
        """

    def send_ahead(self, dataset: MapDataset, observation: Observation, uploads: Uploads) -> None:
        """Send what `run` will need of an observation to the device, before it runs; called from a reading thread.

        Parameters
        ----------
        dataset : MapDataset
            Reference whose geometries have the frame and axes of the dataset that `run` will be given.
        observation : Observation
            The one that `run` will be given.
        uploads : Uploads
            Transfers to the device of the dataset.
        """
