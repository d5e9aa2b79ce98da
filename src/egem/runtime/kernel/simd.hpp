// Vectors of EGEM_LANES floats and what the decoder computes with them.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace egem::EGEM_ISA {

constexpr int L = EGEM_LANES;
typedef float Lanes __attribute__((vector_size(4 * L)));
typedef int32_t Ints __attribute__((vector_size(4 * L)));

inline Lanes splat(float x) { return x - Lanes{}; }  // x + 0 is not x where it is -0

// What follows is done to N vectors in step: each operation waits for the one before it, and those of
// the others fill the time.
constexpr int kTogether = L == 16 ? 8 : 4;  // as many as fit into registers with what they need

// t -> 2^t, to a relative 2e-7; t is held to what leaves a product of four of them finite. The
// polynomial, of what is above the next integer below, is the best of its degree with 1 at 0 and
// 2 at 1.
constexpr float kMost = 30.0f;
template <int N>
inline void exp2_of(Lanes (&t)[N]) {
  constexpr float c[] = {1.879318584e-3f, 8.990995242e-3f, 5.581867585e-2f,
                         2.401592715e-1f, 6.931517388e-1f, 1.0f};
  Lanes r[N], p[N];
#if defined(__AVX512DQ__) && EGEM_LANES == 16
  // min gives its second operand where one is not a number. Below, the scale goes to zero by itself.
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) t[j] = (Lanes)_mm512_min_ps((__m512)splat(kMost), (__m512)t[j]);
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) r[j] = (Lanes)_mm512_reduce_ps((__m512)t[j], _MM_FROUND_FLOOR);
#else
  const Lanes most = splat(kMost), least = splat(-126.0f);
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) t[j] = t[j] > most ? most : t[j];
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) t[j] = t[j] < least ? least : t[j];
  // 1.5 * 2^23: an integer ends in the low bits; nearest to half less it is the one below, or, at
  // an integer, the one below that.
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) r[j] = t[j];
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) t[j] = (t[j] - 0.5f) + 12582912.0f;
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) r[j] -= t[j] - 12582912.0f;
#endif
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) p[j] = splat(c[0]);
#pragma GCC unroll 8
  for (int k = 1; k < 6; ++k)
#pragma GCC unroll 16
    for (int j = 0; j < N; ++j) p[j] = p[j] * r[j] + c[k];
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) {
#if defined(__AVX512DQ__) && EGEM_LANES == 16
    t[j] = (Lanes)_mm512_scalef_ps((__m512)p[j], (__m512)t[j]);
#else
    t[j] = (Lanes)((Ints)p[j] + ((Ints)t[j] << 23));
#endif
  }
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

// n <= L floats; nearly always L, and then without a call.
inline void copy(void* to, const void* from, int64_t n) {
  if (n == L)
    std::memcpy(to, from, L * sizeof(float));
  else
    std::memcpy(to, from, n * sizeof(float));
}

constexpr float kLog2E = 1.44269504f;

template <int N>
inline void tanh_of(Lanes (&x)[N]) {
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) x[j] *= -2.0f * kLog2E;
  exp2_of(x);
#pragma GCC unroll 16
  for (int j = 0; j < N; ++j) x[j] = (1.0f - x[j]) * reciprocal(1.0f + x[j]);
}

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
