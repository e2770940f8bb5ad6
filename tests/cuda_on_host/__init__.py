"""CUDA without a GPU: kernels run on the host as plain C++, under a stand-in for CuPy made of NumPy.

What is proven: the arithmetic of the kernels, and all that lightpool does to launch them. What is not: CuPy itself,
that NVRTC's code does the same, and that threads at the same time do not get in each other's way.
"""
