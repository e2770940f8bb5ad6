// Node tables of responses at the pixels of a map, with all that is done with the values of a pixel, in one launch.
//
// A table has the shape (n_row, ..., n_cell), its last index one cell for each node in the field of view. A row of the
// grid takes one row of the table, a thread one pixel.

#include "common.cuh"
#include "field.cuh"

// Values times a factor, at least zero: (n_row, n_cell) to (n_row, n_pixel).
template <class T>
__global__ void project_values(
    const T* table, const double* nodes, const double* x, const double* y, Field field, i64 n_row, i64 n_cell,
    double factor, T* values
) {
    EACH_ROW(row, n_row) EACH(p, field.n_pixel) {
        const Corners at = corners_at(x, y, nodes, field, p);
        const double value = value_at(table + row * n_cell, at) * factor;
        values[row * field.n_pixel + p] = value < 0 ? 0.0 : value;
    }
}

// Density over n_bin bins, at least zero, of some integral: (n_row, n_bin, n_cell) to (n_row, n_bin, n_pixel).
template <class T>
__global__ void project_density(
    const T* table, const T* widths, const double* nodes, const double* x, const double* y, Field field, i64 n_row,
    i64 n_bin, i64 n_cell, double integral, T* density
) {
    EACH_ROW(row, n_row) EACH(p, field.n_pixel) {
        const Corners at = corners_at(x, y, nodes, field, p);
        const T* cells = table + row * n_bin * n_cell;
        double norm = 0.0;
        for (i64 bin = 0; bin < n_bin; ++bin) norm += widths[bin] * positive_at(cells + bin * n_cell, at);
        const double factor = integral * inverse_of(norm);
        T* out = density + row * n_bin * field.n_pixel + p;
        for (i64 bin = 0; bin < n_bin; ++bin) out[bin * field.n_pixel] = factor * positive_at(cells + bin * n_cell, at);
    }
}

// Probabilities of n_energy bins: what each of the n_bin bins of a density adds to them is in `shares`, of shape
// (n_row, n_energy, n_bin), not zero from the first to before the second of `reach`, of shape (n_row, n_energy, 2).
template <class T>
__global__ void project_kernel(
    const T* table, const T* widths, const T* shares, const i64* reach, const double* nodes, const double* x,
    const double* y, Field field, i64 n_row, i64 n_energy, i64 n_bin, i64 n_cell, double threshold, T* kernel
) {
    EACH_ROW(row, n_row) EACH(p, field.n_pixel) {
        const Corners at = corners_at(x, y, nodes, field, p);
        const T* cells = table + row * n_bin * n_cell;
        double norm = 0.0;
        for (i64 bin = 0; bin < n_bin; ++bin) norm += widths[bin] * positive_at(cells + bin * n_cell, at);
        const double factor = inverse_of(norm);
        for (i64 energy = row * n_energy; energy < (row + 1) * n_energy; ++energy) {
            const T* share = shares + energy * n_bin;
            double sum = 0.0;
            for (i64 bin = reach[2 * energy]; bin < reach[2 * energy + 1]; ++bin)
                sum += share[bin] * positive_at(cells + bin * n_cell, at);
            sum *= factor;
            kernel[energy * field.n_pixel + p] = sum < threshold ? 0.0 : sum;
        }
    }
}

// Integral between two points of the exponential of a line: u at the points, `step` apart. Zero where an exponent is
// not above its floor.
__device__ inline double integral_between(double u, double u_next, double step, bool is_zero) {
    const double t = u_next - u;
    if (is_zero) return 0.0;
    if (fabs(t) < 1e-3) {
        const double t_near = t != 0 ? t : 1e-30;  // at 0 the limit, 1
        return step * (exp(u) * (expm1(t_near) / t_near));  // the quotient first: the product may vanish
    }
    return step * ((exp(u_next) - exp(u)) / t);
}

// Integrals between n_edge points of what the table holds the logarithm of: (n_edge, n_cell) to (n_edge - 1, n_pixel);
// times a factor for each pixel, if there is one.
template <class T>
__global__ void project_integrals(
    const T* table, const double* points, const double* floor, const double* factor, const double* nodes,
    const double* x, const double* y, Field field, i64 n_edge, i64 n_cell, T* integrals
) {
    EACH(p, field.n_pixel) {
        const Corners at = corners_at(x, y, nodes, field, p);
        double u = value_at(table, at);
        for (i64 bin = 0; bin + 1 < n_edge; ++bin) {
            const double u_next = value_at(table + (bin + 1) * n_cell, at);
            const bool is_zero = at.used == 0 || !(u > floor[bin] && u_next > floor[bin + 1]);
            const double integral = integral_between(u, u_next, points[bin + 1] - points[bin], is_zero);
            // In float, what is positive in double must not become zero: masks are made of it.
            const bool vanishes = sizeof(T) == 4 && !is_zero && integral < 1e-30;
            integrals[bin * field.n_pixel + p] = (vanishes ? 1e-30 : integral) * (factor ? factor[p] : 1.0);
            u = u_next;
        }
    }
}
