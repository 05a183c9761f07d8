// The C interface, for float and double. Every function leaves its inputs as they were.
#include "network.h"
#include "pack.h"
#include "row.h"

namespace {

constexpr int64_t BLOCK = 64;  // elements whose parameters are turned bins-major at once

// Parameter j of element i is at[i * row + j * bin].
template <class T> struct Rows {
    const T *at;
    int64_t row, bin;
};

// Copies the parameters of `count` elements to [parameter][BLOCK]; lanes beyond repeat the last.
template <class T> INLINE void turn(Rows<T> from, int64_t width, int64_t count, T *to) {
    for (int64_t i = 0; i < BLOCK; i++) {
        const T *p = from.at + (i < count ? i : count - 1) * from.row;
        for (int64_t j = 0; j < width; j++) to[j * BLOCK + i] = p[j * from.bin];
    }
}

template <class T>
void spline(const T *x, Rows<T> rows, const Shape<T> &shape, bool inverse, int64_t n,
            T *value, T *logabsdet) {
    constexpr int64_t L = lanes<T>;
    const int64_t width = 3 * shape.bins - 1;
    alignas(64) T turned[(3 * MAX_BINS - 1) * BLOCK], points[BLOCK], values[BLOCK], logs[BLOCK];
    for (int64_t at = 0; at < n; at += BLOCK) {
        const int64_t count = n - at < BLOCK ? n - at : BLOCK;
        turn(Rows<T>{rows.at + at * rows.row, rows.row, rows.bin}, width, count, turned);
        for (int64_t i = 0; i < BLOCK; i++) points[i] = x[at + (i < count ? i : count - 1)];
        for (int64_t i = 0; i < count; i += L) {
            auto read = [&](int64_t j) { return load(turned + j * BLOCK + i); };
            Vec<T> v, l = {};
            if (inverse)
                spline_inverse<T>(load(points + i), shape, read, v, l);
            else
                spline_forward<T>(load(points + i), shape, read, logabsdet, v, l);
            store(values + i, v), store(logs + i, l);
        }
        memcpy(value + at, values, count * sizeof(T));
        if (logabsdet) memcpy(logabsdet + at, logs, count * sizeof(T));
    }
}

// `grads` is [n][3K-1]; x is the point, or the inverse's result.
template <class T>
void spline_grad(const T *x, const T *grad_value, const T *grad_log, Rows<T> rows,
                 const Shape<T> &shape, bool inverse, int64_t n, T *grad_x, T *grads) {
    constexpr int64_t L = lanes<T>;
    const int64_t width = 3 * shape.bins - 1;
    alignas(64) T turned[(3 * MAX_BINS - 1) * BLOCK], in[3][BLOCK], found[BLOCK];
    const T *given[3] = {x, grad_value, grad_log};
    for (int64_t at = 0; at < n; at += BLOCK) {
        const int64_t count = n - at < BLOCK ? n - at : BLOCK;
        turn(Rows<T>{rows.at + at * rows.row, rows.row, rows.bin}, width, count, turned);
        for (int g = 0; g < 3; g++)
            for (int64_t i = 0; i < BLOCK; i++)
                in[g][i] = given[g][at + (i < count ? i : count - 1)];
        for (int64_t i = 0; i < count; i += L) {
            auto read = [&](int64_t j) { return load(turned + j * BLOCK + i); };
            auto write = [&](int64_t j, Vec<T> v) { store(turned + j * BLOCK + i, v); };
            store(found + i, spline_backward<T>(load(in[0] + i), load(in[1] + i), load(in[2] + i),
                                                inverse, shape, read, write));
        }
        memcpy(grad_x + at, found, count * sizeof(T));
        for (int64_t i = 0; i < count; i++)
            for (int64_t j = 0; j < width; j++)
                grads[(at + i) * width + j] = turned[j * BLOCK + i];
    }
}

template <class T, int C>
void tiles(const Net<T> &n, const T *packed, const T *z, T *x, T *logabsdet, int64_t count,
           T *scratch) {
    constexpr int64_t W = C * lanes<T>;
    for (int64_t i = 0; i < count; i += W)
        tile<T, C>(n, packed, z + i * n.dim, x + i * n.dim, logabsdet + i,
                   count - i < W ? count - i : W, scratch);
}

template <class T>
void walk(const Net<T> &n, const T *packed, const T *z, T *x, T *logabsdet, int64_t count,
          T *scratch) {
    constexpr int64_t L = lanes<T>, W = WIDE * L;
    const int64_t full = packed ? count / W * W : 0;
    if (!packed)
        for (int64_t i = 0; i < count; i++)
            row<T>(n, z + i * n.dim, x + i * n.dim, logabsdet + i, scratch);
    else
        tiles<T, WIDE>(n, packed, z, x, logabsdet, full, scratch);
    if (!packed || full == count) return;
    z += full * n.dim, x += full * n.dim, logabsdet += full, count -= full;
    if (count > 2 * L)
        tiles<T, WIDE>(n, packed, z, x, logabsdet, count, scratch);
    else if (count > L)
        tiles<T, 2>(n, packed, z, x, logabsdet, count, scratch);
    else
        tiles<T, 1>(n, packed, z, x, logabsdet, count, scratch);
}

// A fingerprint that any changed bit changes with near certainty; reads at memory speed.
uint64_t fingerprint(const char *p, int64_t bytes, uint64_t seed) {
    typedef uint32_t U __attribute__((vector_size(REGISTER_BYTES)));
    constexpr int64_t S = REGISTER_BYTES;
    U h[4];
    for (int u = 0; u < 4; u++) h[u] = U{} + (uint32_t)(seed >> (8 * u)) + u;
    int64_t i = 0;
    for (; i + 4 * S <= bytes; i += 4 * S)
        UNROLL for (int u = 0; u < 4; u++) {
            U v;
            memcpy(&v, p + i + u * S, S);
            h[u] = (h[u] ^ v) * 0x9E3779B1u;
            h[u] ^= h[u] >> 15;
        }
    uint64_t all = seed;
    for (int u = 0; u < 4; u++)
        for (uint64_t j = 0; j < S / sizeof(uint32_t); j++)
            all = (all ^ h[u][j]) * 0x9E3779B97F4A7C15ull, all ^= all >> 29;
    for (; i < bytes; i++) all = (all ^ (unsigned char)p[i]) * 0x9E3779B97F4A7C15ull, all ^= all >> 29;
    return all;
}

}  // namespace

