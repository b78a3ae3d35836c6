#include <support/networks.hpp>
#include <support/shapes.hpp>

namespace bench {

using lamina::BatchNormalization;
using lamina::Conv2D;
using lamina::Dense;
using lamina::Layout;
using lamina::ReLU;
using lamina::Sequential;

Sequential<float> make_mlp() {
  Sequential<float> net;
  for (int hidden = 0; hidden < 2; ++hidden) {
    net.add<Dense>({.units = 512, .use_bias = false})
        .add<BatchNormalization>({.momentum = kMomentum, .epsilon = kEpsilon})
        .add<ReLU>();
  }
  net.add<Dense>({.units = 10});
  return net;
}

Sequential<float> make_cnn(Layout layout) {
  const std::int64_t axis = layout == Layout::channels_last ? -1 : 1;
  Sequential<float> net;
  for (const std::int64_t filters : {32, 64}) {
    net.add<Conv2D>({.filters = filters,
                     .kernel = {5, 5},
                     .padding = lamina::Padding::same,
                     .layout = layout,
                     .use_bias = false})
        .add<BatchNormalization>({.axis = {axis}, .momentum = kMomentum, .epsilon = kEpsilon})
        .add<ReLU>()
        .add<lamina::MaxPool2D>({.pool = {2, 2}, .layout = layout});
  }
  net.add<lamina::Flatten>()
      .add<Dense>({.units = 1024, .use_bias = false})
      .add<BatchNormalization>({.momentum = kMomentum, .epsilon = kEpsilon})
      .add<ReLU>()
      .add<Dense>({.units = 10});
  return net;
}

Sequential<float> make_tiny() {
  Sequential<float> net;
  net.add<Dense>({.units = 8}).add<ReLU>().add<Dense>({.units = 2});
  return net;
}

}  // namespace bench
