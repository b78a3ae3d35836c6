// lamina_accuracy: lamina's side of the training on the real MNIST (support/mnist_recipe.hpp).
#include <algorithm>
#include <support/inputs.hpp>
#include <support/mnist_recipe.hpp>
#include <support/networks.hpp>

namespace {

using bench::Digits;
using bench::Recipe;
using lamina::Shape;
using lamina::Tensor;

class LaminaLearner : public bench::Learner {
 public:
  LaminaLearner(const Recipe& recipe, const Digits& training)
      : training_(training),
        image_(recipe.model == "mlp"     ? Shape{1, 784}
               : recipe.layout == "nhwc" ? Shape{1, 28, 28, 1}
                                         : Shape{1, 1, 28, 28}),
        net_(recipe.model == "mlp"
                 ? bench::make_mlp()
                 : bench::make_cnn(recipe.layout == "nhwc" ? lamina::Layout::channels_last
                                                           : lamina::Layout::channels_first)) {
    const std::vector<std::int64_t> first{0};
    net_(pixels(training, first), {.updates = lamina::StateUpdates::discard, .rng = &random_});
    bench::assign_kernels(net_, recipe.kernels());
    for (const auto& parameter : net_.parameters()) {
      if (parameter->value.shape().rank() < 2) continue;
      Tensor<float> kernel = parameter->value;
      std::transform(kernel.data(), kernel.data() + kernel.size(), kernel.mutable_data(),
                     [](float value) { return bench::kKernelFactor * value; });
      parameter->assign(kernel);
    }
    optimizer_ = std::make_unique<lamina::SGD<float>>(
        net_.parameters(), lamina::SGDOptions{.learning_rate = lamina::Schedule(
                                                  [this](std::int64_t) { return learning_rate_; }),
                                              .momentum = bench::kSgdMomentum});
  }

  void step(std::span<const std::int64_t> images, double learning_rate) override {
    learning_rate_ = learning_rate;
    const auto ctx = lamina::Context<float>::for_training(tape_, random_);
    const auto loss = lamina::softmax_cross_entropy(net_(pixels(training_, images), ctx),
                                                    labels(training_, images));
    tape_.backward(loss);
    optimizer_->step();
    optimizer_->zero_gradients();
    tape_.clear();
  }

  std::int64_t right_answers(const Digits& images) override {
    std::int64_t right = 0;
    std::vector<std::int64_t> batch;
    for (std::int64_t i = 0; i < images.size(); ++i) {
      batch.push_back(i);
      if (batch.size() < 1000 && i + 1 < images.size()) continue;
      const auto answers = lamina::argmax(
          net_(pixels(images, batch), lamina::Context<float>::for_inference()).value(), 1);
      for (std::size_t k = 0; k < batch.size(); ++k) {
        right += answers.data()[k] == images.labels[static_cast<std::size_t>(batch[k])];
      }
      batch.clear();
    }
    return right;
  }

 private:
  Tensor<float> pixels(const Digits& from, std::span<const std::int64_t> images) const {
    const std::int64_t count = static_cast<std::int64_t>(images.size());
    auto batch = Tensor<float>::uninitialized(image_.with(0, count));
    float* to = batch.mutable_data();
    for (const std::int64_t i : images) to = std::copy_n(from.pixels.data() + 784 * i, 784, to);
    return batch;
  }
  static Tensor<std::int64_t> labels(const Digits& from, std::span<const std::int64_t> images) {
    auto batch = Tensor<std::int64_t>::uninitialized({static_cast<std::int64_t>(images.size())});
    std::transform(images.begin(), images.end(), batch.mutable_data(),
                   [&](std::int64_t i) { return from.labels[static_cast<std::size_t>(i)]; });
    return batch;
  }

  const Digits& training_;
  Shape image_;
  lamina::Sequential<float> net_;
  lamina::Tape<float> tape_;
  lamina::Rng random_{1};
  double learning_rate_ = 0;
  std::unique_ptr<lamina::SGD<float>> optimizer_;
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_recipe(
      argc, argv,
      {.name = "lamina",
       .set_threads = [](int count) { lamina::set_threads(count); },
       .on_every_thread =
           [](const std::function<void()>& call) {
             lamina::parallel_for(lamina::threads(), [&](std::int64_t) { call(); });
           },
       .make = [](const Recipe& recipe, const Digits& training) -> std::unique_ptr<bench::Learner> {
         return std::make_unique<LaminaLearner>(recipe, training);
       }});
}
