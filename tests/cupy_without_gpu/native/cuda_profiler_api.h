// CuPy includes this header, which is in no package that is needed otherwise.
#pragma once

#include <cuda_runtime_api.h>

extern "C" cudaError_t cudaProfilerStart(void);
extern "C" cudaError_t cudaProfilerStop(void);
