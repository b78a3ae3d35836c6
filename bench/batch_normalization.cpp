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

void add_both(const std::string& name, std::int64_t elements, bool channels_last,
              std::function<std::shared_ptr<LayerRun>()> make) {
  add(name + "/forward", [=] {
    Work work = LayerRun::forward_work(make());
    work.limit = passes(elements, normalization_forward(channels_last));
    return work;
  });
  add(name + "/backward", [=] {
    Work work = LayerRun::backward_work(make(), {});
    work.limit = passes(elements, normalization_backward(channels_last));
    return work;
  });
}

}  // namespace

void add_batch_normalization() {
  for (const ImageShape& shape : kNormalizedImages) {
    for (const lamina::Layout layout : kLayouts) {
      const bool last = layout == lamina::Layout::channels_last;
      add_both("batch_normalization/" + shape.name() + "/" + layout_name(layout), shape.size(),
               last, [=] {
                 return normalization(image(kInput, shape, layout), shape.channels, last ? 3 : 1,
                                      layout);
               });
    }
  }
  for (const MatrixShape& shape : kNormalizedMatrices) {
    add_both("batch_normalization/" + shape.name(), shape.rows * shape.columns, true, [=] {
      return normalization(tensor(kInput, {shape.rows, shape.columns}), shape.columns, 1,
                           lamina::Layout::channels_last);
    });
  }
}

}  // namespace bench
