"""Pictures; the only door to matplotlib, reached from the ``plot`` and ``peek`` methods."""

from importlib.util import find_spec

from lightpool.arrays.optional_packages import install_command

if find_spec("matplotlib") is None:
    raise ImportError(
        f"plots need the package matplotlib, which is not installed; install it with: {install_command('plot')}",
        name="matplotlib",
    )
