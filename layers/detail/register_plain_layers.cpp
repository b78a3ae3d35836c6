#include <lamina/layers/detail/register_layers.hpp>
#include <lamina/layers/dropout.hpp>
#include <lamina/layers/pooling.hpp>
#include <lamina/layers/reshape.hpp>

namespace lamina::detail {

template <Scalar T>
void register_plain_layers(Registry<T>& registry) {
  registry.template add<MaxPool2D>()
      .template add<AveragePool2D>()
      .template add<GlobalAveragePool2D>()
      .template add<Flatten>()
      .template add<Reshape>()
      .template add<Dropout>();
}

template void register_plain_layers(Registry<float>&);
template void register_plain_layers(Registry<double>&);

}  // namespace lamina::detail
