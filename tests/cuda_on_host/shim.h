// Lets a CUDA source be compiled as plain C++: a grid is a loop over its blocks and threads, one after the other.
// Threads of a block that meet in __syncthreads are coroutines, which take turns.

#include <ucontext.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#define __global__ static
#define __device__ static
#define __shared__ static

using std::isfinite;
using std::isnan;

struct Index { unsigned x, y, z; };
static Index blockIdx, threadIdx, blockDim, gridDim;

static void atomicAdd(double* sum, double value) { *sum += value; }

static long long atomicMax(long long* most, long long value) {
    const long long before = *most;
    if (value > before) *most = value;
    return before;
}

// --- threads that wait for each other

struct Fiber {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 16);
    unsigned thread = 0;
    bool done = false;
};
static ucontext_t scheduler;
static Fiber* running = nullptr;
static const std::function<void()>* body = nullptr;

static void __syncthreads() { swapcontext(&running->context, &scheduler); }

static void run_fiber() {
    (*body)();
    running->done = true;
    swapcontext(&running->context, &scheduler);
}

static void run_block_in_turns(const std::function<void()>& thread) {
    body = &thread;
    std::vector<std::unique_ptr<Fiber>> fibers;
    for (unsigned i = 0; i < blockDim.x; ++i) {
        fibers.push_back(std::make_unique<Fiber>());
        Fiber& fiber = *fibers.back();
        fiber.thread = i;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        makecontext(&fiber.context, run_fiber, 0);
    }
    for (bool any = true; any;) {
        any = false;
        for (auto& fiber : fibers) {
            if (fiber->done) continue;
            any = true;
            running = fiber.get();
            threadIdx = {fiber->thread, 0, 0};
            swapcontext(&scheduler, &fiber->context);
        }
    }
}

// --- launches

static void run_grid(const unsigned* grid, unsigned block, bool in_turns, const std::function<void()>& thread) {
    gridDim = {grid[0], grid[1], 1};
    blockDim = {block, 1, 1};
    for (unsigned y = 0; y < grid[1]; ++y)
        for (unsigned x = 0; x < grid[0]; ++x) {
            blockIdx = {x, y, 0};
            if (in_turns) {
                run_block_in_turns(thread);
                continue;
            }
            for (unsigned i = 0; i < block; ++i) {
                threadIdx = {i, 0, 0};
                thread();
            }
        }
}

template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), void** args, const unsigned* grid, unsigned block, bool in_turns,
                 std::index_sequence<I...>) {
    run_grid(grid, block, in_turns, [&] { kernel(*static_cast<A*>(args[I])...); });
}

template <class... A>
static void launch(void (*kernel)(A...), void** args, const unsigned* grid, unsigned block, bool in_turns) {
    call(kernel, args, grid, block, in_turns, std::index_sequence_for<A...>{});
}

// --- types of the arguments of a kernel, such as "*float64 int64 struct:24"

template <class T> struct Name { static std::string get() { return "struct:" + std::to_string(sizeof(T)); } };
template <> struct Name<double> { static std::string get() { return "float64"; } };
template <> struct Name<float> { static std::string get() { return "float32"; } };
template <> struct Name<long long> { static std::string get() { return "int64"; } };
template <> struct Name<bool> { static std::string get() { return "bool"; } };
template <> struct Name<void> { static std::string get() { return "any"; } };
template <class T> struct Name<const T> : Name<T> {};
template <class T> struct Name<T*> { static std::string get() { return "*" + Name<T>::get(); } };

template <class... A>
static const char* types_of(void (*)(A...)) {
    static const std::string names = ((Name<A>::get() + " ") + ...);
    return names.c_str();
}
