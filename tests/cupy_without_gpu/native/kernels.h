// Lets CUDA C++ be compiled as C++ of the host: a grid is a loop over its blocks and threads, one after the other. Where
// threads of a block wait for each other, each is a coroutine, and they take turns.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cassert>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __constant__ static
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __restrict__

#define CUDART_NAN (static_cast<double>(NAN))
#define CUDART_INF (static_cast<double>(INFINITY))
#define CUDART_NAN_F NAN
#define CUDART_INF_F INFINITY

using std::abs;
using std::acos;
using std::asin;
using std::atan;
using std::atan2;
using std::ceil;
using std::copysign;
using std::cos;
using std::exp;
using std::expm1;
using std::floor;
using std::fmod;
using std::hypot;
using std::isfinite;
using std::isinf;
using std::isnan;
using std::log;
using std::log1p;
using std::max;
using std::min;
using std::pow;
using std::rint;
using std::signbit;
using std::sin;
using std::sqrt;
using std::tan;
using std::trunc;

struct Index3 {
    unsigned x, y, z;
};
static Index3 blockIdx, threadIdx, blockDim, gridDim;  // work of all queues is done under one lock
static const int warpSize = 32;

// --- operations that no other thread interrupts: none runs at the same time

template <class T, class U>
static T atomicAdd(T* place, U value) {
    const T before = *place;
    *place = before + static_cast<T>(value);
    return before;
}

template <class T, class U>
static T atomicMax(T* place, U value) {
    const T before = *place;
    *place = std::max(before, static_cast<T>(value));
    return before;
}

template <class T, class U>
static T atomicMin(T* place, U value) {
    const T before = *place;
    *place = std::min(before, static_cast<T>(value));
    return before;
}

template <class T, class U, class V>
static T atomicCAS(T* place, U expected, V value) {
    const T before = *place;
    if (before == static_cast<T>(expected)) *place = static_cast<T>(value);
    return before;
}

template <class T, class U>
static T atomicExch(T* place, U value) {
    const T before = *place;
    *place = static_cast<T>(value);
    return before;
}

// --- other functions of CUDA

template <class To, class From>
static To same_bits(From value) {
    static_assert(sizeof(To) == sizeof(From));
    To result;
    std::memcpy(&result, &value, sizeof result);
    return result;
}

static inline long long __double_as_longlong(double value) { return same_bits<long long>(value); }
static inline double __longlong_as_double(long long value) { return same_bits<double>(value); }
static inline int __float_as_int(float value) { return same_bits<int>(value); }
static inline float __int_as_float(int value) { return same_bits<float>(value); }
static inline int __popc(unsigned value) { return __builtin_popcount(value); }
static inline int __popcll(unsigned long long value) { return __builtin_popcountll(value); }
static inline int __clz(unsigned value) { return value ? __builtin_clz(value) : 32; }
static inline int __clzll(unsigned long long value) { return value ? __builtin_clzll(value) : 64; }
static inline int __ffs(int value) { return __builtin_ffs(value); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}

template <class T>
static T __ldg(const T* place) {
    return *place;
}

static inline long long clock64() {  // a loop that waits for a time must end
    static long long now = 0;
    return now += 100000;
}

// --- threads that wait for each other

namespace on_host {

struct Fiber {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 16);
    unsigned thread = 0;
    bool done = false;
};

struct Barrier {
    unsigned n_alive = 0, n_arrived = 0, n_opened = 0;
};

static ucontext_t scheduler;
static Fiber* running = nullptr;
static const std::function<void()>* body = nullptr;
static Barrier of_block, of_warp[32];
static std::vector<std::unique_ptr<Fiber>> fibers;
static std::vector<char> dynamic_shared(1 << 17);

static void let_others_go() { swapcontext(&running->context, &scheduler); }

static void arrive(Barrier& barrier) {
    if (!running) return;
    const unsigned n_opened = barrier.n_opened;
    ++barrier.n_arrived;
    while (barrier.n_opened == n_opened) {
        if (barrier.n_arrived >= barrier.n_alive) {  // a thread that has ended is not waited for
            barrier.n_arrived = 0;
            ++barrier.n_opened;
            return;
        }
        let_others_go();
    }
}

static void run_fiber() {
    (*body)();
    running->done = true;
    --of_block.n_alive;
    --of_warp[running->thread / 32].n_alive;
    let_others_go();
}

