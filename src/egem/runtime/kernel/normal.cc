// What the normal equations of a search's step are made of.
#include "derive.hpp"

namespace egem::EGEM_ISA {
namespace {

// Sums products of residuals and derivatives, with each other and with a basis, piece by piece, so
// that neither is ever laid out and sums of many terms are sums of sums.
class Summed {
 public:
  Summed(Arena& arena, const Shape& s, int64_t basis_size, const Residuals& of, float* gram,
         float* projected)
      : s_(s), q_(basis_size), all_(1 + s.code_size), stride_(round_up(all_, 4)),
        width_(s.steps * s.channels), of_(of), to_gram_(gram), to_projected_(projected),
        values_(arena.take<Lanes>(kPiece * stride_)), gram_(arena.take<Lanes>(stride_ * stride_)),
        projected_(arena.take<Lanes>(stride_ * q_)), targets_(arena.take<Lanes>(L)),
        shown_(arena.take<Lanes>(L)), rows_(arena, all_) {
    std::fill_n(values_, kPiece * stride_, Lanes{});
  }
  void begin(int64_t e, int64_t n, int64_t live) {
    e_ = e, n_ = n, live_ = live, at_ = waiting_ = 0;
    std::fill_n(gram_, stride_ * stride_, Lanes{});
    std::fill_n(projected_, stride_ * q_, Lanes{});
  }
  void add(int64_t channel, const Lanes* values) {
    if (at_ % L == 0) load(targets_, of_.targets), load(shown_, of_.shown);
    const Lanes shown = shown_[at_ % L];
    Lanes* to = values_ + waiting_ * stride_;
    to[0] = (values[0] + of_.out_bias[e_ * s_.channels + channel] - targets_[at_ % L]) * shown;
    for (int64_t v = 1; v < all_; ++v) to[v] = values[4 * v] * shown;
    ++at_;
    if (++waiting_ == kPiece) sum();
  }
  void end() {
    sum();
    write(to_gram_, all_, [&](int64_t v, int64_t c) {
      return gram_[std::max(v, c) * stride_ + std::min(v, c)];
    });
    write(to_projected_, q_, [&](int64_t v, int64_t c) {
      return projected_[(c / 4 * stride_ + v) * 4 + c % 4];
    });
  }

 private:
  static constexpr int64_t kPiece = 64;
  static constexpr int kSide = L == 16 ? 4 : 2;

  // The next L values of each lane's row, one to a vector.
  void load(Lanes* to, const float* from) {
    const int64_t n = std::min<int64_t>(L, width_ - at_);
    std::fill(to, to + L, Lanes{});
    for (int64_t l = 0; l < live_; ++l)
      copy(to + l, from + (e_ * s_.codes + n_ + l) * width_ + at_, n);
    transpose(to);
  }

  void sum() {
    for (int64_t a = 0; a < stride_; a += kSide)
      for (int64_t b = 0; b < a + kSide; b += 4) {
        Lanes acc[kSide][4] = {};
        for (int64_t p = 0; p < waiting_; ++p) {
          const Lanes *x = values_ + p * stride_ + a, *z = values_ + p * stride_ + b;
#pragma GCC unroll 4
          for (int i = 0; i < kSide; ++i)
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j) acc[i][j] += x[i] * z[j];
        }
        for (int i = 0; i < kSide; ++i)
          for (int j = 0; j < 4; ++j) gram_[(a + i) * stride_ + b + j] += acc[i][j];
      }
    const float* basis = of_.basis + (e_ * width_ + at_ - waiting_) * q_;
    for (int64_t j = 0; j < q_; j += 4)
      products<true, kVectors>(projected_ + j * stride_, values_, Layout{1, stride_}, waiting_,
                               basis + j, q_, all_);
    waiting_ = 0;
  }

  // Values of every vector and column, to rows of the lanes' codes.
  template <class Value>
  void write(float* to, int64_t columns, Value value) {
    rows_.begin(live_, columns);
    for (int64_t l = 0; l < live_; ++l)
      for (int64_t v = 0; v < all_; ++v)
        rows_.start(v, l) = to + ((e_ * s_.codes + n_ + l) * all_ + v) * columns;
    for (int64_t c = 0; c < columns; ++c) rows_.add([&](int64_t v) { return value(v, c); });
  }

  const Shape& s_;
  int64_t q_, all_, stride_, width_;
  const Residuals& of_;
  float *to_gram_, *to_projected_;
  Lanes *values_, *gram_, *projected_;  // [value][vector], and sums over values
  Lanes *targets_, *shown_;             // of the next L values
  Rows rows_;
  int64_t e_ = 0, n_ = 0, live_ = 0, at_ = 0, waiting_ = 0;
};

}  // namespace

void normal(const Shape& s, int64_t basis_size, const float* first, const float* code_weights,
            const float* rec, const float* bias, const float* out, const Residuals& of, float* gram,
            float* projected) {
  Arena& arena = Arena::of_thread();
  derive(arena, s, Order(s, false), first, code_weights, rec, bias, out,
         Summed(arena, s, basis_size, of, gram, projected));
}

}  // namespace egem::EGEM_ISA
