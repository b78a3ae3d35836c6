#include <lamina/optim/detail/check.hpp>
#include <lamina/optim/sgd.hpp>

namespace lamina {

namespace {

template <Scalar T>
void plain_kernel(T* __restrict p, const T* __restrict gradient, std::int64_t count,
                  GradientTerms<T> terms, T rate) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T g = terms.gradient(gradient[i], p[i]);
    p[i] = terms.decayed(p[i]) - rate * g;
  }
}

// v = momentum v + inflow g;  p += outflow v + direct g
template <Scalar T>
void momentum_kernel(T* __restrict p, const T* __restrict gradient, T* __restrict v,
                     std::int64_t count, GradientTerms<T> terms, T momentum, T inflow, T outflow,
                     T direct) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T g = terms.gradient(gradient[i], p[i]);
    v[i] = momentum * v[i] + inflow * g;
    p[i] = terms.decayed(p[i]) + (outflow * v[i] + direct * g);
  }
}

std::vector<std::string> slots_of(const SGDOptions& o) {
  const bool none = o.momentum.is_constant() && o.momentum(0) == 0;
  return none ? std::vector<std::string>{} : std::vector<std::string>{"momentum"};
}

void check(const SGDOptions& o) {
  check_update_options("sgd", update_options(o));
  if (o.momentum.is_constant()) {
    detail::at_most_one("sgd", "momentum", o.momentum(0));
  }
  detail::require(!o.nesterov || !slots_of(o).empty(), "sgd",
                  "nesterov needs a momentum above 0; got momentum 0");
  detail::at_most_one("sgd", "dampening", o.dampening);
  detail::require(o.dampening == 0 || o.formula == OptimizerFormula::pytorch, "sgd",
                  "dampening exists only under PyTorch's formula; got " +
                      detail::text(o.dampening) + " under Keras'");
  detail::require(o.dampening == 0 || !o.nesterov, "sgd",
                  "nesterov needs dampening 0; got " + detail::text(o.dampening));
}

}  // namespace

template <Scalar T>
SGD<T>::SGD(const ParameterList<T>& parameters, SGDOptions options)
    : MultiTensorOptimizer<T>("sgd", parameters, update_options(options), slots_of(options)),
      momentum_schedule_(options.momentum),
      dampening_(options.dampening),
      nesterov_(options.nesterov) {
  check(options);
}

template <Scalar T>
void SGD<T>::begin_update() {
  const double momentum = momentum_schedule_(this->iterations());
  detail::at_most_one(this->name(), "momentum", momentum);
  momentum_ = momentum;
}

template <Scalar T>
void SGD<T>::update(const UpdateTile<T>& tile) const {
  const double rate = tile.learning_rate;
  if (!tile.slots[0]) {
    return plain_kernel(tile.parameter, tile.gradient, tile.count, tile.terms,
                        static_cast<T>(rate));
  }
  double inflow, outflow, direct;
  if (this->options().formula == OptimizerFormula::keras) {
    inflow = -rate;
    outflow = nesterov_ ? momentum_ : 1;
    direct = nesterov_ ? -rate : 0;
  } else {
    inflow = tile.step == 1 ? 1 : 1 - dampening_;
    outflow = nesterov_ ? -rate * momentum_ : -rate;
    direct = nesterov_ ? -rate : 0;
  }
  momentum_kernel(tile.parameter, tile.gradient, tile.slots[0], tile.count, tile.terms,
                  static_cast<T>(momentum_), static_cast<T>(inflow), static_cast<T>(outflow),
                  static_cast<T>(direct));
}

OptimizerFactory sgd(const SGDOptions& options) {
  check(options);
  return OptimizerFactory::of<SGD>("sgd", options);
}

template class SGD<float>;
template class SGD<double>;

}  // namespace lamina
