#include <cmath>
#include <lamina/optim/detail/check.hpp>
#include <lamina/optim/rmsprop.hpp>

namespace lamina {

namespace {

template <Scalar T>
struct Numbers {
  T rho, remainder;  // remainder = 1 - rho
  T momentum, epsilon, rate;
};

// rate g / sqrt(v + epsilon) or g / (sqrt(v) + epsilon); `v` is a variance that rounding may bring
// below 0.
template <bool kKeras, Scalar T>
T increment(T g, T v, const Numbers<T>& n) {
  v = v < T{0} ? T{0} : v;
  if constexpr (kKeras) return n.rate * g / std::sqrt(v + n.epsilon);
  return g / (std::sqrt(v) + n.epsilon);
}

template <bool kKeras, bool kCentered, bool kMomentum, Scalar T>
void kernel(T* __restrict p, const T* __restrict gradient, T* __restrict v, T* __restrict m,
            T* __restrict a, std::int64_t count, GradientTerms<T> terms, Numbers<T> n) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T g = terms.gradient(gradient[i], p[i]);
    v[i] = n.rho * v[i] + n.remainder * g * g;
    T variance = v[i];
    if constexpr (kCentered) {
      a[i] = n.rho * a[i] + n.remainder * g;
      variance -= a[i] * a[i];
    }
    T d = increment<kKeras>(g, variance, n);
    if constexpr (kMomentum) d = m[i] = n.momentum * m[i] + d;
    p[i] = terms.decayed(p[i]) - (kKeras ? d : n.rate * d);
  }
}

std::vector<std::string> slots_of(const RMSpropOptions& o) {
  std::vector<std::string> slots{"velocity"};
  if (o.momentum > 0) slots.push_back("momentum");
  if (o.centered) slots.push_back("average_gradient");
  return slots;
}

void check(const RMSpropOptions& o) {
  check_update_options("rmsprop", update_options(o));
  detail::fraction("rmsprop", "rho", o.rho);
  detail::at_most_one("rmsprop", "momentum", o.momentum);
  detail::positive("rmsprop", "epsilon", o.epsilon);
}

}  // namespace

template <Scalar T>
RMSprop<T>::RMSprop(const ParameterList<T>& parameters, RMSpropOptions options)
    : MultiTensorOptimizer<T>("rmsprop", parameters, update_options(options), slots_of(options)),
      rho_(options.rho),
      momentum_(options.momentum),
      epsilon_(options.epsilon),
      centered_(options.centered) {
  check(options);
}

template <Scalar T>
void RMSprop<T>::update(const UpdateTile<T>& t) const {
  const Numbers<T> numbers{static_cast<T>(rho_), static_cast<T>(1 - rho_),
                           static_cast<T>(momentum_), static_cast<T>(epsilon_),
                           static_cast<T>(t.learning_rate)};
  T* momentum = momentum_ > 0 ? t.slots[1] : nullptr;
  T* average = !centered_ ? nullptr : t.slots[momentum ? 2 : 1];
  const auto run = [&](auto function) {
    function(t.parameter, t.gradient, t.slots[0], momentum, average, t.count, t.terms, numbers);
  };
  const auto choose = [&]<bool kKeras>() {
    if (momentum && average) return run(kernel<kKeras, true, true, T>);
    if (momentum) return run(kernel<kKeras, false, true, T>);
    if (average) return run(kernel<kKeras, true, false, T>);
    run(kernel<kKeras, false, false, T>);
  };
  if (this->options().formula == OptimizerFormula::keras) {
    choose.template operator()<true>();
  } else {
    choose.template operator()<false>();
  }
}

OptimizerFactory rmsprop(const RMSpropOptions& options) {
  check(options);
  return OptimizerFactory::of<RMSprop>("rmsprop", options);
}

template class RMSprop<float>;
template class RMSprop<double>;

}  // namespace lamina
