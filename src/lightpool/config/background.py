"""The settings of background models: bins, exclusions, groups of runs, tables, and output."""

import json
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

import astropy.units as u
from pydantic import Field, PositiveInt, field_validator, model_validator

from lightpool.config.batch_settings import BatchOutput, BatchSettings
from lightpool.config.exclusions import Excluded, excluded_files
from lightpool.config.paths import PathText
from lightpool.config.quantities import AngleText
from lightpool.config.section import Section
from lightpool.config.targets import BinNumber, EnergyBins
from lightpool.makers import BackgroundTableMaker, GroupRunsBy

__all__ = [
    "AngleAxis",
    "BackgroundBins",
    "BackgroundOutput",
    "BackgroundSettings",
    "FieldAxes",
    "RunGroups",
    "Tables",
]

_GROUP_KEYS = {
    "zenith": ("edges", "n_bin", "spacing"),
    "azimuth": ("n_sector",),
    "column": ("column", "edges", "n_bin", "spacing"),
    "telescopes": ("column",),
    "dates": ("edges",),
}
"""Keys of each way to group, which are the arguments of the method of `GroupRunsBy`."""


class AngleAxis(Section):
    """Bins of equal width from ``min`` to ``max``, or ``edges``."""

    min: AngleText | None = None
    """Lower end; zero by default for an offset."""
    max: AngleText | None = None
    """Upper end."""
    nbin: BinNumber | None = None
    """Number of bins."""
    edges: list[AngleText] | None = Field(default=None, min_length=2)
    """Edges, ascending, instead of the above."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.edges is not None:
            if (self.min, self.max, self.nbin) != (None, None, None):
                raise ValueError("got both edges and min, max or nbin; give only one of them")
            if any(u.Quantity(low) >= u.Quantity(high) for low, high in pairwise(self.edges)):
                raise ValueError(f"edges must be strictly ascending, got {', '.join(self.edges)}")
        elif self.max is None or self.nbin is None:
            raise ValueError("expected max and nbin (and min), or edges")
        elif self.min is not None and u.Quantity(self.min) >= u.Quantity(self.max):
            raise ValueError(f"min must be below max, got {self.min} and {self.max}")
        return self


class FieldAxes(Section):
    """Bins of the field of view: ``offset`` for a radial model, or ``fov_lon`` and ``fov_lat``."""

    offset: AngleAxis | None = None
    """Distance from the pointing."""
    fov_lon: AngleAxis | None = None
    """Longitude in the field of view."""
    fov_lat: AngleAxis | None = None
    """Latitude in the field of view."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if given not in (["offset"], ["fov_lon", "fov_lat"]):
            raise ValueError(f"expected either offset, or fov_lon and fov_lat, got {', '.join(given) or 'nothing'}")
        return self


class BackgroundBins(Section):
    """What is summed; the keys are the arguments of `BackgroundModelMaker`."""

    energy_axis: EnergyBins
    """Fine bins of reconstructed energy; tables can have any union of them."""
    axes: FieldAxes
    """Bins of the field of view."""
    fov_alignment: Literal["ALTAZ", "RADEC"] = "ALTAZ"
    """Whether fov_lon and fov_lat are along the horizon, as the camera, or along the sky."""
    exclusion: list[Excluded] = Field(default=[])
    """Where gamma rays or stars are: events and exposure there are left out."""
    oversampling: PositiveInt = 10
    """Points along each side of a bin at which the exclusion is evaluated."""
    max_rotation: float = Field(default=0.2, gt=0, le=1)
    """Largest part of the width of a bin by which a bin may move against the sky in a step of time."""


class RunGroups(Section):
    """One way to group the runs; the keys are the arguments of the method of `GroupRunsBy`."""

    by: Literal["zenith", "azimuth", "column", "telescopes", "dates"]
    """What is grouped by."""
    column: str | None = None
    """For column and telescopes: column of the observation index; TELLIST by default for telescopes."""
    edges: list[float | str] | None = Field(default=None, min_length=2)
    """For zenith (deg), column and dates (UTC): edges of the groups."""
    n_bin: PositiveInt | None = None
    """For zenith and column: number of groups, instead of edges."""
    spacing: Literal["counts", "cos_zenith", "linear"] | None = None
    """For zenith and column, with n_bin: what is equal in all groups; counts by default."""
    n_sector: PositiveInt | None = None
    """For azimuth: 2, for north and south, by default."""

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        allowed = _GROUP_KEYS[self.by]
        given = {name for name in type(self).model_fields if getattr(self, name) is not None}
        if surplus := sorted(given.difference({"by"}, allowed)):
            raise ValueError(f"groups by {self.by!r} do not take {', '.join(surplus)}; they take {', '.join(allowed)}")
        if self.by == "column" and self.column is None:
            raise ValueError("groups by 'column' need column")
        if self.by == "dates" and self.edges is None:
            raise ValueError("groups by 'dates' need edges")
        try:
            self.build()
        except TypeError as error:
            raise ValueError(f"edges cannot be used: {error}") from error
        return self

    def build(self) -> GroupRunsBy:
        """Return the way to group."""
        if self.by == "azimuth":
            return GroupRunsBy.azimuth(self.n_sector or 2)
        if self.by == "telescopes":
            return GroupRunsBy.telescopes() if self.column is None else GroupRunsBy.telescopes(self.column)
        if self.by == "dates":
            return GroupRunsBy.dates([str(edge) for edge in self.edges or ()])
        edges = None if self.edges is None else [_number(edge) for edge in self.edges]
        n_bin, spacing = self.n_bin or 0, self.spacing or "counts"
        if self.by == "zenith":
            return GroupRunsBy.zenith(edges, n_bin=n_bin, spacing=spacing)
        return GroupRunsBy.by_column(str(self.column), edges, n_bin=n_bin, spacing=spacing)


