"""Settings of the targets: maps of a part of the sky, or spectra of a region."""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import astropy.units as u
from pydantic import AfterValidator, Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from lightpool.config.exclusions import Excluded
from lightpool.config.makers import HealpixStep, MapStep, OwnMakerSettings, SpectrumStep
from lightpool.config.paths import PlaceText
from lightpool.config.positions import Circle, Point, Position
from lightpool.config.quantities import EnergyText, NonNegativeAngleText, PositiveAngleText
from lightpool.config.regions import RegionText
from lightpool.config.section import Section
from lightpool.maps.geoms.hpx_regions import HpxRegion

__all__ = ["AngleBins", "EnergyBins", "HealpixTarget", "MapTarget", "MigraBins", "SpectrumTarget", "Target"]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
_PROJECTIONS = frozenset(
    "AIR AIT ARC AZP CAR CEA CSC CYP GLS HPX MER MOL NCP PAR PCO QSC SFL SIN STG SZP TAN TSC XPH ZEA".split()  # noqa: SIM905
)
"""Projections of the FITS standard without parameters; TPV, for instance, is a distortion with parameters."""


def _known_projection(name: str) -> str:
    if name.upper() not in _PROJECTIONS:
        raise ValueError(f"got {name!r}, expected a projection without parameters: {', '.join(sorted(_PROJECTIONS))}")
    return name.upper()


Projection = Annotated[str, AfterValidator(_known_projection)]


def _known_region(text: str) -> str:
    HpxRegion.parse(text)
    return text


HealpixRegion = Annotated[str, AfterValidator(_known_region)]
BinNumber = Annotated[int, Field(ge=1, le=100_000)]
"""A larger number of bins is a typing error."""


class EnergyBins(Section):
    """Bins of equal width in the logarithm from ``min`` to ``max``, or ``edges``."""

    min: EnergyText | None = None
    """Lower end."""
    max: EnergyText | None = None
    """Upper end."""
    nbin: BinNumber | None = None
    """Number of bins."""
    per_decade: bool = False
    """Whether ``nbin`` is the number of bins per decade."""
    edges: list[EnergyText] | None = Field(default=None, min_length=2)
    """Edges, ascending, instead of the above."""

    @model_validator(mode="after")
    def _one_way(self) -> "EnergyBins":
        bounds = (self.min, self.max, self.nbin)
        if self.edges is not None:
            if any(value is not None for value in bounds):
                raise ValueError("got both edges and min, max or nbin; give only one of them")
            values = [float(u.Quantity(edge).to_value("TeV")) for edge in self.edges]
            if any(low >= high for low, high in pairwise(values)):
                raise ValueError(f"edges must be strictly ascending, got {', '.join(self.edges)}")
        elif any(value is None for value in bounds):
            raise ValueError("expected min, max and nbin, or edges")
        elif u.Quantity(self.min) >= u.Quantity(self.max):
            raise ValueError(f"min must be below max, got {self.min} and {self.max}")
        return self


class AngleBins(Section):
    """Bins of equal width in the distance from the PSF centre, starting at zero."""

    max: PositiveAngleText
    """Upper end."""
    nbin: BinNumber
    """Number of bins."""


class MigraBins(Section):
    """Bins of equal width in the ratio of reconstructed to true energy."""

    min: Annotated[float, Field(ge=0)] = 0.2
    """Lower end."""
    max: Annotated[float, Field(gt=0)] = 5.0
    """Upper end."""
    nbin: BinNumber = 160
    """Number of bins."""

    @model_validator(mode="after")
    def _ascending(self) -> "MigraBins":
        if self.min >= self.max:
            raise ValueError(f"min must be below max, got {self.min} and {self.max}")
        return self


def _kind_of_region(value: object) -> str:
    if isinstance(value, str):
        return "str"
    # Anything that is not clearly a point is checked as a circle, whose errors name the missing radius.
    keys = set(value) if isinstance(value, dict) else set()
    return "Point" if isinstance(value, Point) or (keys and keys <= {"lon", "lat", "frame", "name"}) else "Circle"


