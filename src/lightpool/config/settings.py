"""The settings of a reduction: which observations, what is made of them, how they are grouped, how it is run."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, field_validator, model_validator

from lightpool.arrays.devices.devices import require_known_name
from lightpool.config.paths import PathText
from lightpool.config.positions import Circle
from lightpool.config.quantities import AngleText, DurationText, TimeText
from lightpool.config.section import Section
from lightpool.config.targets import Name, Target
from lightpool.config.yaml_file import dump_yaml, explain, load_yaml
from lightpool.errors import DeviceError

__all__ = ["Groups", "Observations", "Output", "Run", "Settings"]

IRFName = Literal["aeff", "edisp", "psf", "bkg", "rad_max"]


_GROUP_KEYS = {
    "time": (("time_start", "time_width"), ()),
    "gti": (("file",), ()),
    "events": (("expression",), ("edges",)),
    "observations": (("expression",), ("edges",)),
}
"""Keys that a way to group needs, and those that it may have."""


class Observations(Section):
    """Which observations are reduced."""

    datastore: PathText
    """Folder of the index files. A relative path starts at the folder of the settings file."""
    obs_ids: list[int] | None = None
    """Observation numbers, reduced in this order; all of the store by default."""
    obs_ids_file: PathText | None = None
    """File with an observation number in each line, instead of a list."""
    select: str | None = None
    """Condition on columns of the observation index, such as "ZEN_PNT < 50"."""
    cone: Circle | None = None
    """Only observations that point into this circle."""
    required_irf: Literal["full-enclosure", "point-like", "all-optional"] | list[IRFName] = "full-enclosure"
    """Responses that an observation must have."""

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.obs_ids is not None and self.obs_ids_file is not None:
            raise ValueError("got obs_ids as well as obs_ids_file; leave one out")
        return self


class Groups(Section):
    """One way to divide the data; each group becomes a stack of its own."""

    name: Name
    """Name of the division."""
    by: Literal["all", "night", "time", "gti", "events", "observations"] = "all"
    """All in one; nights; bins of time; intervals of a file; events by a condition; observations by a column."""
    time_start: TimeText | None = None
    """For time: where the bins begin, such as "2004-03-26T00:00:00"."""
    time_width: DurationText | None = None
    """For time: width of a bin."""
    file: PathText | None = None
    """For gti: file with an HDU GTI; each interval is a group."""
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
            raise ValueError(f"groups by {self.by!r} have no use for {', '.join(surplus)}")
        return self


class Run(Section):
    """How the work is done. Nothing here but the precision and the chunk size changes a result."""

    device: str = "cpu"
    """Where the maps live: cpu, cuda, torch."""
    precision: Literal["double", "single"] = "double"
    """Numbers of the maps."""
    chunk_size: PositiveInt = 10
    """Observations that are reduced and saved together."""
    read_ahead: NonNegativeInt = 2
    """Observations that are read while one is reduced."""
    on_error: Literal["raise", "skip", "retry"] = "skip"
    """What to do with an observation that fails: stop, leave it out, or try again and then leave it out."""
    retries: PositiveInt = 2
    """For retry: how often."""
    observation_timeout: DurationText | None = None
    """Longest time for an observation, such as "10 min"; what takes longer has failed. No limit by default."""
    cpu_fallback: bool = False
    """Whether a chunk that does not fit into the memory of the device is reduced on the CPU."""

    @field_validator("device")
    @classmethod
    def _known_device(cls, name: str) -> str:
        try:
            require_known_name(name)  # whether it is there, the machine that does the work has to say
        except DeviceError as error:
            raise ValueError(str(error)) from error
        return name


class Output(Section):
    """Where the results go."""

    folder: PathText = "lightpool-output"
    """Folder of all results. A relative path starts at the folder of the settings file."""
    observations: bool = False
    """Whether the dataset of each observation is written too."""
    compress: bool = True
    """Whether files are compressed (.fits.gz)."""
    spectrum_format: Literal["ogip", "xspec"] = "ogip"
    """Units in the files of spectra: ogip keeps those of the settings, xspec has keV and cm2 for XSPEC and Sherpa."""

    @property
    def file_options(self) -> dict[str, Any]:
        """How files of results are written, as `lightpool.batch.storage.results.write_dataset` takes it."""
        return {"compress": self.compress, "spectrum_format": self.spectrum_format}


class Settings(Section):
    """All settings of a reduction."""

    observations: Observations
    targets: list[Target] = Field(min_length=1)
    """What is made of them, in one pass."""
    groups: list[Groups] = Field(default=[Groups(name="all")], min_length=1)
    """How the data are divided, in the same pass."""
    run: Run = Run()
    output: Output = Output()

    @field_validator("targets", "groups")
    @classmethod
    def _unique_names(cls, parts: Sequence[Any]) -> Sequence[Any]:
        names = [part.name for part in parts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each needs a name of its own, got twice: {', '.join(twice)}")
        return parts

    @classmethod
    def read(cls, filename: str | Path) -> Self:
        """Read a settings file (YAML).

        Relative paths in it are taken from its folder, so that it can be used from anywhere.

        Raises
        ------
        ConfigError
            If something in it is not as expected; it names the lines and the keys.
        """
        path = Path(filename)
        data, lines = load_yaml(path)
        return cls._checked(data, str(path), lines).resolved(path.parent)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Settings from what `to_dict` gives."""
        return cls._checked(data, "settings", {})

    @classmethod
    def _checked(cls, data: Any, origin: str, lines: dict[tuple[Any, ...], int]) -> Self:
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise explain(error, origin, lines, cls) from error

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dictionaries, texts and numbers, as JSON has them."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_json(self) -> str:
        """Text of the settings in one line."""
        return json.dumps(self.to_dict())

    def to_yaml(self) -> str:
        """Text of a settings file."""
        return dump_yaml(self.to_dict())

    def resolved(self, folder: Path) -> Self:
        """Settings whose relative paths start at a folder."""
        data = self.to_dict()
        for section, key in _path_places(data):
            if section.get(key) is not None:
                section[key] = str((folder / section[key]).absolute())
        return type(self).model_validate(data)

    def with_options(
        self, *, device: str | None = None, on_error: str | None = None, folder: Path | None = None
    ) -> Self:
        """Settings with what a command line says instead; None leaves what is there."""
        data = self.to_dict()
        data["run"] |= {key: each for key, each in (("device", device), ("on_error", on_error)) if each is not None}
        if folder is not None:
            data["output"]["folder"] = str(folder.absolute())
        return type(self).from_dict(data)

    @property
    def files(self) -> list[Path]:
        """Files, besides those of the store, that results depend on."""
        names = [target.exclusion_file for target in self.targets] + [groups.file for groups in self.groups]
        return [Path(name) for name in names if name is not None]

    def with_files(self, copies: Mapping[str, str]) -> Self:
        """Settings that name other files in place of `files`.

        Parameters
        ----------
        copies : mapping of path to path; files that are not in it stay
        """
        data = self.to_dict()
        for section, key in ((data["targets"], "exclusion_file"), (data["groups"], "file")):
            for each in section:
                if key in each:
                    each[key] = copies.get(each[key], each[key])
        return type(self).from_dict(data)

    def hash(self) -> str:
        """Text that two settings share if and only if they ask for the same numbers."""
        data = self.to_dict()
        del data["output"]
        data["observations"] = {"required_irf": data["observations"]["required_irf"]}
        data["run"] = {key: data["run"][key] for key in ("precision", "chunk_size")}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _path_places(data: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    places = [(data["observations"], key) for key in ("datastore", "obs_ids_file")] + [(data["output"], "folder")]
    places += [(target, "exclusion_file") for target in data["targets"]]
    return places + [(group, "file") for group in data["groups"]]