def _number(edge: float | str) -> float:
    """Return an edge as a number; angles may have a unit."""
    if not isinstance(edge, str):
        return edge
    try:
        return float(u.Quantity(edge).to_value("deg"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"got the edge {edge!r}, expected a number or an angle such as '20 deg'") from error


class Tables(Section):
    """How tables are made of the sums; the keys are the arguments of `BackgroundTableMaker`."""

    energy_axis: EnergyBins | None = None
    """Bins of the tables, unions of the fine bins, which are used by default."""
    min_counts: int = Field(default=0, ge=0)
    """Merge bins of energy until each has so many events in the whole field of view."""
    max_energy_ratio: float = Field(default=4.0, gt=1)
    """Largest ratio of the edges of a merged bin."""
    common_energy_bins: bool = False
    """Whether the bins of all groups are merged alike."""
    smoothing: int | None = Field(default=None, ge=0, le=8)
    """Order of a smooth fit in the squared offset; no fit by default."""
    extrapolate_below: PositiveInt | None = None
    """Replace the rates above the last bin of energy with so many events by a power law."""
    min_remaining: float = Field(default=0.1, gt=0, le=1)
    """Smallest part of the exposure of a bin that must remain outside of the exclusion."""
    at_centre: bool = True
    """Whether rates are those at the centres of the bins of energy, or mean rates."""
    interpolate_zenith: bool = False
    """Whether the table of a run is interpolated between those of zenith groups, linearly in the cosine."""


class BackgroundOutput(BatchOutput):
    """Where and how the results are written."""

    tables: Literal["groups", "runs", "normalised_runs"] = "groups"
    """Tables of groups; also one for each run; or also one for each run, normalised to its counts."""
    store_out: PathText | None = None
    """Folder for index files that point to the old event files and the new tables; none by default."""
    without_model: Literal["keep", "drop"] = "keep"
    """Whether runs without a model keep their old table in this index, or have none."""


class BackgroundSettings(BatchSettings):
    """All settings of background models."""

    command: ClassVar[str] = "background"
    needed_keys: ClassVar[str] = "'observations:' and 'background:'"

    background: BackgroundBins
    """What is summed in one pass over the events."""
    groups: list[RunGroups] = Field(default=[])
    """How the runs are divided, crossed; all runs are one group by default."""
    tables: Tables = Tables()
    """How tables are made of the sums, without the events."""
    output: BackgroundOutput = BackgroundOutput()

    @field_validator("groups")
    @classmethod
    def _each_once(cls, groups: list[RunGroups]) -> list[RunGroups]:
        names = [f"{each.by} {each.column or ''}".strip() for each in groups]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"groups by the same quantity cannot be crossed, got more than once: {', '.join(twice)}")
        return groups

    @model_validator(mode="after")
    def _tables_that_can_be_interpolated(self) -> Self:
        tables = self.tables
        if not tables.interpolate_zenith:
            return self
        if not any(each.by == "zenith" for each in self.groups):
            raise ValueError("tables.interpolate_zenith needs groups by zenith")
        if tables.min_counts and not tables.common_energy_bins:
            raise ValueError("tables.interpolate_zenith with min_counts needs common_energy_bins: true")
        if self.output.tables == "groups":
            raise ValueError(
                "interpolated tables differ from run to run: tables.interpolate_zenith needs output.tables: runs, or "
                "normalised_runs"
            )
        return self

    @classmethod
    def file_keys(cls, data: dict[str, Any]) -> "list[tuple[Any, Any]]":
        """Return the keys of files that results depend on, each with the dict or list that contains it.

        Parameters
        ----------
        data : dict
            As `to_dict` returns it.
        """
        return list(excluded_files(data["background"]["exclusion"]))

    @classmethod
    def path_keys(cls, data: dict[str, Any]) -> "list[tuple[Any, Any]]":
        """Return all keys whose values are paths, each with the dict or list that contains it.

        Parameters
        ----------
        data : dict
            As `to_dict` returns it.
        """
        more: list[tuple[Any, Any]] = [(data["output"], "store_out")] if "store_out" in data["output"] else []
        return super().path_keys(data) + more

    def hashed(self) -> dict[str, Any]:
        """Return what the sums depend on, besides the observations and the version of the program.

        Groups, tables and output are made of the sums: a change of them needs no second pass over the events.
        """
        data = self.to_dict()
        required = {"required_irf": data["observations"]["required_irf"]}
        return {"background": data["background"], "observations": required}

    def table_maker(self, energy_axis: Any = None) -> BackgroundTableMaker:
        """Return the maker of the tables.

        Parameters
        ----------
        energy_axis : MapAxis, optional
            Bins of ``tables.energy_axis``.
        """
        keys = set(Tables.model_fields).difference(("energy_axis", "interpolate_zenith"))
        return BackgroundTableMaker(energy_axis, **{key: getattr(self.tables, key) for key in keys})

    def with_store_out(self, folder: str | None) -> Self:
        """Return settings with another folder for the index files, or the same ones if it is None.

        Parameters
        ----------
        folder : str or None
        """
        if folder is None:
            return self
        data = json.loads(self.to_json())
        data["output"]["store_out"] = folder
        return type(self).from_dict(data)
