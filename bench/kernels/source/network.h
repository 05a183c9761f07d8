// Residual networks of linear layers and ReLUs, forward and backward.
//
// Matrix products are those of the BLAS that torch itself uses (a pointer to it is handed in), so
// that an unsorted network has torch's values to the last bit. A masked layer may be sorted by
// degree: its weight is then block lower triangular, and what is masked is neither computed nor
// differentiated but for the corners of the diagonal blocks.
#pragma once
#include "lanes.h"

// Fortran's xGEMM; the integers are read as 32 or 64 bits, which on a little endian is the same.
template <class T>
using Gemm = void (*)(const char *, const char *, const int64_t *, const int64_t *, const int64_t *,
                      const T *, const T *, const int64_t *, const T *, const int64_t *, const T *,
                      T *, const int64_t *);

// C[m, n] = A B + beta C, row-major with leading dimensions; A or B may be transposed.
template <class T>
void product(Gemm<T> gemm, int64_t m, int64_t n, int64_t k, const T *a, int64_t lda, bool turn_a,
             const T *b, int64_t ldb, bool turn_b, T beta, T *c, int64_t ldc) {
    const T one = 1;
    if (m && n) gemm(turn_b ? "T" : "N", turn_a ? "T" : "N", &n, &m, &k, &one, b, &ldb, a, &lda,
                     &beta, c, &ldc);
}

// Sum of each run of `step` = 2^power rows, of each run of such sums, and so on: torch's order.
template <class T, int N>
INLINE void cascade(const T *p, int64_t rows, int64_t stride, int64_t apart, T *sums) {
    constexpr int LEVELS = 4;
    int64_t log = 0;
    while ((int64_t(1) << log) < rows) log++;
    const int64_t power = log / LEVELS > 4 ? log / LEVELS : 4, step = int64_t(1) << power;
    T level[LEVELS][N] = {};
    int64_t i = 0;
    while (i + step <= rows) {
        for (int64_t j = 0; j < step; j++, i++)
            for (int k = 0; k < N; k++) level[0][k] += p[i * stride + k * apart];
        for (int j = 1; j < LEVELS; j++) {
            for (int k = 0; k < N; k++) level[j][k] += level[j - 1][k], level[j - 1][k] = 0;
            if (i & ((step - 1) << (j * power))) break;
        }
    }
    for (; i < rows; i++)
        for (int k = 0; k < N; k++) level[0][k] += p[i * stride + k * apart];
    for (int j = 1; j < LEVELS; j++)
        for (int k = 0; k < N; k++) level[0][k] += level[j][k];
    for (int k = 0; k < N; k++) sums[k] = level[0][k];
}

// Column sums of g [rows, columns]
template <class T> void column_sums(const T *g, int64_t rows, int64_t columns, T *sums) {
    constexpr int LANES = 32 / sizeof(T), WIDTH = 4 * LANES;  // torch has it for AVX2 only
    int64_t c = 0;
    for (; c + WIDTH <= columns; c += WIDTH) cascade<T, WIDTH>(g + c, rows, columns, 1, sums + c);
    for (; columns < LANES && c + 4 <= columns; c += 4)
        cascade<T, 4>(g + c, rows, columns, 1, sums + c);
    for (; c < columns; c++) {  // four partial sums each
        T part[4];
        cascade<T, 4>(g + c, rows / 4, 4 * columns, columns, part);
        for (int64_t i = rows / 4 * 4; i < rows; i++) part[0] += g[i * columns + c];
        sums[c] = part[0] + part[1] + part[2] + part[3];
    }
}

