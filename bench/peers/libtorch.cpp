// libtorch_bench: the cases of lamina_bench, computed by libtorch through its C++ interface.
//
// Logical order is libtorch's (N, C, H, W); "nhwc" in a name stands for the memory format
// channels_last, which libtorch prefers for convolutions.
#include <libtorch_layer_run.hpp>
#include <libtorch_networks.hpp>
#include <libtorch_sgd.hpp>
#include <support/harness.hpp>

namespace {

using bench::Check;
using bench::ImageShape;
using bench::Work;
using torch::Tensor;
namespace nn = torch::nn;
using namespace peer;

constexpr std::array<bool, 2> kChannelsLast{true, false};
const char* layout_name(bool last) { return last ? "nhwc" : "nchw"; }

template <class Norm>
Norm scaled_norm(std::int64_t channels) {
  Norm layer = norm<Norm>(channels);
  torch::NoGradGuard off;
  layer->weight.copy_(tensor(bench::kScale, {channels}, 0.5, 1.5));
  layer->bias.copy_(tensor(bench::kShift, {channels}));
  return layer;
}

template <class Norm>
MakeLayer normalization(std::function<Tensor()> input, std::int64_t channels) {
  return [=] {
    return std::make_shared<LayerRun>(nn::AnyModule(scaled_norm<Norm>(channels)), input());
  };
}

void add_batch_normalization() {
  const auto add_both = [](const std::string& name, const MakeLayer& make) {
    add_forward(name + "/forward", make);
    add_backward(name + "/backward", make, true, true);
  };
  for (const ImageShape& shape : bench::kNormalizedImages) {
    for (const bool last : kChannelsLast) {
      add_both("batch_normalization/" + shape.name() + "/" + layout_name(last),
               normalization<nn::BatchNorm2d>([=] { return image(bench::kInput, shape, last); },
                                              shape.channels));
    }
  }
  for (const bench::MatrixShape& shape : bench::kNormalizedMatrices) {
    const auto input = [=] { return tensor(bench::kInput, {shape.rows, shape.columns}); };
    add_both("batch_normalization/" + shape.name(),
             normalization<nn::BatchNorm1d>(input, shape.columns));
  }
}

// The plain layer only: libtorch has none of the options.
void add_batch_normalization_options() {
  const auto name = [](const std::string& shape) {
    return "batch_normalization_options/" + shape + "/plain";
  };
  for (const std::size_t i : {0, 1}) {
    const ImageShape shape = bench::kNormalizedImages[i];
    add_step(name(shape.name()), [=] {
      return std::make_shared<LayerRun>(nn::AnyModule(norm<nn::BatchNorm2d>(shape.channels)),
                                        image(bench::kInput, shape, true));
    });
  }
  for (const bench::MatrixShape& shape : bench::kNormalizedMatrices) {
    add_step(name(shape.name()), [=] {
      return std::make_shared<LayerRun>(nn::AnyModule(norm<nn::BatchNorm1d>(shape.columns)),
                                        tensor(bench::kInput, {shape.rows, shape.columns}));
    });
  }
}

struct BlockImpl : nn::Module {
  nn::BatchNorm2d norm;
  bool pooled;

  BlockImpl(nn::BatchNorm2d given, bool pool)
      : norm(register_module("norm", std::move(given))), pooled(pool) {}
  Tensor forward(const Tensor& x) {
    const Tensor y = norm(x).relu_();
    return pooled ? at::max_pool2d(y, 2) : y;
  }
};
TORCH_MODULE(Block);

void add_fused_blocks() {
  for (const ImageShape& shape : bench::kNormalizedImages) {
    for (const bool last : kChannelsLast) {
      for (const bool pooled : {false, true}) {
        add_step(bench::block_name(shape, layout_name(last), pooled), [=] {
          const Block block(scaled_norm<nn::BatchNorm2d>(shape.channels), pooled);
          return std::make_shared<LayerRun>(nn::AnyModule(block),
                                            image(bench::kInput, shape, last));
        });
      }
    }
  }
}

struct Convolution {
  Tensor x, kernel, output_gradient, result;
  std::int64_t stride, padding, dilation;

