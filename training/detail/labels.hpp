// The check of scores and labels that all metrics share.
#pragma once

#include <lamina/autograd/tensor/tensor.hpp>
#include <optional>
#include <string>

namespace lamina::detail {

// Scores (N, C), labels (N), each in [0, C) or the ignored one.
void check_labels(const std::string& who, const Shape& scores, const Tensor<std::int64_t>& labels,
                  std::optional<std::int64_t> ignored);

}  // namespace lamina::detail
