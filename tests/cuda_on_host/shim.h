// Lets a CUDA source be compiled as plain C++: a grid is a loop over its blocks and threads, one after the other.
// Threads of a block that meet in __syncthreads are coroutines, which take turns; so are those that change memory by
// atomicMax, which stop there, each time another number of them.

#include <ucontext.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#define __global__ static
#define __device__
#define __shared__ static

using std::isfinite;
using std::isnan;

struct Index { unsigned x, y, z; };
static Index blockIdx, threadIdx, blockDim, gridDim;

static void atomicAdd(double* sum, double value) { *sum += value; }

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

static void let_others_go() {
    if (running) swapcontext(&running->context, &scheduler);
}

static void __syncthreads() { let_others_go(); }

static long long atomicMax(long long* most, long long value) {
    let_others_go();
    const long long before = *most;
    if (value > before) *most = value;
    let_others_go();
    return before;
}

static void run_fiber() {
    (*body)();
    running->done = true;
    swapcontext(&running->context, &scheduler);
}

static bool is_skipped(bool by_chance) {  // chance that is the same each time
    static unsigned state = 1;
    state = state * 1664525u + 1013904223u;
    return by_chance && state >> 31;
}

static void run_block_in_turns(const std::function<void()>& thread, bool by_chance) {
    body = &thread;
    std::vector<std::unique_ptr<Fiber>> fibers;
    for (unsigned i = 0; i < blockDim.x * blockDim.y; ++i) {
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
            if (is_skipped(by_chance)) continue;
            running = fiber.get();
            threadIdx = {fiber->thread % blockDim.x, fiber->thread / blockDim.x, 0};
            swapcontext(&scheduler, &fiber->context);
        }
    }
    running = nullptr;
}

// --- launches

static void run_grid(const unsigned* grid, const unsigned* block, int turns, const std::function<void()>& thread) {
    gridDim = {grid[0], grid[1], 1};
    blockDim = {block[0], block[1], 1};
    for (unsigned y = 0; y < grid[1]; ++y)
        for (unsigned x = 0; x < grid[0]; ++x) {
            blockIdx = {x, y, 0};
            if (turns) {
                run_block_in_turns(thread, turns == 2);
                continue;
            }
            for (unsigned j = 0; j < block[1]; ++j)
                for (unsigned i = 0; i < block[0]; ++i) {
                    threadIdx = {i, j, 0};
                    thread();
                }
        }
}

template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), void** args, const unsigned* grid, const unsigned* block, int turns,
                 std::index_sequence<I...>) {
    run_grid(grid, block, turns, [&] { kernel(*static_cast<A*>(args[I])...); });
}

template <class... A>
static void launch(void (*kernel)(A...), void** args, const unsigned* grid, const unsigned* block, int turns) {
    call(kernel, args, grid, block, turns, std::index_sequence_for<A...>{});
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
