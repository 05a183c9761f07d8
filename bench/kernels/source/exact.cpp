// The rational-quadratic spline in nflows' order of operations, for training along its curve.
//
// The caller computes softplus and logarithms with torch, whose rounding depends on where an entry
// lies; everything else is here, forward and in the order in which autograd adds gradients up. A
// file of its own: it is built with -ffp-contract=off.
#include "spline.h"

namespace {

constexpr int64_t POINTS = 64;  // of a block

// Per point what the search finds; `index` is the bin.
template <class T> struct Found {
    T x0[POINTS], y0[POINTS], x1[POINTS], y1[POINTS], left[POINTS], right[POINTS];
    int32_t index[POINTS];
};

// How torch adds up a row that no more than fills a register of its own: one entry after another,
// or (all eight) in pairs of pairs. GIVEN: the caller lets torch do it.
enum Order : int64_t { GIVEN = -1, ROW = 0, TREE = 1 };

template <class T, class Read> INLINE T row_sum(int64_t bins, Order order, const Read &read) {
    if (order == TREE) {
        const T a = read(0) + read(4) + (read(2) + read(6));
        return a + (read(1) + read(5) + (read(3) + read(7)));
    }
    T sum = read(0);
    for (int64_t k = 1; k < bins; k++) sum += read(k);
    return sum;
}

// exp of a <= 0 as Sleef's expf_u10, which torch's softmax calls.
INLINE float sleef_exp(float a) {
    const float n = __builtin_rintf(a * 1.4426950408889634f);
    float s = __builtin_fmaf(n, -0.693145751953125f, a);
    s = __builtin_fmaf(n, -1.428606765330187045e-06f, s);
    float u = 0.000198527617612853646278381f;
    u = __builtin_fmaf(u, s, 0.00139304355252534151077271f);
    u = __builtin_fmaf(u, s, 0.00833336077630519866943359f);
    u = __builtin_fmaf(u, s, 0.0416664853692054748535156f);
    u = __builtin_fmaf(u, s, 0.166666671633720397949219f);
    u = __builtin_fmaf(u, s, 0.5f);
    u = 1 + __builtin_fmaf(s * s, u, s);
    const int32_t power = a < -104 ? 0 : int32_t(n), half = power >> 1;  // of NaN: any
    const int32_t bits[2] = {(half + 127) << 23, (power - half + 127) << 23};
    float factor[2];
    memcpy(factor, bits, sizeof factor);
    return a < -104 ? 0 : u * factor[0] * factor[1];
}

// Softmax [n][2][bins] of the logits in rows of the given stride.
void softmax_rows(const float *rows, int64_t stride, const Shape<float> &shape, Order order,
                  int64_t n, float *to) {
    const int64_t bins = shape.bins;
    float e[MAX_BINS][POINTS], top[POINTS];
    for (int64_t at = 0; at < n; at += POINTS)
        for (int64_t axis = 0; axis < 2; axis++) {
            const int64_t count = n - at < POINTS ? n - at : POINTS;
            for (int64_t i = 0; i < POINTS; i++) {
                const float *row = rows + (at + (i < count ? i : count - 1)) * stride + axis * bins;
                for (int64_t k = 0; k < bins; k++) e[k][i] = row[k] / shape.logit_scale;
                top[i] = e[0][i];
            }
            for (int64_t k = 1; k < bins; k++)
                for (int64_t i = 0; i < POINTS; i++) top[i] = top[i] > e[k][i] ? top[i] : e[k][i];
            for (int64_t k = 0; k < bins; k++)
                for (int64_t i = 0; i < POINTS; i++) e[k][i] = sleef_exp(e[k][i] - top[i]);
            for (int64_t i = 0; i < POINTS; i++)
                top[i] = 1 / row_sum<float>(bins, order, [&](int64_t k) { return e[k][i]; });
            for (int64_t i = 0; i < count; i++)
                for (int64_t k = 0; k < bins; k++)
                    to[((at + i) * 2 + axis) * bins + k] = e[k][i] * top[i];
        }
}

void softmax_rows(const double *, int64_t, const Shape<double> &, Order, int64_t, double *) {}

// Softmax [2][bins] and derivatives [bins + 1] of up to POINTS points, turned bins-major.
template <class T> struct Turned {
    T share[2 * MAX_BINS][POINTS], slope[MAX_BINS + 1][POINTS];

    void read(const T *softmax, const T *slopes, int64_t bins, int64_t count) {
        for (int64_t i = 0; i < POINTS; i++) {
            const int64_t at = i < count ? i : count - 1;
            for (int64_t k = 0; k < 2 * bins; k++) share[k][i] = softmax[at * 2 * bins + k];
            for (int64_t k = 0; k <= bins; k++) slope[k][i] = slopes[at * (bins + 1) + k];
        }
    }
};

template <class T>
void exact_find(const T *x, const Turned<T> &t, const Shape<T> &s, double factor, Found<T> &f) {
    const T bound = s.bound, span = 2 * bound, scale = T(factor);
    double along[POINTS] = {}, up[POINTS] = {};  // torch sums up in double
    for (int64_t i = 0; i < POINTS; i++) {
        f.x0[i] = f.y0[i] = -bound, f.left[i] = t.slope[0][i], f.index[i] = 0;
        f.x1[i] = f.y1[i] = f.right[i] = 0;
    }
    for (int64_t k = 0; k < s.bins; k++) {
        const bool last = k == s.bins - 1;
        for (int64_t i = 0; i < POINTS; i++) {
            along[i] += T(scale * t.share[k][i] + s.min_bin);
            up[i] += T(scale * t.share[s.bins + k][i] + s.min_bin);
            const T knot_x = last ? bound : span * T(along[i]) - bound;
            const T knot_y = last ? bound : span * T(up[i]) - bound;
            const bool past = !last && x[i] >= knot_x, here = !past && f.index[i] == k;
            f.x1[i] = here ? knot_x : f.x1[i];
            f.y1[i] = here ? knot_y : f.y1[i];
            f.right[i] = here ? t.slope[k + 1][i] : f.right[i];
            f.x0[i] = past ? knot_x : f.x0[i];
            f.y0[i] = past ? knot_y : f.y0[i];
            f.left[i] = past ? t.slope[k + 1][i] : f.left[i];
            f.index[i] = past ? int32_t(k + 1) : f.index[i];
        }
    }
}

// y, and the numerator and denominator of its derivative (inside the box), from logits (rows of
// 3 bins - 1 that are `stride` apart) and slopes; the softmax is written unless it is given.
template <class T>
void exact_forward(const T *x, const T *rows, int64_t stride, const T *slopes, const Shape<T> &s,
                   double factor, Order order, int64_t n, T *softmax, T *y, T *numerator,
                   T *denominator) {
    if (order != GIVEN) softmax_rows(rows, stride, s, order, n, softmax);
    Turned<T> t;
    Found<T> f;
    T point[POINTS];
    for (int64_t at = 0; at < n; at += POINTS) {
        const int64_t count = n - at < POINTS ? n - at : POINTS;
        t.read(softmax + at * 2 * s.bins, slopes + at * (s.bins + 1), s.bins, count);
        for (int64_t i = 0; i < POINTS; i++) {
            const T p = x[at + (i < count ? i : count - 1)];
            point[i] = p < -s.bound ? -s.bound : p > s.bound ? s.bound : p;
        }
        exact_find(point, t, s, factor, f);
        for (int64_t i = 0; i < count; i++) {
            const T left = f.left[i], right = f.right[i];
            const T width = f.x1[i] - f.x0[i], height = f.y1[i] - f.y0[i], slope = height / width;
            const T u = (point[i] - f.x0[i]) / width, rest = 1 - u, uu = u * rest, squared = u * u;
            const T top = height * (slope * squared + left * uu);
            const T below = slope + (left + right - 2 * slope) * uu;
            const bool inside = x[at + i] >= -s.bound && x[at + i] <= s.bound;
            y[at + i] = inside ? f.y0[i] + top / below : x[at + i];
            const T sum = right * squared + 2 * slope * uu + left * (rest * rest);
            numerator[at + i] = slope * slope * sum;
            denominator[at + i] = below;
        }
    }
}

// Gradients of x [n], slopes [n][bins + 1] and either logits (rows of 3 bins - 1) or, where it was
// given, softmax [n][2][bins].
template <class T>
void exact_backward(const T *x, const T *softmax, const T *slopes, const T *grad_y,
                    const T *grad_log, const Shape<T> &s, double factor, Order order, int64_t n,
                    T *grad_x, T *grad_shares, T *grad_slopes) {
    Turned<T> t;
    Found<T> f;
    T point[POINTS], g0[2][POINTS], g1[2][POINTS], gl[POINTS], gr[POINTS];
    T shares[2 * MAX_BINS][POINTS];
    const T span = 2 * s.bound, scale = T(factor);
    const int64_t bins = s.bins;
    for (int64_t at = 0; at < n; at += POINTS) {
        const int64_t count = n - at < POINTS ? n - at : POINTS;
        t.read(softmax + at * 2 * bins, slopes + at * (bins + 1), bins, count);
        for (int64_t i = 0; i < POINTS; i++) {
            const T p = x[at + (i < count ? i : count - 1)];
            point[i] = p < -s.bound ? -s.bound : p > s.bound ? s.bound : p;
        }
        exact_find(point, t, s, factor, f);
        for (int64_t i = 0; i < count; i++) {
            const T left = f.left[i], right = f.right[i];
            const T width = f.x1[i] - f.x0[i], height = f.y1[i] - f.y0[i], slope = height / width;
            const T u = (point[i] - f.x0[i]) / width, rest = 1 - u, uu = u * rest, squared = u * u;
            const T inner = slope * squared + left * uu, top = height * inner;
            const T bend = left + right - 2 * slope, below = slope + bend * uu;
            const T steep = slope * slope, restsquared = rest * rest;
            const T sum = right * squared + 2 * slope * uu + left * restsquared;
            const bool inside = x[at + i] >= -s.bound && x[at + i] <= s.bound;
            const T gy = inside ? grad_y[at + i] : 0, g = inside ? grad_log[at + i] : 0;
            // of log numerator - 2 log denominator, last operation first
            const T gsum = g / (steep * sum) * steep, gsteep = g / (steep * sum) * sum;
            T gbelow = -g * 2 / below, gleft = gsum * restsquared;
            T gu = -(gsum * left * (2 * rest)), guu = gsum * (2 * slope);
            T gslope = gsum * uu * 2, gright = gsum * squared;
            gu = gu + gsum * right * (2 * u);
            gslope = gslope + gsteep * (2 * slope);
            // of y0 + top / below
            const T gtop = gy / below;
            gbelow = gbelow + -gy * (top / below / below);
            gslope = gslope + gbelow;
            const T gbend = gbelow * uu;
            guu = guu + gbelow * bend;
            gslope = gslope + -gbend * 2;
            gleft = gleft + gbend, gright = gright + gbend;
            T gheight = gtop * inner;
            const T ginner = gtop * height;
            gleft = gleft + ginner * uu, guu = guu + ginner * left;
            gslope = gslope + ginner * squared;
            gu = gu + ginner * slope * (2 * u);
            gu = gu + guu * rest, gu = gu + -(guu * u);
            const T gpoint = gu / width;
            T gwidth = -gu * (u / width);
            gheight = gheight + gslope / width;
            gwidth = gwidth + -gslope * (slope / width);
            g0[0][i] = -gpoint + -gwidth, g1[0][i] = gwidth;
            g0[1][i] = gy + -gheight, g1[1][i] = gheight;
            gl[i] = gleft, gr[i] = gright;
            grad_x[at + i] = inside ? gpoint : grad_y[at + i];
        }
        for (int64_t axis = 0; axis < 2; axis++) {
            double after[POINTS] = {};
            for (int64_t k = bins - 1; k >= 0; k--)
                for (int64_t i = 0; i < count; i++) {
                    const T at_knot = k == bins - 1        ? T(0)
                                      : k == f.index[i] - 1 ? g0[axis][i]
                                      : k == f.index[i]     ? g1[axis][i]
                                                            : T(0);
                    after[i] += at_knot * span;
                    shares[axis * bins + k][i] = T(after[i]) * scale;
                }
        }
        for (int64_t axis = 0; order != GIVEN && axis < 2; axis++) {
            T sum[POINTS];
            const T(*g)[POINTS] = shares + axis * bins, (*p)[POINTS] = t.share + axis * bins;
            for (int64_t i = 0; i < count; i++)
                sum[i] = row_sum<T>(bins, order, [&](int64_t k) { return g[k][i] * p[k][i]; });
            for (int64_t k = 0; k < bins; k++)
                for (int64_t i = 0; i < count; i++)
                    shares[axis * bins + k][i] = (g[k][i] - sum[i]) * p[k][i] / s.logit_scale;
        }
        const int64_t width = order == GIVEN ? 2 * bins : 3 * bins - 1;
        for (int64_t i = 0; i < count; i++) {
            T *to = grad_shares + (at + i) * width, *ends = grad_slopes + (at + i) * (bins + 1);
            for (int64_t k = 0; k < 2 * bins; k++) to[k] = shares[k][i];
            for (int64_t k = 0; k <= bins; k++)
                ends[k] = k == f.index[i] ? gl[i] : k == f.index[i] + 1 ? gr[i] : T(0);
        }
    }
}

}  // namespace

#define EXPORT(T, SUFFIX)                                                                          \
    extern "C" void exact_##SUFFIX(const T *x, const T *rows, int64_t stride, const T *slopes,     \
                                   const Shape<T> *shape, double factor, int64_t order, int64_t n, \
                                   T *softmax, T *y, T *numerator, T *denominator) {               \
        exact_forward<T>(x, rows, stride, slopes, *shape, factor, Order(order), n, softmax, y,     \
                         numerator, denominator);                                                  \
    }                                                                                              \
    extern "C" void exact_grad_##SUFFIX(const T *x, const T *softmax, const T *slopes,             \
                                        const T *grad_y, const T *grad_log, const Shape<T> *shape, \
                                        double factor, int64_t order, int64_t n, T *grad_x,        \
                                        T *grad_shares, T *grad_slopes) {                          \
        exact_backward<T>(x, softmax, slopes, grad_y, grad_log, *shape, factor, Order(order), n,   \
                          grad_x, grad_shares, grad_slopes);                                       \
    }

EXPORT(float, f32)
EXPORT(double, f64)
