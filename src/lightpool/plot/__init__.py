"""Pictures; the only door to matplotlib, reached from the ``plot`` and ``peek`` methods."""

from importlib.util import find_spec

if find_spec("matplotlib") is None:
    raise ImportError(
        "pictures need the package matplotlib, which is not installed; pip install 'lightpool[plot]'", name="matplotlib"
    )
