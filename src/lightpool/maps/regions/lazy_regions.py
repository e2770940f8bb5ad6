"""The names of the package ``regions``, which is loaded when the first of them is asked for.

Loading it takes a quarter of the time of ``import lightpool.makers`` (it brings Matplotlib along where that is
installed), and a reduction on a map without regions needs none of it.
"""

from typing import Any

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    import regions  # heavy, see above

    value = globals()[name] = getattr(regions, name)
    return value
