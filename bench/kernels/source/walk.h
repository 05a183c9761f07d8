// The inverse of a masked autoregressive network, each hidden unit computed once.
//
// Units are sorted by MADE degree; a tile of samples lives in the cache as [unit][sample]; the
// weights are packed once in the order of the walk, as panels of up to PANEL rows, [k][row].
// Steps come in chunks: what a chunk's units need of everything known before it is one product of
// many rows, and only the columns of the chunk itself are added step by step.
#pragma once
#include "spline.h"

constexpr int PANEL = 6;

// Coordinates start..stop become known together, after the units begin..end of degree start.
struct Step {
    int64_t start, stop, begin, end;
};

// A masked affine layer (bins = 0) or a spline, and the network before it.
template <class T> struct Net {
    int64_t dim, hidden, blocks, outputs;  // outputs per coordinate
    int64_t chunks, widest, deepest;       // most coordinates and most units of a chunk
    const Step *step;
    const int64_t *chunk;  // [chunks + 1]: the first step of each chunk, and the number of steps
    const int64_t *order;  // [hidden]: unit at each sorted position
    const T *const *weight;  // 2 * blocks + 2 of them, [out][in], row-major
    const T *const *bias;
    T min_scale;
    Shape<T> shape;
};

// out = w in (+ bias, where `fresh`; else added to what is there), R rows of C registers.
template <class T, int R, int C>
INLINE void panel(const T *w, const T *in, int64_t depth, T *out, bool fresh) {
    constexpr int64_t L = lanes<T>, W = C * L;
    // enough chains to hide the latency; not by C, so that a sample's sums do not depend on its tile
    constexpr int U = R >= 4 ? 1 : R >= 2 ? 2 : 4;
    Vec<T> sum[U][R][C];
    UNROLL for (int u = 0; u < U; u++) UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int c = 0; c < C; c++) sum[u][r][c] = u || !fresh ? Vec<T>{} : splat<T>(w[r]);
    if (fresh) w += R;
    int64_t k = 0;
    for (; k + U <= depth; k += U) {
        UNROLL for (int u = 0; u < U; u++) {
            Vec<T> x[C];
            UNROLL for (int c = 0; c < C; c++) x[c] = load(in + (k + u) * W + c * L);
            UNROLL for (int r = 0; r < R; r++)
                UNROLL for (int c = 0; c < C; c++) sum[u][r][c] += x[c] * w[(k + u) * R + r];
        }
    }
    for (; k < depth; k++)
        UNROLL for (int r = 0; r < R; r++) UNROLL for (int c = 0; c < C; c++)
            sum[0][r][c] += load(in + k * W + c * L) * w[k * R + r];
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int c = 0; c < C; c++) {
        UNROLL for (int u = 1; u < U; u++) sum[0][r][c] += sum[u][r][c];
        T *to = out + r * W + c * L;
        store(to, fresh ? sum[0][r][c] : load(to) + sum[0][r][c]);
    }
}

inline int64_t panel_rows(int64_t left) {  // even panels: 8 rows are 4 + 4, not 6 + 2
    int64_t panels = (left + PANEL - 1) / PANEL;
    return (left + panels - 1) / panels;
}

// `rows` units from `depth` inputs; returns the weights after them.
template <class T, int C>
const T *units(const T *w, int64_t rows, const T *in, int64_t depth, T *out, bool fresh) {
    while (rows > 0) {
        int64_t r = panel_rows(rows);
        switch (r) {
        case 1: panel<T, 1, C>(w, in, depth, out, fresh); break;
        case 2: panel<T, 2, C>(w, in, depth, out, fresh); break;
        case 3: panel<T, 3, C>(w, in, depth, out, fresh); break;
        case 4: panel<T, 4, C>(w, in, depth, out, fresh); break;
        case 5: panel<T, 5, C>(w, in, depth, out, fresh); break;
        default: panel<T, 6, C>(w, in, depth, out, fresh); break;
        }
        w += r * (depth + fresh), out += r * C * lanes<T>, rows -= r;
    }
    return w;
}

