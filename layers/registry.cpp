#include <lamina/layers/activations.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/dropout.hpp>
#include <lamina/layers/group_normalization.hpp>
#include <lamina/layers/instance_normalization.hpp>
#include <lamina/layers/layer_normalization.hpp>
#include <lamina/layers/pooling.hpp>
#include <lamina/layers/registry.hpp>
#include <lamina/layers/reshape.hpp>
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
      .template add<InstanceNormalization>()
      .template add<MaxPool2D>()
      .template add<AveragePool2D>()
      .template add<GlobalAveragePool2D>()
      .template add<Flatten>()
      .template add<Reshape>()
      .template add<Dropout>()
      .template add<ReLU>()
      .template add<LeakyReLU>()
      .template add<ELU>()
      .template add<GELU>()
      .template add<SiLU>()
      .template add<Sigmoid>()
      .template add<Tanh>()
      .template add<Softmax>();
  return registry;
}

template Registry<float> standard_registry<float>();
template Registry<double> standard_registry<double>();

}  // namespace lamina
