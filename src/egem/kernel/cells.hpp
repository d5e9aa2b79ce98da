// Blocks of cells in SIMD lanes: EGEM_ISA names the instruction set, EGEM_LANES is its width.
//
// A lane is a code; a weight is spread over the lanes as it is used. The accumulators (the gates of a
// block's cells) stay in registers from the first weight to the new state of the cells.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "lstm.hpp"
#include "simd.hpp"

namespace egem::EGEM_ISA {

constexpr int kGates = 4;
constexpr int kCells = 2;  // of a block: few are idle, and AVX2 has no more than 16 registers
constexpr int kBlock = kGates * kCells;

// Memory of one thread, kept from call to call.
class Scratch {
 public:
  ~Scratch() { std::free(data_); }
  // Room for `n` vectors, of any content.
  Lanes* vectors(int64_t n) {
    if (n > capacity_) {
      std::free(data_);
      data_ = static_cast<Lanes*>(std::aligned_alloc(64, round_up(n * sizeof(Lanes), 64)));
      capacity_ = n;
      if (!data_) std::abort();
    }
    return data_;
  }

 private:
  Lanes* data_ = nullptr;
  int64_t capacity_ = 0;
};

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

// to[j] += sum_i source[i] w[i * stride + j] for j < columns: in passes of about the same number of
// columns, since a few left alone would wait for their own sums.
constexpr int kColumns = L == 16 ? 16 : 12;
template <int N = kColumns>
inline void multiply(Lanes* to, int64_t columns, const Lanes* source, int64_t n, const float* w,
                     int64_t stride) {
  if (columns > kColumns) {
    const int64_t passes = (columns + kColumns - 1) / kColumns, width = (columns + passes - 1) / passes;
    multiply(to, width, source, n, w, stride);
    multiply(to + width, columns - width, source, n, w + width, stride);
  } else if (columns == N) {
    Lanes acc[N];
    for (int a = 0; a < N; ++a) acc[a] = to[a];
    accumulate<N>(acc, source, n, w, stride);
    for (int a = 0; a < N; ++a) to[a] = acc[a];
  } else if constexpr (N > 1) {
    multiply<N - 1>(to, columns, source, n, w, stride);
  }
}

// Weights of one expert, cells filled up with idle ones to whole blocks: an idle cell's state stays 0.
struct Weights {
  int64_t h, cells, blocks;
  float *rec, *bias;  // [block][from][gate][cell], [block][gate][cell]

  static int64_t floats(int64_t h) {
    const int64_t cells = round_up(h, kCells);
    return round_up((cells + 1) * kGates * cells, L);
  }

  Weights(const Shape& s, const float* w, const float* b, float* memory)
      : h(s.cells), cells(round_up(h, kCells)), blocks(cells / kCells), rec(memory),
        bias(memory + cells * kGates * cells) {
    std::memset(memory, 0, floats(h) * sizeof(float));
    for (int64_t u = 0; u < h; ++u)
      for (int64_t g = 0; g < kGates; ++g) {
        const int64_t at = g * kCells + u % kCells;
        bias[u / kCells * kBlock + at] = b[g * h + u];
        for (int64_t i = 0; i < h; ++i)
          rec[(u / kCells * cells + i) * kBlock + at] = w[i * kGates * h + g * h + u];
      }
  }
};

// Lane `l` of gates [block][gate][cell].
inline void load_lane(Lanes* to, int64_t l, const float* from, int64_t h) {
  for (int64_t g = 0; g < kGates; ++g)
    for (int64_t u = 0; u < h; ++u)
      to[u / kCells * kBlock + g * kCells + u % kCells][l] = from[g * h + u];
}

inline void load_gates(Lanes* to, const float* from, int64_t h, int64_t live) {
  std::fill(to, to + kGates * round_up(h, kCells), Lanes{});
  for (int64_t l = 0; l < live; ++l) load_lane(to, l, from + l * kGates * h, h);
}

struct Cell {
  Lanes i, f, g, o, c, tc;
  void keep(Lanes* to) const { to[0] = i, to[1] = f, to[2] = g, to[3] = o, to[4] = c, to[5] = tc; }
};

inline Cell advance(Lanes i, Lanes f, Lanes g, Lanes o, Lanes c) {
  Cell n{sigmoid(i), sigmoid(f), tanh_of(g), sigmoid(o), {}, {}};
  n.c = n.f * c + n.i * n.g;
  n.tc = tanh_of(n.c);
  return n;
}

inline void gates_of(Lanes (&acc)[kBlock], const Weights& w, int64_t block, int64_t t,
                     const Lanes* first, const Lanes* h) {
  if (t == 0) {
    for (int a = 0; a < kBlock; ++a) acc[a] = first[block * kBlock + a];
    return;
  }
  for (int a = 0; a < kBlock; ++a) acc[a] = splat(w.bias[block * kBlock + a]);
  accumulate<kBlock>(acc, h, w.cells, w.rec + block * w.cells * kBlock, kBlock);
}

// Rows of floats, one to a lane, for each of several vectors: values come step by step, and are
// written once there are as many as lanes.
class Rows {
 public:
  static int64_t lanes(int64_t vectors) { return vectors * (L + int64_t(sizeof(float*) / sizeof(float))); }
  Rows(Lanes* memory, int64_t vectors, int64_t live, int64_t length)
      : waiting_(memory), to_(reinterpret_cast<float**>(memory + vectors * L)), vectors_(vectors),
        live_(live), left_(length) {}
  // Where the row of a vector's lane starts.
  float*& start(int64_t vector, int64_t lane) { return to_[vector * L + lane]; }
  // One more value of each vector.
  template <class Value>
  inline void add(Value value) {
    for (int64_t v = 0; v < vectors_; ++v) waiting_[v * L + n_] = value(v);
    if (++n_ < std::min<int64_t>(L, left_)) return;
    for (int64_t v = 0; v < vectors_; ++v) {
      transpose(waiting_ + v * L);
      for (int64_t l = 0; l < live_; ++l)
        std::memcpy(start(v, l) + written_, waiting_ + v * L + l, n_ * sizeof(float));
    }
    written_ += n_, left_ -= n_, n_ = 0;
  }

 private:
  Lanes* waiting_;  // [vector][value], and transposed [vector][lane]
  float** to_;
  int64_t vectors_, live_, left_, n_ = 0, written_ = 0;
};

// State of a block of lanes that runs through time.
struct State {
  Lanes *c, *h, *next;
};

// One step of all cells; `visit(cell, gates and states of the cell)` sees each before it is stored.
template <class Visit>
inline void step(const Weights& w, const Lanes* first, int64_t t, State& s, Visit visit) {
  for (int64_t b = 0; b < w.blocks; ++b) {
    Lanes acc[kBlock];
    gates_of(acc, w, b, t, first, s.h);
    for (int u = 0; u < kCells; ++u) {
      const int64_t at = b * kCells + u;
      const Cell n = advance(acc[u], acc[kCells + u], acc[2 * kCells + u],
                             acc[3 * kCells + u], s.c[at]);
      visit(at, n);
      s.c[at] = n.c;
      s.next[at] = n.o * n.tc;
    }
  }
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
