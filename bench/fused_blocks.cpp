// Batch normalization with what usually follows it, forward and backward: ReLU, and ReLU with 2x2
// max pooling. The limit: x is read for the statistics and again for the output; backward, x and
// the output's gradient are read twice and the input's gradient is written. Nothing else has to be
// kept.
#include <cases.hpp>
#include <support/inputs.hpp>
#include <support/layer_run.hpp>

namespace bench {
namespace {

std::shared_ptr<LayerRun> block(const ImageShape& shape, lamina::Layout layout, bool pooled) {
  const std::int64_t axis = layout == lamina::Layout::channels_last ? 3 : 1;
  lamina::BatchNormalization<float> norm(
      {.axis = {axis}, .momentum = kMomentum, .epsilon = kEpsilon});
  norm.gamma().assign(tensor(kScale, {shape.channels}, 0.5, 1.5));
  norm.beta().assign(tensor(kShift, {shape.channels}));
  auto net = std::make_shared<lamina::Sequential<float>>();
  net->add(std::move(norm)).add<lamina::ReLU>();
  if (pooled) net->add<lamina::MaxPool2D>({.pool = {2, 2}, .layout = layout});
  return std::make_shared<LayerRun>(std::move(net), image(kInput, shape, layout), layout);
}

// A pooled block's output and its gradient have a quarter of the elements.
Limit limit(const ImageShape& shape, lamina::Layout layout, bool pooled) {
  const double again = layout == lamina::Layout::channels_last ? 1 : 0;
  const std::int64_t size = shape.size();
  if (!pooled) return passes(size, {.read = 3 * again, .copy = 1, .sum = 1});
  return passes(size, {.read = 1.5 + 2.25 * again, .copy = 1});
}

}  // namespace

void add_fused_blocks() {
  for (const ImageShape& shape : kNormalizedImages) {
    for (const lamina::Layout layout : kLayouts) {
      for (const bool pooled : {false, true}) {
        add(block_name(shape, layout_name(layout), pooled), [=] {
          Work work = LayerRun::step_work(block(shape, layout, pooled), {});
          work.limit = limit(shape, layout, pooled);
          return work;
        });
      }
    }
  }
}

}  // namespace bench
