// The decoder with its derivatives along the code.
#include "derive.hpp"

namespace egem::EGEM_ISA {
namespace {

// Lays out sequences and derivatives.
class Laid {
 public:
  Laid(Arena& arena, const Shape& s, Order order, float* y, float* jacobian)
      : s_(s), order_(order), width_(s.steps * s.channels), y_(y), jacobian_(jacobian),
        rows_(arena, 1 + order.turns) {}
  void begin(int64_t e, int64_t n, int64_t live) {
    rows_.begin(live, width_);
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
  const Shape& s_;
  Order order_;
  int64_t width_;
  float *y_, *jacobian_;
  Rows rows_;
};

}  // namespace

void push(const Shape& s, const float* first, const float* code_weights, const float* rec,
          const float* bias, const float* out, float* y, float* jacobian) {
  const int64_t blocks_of_pairs = round_up(s.codes * s.code_size, L) / L;
  const int64_t blocks_of_codes = round_up(s.codes, L) / L;
  const Order order(s, 2 * blocks_of_pairs < (1 + s.code_size) * blocks_of_codes);
  Arena& arena = Arena::of_thread();
  derive(arena, s, order, first, code_weights, rec, bias, out, Laid(arena, s, order, y, jacobian));
}

}  // namespace egem::EGEM_ISA
