// Parametric point spread functions at the pixels of a map, normalised over their bins in distance.

#include "common.cuh"
#include "field.cuh"

// Parameter at a pixel, at least zero; the table has the shape (n_row, n_cell).
template <class T>
__device__ inline double parameter_at(const T* cells, const Corners& at) {
    const double value = value_at(cells, at);
    return value > 0 ? value : 0.0;
}

// Make the sum of value times area 1 in a column of `n_bin` values, `stride` apart; all zero if that cannot be.
template <class T>
__device__ inline void normalise(T* values, const double* areas, i64 n_bin, i64 stride, bool is_valid) {
    double norm = 0.0;
    for (i64 bin = 0; bin < n_bin && is_valid; ++bin) norm += areas[bin] * values[bin * stride];
    const double factor = is_valid ? inverse_of(norm) : 0.0;
    for (i64 bin = 0; bin < n_bin; ++bin) values[bin * stride] = is_valid ? T(values[bin * stride] * factor) : T(0);
}

// Sum of up to three Gaussians, the first of amplitude 1; tables that are not there are of Gaussians that are not used.
template <class T>
__global__ void project_gauss(
    const T* scale, const T* sigma_1, const T* sigma_2, const T* amplitude_2, const T* sigma_3, const T* amplitude_3,
    const double* rad, const double* areas, const double* nodes, const double* x, const double* y, Field field,
    i64 n_row, i64 n_bin, i64 n_cell, T* profile
) {
    const T* sigmas[3] = {sigma_1, sigma_2, sigma_3};
    const T* amplitudes[3] = {nullptr, amplitude_2, amplitude_3};
    EACH_ROW(row, n_row) EACH(p, field.n_pixel) {
        const Corners at = corners_at(x, y, nodes, field, p);
        bool is_valid = parameter_at(scale + row * n_cell, at) > 0;
        double steepness[3] = {0, 0, 0}, amplitude[3] = {1, 0, 0};
        EACH_OF_FEW(i, 3, 3) {
            if (!sigmas[i]) continue;
            const double sigma = parameter_at(sigmas[i] + row * n_cell, at);
            is_valid = is_valid && sigma > 0;
            steepness[i] = -0.5 / (sigma > 0 ? sigma * sigma : 1.0);
            if (i > 0) amplitude[i] = parameter_at(amplitudes[i] + row * n_cell, at);
        }
        T* values = profile + row * n_bin * field.n_pixel + p;
        for (i64 bin = 0; bin < n_bin && is_valid; ++bin) {
            const double square = rad[bin] * rad[bin];
            double value = exp(square * steepness[0]);
            EACH_OF_FEW(i, 3, 3)
                if (i > 0 && sigmas[i]) value += exp(square * steepness[i]) * amplitude[i];
            values[bin * field.n_pixel] = value;
        }
        normalise(values, areas, n_bin, field.n_pixel, is_valid);
    }
}

template <class T>
__global__ void project_king(
    const T* gammas, const T* sigmas, const double* rad, const double* areas, const double* nodes, const double* x,
    const double* y, Field field, i64 n_row, i64 n_bin, i64 n_cell, T* profile
) {
    EACH_ROW(row, n_row) EACH(p, field.n_pixel) {
        const Corners at = corners_at(x, y, nodes, field, p);
        const double gamma = parameter_at(gammas + row * n_cell, at), sigma = parameter_at(sigmas + row * n_cell, at);
        const bool is_valid = gamma > 1 && sigma > 0;
        const double scale = is_valid ? 0.5 / (gamma * (sigma * sigma)) : 0.0;
        T* values = profile + row * n_bin * field.n_pixel + p;
        for (i64 bin = 0; bin < n_bin && is_valid; ++bin)
            values[bin * field.n_pixel] = exp(-gamma * log1p(rad[bin] * rad[bin] * scale));
        normalise(values, areas, n_bin, field.n_pixel, is_valid);
    }
}
