"""Optional packages, and the commands that messages recommend: to install them, or to run lightpool."""

import json
import shlex
import shutil
import sys
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlparse

from lightpool.errors import ConfigError

__all__ = ["command_line", "install_command", "require_package"]

_CHECKOUT = Path(__file__).parents[3]  # above src/lightpool/utils


def install_command(extra: str) -> str:
    """Return the shell command that adds an extra to this installation, wherever lightpool was installed from.

    The command names the interpreter that runs now, because ``pip`` alone may belong to another environment, and the
    checkout, archive or repository that lightpool was installed from, because only an installation from a package
    index can be extended by name.

    Parameters
    ----------
    extra : str, as in ``pyproject.toml``, for example ``plot``
    """
    # `sys.executable` is empty where Python is embedded in another program.
    return shlex.join([sys.executable or "python3", "-m", "pip", "install", f"{_origin(extra)}"])


def _origin(extra: str) -> str:
    """Return what pip has to install; the origin is in ``direct_url.json`` (PEP 610) unless it was a package index."""
    try:
        text = metadata.distribution("lightpool").read_text("direct_url.json")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return f"{_CHECKOUT}[{extra}]" if (_CHECKOUT / "pyproject.toml").is_file() else f"lightpool[{extra}]"
    if not text:
        return f"lightpool[{extra}]"
    origin = json.loads(text)
    url = str(origin["url"])
    if "dir_info" in origin:
        return f"{unquote(urlparse(url).path)}[{extra}]"
    # The very revision: a branch may have moved on since the installation.
    vcs = origin.get("vcs_info", {})
    revision = f"@{vcs['commit_id']}" if "commit_id" in vcs else ""
    return f"lightpool[{extra}] @ {vcs['vcs'] + '+' if 'vcs' in vcs else ''}{url}{revision}"


def command_line() -> str:
    """Return the command that runs lightpool in a shell: ``lightpool`` if the shell finds this one, else its path."""
    script = Path(sys.executable).with_name("lightpool")
    found = shutil.which("lightpool")
    if found is not None and Path(found).resolve() == script.resolve():
        return "lightpool"
    if script.is_file():
        return shlex.quote(str(script))
    return shlex.join([sys.executable or "python3", "-m", "lightpool"])


def require_package(name: str, *, extra: str, purpose: str) -> ModuleType:
    """Import a package that an extra installs.

    Parameters
    ----------
    name : str, of the module
    extra : str, the extra that installs it
    purpose : str, what it is needed for, such as "a report"

    Raises
    ------
    ConfigError
        If it is not installed; the error holds the command that installs it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.replace("_", "-")
        raise ConfigError(
            f"{purpose} needs the package {package!r}, which cannot be imported ({error}); "
            f"install it with: {install_command(extra)}"
        ) from error
