#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/detail/register_layers.hpp>
#include <lamina/layers/registry.hpp>
#include <lamina/nn/sequential.hpp>

namespace lamina {

template <Scalar T>
Registry<T> standard_registry() {
  Registry<T> registry;
  registry.template add<Sequential>().template add<Dense>().template add<Conv2D>();
  detail::register_normalizations(registry);
  detail::register_activations(registry);
  detail::register_plain_layers(registry);
  return registry;
}

template Registry<float> standard_registry<float>();
template Registry<double> standard_registry<double>();

}  // namespace lamina
