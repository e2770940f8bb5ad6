"""Gammapy's makers, run by lightpool."""
