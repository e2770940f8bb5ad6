"""The kinds of settings, told apart by their keys."""

from pathlib import Path
from typing import Any

from lightpool.config.background import BackgroundSettings
from lightpool.config.batch_settings import BatchSettings
from lightpool.config.settings import Settings
from lightpool.config.yaml_file import load_yaml

__all__ = ["read_settings", "settings_from_dict"]


def settings_from_dict(data: dict[str, Any]) -> BatchSettings:
    """Return the settings of a reduction or of background models from the output of their ``to_dict``.

    Parameters
    ----------
    data : dict

    Raises
    ------
    ConfigError
        If they are invalid.
    """
    return _kind_of(data).from_dict(data)


def read_settings(path: Path) -> BatchSettings:
    """Read a settings file of a reduction or of background models.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ConfigError
        If the settings are invalid; names the lines and the keys.
    """
    data, _ = load_yaml(path, Settings.needed_keys)
    return _kind_of(data).read(path)


def _kind_of(data: dict[str, Any]) -> type[BatchSettings]:
    return BackgroundSettings if "background" in data else Settings
