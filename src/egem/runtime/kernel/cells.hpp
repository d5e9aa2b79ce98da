// Blocks of cells in SIMD lanes: EGEM_ISA names the instruction set, EGEM_LANES is its width.
//
// A lane is a code; a weight is spread over the lanes as it is used. The accumulators (the gates of a
// block's cells) stay in registers from the first weight to the new state of the cells.
#pragma once
#include <algorithm>
#include <type_traits>

#include "arena.hpp"
#include "simd.hpp"

namespace egem::EGEM_ISA {

constexpr int kBlock = kGates * kCells;

// acc[j] += sum_i source[i] w[i * stride + j], spread over the lanes.
template <int N>
inline void accumulate(Lanes (&acc)[N], const Lanes* source, int64_t n, const float* w,
                       int64_t stride) {
  for (int64_t i = 0; i < n; ++i) {
    const Lanes x = source[i];
#pragma GCC unroll 16
    for (int j = 0; j < N; ++j) acc[j] += x * w[i * stride + j];
  }
}

// Calls work(N, first) for N things from the first on, N a constant of at most Most, until there were
// n: in passes of about the same number, since a few left alone would wait for their own results.
template <int N, class Work>
inline void pass(int64_t n, int64_t first, Work& work) {
  if (n == N)
    work(std::integral_constant<int, N>{}, first);
  else if constexpr (N > 1)
    pass<N - 1>(n, first, work);
}
template <int Most, class Work>
inline void in_passes(int64_t n, Work work) {
  for (int64_t first = 0; first < n;) {
    const int64_t passes = (n - first + Most - 1) / Most, width = (n - first + passes - 1) / passes;
    pass<Most>(width, first, work);
    first += width;
  }
}

// to[j] += sum_i source[i] w[i * stride + j] for j < columns.
constexpr int kColumns = L == 16 ? 16 : 12;
inline void multiply(Lanes* to, int64_t columns, const Lanes* source, int64_t n, const float* w,
                     int64_t stride) {
  in_passes<kColumns>(columns, [&](auto width, int64_t first) {
    Lanes acc[width];
    for (int a = 0; a < width; ++a) acc[a] = to[first + a];
    accumulate<width>(acc, source, n, w + first, stride);
    for (int a = 0; a < width; ++a) to[first + a] = acc[a];
  });
}

// What gates are multiplied with to be the exponents of 2 in their sigmoid or tanh.
constexpr float kExponent[kGates] = {-kLog2E, -kLog2E, -2.0f * kLog2E, -kLog2E};

// Recurrent weights and biases of one expert, times kExponent. Cells are filled up with idle ones to
// whole blocks: an idle cell's state stays 0.
struct Weights {
  const int64_t h, cells;
  float *rec, *bias;  // [block][from][gate][cell], [block][gate][cell]

  Weights(Arena& arena, int64_t h)
      : h(h), cells(round_up(h, kCells)), rec(arena.take<float>(cells * kGates * cells)),
        bias(arena.take<float>(kGates * cells)) {}
  void load(const float* w, const float* b) {
    std::fill_n(rec, cells * kGates * cells, 0.0f);
    std::fill_n(bias, kGates * cells, 0.0f);
    for (int64_t u = 0; u < h; ++u)
      for (int64_t g = 0; g < kGates; ++g) {
        const int64_t at = g * kCells + u % kCells;
        bias[u / kCells * kBlock + at] = kExponent[g] * b[g * h + u];
        for (int64_t i = 0; i < h; ++i)
          rec[(u / kCells * cells + i) * kBlock + at] = kExponent[g] * w[i * kGates * h + g * h + u];
      }
  }
};

// Gates (n, 4h) of the first step of `live` codes to exponents [block][gate][cell]; idle lanes are 0.
inline void load_gates(Lanes* to, const float* from, int64_t h, int64_t live) {
  std::fill_n(to, kGates * round_up(h, kCells), Lanes{});
  for (int64_t l = 0; l < live; ++l)
    for (int64_t g = 0; g < kGates; ++g)
      for (int64_t u = 0; u < h; ++u)
        to[u / kCells * kBlock + g * kCells + u % kCells][l] =
            kExponent[g] * from[(l * kGates + g) * h + u];
}

struct Gates {
  Lanes i, f, g, o;
};

// Sigmoids and tanh of exponents, given as 2^: one division for all four.
inline Gates gates_of(Lanes i, Lanes f, Lanes g, Lanes o) {
  const Lanes a = 1.0f + i, b = 1.0f + f, c = 1.0f + g, d = 1.0f + o;
  const Lanes ab = a * b, cd = c * d, r = reciprocal(ab * cd), by_ab = r * cd, by_cd = r * ab;
  return {by_ab * b, by_ab * a, by_cd * d * (1.0f - g), by_cd * c};
}

// Writes rows of floats, one for each lane of each vector. Values come step by step and are written
// once there are as many as lanes.
class Rows {
 public:
  Rows(Arena& arena, int64_t vectors)
      : waiting_(arena.take<Lanes>(vectors * L)), to_(arena.take<float*>(vectors * L)),
        vectors_(vectors) {}
  // Starts `live` rows of a length for each vector; `start` then says where each goes.
  void begin(int64_t live, int64_t length) { live_ = live, left_ = length, n_ = written_ = 0; }
  float*& start(int64_t vector, int64_t lane) { return to_[vector * L + lane]; }
  // One more value of each vector.
  template <class Value>
  inline void add(Value value) {
    for (int64_t v = 0; v < vectors_; ++v) waiting_[v * L + n_] = value(v);
    if (++n_ < std::min<int64_t>(L, left_)) return;
    for (int64_t v = 0; v < vectors_; ++v) {
      transpose(waiting_ + v * L);
      for (int64_t l = 0; l < live_; ++l)
        copy(start(v, l) + written_, waiting_ + v * L + l, n_);
    }
    written_ += n_, left_ -= n_, n_ = 0;
  }

