// The projections of FITS, line by line those of native_coordinates.py; angles in radians.

constexpr double PI = 3.141592653589793;

enum Code { CAR, TAN, AIT, SIN, ARC, ZEA, STG, MOL, SFL };  // the order of PROJECTION_CODES

struct Projection {
    i64 code;
    i64 shifts;            // whether native angles are celestial ones but for a shift in longitude
    double lon_shift;
    double rotation[9];    // from native to celestial unit vectors
    double to_plane[4];    // from pixels to the plane
    double to_pixel[4];    // and back
    double reference[2];   // pixel of the reference point
    double first[2];       // pixel that is counted as 0
};

struct Vector { double x, y, z; };
struct Point { double u, v; };

__device__ inline Vector unit_vector(double lon, double lat) {
    const double cos_lat = cos(lat);
    return {cos_lat * cos(lon), cos_lat * sin(lon), sin(lat)};
}

__device__ inline Vector rotated(const double* m, Vector v) {
    return {m[0] * v.x + m[1] * v.y + m[2] * v.z, m[3] * v.x + m[4] * v.y + m[5] * v.z,
            m[6] * v.x + m[7] * v.y + m[8] * v.z};
}

__device__ inline Vector rotated_back(const double* m, Vector v) {
    return {m[0] * v.x + m[3] * v.y + m[6] * v.z, m[1] * v.x + m[4] * v.y + m[7] * v.z,
            m[2] * v.x + m[5] * v.y + m[8] * v.z};
}

__device__ inline double positive_longitude(Vector v) {
    const double lon = atan2(v.y, v.x);
    return lon < 0 ? lon + 2 * PI : lon;
}

__device__ inline double latitude(Vector v) { return atan2(v.z, hypot(v.x, v.y)); }

__device__ inline Point times(const double* m, double a, double b) {
    return {m[1] == 0 ? m[0] * a : m[0] * a + m[1] * b, m[2] == 0 ? m[3] * b : m[2] * a + m[3] * b};
}

// --- From the sky to the plane -------------------------------------------------------------------------------------

constexpr double NEAR_ZERO = 1e-15;

__device__ inline double radius_of(i64 code, double sine, double cosine) {
    switch (code) {
        case TAN: return cosine > NEAR_ZERO ? sine / cosine : not_a_number();
        case SIN: return cosine > -NEAR_ZERO ? sine : not_a_number();
        case ARC: return atan2(sine, cosine);
        case ZEA: return 2 * sin(atan2(sine, cosine) / 2);
        default: return 1.0 + cosine > NEAR_ZERO ? 2 * tan(atan2(sine, cosine) / 2) : not_a_number();  // STG
    }
}

__device__ inline Point zenithal_plane(i64 code, Vector native) {
    const double sine = hypot(native.x, native.y);
    const double radius = radius_of(code, sine, native.z);
    if (sine == 0) return {radius * native.y, -radius};
    return {radius * (native.y / sine), radius * (-native.x / sine)};
}

__device__ inline double minus_sine(double t) {
    const double t2 = t * t;
    return t < 0.1 ? t * t2 / 6 * (1.0 - t2 / 20 * (1.0 - t2 / 42 * (1.0 - t2 / 72))) : t - sin(t);
}

__device__ inline double solve_minus_sine(double value) {
    const double s = pow(6 * value, 1.0 / 3), s2 = s * s;
    double t = s * (1.0 + s2 / 60 * (1.0 + s2 * 3 / 70 * (1.0 + s2 / 18)));
    if (s > 0.05)
        for (int step = 0; step < 5; ++step) t -= (minus_sine(t) - value) / (1.0 - cos(t));
    return t;
}

__device__ inline double sign_of(double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }  // NaN stays

__device__ inline Point cylindrical_plane(i64 code, double phi, double theta) {
    const double root2 = sqrt(2.0);
    if (code == CAR) return {phi, theta};
    if (code == SFL) return {phi * cos(theta), theta};
    if (code == AIT) {
        const double cosine = cos(theta), gamma = sqrt(2.0 / (1.0 + cosine * cos(phi / 2)));
        return {2 * gamma * cosine * sin(phi / 2), gamma * sin(theta)};
    }
    const double sine = sin((PI / 2 - fabs(theta)) / 2);  // MOL
    const double half = solve_minus_sine(PI * (2 * (sine * sine))) / 2;
    return {2 * root2 / PI * phi * sin(half), root2 * sign_of(theta) * cos(half)};
}

__device__ inline bool is_cylindrical(i64 code) { return code == CAR || code == AIT || code == MOL || code == SFL; }

