// What CuPy has from Thrust to sort rows of numbers; NaN comes last, and equal numbers keep their order.

#include <algorithm>
#include <numeric>
#include <vector>

#include "queues.h"

namespace {

template <class T>
bool comes_before(T a, T b) {
    return a < b || (a == a && b != b);
}

template <class T>
void sort(void* stream, void* data, long n_row, long n) {
    T* values = static_cast<T*>(data);
    queues::add(stream, [=] {
        for (long row = 0; row < n_row; ++row) std::stable_sort(values + row * n, values + (row + 1) * n, comes_before<T>);
    });
}

template <class T>
void argsort(void* stream, long* index, const void* data, long n_row, long n) {
    const T* values = static_cast<const T*>(data);
    queues::add(stream, [=] {
        for (long row = 0; row < n_row; ++row) {
            const T* first = values + row * n;
            std::iota(index + row * n, index + (row + 1) * n, 0l);
            std::stable_sort(index + row * n, index + (row + 1) * n,
                             [=](long i, long j) { return comes_before(first[i], first[j]); });
        }
    });
}

}  // namespace

// Kinds are those of NumPy's `dtype.char`. False: there is no code for this one.
#define FOR_KIND(kind, function, ...)                              \
    switch (kind) {                                                \
        case 'd': function<double>(__VA_ARGS__); return true;      \
        case 'f': function<float>(__VA_ARGS__); return true;       \
        case 'l':                                                  \
        case 'q': function<long>(__VA_ARGS__); return true;        \
        case 'i': function<int>(__VA_ARGS__); return true;         \
        case '?': function<bool>(__VA_ARGS__); return true;        \
        default: return false;                                     \
    }

extern "C" bool host_sort(char kind, void* stream, void* data, long n_row, long n) {
    queues::count("launches");
    FOR_KIND(kind, sort, stream, data, n_row, n)
}

extern "C" bool host_argsort(char kind, void* stream, long* index, const void* data, long n_row, long n) {
    queues::count("launches");
    FOR_KIND(kind, argsort, stream, index, data, n_row, n)
}
