// The decoder for one instruction set: EGEM_ISA names it, EGEM_LANES is its number of lanes.
//
// A lane is a code; a weight is spread over the lanes as it is used. Sixteen accumulators (four
// cells, four gates) stay in registers from the first weight to the new state of the four cells.
#include "lstm.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "simd.hpp"

namespace egem::EGEM_ISA {
namespace {

constexpr int kGates = 4;
constexpr int kCells = 4;  // cells of a block
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

// to[j] += sum_i source[i] w[i * stride + j] for j < columns.
template <int N = 16>
inline void multiply(Lanes* to, int64_t columns, const Lanes* source, int64_t n, const float* w,
                     int64_t stride) {
  int64_t j = 0;
  for (; j + N <= columns; j += N) {
    Lanes acc[N];
    for (int a = 0; a < N; ++a) acc[a] = to[j + a];
    accumulate<N>(acc, source, n, w + j, stride);
    for (int a = 0; a < N; ++a) to[j + a] = acc[a];
  }
  if constexpr (N > 1) {
    if (j < columns) multiply<N / 2>(to + j, columns - j, source, n, w + j, stride);
  }
}

// to[i * nb + j] += the sum over steps and lanes of a[t * a_step + i] b[t * b_step + j].
template <int A, int B>
inline void outer(float* to, const Lanes* a, int64_t na, int64_t a_step, const Lanes* b, int64_t nb,
                  int64_t b_step, int64_t steps) {
  static_assert(A * B == L);
  for (int64_t i = 0; i < na; i += A) {
    for (int64_t j = 0; j < nb; j += B) {
      Lanes acc[L] = {};
      for (int64_t t = 0; t < steps; ++t) {
        const Lanes *p = a + t * a_step + i, *q = b + t * b_step + j;
#pragma GCC unroll 4
        for (int x = 0; x < A; ++x)
#pragma GCC unroll 4
          for (int y = 0; y < B; ++y) acc[x * B + y] += p[x] * q[y];
      }
      const Lanes total = sums<L>(acc, 1);
      for (int x = 0; x < A; ++x)
        for (int y = 0; y < B; ++y) to[(i + x) * nb + j + y] += total[x * B + y];
    }
  }
}
constexpr int kTileA = L >= 8 ? 4 : 2, kTileB = L / kTileA;

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

// Gates of the codes of a lane block, [block][gate][cell].
void load_gates(Lanes* to, const float* from, int64_t h, int64_t live) {
  const int64_t cells = round_up(h, kCells);
  for (int64_t i = 0; i < kGates * cells; ++i) to[i] = Lanes{};
  for (int64_t l = 0; l < live; ++l)
    for (int64_t g = 0; g < kGates; ++g)
      for (int64_t u = 0; u < h; ++u)
        to[u / kCells * kBlock + g * kCells + u % kCells][l] = from[(l * kGates + g) * h + u];
}

struct Cell {
  Lanes i, f, g, o, c, tc;
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

// y[l * code_step + channel] for the live lanes.
inline void put(float* y, int64_t code_step, const Lanes* values, int64_t channels, int64_t live) {
  for (int64_t ch = 0; ch < channels; ++ch)
    for (int64_t l = 0; l < live; ++l) y[l * code_step + ch] = values[ch][l];
}

void roll(const Shape& s, const float* first, const float* rec, const float* bias, const float* out,
          float* y, float* tape) {
  thread_local Scratch scratch;
  const int64_t cells = round_up(s.cells, kCells), floats = Weights::floats(s.cells) / L;
  Lanes* packed = scratch.vectors(floats + (kGates + 3) * cells + s.channels);
  Lanes *gates0 = packed + floats, *c = gates0 + kGates * cells, *h = c + cells, *next = h + cells,
        *row = next + cells;
  Lanes* record = reinterpret_cast<Lanes*>(tape);
  for (int64_t e = 0; e < s.experts; ++e) {
    const Weights w(s, rec + e * s.cells * kGates * s.cells, bias + e * kGates * s.cells,
                    reinterpret_cast<float*>(packed));
    const float* w_out = out + e * s.cells * s.channels;
    for (int64_t n = 0; n < s.codes; n += L) {
      const int64_t live = std::min<int64_t>(L, s.codes - n), code = e * s.codes + n;
      load_gates(gates0, first + code * kGates * s.cells, s.cells, live);
      std::fill(c, c + cells, Lanes{});
      for (int64_t t = 0; t < s.steps; ++t) {
        for (int64_t b = 0; b < w.blocks; ++b) {
          Lanes acc[kBlock];
          gates_of(acc, w, b, t, gates0, h);
          for (int u = 0; u < kCells; ++u) {
            const int64_t at = b * kCells + u;
            const Cell n = advance(acc[u], acc[4 + u], acc[8 + u], acc[12 + u], c[at]);
            c[at] = n.c;
            next[at] = n.o * n.tc;
            if (record) {
              Lanes* to = record + at * kTaped;
              to[0] = n.i, to[1] = n.f, to[2] = n.g, to[3] = n.o, to[4] = n.c, to[5] = n.tc;
            }
          }
        }
        if (record) record += cells * kTaped;
        std::swap(h, next);
        std::fill(row, row + s.channels, Lanes{});
        multiply(row, s.channels, h, s.cells, w_out, s.channels);
        put(y + (code * s.steps + t) * s.channels, s.steps * s.channels, row, s.channels, live);
      }
    }
  }
}

void pull(const Shape& s, const float* rec, const float* out, const float* tape, const float* dy,
          float* dfirst, float* drec, float* dbias, float* dout) {
  thread_local Scratch scratch;
  const int64_t cells = round_up(s.cells, kCells), gates = kGates * cells, T = s.steps;
  const int64_t channels = round_up(s.channels, kTileB), ch = s.channels, H = s.cells;
  const int64_t weights = (gates * cells + cells * ch + L - 1) / L;
  const int64_t sums_of = (cells * gates + cells * channels + L - 1) / L;
  Lanes* memory =
      scratch.vectors(weights + sums_of + T * (gates + cells + channels) + 2 * cells + gates);
  float* back = reinterpret_cast<float*>(memory);  // [gate, cell][to cell]
  float* out_back = back + gates * cells;          // [channel][cell]
  float* rec_sum = reinterpret_cast<float*>(memory + weights);  // [cell][gate, cell]
  float* out_sum = rec_sum + cells * gates;                     // [cell][channel]
  Lanes *dgates = memory + weights + sums_of, *hs = dgates + T * gates, *dys = hs + T * cells;
  Lanes *dh = dys + T * channels, *dc = dh + cells, *bias_sum = dc + cells;
  const Lanes* record = reinterpret_cast<const Lanes*>(tape);
  for (int64_t e = 0; e < s.experts; ++e) {
    const float *w = rec + e * H * kGates * H, *w_out = out + e * H * ch;
    std::fill(memory, memory + weights + sums_of, Lanes{});
    std::fill(bias_sum, bias_sum + gates, Lanes{});
    for (int64_t g = 0; g < kGates; ++g)
      for (int64_t u = 0; u < H; ++u)
        for (int64_t i = 0; i < H; ++i)
          back[(g * cells + u) * cells + i] = w[i * kGates * H + g * H + u];
    for (int64_t i = 0; i < H; ++i)
      for (int64_t j = 0; j < ch; ++j) out_back[j * cells + i] = w_out[i * ch + j];
    for (int64_t n = 0; n < s.codes; n += L, record += T * cells * kTaped) {
      const int64_t live = std::min<int64_t>(L, s.codes - n), code = e * s.codes + n;
      std::fill(dys, dys + T * channels, Lanes{});
      for (int64_t l = 0; l < live; ++l)
        for (int64_t t = 0; t < T; ++t)
          for (int64_t j = 0; j < ch; ++j)
            dys[t * channels + j][l] = dy[((code + l) * T + t) * ch + j];
      std::fill(dc, dc + cells, Lanes{});
      for (int64_t t = T - 1; t >= 0; --t) {
        const Lanes* at = record + t * cells * kTaped;
        Lanes *dg = dgates + t * gates, *h = hs + t * cells;
        std::fill(dh, dh + cells, Lanes{});
        multiply(dh, cells, dys + t * channels, ch, out_back, cells);
        if (t + 1 < T) multiply(dh, cells, dg + gates, gates, back, cells);
        for (int64_t u = 0; u < cells; ++u) {
          const Lanes *now = at + u * kTaped, i = now[0], f = now[1], g = now[2], o = now[3],
                      tc = now[5], before = t ? (now - cells * kTaped)[4] : Lanes{};
          h[u] = o * tc;
          const Lanes d = dc[u] + dh[u] * o * (1.0f - tc * tc);
          dg[u] = d * g * i * (1.0f - i);
          dg[cells + u] = d * before * f * (1.0f - f);
          dg[2 * cells + u] = d * i * (1.0f - g * g);
          dg[3 * cells + u] = dh[u] * tc * o * (1.0f - o);
          dc[u] = d * f;
        }
        if (t) for (int64_t u = 0; u < gates; ++u) bias_sum[u] += dg[u];
      }
      outer<kTileA, kTileB>(rec_sum, hs, cells, cells, dgates + gates, gates, gates, T - 1);
      outer<kTileA, kTileB>(out_sum, hs, cells, cells, dys, channels, channels, T);
      for (int64_t l = 0; l < live; ++l)
        for (int64_t g = 0; g < kGates; ++g)
          for (int64_t u = 0; u < H; ++u)
            dfirst[((code + l) * kGates + g) * H + u] = dgates[g * cells + u][l];
    }
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

void push(const Shape& s, const float* first, const float* code_weights, const float* rec,
          const float* bias, const float* out, float* y, float* jacobian) {
  thread_local Scratch scratch;
  const int64_t cells = round_up(s.cells, kCells), gates = kGates * cells, K = s.code_size;
  const int64_t floats = Weights::floats(s.cells) / L, H = s.cells, ch = s.channels;
  const int64_t starts = (K * gates + L - 1) / L, width = s.steps * ch;
  Lanes* packed = scratch.vectors(floats + starts + gates + (3 + 3 * K) * cells + ch);
  float* start = reinterpret_cast<float*>(packed + floats);  // [code entry][block][gate][cell]
  Lanes *gates0 = packed + floats + starts, *c = gates0 + gates, *h = c + cells, *next = h + cells;
  Lanes *dc = next + cells, *dh = dc + K * cells, *dnext = dh + K * cells, *row = dnext + K * cells;
  for (int64_t e = 0; e < s.experts; ++e) {
    const Weights w(s, rec + e * H * kGates * H, bias + e * kGates * H,
                    reinterpret_cast<float*>(packed));
    const float *w_out = out + e * H * ch, *w_code = code_weights + e * K * kGates * H;
    std::memset(start, 0, K * gates * sizeof(float));
    for (int64_t k = 0; k < K; ++k)
      for (int64_t g = 0; g < kGates; ++g)
        for (int64_t u = 0; u < H; ++u)
          start[k * gates + u / kCells * kBlock + g * kCells + u % kCells] =
              w_code[(k * kGates + g) * H + u];
    for (int64_t n = 0; n < s.codes; n += L) {
      const int64_t live = std::min<int64_t>(L, s.codes - n), code = e * s.codes + n;
      load_gates(gates0, first + code * kGates * H, H, live);
      std::fill(c, c + cells, Lanes{});
      std::fill(dc, dc + K * cells, Lanes{});
      for (int64_t t = 0; t < s.steps; ++t) {
        for (int64_t b = 0; b < w.blocks; ++b) {
          Lanes acc[kBlock], by_i[kCells], by_f[kCells], by_g[kCells], by_o[kCells], keep[kCells],
              show[kCells];
          gates_of(acc, w, b, t, gates0, h);
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
            next[at] = n.o * n.tc;
          }
          for (int64_t k = 0; k < K; ++k) {
            if (t == 0) {
              const float* of = start + k * gates + b * kBlock;
              for (int a = 0; a < kBlock; ++a) acc[a] = splat(of[a]);
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
        std::swap(h, next);
        std::swap(dh, dnext);
        std::fill(row, row + ch, Lanes{});
        multiply(row, ch, h, H, w_out, ch);
        put(y + code * width + t * ch, width, row, ch, live);
        for (int64_t k = 0; k < K; ++k) {
          std::fill(row, row + ch, Lanes{});
          multiply(row, ch, dh + k * cells, H, w_out, ch);
          put(jacobian + (code * K + k) * width + t * ch, K * width, row, ch, live);
        }
      }
    }
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
                                         EGEM_ISA::pull, EGEM_ISA::push};
}  // namespace egem