  Tensor gradient(std::size_t wanted) const {
    const std::array<bool, 3> mask{wanted == 0, wanted == 1, false};
    const auto gradients = at::convolution_backward(
        output_gradient, x, kernel, at::OptionalIntArrayRef{}, {stride, stride}, {padding, padding},
        {dilation, dilation}, false, {0, 0}, 1, mask);
    return wanted == 0 ? std::get<0>(gradients) : std::get<1>(gradients);
  }
};

void add_convolution_pass(const bench::ConvolutionShape& shape, bool last, const char* pass,
                          Tensor (*function)(const Convolution&)) {
  bench::add("convolution/" + shape.name() + "/" + layout_name(last) + "/" + pass, [=] {
    auto with = std::make_shared<Convolution>();
    with->stride = shape.stride;
    with->padding = shape.padding();
    with->dilation = shape.dilation;
    with->x = image(bench::kInput, shape.input, last);
    with->kernel = convolution_kernel(bench::kKernels, {shape.filters, shape.input.channels,
                                                        shape.kernel, shape.kernel})
                       .contiguous(format(last));
    with->output_gradient = image(bench::kOutputGradient, shape.output(), last);
    return Work{.run =
                    [=] {
                      torch::NoGradGuard off;
                      with->result = function(*with);
                    },
                .check =
                    [=] {
                      const bool is_kernel = with->result.sizes() == with->kernel.sizes();
                      return std::vector{is_kernel ? kernel_checksum("result", with->result)
                                                   : checksum("result", with->result)};
                    }};
  });
}

void add_convolution() {
  for (const bench::ConvolutionShape& shape : bench::kConvolutions) {
    for (const bool last : kChannelsLast) {
      add_convolution_pass(shape, last, "forward", [](const Convolution& c) {
        return at::conv2d(c.x, c.kernel, {}, c.stride, c.padding, c.dilation);
      });
      add_convolution_pass(shape, last, "weight_gradient",
                           [](const Convolution& c) { return c.gradient(1); });
      if (shape.input.channels <= 3) continue;
      add_convolution_pass(shape, last, "input_gradient",
                           [](const Convolution& c) { return c.gradient(0); });
    }
  }
}

void add_dense() {
  for (const bench::DenseShape& shape : bench::kDense) {
    const MakeLayer make = [=] {
      nn::Linear layer(nn::LinearOptions(shape.features, shape.units).bias(false));
      return std::make_shared<LayerRun>(nn::AnyModule(layer),
                                        tensor(bench::kInput, {shape.batch, shape.features}));
    };
    const std::string name = "dense/" + shape.name();
    add_forward(name + "/forward", make);
    add_backward(name + "/weight_gradient", make, false, true);
    add_backward(name + "/input_gradient", make, true, false);
  }
}

struct Chain {
  Tensor start = tensor(bench::kInput, {8}), step = tensor(bench::kShift, {8});
  Tensor end, gradient;

  void add_up(Tensor y) {
    for (int i = 0; i < bench::kChain; ++i) y = y + step;
    end = std::move(y);
  }
};

void add_chain(const std::string& name, void (*function)(Chain&)) {
  bench::add("tape/add_8/" + name, [function] {
    auto chain = std::make_shared<Chain>();
    return Work{.run = [=] { function(*chain); },
                .check =
                    [=] {
                      std::vector<Check> checks{checksum("y", chain->end)};
                      if (chain->gradient.defined()) {
                        checks.push_back(checksum("gradient", chain->gradient));
                      }
                      return checks;
                    },
                .units = bench::kChain};
  });
}

void add_tape() {
  add_chain("no_gradient", [](Chain& chain) {
    torch::NoGradGuard off;
    chain.add_up(chain.start);
  });
  add_chain("recorded", [](Chain& chain) { chain.add_up(chain.start.detach().requires_grad_()); });
  add_chain("forward_and_backward", [](Chain& chain) {
    const Tensor x = chain.start.detach().requires_grad_();
    chain.add_up(x);
    chain.gradient = torch::autograd::grad({chain.end}, {x}, {chain.start})[0];
  });
}

class Training {
 public:
  Training(nn::Sequential net, const std::function<Tensor(std::uint64_t)>& input,
           std::uint64_t classes)
      : net_(std::move(net)), optimizer_(net_->parameters(), bench::kSgdMomentum) {
    for (std::uint64_t i = 0; i < bench::kBatches; ++i) {
      inputs_.push_back(input(bench::kBatchInputs + i));
      const auto labels =
          bench::class_labels(bench::kBatchLabels + i, inputs_.back().size(0), classes);
      labels_.push_back(torch::tensor(labels, torch::kInt64));
    }
  }

