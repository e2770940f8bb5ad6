// Linear interpolation in tables.

#include "common.cuh"

struct Place { i64 below; double above; };  // the node below a point, and the weight of the one above

__device__ inline Place place_among(double x, const double* nodes, i64 n_node) {
    if (n_node == 1) return {0, isnan(x) ? x : 0.0};
    const i64 below = node_below(x, nodes, n_node);
    return {below, (x - nodes[below]) / (nodes[below + 1] - nodes[below])};
}

__global__ void interpolation_weights(
    const double* x, const double* nodes, i64 n, i64 n_node, i64* index, double* fraction
) {
    EACH(i, n) {
        const Place place = place_among(x[i], nodes, n_node);
        index[i] = place.below;
        fraction[i] = place.above;
    }
}

template <class T>
__global__ void hat_basis(
    const double* x, const double* nodes, i64 n, i64 n_node, double lower, double upper, T* basis
) {
    EACH(i, n) {
        const bool inside = x[i] >= lower && x[i] <= upper;
        const Place place = place_among(x[i], nodes, n_node);
        for (i64 k = 0; k < n_node; ++k) {
            const double weight = k == place.below ? 1.0 - place.above : k - 1 == place.below ? place.above : 0.0;
            basis[k * n + i] = inside ? weight : 0.0;
        }
    }
}

// Table of shape (n_row, n_x, n_y) at points, by their four neighbours; a row of the grid for each row of the table.
template <class T>
__global__ void gather_bilinear(
    const T* table, const i64* ix, const double* fx, const i64* iy, const double* fy, i64 n_row, i64 n_x, i64 n_y,
    i64 n, T* values
) {
    EACH_ROW(row, n_row) EACH(i, n) {
        const T* low = table + (row * n_x + ix[i]) * n_y + iy[i];
        const double both = fx[i] * fy[i];
        double value;
        if (n_x == 1 && n_y == 1)
            value = low[0] * (1.0 - fx[i]);
        else if (n_x == 1)
            value = low[0] * (1.0 - fy[i]) + low[1] * fy[i];
        else if (n_y == 1)
            value = low[0] * (1.0 - fx[i]) + low[n_y] * fx[i];
        else
            value = low[0] * (1.0 - fx[i] - fy[i] + both) + low[1] * (fy[i] - both) + low[n_y] * (fx[i] - both)
                    + low[n_y + 1] * both;
        values[row * n + i] = value;
    }
}

struct Grid {
    i64 n;                      // points
    i64 n_axis;
    i64 length[4];              // of the table
    i64 shape[4];               // of the points, with 1 before the first dimension
    i64 stride[4][4];           // of each coordinate, in elements; 0 where it has one value for many points
};

// Table in up to four coordinates at scattered points, extrapolating; an axis of length 1 passes NaN on only.
template <class T>
__global__ void interpolate_grid(
    const T* table, const double* nodes_0, const double* nodes_1, const double* nodes_2, const double* nodes_3,
    const double* x_0, const double* x_1, const double* x_2, const double* x_3, Grid grid, double* values
) {
    const double* nodes[4] = {nodes_0, nodes_1, nodes_2, nodes_3};
    const double* coords[4] = {x_0, x_1, x_2, x_3};
    EACH(i, grid.n) {
        i64 place[4] = {0, 0, 0, 0}, rest = i;
        for (int dim = 3; dim >= 0; --dim) {
            const i64 at = rest % grid.shape[dim];
            rest /= grid.shape[dim];
            for (i64 axis = 0; axis < grid.n_axis; ++axis) place[axis] += at * grid.stride[axis][dim];
        }
        double corners[16], above[4], missing = 0.0;
        i64 offset[16], n_corner = 1, n_used = 0;
        offset[0] = 0;
        for (i64 axis = 0; axis < grid.n_axis; ++axis) {
            const i64 length = grid.length[axis];
            const Place p = place_among(coords[axis][place[axis]], nodes[axis], length);
            for (i64 k = 0; k < n_corner; ++k) offset[k] = offset[k] * length + p.below;
            if (length == 1) {
                missing += p.above;
                continue;
            }
            above[n_used++] = p.above;
            for (i64 k = n_corner - 1; k >= 0; --k) {
                offset[2 * k + 1] = offset[k] + 1;
                offset[2 * k] = offset[k];
            }
            n_corner *= 2;
        }
        for (i64 k = 0; k < n_corner; ++k) corners[k] = table[offset[k]];
        while (n_used > 0) {
            const double fraction = above[--n_used];
            n_corner /= 2;
            for (i64 k = 0; k < n_corner; ++k)
                corners[k] = corners[2 * k] * (1.0 - fraction) + corners[2 * k + 1] * fraction;
        }
        values[i] = corners[0] + missing;
    }
}