static void prepare_fibers(unsigned n) {
    while (fibers.size() < n) fibers.push_back(std::make_unique<Fiber>());
    for (unsigned i = 0; i < n; ++i) {
        Fiber& fiber = *fibers[i];
        fiber.thread = i;
        fiber.done = false;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        makecontext(&fiber.context, run_fiber, 0);
    }
    of_block = {n};
    for (unsigned warp = 0; warp < 32; ++warp) of_warp[warp] = {n > warp * 32 ? std::min(32u, n - warp * 32) : 0};
}

static void run_block_in_turns(const std::function<void()>& thread) {
    body = &thread;
    const unsigned n = blockDim.x * blockDim.y * blockDim.z;
    prepare_fibers(n);
    for (bool any = true; any;) {
        any = false;
        for (unsigned i = 0; i < n; ++i) {
            if (fibers[i]->done) continue;
            any = true;
            running = fibers[i].get();
            threadIdx = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
            swapcontext(&scheduler, &running->context);
        }
    }
    running = nullptr;
}

static void run_block(const std::function<void()>& thread) {
    for (unsigned z = 0; z < blockDim.z; ++z)
        for (unsigned y = 0; y < blockDim.y; ++y)
            for (unsigned x = 0; x < blockDim.x; ++x) {
                threadIdx = {x, y, z};
                thread();
            }
}

// --- launches

static void run_grid(Index3 grid, Index3 block, bool in_turns, const std::function<void()>& thread) {
    gridDim = grid;
    blockDim = block;
    for (unsigned z = 0; z < grid.z; ++z)
        for (unsigned y = 0; y < grid.y; ++y)
            for (unsigned x = 0; x < grid.x; ++x) {
                blockIdx = {x, y, z};
                in_turns ? run_block_in_turns(thread) : run_block(thread);
            }
}

template <class T>
using Value = std::remove_const_t<std::remove_reference_t<T>>;

template <class... A, std::size_t... I>
std::function<void()>* prepare(void (*kernel)(A...), void** arguments, const unsigned* grid, const unsigned* block,
                            bool in_turns, std::index_sequence<I...>) {
    // copied now, as CUDA does: the caller may change them when the launch returns
    const auto kept = std::make_shared<std::tuple<Value<A>...>>(*static_cast<Value<A>*>(arguments[I])...);
    const Index3 n_block{grid[0], grid[1], grid[2]}, n_thread{block[0], block[1], block[2]};
    return new std::function<void()>(
        [=] { run_grid(n_block, n_thread, in_turns, [&] { kernel(std::get<I>(*kept)...); }); });
}

template <class... A>
std::function<void()>* prepare(void (*kernel)(A...), void** arguments, const unsigned* grid, const unsigned* block,
                            bool in_turns) {
    return prepare(kernel, arguments, grid, block, in_turns, std::index_sequence_for<A...>{});
}

static unsigned thread_in_block() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }

}  // namespace on_host

static inline void __syncthreads() { on_host::arrive(on_host::of_block); }
static inline void __syncwarp(unsigned = 0) { on_host::arrive(on_host::of_warp[on_host::thread_in_block() / 32]); }

// --- values that threads of a warp pass to each other

namespace on_host {

template <class T>
T value_of_lane(T value, unsigned lane) {
    static T values[1024];
    const unsigned thread = thread_in_block();
    values[thread] = value;
    __syncwarp();
    const T result = values[(thread & ~31u) | (lane & 31u)];
    __syncwarp();
    return result;
}

static unsigned lane() { return thread_in_block() & 31u; }

}  // namespace on_host

template <class T>
static T __shfl_sync(unsigned, T value, int lane, int = 32) {
    return on_host::value_of_lane(value, lane);
}

template <class T>
static T __shfl_xor_sync(unsigned, T value, int mask, int = 32) {
    return on_host::value_of_lane(value, on_host::lane() ^ mask);
}

template <class T>
static T __shfl_down_sync(unsigned, T value, int distance, int = 32) {
    const unsigned from = on_host::lane() + distance;
    return on_host::value_of_lane(value, from < 32 ? from : on_host::lane());
}

template <class T>
static T __shfl_up_sync(unsigned, T value, int distance, int = 32) {
    const unsigned lane = on_host::lane();
    return on_host::value_of_lane(value, lane >= static_cast<unsigned>(distance) ? lane - distance : lane);
}
