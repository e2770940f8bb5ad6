// cuFFT on the host: transforms of any length by its factors, in double precision.

#include <cmath>
#include <complex>
#include <map>
#include <mutex>
#include <vector>

#include "queues.h"

namespace {

using Complex = std::complex<double>;
constexpr int success = 0, invalid_plan = 1, invalid_type = 3;
enum Type { R2C = 0x2a, C2R = 0x2c, C2C = 0x29, D2Z = 0x6a, Z2D = 0x6c, Z2Z = 0x69 };

// Where the elements of one side of a plan lie.
struct Layout {
    std::vector<long> shape;    // of the elements that are there, without the batch
    std::vector<long> strides;  // between them, in elements
    long distance = 0;          // from one member of the batch to the next
};

struct Plan {
    int type = 0;
    std::vector<long> shape;  // of the transform
    long n_batch = 0;
    Layout in, out;
    void* stream = nullptr;
};

std::mutex lock;
std::map<int, Plan> plans;
int last_handle = 0;

// Transform of the `n` numbers in[0], in[stride], ...; `roots` are those of the whole transform, of which this is a part.
void transform(const Complex* in, long stride, Complex* out, long n, const std::vector<Complex>& roots) {
    if (n == 1) {
        *out = *in;
        return;
    }
    long factor = 2;
    while (n % factor) ++factor;
    const long m = n / factor, n_root = static_cast<long>(roots.size()), step = n_root / n;
    for (long j = 0; j < factor; ++j) transform(in + j * stride, stride * factor, out + j * m, m, roots);
    std::vector<Complex> terms(factor);
    for (long k = 0; k < m; ++k) {
        for (long j = 0; j < factor; ++j) terms[j] = out[j * m + k] * roots[j * k * step];
        for (long q = 0; q < factor; ++q) {
            Complex sum = 0;
            for (long j = 0; j < factor; ++j) sum += terms[j] * roots[j * q * m % n * step];
            out[q * m + k] = sum;
        }
    }
}

std::vector<Complex> roots_of_one(long n, int sign) {
    std::vector<Complex> roots(n);
    for (long k = 0; k < n; ++k) roots[k] = std::polar(1.0, sign * 2 * M_PI * k / n);
    return roots;
}

long product(const std::vector<long>& shape, std::size_t first, std::size_t last) {
    long size = 1;
    for (std::size_t i = first; i < last; ++i) size *= shape[i];
    return size;
}

// Transform an array in rows along one axis.
void transform_axis(std::vector<Complex>& values, const std::vector<long>& shape, std::size_t axis, int sign) {
    const long n = shape[axis], inner = product(shape, axis + 1, shape.size()), outer = product(shape, 0, axis);
    const std::vector<Complex> roots = roots_of_one(n, sign);
    std::vector<Complex> result(n);
    for (long i = 0; i < outer; ++i)
        for (long j = 0; j < inner; ++j) {
            Complex* first = &values[i * n * inner + j];
            transform(first, inner, result.data(), n, roots);
            for (long k = 0; k < n; ++k) first[k * inner] = result[k];
        }
}

template <class Function>
void for_each_element(const Layout& layout, long batch, Function function) {
    const long n = product(layout.shape, 0, layout.shape.size());
    for (long i = 0; i < n; ++i) {
        long rest = i, place = batch * layout.distance;
        for (std::size_t axis = layout.shape.size(); axis-- > 0; rest /= layout.shape[axis])
            place += rest % layout.shape[axis] * layout.strides[axis];
        function(i, place);
    }
}

// The second half of each row, which real results do not need: element k is the conjugate of element n - k.
std::vector<Complex> complete_rows(const std::vector<Complex>& half, long n) {
    const long n_half = n / 2 + 1, n_row = static_cast<long>(half.size()) / n_half;
    std::vector<Complex> whole(n_row * n);
    for (long row = 0; row < n_row; ++row)
        for (long k = 0; k < n; ++k) {
            const Complex value = half[row * n_half + (k < n_half ? k : n - k)];
            whole[row * n + k] = k < n_half ? value : std::conj(value);
        }
    for (long row = 0; row < n_row; ++row) whole[row * n] = whole[row * n].real();
    return whole;
}

template <class In, class Out>
void execute(const Plan& plan, const In* in, Out* out, int sign) {
    constexpr bool to_real = std::is_floating_point_v<Out>;
    const std::size_t last = plan.shape.size() - 1;
    for (long batch = 0; batch < plan.n_batch; ++batch) {
        std::vector<Complex> values(product(plan.in.shape, 0, last + 1));
        for_each_element(plan.in, batch, [&](long i, long place) { values[i] = Complex(in[place]); });
        for (std::size_t axis = 0; axis < last; ++axis) transform_axis(values, plan.in.shape, axis, sign);
        if constexpr (to_real) values = complete_rows(values, plan.shape[last]);
        transform_axis(values, plan.shape, last, sign);
        for_each_element(plan.out, batch, [&](long i, long place) {
            const long n = plan.out.shape[last];
            const Complex value = values[i / n * plan.shape[last] + i % n];
            if constexpr (to_real)
                out[place] = static_cast<Out>(value.real());
            else
                out[place] = Out(value);
        });
    }
}

Layout layout(std::vector<long> shape, const int* embedded, int stride, int distance) {
    Layout made{shape, std::vector<long>(shape.size()), distance};
    long step = embedded ? stride : 1;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        made.strides[axis] = step;
        step *= embedded ? embedded[axis] : shape[axis];
    }
    if (!embedded) made.distance = step;
    return made;
}

