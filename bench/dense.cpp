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
    const auto add_pass = [shape, name](const char* pass, std::function<Work()> work) {
      add(name + "/" + pass, [=] {
        Work made = work();
        made.limit = flops(shape.flops());
        return made;
      });
    };
    add_pass("forward", [make] { return LayerRun::forward_work(make()); });
    add_pass("weight_gradient",
             [make] { return LayerRun::backward_work(make(), {.input = false}); });
    add_pass("input_gradient",
             [make] { return LayerRun::backward_work(make(), {.parameters = false}); });
  }
}

}  // namespace bench
