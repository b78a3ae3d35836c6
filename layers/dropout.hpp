// Dropout: in training, sets a random part of the input to 0 and scales the rest up.
//
//   training    y = x keep / (1 - rate),  keep in {0, 1} with P(keep = 0) = rate
//   inference   y = x
//
// The mask is drawn from the stream of the module's path and the context's step: drawing again in
// one step gives the same mask, and no other layer, nor the number of threads, changes it. Errors:
// ArgumentError for a rate outside [0, 1]; StateError when training without random numbers in the
// context. Thread-safety: as Module. Source: Srivastava et al., Dropout (JMLR 2014), in the
// inverted form of Keras 3, layers.Dropout.
#pragma once

#include <lamina/layers/detail/plain_layer.hpp>

namespace lamina {

struct DropoutOptions {
  Required<double> rate;
  std::string name = {};

  void visit(OptionVisitor& visitor) { visitor("rate", rate.value); }
  static DropoutOptions blank() { return {.rate = 0}; }
};

template <Scalar T>
class Dropout : public PlainLayer<T, DropoutOptions> {
 public:
  explicit Dropout(DropoutOptions options);
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "dropout"; }
};

extern template class Dropout<float>;
extern template class Dropout<double>;

}  // namespace lamina
