// Values to bins, and bins to sums.

#include "common.cuh"

__global__ void bin_index(const double* x, const double* edges, i64 n, i64 n_bin, bool clips, i64* index) {
    EACH(i, n) index[i] = clips ? (isfinite(x[i]) ? node_below(x[i], edges, n_bin + 1) : -1) : bin_of(x[i], edges, n_bin);
}

struct BinnedMap {
    i64 n_entry;
    i64 n_axis;
    i64 length[6];
};

// Entries, or their weights, added up in an n-dimensional map; those with an index outside are left out.
template <class T>
__global__ void histogram(
    const i64* index_0, const i64* index_1, const i64* index_2, const i64* index_3, const i64* index_4,
    const i64* index_5, const T* weights, BinnedMap map, double* sums
) {
    const i64* index[6] = {index_0, index_1, index_2, index_3, index_4, index_5};
    EACH(entry, map.n_entry) {
        i64 bin = 0;
        bool inside = true;
        EACH_OF_FEW(axis, map.n_axis, 6) {
            const i64 i = index[axis][entry];
            inside = inside && i >= 0 && i < map.length[axis];
            bin = bin * map.length[axis] + i;
        }
        if (inside) atomicAdd(&sums[bin], weights ? double(weights[entry]) : 1.0);
    }
}
