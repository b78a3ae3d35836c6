// Cross-entropies from logits: one loss per example or element; reductions and the functions that
// users call stand in layers/. Value and gradient are finite at logits of any size (+-1000 and
// beyond); derivatives of any order.
//
//   softmax:  loss = -sum_c q_c log_softmax(x)_c,  with q_c = w_y (1 - s) [c == y] + w_c s / C  for
//   a
//             label y, q_c = w_c (t_c (1 - s) + s / C) for a distribution t     (s: label
//             smoothing)
//   sigmoid:  loss = -(p t log sigmoid(x) + (1 - t) log(1 - sigmoid(x)))
//
// Shapes: logits (..., C, ...) with the classes on `axis`, labels and losses without that axis.
// Errors: ShapeError for shapes that do not fit; ArgumentError for a label outside [0, C) that is
// not ignore_index (naming where it stands), smoothing outside [0, 1], weights that are negative or
// not finite, or not one per class. Thread-safety: as Variable. Source: PyTorch,
// torch.nn.functional.cross_entropy and binary_cross_entropy_with_logits.
#pragma once

#include <cstdint>
#include <lamina/autograd/variable.hpp>
#include <optional>
#include <vector>

namespace lamina {

struct CrossEntropyOptions {
  int axis = -1;                                  // of the classes
  double label_smoothing = 0;                     // s
  std::vector<double> class_weights = {};         // w; empty: all 1
  std::optional<std::int64_t> ignore_index = {};  // examples with this label: loss and gradient 0
};

template <Scalar T>
Variable<T> softmax_cross_entropy_per_example(const Variable<T>& logits,
                                              const Tensor<std::int64_t>& labels,
                                              const CrossEntropyOptions& options = {});

// Targets have the logits' shape and are differentiable. ArgumentError for an ignore_index.
template <Scalar T>
Variable<T> softmax_cross_entropy_per_example(const Variable<T>& logits, const Variable<T>& targets,
                                              const CrossEntropyOptions& options = {});

// The sum of the class weights of the labels that are not ignored: what a mean divides by.
double counted_label_weight(const Tensor<std::int64_t>& labels, const CrossEntropyOptions& options);

// Targets have the logits' shape and are differentiable. pos_weight (p) broadcasts to the logits;
// undefined: 1.
template <Scalar T>
Variable<T> sigmoid_cross_entropy_per_element(const Variable<T>& logits, const Variable<T>& targets,
                                              const Tensor<T>& pos_weight = {});

}  // namespace lamina
