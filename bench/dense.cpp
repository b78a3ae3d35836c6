// A dense layer without bias: forward, and each of its two gradients.
#include <cases.hpp>
#include <support/inputs.hpp>
#include <support/layer_run.hpp>

namespace bench {

void add_dense() {
  for (const DenseShape& shape : kDense) {
    const std::string name = "dense/" + shape.name();
    const auto make = [shape] {
      return std::make_shared<LayerRun>(std::make_shared<lamina::Dense<float>>(lamina::DenseOptions{
                                            .units = shape.units, .use_bias = false}),
                                        tensor(kInput, {shape.batch, shape.features}));
    };
    add(name + "/forward", [make] { return LayerRun::forward_work(make()); });
    add(name + "/weight_gradient",
        [make] { return LayerRun::backward_work(make(), {.input = false}); });
    add(name + "/input_gradient",
        [make] { return LayerRun::backward_work(make(), {.parameters = false}); });
  }
}

}  // namespace bench
