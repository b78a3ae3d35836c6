#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <lamina/nn/detail/description.hpp>
#include <lamina/nn/regularizers.hpp>

namespace lamina {

namespace {

class L1L2 : public RegularizerFunction {
 public:
  L1L2(Description description, double l1_factor, double l2_factor)
      : description_(std::move(description)), l1_(l1_factor), l2_(l2_factor) {}
  Variable<float> penalty(const Variable<float>& weights) const override { return of(weights); }
  Variable<double> penalty(const Variable<double>& weights) const override { return of(weights); }
  Description describe() const override { return description_; }

 private:
  template <Scalar T>
  Variable<T> of(const Variable<T>& weights) const {
    if (l2_ == 0) return absolute(weights);
    if (l1_ == 0) return squared(weights);
    return add(absolute(weights), squared(weights));
  }
  template <Scalar T>
  Variable<T> absolute(const Variable<T>& weights) const {
    return multiply(sum(abs(weights)), Variable<T>(Tensor<T>::scalar(static_cast<T>(l1_))));
  }
  template <Scalar T>
  Variable<T> squared(const Variable<T>& weights) const {
    return multiply(sum(square(weights)), Variable<T>(Tensor<T>::scalar(static_cast<T>(l2_))));
  }

  Description description_;
  double l1_, l2_;
};

}  // namespace

Regularizer l1(double factor) {
  require_not_negative("l1", "the factor", factor);
  return Regularizer(std::make_shared<L1L2>(Description{"l1", {{"l1", factor}}}, factor, 0));
}

Regularizer l2(double factor) {
  require_not_negative("l2", "the factor", factor);
  return Regularizer(std::make_shared<L1L2>(Description{"l2", {{"l2", factor}}}, 0, factor));
}

Regularizer l1_l2(double l1_factor, double l2_factor) {
  require_not_negative("l1_l2", "l1_factor", l1_factor);
  require_not_negative("l1_l2", "l2_factor", l2_factor);
  return Regularizer(std::make_shared<L1L2>(
      Description{"l1_l2", {{"l1", l1_factor}, {"l2", l2_factor}}}, l1_factor, l2_factor));
}

Regularizer Regularizer::from(const Description& description) {
  DescriptionReader reader("regularizer", description);
  const std::string& name = description.name;
  Regularizer result;
  if (name.empty()) return result;
  if (name == "l1") result = l1(reader.number("l1"));
  if (name == "l2") result = l2(reader.number("l2"));
  if (name == "l1_l2") result = l1_l2(reader.number("l1"), reader.number("l2"));
  reader.finish(static_cast<bool>(result));
  return result;
}

}  // namespace lamina