 private:
  Lanes* waiting_;  // [vector][value], and transposed [vector][lane]
  float** to_;
  int64_t vectors_, live_ = 0, left_ = 0, n_ = 0, written_ = 0;
};

// Cell states and outputs of a block of lanes; `next` are the outputs of the step in progress.
struct State {
  Lanes *c, *h, *next;
  State(Arena& arena, int64_t cells)
      : c(arena.take<Lanes>(cells)), h(arena.take<Lanes>(cells)), next(arena.take<Lanes>(cells)) {}
};

// h *= tanh(c) for n cells. The tape has room for the tanh.
inline void times_tanh(Lanes* h, const Lanes* c, int64_t n, Lanes* tape) {
  in_passes<kTogether>(n, [&](auto width, int64_t first) {
    Lanes x[width];
    for (int u = 0; u < width; ++u) x[u] = c[first + u];
    tanh_of(x);
    for (int u = 0; u < width; ++u) h[first + u] *= x[u];
    if (tape) for (int u = 0; u < width; ++u) tape[(first + u) * kTaped + 5] = x[u];
  });
}

// One step of all cells; what `pull` needs of it is kept, [cell][kTaped], where there is a tape.
inline void step(const Weights& w, const Lanes* first, int64_t t, State& s, Lanes* tape) {
  for (int64_t b = 0; b < w.cells / kCells; ++b) {
    Lanes x[kBlock];
    if (t == 0) {
      for (int a = 0; a < kBlock; ++a) x[a] = first[b * kBlock + a];
    } else {
      for (int a = 0; a < kBlock; ++a) x[a] = splat(w.bias[b * kBlock + a]);
      accumulate<kBlock>(x, s.h, w.cells, w.rec + b * w.cells * kBlock, kBlock);
    }
    exp2_of(x);
    for (int u = 0; u < kCells; ++u) {
      const int64_t at = b * kCells + u;
      const Gates n = gates_of(x[u], x[kCells + u], x[2 * kCells + u], x[3 * kCells + u]);
      s.c[at] = n.f * s.c[at] + n.i * n.g;
      s.next[at] = n.o;
      if (tape) {
        Lanes* to = tape + at * kTaped;
        to[0] = n.i, to[1] = n.f, to[2] = n.g, to[3] = n.o, to[4] = s.c[at];
      }
    }
  }
  times_tanh(s.next, s.c, w.cells, tape);
  std::swap(s.h, s.next);
}

void push(const Shape&, const float* first, const float* code, const float* rec, const float* bias,
          const float* out, float* y, float* jacobian);

void normal(const Shape&, int64_t basis_size, const float* first, const float* code,
            const float* rec, const float* bias, const float* out, const Residuals&, float* gram,
            float* projected);

void shares(const FeatureShape&, const float* values, const int32_t* lengths,
            const int32_t* dilations, const int32_t* places, const float* channels,
            const float* thresholds, float* out);

}  // namespace egem::EGEM_ISA
