"""``%load_ext lightpool.gammapy``: Gammapy accelerated in IPython and in notebooks."""

from lightpool.gammapy.acceleration import accelerate, restore

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: object) -> None:
    """Accelerate Gammapy; the device is that of ``LIGHTPOOL_DEVICE``. `accelerate` has options."""
    accelerate()


def unload_ipython_extension(shell: object) -> None:
    """Let Gammapy do its own work again."""
    restore()
