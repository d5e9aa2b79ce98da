// Convolution features of egem/features.py, behind one function for each instruction set.
#pragma once
#include <cstdint>

namespace egem {

struct FeatureShape {
  int64_t cases, channels, length, dilations, kernels;
};

// values (n, c, t), 0 beyond a case's length; places (k, 3), the taps weighed with 2; channels
// (d, k, c), 1 where a kernel looks at a channel; thresholds (d, k, 4) -> out (n, d, k, 4). Every
// other kernel counts all time points, the rest only where all taps lie inside the case.
using Shares = void (*)(const FeatureShape&, const float* values, const int32_t* lengths,
                        const int32_t* dilations, const int32_t* places, const float* channels,
                        const float* thresholds, float* out);

}  // namespace egem
