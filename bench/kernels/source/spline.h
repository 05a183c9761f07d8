// Rational-quadratic splines with linear tails (arXiv 1906.04032), one element per lane.
//
// Parameters per element: K width logits, K height logits, K - 1 raw derivatives. Search and
// selection are unrolled comparisons that carry the running knots: no index, no gather.
#pragma once
#include "lanes.h"

constexpr int MAX_BINS = 64;

// Values an element's parameters are read with; `edge` is the raw derivative at the box's edges.
template <class T> struct Shape {
    int64_t bins;
    T bound, min_bin, min_slope, logit_scale, edge;
};

template <class T> struct Bin {
    Vec<T> x, y, width, height, left, right;  // left, right: derivatives at the knots
    Vec<T> raw_left, raw_right;
};

template <class T> struct Softmax {
    Vec<T> e[MAX_BINS];
    Vec<T> normaliser;  // e[k] * normaliser = softmax_k
    Vec<T> scale;       // e[k] * scale = (1 - K min_bin) softmax_k
};

template <class T, class Read>
INLINE void softmax(Softmax<T> &s, const Shape<T> &shape, const Read &read, int64_t first) {
    const int64_t bins = shape.bins;
    const T inverse_scale = 1 / shape.logit_scale;
    Vec<T> top = read(first);
    s.e[0] = top;
    for (int64_t k = 1; k < bins; k++) {
        s.e[k] = read(first + k);
        top = max(top, s.e[k]);
    }
    Vec<T> sum = {};
    for (int64_t k = 0; k < bins; k++) {
        s.e[k] = exp<T>((s.e[k] - top) * inverse_scale);
        sum += s.e[k];
    }
    s.normaliser = T(1) / sum;
    s.scale = (1 - shape.min_bin * bins) * s.normaliser;
}

// The bin of each point inside the box, by x or (by_height) by y. `read(j)` is parameter j.
template <class T, class Read>
INLINE Bin<T> find(Vec<T> point, const Shape<T> &shape, const Read &read, bool by_height,
                   Softmax<T> &widths, Softmax<T> &heights) {
    const int64_t bins = shape.bins;
    softmax(widths, shape, read, 0);
    softmax(heights, shape, read, bins);
    const T span = 2 * shape.bound;
    Vec<T> x = splat<T>(-shape.bound), y = x, x1 = x, y1 = x;
    Vec<T> raw = splat<T>(shape.edge), share_x = {}, share_y = {};
    Bin<T> b;
    for (int64_t k = 0; k < bins; k++) {
        const bool last = k == bins - 1;
        share_x += widths.e[k] * widths.scale + shape.min_bin;
        share_y += heights.e[k] * heights.scale + shape.min_bin;
        Vec<T> next_x = last ? splat<T>(shape.bound) : share_x * span - shape.bound;
        Vec<T> next_y = last ? splat<T>(shape.bound) : share_y * span - shape.bound;
        Vec<T> next_raw = last ? splat<T>(shape.edge) : read(2 * bins + k);
        if (k == 0) {
            b.x = x, b.y = y, b.raw_left = raw;
            x1 = next_x, y1 = next_y, b.raw_right = next_raw;
        } else {
            Int<T> beyond = point >= (by_height ? y : x);
            b.x = beyond ? x : b.x;
            b.y = beyond ? y : b.y;
            b.raw_left = beyond ? raw : b.raw_left;
            x1 = beyond ? next_x : x1;
            y1 = beyond ? next_y : y1;
            b.raw_right = beyond ? next_raw : b.raw_right;
        }
        x = next_x, y = next_y, raw = next_raw;
    }
    b.width = x1 - b.x;
    b.height = y1 - b.y;
    b.left = softplus<T>(b.raw_left) + shape.min_slope;
    b.right = softplus<T>(b.raw_right) + shape.min_slope;
    return b;
}

// log dy/dx at position t of a bin of slope s; the denominator is a sum of positive terms.
template <class T> INLINE Vec<T> log_slope(const Bin<T> &b, Vec<T> s, Vec<T> t, Vec<T> denominator) {
    Vec<T> u = T(1) - t;
    Vec<T> n = b.right * t * t + T(2) * s * t * u + b.left * u * u;
    Vec<T> r = s / denominator;  // squared later: its square could overflow where this cannot
    return log<T>(n * r * r);
}

template <class T, class Read>
INLINE void spline_forward(Vec<T> given, const Shape<T> &shape, const Read &read, bool logs,
                           Vec<T> &value, Vec<T> &logabsdet) {
    Softmax<T> widths, heights;
    Int<T> inside = abs(given) <= shape.bound;
    Vec<T> point = inside ? given : Vec<T>{};
    Bin<T> b = find(point, shape, read, false, widths, heights);
    Vec<T> s = b.height / b.width, t = (point - b.x) / b.width, u = T(1) - t;
    Vec<T> denominator = s * (t * t + u * u) + (b.left + b.right) * t * u;
    Vec<T> y = b.y + b.height * (s * t * t + b.left * t * u) / denominator;
    value = inside ? y : given;
    if (logs) logabsdet = inside ? log_slope(b, s, t, denominator) : Vec<T>{};
}

