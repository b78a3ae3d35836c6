// Output channels that are computed together, for the files of levels/ alone (see vector.hpp).
#pragma once

#include <lamina/autograd/kernels/levels/integers.hpp>
#include <lamina/autograd/kernels/levels/mask.hpp>
#include <lamina/autograd/kernels/levels/row_addresses.hpp>

namespace lamina::kernels {
namespace {

// One or two vectors, the last one perhaps not full.
struct Panel {
  LAMINA_INLINE Panel(std::int64_t channels, std::int64_t first_channel) : first(first_channel) {
    const std::int64_t count = smaller(2 * kLanes, channels - first);
    vectors = count > kLanes ? 2 : 1;
    partial = count != vectors * kLanes;
    last_vector = first_lanes(count - (vectors - 1) * kLanes);
  }
  LAMINA_INLINE std::int64_t rows() const { return most_rows(static_cast<int>(vectors)); }

  std::int64_t first;
  std::int64_t vectors;
  bool partial;
  Mask last_vector;
};

}  // namespace
}  // namespace lamina::kernels