Region = Annotated[
    Annotated[Circle, Tag("Circle")] | Annotated[Point, Tag("Point")] | Annotated[RegionText, Tag("str")],
    Discriminator(_kind_of_region),
]
"""A circle, a point, or a text in DS9 format."""


def _or_nothing_or_a_name(schema: dict[str, Any]) -> None:
    schema["anyOf"].append({"type": "string"})


class ThetaSquared(Section):
    """A table of counts over the squared angle from a position and from OFF positions, without the safe mask."""

    position: Position | None = Field(default=None, json_schema_extra=_or_nothing_or_a_name)
    """Position; the source of the target by default."""
    position_off: Position | None = Field(default=None, json_schema_extra=_or_nothing_or_a_name)
    """One OFF position for all observations; positions about their pointings by default."""
    off_regions_number: PositiveInt = 1
    """Number of OFF positions about the pointing; with one it is the mirror image of the position."""
    theta_max: PositiveAngleText = "0.3 deg"
    """Largest angle. Observations with a pointing closer to the position are left out."""
    nbin: BinNumber = 18
    """Number of bins of equal squared angle."""
    energy_min: EnergyText | None = None
    """Lowest energy of the events; that of the target by default."""
    energy_max: EnergyText | None = None
    """Highest energy of the events."""

    @model_validator(mode="after")
    def _one_kind_of_off(self) -> Self:
        if self.position_off is not None and self.off_regions_number > 1:
            raise ValueError("got both position_off and off_regions_number; give only one of them")
        return self


class _Target(Section):
    name: Name
    """Name of the dataset and of its files."""
    energy: EnergyBins
    """Bins of reconstructed energy."""
    energy_true: EnergyBins | None = None
    """Bins of true energy; those of ``energy`` by default."""
    migra: MigraBins | None = None
    """Store the energy dispersion as a map in migra with these bins; as kernels by default."""
    exclusion: list[Excluded] = Field(default=[])
    """Regions with gamma rays, which the background makers exclude: circles, texts in DS9 format, and files."""
    exclusion_file: PlaceText | None = None
    """File with such regions (DS9) or with a mask (FITS, false in regions with gamma rays)."""

    theta_squared: ThetaSquared | None = None
    """Make a table of counts over the squared angle from a position too."""

    @model_validator(mode="after")
    def _first_maker(self) -> Self:
        steps: list[MapStep | SpectrumStep] = self.makers  # type: ignore[attr-defined]
        # Whether a maker of a user bins the events is known when its code runs, see `build_makers`.
        own = [isinstance(step, OwnMakerSettings) for step in steps]
        bins = [step.type.endswith("DatasetMaker") for step, is_own in zip(steps, own, strict=True) if not is_own]
        if not (own[0] or bins[0]) or sum(bins) + own[0] > 1:
            names = [step.type for step in steps]
            raise ValueError(f"makers must begin with the one maker that bins the events, got {', '.join(names)}")
        return self


def _or_a_name(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"$ref": schema.pop("$ref")}, {"type": "string"}]


class _SkyTarget(_Target):
    center: Position = Field(json_schema_extra=_or_a_name)
    """Centre of the map, or the name of a source; the map is galactic if this frame is, otherwise in ICRS."""
    source: Circle | None = None
    """Region in which the report determines the excess; a circle of 0.1 deg around the centre by default."""
    binsz_irf: PositiveAngleText = "0.2 deg"
    """Pixel size of PSF and energy dispersion."""
    rad: AngleBins | None = None
    """Bins of the PSF; 66 up to 0.66 deg by default."""
    cutout_width: PositiveAngleText | None = None
    """Width of the cutout around each pointing; by default twice offset_max of the SafeMaskMaker, or the whole map."""
    cutout_mode: Literal["trim", "partial", "strict"] = "trim"
    """What to do with a cutout that extends beyond the edge of the map."""


