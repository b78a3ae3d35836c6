// A module of one's own: a residual block, used inside a Sequential, trained, saved, and loaded by
// a program that registers it.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <lamina/lamina.hpp>

using namespace lamina;

namespace {

// y = relu(x + bn2(conv2(relu(bn1(conv1(x))))))
template <Scalar T>
struct ResidualBlock : Module<T> {
  struct Options {
    std::int64_t channels = 8;
    void visit(OptionVisitor& v) { v("channels", channels); }
  };
  explicit ResidualBlock(Options given = {}) : options(given) {}

  Options options;
  Conv2D<T> conv1{convolution()}, conv2{convolution()};
  BatchNormalization<T> bn1{{.momentum = 0.9}}, bn2{{.momentum = 0.9}};

  // The one list of members: naming, copying, saving, summary and optimizers follow from it.
  void visit(Visitor<T>& v) override {
    v("conv1", conv1);
    v("bn1", bn1);
    v("conv2", conv2);
    v("bn2", bn2);
  }
  void visit_options(OptionVisitor& v) override { options.visit(v); }
  std::string type() const override { return "residual_block"; }

  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override {
    const Variable<T> inner = relu(bn1(conv1(x, ctx), ctx));
    return relu(x + bn2(conv2(inner, ctx), ctx));
  }

 private:
  Conv2DOptions convolution() const {
    return {
        .filters = options.channels, .kernel = {3, 3}, .padding = Padding::same, .use_bias = false};
  }
};

Sequential<float> make_network() {
  Sequential<float> net;
  net.add<Conv2D>({.filters = 8, .kernel = {3, 3}, .strides = {2, 2}})
      .add<ResidualBlock>({.channels = 8})
      .add<MaxPool2D>({.pool = {2, 2}})
      .add<ResidualBlock>({.channels = 8})
      .add<GlobalAveragePool2D>()
      .add<Dense>({.units = 10});
  return net;
}

double train(Sequential<float>& net, const Dataset& digits, int epochs) {
  Rng rng(1);
  Tape<float> tape;
  Adam<float> optimizer(net.parameters(), {.learning_rate = 3e-3});
  DataLoader<float> loader(digits, {.batch_size = 32, .shuffle = true, .seed = 1});
  double loss_of_last = 0;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    double sum = 0;
    for (auto [images, labels] : loader) {
      const auto ctx = Context<float>::for_training(tape, rng);
      const auto loss = softmax_cross_entropy(net(images, ctx), labels);
      sum += loss.item();
      tape.backward(loss);
      optimizer.step();
      optimizer.zero_gradients();
      tape.clear();
    }
    loss_of_last = sum / static_cast<double>(loader.batches());
    fmt::print("epoch {}: loss {:.4f}\n", epoch, loss_of_last);
  }
  return loss_of_last;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("A residual block of one's own, trained on drawn digits, saved and loaded");
  std::string path = "residual.lamina";
  int epochs = 3;
  std::int64_t examples = 1000;
  app.add_option("--model", path, "the model file to write")->capture_default_str();
  app.add_option("--epochs", epochs)->capture_default_str();
  app.add_option("--examples", examples, "how many digits to draw")->capture_default_str();
  CLI11_PARSE(app, count, arguments);

  try {
    const Dataset digits = data::synthetic_digits({.examples = examples, .seed = 7});
    Sequential<float> net = make_network();
    train(net, digits, epochs);
    save_model(path, net);

    // Another program: it knows the type, not the network.
    Registry<float> registry = standard_registry<float>();
    registry.add<ResidualBlock>();
    const ModulePointer<float> model = load_model<float>(path, registry);
    const Tensor<float> images =
        digits.batch<float>(0, std::min<std::int64_t>(examples, 16)).features;
    const auto inference = Context<float>::for_inference();
    const bool same =
        identical((*model)(images, inference).value(), net(images, inference).value());
    fmt::print("reloaded: {}\n", same ? "identical" : "different");

    // Without the registration the file is refused, and says what is missing.
    try {
      load_model<float>(path);
    } catch (const CheckpointError& error) {
      fmt::print("without registration: {}\n", error.what());
    }
    return same ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