  void step() {
    const std::size_t batch = steps_++ % bench::kBatches;
    const Tensor loss = at::cross_entropy_loss(net_->forward(inputs_[batch]), labels_[batch]);
    loss_ = loss.item<float>();
    loss.backward();
    optimizer_.step(bench::kLearningRate);
    optimizer_.zero_gradients();
  }

  std::vector<Check> first_losses() {
    std::vector<Check> checks;
    for (int i = 1;; ++i) {
      checks.push_back({"loss " + std::to_string(i), loss_, loss_});
      if (i == bench::kCheckedSteps) return checks;
      step();
    }
  }

 private:
  nn::Sequential net_;
  FusedSgd optimizer_;
  std::vector<Tensor> inputs_, labels_;
  std::size_t steps_ = 0;
  float loss_ = 0;
};

void add_training(const std::string& name, std::function<std::shared_ptr<Training>()> make) {
  bench::add("training_step/" + name, [make] {
    auto training = make();
    return Work{.run = [=] { training->step(); },
                .check = [=] { return training->first_losses(); }};
  });
}

void add_training_step() {
  add_training("mlp", [] {
    const auto input = [](std::uint64_t stream) { return tensor(stream, {bench::kBatch, 784}); };
    return std::make_shared<Training>(make_mlp(), input, bench::kClasses);
  });
  for (const bool last : kChannelsLast) {
    add_training(std::string("cnn/") + layout_name(last), [last] {
      const auto input = [last](std::uint64_t stream) {
        return image(stream, {bench::kBatch, 1, 28, 28}, last);
      };
      return std::make_shared<Training>(make_cnn(last), input, bench::kClasses);
    });
  }
  add_training("4_8_2", [] {
    const auto input = [](std::uint64_t stream) { return tensor(stream, {16, 4}); };
    return std::make_shared<Training>(make_tiny(), input, 2);
  });
}

void add_cnn_layers() {
  for (const bool last : kChannelsLast) {
    std::ptrdiff_t i = 0;
    for (const char* layer : bench::kCnnLayers) {
      const std::string name = std::string("cnn_layers/") + layout_name(last) + "/" + layer;
      const MakeLayer make = [i, last] {
        nn::Sequential net = make_cnn(last, bench::kKernels, false);
        Tensor x = image(bench::kInput, {bench::kBatch, 1, 28, 28}, last);
        for (std::ptrdiff_t before = 0; before < i; ++before) {
          x = (net->begin() + before)->forward(x).detach();
        }
        const auto s = x.sizes();
        x = s.size() == 4 ? image(bench::kInput, {s[0], s[1], s[2], s[3]}, last)
                          : tensor(bench::kInput, s);
        return std::make_shared<LayerRun>(*(net->begin() + i), x);
      };
      add_forward(name + "/forward", make);
      add_backward(name + "/backward", make, i > 0, true);
      ++i;
    }
  }
  bench::add("cnn_layers/nhwc/sgd", [] {
    nn::Sequential net = make_cnn(true);
    auto optimizer = std::make_shared<FusedSgd>(net->parameters(), bench::kSgdMomentum);
    net->forward(image(bench::kInput, {bench::kBatch, 1, 28, 28}, true)).mean().backward();
    return Work{.run = [net, optimizer] { optimizer->step(bench::kLearningRate); }};
  });
}

std::map<std::string, std::string> about() {
  const char* keep = std::getenv("MALLOC_MMAP_MAX_");
  return {{"version", "libtorch " TORCH_VERSION},
          {"threads", std::to_string(at::get_num_threads()) + " (OpenMP)"},
          {"BLAS", at::get_mkl_version() + "; " + at::get_mkldnn_version()},
          {"allocator", keep && std::string(keep) == "0"
                            ? "glibc, memory kept (MALLOC_MMAP_MAX_=0, no trimming)"
                            : "glibc, as it comes"},
          {"compiler", "the wheel's own; the program: " LAMINA_BENCH_FLAGS}};
}

}  // namespace

int main(int argc, char** argv) {
  add_batch_normalization();
  add_batch_normalization_options();
  add_fused_blocks();
  add_convolution();
  add_dense();
  add_tape();
  add_training_step();
  add_cnn_layers();
  return bench::run(argc, argv,
                    {.name = "libtorch",
                     .set_threads = [](int count) { at::set_num_threads(count); },
                     .on_every_thread = peer::on_every_thread,
                     .about = about});
}
