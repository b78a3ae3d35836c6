// Convolution and its two gradients, each as the op by itself, both layouts.
#include <cases.hpp>
#include <support/harness.hpp>
#include <support/inputs.hpp>

namespace bench {
namespace {

using lamina::Layout;
using lamina::Variable;

struct Operands {
  lamina::ConvolutionOptions options;
  Variable<float> x, kernel, output_gradient, result;
};

std::shared_ptr<Operands> operands(const ConvolutionShape& shape, Layout layout) {
  auto made = std::make_shared<Operands>();
  const std::int64_t p = shape.padding();
  made->options = {.strides = {shape.stride, shape.stride},
                   .padding = {p, p, p, p},
                   .dilation = {shape.dilation, shape.dilation},
                   .layout = layout};
  made->x = image(kInput, shape.input, layout);
  made->kernel = kernel(kKernels, kernel_shape(shape));
  made->output_gradient = image(kOutputGradient, shape.output(), layout);
  return made;
}

template <class Function>
void add_pass(const ConvolutionShape& shape, Layout layout, const char* pass, Function function) {
  add("convolution/" + shape.name() + "/" + layout_name(layout) + "/" + pass, [=] {
    auto with = operands(shape, layout);
    return Work{.run = [=] { with->result = function(*with); },
                .check =
                    [=] {
                      // A kernel's gradient is listed the same in both layouts.
                      const bool is_kernel = with->result.shape() == with->kernel.shape();
                      return std::vector{checksum("result", with->result.value(),
                                                  is_kernel ? Layout::channels_last : layout)};
                    },
                .limit = flops(shape.flops())};
  });
}

}  // namespace

void add_convolution() {
  for (const ConvolutionShape& shape : kConvolutions) {
    for (const Layout layout : kLayouts) {
      add_pass(shape, layout, "forward",
               [](const Operands& o) { return lamina::conv2d(o.x, o.kernel, o.options); });
      add_pass(shape, layout, "weight_gradient", [](const Operands& o) {
        return lamina::conv2d_weight_gradient(o.x, o.output_gradient, o.kernel.shape(), o.options);
      });
      // Nobody asks for the gradient of the pixels.
      if (shape.input.channels <= 3) continue;
      add_pass(shape, layout, "input_gradient", [](const Operands& o) {
        return lamina::conv2d_input_gradient(o.output_gradient, o.kernel, o.x.shape(), o.options);
      });
    }
  }
}

}  // namespace bench
