// What an option of batch normalization costs: forward and backward of the layer with it, beside
// the plain layer in the same run. Channels last. The limit is that of the plain layer.
#include <cases.hpp>
#include <support/inputs.hpp>
#include <support/layer_run.hpp>

namespace bench {
namespace {

using Layer = lamina::BatchNormalization<float>;
using Options = lamina::BatchNormalizationOptions;

struct Case {
  const char* name;
  std::function<void(Options&)> set;
  bool masked = false;
};

const std::array<Case, 4>& cases() {
  static const std::array<Case, 4> all{
      {{"renorm", [](Options& o) { o.renorm = true; }},
       {"adjustment_per_channel",
        [](Options& o) {
          o.adjustment = [](const lamina::Shape& shape) {
            return lamina::ScaleAndBias<float>{.scale = tensor(kScale, {shape[-1]}, 0.5, 1.5),
                                               .bias = tensor(kShift, {shape[-1]})};
          };
        }},
       {"mask", [](Options&) {}, true},
       {"virtual_batch_size_16", [](Options& o) { o.virtual_batch_size = 16; }}}};
  return all;
}

Work step(const lamina::Tensor<float>& input, const Case* with) {
  Options options{.axis = {-1}, .momentum = kMomentum, .epsilon = kEpsilon};
  if (with) with->set(options);
  auto layer = std::make_shared<Layer>(options);
  LayerRun::Call call;
  if (with && with->masked) {
    // Seven places of eight count.
    const lamina::Shape& shape = input.shape();
    lamina::Tensor<float> mask(shape.with(shape.rank() - 1, 1), 1.0f);
    for (std::int64_t i = 0; i < mask.size(); i += 8) mask.mutable_data()[i] = 0;
    call = [layer, mask](const lamina::Variable<float>& x, const lamina::Context<float>& context) {
      return (*layer)(x, context, {.mask = mask});
    };
  }
  return LayerRun::step_work(
      std::make_shared<LayerRun>(layer, input, lamina::Layout::channels_last, call), {});
}

void add_all(const std::string& shape, std::function<lamina::Tensor<float>()> input) {
  const auto limit = [](const lamina::Tensor<float>& x) {
    return passes(x.size(), normalization_step(true));
  };
  add("batch_normalization_options/" + shape + "/plain", [=] {
    const lamina::Tensor<float> x = input();
    Work work = step(x, nullptr);
    work.limit = limit(x);
    return work;
  });
  for (const Case& each : cases()) {
    add("batch_normalization_options/" + shape + "/" + each.name, [&each, input, limit] {
      const lamina::Tensor<float> x = input();
      Work work = step(x, &each);
      work.baseline = std::make_shared<Work>(step(x, nullptr));
      work.limit = limit(x);
      return work;
    });
  }
}

}  // namespace

void add_batch_normalization_options() {
  for (const ImageShape& shape : {kNormalizedImages[0], kNormalizedImages[1]}) {
    add_all(shape.name(), [=] { return image(kInput, shape, lamina::Layout::channels_last); });
  }
  for (const MatrixShape& shape : kNormalizedMatrices) {
    add_all(shape.name(), [=] { return tensor(kInput, {shape.rows, shape.columns}); });
  }
}

}  // namespace bench
