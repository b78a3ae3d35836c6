#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/optim/clipping.hpp>
#include <lamina/optim/detail/check.hpp>
#include <lamina/optim/detail/distinct.hpp>

namespace lamina {

namespace detail {

template <Scalar T>
double sum_of_powers(const T* values, std::int64_t count, double order) {
  // Independent sums, so that the additions overlap; their number is part of the result.
  constexpr std::int64_t kSums = 8;
  double sums[kSums] = {};
  const auto combine = [&](auto term) {
    std::int64_t i = 0;
    for (; i + kSums <= count; i += kSums) {
      for (std::int64_t k = 0; k < kSums; ++k) sums[k] += term(static_cast<double>(values[i + k]));
    }
    for (; i < count; ++i) sums[i % kSums] += term(static_cast<double>(values[i]));
    double total = 0;
    for (const double sum : sums) total += sum;
    return total;
  };
  if (order == 2) return combine([](double x) { return x * x; });
  if (order == 1) return combine([](double x) { return std::abs(x); });
  if (!std::isinf(order)) return combine([&](double x) { return std::pow(std::abs(x), order); });
  double largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = std::abs(static_cast<double>(values[i]));
    if (std::isnan(x)) return x;
    largest = std::max(largest, x);
  }
  return largest;
}

// The comparison is such that a NaN norm leaves the gradients as they are.
double clip_factor(double norm, double limit, OptimizerFormula formula) {
  if (formula == OptimizerFormula::pytorch) {
    const double factor = limit / (norm + 1e-6);
    return factor < 1 ? factor : 1;
  }
  return norm > limit ? limit / norm : 1;
}

}  // namespace detail

namespace {

constexpr std::int64_t kTile = 16384;

// NaN is kept.
double joined(double a, double b, double order) {
  if (!std::isinf(order)) return a + b;
  return b <= a || std::isnan(a) ? a : b;
}

template <Scalar T>
double power_sum(const Tensor<T>& tensor, double order) {
  const std::int64_t tiles = (tensor.size() + kTile - 1) / kTile;
  std::vector<double> partial(static_cast<std::size_t>(tiles));
  parallel_for(tiles, [&](std::int64_t tile) {
    const std::int64_t first = tile * kTile;
    partial[static_cast<std::size_t>(tile)] =
        detail::sum_of_powers(tensor.data() + first, std::min(kTile, tensor.size() - first), order);
  });
  double total = 0;
  for (const double sum : partial) total = joined(total, sum, order);
  return total;
}

double root(double sum, double order) {
  if (std::isinf(order) || order == 1) return sum;
  return order == 2 ? std::sqrt(sum) : std::pow(sum, 1 / order);
}

template <Scalar T, class Function>
void rewrite(Tensor<T>& tensor, Function&& function) {
  const std::int64_t size = tensor.size();
  T* values = tensor.mutable_data();
  parallel_for((size + kTile - 1) / kTile, [&](std::int64_t tile) {
    const std::int64_t last = std::min(size, (tile + 1) * kTile);
    for (std::int64_t i = tile * kTile; i < last; ++i) values[i] = function(values[i]);
  });
}

template <Scalar T>
void scale_gradient(Tensor<T>& gradient, double factor) {
  if (factor == 1) return;
  rewrite(gradient, [f = static_cast<T>(factor)](T g) { return g * f; });
}

void check_norm(const char* who, double limit, const ClipNormOptions& options) {
  detail::positive(who, "limit", limit);
  detail::require(options.order >= 1, who,
                  "order must be at least 1; got " + detail::text(options.order));
}

}  // namespace

template <Scalar T>
void clip_gradients_by_value(const ParameterList<T>& parameters, double minimum, double maximum) {
  detail::require(minimum <= maximum, "clip_gradients_by_value",
                  "minimum must not exceed maximum; got " + detail::text(minimum) + " and " +
                      detail::text(maximum));
  const T low = static_cast<T>(minimum), high = static_cast<T>(maximum);
  for (const auto& parameter : detail::distinct("clip_gradients_by_value", parameters)) {
    if (!parameter->gradient.defined()) continue;
    rewrite(parameter->gradient, [low, high](T g) { return g < low ? low : g > high ? high : g; });
  }
}

template <Scalar T>
void clip_gradients_by_norm(const ParameterList<T>& parameters, double limit,
                            const ClipNormOptions& options) {
  check_norm("clip_gradients_by_norm", limit, options);
  for (const auto& parameter : detail::distinct("clip_gradients_by_norm", parameters)) {
    if (!parameter->gradient.defined()) continue;
    const double norm = root(power_sum(parameter->gradient, options.order), options.order);
    scale_gradient(parameter->gradient, detail::clip_factor(norm, limit, options.formula));
  }
}

template <Scalar T>
double clip_gradients_by_global_norm(const ParameterList<T>& parameters, double limit,
                                     const ClipNormOptions& options) {
  check_norm("clip_gradients_by_global_norm", limit, options);
  double total = 0;
  const ParameterList<T> clipped = detail::distinct("clip_gradients_by_global_norm", parameters);
  for (const auto& parameter : clipped) {
    if (!parameter->gradient.defined()) continue;
    total = joined(total, power_sum(parameter->gradient, options.order), options.order);
  }
  const double norm = root(total, options.order);
  const double factor = detail::clip_factor(norm, limit, options.formula);
  for (const auto& parameter : clipped) {
    if (parameter->gradient.defined()) scale_gradient(parameter->gradient, factor);
  }
  return norm;
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template void clip_gradients_by_value(const ParameterList<T>&, double, double);                \
  template void clip_gradients_by_norm(const ParameterList<T>&, double, const ClipNormOptions&); \
  template double clip_gradients_by_global_norm(const ParameterList<T>&, double,                 \
                                                const ClipNormOptions&);                         \
  template double detail::sum_of_powers(const T*, std::int64_t, double);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
