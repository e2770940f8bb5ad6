"""The settings of a reduction: observations, targets, groups, how to run it, and output."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypedDict

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, field_validator, model_validator

from lightpool.arrays.devices.devices import require_known_name
from lightpool.config.exclusions import excluded_files
from lightpool.config.paths import PathText, PlaceText
from lightpool.config.positions import Circle
from lightpool.config.quantities import AngleText, DurationText, TimeText
from lightpool.config.section import Section
from lightpool.config.targets import Name, Target
from lightpool.config.yaml_file import dump_yaml, explain, load_yaml
from lightpool.errors import DeviceError
from lightpool.fits import Place, is_address
from lightpool.typing import JSONValue

__all__ = ["Groups", "Observations", "Output", "Run", "Settings"]

IRFName = Literal["aeff", "edisp", "psf", "bkg", "rad_max"]


_GROUP_KEYS = {
    "time": (("time_start", "time_width"), ()),
    "gti": (("file",), ()),
    "events": (("expression",), ("edges",)),
    "observations": (("expression",), ("edges",)),
}
"""Required and optional keys of each way to group."""


class Observations(Section):
    """Which observations are reduced."""

    datastore: PlaceText
    """Folder of the index files, or its address. A relative path is relative to the folder of the settings file."""
    hdu_index: PlaceText | None = None
    """File of the HDU index, in the data store or elsewhere; hdu-index.fits.gz by default."""
    obs_index: PlaceText | None = None
    """File of the observation index, in the same way; obs-index.fits.gz by default."""
    obs_ids: list[int] | None = None
    """Observation numbers, reduced in this order; all observations of the data store by default."""
    obs_ids_file: PlaceText | None = None
    """File with one observation number per line, instead of a list."""
    select: str | None = None
    """Condition on columns of the observation index, such as "ZEN_PNT < 50"."""
    cone: Circle | None = None
    """Only observations whose pointing lies in this circle."""
    required_irf: Literal["full-enclosure", "point-like", "all-optional"] | list[IRFName] = "full-enclosure"
    """Responses that an observation must have."""

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.obs_ids is not None and self.obs_ids_file is not None:
            raise ValueError("got both obs_ids and obs_ids_file; give only one of them")
        return self


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


GPU_CHUNK_SIZE = 50
"""Observations of a chunk, by default, where the device in the settings is a GPU."""


def _is_gpu(device: object) -> bool:
    return isinstance(device, str) and device.strip().lower().startswith(("cuda", "torch:cuda"))


class Run(Section):
    """How the reduction is run. Only the precision and the chunk size affect the results."""

    device: str = "cpu"
    """Device of the maps: cpu, cuda, torch."""
    precision: Literal["double", "single"] = "double"
    """Precision of the maps."""
    chunk_size: PositiveInt = 10
    """Observations that are reduced and saved together; 50 by default if the device is a GPU."""
    read_ahead: NonNegativeInt = 2
    """Number of observations that are read in advance."""
    on_error: Literal["raise", "skip", "retry"] = "skip"
    """What to do if an observation fails: stop, omit it, or try again and then omit it."""
    retries: PositiveInt = 2
    """For retry: number of further attempts."""
    observation_timeout: DurationText | None = None
    """Time limit per observation, such as "10 min"; an observation that takes longer fails. No limit by default."""
    cpu_fallback: bool = False
    """Whether a chunk that does not fit into the device memory is reduced on the CPU."""

    @model_validator(mode="before")
    @classmethod
    def _larger_chunks_for_a_gpu(cls, data: Any) -> Any:
        # Reading the sums of a chunk back and saving them takes as long as several observations take on a GPU.
        if isinstance(data, dict) and "chunk_size" not in data and _is_gpu(data.get("device")):
            return {**data, "chunk_size": GPU_CHUNK_SIZE}
        return data

    @field_validator("device")
    @classmethod
    def _known_device(cls, name: str) -> str:
        try:
            require_known_name(name)  # whether it exists is checked on the machine that does the work
        except DeviceError as error:
            raise ValueError(str(error)) from error
        return name


class Output(Section):
    """Where and how the results are written."""

    folder: PathText = "lightpool-output"
    """Folder of all results. A relative path is relative to the folder of the settings file."""
    observations: bool = False
    """Whether the dataset of each observation is also written."""
    compress: bool = True
    """Whether files are compressed (.fits.gz)."""
    spectrum_format: Literal["ogip", "xspec"] = "ogip"
    """Units in the files of spectra: ogip keeps those of the settings; xspec uses keV and cm2 for XSPEC and Sherpa."""

    @property
    def file_options(self) -> FileOptions:
        """Options of `lightpool.batch.storage.results.write_dataset`."""
        return {"compress": self.compress, "spectrum_format": self.spectrum_format}


class Settings(Section):
    """All settings of a reduction."""

    observations: Observations
    targets: list[Target] = Field(min_length=1)
    """Maps and spectra to make from them, in one pass."""
    groups: list[Groups] = Field(default=[Groups(name="all")], min_length=1)
    """How the data are divided, in the same pass."""
    run: Run = Run()
    output: Output = Output()

    @field_validator("targets", "groups")
    @classmethod
    def _unique_names(cls, parts: Sequence[Groups | Target]) -> Sequence[Groups | Target]:
        names = [part.name for part in parts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"names must be unique, got more than once: {', '.join(twice)}")
        return parts

    @classmethod
    def read(cls, filename: str | Path) -> Self:
        """Read a settings file (YAML).

        Relative paths in it are relative to its folder, so that it can be used from anywhere.

        Parameters
        ----------
        filename : str or Path

        Raises
        ------
        ConfigError
            If the settings are invalid; names the lines and the keys.
        """
        path = Path(filename)
        data, lines = load_yaml(path)
        return cls._checked(data, str(path), lines).resolved(path.parent)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Create settings from the output of `to_dict`."""
        return cls._checked(data, "settings", {})

    @classmethod
    def _checked(cls, data: dict[str, JSONValue], origin: str, lines: dict[tuple[int | str, ...], int]) -> Self:
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise explain(error, origin, lines, cls) from error

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-compatible dict."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_json(self) -> str:
        """Return the settings as JSON in one line."""
        return json.dumps(self.to_dict())

    def to_yaml(self) -> str:
        """Return the settings as the text of a settings file."""
        return dump_yaml(self.to_dict())

    def resolved(self, folder: Path) -> Self:
        """Return settings in which relative paths are replaced by absolute ones, starting at a folder."""
        data = self.to_dict()
        for section, key in _path_keys(data):
            if section.get(key) is not None and not is_address(section[key]):
                # Not `resolve`: symbolic links stay as they were written.
                section[key] = str((folder / section[key]).absolute())
        return type(self).model_validate(data)

    def with_options(
        self, *, device: str | None = None, on_error: str | None = None, folder: Path | None = None
    ) -> Self:
        """Return settings with options of the command line, which replace those that are not None.

        Parameters
        ----------
        device : str, optional
            Replaces ``run.device``.
        on_error : {"raise", "skip", "retry"}, optional
            Replaces ``run.on_error``.
        folder : Path, optional
            Replaces ``output.folder``.
        """
        data = self.to_dict()
        data["run"] |= {key: each for key, each in (("device", device), ("on_error", on_error)) if each is not None}
        if folder is not None:
            data["output"]["folder"] = str(folder.absolute())
        return type(self).from_dict(data)

    @property
    def files(self) -> list[Place]:
        """Paths and addresses of files that results depend on, other than those of the data store."""
        names = [section[key] for section, key in _file_keys(self.to_dict()) if key in section]
        return [name if is_address(name) else Path(name) for name in names]

    def with_files(self, copies: Mapping[str, str]) -> Self:
        """Return settings that name other files in place of `files`.

        Parameters
        ----------
        copies : mapping of str to str
            New path of each path; other files are unchanged.
        """
        data = self.to_dict()
        for section, key in _file_keys(data):
            if key in section:
                section[key] = copies.get(section[key], section[key])
        return type(self).from_dict(data)

    def hash(self) -> str:
        """Return a text that is the same for two settings if and only if their results are the same."""
        data = self.to_dict()
        del data["output"]
        # Which observations are reduced is recorded as their numbers, beside this hash.
        data["observations"] = {"required_irf": data["observations"]["required_irf"]}
        # The chunk size is the grouping of sums, on which their rounding depends.
        data["run"] = {key: data["run"][key] for key in ("precision", "chunk_size")}
        for step in _off_runs(data):
            # The runs are told by their numbers, and their files by their contents, wherever they are.
            del step["datastore"]
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _path_keys(data: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return all keys whose values are paths, each with the dict that contains it."""
    found = [(data["observations"], key) for key in ("datastore", "obs_ids_file")] + [(data["output"], "folder")]
    found += [(step, "datastore") for step in _off_runs(data)]
    return found + _file_keys(data)


def _off_runs(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that take a background from OFF runs."""
    steps = [step for target in data["targets"] for step in target["makers"]]
    return [step for step in steps if step["type"] == "OffRunsBackgroundMaker"]


def _file_keys(data: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return the keys of the files that results depend on, each with the dict that contains it."""
    found = [(target, "exclusion_file") for target in data["targets"]]
    found += [pair for target in data["targets"] for pair in excluded_files(target["exclusion"])]
    return found + [(group, "file") for group in data["groups"]]
