// The stock constraints, with Keras' defaults and formulas. The norm of a weight vector runs over
// `axis` (0: over the inputs of a Dense kernel; {0, 1, 2}: over those of a convolution's), computed
// in double; e = 1e-7:
//
//   max_norm       w * min(norm, max_value) / (e + norm)
//   min_max_norm   w * desired / (e + norm), desired = rate clip(norm, min_value, max_value)
//                                                       + (1 - rate) norm
//   unit_norm      w / (e + norm)
//   non_neg        w, and 0 where w < 0
//
// Errors: ArgumentError for bounds below 0 or not in order, a rate outside [0, 1], an empty axis
// list; when applied, for an axis the weights do not have or one named twice.
// Thread-safety: constraints are immutable.
#pragma once

#include <lamina/nn/constraint.hpp>
#include <vector>

namespace lamina {

Constraint max_norm(double max_value = 2, std::vector<int> axis = {0});
Constraint unit_norm(std::vector<int> axis = {0});
Constraint non_neg();

struct MinMaxNormOptions {
  double min_value = 0;
  double max_value = 1;
  double rate = 1;
  std::vector<int> axis = {0};
};
Constraint min_max_norm(const MinMaxNormOptions& options = {});

}  // namespace lamina
