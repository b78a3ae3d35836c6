// Where the time of the convolutional network's training step goes: each layer by itself at its
// place in the network, and the update of the parameters.
#include <cases.hpp>
#include <support/inputs.hpp>
#include <support/layer_run.hpp>
#include <support/networks.hpp>

namespace bench {
namespace {

constexpr lamina::Layout kLayout = lamina::Layout::channels_last;
constexpr ImageShape kImages{kBatch, 1, 28, 28};

lamina::Variable<float> call(lamina::Module<float>& module, const lamina::Variable<float>& x) {
  lamina::Rng random(1);
  return module(x, {.training = true, .rng = &random});
}

std::shared_ptr<LayerRun> layer_run(std::int64_t index) {
  auto net = std::make_shared<lamina::Sequential<float>>(make_cnn(kLayout));
  lamina::Variable<float> x = image(kInput, kImages, kLayout);
  for (std::int64_t i = 0; i < index; ++i) x = call(net->at(i), x);
  return std::make_shared<LayerRun>(std::shared_ptr<lamina::Module<float>>(net, &net->at(index)),
                                    tensor(kInput, x.shape()));
}

Work update() {
  struct State {
    lamina::Sequential<float> net = make_cnn(kLayout);
    lamina::Tape<float> tape;
    lamina::Rng random{1};
    std::unique_ptr<lamina::Optimizer<float>> optimizer;
  };
  auto state = std::make_shared<State>();
  const auto ctx = lamina::Context<float>::for_training(state->tape, state->random);
  const auto y = state->net(image(kInput, kImages, kLayout), ctx);
  state->tape.backward(lamina::mean(y));
  state->optimizer = lamina::sgd({.learning_rate = kLearningRate, .momentum = kSgdMomentum})
                         .make(state->net.parameters());
  return {.run = [state] { state->optimizer->step(); }};
}

}  // namespace

void add_cnn_layers() {
  const std::string prefix = std::string("cnn_layers/") + layout_name(kLayout) + "/";
  std::int64_t i = 0;
  for (const char* layer : kCnnLayers) {
    const std::string name = prefix + layer;
    add(name + "/forward", [i] { return LayerRun::forward_work(layer_run(i)); });
    add(name + "/backward",
        [i] { return LayerRun::backward_work(layer_run(i), {.input = i > 0}); });
    ++i;
  }
  add(prefix + "sgd", update);
}

}  // namespace bench
