// Cross-entropy of a softmax from its logits, example by example, and of a sigmoid, element by
// element.
//
// Logits are [outer][classes][inner]; there is one loss per (outer, inner):
//   loss = -sum_c q_c log_softmax(x)_c,   d loss / d x_c = (sum q) softmax(x)_c - q_c
// with coefficients q from a label,      q_c = w_y (1 - s) [c == y] + w_c s / classes
// or from a target distribution t,       q_c = w_c (t_c (1 - s) + s / classes).
// Coefficients of 0 contribute nothing, also at logits of -infinity. Finite at logits of any size.
#pragma once

#include <lamina/autograd/tensor/tensor.hpp>
#include <optional>

namespace lamina::kernels {

struct CrossEntropySetting {
  std::int64_t outer = 1, classes = 1, inner = 1;
  double smoothing = 0;                // s
  const double* weights = nullptr;     // w, one per class; null: all 1
  std::optional<std::int64_t> ignore;  // examples with this label have coefficients 0
};

template <Scalar T>
void softmax_cross_entropy(const CrossEntropySetting& setting, const T* logits,
                           const std::int64_t* labels, T* losses);
template <Scalar T>
void softmax_cross_entropy(const CrossEntropySetting& setting, const T* logits, const T* targets,
                           T* losses);

// gradient = g * d loss / d x, one g per loss.
template <Scalar T>
void softmax_cross_entropy_gradient(const CrossEntropySetting& setting, const T* g, const T* logits,
                                    const std::int64_t* labels, T* gradient);
template <Scalar T>
void softmax_cross_entropy_gradient(const CrossEntropySetting& setting, const T* g, const T* logits,
                                    const T* targets, T* gradient);

// The coefficients q themselves, in the logits' shape.
template <Scalar T>
void cross_entropy_coefficients(const CrossEntropySetting& setting, const std::int64_t* labels,
                                T* coefficients);

// (1 - t) x + (1 + (p - 1) t) log(1 + exp(-x)), with p the weight of the positive class;
// broadcasts.
template <Scalar T>
Tensor<T> sigmoid_cross_entropy(const Tensor<T>& x, const Tensor<T>& t, const Tensor<T>& p);
// Its derivative with respect to x.
template <Scalar T>
Tensor<T> sigmoid_cross_entropy_slope(const Tensor<T>& x, const Tensor<T>& t, const Tensor<T>& p);

}  // namespace lamina::kernels
