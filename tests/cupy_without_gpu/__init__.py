"""CuPy's own wheel on a CUDA runtime, a driver, cuBLAS, cuFFT and a compiler of kernels that run on the host.

See the README of this folder. ``python -m cupy_without_gpu build FOLDER`` makes an environment with it.
"""
