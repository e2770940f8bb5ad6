"""Settings of the reduction steps; the keys are the names of the makers' arguments."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import astropy.units as u
from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    JsonValue,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_serializer,
    model_validator,
)

from lightpool.config.paths import PathText, PlaceText
from lightpool.config.quantities import DurationText, EnergyText, NonNegativeAngleText, PositiveAngleText
from lightpool.config.section import Section
from lightpool.makers import SafeMaskMaker

__all__ = ["HealpixStep", "MapStep", "OwnMakerSettings", "SpectrumStep"]

Fraction = Annotated[float, Field(ge=0, le=1)]


class MapDatasetSettings(Section):
    """Bin the events and project the responses on a map."""

    type: Literal["MapDatasetMaker"] = "MapDatasetMaker"
    selection: list[Literal["counts", "exposure", "background", "psf", "edisp"]] | None = None
    """What to make; all by default."""
    background_oversampling: PositiveInt | None = None
    """Split each energy bin into this many for the integral of the background."""
    background_interp_missing_data: bool = True
    """Fill zeros of the background table by interpolation in energy."""
    background_pad_offset: bool = True
    """Let the background go on to the edge of its table."""


class SpectrumDatasetSettings(Section):
    """Count the events in a region and take the responses there."""

    type: Literal["SpectrumDatasetMaker"] = "SpectrumDatasetMaker"
    selection: list[Literal["counts", "exposure", "background", "edisp"]] | None = None
    """What to make; all by default."""
    containment_correction: bool = False
    """Multiply the exposure by the part of the PSF inside a circle."""
    background_oversampling: PositiveInt | None = None
    """Split each energy bin into this many for the integral of the background."""
    use_region_center: bool = True
    """Take the responses at the centre of the region, or their mean over it."""


class SafeMaskSettings(Section):
    """Keep the energies and offsets where the responses can be trusted."""

    type: Literal["SafeMaskMaker"] = "SafeMaskMaker"
    preset: Literal["keywords", "effective-area", "energy-bias", "field-of-view"] | None = None
    """Name of some methods that belong together, instead of methods, which it becomes."""
    methods: list[Literal["aeff-default", "aeff-max", "edisp-bias", "offset-max", "bkg-peak"]] = Field(
        default=["aeff-default"]
    )
    """Conditions that must hold together."""
    aeff_percent: PositiveFloat = 10
    """For aeff-max: percentage of the largest effective area."""
    bias_percent: PositiveFloat = 10
    """For edisp-bias: percentage of the energy."""
    offset_max: PositiveAngleText = "3 deg"
    """For offset-max: largest offset from the pointing."""
    fixed_offset: NonNegativeAngleText | None = None
    """Offset at which the thresholds are found; the centre of the map by default."""
    irfs: Literal["DL3", "DL4"] = "DL4"
    """Whether the thresholds are found in the tables or in the reduced responses."""

    @model_validator(mode="before")
    @classmethod
    def _methods_of_preset(cls, data: Any) -> Any:
        # The methods are what is kept: settings with the same methods have the same results and hash.
        if not (isinstance(data, dict) and data.get("preset") in SafeMaskMaker.presets):
            return data
        if "methods" in data:
            raise ValueError("got both preset and methods; give only one of them")
        others = {key: value for key, value in data.items() if key != "preset"}
        return {**others, "methods": list(SafeMaskMaker.presets[data["preset"]])}


class FoVBackgroundSettings(Section):
    """Normalise the background on the counts outside the excluded regions of the target."""

    type: Literal["FoVBackgroundMaker"] = "FoVBackgroundMaker"
    method: Literal["scale", "fit"] = "scale"
    """Counts over background, or a fit of the norm."""
    min_counts: Annotated[float, Field(ge=0)] = 0
    """With as many counts or fewer the observation is masked."""
    min_npred_background: Annotated[float, Field(ge=0)] = 0
    """The same for the background."""
    tilt: Literal["fit"] | FiniteFloat | None = None
    """Negative index of a power law in energy that multiplies the norm: a number, or fit."""
    reference: EnergyText | None = None
    """Energy at which this power law is one; 1 TeV by default."""
    nodes: list[EnergyText] | None = Field(default=None, min_length=2)
    """Energies, ascending, at each of which a norm is fitted, with interpolation between them."""
    node_min_counts: PositiveFloat | None = None
    """Choose the nodes for each observation, each with that many counts outside the excluded regions at least."""

    @model_validator(mode="after")
    def _one_norm(self) -> Self:
        given = [key for key in ("tilt", "nodes", "node_min_counts") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"got both {' and '.join(given)}; give only one of them")
        if self.reference is not None and self.tilt is None:
            raise ValueError("reference is that of tilt, which is missing")
        if given and self.method != "fit" and (self.tilt is None or self.tilt == "fit"):
            raise ValueError(f"{given[0]} needs method: fit, got {self.method}")
        if self.nodes is not None:
            values = [float(u.Quantity(node).to_value("TeV")) for node in self.nodes]
            if any(low >= high for low, high in pairwise(values)):
                raise ValueError(f"nodes must be strictly ascending, got {', '.join(self.nodes)}")
        return self


class RingBackgroundSettings(Section):
    """Estimate the background in a ring around each pixel."""

    type: Literal["RingBackgroundMaker"] = "RingBackgroundMaker"
    r_in: NonNegativeAngleText
    """Inner radius."""
    width: PositiveAngleText
    """Width of the ring."""


class AdaptiveRingBackgroundSettings(Section):
    """Estimate the background in rings that grow where too much is excluded."""

    type: Literal["AdaptiveRingBackgroundMaker"] = "AdaptiveRingBackgroundMaker"
    r_in: NonNegativeAngleText
    """Inner radius."""
    r_out_max: PositiveAngleText
    """Largest outer radius."""
    width: PositiveAngleText
    """Width of the ring."""
    stepsize: PositiveAngleText = "0.02 deg"
    """Step of the growth."""
    threshold_alpha: PositiveFloat = 0.1
    """Rings grow until the ratio of the acceptances is below this."""
    theta: PositiveAngleText = "0.22 deg"
    """Radius of the circle that the acceptance is counted in."""
    method: Literal["fixed_width", "fixed_r_in"] = "fixed_width"
    """What stays while the ring grows."""


class OffRunsBackgroundSettings(Section):
    """Take the background from other runs, at the same position in the field of view."""

    type: Literal["OffRunsBackgroundMaker"] = "OffRunsBackgroundMaker"
    datastore: PlaceText
    """Folder of the index files of the OFF runs, or its address; it may be that of the observations."""
    obs_ids: list[int] | None = Field(default=None, min_length=1)
    """Numbers of the OFF runs; all of the data store by default. A run is never its own OFF run."""
    select: str | None = None
    """Condition on columns of the observation index, such as "ZEN_PNT < 50"."""
    max_zenith_difference: PositiveAngleText = "5 deg"
    """Largest difference of the zenith angles of a run and its OFF runs."""
    max_time_difference: DurationText | None = None
    """Largest difference of their times, such as "30 d"; unlimited by default."""
    acceptance: Literal["background", "livetime"] = "background"
    """Whether the acceptances are the background tables integrated over the times, or only the livetimes."""


class ReflectedRegionsSettings(Section):
    """Count the background in regions at the offset of the source region."""

    type: Literal["ReflectedRegionsBackgroundMaker"] = "ReflectedRegionsBackgroundMaker"
    finder: Literal["reflected", "wobble"] = "reflected"
    """As many regions as fit, or a number of them at equal angles."""
    n_off_regions: PositiveInt = 3
    """For wobble: number of regions."""
    angle_increment: PositiveAngleText = "0.1 rad"
    """For reflected: step of the search."""
    min_distance: NonNegativeAngleText = "0 rad"
    """For reflected: distance between the regions."""
    min_distance_input: NonNegativeAngleText = "0.1 rad"
    """For reflected: distance from the source region."""
    max_region_number: PositiveInt = 10000
    """For reflected: largest number of regions."""
    binsz: PositiveAngleText = "0.01 deg"
    """Pixel size of the map that the regions are compared on."""
    min_region_number: PositiveInt = 1
    """With fewer regions the observation is masked."""


class PhaseBackgroundSettings(Section):
    """Take signal and background from phases of a pulsar."""

    type: Literal["PhaseBackgroundMaker"] = "PhaseBackgroundMaker"
    on_phase: list[tuple[Fraction, Fraction]]
    """Intervals of phase with the signal."""
    off_phase: list[tuple[Fraction, Fraction]]
    """Intervals of phase without it."""
    phase_column_name: str = "PHASE"
    """Column of the event list."""


_OWN_TYPE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def _module_and_class(name: str) -> str:
    """Return the name of a maker of a user, as ``module:Class``."""
    module = name.rpartition(":")[0]
    if _OWN_TYPE.fullmatch(name) and not module.endswith(".py"):
        if name.startswith("__main__:"):
            raise ValueError("other processes cannot import __main__; put the maker into a module, as my_makers.py")
        return name
    hint = ""
    if module.endswith(".py") or "/" in module or "\\" in module:
        path = Path(module.replace("\\", "/"))
        hint = f"; for the file {module} write {path.stem}:..., and python_path: {path.parent}"
    raise ValueError(f"got {name!r}, expected the module and the class of a maker, as my_makers:MyMaker{hint}")


class OwnMakerSettings(Section):
    """A maker of your own, a class derived from `lightpool.makers.Maker`; all other keys are its arguments."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    type: Annotated[str, AfterValidator(_module_and_class), Field(json_schema_extra={"pattern": ":"})]
    """Module and class, as my_makers:MyMaker."""
    python_path: PathText | None = None
    """Folder in which the module is searched, after those of Python; that of the settings file by default."""

    @model_serializer(mode="plain")
    def _with_options(self) -> dict[str, JsonValue]:
        # By hand, because null is a value of an option, while other keys without a value are left out.
        path: dict[str, JsonValue] = {} if self.python_path is None else {"python_path": self.python_path}
        return {"type": self.type, **path, **self.options}

    @property
    def module(self) -> str:
        """Name of its module."""
        return self.type.partition(":")[0]

    @property
    def class_name(self) -> str:
        """Name of its class in the module."""
        return self.type.partition(":")[2]

    @property
    def folders(self) -> list[Path]:
        """Folders in which its module is searched, after those of Python."""
        return [] if self.python_path is None else [Path(self.python_path)]

    @property
    def options(self) -> dict[str, JsonValue]:
        """Arguments of its constructor."""
        return dict(self.model_extra or {})


