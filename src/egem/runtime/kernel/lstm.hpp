// The decoder for the CPU, behind one table of functions for each instruction set.
//
// All arrays are row-major float32; gates lie in the order input, forget, cell, output.
#pragma once
#include <cstdint>

#include "features.hpp"

namespace egem {

struct Shape {
  int64_t experts, codes, steps, cells, channels, code_size;
};

// What residuals are of: targets and shown (1, or 0 where missing) (e, n, t, c), the bias of out (e, c)
// and a basis (e, t c, q).
struct Residuals {
  const float *out_bias, *targets, *shown, *basis;
};

struct Kernel {
  const char* name;
  int lanes;  // codes that are worked on side by side
  // first (e, n, 4h), rec (e, h, 4h), bias (e, 4h), out (e, h, c) -> y (e, n, t, c) without its
  // bias. The tape, what `pull` needs to know of the way there, is written where there is one.
  void (*roll)(const Shape&, const float* first, const float* rec, const float* bias,
               const float* out, float* y, float* tape);
  // Gradients of <dy, y>; without a tape the way there is gone once more.
  void (*pull)(const Shape&, const float* first, const float* rec, const float* bias,
               const float* out, const float* tape, const float* dy, float* dfirst, float* drec,
               float* dbias, float* dout);
  // code (e, k, 4h) is d first / d code; jacobian (e, n, k, t, c) is d y / d code.
  void (*push)(const Shape&, const float* first, const float* code, const float* rec,
               const float* bias, const float* out, float* y, float* jacobian);
  // For the residual and, after it, the derivatives, all 0 where missing: their products with each
  // other, gram (e, n, 1 + k, 1 + k), and with the basis, projected (e, n, 1 + k, q).
  void (*normal)(const Shape&, int64_t basis_size, const float* first, const float* code,
                 const float* rec, const float* bias, const float* out, const Residuals&,
                 float* gram, float* projected);
  Shares shares;
};

constexpr int kGates = 4;
constexpr int kCells = 2;  // of a block: few are idle, and AVX2 has no more than 16 registers
constexpr int kTaped = 6;  // input, forget, cell, output gate, cell state and its tanh

static inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Floats of the tape of all experts together.
static inline int64_t tape_size(const Shape& s, int64_t lanes) {
  return s.experts * round_up(s.codes, lanes) * s.steps * kTaped * round_up(s.cells, kCells);
}

extern const Kernel kernel_plain;
#if defined(__x86_64__)
extern const Kernel kernel_avx2, kernel_avx512;
#endif

}  // namespace egem
