// Convolution features of egem/features.py: how often kernels' responses exceed their thresholds.
//
// Lanes are time points. A kernel weighs three of its nine taps with 2 and the others with -1, so
// its response is three times those taps less the sum of all nine.
#include "features.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "simd.hpp"

namespace egem::EGEM_ISA {
namespace {

constexpr int kTaps = 9, kWeighted = 3, kThresholds = 4;

inline Lanes load(const float* from) {
  Lanes x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

// A kernel of a dilation, and which channels it looks at.
struct Kernel {
  int64_t at;
  std::vector<int64_t> channels;
  bool as_before;  // the same channels as the kernel before
};

// Kernels of a dilation in an order in which those that look at the same channels follow each other.
std::vector<Kernel> kernels_of(const float* channels, int64_t n_kernels, int64_t n_channels) {
  std::vector<Kernel> found;
  for (int64_t k = 0; k < n_kernels; ++k) {
    found.push_back({k, {}, false});
    for (int64_t c = 0; c < n_channels; ++c)
      if (channels[k * n_channels + c] != 0.0f) found.back().channels.push_back(c);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Kernel& a, const Kernel& b) { return a.channels < b.channels; });
  for (size_t i = 1; i < found.size(); ++i)
    found[i].as_before = found[i].channels == found[i - 1].channels;
  return found;
}

// Sum of some rows of n floats each, a multiple of L.
inline void add_up(const std::vector<int64_t>& rows, const float* from, int64_t n, float* to) {
  for (int64_t t = 0; t < n; t += L) {
    Lanes sum = {};
    for (const int64_t r : rows) sum += load(from + r * n + t);
    std::memcpy(to + t, &sum, sizeof sum);
  }
}

inline int32_t total(const Ints& counts) {
  int32_t sum = 0;
  for (int l = 0; l < L; ++l) sum += counts[l];
  return sum;
}

}  // namespace

void shares(const FeatureShape& s, const float* values, const int32_t* lengths,
            const int32_t* dilations, const int32_t* places, const float* channels,
            const float* thresholds, float* out) {
  const int64_t T = s.length, blocks = (T + L - 1) / L, rounded = blocks * L;
  int64_t widest = 0;
  for (int64_t d = 0; d < s.dilations; ++d) widest = std::max<int64_t>(widest, dilations[d]);
  const int64_t border = kTaps / 2 * widest, stride = (rounded + 2 * border + L - 1) / L * L;
  std::vector<float> padded(s.channels * stride), nine(s.channels * rounded), sum(stride),
      sum_nine(rounded);
  std::vector<std::vector<Kernel>> kernels;
  for (int64_t d = 0; d < s.dilations; ++d)
    kernels.push_back(kernels_of(channels + d * s.kernels * s.channels, s.kernels, s.channels));
  std::vector<Ints> counted[2] = {std::vector<Ints>(blocks), std::vector<Ints>(blocks)};
  for (int64_t n = 0; n < s.cases; ++n) {
    std::fill(padded.begin(), padded.end(), 0.0f);
    for (int64_t c = 0; c < s.channels; ++c)
      std::memcpy(&padded[c * stride + border], values + (n * s.channels + c) * T, T * sizeof(float));
    for (int64_t d = 0; d < s.dilations; ++d) {
      const int64_t dilation = dilations[d], reach = kTaps / 2 * dilation, end = lengths[n];
      const bool fits = end > 2 * reach;  // else no tap lies wholly inside, and all points count
      const int64_t first[2] = {0, fits ? reach : 0}, last[2] = {end, fits ? end - reach : end};
      for (int i = 0; i < 2; ++i)
        for (int64_t t = 0; t < rounded; ++t)
          counted[i][t / L][t % L] = t >= first[i] && t < last[i] ? -1 : 0;
      for (int64_t c = 0; c < s.channels; ++c)
        for (int64_t t = 0; t < rounded; t += L) {
          const float* middle = &padded[c * stride + border + t];
          Lanes sum = {};
          for (int j = 0; j < kTaps; ++j) sum += load(middle + (j - kTaps / 2) * dilation);
          std::memcpy(&nine[c * rounded + t], &sum, sizeof sum);
        }
      const float *from = padded.data() + border, *all = nine.data();
      for (const Kernel& kernel : kernels[d]) {
        const int64_t k = kernel.at, at = d * s.kernels + k;
        if (s.channels > 1 && !kernel.as_before) {
          add_up(kernel.channels, padded.data(), stride, sum.data());
          add_up(kernel.channels, nine.data(), rounded, sum_nine.data());
          from = sum.data() + border;
          all = sum_nine.data();
        }
        const float* taps[kWeighted];
        for (int j = 0; j < kWeighted; ++j)
          taps[j] = from + (places[k * kWeighted + j] - kTaps / 2) * dilation;
        Lanes threshold[kThresholds];
        Ints above[kThresholds] = {};
        for (int b = 0; b < kThresholds; ++b) threshold[b] = splat(thresholds[at * kThresholds + b]);
        const Ints* mask = counted[k % 2].data();
        for (int64_t i = 0; i < blocks; ++i) {
          const int64_t t = i * L;
          const Lanes three = load(taps[0] + t) + load(taps[1] + t) + load(taps[2] + t);
          const Lanes response = 3.0f * three - load(all + t);
          for (int b = 0; b < kThresholds; ++b)
            above[b] += (Ints)(response > threshold[b]) & mask[i];
        }
        const float points = static_cast<float>(last[k % 2] - first[k % 2]);
        float* to = out + ((n * s.dilations + d) * s.kernels + k) * kThresholds;
        if (T < 128) {  // counts of all four thresholds fit into 8 bits each, their sums as well
          const int32_t all_four =
              total(-above[0] - (above[1] << 8) - (above[2] << 16) - (above[3] << 24));
          for (int b = 0; b < kThresholds; ++b)
            to[b] = static_cast<float>(all_four >> (8 * b) & 255) / points;
        } else {
          for (int b = 0; b < kThresholds; ++b)
            to[b] = static_cast<float>(-total(above[b])) / points;
        }
      }
    }
  }
}

}  // namespace egem::EGEM_ISA
