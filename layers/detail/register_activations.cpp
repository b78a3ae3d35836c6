#include <lamina/layers/activations.hpp>
#include <lamina/layers/detail/register_layers.hpp>

namespace lamina::detail {

template <Scalar T>
void register_activations(Registry<T>& registry) {
  registry.template add<ReLU>()
      .template add<LeakyReLU>()
      .template add<ELU>()
      .template add<GELU>()
      .template add<SiLU>()
      .template add<Sigmoid>()
      .template add<Tanh>()
      .template add<Softmax>();
}

template void register_activations(Registry<float>&);
template void register_activations(Registry<double>&);

}  // namespace lamina::detail