// One linear layer. Sorted (`reach` is set): row r and column c of the triangular weight are
// row[r] and column[c] of the module's, and row r sees its first reach[r] columns.
template <class T> struct Linear {
    int64_t out, in, blocks;
    const T *weight, *bias, *mask;
    const int32_t *row, *column, *place;  // place: the inverse of column
    const int64_t *reach, *edge;  // edge: [blocks + 1], the first row of each block

    // The weight and the bias as the products read them: of a masked layer, packed.
    const T *matrix(const T *packed) const { return mask ? packed : weight; }
    const T *offset(const T *packed) const { return mask ? packed + out * in : bias; }
    int64_t first(int64_t block) const { return reach ? edge[block] : block * out; }
    int64_t width(int64_t block) const { return reach ? reach[edge[block + 1] - 1] : in; }

    // packed [out * in + out]: the weight, masked and sorted, and the bias
    void pack(T *packed) const {
        if (!mask) return;
        for (int64_t b = 0; b < blocks; b++)
            for (int64_t r = first(b); r < first(b + 1); r++) {
                const int64_t from = reach ? row[r] : r, end = reach ? reach[r] : in;
                const T *__restrict w = weight + from * in;
                T *__restrict to = packed + r * in;
                for (int64_t c = 0; !reach && c < in; c++) to[c] = w[c] * mask[r * in + c];
                for (int64_t c = 0; reach && c < end; c++) to[c] = w[column[c]];
                for (int64_t c = end; c < width(b); c++) to[c] = 0;
                packed[out * in + r] = bias[from];
            }
    }

    // y [batch, out] of x [batch, in]
    void forward(Gemm<T> gemm, const T *packed, int64_t batch, const T *x, T *y) const {
        const T *w = matrix(packed), *b = offset(packed);
        for (int64_t i = 0; i < batch; i++) memcpy(y + i * out, b, sizeof(T) * out);
        for (int64_t i = 0; i < blocks; i++) {
            const int64_t r = first(i), rows = first(i + 1) - r, k = width(i);
            if (k) product<T>(gemm, batch, rows, k, x, in, false, w + r * in, in, true, 1, y + r,
                              out);
        }
    }

    // gradient of x
    void pull(Gemm<T> gemm, const T *packed, int64_t batch, const T *g, T *gx) const {
        const T *w = matrix(packed);
        int64_t done = 0;
        for (int64_t b = 0; b < blocks; b++) {
            const int64_t r = first(b), c = width(b);
            product<T>(gemm, batch, c - done, out - r, g + r, out, false, w + r * in + done, in,
                       false, 0, gx + done, in);
            done = c;
        }
        for (int64_t i = 0; i < batch && done < in; i++)
            memset(gx + i * in + done, 0, sizeof(T) * (in - done));
    }

    // gradients of the module's weight and bias; `scratch` [out * in + out]
    void weights(Gemm<T> gemm, int64_t batch, const T *g, const T *x, T *gw, T *gb,
                 T *scratch) const {
        T *found = reach ? scratch : gw, *sums = reach ? scratch + out * in : gb;
        for (int64_t b = 0; b < blocks; b++) {
            const int64_t r = first(b);
            product<T>(gemm, first(b + 1) - r, width(b), batch, g + r, out, true, x, in, false, 0,
                       found + r * in, in);
        }
        column_sums(g, batch, out, sums);
        if (mask && !reach)
            for (int64_t i = 0; i < out * in; i++) gw[i] *= mask[i];
        for (int64_t r = 0; reach && r < out; r++) {
            const int64_t to = row[r];
            T *__restrict w = gw + to * in;
            const T *__restrict seen = found + r * in;
            for (int64_t c = 0; c < in; c++) {
                const int32_t at = place[c];
                w[c] = at < reach[r] ? seen[at] : 0;
            }
            gb[to] = sums[r];
        }
    }
};

// A network: linear, blocks h + linear(relu(linear(relu(h)))), linear.
template <class T> struct Residual {
    Gemm<T> gemm;
    int64_t layers;  // two more than two per block
    const Linear<T> *layer;
    int64_t batch;
    T *memory;   // what the gradient needs: [layers - 1][batch, hidden], then the packed layers
    T *scratch;  // [3][batch, hidden], then the largest layer's weight and bias

    int64_t units() const { return batch * layer[0].out; }

    // The input of layer i, 0 < i < layers: kept for the gradient, or but two of them in scratch.
    T *input(int64_t i, bool all) const {
        if (all || i == layers - 1) return memory + units() * (i == layers - 1 ? 0 : i);
        return scratch + units() * (1 + (i & 1));
    }

    T *packed(int64_t i, bool all) const {
        T *at = memory + units() * (all ? layers - 1 : 1);
        for (int64_t j = 0; j < i; j++)
            if (layer[j].mask) at += layer[j].out * (layer[j].in + 1);
        return at;
    }

    void forward(const T *x, T *y, bool all) const {
        const int64_t n = units();
        T *h = memory;
        auto run = [&](int64_t i, const T *from, T *to) {
            layer[i].pack(packed(i, all));
            layer[i].forward(gemm, packed(i, all), batch, from, to);
        };
        run(0, x, h);
        for (int64_t i = 1; i < layers - 1; i += 2) {
            T *a = input(i, all), *b = input(i + 1, all);
            if (i == 1)
                for (int64_t j = 0; j < n; j++) a[j] = h[j] < 0 ? 0 : h[j];
            run(i, a, b);
            for (int64_t j = 0; j < n; j++) b[j] = b[j] < 0 ? 0 : b[j];
            run(i + 1, b, scratch);
            T *next = i + 2 < layers - 1 ? input(i + 2, all) : nullptr;
            for (int64_t j = 0; j < n; j++) {
                const T sum = h[j] + scratch[j];
                h[j] = sum;
                if (next) next[j] = sum < 0 ? 0 : sum;
            }
        }
        run(layers - 1, h, y);
    }

    // Gradients of x, and of weights and biases, each unless null.
    void backward(const T *x, const T *g, T *gx, T *const *gw, T *const *gb) const {
        const int64_t n = units(), last = layers - 1;
        T *gh = scratch, *t = gh + n, *u = t + n, *rest = u + n;
        auto weights = [&](int64_t i, const T *g, const T *x) {
            if (gw) layer[i].weights(gemm, batch, g, x, gw[i], gb[i], rest);
        };
        auto pull = [&](int64_t i, const T *g, T *gx) {
            layer[i].pull(gemm, packed(i, true), batch, g, gx);
        };
        weights(last, g, input(last, true));
        pull(last, g, gh);
        for (int64_t i = last - 2; i > 0; i -= 2) {
            const T *a = input(i, true), *b = input(i + 1, true);
            weights(i + 1, gh, b);
            pull(i + 1, gh, t);
            for (int64_t j = 0; j < n; j++) t[j] = b[j] <= 0 ? 0 : t[j];
            weights(i, t, a);
            pull(i, t, u);
            for (int64_t j = 0; j < n; j++) gh[j] += a[j] <= 0 ? 0 : u[j];
        }
        weights(0, gh, x);
        if (gx) pull(0, gh, gx);
    }
};
