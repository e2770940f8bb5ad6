// Directions of pixels, and quantities that are computed from directions. Vectors are stored as (3, n), one row a coordinate.

#include "common.cuh"
#include "projections.cuh"

struct Triple { double x, y, z; };

__device__ inline Vector vector_at(const double* vectors, i64 n, i64 i) {
    return {vectors[i], vectors[n + i], vectors[2 * n + i]};
}

__device__ inline void put_vector(double* vectors, i64 n, i64 i, Vector v) {
    vectors[i] = v.x;
    vectors[n + i] = v.y;
    vectors[2 * n + i] = v.z;
}

__global__ void pixel_directions(Projection projection, i64 n_y, i64 n_x, double* vectors) {
    EACH(i, n_y * n_x) {
        const double x = double(i % n_x) + projection.first[0], y = double(i / n_x) + projection.first[1];
        put_vector(vectors, n_y * n_x, i, pixel_direction(projection, x, y));
    }
}

struct Rotation { double matrix[9]; };

__global__ void rotate(const double* vectors, Rotation rotation, i64 n, double* turned) {
    EACH(i, n) put_vector(turned, n, i, rotated(rotation.matrix, vector_at(vectors, n, i)));
}

// Longitude, against that of the sky, and latitude of vectors in the field of view.
__global__ void fov_lonlat(const double* vectors, i64 n, double* lon, double* lat) {
    EACH(i, n) {
        const Vector v = vector_at(vectors, n, i);
        lon[i] = atan2(-v.y, v.x);
        lat[i] = latitude(v);
    }
}

__device__ inline double length(Vector v) { return sqrt(v.x * v.x + v.y * v.y + v.z * v.z); }

__device__ inline double angle_between(Vector v, Vector w) {
    return 2 * atan2(length({v.x - w.x, v.y - w.y, v.z - w.z}), length({v.x + w.x, v.y + w.y, v.z + w.z}));
}

__global__ void separation(const double* vectors, Triple centre, i64 n, double* angle) {
    EACH(i, n) angle[i] = angle_between(vector_at(vectors, n, i), {centre.x, centre.y, centre.z});
}

struct Bearing { double east, north; };  // sine and cosine of a position angle, not normalised

__device__ inline Bearing bearing(Vector a, Vector b) {
    return {a.x * b.y - a.y * b.x, (a.x * a.x + a.y * a.y) * b.z - a.z * (a.x * b.x + a.y * b.y)};
}

// Sine of the angle from one bearing to another; a step of no length points to the north.
__device__ inline double sine_between(Bearing a, Bearing b) {
    const double norm = sqrt((a.east * a.east + a.north * a.north) * (b.east * b.east + b.north * b.north));
    return (b.east * a.north - b.north * a.east) / (norm + (norm == 0 ? 1.0 : 0.0));
}

__device__ inline double inner(Vector v, Vector w) { return v.x * w.x + v.y * w.y + v.z * w.z; }

// Area of a spherical triangle, positive against the clock as seen from the centre.
__device__ inline double triangle(Vector a, Vector b, Vector c) {
    const Vector u = {b.x - a.x, b.y - a.y, b.z - a.z}, v = {c.x - a.x, c.y - a.y, c.z - a.z};
    const Vector across = {u.y * v.z - u.z * v.y, u.z * v.x - u.x * v.z, u.x * v.y - u.y * v.x};
    return 2 * atan2(inner(a, across), 1 + inner(a, b) + inner(b, c) + inner(c, a));
}

// Solid angle of pixels from the directions of their corners: two plane triangles each, or two spherical ones.
__global__ void solid_angles(const double* corners, i64 n_y, i64 n_x, double* area) {
    const double TURN = 1e-5;  // as in lightpool.arrays.kernels.solid_angles
    const i64 n = (n_y + 1) * (n_x + 1);
    EACH(i, n_y * n_x) {
        const i64 low = i / n_x * (n_x + 1) + i % n_x, high = low + n_x + 1;
        const Vector a = vector_at(corners, n, low), b = vector_at(corners, n, low + 1);
        const Vector c = vector_at(corners, n, high), d = vector_at(corners, n, high + 1);
        const double at_upper_left = sine_between(bearing(c, a), bearing(c, d));
        const double at_lower_right = sine_between(bearing(a, b), bearing(b, d));
        const double along_x = angle_between(a, b), along_y = angle_between(a, c);
        if (along_x * along_x + along_y * along_y > TURN * (a.x * a.x + a.y * a.y)) {
            area[i] = fabs(triangle(a, b, d) + triangle(a, d, c));
            continue;
        }
        area[i] = 0.5 * fabs(along_y * angle_between(c, d) * at_upper_left
                             + angle_between(b, d) * along_x * at_lower_right);
    }
}
