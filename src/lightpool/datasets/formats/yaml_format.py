"""The YAML files of datasets and models, in the layout of Gammapy.

A file has a section of data, a section ``metadata`` (who wrote it and when) and, optionally, an MD5 ``checksum`` of the
text above it.
"""

import hashlib
import os
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lightpool import __version__
from lightpool.errors import FormatError
from lightpool.fits import file_kinds, make_path, read_fits, read_text
from lightpool.fits.content_kinds import description, is_fits
from lightpool.typing import PathInput

__all__ = ["from_yaml", "models_from_yaml", "read_models", "read_yaml", "to_yaml", "write_models", "write_yaml"]

# As Gammapy writes it: the checksum is that of the text, so both must lay it out alike.
_LAYOUT: dict[str, Any] = {"sort_keys": False, "indent": 4, "width": 80, "default_flow_style": False}
_COVARIANCE_LAYOUT = "ascii.fixed_width"


class ModelsInFile(Protocol):
    """Interface that files of models require of models: a `DatasetModels`."""

    covariance: NDArray[np.float64]

    @property
    def parameters_unique_names(self) -> list[str]:
        """Names of the parameters."""
        ...

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return the section of models, with fields that have their default value if ``full_output``."""
        ...

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Create models of their section."""
        ...


ModelsT = TypeVar("ModelsT", bound=ModelsInFile)


def to_yaml(data: dict[str, Any]) -> str:
    """Turn a dictionary into text, with a section that says what wrote it."""
    import yaml

    date = datetime.now(UTC).replace(tzinfo=None).isoformat()
    metadata = {"creator": f"lightpool {__version__}", "date": date, "origin": None}

    class Dumper(yaml.SafeDumper):
        """Write subclasses of ``str``, such as `GeneratedName`, as text."""

    Dumper.add_multi_representer(str, lambda dumper, name: dumper.represent_str(str(name)))
    return "".join(yaml.dump(part, Dumper=Dumper, **_LAYOUT) for part in (data, {"metadata": metadata}))


def from_yaml(text: str, checksum: bool = False, source: str = "<text>") -> dict[str, Any]:
    """Read a text.

    Parameters
    ----------
    text : str
    checksum : bool, whether to warn if the text was changed since it was written
    source : str, what errors and warnings call the text
    """
    import yaml

    from lightpool.utils.plain_yaml import parse_yaml

    data, _ = parse_yaml(text, source)
    if not isinstance(data, dict):
        raise FormatError(f"{source}: expected sections with names, got {type(data).__name__}")
    written = data.pop("checksum", None)
    # The text above the checksum is not kept, but the same layout reproduces it.
    if checksum and written != _checksum(yaml.dump(data, **_LAYOUT)):
        warnings.warn(
            f"{source}: Checksum verification failed, the file was changed by hand", UserWarning, stacklevel=2
        )
    return data


def _checksum(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def write_yaml(text: str, path: PathInput, overwrite: bool = False, checksum: bool = False) -> None:
    """Write a text of `to_yaml` to a file, whole or not at all.

    Parameters
    ----------
    text : str
    path : str or Path
    overwrite : bool
    checksum : bool, whether to add a checksum of the text
    """
    target = make_path(path)
    if target.exists() and not overwrite:
        raise FileExistsError(f"file exists already: {target}; use overwrite=True to replace it")
    target.parent.mkdir(parents=True, exist_ok=True)
    if checksum:
        text += f"checksum: {_checksum(text)}\n"
    # Written beside the target and renamed, which is atomic; the process id keeps several writers apart.
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)


def read_yaml(path: PathInput, checksum: bool = False) -> dict[str, Any]:
    """Read a file.

    Parameters
    ----------
    path : str or Path
    checksum : bool, whether to warn if the file was changed since it was written
    """
    source = make_path(path)
    return from_yaml(read_text(source), checksum, str(source))


def read_dataset_entries(path: Path, checksum: bool = False) -> list[dict[str, str]]:
    """Read the entries of a file of datasets: name, type and file name of each.

    Parameters
    ----------
    path : Path
    checksum : bool, whether to warn if the file was changed since it was written

    Raises
    ------
    FormatError
        If it is no such file.
    """
    if path.is_file() and is_fits(path):
        file = read_fits(path, in_pieces=True)
        what = description(file, file_kinds(file))
        raise FormatError(f"{path} holds {what}; Datasets.read expects a YAML file that names such files")
    entries = read_yaml(path, checksum=checksum).get("datasets")
    keys = {"name", "type", "filename"}
    if not isinstance(entries, list) or any(not isinstance(entry, dict) or keys - entry.keys() for entry in entries):
        raise FormatError(f"{path}: expected a section 'datasets', a list of entries with {', '.join(sorted(keys))}")
    return entries


def write_models(
    models: ModelsInFile,
    path: PathInput,
    overwrite: bool = False,
    full_output: bool = False,
    write_covariance: bool = True,
    checksum: bool = False,
) -> None:
    """Write models, and next to them their covariance as ``<name>_covariance.dat``.

    Parameters
    ----------
    models : DatasetModels
    path : str or Path
    overwrite : bool
    full_output : bool, whether to write fields that have their default value too
    write_covariance : bool
    checksum : bool, whether to add a checksum of the text
    """
    target = make_path(path)
    if target.exists() and not overwrite:
        raise FileExistsError(f"file exists already: {target}; use overwrite=True to replace it")
    data = models.to_dict(full_output)
    if write_covariance and len(models.parameters_unique_names):
        data["covariance"] = f"{target.stem}_covariance.dat"
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_covariance(models, target.parent / data["covariance"])
    write_yaml(to_yaml(data), target, overwrite, checksum)


def read_models(cls: type[ModelsT], path: PathInput, checksum: bool = False) -> ModelsT:
    """Read models and their covariance.

    Parameters
    ----------
    cls : class of the models
    path : str or Path
    checksum : bool, whether to warn if the file was changed since it was written
    """
    source = make_path(path)
    return _models_from_dict(cls, read_yaml(path, checksum), source.parent)


def models_from_yaml(cls: type[ModelsT], text: str, path: PathInput = "", checksum: bool = False) -> ModelsT:
    """Create the models of a text.

    Parameters
    ----------
    cls : class of the models
    text : str
    path : str or Path, folder of the covariance file that the text names
    checksum : bool, whether to warn if the text was changed since it was written
    """
    return _models_from_dict(cls, from_yaml(text, checksum), make_path(path))


def _models_from_dict(cls: type[ModelsT], data: dict[str, Any], folder: Path) -> ModelsT:
    models = cls.from_dict(data)
    if data.get("covariance"):
        models.covariance = _read_covariance(folder / data["covariance"])
    return models


def _write_covariance(models: ModelsInFile, path: Path) -> None:
    from astropy.table import Table

    table = Table({"Parameters": models.parameters_unique_names})
    for i, row in enumerate(models.covariance):
        table[str(i)] = row
    table.write(path, format=_COVARIANCE_LAYOUT, delimiter="|", overwrite=True)


def _read_covariance(path: Path) -> NDArray[np.float64]:
    from astropy.io.ascii import InconsistentTableError
    from astropy.table import Table

    lines = read_text(path).splitlines()
    try:
        table = Table.read(lines, format=_COVARIANCE_LAYOUT)
        # The first column holds the names of the parameters.
        return np.array([table[name] for name in table.colnames[1:]], dtype=np.float64)
    except (InconsistentTableError, ValueError) as error:
        raise FormatError(f"{path} holds no covariance of models: {error}; write the models again") from error
