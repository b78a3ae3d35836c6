#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/detail/register_plain_layers.hpp>
#include <lamina/layers/group_normalization.hpp>
#include <lamina/layers/instance_normalization.hpp>
#include <lamina/layers/layer_normalization.hpp>
#include <lamina/layers/registry.hpp>
#include <lamina/nn/sequential.hpp>

namespace lamina {

template <Scalar T>
Registry<T> standard_registry() {
  Registry<T> registry;
  registry.template add<Sequential>()
      .template add<Dense>()
      .template add<Conv2D>()
      .template add<BatchNormalization>()
      .template add<LayerNormalization>()
      .template add<GroupNormalization>()
      .template add<InstanceNormalization>();
  detail::register_plain_layers(registry);
  return registry;
}

template Registry<float> standard_registry<float>();
template Registry<double> standard_registry<double>();

}  // namespace lamina
