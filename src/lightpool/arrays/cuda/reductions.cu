// Sums over the pixels of each plane, and over the planes of each band.

#include "common.cuh"

constexpr int N_THREAD = 256;

struct Planes {
    i64 n_map, n_mask;
    i64 n_plane, n_pixel;
};

// Sums over the pixels that all masks keep and where no map is NaN, one for each map, plane and block of the grid: its
// x counts blocks, its y planes. They are added up in a fixed order. Sums of shape (n_map, n_plane, gridDim.x).
template <class T>
__global__ void sums_in_masks(
    const T* map_0, const T* map_1, const T* map_2, const T* map_3, const bool* mask_0, const bool* mask_1,
    const bool* mask_2, const bool* mask_3, Planes planes, double* sums
) {
    __shared__ double partial[4][N_THREAD];
    const T* maps[4] = {map_0, map_1, map_2, map_3};
    const bool* masks[4] = {mask_0, mask_1, mask_2, mask_3};
    EACH_ROW(plane, planes.n_plane) {
        double sum[4] = {0.0, 0.0, 0.0, 0.0};
        EACH(pixel, planes.n_pixel) {
            const i64 place = plane * planes.n_pixel + pixel;
            bool is_kept = true;
            EACH_OF_FEW(k, planes.n_mask, 4) is_kept = is_kept && masks[k][place];
            EACH_OF_FEW(k, planes.n_map, 4) is_kept = is_kept && !isnan(maps[k][place]);
            if (is_kept)
                EACH_OF_FEW(k, planes.n_map, 4) sum[k] += maps[k][place];
        }
        EACH_OF_FEW(k, planes.n_map, 4) partial[k][threadIdx.x] = sum[k];
        for (unsigned n = blockDim.x / 2; n > 0; n /= 2) {  // blockDim.x is a power of two, at most N_THREAD
            __syncthreads();
            if (threadIdx.x < n)
                EACH_OF_FEW(k, planes.n_map, 4) partial[k][threadIdx.x] += partial[k][threadIdx.x + n];
        }
        if (threadIdx.x == 0)
            EACH_OF_FEW(k, planes.n_map, 4)
                sums[(k * planes.n_plane + plane) * gridDim.x + blockIdx.x] = partial[k][0];
        __syncthreads();
    }
}

struct Bands {
    i64 n_map, n_band, n_pixel;
};

// Sums over the planes of each band, of what the mask keeps and is finite; n_map arrays of shape (n_band, n_pixel). A band
// is the plane where it begins and the one behind its end.
template <class T>
__global__ void sums_in_bands(
    const T* map_0, const T* map_1, const T* map_2, const T* map_3, const T* map_4, const bool* mask, const i64* bands,
    Bands sizes, double* sums
) {
    const T* maps[5] = {map_0, map_1, map_2, map_3, map_4};
    EACH_ROW(band, sizes.n_band) {
        EACH(pixel, sizes.n_pixel) {
            double sum[5] = {0.0, 0.0, 0.0, 0.0, 0.0};
            for (i64 plane = bands[2 * band]; plane < bands[2 * band + 1]; ++plane) {
                const i64 place = plane * sizes.n_pixel + pixel;
                if (!mask[place]) continue;
                EACH_OF_FEW(k, sizes.n_map, 5) {
                    const double value = maps[k][place];
                    if (isfinite(value)) sum[k] += value;
                }
            }
            EACH_OF_FEW(k, sizes.n_map, 5) sums[(k * sizes.n_band + band) * sizes.n_pixel + pixel] = sum[k];
        }
    }
}