// With v = (y - y0) / height and m = left (1 - v) - right v the discriminant of the quadratic is
// m^2 + 4 s^2 v (1 - v), a sum of squares, and m + root is written without cancellation.
template <class T, class Read>
INLINE void spline_inverse(Vec<T> given, const Shape<T> &shape, const Read &read, Vec<T> &value,
                           Vec<T> &logabsdet) {
    Softmax<T> widths, heights;
    Int<T> inside = abs(given) <= shape.bound;
    Vec<T> point = inside ? given : Vec<T>{};
    Bin<T> b = find(point, shape, read, true, widths, heights);
    Vec<T> s = b.height / b.width, v = (point - b.y) / b.height;
    Vec<T> m = b.left * (T(1) - v) - b.right * v;
    Vec<T> product = T(4) * s * s * v * (T(1) - v);
    Vec<T> large = abs(m) + sqrt<T>(m * m + product);
    Vec<T> t = T(2) * s * v;
    t = t / ((m >= 0 ? large : product / large) + t);
    Vec<T> u = T(1) - t;
    Vec<T> denominator = s * (t * t + u * u) + (b.left + b.right) * t * u;
    Vec<T> x = b.x + t * b.width;
    Vec<T> slope = log_slope(b, s, t, denominator);
    value = inside ? x : given;
    logabsdet = inside ? -slope : Vec<T>{};
}

// Gradients at x (of the inverse: its result) from those of the value and the log-determinant.
// `write(j, v)` stores the gradient of parameter j; returns that of the point.
template <class T, class Read, class Write>
INLINE Vec<T> spline_backward(Vec<T> x, Vec<T> grad_value, Vec<T> grad_log, bool inverse,
                              const Shape<T> &shape, const Read &read, const Write &write) {
    const int64_t bins = shape.bins;
    Softmax<T> widths, heights;
    Int<T> inside = abs(x) <= shape.bound;
    Vec<T> point = inside ? x : Vec<T>{};
    Bin<T> b = find(point, shape, read, false, widths, heights);
    Vec<T> s = b.height / b.width, z = (point - b.x) / b.width, u = T(1) - z, t = z * u;
    Vec<T> q = b.left + b.right - T(2) * s;
    Vec<T> E = s * (z * z + u * u) + (b.left + b.right) * t;
    Vec<T> A = s * z * z + b.left * t;
    Vec<T> N = b.right * z * z + T(2) * s * t + b.left * u * u;
    Vec<T> dN = T(2) * (b.right * z - b.left * u) + T(2) * s * (u - z);
    Vec<T> gy = grad_value, gl = grad_log, gx_inverse = {};
    if (inverse) {  // implicit function: x(y, p) has dx/dp = -f_p / f_x, and log dx/dy = -log f_x
        Vec<T> curvature = (dN / N - T(2) * q * (u - z) / E) / b.width;
        Vec<T> r = E / s;
        gx_inverse = (grad_value - grad_log * curvature) * r * r / N;
        gy = -gx_inverse;
        gl = -grad_log;
    }
    Vec<T> gA = gy * b.height / E;
    Vec<T> gE = -(gA * A + T(2) * gl) / E;
    Vec<T> gN = gl / N;
    Vec<T> gq = gE * t;
    Vec<T> gs = T(2) * gl / s + gA * z * z + T(2) * gN * t + gE - T(2) * gq;
    Vec<T> gleft = gA * t + gN * u * u + gq, gright = gN * z * z + gq;
    Vec<T> gz = T(2) * gA * s * z + gN * dN + (gA * b.left + gE * q) * (u - z);
    Vec<T> gx = gz / b.width, gx0 = -gx, gy0 = gy;
    Vec<T> gwidth = -(gz * z + gs * s) / b.width;
    Vec<T> gheight = gy * A / E + gs / b.width;
    Vec<T> zero = {};
    gx0 = inside ? gx0 : zero, gwidth = inside ? gwidth : zero;
    gy0 = inside ? gy0 : zero, gheight = inside ? gheight : zero;
    // derivatives of softplus: sigmoid = 1 - exp(-softplus)
    gleft = inside ? gleft * (T(1) - exp<T>(shape.min_slope - b.left)) : zero;
    gright = inside ? gright * (T(1) - exp<T>(shape.min_slope - b.right)) : zero;

    // a share moves the left knot if its bin lies before the point's, the width if it is the
    // point's; the softmax then takes off the mean
    Vec<T> x0 = splat<T>(-shape.bound), mean_x = {}, mean_y = {};
    const T span = 2 * shape.bound;
    Vec<T> share_x = {};
    Int<T> here[MAX_BINS + 1];
    here[0] = point >= x0;
    for (int64_t k = 1; k < bins; k++) {
        share_x += widths.e[k - 1] * widths.scale + shape.min_bin;
        here[k] = point >= share_x * span - shape.bound;
    }
    here[bins] = Int<T>{};
    for (int64_t k = 0; k < bins; k++) {
        Vec<T> ax = here[k + 1] ? gx0 : here[k] ? gwidth : zero;
        Vec<T> ay = here[k + 1] ? gy0 : here[k] ? gheight : zero;
        mean_x += ax * widths.e[k];
        mean_y += ay * heights.e[k];
    }
    mean_x *= widths.normaliser, mean_y *= heights.normaliser;
    const T factor = span / shape.logit_scale;
    for (int64_t k = 0; k < bins; k++) {
        Vec<T> ax = here[k + 1] ? gx0 : here[k] ? gwidth : zero;
        Vec<T> ay = here[k + 1] ? gy0 : here[k] ? gheight : zero;
        write(k, factor * widths.scale * widths.e[k] * (ax - mean_x));
        write(bins + k, factor * heights.scale * heights.e[k] * (ay - mean_y));
        if (k == 0) continue;
        Vec<T> beside = here[k] ? gleft : here[k - 1] ? gright : zero;
        write(2 * bins + k - 1, here[k + 1] ? zero : beside);
    }
    return inverse ? (inside ? gx_inverse : grad_value) : (inside ? gx : gy);
}
