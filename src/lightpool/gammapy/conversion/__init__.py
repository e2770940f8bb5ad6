"""Conversion of objects between lightpool and Gammapy, one module for each kind of object."""

from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy

__all__ = ["from_gammapy", "to_gammapy"]
