// cuBLAS on the host: products of real matrices, in columns as it has them.

#include <cstddef>

#include "queues.h"

namespace {

constexpr int success = 0, not_supported = 15, float32 = 0, float64 = 1;

struct Handle {
    void* stream = nullptr;
    int pointer_mode = 0, math_mode = 0;
};

Handle* as_handle(void* handle) { return static_cast<Handle*>(handle); }

struct Shape {
    int transpose_a, transpose_b, m, n, k;
};

template <class T>
struct Columns {
    T* values;
    int n_row;
    T& operator()(int row, int column) const { return values[row + static_cast<std::size_t>(column) * n_row]; }
};

template <class T>
void multiply(Shape s, T alpha, Columns<const T> a, Columns<const T> b, T beta, Columns<T> c) {
    for (int j = 0; j < s.n; ++j)
        for (int i = 0; i < s.m; ++i) {
            T sum = 0;
            for (int l = 0; l < s.k; ++l) sum += (s.transpose_a ? a(l, i) : a(i, l)) * (s.transpose_b ? b(j, l) : b(l, j));
            c(i, j) = beta == 0 ? alpha * sum : alpha * sum + beta * c(i, j);
        }
}

// The factors lie on the host (pointer mode 0) and are read now; the matrices are read when their turn comes.
template <class T>
int add_product(void* handle, Shape s, const T* alpha, const T* a, int lda, const T* b, int ldb, const T* beta, T* c,
                int ldc) {
    if (as_handle(handle)->pointer_mode != 0) return not_supported;
    queues::count("products");
    queues::add(as_handle(handle)->stream, [=, alpha = *alpha, beta = *beta] {
        multiply<T>(s, alpha, {a, lda}, {b, ldb}, beta, {c, ldc});
    });
    return success;
}

template <class T>
int add_batch(void* handle, Shape s, const T* alpha, const T** a, int lda, const T** b, int ldb, const T* beta, T** c,
              int ldc, int n_batch) {
    if (as_handle(handle)->pointer_mode != 0) return not_supported;
    queues::count("products");
    queues::add(as_handle(handle)->stream, [=, alpha = *alpha, beta = *beta] {
        for (int i = 0; i < n_batch; ++i) multiply<T>(s, alpha, {a[i], lda}, {b[i], ldb}, beta, {c[i], ldc});
    });
    return success;
}

}  // namespace

extern "C" {

int cublasCreate_v2(void** handle) { return *handle = new Handle, success; }
int cublasDestroy_v2(void* handle) { return delete as_handle(handle), success; }
int cublasGetVersion_v2(void*, int* version) { return *version = 130000, success; }
int cublasSetStream_v2(void* handle, void* stream) { return as_handle(handle)->stream = stream, success; }
int cublasGetStream_v2(void* handle, void** stream) { return *stream = as_handle(handle)->stream, success; }
int cublasSetPointerMode_v2(void* handle, int mode) { return as_handle(handle)->pointer_mode = mode, success; }
int cublasGetPointerMode_v2(void* handle, int* mode) { return *mode = as_handle(handle)->pointer_mode, success; }
int cublasSetMathMode(void* handle, int mode) { return as_handle(handle)->math_mode = mode, success; }
int cublasGetMathMode(void* handle, int* mode) { return *mode = as_handle(handle)->math_mode, success; }

int cublasDgemm_v2(void* handle, int ta, int tb, int m, int n, int k, const double* alpha, const double* a, int lda,
                   const double* b, int ldb, const double* beta, double* c, int ldc) {
    return add_product<double>(handle, {ta, tb, m, n, k}, alpha, a, lda, b, ldb, beta, c, ldc);
}

int cublasSgemm_v2(void* handle, int ta, int tb, int m, int n, int k, const float* alpha, const float* a, int lda,
                   const float* b, int ldb, const float* beta, float* c, int ldc) {
    return add_product<float>(handle, {ta, tb, m, n, k}, alpha, a, lda, b, ldb, beta, c, ldc);
}

int cublasGemmEx(void* handle, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int type_a, int lda,
                 const void* b, int type_b, int ldb, const void* beta, void* c, int type_c, int ldc, int, int) {
    if (type_a != type_b || type_a != type_c) return not_supported;
    if (type_a == float64)
        return cublasDgemm_v2(handle, ta, tb, m, n, k, static_cast<const double*>(alpha), static_cast<const double*>(a),
                              lda, static_cast<const double*>(b), ldb, static_cast<const double*>(beta),
                              static_cast<double*>(c), ldc);
    if (type_a == float32)
        return cublasSgemm_v2(handle, ta, tb, m, n, k, static_cast<const float*>(alpha), static_cast<const float*>(a), lda,
                              static_cast<const float*>(b), ldb, static_cast<const float*>(beta), static_cast<float*>(c),
                              ldc);
    return not_supported;
}

int cublasSgemmEx(void* handle, int ta, int tb, int m, int n, int k, const float* alpha, const void* a, int type_a, int lda,
                  const void* b, int type_b, int ldb, const float* beta, void* c, int type_c, int ldc) {
    return cublasGemmEx(handle, ta, tb, m, n, k, alpha, a, type_a, lda, b, type_b, ldb, beta, c, type_c, ldc, 0, 0);
}

int cublasGemmStridedBatchedEx(void* handle, int ta, int tb, int m, int n, int k, const void* alpha, const void* a,
                               int type_a, int lda, long long stride_a, const void* b, int type_b, int ldb,
                               long long stride_b, const void* beta, void* c, int type_c, int ldc, long long stride_c,
                               int n_batch, int, int) {
    const long long size = type_a == float64 ? sizeof(double) : sizeof(float);
    for (int i = 0; i < n_batch; ++i) {
        const int result = cublasGemmEx(handle, ta, tb, m, n, k, alpha, static_cast<const char*>(a) + size * stride_a * i,
                                        type_a, lda, static_cast<const char*>(b) + size * stride_b * i, type_b, ldb, beta,
                                        static_cast<char*>(c) + size * stride_c * i, type_c, ldc, 0, 0);
        if (result != success) return result;
    }
    return success;
}

int cublasDgemmBatched(void* handle, int ta, int tb, int m, int n, int k, const double* alpha, const double** a, int lda,
                       const double** b, int ldb, const double* beta, double** c, int ldc, int n_batch) {
    return add_batch<double>(handle, {ta, tb, m, n, k}, alpha, a, lda, b, ldb, beta, c, ldc, n_batch);
}

int cublasSgemmBatched(void* handle, int ta, int tb, int m, int n, int k, const float* alpha, const float** a, int lda,
                       const float** b, int ldb, const float* beta, float** c, int ldc, int n_batch) {
    return add_batch<float>(handle, {ta, tb, m, n, k}, alpha, a, lda, b, ldb, beta, c, ldc, n_batch);
}

}  // extern "C"
