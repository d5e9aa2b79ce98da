// Runs the decoder with its derivatives along the code, in forward mode.
#pragma once
#include "products.hpp"

namespace egem::EGEM_ISA {

// Lane `l` of gates [cell][gate].
inline void load_lane(Lanes* to, int64_t l, const float* from, int64_t cells) {
  for (int64_t g = 0; g < kGates; ++g)
    for (int64_t u = 0; u < cells; ++u) to[u * kGates + g][l] = from[g * cells + u];
}

// Lanes are codes, each with all directions in turn; or, where codes are few, pairs of a code and a
// direction, so that one code need not leave all other lanes idle.
struct Order {
  bool paired;
  int64_t turns, lanes;
  Order(const Shape& s, bool paired)
      : paired(paired), turns(paired ? 1 : s.code_size),
        lanes(paired ? s.codes * s.code_size : s.codes) {}
  int64_t code(const Shape& s, int64_t lane) const { return paired ? lane / s.code_size : lane; }
  int64_t direction(const Shape& s, int64_t lane) const { return paired ? lane % s.code_size : 0; }
};

// Hands the values of each channel at each step to a sink: those of the sequence, and then those of
// its derivatives, each four floats of lanes from the next.
template <class Sink>
void derive(Arena& arena, const Shape& s, Order order, const float* first,
            const float* code_weights, const float* rec, const float* bias, const float* out,
            Sink sink) {
  const int64_t H = s.cells, K = s.code_size, ch = s.channels, all = 1 + order.turns;
  const int64_t padded = round_up(ch, 4);
  float* packed = arena.take<float>(H * H * kGates);    // [cell][from][gate]
  float* packed_out = arena.take<float>(padded * H);    // [four channels][from][channel]
  // Of the sequence and then of its derivatives, [vector]:
  Lanes* starts = arena.take<Lanes>(all * H * kGates);  // [cell][gate] of the first step
  Lanes *c = arena.take<Lanes>(all * H), *h = arena.take<Lanes>(all * H);
  Lanes *next = arena.take<Lanes>(all * H), *gates = arena.take<Lanes>(all * kGates);
  const auto times = [&](const float* w) {
    products<false, kVectors>(gates, h, Layout{H, 1}, H, w, 4, all);
  };
  for (int64_t e = 0; e < s.experts; ++e) {
    const float *w = rec + e * H * 4 * H, *b = bias + e * 4 * H, *w_out = out + e * H * ch;
    const float* w_code = code_weights + e * K * 4 * H;
    for (int64_t u = 0; u < H; ++u)
      for (int64_t i = 0; i < H; ++i)
        for (int64_t g = 0; g < 4; ++g) packed[(u * H + i) * 4 + g] = w[i * 4 * H + g * H + u];
    for (int64_t j = 0; j < padded; ++j)
      for (int64_t i = 0; i < H; ++i)
        packed_out[(j / 4 * H + i) * 4 + j % 4] = j < ch ? w_out[i * ch + j] : 0.0f;
    for (int64_t n = 0; n < order.lanes; n += L) {
      const int64_t live = std::min<int64_t>(L, order.lanes - n);
      std::fill_n(starts, all * H * kGates, Lanes{});
      std::fill_n(c, all * H, Lanes{});
      for (int64_t l = 0; l < live; ++l) {
        load_lane(starts, l, first + (e * s.codes + order.code(s, n + l)) * 4 * H, H);
        for (int64_t k = 0; k < order.turns; ++k)
          load_lane(starts + (1 + k) * 4 * H, l,
                    w_code + (order.direction(s, n + l) + k) * 4 * H, H);
      }
      sink.begin(e, n, live);
      for (int64_t t = 0; t < s.steps; ++t) {
        for (int64_t u = 0; u < H; ++u) {
          if (t == 0) {
            for (int64_t v = 0; v < all; ++v) std::copy_n(starts + (v * H + u) * 4, 4, gates + v * 4);
          } else {
            times(packed + u * H * 4);
            for (int g = 0; g < 4; ++g) gates[g] += b[g * H + u];
          }
          Lanes x[4];
          for (int g = 0; g < 4; ++g) x[g] = kExponent[g] * gates[g];
          exp2_of(x);
          const Gates n = gates_of(x[0], x[1], x[2], x[3]);
          const Lanes by_i = n.i * (1.0f - n.i) * n.g, by_f = n.f * (1.0f - n.f) * c[u];
          const Lanes by_g = n.i * (1.0f - n.g * n.g);
          c[u] = n.f * c[u] + n.i * n.g;
          Lanes tc[1] = {c[u]};
          tanh_of(tc);
          const Lanes by_o = n.o * (1.0f - n.o) * tc[0], show = n.o * (1.0f - tc[0] * tc[0]);
          next[u] = n.o * tc[0];
          for (int64_t v = 1; v < all; ++v) {
            const Lanes* a = gates + v * 4;
            const Lanes d = n.f * c[v * H + u] + by_i * a[0] + by_f * a[1] + by_g * a[2];
            c[v * H + u] = d;
            next[v * H + u] = show * d + by_o * a[3];
          }
        }
        std::swap(h, next);
        for (int64_t j = 0; j < ch; ++j) {
          if (j % 4 == 0) times(packed_out + j * H);
          sink.add(j, gates + j % 4);
        }
      }
      sink.end();
    }
  }
}

}  // namespace egem::EGEM_ISA
