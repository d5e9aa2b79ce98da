// Products of vectors that lie in SIMD lanes with weights that are spread over them.
#pragma once
#include "cells.hpp"

namespace egem::EGEM_ISA {

constexpr int kVectors = L == 16 ? 6 : 3;  // with four columns each, they fill the registers

// Where vector v has its entry i: at v * next + i * step.
struct Layout {
  int64_t next, step;
};

// to[4 v + j] = (or, to Add, +=) sum_i x[v * next + i * step] w[stride i + j], j < 4: for all vectors,
// V at a time while there are as many.
template <bool Add, int V>
inline void products(Lanes* to, const Lanes* x, Layout at, int64_t n, const float* w, int64_t stride,
                     int64_t vectors) {
  // A vector left alone would wait for its own sums.
  while (vectors >= V && !(V > 2 && vectors == V + 1)) {
    Lanes acc[V][4] = {};
    for (int64_t i = 0; i < n; ++i) {
      Lanes from[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) from[v] = x[v * at.next + i * at.step];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j)
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[v][j] += from[v] * w[stride * i + j];
    }
    for (int v = 0; v < V; ++v)
      for (int j = 0; j < 4; ++j) to[4 * v + j] = Add ? to[4 * v + j] + acc[v][j] : acc[v][j];
    to += 4 * V, x += V * at.next, vectors -= V;
  }
  if constexpr (V > 1) {
    if (vectors) products<Add, V - 1>(to, x, at, n, w, stride, vectors);
  }
}

}  // namespace egem::EGEM_ISA
