// Blocks of cells in SIMD lanes: EGEM_ISA names the instruction set, EGEM_LANES is its width.
//
// A lane is a code; a weight is spread over the lanes as it is used. The accumulators (the gates of a
// block's cells) stay in registers from the first weight to the new state of the cells.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <type_traits>

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

// Weights of one expert, times kExponent. Cells are filled up with idle ones to whole blocks: an idle
// cell's state stays 0.
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
        bias[u / kCells * kBlock + at] = kExponent[g] * b[g * h + u];
        for (int64_t i = 0; i < h; ++i)
          rec[(u / kCells * cells + i) * kBlock + at] = kExponent[g] * w[i * kGates * h + g * h + u];
      }
  }
};

// Lane `l` of exponents [block][gate][cell].
inline void load_lane(Lanes* to, int64_t l, const float* from, int64_t h) {
  for (int64_t g = 0; g < kGates; ++g)
    for (int64_t u = 0; u < h; ++u)
      to[u / kCells * kBlock + g * kCells + u % kCells][l] = kExponent[g] * from[g * h + u];
}

inline void load_gates(Lanes* to, const float* from, int64_t h, int64_t live) {
  std::fill(to, to + kGates * round_up(h, kCells), Lanes{});
  for (int64_t l = 0; l < live; ++l) load_lane(to, l, from + l * kGates * h, h);
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
        copy(start(v, l) + written_, waiting_ + v * L + l, n_);
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
  for (int64_t b = 0; b < w.blocks; ++b) {
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
