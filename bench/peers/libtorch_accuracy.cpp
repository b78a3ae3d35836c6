// libtorch_accuracy: libtorch's side of the training on the real MNIST (support/mnist_recipe.hpp).
#include <libtorch_networks.hpp>
#include <libtorch_sgd.hpp>
#include <support/mnist_recipe.hpp>

namespace {

using bench::Digits;
using bench::Recipe;
using torch::Tensor;

class LibtorchLearner : public bench::Learner {
 public:
  LibtorchLearner(const Recipe& recipe, const Digits& training)
      : image_(recipe.model == "mlp" ? std::vector<std::int64_t>{-1, 784}
                                     : std::vector<std::int64_t>{-1, 1, 28, 28}),
        format_(peer::format(recipe.model == "cnn" && recipe.layout == "nhwc")),
        pixels_(pixels(training)),
        labels_(labels(training)),
        net_(recipe.model == "mlp" ? peer::make_mlp(recipe.kernels())
                                   : peer::make_cnn(recipe.layout == "nhwc", recipe.kernels())),
        optimizer_(net_->parameters(), bench::kSgdMomentum) {
    torch::NoGradGuard off;
    for (Tensor& parameter : net_->parameters()) {
      if (parameter.dim() > 1) parameter.mul_(bench::kKernelFactor);
    }
  }

  void step(std::span<const std::int64_t> images, double learning_rate) override {
    const Tensor chosen =
        torch::from_blob(const_cast<std::int64_t*>(images.data()),
                         {static_cast<std::int64_t>(images.size())}, torch::kInt64);
    const Tensor x = pixels_.index_select(0, chosen).contiguous(format_);
    at::cross_entropy_loss(net_->forward(x), labels_.index_select(0, chosen)).backward();
    optimizer_.step(learning_rate);
    optimizer_.zero_gradients();
  }

  std::int64_t right_answers(const Digits& images) override {
    torch::NoGradGuard off;
    net_->eval();
    const Tensor x = pixels(images), expected = labels(images);
    std::int64_t right = 0;
    for (std::int64_t i = 0; i < images.size(); i += 1000) {
      const std::int64_t end = std::min(i + 1000, images.size());
      const Tensor answers = net_->forward(x.slice(0, i, end).contiguous(format_)).argmax(1);
      right += answers.eq(expected.slice(0, i, end)).sum().item<std::int64_t>();
    }
    return right;
  }

 private:
  Tensor pixels(const Digits& images) const {
    return torch::from_blob(const_cast<float*>(images.pixels.data()), {images.size() * 784})
        .view(image_);
  }
  static Tensor labels(const Digits& images) {
    return torch::from_blob(const_cast<std::int64_t*>(images.labels.data()), {images.size()},
                            torch::kInt64);
  }

  std::vector<std::int64_t> image_;
  at::MemoryFormat format_;
  Tensor pixels_, labels_;
  torch::nn::Sequential net_;
  peer::FusedSgd optimizer_;
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_recipe(
      argc, argv,
      {.name = "libtorch",
       .set_threads = [](int count) { at::set_num_threads(count); },
       .on_every_thread = peer::on_every_thread,
       .make = [](const Recipe& recipe, const Digits& training) -> std::unique_ptr<bench::Learner> {
         return std::make_unique<LibtorchLearner>(recipe, training);
       }});
}
