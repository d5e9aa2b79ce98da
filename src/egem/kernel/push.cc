// The decoder with its derivatives along the code, in forward mode.
#include "cells.hpp"

namespace egem::EGEM_ISA {

// Lanes are codes, each with all directions in turn; or, where codes are few, pairs of a code and a
// direction, so that one code need not leave all other lanes idle.
void push(const Shape& s, const float* first, const float* code_weights, const float* rec,
          const float* bias, const float* out, float* y, float* jacobian) {
  thread_local Scratch scratch;
  const int64_t cells = round_up(s.cells, kCells), gates = kGates * cells, K = s.code_size;
  const int64_t floats = Weights::floats(s.cells) / L, H = s.cells, ch = s.channels;
  const int64_t width = s.steps * ch, blocks = round_up(s.codes, L) / L;
  const bool paired = 2 * (round_up(s.codes * K, L) / L) < (1 + K) * blocks;
  const int64_t turns = paired ? 1 : K, lanes = paired ? s.codes * K : s.codes;
  Lanes* packed = scratch.vectors(floats + (1 + turns) * gates + (3 + 3 * turns) * cells + ch);
  Lanes *gates0 = packed + floats, *starts = gates0 + gates, *c = starts + turns * gates;
  Lanes *dc = c + 3 * cells, *dh = dc + turns * cells, *dnext = dh + turns * cells;
  Lanes* row = dnext + turns * cells;
  for (int64_t e = 0; e < s.experts; ++e) {
    const Weights w(s, rec + e * H * kGates * H, bias + e * kGates * H,
                    reinterpret_cast<float*>(packed));
    const float *w_out = out + e * H * ch, *w_code = code_weights + e * K * kGates * H;
    for (int64_t n = 0; n < lanes; n += L) {
      const int64_t live = std::min<int64_t>(L, lanes - n);
      for (int64_t i = 0; i < (1 + turns) * gates; ++i) gates0[i] = Lanes{};
      for (int64_t l = 0; l < live; ++l) {
        const int64_t code = paired ? (n + l) / K : n + l, direction = paired ? (n + l) % K : 0;
        load_lane(gates0, l, first + (e * s.codes + code) * kGates * H, H);
        for (int64_t k = 0; k < turns; ++k)
          load_lane(starts + k * gates, l, w_code + (direction + k) * kGates * H, H);
      }
      State state{c, c + cells, c + 2 * cells};
      std::fill(c, c + cells, Lanes{});
      std::fill(dc, dc + turns * cells, Lanes{});
      for (int64_t t = 0; t < s.steps; ++t) {
        for (int64_t b = 0; b < w.blocks; ++b) {
          Lanes acc[kBlock], by_i[kCells], by_f[kCells], by_g[kCells], by_o[kCells], keep[kCells],
              show[kCells];
          gates_of(acc, w, b, t, gates0, state.h);
          for (int u = 0; u < kCells; ++u) {
            const int64_t at = b * kCells + u;
            const Cell n = advance(acc[u], acc[4 + u], acc[8 + u], acc[12 + u], c[at]);
            by_i[u] = n.i * (1.0f - n.i) * n.g;
            by_f[u] = n.f * (1.0f - n.f) * c[at];
            by_g[u] = n.i * (1.0f - n.g * n.g);
            by_o[u] = n.o * (1.0f - n.o) * n.tc;
            keep[u] = n.f;
            show[u] = n.o * (1.0f - n.tc * n.tc);
            c[at] = n.c;
            state.next[at] = n.o * n.tc;
          }
          for (int64_t k = 0; k < turns; ++k) {
            if (t == 0) {
              std::copy_n(starts + k * gates + b * kBlock, kBlock, acc);
            } else {
              for (int a = 0; a < kBlock; ++a) acc[a] = Lanes{};
              accumulate<kBlock>(acc, dh + k * cells, cells, w.rec + b * cells * kBlock, kBlock);
            }
            for (int u = 0; u < kCells; ++u) {
              const int64_t at = k * cells + b * kCells + u;
              const Lanes d = keep[u] * dc[at] + by_i[u] * acc[u] + by_f[u] * acc[4 + u] +
                              by_g[u] * acc[8 + u];
              dc[at] = d;
              dnext[at] = show[u] * d + by_o[u] * acc[12 + u];
            }
          }
        }
        std::swap(state.h, state.next);
        std::swap(dh, dnext);
        std::fill(row, row + ch, Lanes{});
        multiply(row, ch, state.h, H, w_out, ch);
        float *to_y = y + e * s.codes * width + t * ch, *to_j = jacobian + e * s.codes * K * width + t * ch;
        for (int64_t l = 0; l < live; ++l)
          if (!paired || (n + l) % K == 0) put(to_y + (paired ? (n + l) / K : n + l) * width, row, ch, l);
        for (int64_t k = 0; k < turns; ++k) {
          std::fill(row, row + ch, Lanes{});
          multiply(row, ch, dh + k * cells, H, w_out, ch);
          for (int64_t l = 0; l < live; ++l)
            put(to_j + (paired ? n + l : (n + l) * K + k) * width, row, ch, l);
        }
      }
    }
  }
}

}  // namespace egem::EGEM_ISA