// Inverts the univariate maps of one coordinate over a tile of C registers.
template <class T, int C>
INLINE void solve(const Net<T> &n, const T *z, const T *parameters, T *x, Vec<T> *logabsdet) {
    constexpr int64_t L = lanes<T>, W = C * L;
    for (int c = 0; c < C; c++) {
        const T *p = parameters + c * L;
        Vec<T> target = load(z + c * L), value, slope;
        if (n.shape.bins) {
            auto read = [p](int64_t j) { return load(p + j * W); };
            spline_inverse<T>(target, n.shape, read, value, slope);
        } else {
            Vec<T> scale = softplus<T>(load(p)) + n.min_scale;
            value = (target - load(p + W)) / scale;
            slope = -log<T>(scale);
        }
        store(x + c * L, value);
        logabsdet[c] += slope;
    }
}

// One tile of `count` <= C * lanes samples; z, x are [count][dim], contiguous.
template <class T, int C>
void tile(const Net<T> &n, const T *w, const T *z, T *x, T *logabsdet, int64_t count, T *scratch) {
    constexpr int64_t L = lanes<T>, W = C * L;
    const int64_t layers = 2 * n.blocks, all = n.hidden * W, some = n.deepest * W;
    T *points = scratch, *targets = points + n.dim * W, *known = targets + n.dim * W;
    T *fresh = known + (layers + 1) * all, *parameters = fresh + (layers + 1) * some;
    for (int64_t d = 0; d < n.dim; d++)
        for (int64_t i = 0; i < W; i++) targets[d * W + i] = i < count ? z[i * n.dim + d] : T(0);
    Vec<T> total[C] = {};
    for (int64_t k = 0; k < n.chunks; k++) {
        const Step *first = n.step + n.chunk[k], *last = n.step + n.chunk[k + 1] - 1;
        const int64_t from = first->start, base = first->begin, rows = last->end - base;
        w = units<T, C>(w, rows, points, from, fresh, true);
        for (int64_t l = 1; l <= layers; l++)
            w = units<T, C>(w, rows, known + (l - 1) * all, base, fresh + l * some, true);
        w = units<T, C>(w, (last->stop - from) * n.outputs, known + layers * all, base, parameters,
                        true);
        for (const Step *s = first; s <= last; s++) {
            const int64_t r = s->end - s->begin, own = s->end - base, at = (s->begin - base) * W;
            T *stream = fresh + at;
            w = units<T, C>(w, r, points + from * W, s->start - from, stream, false);
            for (int64_t l = 1; l <= layers; l++) {
                T *before = known + (l - 1) * all, *sum = fresh + l * some + at;
                const T *value = l % 2 ? stream : sum - some;
                for (int64_t j = 0; j < r * W; j++)
                    before[s->begin * W + j] = value[j] < 0 ? T(0) : value[j];
                w = units<T, C>(w, r, before + base * W, own, sum, false);
                if (l % 2 == 0)
                    for (int64_t j = 0; j < r * W; j++) stream[j] += sum[j];
            }
            T *top = known + layers * all;
            memcpy(top + s->begin * W, stream, r * W * sizeof(T));
            T *found = parameters + (s->start - from) * n.outputs * W;
            w = units<T, C>(w, (s->stop - s->start) * n.outputs, top + base * W, own, found, false);
            for (int64_t d = s->start; d < s->stop; d++, found += n.outputs * W)
                solve<T, C>(n, targets + d * W, found, points + d * W, total);
        }
    }
    for (int64_t i = 0; i < count; i++) {
        for (int64_t d = 0; d < n.dim; d++) x[i * n.dim + d] = points[d * W + i];
        logabsdet[i] = total[i / L][i % L];
    }
}
