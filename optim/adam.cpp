#include <cmath>
#include <lamina/optim/adam.hpp>
#include <lamina/optim/detail/check.hpp>

namespace lamina {

namespace {

template <Scalar T>
struct Numbers {
  T remainder_1, remainder_2;  // 1 - beta
  T epsilon;
  T rate;   // with the bias correction of m (Keras: of both)
  T scale;  // of sqrt(v): its bias correction (Keras: 1)
};

template <bool kAmsgrad, Scalar T>
void kernel(T* __restrict p, const T* __restrict gradient, T* __restrict m, T* __restrict v,
            T* __restrict largest, std::int64_t count, GradientTerms<T> terms, Numbers<T> n) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T g = terms.gradient(gradient[i], p[i]);
    m[i] += (g - m[i]) * n.remainder_1;
    v[i] += (g * g - v[i]) * n.remainder_2;
    T second = v[i];
    if constexpr (kAmsgrad) second = largest[i] = second > largest[i] ? second : largest[i];
    p[i] = terms.decayed(p[i]) - n.rate * m[i] / (std::sqrt(second) * n.scale + n.epsilon);
  }
}

std::vector<std::string> slots_of(bool amsgrad) {
  if (amsgrad) return {"momentum", "velocity", "velocity_hat"};
  return {"momentum", "velocity"};
}

void check(const std::string& who, const AdamOptions& o) {
  check_update_options(who, update_options(o));
  detail::fraction(who, "beta_1", o.beta_1);
  detail::fraction(who, "beta_2", o.beta_2);
  detail::positive(who, "epsilon", o.epsilon);
}

AdamOptions adam_options(const AdamWOptions& o) {
  return {.learning_rate = o.learning_rate,
          .beta_1 = o.beta_1,
          .beta_2 = o.beta_2,
          .epsilon = o.epsilon,
          .amsgrad = o.amsgrad,
          .weight_decay = o.weight_decay,
          .clipnorm = o.clipnorm,
          .clipvalue = o.clipvalue,
          .global_clipnorm = o.global_clipnorm,
          .gradient_accumulation_steps = o.gradient_accumulation_steps,
          .exclude_from_weight_decay = o.exclude_from_weight_decay,
          .groups = o.groups,
          .formula = o.formula};
}

UpdateOptions decoupled(UpdateOptions options) {
  options.decoupled_weight_decay = true;
  return options;
}

}  // namespace

template <Scalar T>
Adam<T>::Adam(const ParameterList<T>& parameters, AdamOptions options)
    : Adam("adam", parameters, options, update_options(options)) {}

template <Scalar T>
Adam<T>::Adam(std::string name, const ParameterList<T>& parameters, const AdamOptions& options,
              const UpdateOptions& update_options)
    : MultiTensorOptimizer<T>(std::move(name), parameters, update_options,
                              slots_of(options.amsgrad)),
      beta_1_(options.beta_1),
      beta_2_(options.beta_2),
      epsilon_(options.epsilon) {
  check(this->name(), options);
}

template <Scalar T>
void Adam<T>::update(const UpdateTile<T>& t) const {
  const auto step = static_cast<double>(t.step);
  const double first = 1 - std::pow(beta_1_, step);
  const double second = std::sqrt(1 - std::pow(beta_2_, step));
  const bool keras = this->options().formula == OptimizerFormula::keras;
  const Numbers<T> numbers{.remainder_1 = static_cast<T>(1 - beta_1_),
                           .remainder_2 = static_cast<T>(1 - beta_2_),
                           .epsilon = static_cast<T>(epsilon_),
                           .rate = static_cast<T>(t.learning_rate * (keras ? second : 1) / first),
                           .scale = static_cast<T>(keras ? 1 : 1 / second)};
  const auto function = t.slots[2] ? kernel<true, T> : kernel<false, T>;
  function(t.parameter, t.gradient, t.slots[0], t.slots[1], t.slots[2], t.count, t.terms, numbers);
}

template <Scalar T>
AdamW<T>::AdamW(const ParameterList<T>& parameters, AdamWOptions options)
    : Adam<T>("adamw", parameters, adam_options(options), decoupled(update_options(options))) {}

OptimizerFactory adam(const AdamOptions& options) {
  check("adam", options);
  return OptimizerFactory::of<Adam>("adam", options);
}

OptimizerFactory adamw(const AdamWOptions& options) {
  check("adamw", adam_options(options));
  return OptimizerFactory::of<AdamW>("adamw", options);
}

template class Adam<float>;
template class Adam<double>;
template class AdamW<float>;
template class AdamW<double>;

}  // namespace lamina
