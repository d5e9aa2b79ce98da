// The decoder with its derivatives along the code.
#include "derive.hpp"

namespace egem::EGEM_ISA {
namespace {

// Lays out sequences and derivatives.
class Laid {
 public:
  Laid(const Shape& s, Order order, float* y, float* jacobian)
      : s_(s), order_(order), width_(s.steps * s.channels), y_(y), jacobian_(jacobian),
        rows_(nullptr, 0, 0, 0) {}
  void begin(int64_t e, int64_t n, int64_t live) {
    const int64_t all = 1 + order_.turns;
    rows_ = Rows(memory().vectors(Rows::lanes(all)), all, live, width_);
    for (int64_t l = 0; l < live; ++l) {
      const int64_t code = e * s_.codes + order_.code(s_, n + l);
      const int64_t from = code * s_.code_size + order_.direction(s_, n + l);
      // Lanes of one code write the same values to one place.
      rows_.start(0, l) = y_ + code * width_;
      for (int64_t k = 0; k < order_.turns; ++k) rows_.start(1 + k, l) = jacobian_ + (from + k) * width_;
    }
  }
  void add(int64_t, const Lanes* values) {
    rows_.add([&](int64_t v) { return values[4 * v]; });
  }
  void end() {}

 private:
  static Scratch& memory() {
    thread_local Scratch scratch;
    return scratch;
  }
  const Shape& s_;
  Order order_;
  int64_t width_;
  float *y_, *jacobian_;
  Rows rows_;
};

}  // namespace

void push(const Shape& s, const float* first, const float* code_weights, const float* rec,
          const float* bias, const float* out, float* y, float* jacobian) {
  const Order order(
      s, 2 * (round_up(s.codes * s.code_size, L) / L) < (1 + s.code_size) * (round_up(s.codes, L) / L));
  derive(s, order, first, code_weights, rec, bias, out, Laid(s, order, y, jacobian));
}

}  // namespace egem::EGEM_ISA
