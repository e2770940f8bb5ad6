// Events counted into the bins of a sky map: frame, projection, pixel, bins and the sum in one launch.

#include "common.cuh"
#include "projections.cuh"

struct EventMap {
    i64 n_event;
    i64 n_x, n_y;
    i64 n_axis;            // besides the two of the sky
    i64 n_bin[3];
    i64 turns;             // whether the positions are in another frame than the map
    double turn[9];        // rotation from the one to the other
    double middle, period; // of the columns, where the map reaches over the end of the native longitudes; else 0
};

constexpr double EDGE = 1e-8;  // as in lightpool.arrays.kernels.events

// Pixel that a coordinate falls into, -1 outside; what is within EDGE of an edge belongs to the upper one.
__device__ inline i64 pixel_number(double pix, i64 n) {
    const double nearest = floor(pix + (0.5 + EDGE));
    return nearest >= 0 && nearest < n ? i64(nearest) : -1;
}

// The map has the shape (n_bin[n_axis - 1], ..., n_bin[0], n_y, n_x). Without weights each event counts 1.
__global__ void count_events(
    const double* lon, const double* lat, const double* value_0, const double* edges_0, const double* value_1,
    const double* edges_1, const double* value_2, const double* edges_2, const double* weights, Projection projection,
    EventMap map, double* counts
) {
    const double* values[3] = {value_0, value_1, value_2};
    const double* edges[3] = {edges_0, edges_1, edges_2};
    EACH(event, map.n_event) {
        double l = lon[event], b = lat[event];
        if (map.turns) {
            const Vector v = rotated(map.turn, unit_vector(l, b));
            l = positive_longitude(v);
            b = latitude(v);
        }
        Point pixel = sky_to_pixel(projection, l, b);
        if (map.period > 0) pixel.u -= map.period * floor((pixel.u - (map.middle - EDGE)) / map.period + 0.5);
        const i64 x = pixel_number(pixel.u, map.n_x), y = pixel_number(pixel.v, map.n_y);
        i64 bin = 0;
        bool inside = x >= 0 && y >= 0;
        i64 stride = 1;
        EACH_OF_FEW(axis, map.n_axis, 3) {
            const i64 i = inside ? bin_of(values[axis][event], edges[axis], map.n_bin[axis]) : -1;
            inside = i >= 0;
            bin += i * stride;
            stride *= map.n_bin[axis];
        }
        if (inside) atomicAdd(&counts[(bin * map.n_y + y) * map.n_x + x], weights ? weights[event] : 1.0);
    }
}
