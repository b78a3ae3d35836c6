#include <lamina/layers/activations.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/dropout.hpp>
#include <lamina/layers/pooling.hpp>
#include <lamina/layers/registry.hpp>
#include <lamina/layers/reshape.hpp>
#include <lamina/serialization/model_file.hpp>

#include "fuzz/checkpoint_bytes.hpp"
#include "serialization/small_network.hpp"

namespace lamina::test {
namespace {

std::string model_of(const Module<float>& net) {
  return saved_by([&](FileSystem& files) { save_model(kPath, net, files); });
}

std::string called_once(Sequential<float> net, const Tensor<float>& x) {
  Tape<float> tape;
  Rng rng(1);
  net(x, Context<float>::for_training(tape, rng));
  return model_of(net);
}

std::string of_own_layers() {
  Sequential<float> net;
  net.add(Linear<float>({.units = 3, .kernel_initializer = constant(0.5), .limit = 2.0}))
      .add(Residual<float>());
  return called_once(net, small_input<float>());
}

std::string of_standard_layers() {
  Sequential<float> net;
  net.add(Conv2D<float>({.filters = 2, .kernel = {1, 2}, .use_bias = false}))
      .add(BatchNormalization<float>({.renorm = true}))
      .add(ReLU<float>())
      .add(MaxPool2D<float>())
      .add(Flatten<float>())
      .add(Dropout<float>({.rate = 0.5}))
      .add(Dense<float>({.units = 1}));
  return called_once(net, Tensor<float>({2, 2, 3, 1}, 0.5f));
}

// With layers of the test's own, every kind of option.
const Registry<float>& registry() {
  static const Registry<float> known = [] {
    Registry<float> made = standard_registry<float>();
    made.add<Linear>().add<Residual<float>>();
    return made;
  }();
  return known;
}

std::optional<std::string> read(const std::string& bytes) {
  FakeFileSystem files = folder_with(bytes);
  std::optional<ModulePointer<float>> net;
  if (!accepts<CheckpointError>(bytes.size(),
                                [&] { net = load_model<float>(kPath, registry(), files); })) {
    return {};
  }
  return model_of(**net);
}

HostileReader model_reader() {
  return {.name = "model",
          .originals = {of_own_layers(), of_standard_layers()},
          .read = read,
          .reseal = reseal_checkpoint,
          .described_by = described_bytes};
}

const RegisteredReader kModel("model", model_reader);

}  // namespace
}  // namespace lamina::test
