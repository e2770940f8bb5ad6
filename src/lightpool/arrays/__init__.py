"""Namespaces and devices, and the numerical kernels on bare arrays."""
