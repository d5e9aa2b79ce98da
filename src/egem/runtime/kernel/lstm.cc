// The decoder forward and, in reverse mode, back.
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

// Runs a block of lanes, keeps what `pull` needs of it, [step][cell][kTaped], where there is a tape,
// and calls `done(h)` after each step.
template <class Done>
inline void run(const Weights& w, const Lanes* first, int64_t steps, State state, Lanes* tape,
                Done done) {
  std::fill_n(state.c, w.cells, Lanes{});
  for (int64_t t = 0; t < steps; ++t) {
    step(w, first, t, state, tape ? tape + t * w.cells * kTaped : nullptr);
    done(state.h);
  }
}

void roll(const Shape& s, const float* first, const float* rec, const float* bias, const float* out,
          float* y, float* tape) {
  const int64_t H = s.cells, ch = s.channels, width = s.steps * ch;
  Arena& arena = Arena::of_thread();
  Weights w(arena, H);
  const State state(arena, w.cells);
  Lanes *first_gates = arena.take<Lanes>(kGates * w.cells), *values = arena.take<Lanes>(ch);
  Rows rows(arena, 1);
  Lanes* record = reinterpret_cast<Lanes*>(tape);
  for (int64_t e = 0; e < s.experts; ++e) {
    w.load(rec + e * H * kGates * H, bias + e * kGates * H);
    const float* w_out = out + e * H * ch;
    for (int64_t n = 0; n < s.codes; n += L) {
      const int64_t live = std::min<int64_t>(L, s.codes - n), code = e * s.codes + n;
      load_gates(first_gates, first + code * kGates * H, H, live);
      rows.begin(live, width);
      for (int64_t l = 0; l < live; ++l) rows.start(0, l) = y + (code + l) * width;
      run(w, first_gates, s.steps, state, record, [&](const Lanes* h) {
        std::fill_n(values, ch, Lanes{});
        multiply(values, ch, h, H, w_out, ch);
        for (int64_t j = 0; j < ch; ++j) rows.add([&](int64_t) { return values[j]; });
      });
      if (record) record += s.steps * w.cells * kTaped;
    }
  }
}

// Rows of `width` floats, one a lane, to lanes [step][channel], with room for `stride` channels.
inline void load_steps(Lanes* to, const float* from, int64_t live, int64_t width, int64_t ch,
                       int64_t stride) {
  for (int64_t at = 0; at < width; at += L) {
    const int64_t n = std::min<int64_t>(L, width - at);
    Lanes rows[L] = {};
    for (int64_t l = 0; l < live; ++l) copy(rows + l, from + l * width + at, n);
    transpose(rows);
    for (int64_t a = 0; a < n; ++a) to[(at + a) / ch * stride + (at + a) % ch] = rows[a];
  }
}

// One step back through all cells: from gradients in outputs, dh, and in states, dc, to those in gates,
// [gate][cell], and in the states before. The outputs are worked out again, for the weights' gradients.
inline void step_back(const Lanes* tape, bool is_first, int64_t cells, const Lanes* dh, Lanes* dc,
                      Lanes* dgates, Lanes* h) {
  for (int64_t u = 0; u < cells; ++u) {
    const Lanes *now = tape + u * kTaped, i = now[0], f = now[1], g = now[2], o = now[3],
                tanh_c = now[5], before = is_first ? Lanes{} : (now - cells * kTaped)[4];
    h[u] = o * tanh_c;
    const Lanes d = dc[u] + dh[u] * o * (1.0f - tanh_c * tanh_c), by_i = d * i, by_f = d * f;
    dgates[u] = by_i * g * (1.0f - i);
    dgates[cells + u] = by_f * before * (1.0f - f);
    dgates[2 * cells + u] = by_i * (1.0f - g * g);
    dgates[3 * cells + u] = dh[u] * h[u] * (1.0f - o);
    dc[u] = by_f;
  }
}

