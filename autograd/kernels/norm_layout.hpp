// NormLayout: how a normalization sees a dense tensor, as five extents
//
//   [outer][groups][middle][channels][inner]
//
// Statistics belong to a (group, channel) and run over the other three. Every case of batch
// normalization is one setting of the five, and no data moves:
//
//   (N, C)                      outer N    groups 1    middle 1    channels C    inner 1
//   NCHW, axis 1                outer N    groups 1    middle 1    channels C    inner HW
//   NHWC, axis -1               outer N    groups 1    middle HW   channels C    inner 1
//   axes {1, 2} of (N, A, B, L) outer N    groups 1    middle 1    channels AB   inner L
//   ghost batches of v, NHWC    outer v    groups N/v  middle HW   channels C    inner 1
//
// In the row-major order above example k of a ghost-batched tensor belongs to group k mod (N/v).
#pragma once

#include <cstdint>

namespace lamina {

struct NormLayout {
  std::int64_t outer = 1;
  std::int64_t groups = 1;
  std::int64_t middle = 1;
  std::int64_t channels = 1;
  std::int64_t inner = 1;

  std::int64_t size() const noexcept { return outer * groups * middle * channels * inner; }
  // Values behind one mean.
  std::int64_t count() const noexcept { return outer * middle * inner; }
  // Number of means.
  std::int64_t statistics() const noexcept { return groups * channels; }

  bool operator==(const NormLayout&) const = default;
};

}  // namespace lamina
