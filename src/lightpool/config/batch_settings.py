"""What the settings of all batches share: observations, how they are run, and reading settings from files."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import NonNegativeInt, PositiveInt, ValidationError, field_validator, model_validator

from lightpool.arrays.devices.devices import require_known_name
from lightpool.config.paths import PathText, PlaceText
from lightpool.config.positions import Circle
from lightpool.config.quantities import DurationText
from lightpool.config.section import Section
from lightpool.config.yaml_file import dump_yaml, explain, load_yaml
from lightpool.errors import DeviceError
from lightpool.fits import Place, is_address
from lightpool.typing import JSONValue

__all__ = ["BatchOutput", "BatchSettings", "Observations", "Run"]

IRFName = Literal["aeff", "edisp", "psf", "bkg", "rad_max"]


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


class BatchOutput(Section):
    """Where the results are written."""

    folder: PathText = "lightpool-output"
    """Folder of all results. A relative path is relative to the folder of the settings file."""
    compress: bool = True
    """Whether files are compressed (.fits.gz)."""

    @property
    def has_observations(self) -> bool:
        """Whether chunks write files of single observations."""
        return False


class BatchSettings(Section):
    """Settings of a batch; a class of its own adds what is made of the observations."""

    command: ClassVar[str]
    """The command of lightpool that takes these settings."""
    needed_keys: ClassVar[str]
    """Keys that a file has, as text for errors."""

    observations: Observations
    run: Run = Run()
    output: BatchOutput = BatchOutput()

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
        data, lines = load_yaml(path, cls.needed_keys)
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
        data = self.model_dump(mode="json", exclude_none=True)
        # In the order of a settings file: how the batch is run and where it is written come last.
        last = ("run", "output")
        return {key: data[key] for key in (*(key for key in data if key not in last), *last)}

    def to_json(self) -> str:
        """Return the settings as JSON in one line."""
        return json.dumps(self.to_dict())

    def to_yaml(self) -> str:
        """Return the settings as the text of a settings file."""
        return dump_yaml(self.to_dict())

    def resolved(self, folder: Path) -> Self:
        """Return settings in which relative paths are replaced by absolute ones, starting at a folder."""
        data = self.to_dict()
        for section, key in self.path_keys(data):
            if not is_address(section[key]):
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
        names = [section[key] for section, key in self.file_keys(self.to_dict())]
        return [name if is_address(name) else Path(name) for name in names]

    def with_files(self, copies: Mapping[str, str]) -> Self:
        """Return settings that name other files in place of `files`.

        Parameters
        ----------
        copies : mapping of str to str
            New path of each path; other files are unchanged.
        """
        data = self.to_dict()
        for section, key in self.file_keys(data):
            section[key] = copies.get(section[key], section[key])
        return type(self).from_dict(data)

    @classmethod
    def path_keys(cls, data: dict[str, Any]) -> "list[tuple[Any, Any]]":
        """Return all keys whose values are paths and that are given, each with the dict or list that contains it.

        Parameters
        ----------
        data : dict
            As `to_dict` returns it.
        """
        asked = data["observations"]
        found = [(asked, key) for key in ("datastore", "obs_ids_file") if key in asked]
        return [*found, (data["output"], "folder"), *cls.file_keys(data)]

    @classmethod
    def file_keys(cls, data: dict[str, Any]) -> "list[tuple[Any, Any]]":
        """Return the keys of `files` that are given, each with the dict or list that contains it.

        Parameters
        ----------
        data : dict
            As `to_dict` returns it.
        """
        raise NotImplementedError

    @property
    def index_columns(self) -> set[str]:
        """Columns of the observation index that the sums depend on."""
        return set()

    def hashed(self) -> dict[str, Any]:
        """Return what the sums of chunks depend on, besides the observations and the version of the program."""
        raise NotImplementedError

    def hash(self) -> str:
        """Return a text that is the same for two settings if and only if the sums of their chunks are the same."""
        text = json.dumps(self.hashed(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
