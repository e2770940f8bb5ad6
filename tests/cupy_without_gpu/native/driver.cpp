// The CUDA driver on the host. What it loads as a module is the path of a shared library that compiler.py has made; its
// functions `bind_NAME` keep the arguments of one launch and return the work.

#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "queues.h"

namespace {

enum Result { success = 0, invalid_value = 1, invalid_image = 200, not_found = 500, not_supported = 801 };

struct Kernel {
    queues::Work* (*bind)(void** arguments, const unsigned* grid, const unsigned* block);
    std::string name;
};

int fake_context;

bool is_too_large(const unsigned* grid, const unsigned* block) {
    const unsigned long long n_thread = 1ull * block[0] * block[1] * block[2];
    return !grid[0] || !grid[1] || !grid[2] || !n_thread || grid[0] > 2147483647u || grid[1] > 65535 ||
           grid[2] > 65535 || n_thread > 1024;
}

}  // namespace

extern "C" {

int cuGetErrorName(int error, const char** name) {
    *name = error == success          ? "CUDA_SUCCESS"
            : error == invalid_value  ? "CUDA_ERROR_INVALID_VALUE"
            : error == invalid_image  ? "CUDA_ERROR_INVALID_IMAGE"
            : error == not_found      ? "CUDA_ERROR_NOT_FOUND"
            : error == not_supported  ? "CUDA_ERROR_NOT_SUPPORTED"
                                      : "an error that the CUDA driver on the host does not name";
    return success;
}
int cuGetErrorString(int error, const char** text) { return cuGetErrorName(error, text); }

int cuInit(unsigned) { return success; }
int cuDriverGetVersion(int* version) { return *version = 13000, success; }
int cuDeviceGetCount(int* number) { return *number = 1, success; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, success; }
int cuDeviceGetName(char* name, int size, int) { return std::snprintf(name, size, "CUDA on the host"), success; }
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = &fake_context, success; }
int cuDevicePrimaryCtxRelease_v2(int) { return success; }
int cuCtxGetCurrent(void** context) { return *context = &fake_context, success; }
int cuCtxSetCurrent(void*) { return success; }
int cuCtxCreate_v2(void** context, unsigned, int) { return *context = &fake_context, success; }
int cuCtxDestroy_v2(void*) { return success; }
int cuCtxGetDevice(int* device) { return *device = 0, success; }
int cuStreamGetCtx(void*, void** context) { return *context = &fake_context, success; }

int cuModuleLoad(void** module, const char* path) {
    *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*module) return success;
    std::fprintf(stderr, "%s\n", dlerror());
    return invalid_image;
}
int cuModuleLoadData(void** module, const void* image) { return cuModuleLoad(module, static_cast<const char*>(image)); }
int cuModuleUnload(void*) { return success; }

int cuModuleGetFunction(void** function, void* module, const char* name) {
    void* bind = dlsym(module, (std::string("bind_") + name).c_str());
    if (!bind) return not_found;
    *function = new Kernel{reinterpret_cast<decltype(Kernel::bind)>(bind), name};
    return success;
}

int cuModuleGetGlobal_v2(void** address, std::size_t* size, void* module, const char* name) {
    *address = dlsym(module, name);
    if (size) *size = 0;
    return *address ? success : not_found;
}

int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned, void* stream, void** arguments, void**) {
    const unsigned grid[] = {grid_x, grid_y, grid_z}, block[] = {block_x, block_y, block_z};
    if (is_too_large(grid, block)) return invalid_value;
    const auto* kernel = static_cast<Kernel*>(function);
    queues::count("launches");
    queues::count("launches of " + kernel->name);
    const std::shared_ptr<queues::Work> work(kernel->bind(arguments, grid, block));
    queues::add(stream, [work] { (*work)(); });
    return success;
}

int cuLaunchCooperativeKernel() { return not_supported; }
int cuFuncGetAttribute(int* value, int attribute, void*) { return *value = attribute == 0 ? 1024 : 0, success; }
int cuFuncSetAttribute(void*, int, int) { return success; }
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* number, void*, int, std::size_t) { return *number = 8, success; }
int cuOccupancyMaxPotentialBlockSize(int* grid, int* block, void*, void*, std::size_t, int) {
    return *grid = 132, *block = 256, success;
}
int cuLinkCreate_v2() { return not_supported; }
int cuLinkAddData_v2() { return not_supported; }
int cuLinkAddFile_v2() { return not_supported; }
int cuLinkComplete() { return not_supported; }
int cuLinkDestroy() { return not_supported; }
int cuGetExportTable() { return not_supported; }  // NVRTC calls it unchecked

}  // extern "C"
