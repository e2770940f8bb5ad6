// The CUDA runtime on the host: memory of the device is memory of the host, streams are queues (queues.h).

#include <cuda_runtime_api.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "queues.h"

namespace {

// Blocks of memory by their addresses, to tell what an address belongs to.
class Blocks {
   public:
    void* allocate(std::size_t alignment, std::size_t size, int content) {
        const std::size_t whole = (size + alignment - 1) / alignment * alignment;
        void* block = std::aligned_alloc(alignment, whole ? whole : alignment);
        if (!block) return nullptr;
        std::memset(block, content, size);  // so that a value that is read before it is written shows
        std::lock_guard<std::mutex> guard(lock_);
        sizes_[static_cast<char*>(block)] = size;
        used_ += size;
        return block;
    }

    bool free(void* block) {
        std::lock_guard<std::mutex> guard(lock_);
        const auto found = sizes_.find(static_cast<char*>(block));
        if (found == sizes_.end()) return false;
        used_ -= found->second;
        sizes_.erase(found);
        std::free(block);
        return true;
    }

    bool contains(const void* address) {
        std::lock_guard<std::mutex> guard(lock_);
        auto found = sizes_.upper_bound(static_cast<char*>(const_cast<void*>(address)));
        if (found == sizes_.begin()) return false;
        --found;
        return address < found->first + found->second;
    }

    std::size_t used() { return used_; }

   private:
    std::mutex lock_;
    std::map<char*, std::size_t> sizes_;
    std::size_t used_ = 0;
};

Blocks device_memory, pinned_memory;
std::size_t total_bytes = std::size_t{16} << 30;

struct Event {
    queues::Mark mark;
    double milliseconds = 0;
};

Event* as_event(cudaEvent_t event) { return reinterpret_cast<Event*>(event); }

void count_copy(const void* to, const void* from, std::size_t size) {
    const bool to_device = device_memory.contains(to), from_device = device_memory.contains(from);
    const char* what = to_device && from_device ? "copies on device" : to_device ? "copies to device" : "copies to host";
    queues::count(what);
    if (to_device != from_device) queues::count(to_device ? "bytes to device" : "bytes to host", size);
}

void add_copy(void* to, const void* from, std::size_t size, void* stream) {
    count_copy(to, from, size);
    const bool is_from_pageable = !device_memory.contains(from) && !pinned_memory.contains(from);
    if (!is_from_pageable) {
        queues::add(stream, [=] { std::memmove(to, from, size); });
    } else {  // CUDA has read pageable memory by the time the call returns
        const std::string content(static_cast<const char*>(from), size);
        queues::add(stream, [=] { std::memcpy(to, content.data(), content.size()); });
    }
    if (!device_memory.contains(to) && !pinned_memory.contains(to)) queues::finish(stream);
}

}  // namespace

extern "C" {

void host_set_total_bytes(std::size_t size) { total_bytes = size; }

const char* cudaGetErrorName(cudaError_t error) {
    switch (error) {
        case cudaSuccess: return "cudaSuccess";
        case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
        case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
        case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
        case cudaErrorNotReady: return "cudaErrorNotReady";
        default: return "an error that the CUDA runtime on the host does not name";
    }
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaPeekAtLastError() { return cudaSuccess; }

// --- the device: one, with the sizes of a H100

cudaError_t cudaDriverGetVersion(int* version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* number) { return *number = 1, cudaSuccess; }
cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) { return *can = 0, cudaSuccess; }

cudaError_t cudaDeviceSynchronize() {
    queues::count("waits for device");
    queues::finish_all();
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    switch (attribute) {
        case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
        case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
        case cudaDevAttrMultiProcessorCount: *value = 132; break;
        case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
        case cudaDevAttrMaxSharedMemoryPerBlock: *value = 49152; break;
        case cudaDevAttrWarpSize: *value = 32; break;
        case cudaDevAttrMaxGridDimX: *value = 2147483647; break;
        case cudaDevAttrMaxGridDimY:
        case cudaDevAttrMaxGridDimZ: *value = 65535; break;
        default: *value = 0;
    }
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    std::memset(properties, 0, sizeof *properties);
    std::strcpy(properties->name, "CUDA on the host");
    properties->major = 9;
    properties->totalGlobalMem = total_bytes;
    properties->multiProcessorCount = 132;
    properties->maxThreadsPerBlock = 1024;
    properties->warpSize = 32;
    properties->sharedMemPerBlock = 49152;
    properties->maxGridSize[0] = 2147483647;
    properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
    return cudaSuccess;
}

// --- memory

cudaError_t cudaMalloc(void** block, std::size_t size) {
    queues::count("allocations");
    *block = nullptr;
    if (device_memory.used() + size <= total_bytes) *block = device_memory.allocate(512, size, 0xA5);
    return *block ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFree(void* block) {
    if (!block) return cudaSuccess;
    queues::finish_all();  // as CUDA does, though it does not promise it
    return device_memory.free(block) ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaHostAlloc(void** block, std::size_t size, unsigned) {
    queues::count("pinned allocations");
    *block = pinned_memory.allocate(4096, size, 0xB6);
    return *block ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void* block) {
    queues::finish_all();
    return pinned_memory.free(block) ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total) {
    *free_bytes = total_bytes - device_memory.used();
    *total = total_bytes;
    return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
    std::memset(attributes, 0, sizeof *attributes);
    attributes->type = cudaMemoryTypeUnregistered;
    if (device_memory.contains(address)) {
        attributes->type = cudaMemoryTypeDevice;
        attributes->devicePointer = const_cast<void*>(address);
    } else if (pinned_memory.contains(address)) {
        attributes->type = cudaMemoryTypeHost;
        attributes->hostPointer = const_cast<void*>(address);
    }
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t size, cudaMemcpyKind) {
    queues::count("waits for copies");
    add_copy(to, from, size, nullptr);
    queues::finish(nullptr);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t size, cudaMemcpyKind, cudaStream_t stream) {
    add_copy(to, from, size, stream);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* block, int value, std::size_t size, cudaStream_t stream) {
    queues::count("fills");
    queues::add(stream, [=] { std::memset(block, value, size); });
    return cudaSuccess;
}
cudaError_t cudaMemset(void* block, int value, std::size_t size) { return cudaMemsetAsync(block, value, size, nullptr); }

// --- streams and events

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
    *stream = static_cast<cudaStream_t>(queues::create(flags != cudaStreamNonBlocking));
    return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
    return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) { return queues::destroy(stream), cudaSuccess; }

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    queues::count("waits for streams");
    queues::finish(stream);
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) { return queues::is_idle(stream) ? cudaSuccess : cudaErrorNotReady; }

cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
    return *status = cudaStreamCaptureStatusNone, cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    if (as_event(event)->mark) queues::wait(stream, as_event(event)->mark);
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    *event = reinterpret_cast<cudaEvent_t>(new Event);
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete as_event(event), cudaSuccess; }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    as_event(event)->milliseconds = std::chrono::duration<double, std::milli>(now).count();
    as_event(event)->mark = queues::record(stream);
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
    const queues::Mark& mark = as_event(event)->mark;
    return !mark || *mark ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    queues::count("waits for events");
    if (as_event(event)->mark) queues::finish(as_event(event)->mark);
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t first, cudaEvent_t last) {
    *milliseconds = static_cast<float>(as_event(last)->milliseconds - as_event(first)->milliseconds);
    return cudaSuccess;
}

}  // extern "C"
