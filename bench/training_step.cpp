// Whole training steps: forward, loss, backward, SGD with momentum; the batches are ready in
// memory.
#include <cases.hpp>
#include <support/harness.hpp>
#include <support/inputs.hpp>
#include <support/networks.hpp>

namespace bench {
namespace {

using lamina::Sequential;
using lamina::Shape;
using lamina::Tensor;

class Training {
 public:
  Training(Sequential<float> net, const std::function<Tensor<float>(std::uint64_t)>& input,
           std::uint64_t classes)
      : net_(std::move(net)) {
    for (std::uint64_t i = 0; i < kBatches; ++i) {
      inputs_.push_back(input(kBatchInputs + i));
      const std::int64_t count = inputs_.back().shape()[0];
      labels_.emplace_back(Shape{count}, class_labels(kBatchLabels + i, count, classes));
    }
    net_(inputs_[0], {.updates = lamina::StateUpdates::discard, .rng = &random_});  // builds it
    assign_kernels(net_);
    optimizer_ = lamina::sgd({.learning_rate = kLearningRate, .momentum = kSgdMomentum})
                     .make(net_.parameters());
  }

  void step() {
    const std::size_t batch = steps_++ % kBatches;
    const auto ctx = lamina::Context<float>::for_training(tape_, random_);
    const auto loss = lamina::softmax_cross_entropy(net_(inputs_[batch], ctx), labels_[batch]);
    loss_ = loss.item();
    tape_.backward(loss);
    optimizer_->step();
    optimizer_->zero_gradients();
    tape_.clear();
  }

  // The losses of the first steps, of which one has been done.
  std::vector<Check> first_losses() {
    std::vector<Check> checks;
    for (int i = 1;; ++i) {
      checks.push_back({"loss " + std::to_string(i), loss_, loss_});
      if (i == kCheckedSteps) return checks;
      step();
    }
  }

 private:
  Sequential<float> net_;
  std::vector<Tensor<float>> inputs_;
  std::vector<Tensor<std::int64_t>> labels_;
  lamina::Tape<float> tape_;
  lamina::Rng random_{1};
  std::unique_ptr<lamina::Optimizer<float>> optimizer_;
  std::size_t steps_ = 0;
  float loss_ = 0;
};

// `products`: the flops of the network's convolutions and dense layers, in all passes.
void add_training(const std::string& name, double products,
                  std::function<std::shared_ptr<Training>()> make) {
  add("training_step/" + name, [=] {
    auto training = make();
    Work work{.run = [=] { training->step(); }, .check = [=] { return training->first_losses(); }};
    if (products > 0) work.limit = flops(products);
    return work;
  });
}

// Three passes (forward, two gradients), of which the first layer needs no gradient of its input.
double mlp_flops() {
  return 2 * DenseShape{kBatch, 784, 512}.flops() + 3 * DenseShape{kBatch, 512, 512}.flops() +
         3 * DenseShape{kBatch, 512, 10}.flops();
}
double cnn_flops() {
  const ConvolutionShape first{.input = {kBatch, 1, 28, 28}, .kernel = 5, .filters = 32};
  const ConvolutionShape second{.input = {kBatch, 32, 14, 14}, .kernel = 5, .filters = 64};
  return 2 * first.flops() + 3 * second.flops() + 3 * DenseShape{kBatch, 3136, 1024}.flops() +
         3 * DenseShape{kBatch, 1024, 10}.flops();
}

}  // namespace

void add_training_step() {
  add_training("mlp", mlp_flops(), [] {
    const auto input = [](std::uint64_t stream) { return tensor(stream, {kBatch, 784}); };
    return std::make_shared<Training>(make_mlp(), input, kClasses);
  });
  for (const lamina::Layout layout : kLayouts) {
    add_training(std::string("cnn/") + layout_name(layout), cnn_flops(), [layout] {
      const auto input = [layout](std::uint64_t stream) {
        return image(stream, {kBatch, 1, 28, 28}, layout);
      };
      return std::make_shared<Training>(make_cnn(layout), input, kClasses);
    });
  }
  add_training("4_8_2", 0, [] {
    const auto input = [](std::uint64_t stream) { return tensor(stream, {16, 4}); };
    return std::make_shared<Training>(make_tiny(), input, 2);
  });
}

}  // namespace bench
