// Batch renormalization: corrects the batch's statistics toward running ones, so that training on
// small or unrepresentative batches computes what inference will.
//
//   s = sqrt(variance + epsilon)        p = max(renorm_stddev, sqrt(epsilon))
//   r = clip(s / p, rmin, rmax)         d = clip((mean - renorm_mean) / p, -dmax, dmax)
//   x_hat := x_hat r + d                with r and d constants to the derivative
//
// then, with the state from before the step in r and d:
//
//   renorm_mean, renorm_stddev += (1 - renorm_momentum) (mean, s minus the old value)
//   moving_stddev              += rate (s - moving_stddev)      the rate of moving_mean
//   moving_variance             = max(moving_stddev^2 - epsilon, 0)
//
// A bound that is not given does not clip; rmin is applied before rmax. Bounds may be functions of
// Context::step, such as the paper's ramps. Where p is 0 (epsilon = 0 and no deviation so far) so
// are r and d before they are clipped: what inference by such a state computes. The difference of
// the means is taken in double, before what is large in both has cost it digits.
// Errors: ArgumentError for rmax < rmin, dmax < 0, a bound that is not finite; bounds that depend
// on the step are checked at the step. Source: Ioffe, Batch Renormalization (2017), as in
// TensorFlow 1.15 and later.
#pragma once

#include <concepts>
#include <functional>
#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/layers/affine.hpp>
#include <lamina/nn/module.hpp>
#include <optional>
#include <string>

namespace lamina {

// A number, or a function of the training step.
class StepValue {
 public:
  template <class Number>
  requires std::integral<Number> || std::floating_point<Number> StepValue(Number constant)
      : constant_(static_cast<double>(constant)) {}  // NOLINT: implicit
  template <class Function>
  requires std::is_invocable_r_v<double, Function, std::int64_t> StepValue(Function function)
      : function_(std::move(function)) {}  // NOLINT: implicit

  bool is_constant() const noexcept { return !function_; }
  double at(std::int64_t step) const { return function_ ? function_(step) : constant_; }

 private:
  double constant_ = 0;
  std::function<double(std::int64_t)> function_;
};

struct RenormClipping {
  std::optional<StepValue> rmax = {};
  std::optional<StepValue> rmin = {};
  std::optional<StepValue> dmax = {};

  bool empty() const noexcept { return !rmax && !rmin && !dmax; }
  void visit(OptionVisitor& visitor);
};

template <Scalar T>
class BatchRenormalization {
 public:
  BatchRenormalization(RenormClipping clipping, double renorm_momentum, double epsilon);

  // `prefix` stands before the names of the buffers.
  void visit(Visitor<T>& visitor, const std::string& prefix);
  // The deviations start at the square root of what `variance` draws.
  void build(const Shape& shape, const Initializer& mean, const Initializer& variance,
             const std::string& prefix, Builder<T>& builder);

  // (r, d) as constants, one per channel, from the batch's statistics by channel.
  Affine<T> correction(const Tensor<double>& mean, const Tensor<T>& variance,
                       std::int64_t step) const;

  // Of renorm_mean and renorm_stddev in training.
  Rate rate() const { return 1 - renorm_momentum_; }

  // Emits the updates of its three buffers and of moving_variance; `rate` is that of the moving
  // averages.
  void update(const Tensor<T>& mean, const Tensor<T>& variance, const Buffer<T>& moving_variance,
              const Rate& rate, const Rate& renorm_rate, const Context<T>& ctx) const;

 private:
  Tensor<T> deviation(const Tensor<T>& variance) const;

  RenormClipping clipping_;
  double renorm_momentum_, epsilon_;
  Buffer<T> moving_stddev_, renorm_mean_, renorm_stddev_;
};

extern template class BatchRenormalization<float>;
extern template class BatchRenormalization<double>;

}  // namespace lamina
