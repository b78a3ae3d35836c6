// LossFunction: what a Trainer minimizes: a scalar from predictions and labels. The function
// objects of lamina (SoftmaxCrossEntropy() and so on) are ones, and so is a lambda:
//
//   .loss = [](const Variable<float>& y, const Tensor<std::int64_t>& labels) { return ...; }
#pragma once

#include <functional>
#include <lamina/autograd/variable.hpp>

namespace lamina {

template <Scalar T>
using LossFunction =
    std::function<Variable<T>(const Variable<T>& prediction, const Tensor<std::int64_t>& labels)>;

}  // namespace lamina
