// What the kernels share. NVRTC compiles them: no header of the host is included. Lengths and indices are 64-bit.

typedef long long i64;

// Every thread takes each stride-th of n items, so that any number of threads does all of them.
#define EACH(i, n) \
    for (i64 i = i64(blockIdx.x) * blockDim.x + threadIdx.x; i < (n); i += i64(gridDim.x) * blockDim.x)

// The same for rows, along the second dimension of the grid.
#define EACH_ROW(row, n) \
    for (i64 row = i64(blockIdx.y) * blockDim.y + threadIdx.y; row < (n); row += i64(gridDim.y) * blockDim.y)

// The first n of at most `most` items. The loop has a fixed end, so small arrays stay in registers.
#define EACH_OF_FEW(k, n, most) _Pragma("unroll") for (int k = 0; k < (most); ++k) if (k < (n))

__device__ inline double not_a_number() { return nan(""); }

// Node below x among ascending ones, at least 0 and at most n_node - 2 (0 when there is one). NaN lies above all nodes.
__device__ inline i64 node_below(double x, const double* nodes, i64 n_node) {
    i64 low = 1, high = n_node - 1;
    while (low < high) {
        const i64 middle = (low + high) / 2;
        if (x < nodes[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low - 1;
}

// Bin of x, half-open; -1 outside, on the last edge, and where x is not finite.
__device__ inline i64 bin_of(double x, const double* edges, i64 n_bin) {
    return x >= edges[0] && x < edges[n_bin] ? node_below(x, edges, n_bin + 1) : -1;
}