class FindExclusion(Section):
    """Find the significant pixels of the finished stacks, as an exclusion for the next reduction."""

    radius: PositiveAngleText = "0.1 deg"
    """Radius of the circle around each pixel in which the significance is computed."""
    threshold: PositiveFloat = 5.0
    """Significance above which a pixel is excluded."""
    threshold_low: PositiveFloat = 3.0
    """Pixels above this one are excluded too if they are connected with one above the threshold."""
    min_size: PositiveInt = 4
    """Smallest number of connected pixels."""
    margin: NonNegativeAngleText = "0 deg"
    """Width of the border around them that is excluded too."""

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        if self.threshold_low > self.threshold:
            raise ValueError(
                f"threshold_low must be at most the threshold, got {self.threshold_low} and {self.threshold}"
            )
        return self


class MapTarget(_SkyTarget):
    """Maps of a part of the sky."""

    kind: Literal["map"] = "map"
    width: PositiveAngleText | tuple[PositiveAngleText, PositiveAngleText]
    """Width, or width and height."""
    binsz: PositiveAngleText = "0.02 deg"
    """Pixel size."""
    proj: Projection = "CAR"
    """Three-letter code of the projection."""
    find_exclusion: FindExclusion | None = None
    """Write an exclusion mask of the significant pixels of each stack too."""
    makers: list[MapStep] = Field(min_length=1)
    """Reduction steps for each observation, in this order."""


class HealpixTarget(_SkyTarget):
    """Maps with HEALPix pixels of all the sky or a part of it; all the sky without ``width`` and ``region``."""

    kind: Literal["healpix"]
    width: PositiveAngleText | None = None
    """Diameter of the disc around the centre that the map covers."""
    region: HealpixRegion | None = None
    """Part of the sky instead of a disc, such as "DISK(110,75,10)" or "HPX_PIXEL(NESTED,4,7)"; angles in deg."""
    nside: Annotated[int, Field(ge=1, le=2**20)] | None = None
    """Pixels along the side of one of the 12 faces of the sky."""
    binsz: PositiveAngleText | None = None
    """Pixel size instead of nside, which becomes the power of two whose pixels are nearest to it."""
    nest: bool = True
    """Whether pixels are numbered in the NESTED scheme, or in the RING scheme."""
    frame: Literal["icrs", "galactic"] | None = None
    """Frame of the map; galactic if the frame of the centre is, otherwise icrs, by default."""
    makers: list[HealpixStep] = Field(min_length=1)
    """Reduction steps for each observation, in this order; rings of pixels need a target of kind map."""

    @model_validator(mode="after")
    def _known_pixels(self) -> Self:
        if (self.nside is None) == (self.binsz is None):
            raise ValueError("expected either nside or binsz, got " + ("neither" if self.nside is None else "both"))
        if self.width is not None and self.region is not None:
            raise ValueError("got both width and region; give only one of them")
        if self.nest and self.nside is not None and self.nside & (self.nside - 1):
            raise ValueError(f"nside in the NESTED scheme must be a power of two, got {self.nside}; or set nest: false")
        return self


class SpectrumTarget(_Target):
    """Spectrum of a region."""

    kind: Literal["spectrum"]
    region: Region
    """A circle; a point, for point-like responses, whose directional cut sets the size; or a text in DS9 format."""
    makers: list[SpectrumStep] = Field(min_length=1)
    """Reduction steps for each observation, in this order."""

    @model_validator(mode="after")
    def _with_exposure(self) -> "SpectrumTarget":
        selection = getattr(self.makers[0], "selection", None)
        if isinstance(selection, list) and "exposure" not in selection:
            raise ValueError(
                f"the selection of a spectrum must contain exposure, as its files need the livetime; got {selection}"
            )
        return self


Target = Annotated[MapTarget | HealpixTarget | SpectrumTarget, Field(discriminator="kind")]
