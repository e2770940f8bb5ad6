"""Gammapy's makers, run by lightpool."""

from lightpool.gammapy.acceleration import (  # noqa: F401 - they declare what they take over
    cutouts,
    datasets_maker,
    fov_maker,
    index_tables,
    map_maker,
    phase_maker,
    reading,
    reflected_maker,
    region_masks,
    ring_makers,
    safe_mask_maker,
    spectrum_maker,
    stacking,
)
from lightpool.gammapy.acceleration.patching import accelerate, accelerated, is_accelerated, restore
from lightpool.gammapy.acceleration.report import RECORDER, Report
from lightpool.names import show_public

__all__ = ["accelerate", "accelerated", "is_accelerated", "report", "restore"]


def report() -> Report:
    """Return what lightpool has done for Gammapy so far, what Gammapy did, and why."""
    return RECORDER.report()


show_public(__name__)
