// The decoder with its derivatives along the code, in forward mode.
#include "cells.hpp"

namespace egem::EGEM_ISA {
namespace {

constexpr int kVectors = L == 16 ? 6 : 3;  // with four columns each, they fill the registers

// acc[v][j] += sum_i x[v * stride + i] w[4 i + j], spread over the lanes.
template <int V>
inline void tile(Lanes (&acc)[V][4], const Lanes* x, int64_t stride, int64_t n, const float* w) {
  for (int64_t i = 0; i < n; ++i) {
    Lanes from[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) from[v] = x[v * stride + i];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[v][j] += from[v] * w[4 * i + j];
  }
}

// For all vectors, V at a time while there are as many: to[4 v + j] = sum_i x[v * stride + i] w[4 i + j].
template <int V>
inline void products(Lanes* to, const Lanes* x, int64_t stride, int64_t n, const float* w,
                     int64_t vectors) {
  // A vector left alone would wait for its own sums.
  while (vectors >= V && !(V > 2 && vectors == V + 1)) {
    Lanes acc[V][4] = {};
    tile<V>(acc, x, stride, n, w);
    for (int v = 0; v < V; ++v)
      for (int j = 0; j < 4; ++j) to[4 * v + j] = acc[v][j];
    to += 4 * V, x += V * stride, vectors -= V;
  }
  if constexpr (V > 1) {
    if (vectors) products<V - 1>(to, x, stride, n, w, vectors);
  }
}

// Lane `l` of gates [cell][gate].
inline void spread(Lanes* to, int64_t l, const float* from, int64_t cells) {
  for (int64_t g = 0; g < 4; ++g)
    for (int64_t u = 0; u < cells; ++u) to[u * 4 + g][l] = from[g * cells + u];
}

}  // namespace

// Lanes are codes, each with all directions in turn; or, where codes are few, pairs of a code and a
// direction, so that one code need not leave all other lanes idle.
void push(const Shape& s, const float* first, const float* code_weights, const float* rec,
          const float* bias, const float* out, float* y, float* jacobian) {
  thread_local Scratch scratch;
  const int64_t H = s.cells, K = s.code_size, ch = s.channels, width = s.steps * ch;
  const bool paired = 2 * (round_up(s.codes * K, L) / L) < (1 + K) * (round_up(s.codes, L) / L);
  const int64_t turns = paired ? 1 : K, lanes = paired ? s.codes * K : s.codes, all = 1 + turns;
  const int64_t blocks = round_up(ch, 4) / 4, floats = (H + 4 * blocks) * H * 4;
  const int64_t own = round_up(floats, L) / L;
  Lanes* memory = scratch.vectors(own + all * (4 * H + 3 * H + 4) + Rows::lanes(all));
  // Weights: [cell][from][gate], and [four channels][from][channel].
  float *packed = reinterpret_cast<float*>(memory), *packed_out = packed + H * H * 4;
  // Of the value and then of its derivatives: gates of the first step, states, a cell's gates.
  Lanes *starts = memory + own, *c = starts + all * 4 * H, *h = c + all * H, *next = h + all * H;
  Lanes* gates = next + all * H;
  for (int64_t e = 0; e < s.experts; ++e) {
    const float *w = rec + e * H * 4 * H, *b = bias + e * 4 * H, *w_out = out + e * H * ch;
    const float* w_code = code_weights + e * K * 4 * H;
    for (int64_t u = 0; u < H; ++u)
      for (int64_t i = 0; i < H; ++i)
        for (int64_t g = 0; g < 4; ++g) packed[(u * H + i) * 4 + g] = w[i * 4 * H + g * H + u];
    for (int64_t j = 0; j < 4 * blocks; ++j)
      for (int64_t i = 0; i < H; ++i)
        packed_out[(j / 4 * H + i) * 4 + j % 4] = j < ch ? w_out[i * ch + j] : 0.0f;
    for (int64_t n = 0; n < lanes; n += L) {
      const int64_t live = std::min<int64_t>(L, lanes - n);
      Rows rows(gates + all * 4, all, live, width);
      std::fill(starts, gates, Lanes{});
      for (int64_t l = 0; l < live; ++l) {
        const int64_t code = paired ? (n + l) / K : n + l, direction = paired ? (n + l) % K : 0;
        // Lanes of one code write the same values to one place.
        rows.start(0, l) = y + (e * s.codes + code) * width;
        spread(starts, l, first + (e * s.codes + code) * 4 * H, H);
        for (int64_t k = 0; k < turns; ++k) {
          rows.start(1 + k, l) = jacobian + ((e * s.codes + code) * K + direction + k) * width;
          spread(starts + (1 + k) * 4 * H, l, w_code + (direction + k) * 4 * H, H);
        }
      }
      for (int64_t t = 0; t < s.steps; ++t) {
        for (int64_t u = 0; u < H; ++u) {
          if (t == 0) {
            for (int64_t v = 0; v < all; ++v) std::copy_n(starts + (v * H + u) * 4, 4, gates + v * 4);
          } else {
            products<kVectors>(gates, h, H, H, packed + u * H * 4, all);
            for (int g = 0; g < 4; ++g) gates[g] += b[g * H + u];
          }
          const Cell n = advance(gates[0], gates[1], gates[2], gates[3], c[u]);
          const Lanes by_i = n.i * (1.0f - n.i) * n.g, by_f = n.f * (1.0f - n.f) * c[u];
          const Lanes by_g = n.i * (1.0f - n.g * n.g), by_o = n.o * (1.0f - n.o) * n.tc;
          const Lanes show = n.o * (1.0f - n.tc * n.tc);
          c[u] = n.c;
          next[u] = n.o * n.tc;
          for (int64_t v = 1; v < all; ++v) {
            const Lanes* a = gates + v * 4;
            const Lanes d = n.f * c[v * H + u] + by_i * a[0] + by_f * a[1] + by_g * a[2];
            c[v * H + u] = d;
            next[v * H + u] = show * d + by_o * a[3];
          }
        }
        std::swap(h, next);
        for (int64_t j = 0; j < ch; ++j) {
          if (j % 4 == 0) products<kVectors>(gates, h, H, H, packed_out + j * H, all);
          rows.add([&](int64_t v) { return gates[v * 4 + j % 4]; });
        }
      }
    }
  }
}

}  // namespace egem::EGEM_ISA
