// Small networks and data sets for the tests of training.
#pragma once

#include <lamina/lamina.hpp>
#include <string>
#include <vector>

#include "support/numbers.hpp"

namespace lamina::test {

// `count` points of 5 features in 3 classes that a line can separate.
inline Dataset three_blobs(std::int64_t count, std::uint64_t seed) {
  Tensor<float> x = random_tensor<float>({count, 5}, seed, -0.5, 0.5);
  Tensor<std::int64_t> labels = Tensor<std::int64_t>::uninitialized({count});
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t label = (i * 7 + static_cast<std::int64_t>(seed)) % 3;
    labels.mutable_data()[i] = label;
    x.mutable_data()[i * 5 + label] += 1;
  }
  return Dataset(x, labels);
}

template <Scalar T>
Sequential<T> small_net() {
  Sequential<T> net;
  net.template add<Dense>({.units = 11, .kernel_regularizer = l2(1e-3)})
      .template add<BatchNormalization>({.momentum = 0.9})
      .template add<ReLU>()
      .template add<Dropout>({.rate = 0.2})
      .template add<Dense>({.units = 3});
  return net;
}

inline TrainerOptions<float> usual(const OptimizerFactory& optimizer = sgd({.learning_rate = 0.1,
                                                                            .momentum = 0.9})) {
  return {.loss = SoftmaxCrossEntropy(), .optimizer = optimizer, .metrics = {accuracy()}};
}

template <Scalar T>
std::vector<Tensor<T>> values_of(Module<T>& net) {
  struct Reader : Visitor<T> {
    std::vector<Tensor<T>> values;
    void parameter(const std::string&, Parameter<T>& p) override { values.push_back(p.value()); }
    void buffer(const std::string&, Buffer<T>& b) override { values.push_back(b.value()); }
  } reader;
  reader.walk(net);
  return reader.values;
}

template <Scalar T>
bool same_values(const std::vector<Tensor<T>>& a, const std::vector<Tensor<T>>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!identical(a[i], b[i])) return false;
  }
  return true;
}

}  // namespace lamina::test
