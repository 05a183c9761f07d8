// The walk for a few samples: straight from the module's weights, nothing packed or cached.
//
// Units stand in the network's own order and are zero until their step, so that a full row times
// the full vector is what the mask would leave.
#pragma once
#include "walk.h"

template <class T> INLINE T dot(const T *a, const T *b, int64_t n) {
    constexpr int64_t L = lanes<T>;
    Vec<T> sum[4] = {};
    int64_t k = 0;
    for (; k + 4 * L <= n; k += 4 * L)
        UNROLL for (int u = 0; u < 4; u++) sum[u] += load(a + k + u * L) * load(b + k + u * L);
    for (; k + L <= n; k += L) sum[0] += load(a + k) * load(b + k);
    Vec<T> all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    T total = 0;
    UNROLL for (int64_t i = 0; i < L; i++) total += all[i];
    for (; k < n; k++) total += a[k] * b[k];
    return total;
}

template <class T>
void row(const Net<T> &n, const T *z, T *x, T *logabsdet, T *scratch) {
    const int64_t layers = 2 * n.blocks, h = n.hidden, L = lanes<T>;
    T *known = scratch, *stream = known + (layers + 1) * h, *last = known + layers * h;
    T *parameters = stream + h;
    memset(known, 0, (layers + 2) * h * sizeof(T));
    memset(x, 0, n.dim * sizeof(T));
    Vec<T> total = {};
    for (const Step *s = n.step; s < n.step + n.chunk[n.chunks]; s++) {
        const int64_t *begin = n.order + s->begin, *end = n.order + s->end;
        for (const int64_t *i = begin; i < end; i++)
            stream[*i] = n.bias[0][*i] + dot(n.weight[0] + *i * n.dim, x, n.dim);
        for (int64_t l = 0; l < layers; l += 2) {
            T *before = known + l * h, *between = before + h;
            for (const int64_t *i = begin; i < end; i++)
                before[*i] = stream[*i] < 0 ? T(0) : stream[*i];
            for (const int64_t *i = begin; i < end; i++) {
                T v = n.bias[l + 1][*i] + dot(n.weight[l + 1] + *i * h, before, h);
                between[*i] = v < 0 ? T(0) : v;
            }
            for (const int64_t *i = begin; i < end; i++)
                stream[*i] += n.bias[l + 2][*i] + dot(n.weight[l + 2] + *i * h, between, h);
        }
        for (const int64_t *i = begin; i < end; i++) last[*i] = stream[*i];
        const T *w = n.weight[layers + 1], *b = n.bias[layers + 1];
        for (int64_t d = s->start; d < s->stop; d++) {
            // one sample per register: only its first lane counts
            memset(parameters, 0, n.outputs * L * sizeof(T));
            for (int64_t j = 0; j < n.outputs; j++) {
                int64_t o = d * n.outputs + j;
                parameters[j * L] = b[o] + dot(w + o * h, last, h);
            }
            T target[64 / sizeof(T)] = {z[d]}, found[64 / sizeof(T)];
            solve<T, 1>(n, target, parameters, found, &total);
            x[d] = found[0];
        }
    }
    *logabsdet = total[0];
}
