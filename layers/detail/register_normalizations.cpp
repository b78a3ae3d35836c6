#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/detail/register_layers.hpp>
#include <lamina/layers/group_normalization.hpp>
#include <lamina/layers/instance_normalization.hpp>
#include <lamina/layers/layer_normalization.hpp>

namespace lamina::detail {

template <Scalar T>
void register_normalizations(Registry<T>& registry) {
  registry.template add<BatchNormalization>()
      .template add<LayerNormalization>()
      .template add<GroupNormalization>()
      .template add<InstanceNormalization>();
}

template void register_normalizations(Registry<float>&);
template void register_normalizations(Registry<double>&);

}  // namespace lamina::detail
