// The product of some arrays added to a window of another one.

#include "common.cuh"

enum { AS_DOUBLE, AS_FLOAT, AS_MASK };

// Strides count elements; those of a factor are 0 where it has one bin for many. The last dimension is a row's.
struct Window {
    i64 n_factor;
    i64 skips_not_finite;
    i64 n_row, n_x;
    i64 length[5];             // of the dimensions before the last, from the first on; unused ones come first, with 1
    i64 stride[6];
    i64 type[4];
    i64 factor_stride[4][6];
    double number;
};

__device__ inline double number_at(const void* values, i64 type, i64 index) {
    if (type == AS_DOUBLE) return static_cast<const double*>(values)[index];
    if (type == AS_FLOAT) return static_cast<const float*>(values)[index];
    return static_cast<const bool*>(values)[index] ? 1.0 : 0.0;
}

template <class T>
__device__ inline void add_to(T& total, T value) { total += value; }

__device__ inline void add_to(bool& total, bool value) { total = total || value; }

template <class T>
__global__ void add_product(
    T* total, const void* factor_0, const void* factor_1, const void* factor_2, const void* factor_3, Window window
) {
    const void* factors[4] = {factor_0, factor_1, factor_2, factor_3};
    EACH_ROW(row, window.n_row) {
        i64 place = 0, factor_place[4] = {0, 0, 0, 0}, rest = row;
        for (int dim = 4; dim >= 0; --dim) {
            const i64 i = rest % window.length[dim];
            rest /= window.length[dim];
            place += i * window.stride[dim];
            EACH_OF_FEW(k, window.n_factor, 4) factor_place[k] += i * window.factor_stride[k][dim];
        }
        EACH(x, window.n_x) {
            double product = window.number;
            EACH_OF_FEW(k, window.n_factor, 4)
                product *= number_at(factors[k], window.type[k], factor_place[k] + x * window.factor_stride[k][5]);
            if (window.skips_not_finite && !(isfinite(product) && isfinite(double(T(product))))) product = 0;
            add_to(total[place + x * window.stride[5]], T(product));
        }
    }
}