template <class In, class Out>
int add_transform(int handle, const void* in, void* out, int sign) {
    std::lock_guard<std::mutex> guard(lock);
    const auto found = plans.find(handle);
    if (found == plans.end()) return invalid_plan;
    const Plan plan = found->second;
    queues::count("transforms");
    queues::add(plan.stream,
                [=] { execute(plan, static_cast<const In*>(in), static_cast<Out*>(out), sign); });
    return success;
}

}  // namespace

extern "C" {

int cufftGetVersion(int* version) { return *version = 12000, success; }

int cufftCreate(int* handle) {
    std::lock_guard<std::mutex> guard(lock);
    plans[*handle = ++last_handle];
    return success;
}

int cufftDestroy(int handle) {
    std::lock_guard<std::mutex> guard(lock);
    return plans.erase(handle) ? success : invalid_plan;
}

int cufftSetAutoAllocation(int, int) { return success; }
int cufftSetWorkArea(int, void*) { return success; }

int cufftSetStream(int handle, void* stream) {
    std::lock_guard<std::mutex> guard(lock);
    return plans[handle].stream = stream, success;
}

int cufftMakePlanMany(int handle, int rank, int* n, int* in_embedded, int in_stride, int in_distance, int* out_embedded,
                      int out_stride, int out_distance, int type, int n_batch, std::size_t* work_size) {
    std::vector<long> shape(n, n + rank), half = shape;
    half.back() = shape.back() / 2 + 1;
    const bool from_half = type == C2R || type == Z2D, to_half = type == R2C || type == D2Z;
    if (!from_half && !to_half && type != C2C && type != Z2Z) return invalid_type;
    std::lock_guard<std::mutex> guard(lock);
    Plan& plan = plans[handle];
    plan.type = type;
    plan.shape = shape;
    plan.n_batch = n_batch;
    plan.in = layout(from_half ? half : shape, in_embedded, in_stride, in_distance);
    plan.out = layout(to_half ? half : shape, out_embedded, out_stride, out_distance);
    *work_size = 0;
    return success;
}

int cufftMakePlan1d(int handle, int n, int type, int n_batch, std::size_t* work_size) {
    return cufftMakePlanMany(handle, 1, &n, nullptr, 1, 0, nullptr, 1, 0, type, n_batch, work_size);
}

int cufftExecC2C(int handle, void* in, void* out, int sign) {
    return add_transform<std::complex<float>, std::complex<float>>(handle, in, out, sign);
}
int cufftExecZ2Z(int handle, void* in, void* out, int sign) { return add_transform<Complex, Complex>(handle, in, out, sign); }
int cufftExecR2C(int handle, void* in, void* out) {
    return add_transform<float, std::complex<float>>(handle, in, out, -1);
}
int cufftExecD2Z(int handle, void* in, void* out) { return add_transform<double, Complex>(handle, in, out, -1); }
int cufftExecC2R(int handle, void* in, void* out) { return add_transform<std::complex<float>, float>(handle, in, out, 1); }
int cufftExecZ2D(int handle, void* in, void* out) { return add_transform<Complex, double>(handle, in, out, 1); }

}  // extern "C"
