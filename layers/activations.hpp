// Activation functions as layers. Formulas and kinks: autograd/ops/activation.hpp.
//
//   ReLU        0 for x <= threshold (plus negative_slope (x - threshold)), x above, max_value from
//               max_value on
//   LeakyReLU   x for x > 0, else negative_slope x
//   ELU         x for x > 0, else alpha (exp(x) - 1)
//   GELU        x P(N(0, 1) <= x), exact, or the tanh formula with approximate
//   SiLU        x sigmoid(x)
//   Sigmoid     1 / (1 + exp(-x))
//   Tanh        tanh(x)
//   Softmax     exp(x) / sum(exp(x)) over the axes
//
// y has the shape of x. The gradient at 0 is that from below; ReLU's with a threshold or a
// max_value is 0 at the threshold, and 1 at max_value, but 0 for a max_value of 6 without threshold
// (relu6).
// Errors: ArgumentError for options out of range. Thread-safety: as Module.
// Source: Keras 3, layers.ReLU and its neighbours.
#pragma once

#include <lamina/layers/detail/plain_layer.hpp>
#include <optional>
#include <vector>

namespace lamina {

struct ReLUOptions {
  std::optional<double> max_value = {};
  double negative_slope = 0;
  double threshold = 0;
  std::string name = {};

  void visit(OptionVisitor& visitor);
};

struct LeakyReLUOptions {
  double negative_slope = 0.3;
  std::string name = {};

  void visit(OptionVisitor& visitor) { visitor("negative_slope", negative_slope); }
};

struct ELUOptions {
  double alpha = 1;
  std::string name = {};

  void visit(OptionVisitor& visitor) { visitor("alpha", alpha); }
};

struct GELUOptions {
  bool approximate = false;
  std::string name = {};

  void visit(OptionVisitor& visitor) { visitor("approximate", approximate); }
};

struct SiLUOptions {
  std::string name = {};

  void visit(OptionVisitor&) {}
};

struct SigmoidOptions {
  std::string name = {};

  void visit(OptionVisitor&) {}
};

struct TanhOptions {
  std::string name = {};

  void visit(OptionVisitor&) {}
};

struct SoftmaxOptions {
  std::vector<std::int64_t> axis = {-1};
  std::string name = {};

  void visit(OptionVisitor& visitor) { visitor("axis", axis); }
};

template <Scalar T>
class ReLU : public PlainLayer<T, ReLUOptions> {
 public:
  explicit ReLU(ReLUOptions options = {});
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "relu"; }
};

template <Scalar T>
class LeakyReLU : public PlainLayer<T, LeakyReLUOptions> {
 public:
  explicit LeakyReLU(LeakyReLUOptions options = {});
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "leaky_relu"; }
};

template <Scalar T>
class ELU : public PlainLayer<T, ELUOptions> {
 public:
  explicit ELU(ELUOptions options = {});
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "elu"; }
};

template <Scalar T>
class GELU : public PlainLayer<T, GELUOptions> {
 public:
  explicit GELU(GELUOptions options = {}) : PlainLayer<T, GELUOptions>(std::move(options)) {}
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "gelu"; }
};

template <Scalar T>
class SiLU : public PlainLayer<T, SiLUOptions> {
 public:
  explicit SiLU(SiLUOptions options = {}) : PlainLayer<T, SiLUOptions>(std::move(options)) {}
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "silu"; }
};

template <Scalar T>
class Sigmoid : public PlainLayer<T, SigmoidOptions> {
 public:
  explicit Sigmoid(SigmoidOptions options = {})
      : PlainLayer<T, SigmoidOptions>(std::move(options)) {}
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "sigmoid"; }
};

template <Scalar T>
class Tanh : public PlainLayer<T, TanhOptions> {
 public:
  explicit Tanh(TanhOptions options = {}) : PlainLayer<T, TanhOptions>(std::move(options)) {}
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "tanh"; }
};

template <Scalar T>
class Softmax : public PlainLayer<T, SoftmaxOptions> {
 public:
  explicit Softmax(SoftmaxOptions options = {});
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "softmax"; }
};

extern template class ReLU<float>;
extern template class ReLU<double>;
extern template class LeakyReLU<float>;
extern template class LeakyReLU<double>;
extern template class ELU<float>;
extern template class ELU<double>;
extern template class GELU<float>;
extern template class GELU<double>;
extern template class SiLU<float>;
extern template class SiLU<double>;
extern template class Sigmoid<float>;
extern template class Sigmoid<double>;
extern template class Tanh<float>;
extern template class Tanh<double>;
extern template class Softmax<float>;
extern template class Softmax<double>;

}  // namespace lamina
