// The layouts of kernels in other frameworks.
//
//   dense     (in, out) <-> (out, in); with channels C, row p C + c of lamina's kernel is column
//             c P + p of the other's, P = in / C positions (Flatten after channels-last layers)
//   conv2d    (rows, columns, in, out) <-> (out, in, rows, columns)
//
// A value that cannot be of the layout (other rank) is returned as it is: the comparison with the
// network that follows names it. Thread-safety: any.
#pragma once

#include <cstdint>
#include <lamina/serialization/state_dict.hpp>

namespace lamina::detail {

enum class KernelLayout { same, dense, convolution };

// `channels` divides the number of inputs of a dense kernel, and is 1 elsewhere.
StateValue to_channels_first(const StateValue& value, KernelLayout layout, std::int64_t channels);
StateValue from_channels_first(const StateValue& value, KernelLayout layout, std::int64_t channels);

}  // namespace lamina::detail
