#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/batch_renormalization.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <limits>
#include <string>

namespace lamina {
namespace {

constexpr const char* kWho = "batch_normalization";

void require(bool holds, const std::string& message) {
  if (!holds) throw ArgumentError(kWho, message);
}

struct Bounds {
  double rmin = -std::numeric_limits<double>::infinity();
  double rmax = std::numeric_limits<double>::infinity();
  double dmax = std::numeric_limits<double>::infinity();
};

void set_bound(const char* name, const std::optional<StepValue>& value, std::int64_t step,
               double& bound) {
  if (!value) return;
  bound = value->at(step);
  require(std::isfinite(bound),
          std::string("renorm_clipping.") + name + " must be finite; got " + number_text(bound));
}

Bounds bounds_at(const RenormClipping& clipping, std::int64_t step) {
  Bounds bounds;
  set_bound("rmin", clipping.rmin, step, bounds.rmin);
  set_bound("rmax", clipping.rmax, step, bounds.rmax);
  set_bound("dmax", clipping.dmax, step, bounds.dmax);
  require(bounds.rmax >= bounds.rmin, "renorm_clipping.rmax must be at least rmin; got rmax " +
                                          number_text(bounds.rmax) + ", rmin " +
                                          number_text(bounds.rmin));
  require(bounds.dmax >= 0,
          "renorm_clipping.dmax must be at least 0; got " + number_text(bounds.dmax));
  return bounds;
}

// The square root of what another initializer draws.
class SquareRootOf : public InitializerFunction {
 public:
  explicit SquareRootOf(Initializer initializer) : initializer_(std::move(initializer)) {}

  Tensor<float> make(const Shape& shape, const RandomStream& random, float) const override {
    return root(initializer_.operator()<float>(shape, random));
  }
  Tensor<double> make(const Shape& shape, const RandomStream& random, double) const override {
    return root(initializer_.operator()<double>(shape, random));
  }

 private:
  template <Scalar T>
  static Tensor<T> root(Tensor<T> values) {
    for (T& value : values.mutable_values()) value = std::sqrt(value);
    return values;
  }

  Initializer initializer_;
};

void visit_bound(OptionVisitor& visitor, const char* name, std::optional<StepValue>& bound) {
  if (bound && !bound->is_constant()) return visitor.closure(name, true);
  std::optional<double> constant;
  if (bound) constant = bound->at(0);
  visitor(name, constant);
  bound = constant ? std::optional<StepValue>(*constant) : std::nullopt;
}

}  // namespace

void RenormClipping::visit(OptionVisitor& visitor) {
  visit_bound(visitor, "renorm_rmax", rmax);
  visit_bound(visitor, "renorm_rmin", rmin);
  visit_bound(visitor, "renorm_dmax", dmax);
}

template <Scalar T>
BatchRenormalization<T>::BatchRenormalization(RenormClipping clipping, double renorm_momentum,
                                              double epsilon)
    : clipping_(std::move(clipping)), renorm_momentum_(renorm_momentum), epsilon_(epsilon) {
  RenormClipping constants = clipping_;
  for (auto* bound : {&constants.rmax, &constants.rmin, &constants.dmax}) {
    if (*bound && !(*bound)->is_constant()) bound->reset();
  }
  bounds_at(constants, 0);
}

template <Scalar T>
void BatchRenormalization<T>::visit(Visitor<T>& visitor, const std::string& prefix) {
  visitor(prefix + "moving_stddev", moving_stddev_);
  visitor(prefix + "renorm_mean", renorm_mean_);
  visitor(prefix + "renorm_stddev", renorm_stddev_);
}

template <Scalar T>
void BatchRenormalization<T>::build(const Shape& shape, const Initializer& mean,
                                    const Initializer& variance, const std::string& prefix,
                                    Builder<T>& builder) {
  const Initializer deviation(std::make_shared<SquareRootOf>(variance));
  builder(prefix + "moving_stddev", moving_stddev_, shape, deviation);
  builder(prefix + "renorm_mean", renorm_mean_, shape, mean);
  builder(prefix + "renorm_stddev", renorm_stddev_, shape, deviation);
}

template <Scalar T>
Tensor<T> BatchRenormalization<T>::deviation(const Tensor<T>& variance) const {
  Tensor<T> result = Tensor<T>::uninitialized(variance.shape());
  std::transform(
      variance.data(), variance.data() + variance.size(), result.mutable_data(),
      [&](T value) { return static_cast<T>(std::sqrt(static_cast<double>(value) + epsilon_)); });
  return result;
}

template <Scalar T>
Affine<T> BatchRenormalization<T>::correction(const Tensor<double>& mean, const Tensor<T>& variance,
                                              std::int64_t step) const {
  const Bounds bounds = bounds_at(clipping_, step);
  const double floor = std::sqrt(epsilon_);
  Tensor<T> r = Tensor<T>::uninitialized(variance.shape()), d = r;
  T* r_out = r.mutable_data();
  T* d_out = d.mutable_data();
  for (std::int64_t c = 0; c < mean.size(); ++c) {
    const double s = std::sqrt(static_cast<double>(variance.data()[c]) + epsilon_);
    const double p = std::max(static_cast<double>(renorm_stddev_.value().data()[c]), floor);
    const double difference = mean.data()[c] - static_cast<double>(renorm_mean_.value().data()[c]);
    const double r_free = p == 0 ? 0 : s / p, d_free = p == 0 ? 0 : difference / p;
    r_out[c] = static_cast<T>(std::min(std::max(r_free, bounds.rmin), bounds.rmax));
    d_out[c] = static_cast<T>(std::min(std::max(d_free, -bounds.dmax), bounds.dmax));
  }
  return {.scale = Variable<T>(std::move(r)), .offset = Variable<T>(std::move(d))};
}

template <Scalar T>
void BatchRenormalization<T>::update(const Tensor<T>& mean, const Tensor<T>& variance,
                                     const Buffer<T>& moving_variance, const Rate& rate,
                                     const Rate& renorm_rate, const Context<T>& ctx) const {
  const Tensor<T> s = deviation(variance);
  ctx.update(renorm_mean_, mean, renorm_rate);
  ctx.update(renorm_stddev_, s, renorm_rate);
  ctx.update(moving_stddev_, s, rate);
  ctx.update(moving_variance,
             [stddev = moving_stddev_.data(), epsilon = epsilon_](const Tensor<T>& current) {
               Tensor<T> result = Tensor<T>::uninitialized(current.shape());
               std::transform(stddev->value.data(), stddev->value.data() + current.size(),
                              result.mutable_data(), [epsilon](T value) {
                                const double v = static_cast<double>(value);
                                return static_cast<T>(std::max(v * v - epsilon, 0.0));
                              });
               return result;
             });
}

template class BatchRenormalization<float>;
template class BatchRenormalization<double>;

}  // namespace lamina
