"""The settings of a reduction: observations, targets, groups, how to run it, and output."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypedDict

from pydantic import Field, field_validator, model_validator

from lightpool.config.batch_settings import BatchOutput, BatchSettings, Observations, Run
from lightpool.config.exclusions import excluded_files
from lightpool.config.paths import PlaceText
from lightpool.config.quantities import AngleText, DurationText, TimeText
from lightpool.config.section import Section
from lightpool.config.targets import Name, Target

__all__ = ["Groups", "Observations", "Output", "Run", "Settings"]

_GROUP_KEYS = {
    "time": (("time_start", "time_width"), ()),
    "gti": (("file",), ()),
    "events": (("expression",), ("edges",)),
    "observations": (("expression",), ("edges",)),
}
"""Required and optional keys of each way to group."""


class Groups(Section):
    """One way to divide the data; each group becomes a separate stack."""

    name: Name
    """Name of the division."""
    by: Literal["all", "night", "time", "gti", "events", "event_types", "observations"] = "all"
    """All data; nights; time bins; intervals in a file; events by a condition; types of events with the responses that
    files have for them; observations by a column."""
    time_start: TimeText | None = None
    """For time: start of the first bin, such as "2004-03-26T00:00:00"."""
    time_width: DurationText | None = None
    """For time: width of the bins."""
    file: PlaceText | None = None
    """For gti: file with a GTI HDU; each interval is a group."""
    expression: str | None = None
    """For events and observations: a column, such as EVENT_TYPE or ZEN_PNT, or a condition on columns."""
    edges: list[float | AngleText] | None = Field(default=None, min_length=2)
    """For events and observations: bin edges of the column; without them each value is a group."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        needed, optional = _GROUP_KEYS.get(self.by, ((), ()))
        given = {key for key in type(self).model_fields if key not in ("name", "by") and getattr(self, key) is not None}
        if missing := [key for key in needed if key not in given]:
            raise ValueError(f"groups by {self.by!r} need {' and '.join(missing)}")
        if surplus := sorted(given.difference(needed, optional)):
            raise ValueError(f"groups by {self.by!r} do not take {', '.join(surplus)}")
        return self


class FileOptions(TypedDict):
    """How result files are written, see `lightpool.batch.storage.results.write_dataset`."""

    compress: bool
    spectrum_format: str


class Output(BatchOutput):
    """Where and how the results are written."""

    observations: bool = False
    """Whether the dataset of each observation is also written."""
    spectrum_format: Literal["ogip", "xspec"] = "ogip"
    """Units in the files of spectra: ogip keeps those of the settings; xspec uses keV and cm2 for XSPEC and Sherpa."""

    @property
    def file_options(self) -> FileOptions:
        """Options of `lightpool.batch.storage.results.write_dataset`."""
        return {"compress": self.compress, "spectrum_format": self.spectrum_format}

    @property
    def has_observations(self) -> bool:
        """Whether chunks write files of single observations."""
        return self.observations


class Settings(BatchSettings):
    """All settings of a reduction."""

    command: ClassVar[str] = "reduce"
    needed_keys: ClassVar[str] = "'observations:' and 'targets:'"

    targets: list[Target] = Field(min_length=1)
    """Maps and spectra to make from them, in one pass."""
    groups: list[Groups] = Field(default=[Groups(name="all")], min_length=1)
    """How the data are divided, in the same pass."""
    output: Output = Output()

    @field_validator("targets", "groups")
    @classmethod
    def _unique_names(cls, parts: Sequence[Groups | Target]) -> Sequence[Groups | Target]:
        names = [part.name for part in parts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"names must be unique, got more than once: {', '.join(twice)}")
        return parts

    @classmethod
    def file_keys(cls, data: dict[str, Any]) -> "list[tuple[Any, Any]]":
        """Return the keys of files that results depend on, each with the dict that contains it.

        Parameters
        ----------
        data : dict
            As `to_dict` returns it.
        """
        sections = [(target, "exclusion_file") for target in data["targets"]]
        sections += [pair for target in data["targets"] for pair in excluded_files(target["exclusion"])]
        sections += [(group, "file") for group in data["groups"]]
        return [(section, key) for section, key in sections if key in section]

    @classmethod
    def path_keys(cls, data: dict[str, Any]) -> "list[tuple[Any, Any]]":
        """Return all keys whose values are paths and that are given, each with the dict that contains it.

        Parameters
        ----------
        data : dict
            As `to_dict` returns it.
        """
        own = [step for step in _own_makers(data) if "python_path" in step]
        found = [*super().path_keys(data), *((step, "datastore") for step in _off_runs(data))]
        return [*found, *((step, "python_path") for step in own)]

    def resolved(self, folder: Path) -> Self:
        """Return settings with absolute paths, in which own makers without a path are searched in the folder.

        Parameters
        ----------
        folder : Path
            Where relative paths start.
        """
        data = self.to_dict()
        if not (own := _own_makers(data)):
            return super().resolved(folder)
        for step in own:
            step.setdefault("python_path", ".")
        return super(Settings, type(self).model_validate(data)).resolved(folder)

    @property
    def index_columns(self) -> set[str]:
        """Columns of the observation index that the sums depend on."""
        expressions = [groups.expression for groups in self.groups if groups.by == "observations"]
        # ZEN_PNT is a part of the summary of each observation.
        return {"ZEN_PNT"}.union(*(re.findall(r"\w+", expression or "") for expression in expressions))

    def hashed(self) -> dict[str, Any]:
        """Return what results depend on, besides the observations and the version of the program."""
        data = self.to_dict()
        del data["output"]
        # Which observations are reduced is recorded as their numbers, beside this hash.
        data["observations"] = {"required_irf": data["observations"]["required_irf"]}
        # The chunk size is the grouping of sums, on which their rounding depends.
        data["run"] = {key: data["run"][key] for key in ("precision", "chunk_size")}
        for target in data["targets"]:
            target.pop("find_exclusion", None)  # it is made of the finished sums
        for step in _own_makers(data):
            step.pop("python_path", None)  # the code is told by its contents, wherever it is
        for step in _off_runs(data):
            # The runs are told by their numbers, and their files by their contents, wherever they are.
            del step["datastore"]
        return data


def _off_runs(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that take a background from OFF runs."""
    return [step for step in _steps(data) if step["type"] == "OffRunsBackgroundMaker"]


def _own_makers(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that are makers of the user."""
    return [step for step in _steps(data) if ":" in step["type"]]


def _steps(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for target in data["targets"] for step in target["makers"]]
