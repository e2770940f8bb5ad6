// Groups of pixels that touch at a side or a corner, by trees of pixels in which each points to a larger number.

#include "common.cuh"

__global__ void plant(const bool* mask, i64 n, i64* parent) {
    EACH(i, n) parent[i] = mask[i] ? i : -1;
}

__device__ inline i64 root_of(const i64* parent, i64 i) {
    while (parent[i] != i) i = parent[i];
    return i;
}

__device__ inline void unite(i64* parent, i64 a, i64 b) {
    for (;;) {
        a = root_of(parent, a);
        b = root_of(parent, b);
        if (a == b) return;
        if (a > b) {
            const i64 c = a;
            a = b;
            b = c;
        }
        const i64 before = atomicMax(&parent[a], b);
        if (before == a) return;  // a was a root still; else it had been tied to another tree, which is to join too
        a = before;
    }
}

__global__ void join(i64 n_y, i64 n_x, i64* parent) {
    EACH(i, n_y * n_x) {
        if (parent[i] < 0) continue;
        const i64 y = i / n_x, x = i % n_x;
        if (x > 0 && parent[i - 1] >= 0) unite(parent, i, i - 1);
        if (y == 0) continue;
        for (i64 step = -1; step <= 1; ++step)
            if (x + step >= 0 && x + step < n_x && parent[i - n_x + step] >= 0) unite(parent, i, i - n_x + step);
    }
}

__global__ void label(const i64* parent, i64 n, i64* labels) {
    EACH(i, n) labels[i] = parent[i] < 0 ? 0 : root_of(parent, i) + 1;
}