#define EXPORT(T, SUFFIX)                                                                          \
    extern "C" void rq_spline_##SUFFIX(const T *x, const Rows<T> *rows,                      \
                                       const Shape<T> *shape, int64_t inverse, int64_t n,          \
                                       T *value, T *logabsdet) {                                   \
        spline<T>(x, *rows, *shape, inverse, n, value, logabsdet);                              \
    }                                                                                              \
    extern "C" void rq_spline_grad_##SUFFIX(const T *x, const T *grad_value, const T *grad_log,    \
                                            const Rows<T> *rows, const Shape<T> *shape,      \
                                            int64_t inverse, int64_t n, T *grad_x, T *grads) {     \
        spline_grad<T>(x, grad_value, grad_log, *rows, *shape, inverse, n, grad_x, grads);      \
    }                                                                                              \
    extern "C" int64_t pack_##SUFFIX(const Net<T> *net, T *to) {                                   \
        Packer<T> packer = {to, 0};                                                                \
        return packer.net(*net);                                                                   \
    }                                                                                              \
    extern "C" void walk_##SUFFIX(const Net<T> *net, const T *packed, const T *z, T *x,            \
                                  T *logabsdet, int64_t count, T *scratch) {                       \
        walk<T>(*net, packed, z, x, logabsdet, count, scratch);                                    \
    }                                                                                              \
    extern "C" void network_##SUFFIX(const Residual<T> *net, const T *x, T *y, int64_t all) {      \
        net->forward(x, y, all);                                                                   \
    }                                                                                              \
    extern "C" void network_grad_##SUFFIX(const Residual<T> *net, const T *x, const T *g, T *gx,   \
                                          T *const *gw, T *const *gb) {                            \
        net->backward(x, g, gx, gw, gb);                                                           \
    }                                                                                              \
    /* exp(-a), log(a), softplus(a) for whole registers of a >= 0: for the test of their errors */ \
    extern "C" void functions_##SUFFIX(const T *a, T *e, T *l, T *s, int64_t n) {                  \
        for (int64_t i = 0; i + lanes<T> <= n; i += lanes<T>) {                                    \
            store(e + i, exp<T>(-load(a + i)));                                                    \
            store(l + i, log<T>(load(a + i)));                                                     \
            store(s + i, softplus<T>(load(a + i)));                                                \
        }                                                                                          \
    }

EXPORT(float, f32)
EXPORT(double, f64)

extern "C" uint64_t fingerprint_bytes(const char *p, int64_t bytes, uint64_t seed) {
    return fingerprint(p, bytes, seed);
}
extern "C" int64_t register_bytes(void) { return REGISTER_BYTES; }
