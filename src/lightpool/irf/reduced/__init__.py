"""Reduced responses: maps of the point spread function and of the energy dispersion, and kernels made from them."""
