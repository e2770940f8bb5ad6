"""Geometries: the pixels of a map, on the sky or in one region, and the bins of its axes."""
