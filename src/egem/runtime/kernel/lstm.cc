// The decoder forward and, in reverse mode, back.
#include <optional>

#include "cells.hpp"

namespace egem::EGEM_ISA {
namespace {

// Products of the vectors of a with those of b, summed over steps: tiles of A by B, one after another.
template <int A, int B>
inline void outer(Lanes* to, const Lanes* a, int64_t na, const Lanes* b, int64_t nb, int64_t steps) {
  static_assert(A * B == L);
  for (int64_t i = 0; i < na; i += A) {
    for (int64_t j = 0; j < nb; j += B, to += L) {
      Lanes acc[L];
      for (int x = 0; x < L; ++x) acc[x] = to[x];
      for (int64_t t = 0; t < steps; ++t) {
        const Lanes *p = a + t * na + i, *q = b + t * nb + j;
#pragma GCC unroll 4
        for (int x = 0; x < A; ++x)
#pragma GCC unroll 4
          for (int y = 0; y < B; ++y) acc[x * B + y] += p[x] * q[y];
      }
      for (int x = 0; x < L; ++x) to[x] = acc[x];
    }
  }
}

// to[i * nb + j] is the sum over the lanes of what `outer` made.
template <int A, int B>
inline void add_up(float* to, const Lanes* tiles, int64_t na, int64_t nb) {
  for (int64_t i = 0; i < na; i += A)
    for (int64_t j = 0; j < nb; j += B, tiles += L) {
      const Lanes total = sums<L>(tiles, 1);
      for (int x = 0; x < A; ++x)
        for (int y = 0; y < B; ++y) to[(i + x) * nb + j + y] = total[x * B + y];
    }
}
constexpr int kTileA = L >= 16 ? 4 : 2, kTileB = L / kTileA;
constexpr int64_t kPiece = 32;  // steps whose gradients wait, in the nearest cache, to be multiplied

// Run a block, keep what `pull` needs to know of it, [step][cell][kTaped], where there is a tape,
// and call `shown(step, h)` after each step. Returns the end of the tape.
template <class Shown>
inline Lanes* run(const Weights& w, const Lanes* first, int64_t steps, Lanes* memory, Lanes* tape,
                  Shown shown) {
  State s{memory, memory + w.cells, memory + 2 * w.cells};
  std::fill(s.c, s.c + w.cells, Lanes{});
  for (int64_t t = 0; t < steps; ++t) {
    step(w, first, t, s, tape);
    if (tape) tape += w.cells * kTaped;
    shown(t, s.h);
  }
  return tape;
}

void roll(const Shape& s, const float* first, const float* rec, const float* bias, const float* out,
          float* y, float* tape) {
  thread_local Scratch scratch;
  const int64_t cells = round_up(s.cells, kCells), floats = Weights::floats(s.cells) / L;
  const int64_t ch = s.channels, width = s.steps * ch;
  Lanes* packed = scratch.vectors(floats + (kGates + 3) * cells + ch + Rows::lanes(1));
  Lanes *gates0 = packed + floats, *state = gates0 + kGates * cells, *row = state + 3 * cells;
  Lanes* record = reinterpret_cast<Lanes*>(tape);
  for (int64_t e = 0; e < s.experts; ++e) {
    const Weights w(s, rec + e * s.cells * kGates * s.cells, bias + e * kGates * s.cells,
                    reinterpret_cast<float*>(packed));
    const float* w_out = out + e * s.cells * s.channels;
    for (int64_t n = 0; n < s.codes; n += L) {
      const int64_t live = std::min<int64_t>(L, s.codes - n), code = e * s.codes + n;
      load_gates(gates0, first + code * kGates * s.cells, s.cells, live);
      Rows rows(row + ch, 1, live, width);
      for (int64_t l = 0; l < live; ++l) rows.start(0, l) = y + (code + l) * width;
      record = run(w, gates0, s.steps, state, record, [&](int64_t, const Lanes* h) {
        std::fill(row, row + ch, Lanes{});
        multiply(row, ch, h, s.cells, w_out, ch);
        for (int64_t j = 0; j < ch; ++j) rows.add([&](int64_t) { return row[j]; });
      });
    }
  }
}

void pull(const Shape& s, const float* first, const float* rec, const float* bias, const float* out,
          const float* tape, const float* dy, float* dfirst, float* drec, float* dbias, float* dout) {
  thread_local Scratch scratch;
  const int64_t cells = round_up(s.cells, kCells), gates = kGates * cells, T = s.steps;
  const int64_t channels = round_up(s.channels, kTileB), ch = s.channels, H = s.cells;
  const int64_t from = round_up(cells, kTileA);  // cells in whole tiles
  const int64_t weights = (gates * cells + cells * ch + L - 1) / L;
  const int64_t sums_of = from * gates + from * channels;
  const int64_t floats = Weights::floats(H) / L, again = tape ? 0 : floats + (kTaped * T + 7) * cells;
  Lanes* memory = scratch.vectors(weights + sums_of + sums_of / L + (kPiece + 1) * gates +
                                  kPiece * from + T * channels + 2 * cells + gates + again);
  float* back = reinterpret_cast<float*>(memory);  // [gate, cell][to cell]
  float* out_back = back + gates * cells;          // [channel][cell]
  Lanes *rec_tiles = memory + weights, *out_tiles = rec_tiles + from * gates;
  float* rec_sum = reinterpret_cast<float*>(memory + weights + sums_of);  // [cell][gate, cell]
  float* out_sum = rec_sum + from * gates;                               // [cell][channel]
  Lanes *dgates = memory + weights + sums_of + sums_of / L, *hs = dgates + (kPiece + 1) * gates;
  Lanes* dys = hs + kPiece * from;
  Lanes *dh = dys + T * channels, *dc = dh + cells, *bias_sum = dc + cells;
  // Without a tape each block runs once more, which is quicker than memory beyond the cache.
  Lanes *packed = bias_sum + gates, *gates0 = packed + floats, *state = gates0 + gates;
  Lanes* own = state + 3 * cells;
  const Lanes* record = reinterpret_cast<const Lanes*>(tape);
  for (int64_t e = 0; e < s.experts; ++e) {
    const float *w = rec + e * H * kGates * H, *w_out = out + e * H * ch;
    std::fill(memory, memory + weights + sums_of, Lanes{});
    std::fill(bias_sum, bias_sum + gates, Lanes{});
    std::optional<Weights> forward;
    if (!tape) forward.emplace(s, w, bias + e * kGates * H, reinterpret_cast<float*>(packed));
    for (int64_t g = 0; g < kGates; ++g)
      for (int64_t u = 0; u < H; ++u)
        for (int64_t i = 0; i < H; ++i)
          back[(g * cells + u) * cells + i] = w[i * kGates * H + g * H + u];
    for (int64_t i = 0; i < H; ++i)
      for (int64_t j = 0; j < ch; ++j) out_back[j * cells + i] = w_out[i * ch + j];
    std::fill(hs, hs + kPiece * from, Lanes{});
    for (int64_t n = 0; n < s.codes; n += L) {
      const int64_t live = std::min<int64_t>(L, s.codes - n), code = e * s.codes + n;
      if (forward) {
        load_gates(gates0, first + code * kGates * H, H, live);
        run(*forward, gates0, T, state, own, [](int64_t, const Lanes*) {});
      }
      const Lanes* taped = tape ? record : own;
      if (tape) record += T * cells * kTaped;
      std::fill(dys, dys + T * channels, Lanes{});
      for (int64_t at = 0; at < T * ch; at += L) {
        const int64_t n_at = std::min<int64_t>(L, T * ch - at);
        Lanes rows[L] = {};
        for (int64_t l = 0; l < live; ++l)
          copy(rows + l, dy + (code + l) * T * ch + at, n_at);
        transpose(rows);
        for (int64_t a = 0; a < n_at; ++a) dys[(at + a) / ch * channels + (at + a) % ch] = rows[a];
      }
      std::fill(dc, dc + cells, Lanes{});
      std::fill(dgates, dgates + gates, Lanes{});
      for (int64_t t = T - 1; t >= 0; --t) {
        const Lanes* at = taped + t * cells * kTaped;
        const int64_t in = t % kPiece, piece = t - in;
        Lanes *dg = dgates + in * gates, *h = hs + in * from;
        if (t == T - 1 || in == kPiece - 1) std::copy_n(dgates, gates, dg + gates);
        std::fill(dh, dh + cells, Lanes{});
        multiply(dh, cells, dys + t * channels, ch, out_back, cells);
        multiply(dh, cells, dg + gates, gates, back, cells);
        for (int64_t u = 0; u < cells; ++u) {
          const Lanes *now = at + u * kTaped, i = now[0], f = now[1], g = now[2], o = now[3],
                      tc = now[5], before = t ? (now - cells * kTaped)[4] : Lanes{};
          h[u] = o * tc;
          const Lanes d = dc[u] + dh[u] * o * (1.0f - tc * tc), by_i = d * i, by_f = d * f;
          dg[u] = by_i * g * (1.0f - i);
          dg[cells + u] = by_f * before * (1.0f - f);
          dg[2 * cells + u] = by_i * (1.0f - g * g);
          dg[3 * cells + u] = dh[u] * h[u] * (1.0f - o);
          dc[u] = by_f;
        }
        if (t) for (int64_t u = 0; u < gates; ++u) bias_sum[u] += dg[u];
        if (in) continue;
        const int64_t steps = std::min(kPiece, T - piece);
        outer<kTileA, kTileB>(rec_tiles, hs, from, dgates + gates, gates, steps);
        outer<kTileA, kTileB>(out_tiles, hs, from, dys + piece * channels, channels, steps);
      }
      for (int64_t l = 0; l < live; ++l)
        for (int64_t g = 0; g < kGates; ++g)
          for (int64_t u = 0; u < H; ++u)
            dfirst[((code + l) * kGates + g) * H + u] = dgates[g * cells + u][l];
    }
    add_up<kTileA, kTileB>(rec_sum, rec_tiles, from, gates);
    add_up<kTileA, kTileB>(out_sum, out_tiles, from, channels);
    for (int64_t g = 0; g < kGates; ++g)
      for (int64_t u = 0; u < H; ++u) {
        float total = 0.0f;
        for (int l = 0; l < L; ++l) total += bias_sum[g * cells + u][l];
        dbias[(e * kGates + g) * H + u] = total;
        for (int64_t i = 0; i < H; ++i)
          drec[((e * H + i) * kGates + g) * H + u] = rec_sum[i * gates + g * cells + u];
      }
    for (int64_t i = 0; i < H; ++i)
      for (int64_t j = 0; j < ch; ++j) dout[(e * H + i) * ch + j] = out_sum[i * channels + j];
  }
}

}  // namespace
}  // namespace egem::EGEM_ISA

#define EGEM_TEXT_(x) #x
#define EGEM_TEXT(x) EGEM_TEXT_(x)
#define EGEM_JOIN_(a, b) a##b
#define EGEM_JOIN(a, b) EGEM_JOIN_(a, b)
namespace egem {
const Kernel EGEM_JOIN(kernel_, EGEM_ISA){EGEM_TEXT(EGEM_ISA), EGEM_LANES, EGEM_ISA::roll,
                                         EGEM_ISA::pull, EGEM_ISA::push, EGEM_ISA::normal,
                                         EGEM_ISA::shares};
}  // namespace egem
