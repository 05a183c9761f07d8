// The weights of a network in the order in which `tile` reads them.
#pragma once
#include "walk.h"

// Copies the unmasked weights; counts only where `to` is null.
template <class T> struct Packer {
    T *to;
    int64_t size;

    // Rows begin..end, columns left..right; the bias goes with the columns before a chunk (left = 0).
    void rows(const T *weight, const T *bias, int64_t width, int64_t begin, int64_t end,
              const int64_t *row_of, const int64_t *column_of, int64_t left, int64_t right) {
        for (int64_t row = begin; row < end;) {
            const int64_t r = panel_rows(end - row);
            if (to) copy(weight, bias, width, row, r, row_of, column_of, left, right);
            size += r * (right - left + (bias != nullptr)), row += r;
        }
    }

    void copy(const T *weight, const T *bias, int64_t width, int64_t row, int64_t r,
              const int64_t *row_of, const int64_t *column_of, int64_t left, int64_t right) {
        for (int64_t i = 0; i < r; i++) {
            T *p = to + size + i;
            const int64_t from = row_of ? row_of[row + i] : row + i;
            const T *line = weight + from * width;
            if (bias) *p = bias[from], p += r;
            for (int64_t k = left; k < right; k++, p += r) *p = line[column_of ? column_of[k] : k];
        }
    }

    int64_t net(const Net<T> &n) {
        const int64_t layers = 2 * n.blocks, h = n.hidden;
        const T *const *w = n.weight, *const *b = n.bias;
        for (int64_t c = 0; c < n.chunks; c++) {
            const Step *first = n.step + n.chunk[c], *last = n.step + n.chunk[c + 1] - 1;
            const int64_t from = first->start, base = first->begin, end = last->end;
            rows(w[0], b[0], n.dim, base, end, n.order, nullptr, 0, from);
            for (int64_t l = 1; l <= layers; l++)
                rows(w[l], b[l], h, base, end, n.order, n.order, 0, base);
            rows(w[layers + 1], b[layers + 1], h, from * n.outputs, last->stop * n.outputs, nullptr,
                 n.order, 0, base);
            for (const Step *s = first; s <= last; s++) {
                rows(w[0], nullptr, n.dim, s->begin, s->end, n.order, nullptr, from, s->start);
                for (int64_t l = 1; l <= layers; l++)
                    rows(w[l], nullptr, h, s->begin, s->end, n.order, n.order, base, s->end);
                rows(w[layers + 1], nullptr, h, s->start * n.outputs, s->stop * n.outputs, nullptr,
                     n.order, base, s->end);
            }
        }
        return size;
    }
};
