// Vectors of a whole register, and exp and log on them.
//
// GCC's and clang's vector extension: the same source serves SSE2, AVX2, AVX-512 and NEON.
// Nothing here needs -ffast-math, which would make the whole process flush denormals.
#pragma once
#include <stdint.h>
#include <string.h>

#ifndef REGISTER_BYTES
#define REGISTER_BYTES 16
#endif
#define INLINE inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

template <class T> struct Lanes;

template <> struct Lanes<float> {
    typedef float V __attribute__((vector_size(REGISTER_BYTES)));
    typedef int32_t I __attribute__((vector_size(REGISTER_BYTES)));
    static constexpr int mantissa = 23, bias = 127;
    static constexpr float tiny = 1.17549435e-38f, huge = 3.40282347e38f, rescale = 33554432.f;
    static constexpr int rescale_log2 = 25;
    static constexpr float round = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer
    static constexpr float lowest_exp = -87.f;
    static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    static constexpr int exp_terms = 6, log_terms = 4;
    // Cephes expf, fdlibm logf
    static constexpr float exp_poly[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                         4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
    static constexpr float log_poly[] = {0.24279078841f, 0.28498786688f, 0.40000972152f,
                                         0.66666662693f};
};

template <> struct Lanes<double> {
    typedef double V __attribute__((vector_size(REGISTER_BYTES)));
    typedef int64_t I __attribute__((vector_size(REGISTER_BYTES)));
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double tiny = 2.2250738585072014e-308, huge = 1.7976931348623157e308;
    static constexpr double rescale = 18014398509481984.;
    static constexpr int rescale_log2 = 54;
    static constexpr double round = 6755399441055744.;
    static constexpr double lowest_exp = -708.;
    static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
    static constexpr int exp_terms = 12, log_terms = 7;
    // Taylor coefficients 1/13! .. 1/2! (remainder 4e-18 on the reduced range), fdlibm log
    static constexpr double exp_poly[] = {
        1. / 6227020800., 1. / 479001600., 1. / 39916800., 1. / 3628800., 1. / 362880., 1. / 40320.,
        1. / 5040.,       1. / 720.,       1. / 120.,      1. / 24.,      1. / 6.,      1. / 2.};
    static constexpr double log_poly[] = {
        1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
        2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
        6.666666666666735130e-01};
};
constexpr float Lanes<float>::exp_poly[], Lanes<float>::log_poly[];
constexpr double Lanes<double>::exp_poly[], Lanes<double>::log_poly[];

template <class T> using Vec = typename Lanes<T>::V;
template <class T> using Int = typename Lanes<T>::I;
template <class T> constexpr int64_t lanes = REGISTER_BYTES / sizeof(T);

template <class T> INLINE Vec<T> splat(T a) { return a - Vec<T>{}; }

template <class T> INLINE Vec<T> load(const T *p) {
    Vec<T> v;
    memcpy(&v, p, sizeof v);
    return v;
}

template <class T> INLINE void store(T *p, Vec<T> v) { memcpy(p, &v, sizeof v); }

template <class V> INLINE V max(V a, V b) { return a > b ? a : b; }
template <class V> INLINE V abs(V a) { return a < 0 ? -a : a; }

template <class T> INLINE Vec<T> sqrt(Vec<T> a) {
    Vec<T> r;
    UNROLL for (int64_t i = 0; i < lanes<T>; i++)
        r[i] = sizeof(T) == 4 ? __builtin_sqrtf(a[i]) : __builtin_sqrt(a[i]);
    return r;
}

// exp(a) for a <= 0, relative error below 1 eps; near the smallest normal number it stops.
template <class T> INLINE Vec<T> exp(Vec<T> a) {
    using L = Lanes<T>;
    a = a < L::lowest_exp ? splat<T>(L::lowest_exp) : a;
    Vec<T> shifted = a * T(1.4426950408889634) + L::round;
    Vec<T> n = shifted - L::round;
    Vec<T> r = a - n * L::ln2_high - n * L::ln2_low;
    Vec<T> p = splat<T>(L::exp_poly[0]);
    UNROLL for (int i = 1; i < L::exp_terms; i++) p = p * r + L::exp_poly[i];
    p = p * (r * r) + r + T(1);
    Int<T> power = ((Int<T>)shifted + L::bias) << L::mantissa;  // low bits of `shifted` hold n
    return p * (Vec<T>)power;
}

// log(a), error below 1 ulp; -inf at 0, inf at inf, NaN for NaN. No negative arguments.
template <class T> INLINE Vec<T> log(Vec<T> given) {
    using L = Lanes<T>;
    Int<T> small = (Int<T>)(given < L::tiny);
    Vec<T> a = given < L::tiny ? given * L::rescale : given;
    Int<T> bits = (Int<T>)a;
    // split at sqrt(1/2): the mantissa of sqrt(1/2) is added so that the exponent rounds
    const Int<T> half = (Int<T>)splat<T>(T(0.70710678118654752));
    const Int<T> one = (Int<T>)splat<T>(T(1));
    Int<T> moved = bits + (one - half);
    Int<T> e = (moved >> L::mantissa) - L::bias;
    Int<T> low = ((Int<T>{} + 1) << L::mantissa) - 1;
    Vec<T> m = (Vec<T>)((moved & low) + half);
    Vec<T> k = __builtin_convertvector(e + (small & -L::rescale_log2), Vec<T>);
    Vec<T> f = m - T(1);
    Vec<T> s = f / (f + T(2));
    Vec<T> z = s * s;
    Vec<T> p = splat<T>(L::log_poly[0]);
    UNROLL for (int i = 1; i < L::log_terms; i++) p = p * z + L::log_poly[i];
    p = p * z;
    Vec<T> h = T(0.5) * f * f;
    Vec<T> r = k * L::ln2_high - ((h - (s * (h + p) + k * L::ln2_low)) - f);
    r = given == 0 ? splat<T>(-__builtin_inff()) : r;
    return given <= L::huge ? r : given;  // infinity and NaN pass
}

// log(1 + exp(a)) with small relative error for every a; a itself beyond 20, as torch has it.
template <class T> INLINE Vec<T> softplus(Vec<T> a) {
    Vec<T> u = exp<T>(-abs(a));
    Vec<T> w = u + T(1);
    Vec<T> tail = log<T>(w) + (u - (w - T(1))) / w;  // second term: what 1 + u rounded away
    return a > 20 ? a : (a > 0 ? a : Vec<T>{}) + tail;
}