void pull(const Shape& s, const float* first, const float* rec, const float* bias, const float* out,
          const float* tape, const float* dy, float* dfirst, float* drec, float* dbias, float* dout) {
  const int64_t T = s.steps, ch = s.channels, H = s.cells;
  const int64_t cells = round_up(H, kCells), gates = kGates * cells;
  const int64_t from = round_up(cells, kTileA), channels = round_up(ch, kTileB);  // in whole tiles
  Arena& arena = Arena::of_thread();
  float* back = arena.take<float>(gates * cells);   // [gate, cell][to cell]
  float* out_back = arena.take<float>(ch * cells);  // [channel][cell]
  Lanes* rec_tiles = arena.take<Lanes>(from * gates);
  Lanes* out_tiles = arena.take<Lanes>(from * channels);
  float* rec_sum = arena.take<float>(from * gates);     // [cell][gate, cell]
  float* out_sum = arena.take<float>(from * channels);  // [cell][channel]
  Lanes* bias_sum = arena.take<Lanes>(gates);
  // Of a piece: outputs of cells, [step][cell], and gradients in gates, [step][gate, cell], with those
  // of the step after the piece at its end.
  Lanes *hs = arena.take<Lanes>(kPiece * from), *dgates = arena.take<Lanes>((kPiece + 1) * gates);
  Lanes* dys = arena.take<Lanes>(T * channels);
  Lanes *dh = arena.take<Lanes>(cells), *dc = arena.take<Lanes>(cells);
  // Without a tape each block runs once more, which is quicker than memory beyond the cache.
  Weights w(arena, H);
  const State state(arena, cells);
  Lanes *first_gates = arena.take<Lanes>(gates), *own_tape = arena.take<Lanes>(tape ? 0 : T * cells * kTaped);
  const Lanes* record = tape ? reinterpret_cast<const Lanes*>(tape) : own_tape;
  // Idle cells and channels are 0 throughout.
  std::fill_n(back, gates * cells, 0.0f);
  std::fill_n(out_back, ch * cells, 0.0f);
  std::fill_n(hs, kPiece * from, Lanes{});
  std::fill_n(dys, T * channels, Lanes{});
  for (int64_t e = 0; e < s.experts; ++e) {
    const float *w_rec = rec + e * H * kGates * H, *w_out = out + e * H * ch;
    if (!tape) w.load(w_rec, bias + e * kGates * H);
    for (int64_t g = 0; g < kGates; ++g)
      for (int64_t u = 0; u < H; ++u)
        for (int64_t i = 0; i < H; ++i)
          back[(g * cells + u) * cells + i] = w_rec[(i * kGates + g) * H + u];
    for (int64_t i = 0; i < H; ++i)
      for (int64_t j = 0; j < ch; ++j) out_back[j * cells + i] = w_out[i * ch + j];
    std::fill_n(rec_tiles, from * gates, Lanes{});
    std::fill_n(out_tiles, from * channels, Lanes{});
    std::fill_n(bias_sum, gates, Lanes{});
    for (int64_t n = 0; n < s.codes; n += L) {
      const int64_t live = std::min<int64_t>(L, s.codes - n), code = e * s.codes + n;
      if (!tape) {
        load_gates(first_gates, first + code * kGates * H, H, live);
        run(w, first_gates, T, state, own_tape, [](const Lanes*) {});
      }
      load_steps(dys, dy + code * T * ch, live, T * ch, ch, channels);
      std::fill_n(dc, cells, Lanes{});
      std::fill_n(dgates, gates, Lanes{});
      for (int64_t t = T - 1; t >= 0; --t) {
        const int64_t in = t % kPiece, piece = t - in;
        Lanes* dg = dgates + in * gates;
        if (t == T - 1 || in == kPiece - 1) std::copy_n(dgates, gates, dg + gates);
        std::fill_n(dh, cells, Lanes{});
        multiply(dh, cells, dys + t * channels, ch, out_back, cells);
        multiply(dh, cells, dg + gates, gates, back, cells);
        step_back(record + t * cells * kTaped, t == 0, cells, dh, dc, dg, hs + in * from);
        if (t) for (int64_t u = 0; u < gates; ++u) bias_sum[u] += dg[u];
        if (in) continue;
        const int64_t steps = std::min(kPiece, T - piece);
        outer<kTileA, kTileB>(rec_tiles, hs, from, dgates + gates, gates, steps);
        outer<kTileA, kTileB>(out_tiles, hs, from, dys + piece * channels, channels, steps);
      }
      if (tape) record += T * cells * kTaped;
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