def _whose_maker(step: object) -> str:
    kind = step.get("type") if isinstance(step, dict) else getattr(step, "type", None)
    return "Own" if isinstance(kind, str) and ":" in kind else "Lightpool"


_MapStep = Annotated[
    MapDatasetSettings
    | SafeMaskSettings
    | FoVBackgroundSettings
    | RingBackgroundSettings
    | AdaptiveRingBackgroundSettings
    | OffRunsBackgroundSettings,
    Field(discriminator="type"),
]
_HealpixStep = Annotated[MapDatasetSettings | SafeMaskSettings | FoVBackgroundSettings, Field(discriminator="type")]
_SpectrumStep = Annotated[
    SpectrumDatasetSettings | SafeMaskSettings | ReflectedRegionsSettings | PhaseBackgroundSettings,
    Field(discriminator="type"),
]
_OwnStep = Annotated[OwnMakerSettings, Tag("Own")]
MapStep = Annotated[_OwnStep | Annotated[_MapStep, Tag("Lightpool")], Discriminator(_whose_maker)]
HealpixStep = Annotated[_OwnStep | Annotated[_HealpixStep, Tag("Lightpool")], Discriminator(_whose_maker)]
"""Steps that do not need pixels in rows and columns."""
SpectrumStep = Annotated[_OwnStep | Annotated[_SpectrumStep, Tag("Lightpool")], Discriminator(_whose_maker)]