// Pixel of a direction in the frame of the projection, not rounded; NaN where it does not project.
__device__ inline Point sky_to_pixel(const Projection& p, double lon, double lat) {
    Point plane;
    if (p.shifts) {
        double phi = lon - p.lon_shift;
        phi = phi - 2 * PI * rint(phi / (2 * PI));
        plane = cylindrical_plane(p.code, phi, lat);
    } else {
        const Vector native = rotated_back(p.rotation, unit_vector(lon, lat));
        plane = is_cylindrical(p.code) ? cylindrical_plane(p.code, atan2(native.y, native.x), latitude(native))
                                       : zenithal_plane(p.code, native);
    }
    const Point pixel = times(p.to_pixel, plane.u, plane.v);
    return {pixel.u + p.reference[0] - p.first[0], pixel.v + p.reference[1] - p.first[1]};
}

// --- From the plane to the sky -------------------------------------------------------------------------------------

constexpr double ROUNDING = 1.0 + 1e-12;

__device__ inline double at_least(double x, double lowest) { return x < lowest ? lowest : x; }  // NaN stays

// Native unit vector of a point in the plane; false where there is no sky.
__device__ inline bool zenithal_vector(i64 code, Point plane, Vector& native) {
    const double r2 = plane.u * plane.u + plane.v * plane.v;
    double ratio, z;  // the sine of the distance from the pole over the radius, and its cosine
    bool good = true;
    switch (code) {
        case TAN: ratio = z = 1.0 / sqrt(1.0 + r2); break;
        case SIN: ratio = 1.0; z = sqrt(at_least(1.0 - r2, 0.0)); good = !(r2 > 1); break;
        case ARC: {
            const double r = sqrt(r2);
            ratio = r == 0 ? 1.0 : sin(r) / r;
            z = cos(r);
            good = !(r > PI * ROUNDING);
            break;
        }
        case ZEA: ratio = sqrt(at_least(1.0 - r2 / 4, 0.0)); z = 1.0 - r2 / 2; good = !(r2 > 4 * ROUNDING); break;
        default: ratio = 1.0 / (1.0 + r2 / 4); z = 2 * ratio - 1.0;  // STG
    }
    native = {-plane.v * ratio, plane.u * ratio, z};
    return good;
}

// Native longitude and latitude of a point in the plane; false where there is no sky.
__device__ inline bool cylindrical_angles(i64 code, Point plane, double& phi, double& theta) {
    const double u = plane.u, v = plane.v, root2 = sqrt(2.0);
    if (code == CAR || code == SFL) {
        phi = code == CAR ? u : u / cos(v);
        theta = v;
        return !(fabs(phi) > PI * ROUNDING || fabs(v) > PI / 2 * ROUNDING);
    }
    if (code == AIT) {
        const double quarter = u / 4, half = v / 2, z2 = 1.0 - quarter * quarter - half * half;
        const double lifted = at_least(z2, 0.5), z = sqrt(lifted), x = 2 * lifted - 1.0, y = z * u / 2;
        phi = 2 * atan2(y, x);
        theta = atan2(z * v, hypot(x, y));
        return !(z2 < 0.5 / ROUNDING);
    }
    const double sine = v / root2, cosine = sqrt(at_least(1.0 - sine * sine, 0.0));  // MOL
    const bool at_pole = cosine < 1e-12;
    double versine = minus_sine(2 * atan2(cosine, fabs(sine))) / PI / 2;
    versine = versine > 1.0 ? 1.0 : at_least(versine, 0.0);
    theta = sign_of(v) * (PI / 2 - 2 * asin(sqrt(versine)));
    phi = (at_pole ? 0.0 : u / cosine) * (PI / 2 / root2);
    return !(fabs(sine) > ROUNDING || fabs(phi) > PI * ROUNDING || (at_pole && fabs(u) > 1e-12));
}

// Unit vector, in the frame of the projection, of a pixel; NaN where there is no sky.
__device__ inline Vector pixel_direction(const Projection& p, double x, double y) {
    const Point plane = times(p.to_plane, x - p.reference[0], y - p.reference[1]);
    Vector direction;
    bool good;
    if (is_cylindrical(p.code)) {
        double phi, theta;
        good = cylindrical_angles(p.code, plane, phi, theta);
        direction = p.shifts ? unit_vector(phi + p.lon_shift, theta) : rotated(p.rotation, unit_vector(phi, theta));
    } else {
        good = zenithal_vector(p.code, plane, direction);
        direction = rotated(p.rotation, direction);
    }
    return good ? direction : Vector{not_a_number(), not_a_number(), not_a_number()};
}
