// Vectors of EGEM_LANES floats and what the decoder computes with them.
#pragma once
#include <cstdint>
#include <utility>

#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace egem::EGEM_ISA {

constexpr int L = EGEM_LANES;
typedef float Lanes __attribute__((vector_size(4 * L)));
typedef int32_t Ints __attribute__((vector_size(4 * L)));

inline Lanes splat(float x) { return Lanes{} + x; }

// 2^r for |r| <= 1/2, to a relative 1e-7.
inline Lanes exp2_within(Lanes r) {
  Lanes p = splat(1.326472707e-3f);
  p = p * r + 9.671512649e-3f;
  p = p * r + 5.550733744e-2f;
  p = p * r + 2.402224209e-1f;
  p = p * r + 6.931469776e-1f;
  return p * r + 1.0f;
}

// 2^t; t is held to where floats have exponents.
inline Lanes exp2_of(Lanes t) {
#if defined(__AVX512F__) && EGEM_LANES == 16
  // min gives its second operand where one is not a number. Below, the scale goes to zero by itself.
  t = (Lanes)_mm512_min_ps((__m512)splat(126.0f), (__m512)t);
  const Lanes rounded = (Lanes)_mm512_roundscale_ps((__m512)t, 0);
  return (Lanes)_mm512_scalef_ps((__m512)exp2_within(t - rounded), (__m512)rounded);
#else
  const Lanes most = splat(126.0f), least = splat(-126.0f);
  t = t > most ? most : t;
  t = t < least ? least : t;
  const Lanes rounded = t + 12582912.0f;  // 1.5 * 2^23: the nearest integer ends in the low bits
  const Lanes p = exp2_within(t - (rounded - 12582912.0f));
  return (Lanes)((Ints)p + ((Ints)rounded << 23));
#endif
}

// 1 / x by an estimate (of 14 or 12 bits) and Newton's steps, where the machine has estimates.
inline Lanes reciprocal(Lanes x) {
#if defined(__AVX512F__) && EGEM_LANES == 16
  const Lanes r = (Lanes)_mm512_rcp14_ps((__m512)x);
  return r * (2.0f - x * r);
#elif defined(__AVX__) && EGEM_LANES == 8
  const Lanes q = (Lanes)_mm256_rcp_ps((__m256)x);
  const Lanes r = q * (2.0f - x * q);
  return r * (2.0f - x * r);
#else
  return 1.0f / x;
#endif
}

constexpr float kLog2E = 1.44269504f;
inline Lanes sigmoid(Lanes x) { return reciprocal(1.0f + exp2_of(-kLog2E * x)); }
inline Lanes tanh_of(Lanes x) { return 2.0f * reciprocal(1.0f + exp2_of(-2.0f * kLog2E * x)) - 1.0f; }

// Sums over the lanes of L vectors at once: one vector with a sum in each lane.

constexpr int half_of(int j, int m, bool high) {
  const int block = j / (2 * m) * 2 * m, within = j % (2 * m);
  return block + within % m + (high ? m : 0) + (within / m ? L : 0);
}

template <int M, int... J>
inline Lanes fold(Lanes p, Lanes q, std::integer_sequence<int, J...>) {
  return __builtin_shufflevector(p, q, half_of(J, M, false)...) +
         __builtin_shufflevector(p, q, half_of(J, M, true)...);
}

// Sums of v[0], v[stride], ...: 2 M of them, each left spread over L / (2 M) lanes at M > 0.
template <int Count>
inline Lanes sums(const Lanes* v, int stride) {
  if constexpr (Count == 1) {
    return v[0];
  } else {
    return fold<L / Count>(sums<Count / 2>(v, 2 * stride), sums<Count / 2>(v + stride, 2 * stride),
                           std::make_integer_sequence<int, L>{});
  }
}

// Rows become columns: blocks of M by M beside the diagonal of blocks of 2 M change places.
template <int M, int... J>
inline void exchange(Lanes& p, Lanes& q, std::integer_sequence<int, J...>) {
  const Lanes a = __builtin_shufflevector(p, q, (J & M ? L + J - M : J)...);
  q = __builtin_shufflevector(p, q, (J & M ? L + J : J + M)...);
  p = a;
}

template <int M = L / 2>
inline void transpose(Lanes* v) {
#pragma GCC unroll 16
  for (int i = 0; i < L; ++i)
    if (!(i & M)) exchange<M>(v[i], v[i + M], std::make_integer_sequence<int, L>{});
  if constexpr (M > 1) transpose<M / 2>(v);
}

}  // namespace egem::EGEM_ISA
