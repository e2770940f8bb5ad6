"""The installed version of Gammapy."""

from lightpool.errors import ConfigError
from lightpool.utils.optional_packages import install_command, require_package

__all__ = ["OLDEST", "require_gammapy", "version"]

OLDEST = (1, 3)
"""First version of Gammapy that the conversion supports."""


def version() -> tuple[int, int]:
    """Return major and minor version of the installed Gammapy."""
    package = require_package("gammapy", extra="gammapy", purpose="lightpool.gammapy")
    major, minor = str(package.__version__).split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)


def require_gammapy() -> None:
    """Check that Gammapy is installed, in a supported version.

    Raises
    ------
    ConfigError
        If it is not.
    """
    if version() < OLDEST:
        raise ConfigError(
            f"lightpool.gammapy needs Gammapy {OLDEST[0]}.{OLDEST[1]} or newer, found {'.'.join(map(str, version()))}; "
            f"install it with: {install_command('gammapy')}"
        )
