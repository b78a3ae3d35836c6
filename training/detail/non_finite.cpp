#include <algorithm>
#include <cmath>
#include <lamina/training/detail/non_finite.hpp>

namespace lamina::detail {

namespace {

template <Scalar T>
std::int64_t first_non_finite(const Tensor<T>& tensor) {
  const auto values = tensor.values();
  const auto found =
      std::find_if(values.begin(), values.end(), [](T v) { return !std::isfinite(v); });
  return found == values.end() ? -1 : found - values.begin();
}

// A parameter of the module itself that is not finite.
template <Scalar T>
class OwnParameterSearch : public Visitor<T> {
 public:
  std::string path;

 protected:
  void parameter(const std::string&, Parameter<T>& parameter) override {
    if (path.empty() && first_non_finite(parameter.value()) >= 0) path = parameter.path();
  }
  void child(std::string_view, Module<T>&) override {}
};

template <Scalar T>
class FirstOffender : public CallObserver<T> {
 public:
  std::string text;

  void called(const Module<T>& module, const Variable<T>&, const Variable<T>& output) override {
    if (!text.empty() || first_non_finite(output.value()) < 0) return;
    text = module.path().empty() ? ", first in the output of the network"
                                 : ", first in the output of '" + module.path() + "'";
    OwnParameterSearch<T> search;
    search.walk(module);
    if (!search.path.empty()) text += ", whose parameter '" + search.path + "' is not finite";
  }
};

}  // namespace

template <Scalar T>
std::string describe_non_finite(Module<T>& net, const Tensor<T>& x, Context<T> ctx) {
  const std::int64_t at = first_non_finite(x);
  if (at >= 0) {
    const std::int64_t per_example = x.size() / std::max<std::int64_t>(1, x.shape()[0]);
    return ", the input is not finite in example " + std::to_string(at / per_example) +
           " of the batch";
  }
  FirstOffender<T> offender;
  ctx.observer = &offender;
  net(Variable<T>(x), ctx);
  if (!offender.text.empty()) return offender.text;
  return ", while the output of the network is finite";
}

template std::string describe_non_finite(Module<float>&, const Tensor<float>&, Context<float>);
template std::string describe_non_finite(Module<double>&, const Tensor<double>&, Context<double>);

}  // namespace lamina::detail
