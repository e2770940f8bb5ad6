// Where pixels lie among the nodes of a table in the field of view, and the values there.

// One coordinate (offset), or two (longitude and latitude in the field of view).
struct Field {
    i64 n_pixel;
    i64 n_axis;
    i64 n_node[2];
    double lower[2];
    double upper[2];
};

struct Corners {
    int used;            // a bit for each of the four; none outside the axes
    i64 cell[4];
    double weight[4];
};

__device__ inline double fraction_above(double x, const double* nodes, i64 n_node, i64& below) {
    below = node_below(x, nodes, n_node);
    return n_node == 1 ? 0.0 : (x - nodes[below]) / (nodes[below + 1] - nodes[below]);
}

// Nodes around a pixel and their weights; the nodes of the second axis follow those of the first.
__device__ inline Corners corners_at(const double* x, const double* y, const double* nodes, const Field& field, i64 p) {
    Corners at = {0, {0, 0, 0, 0}, {0, 0, 0, 0}};
    if (!(x[p] >= field.lower[0] && x[p] <= field.upper[0])) return at;
    i64 i, j = 0;
    const i64 n_x = field.n_node[0], n_y = field.n_axis == 1 ? 1 : field.n_node[1];
    const double fx = fraction_above(x[p], nodes, n_x, i);
    double fy = 0.0;
    if (field.n_axis == 2) {
        if (!(y[p] >= field.lower[1] && y[p] <= field.upper[1])) return at;
        fy = fraction_above(y[p], nodes + n_x, n_y, j);
    }
    const double both = fx * fy;
    const double weights[4] = {1.0 - fx - fy + both, fy - both, fx - both, both};
    EACH_OF_FEW(k, 4, 4) {
        at.cell[k] = (i + k / 2) * n_y + j + k % 2;
        at.weight[k] = weights[k];
        if ((k / 2 == 0 || n_x > 1) && (k % 2 == 0 || n_y > 1)) at.used |= 1 << k;
    }
    return at;
}

template <class T>
__device__ inline double value_at(const T* cells, const Corners& at) {
    double value = 0.0;
    EACH_OF_FEW(k, 4, 4)
        if (at.used & 1 << k) value += at.weight[k] * cells[at.cell[k]];
    return value;
}

template <class T>
__device__ inline double positive_at(const T* cells, const Corners& at) {
    const double value = value_at(cells, at);
    return value < 0 ? 0.0 : value;
}

__device__ inline double inverse_of(double norm) { return norm > 0 ? 1.0 / norm : 0.0; }
