// A BatchNormalization layer made from the arguments of a recorded case, and what one call of it
// gives.
#pragma once

#include <lamina/layers/batch_normalization.hpp>
#include <lamina/nn/initializer.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/golden.hpp"

namespace lamina::test {

// Returns a recorded array, whatever shape is asked for with that many elements.
class RecordedValue : public InitializerFunction {
 public:
  explicit RecordedValue(GoldenArray array) : array_(std::move(array)) {}
  Tensor<float> make(const Shape& shape, const RandomStream&, float) const override {
    return Tensor<double>(shape, std::span<const double>(array_.data)).cast<float>();
  }
  Tensor<double> make(const Shape& shape, const RandomStream&, double) const override {
    return Tensor<double>(shape, std::span<const double>(array_.data));
  }

 private:
  GoldenArray array_;
};

// Python's truth value: what the seed takes for its switches.
bool truth(const Json& json);

// The field `shape` of a case.
Shape recorded_shape(const Json& item);

// One of the stock constraints; the name may have a suffix that says what the case is about.
Constraint recorded_constraint(const std::string& name, const Json& arguments);

// Every argument that is not named keeps the seed's default; one that lamina cannot express fails.
BatchNormalizationOptions options_from(ArgumentReader& arguments);

// The initializers of a case's `initial` object.
void set_initial(BatchNormalizationOptions& options, const Json& initial);

// Names of a layer's state as lamina lists it, with the values.
template <Scalar T>
std::vector<std::pair<std::string, Tensor<T>>> state_of(BatchNormalization<T>& layer);

template <Scalar T>
struct CallResult {
  Tensor<T> y = {}, dx = {}, dgamma = {}, dbeta = {};
};

// One forward and backward; gamma and beta get gradients even where the layer is not trainable,
// because the seed's graph gives them too.
template <Scalar T>
CallResult<T> call(BatchNormalization<T>& layer, const Tensor<T>& x, const Tensor<T>& dy,
                   bool training, std::int64_t step = 0);

}  // namespace lamina::test
