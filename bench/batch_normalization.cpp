// Batch normalization in training, forward and backward (input, scale and shift), both layouts.
#include <cases.hpp>
#include <support/inputs.hpp>
#include <support/layer_run.hpp>

namespace bench {
namespace {

std::shared_ptr<LayerRun> normalization(lamina::Tensor<float> input, std::int64_t channels,
                                        std::int64_t axis, lamina::Layout layout) {
  auto layer =
      std::make_shared<lamina::BatchNormalization<float>>(lamina::BatchNormalizationOptions{
          .axis = {axis}, .momentum = kMomentum, .epsilon = kEpsilon});
  layer->gamma().assign(tensor(kScale, {channels}, 0.5, 1.5));
  layer->beta().assign(tensor(kShift, {channels}));
  return std::make_shared<LayerRun>(std::move(layer), std::move(input), layout);
}

void add_both(const std::string& name, std::function<std::shared_ptr<LayerRun>()> make) {
  add(name + "/forward", [make] { return LayerRun::forward_work(make()); });
  add(name + "/backward", [make] { return LayerRun::backward_work(make(), {}); });
}

}  // namespace

void add_batch_normalization() {
  for (const ImageShape& shape : kNormalizedImages) {
    for (const lamina::Layout layout : kLayouts) {
      const std::int64_t axis = layout == lamina::Layout::channels_last ? 3 : 1;
      add_both("batch_normalization/" + shape.name() + "/" + layout_name(layout), [=] {
        return normalization(image(kInput, shape, layout), shape.channels, axis, layout);
      });
    }
  }
  for (const MatrixShape& shape : kNormalizedMatrices) {
    add_both("batch_normalization/" + shape.name(), [=] {
      return normalization(tensor(kInput, {shape.rows, shape.columns}), shape.columns, 1,
                           lamina::Layout::channels_last);
    });
  }
}

}  // namespace bench
