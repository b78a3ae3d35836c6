#include <libtorch_layer_run.hpp>
#include <libtorch_networks.hpp>

namespace peer {

using bench::Check;
using bench::Work;
using torch::Tensor;
namespace nn = torch::nn;

namespace {

Check ordered_checksum(const std::string& name, const Tensor& values, at::IntArrayRef order) {
  const Tensor ordered = (order.empty() ? values : values.permute(order)).detach().contiguous();
  return bench::checksum(name, {ordered.data_ptr<float>(), std::size_t(ordered.numel())});
}

}  // namespace

Check checksum(const std::string& name, const Tensor& values) {
  return ordered_checksum(name, values,
                          values.dim() == 4 ? at::IntArrayRef{0, 2, 3, 1} : at::IntArrayRef{});
}
Check kernel_checksum(const std::string& name, const Tensor& values) {
  return ordered_checksum(name, values,
                          values.dim() == 4 ? at::IntArrayRef{2, 3, 1, 0} : at::IntArrayRef{1, 0});
}

LayerRun::LayerRun(nn::AnyModule layer, Tensor input)
    : layer_(std::move(layer)), input_(std::move(input)) {
  std::uint64_t stream = bench::kKernels;
  torch::NoGradGuard off;
  for (Tensor& parameter : layer_.ptr()->parameters()) {
    if (parameter.dim() == 4) {
      parameter.copy_(convolution_kernel(stream++, parameter.sizes()));
    } else if (parameter.dim() == 2) {
      parameter.copy_(dense_kernel(stream++, parameter.size(0), parameter.size(1)));
    }
    parameters_.push_back(parameter);
  }
  if (input_.dim() == 4 && input_.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    for (Tensor& parameter : parameters_) {
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(format(true)));
    }
  }
  const Tensor result = layer_.forward(input_);
  const auto s = result.sizes();
  seed_ = s.size() == 4 ? image(bench::kOutputGradient, {s[0], s[1], s[2], s[3]},
                                result.is_contiguous(at::MemoryFormat::ChannelsLast))
                        : tensor(bench::kOutputGradient, s);
}

void LayerRun::begin() {
  gradients_.clear();
  y_ = Tensor();
  x_ = input_.detach().requires_grad_();
}

void LayerRun::backward(bool of_input, bool of_parameters) {
  std::vector<Tensor> sources;
  if (of_input) sources.push_back(x_);
  if (of_parameters) sources.insert(sources.end(), parameters_.begin(), parameters_.end());
  gradients_ = torch::autograd::grad({y_}, sources, {seed_});
}

std::vector<Check> LayerRun::gradient_checks(bool of_input) const {
  std::vector<Check> checks;
  for (std::size_t i = 0; i < gradients_.size(); ++i) {
    const std::string name = "gradient " + std::to_string(i);
    const bool kernel = !(of_input && i == 0) && gradients_[i].dim() > 1;
    checks.push_back(kernel ? kernel_checksum(name, gradients_[i]) : checksum(name, gradients_[i]));
  }
  return checks;
}

void add_forward(const std::string& name, MakeLayer make) {
  bench::add(name, [make] {
    auto run = make();
    return Work{.run = [run] { run->forward(); },
                .prepare = [run] { run->begin(); },
                .check = [run] { return run->output_checks(); }};
  });
}

void add_backward(const std::string& name, MakeLayer make, bool of_input, bool of_parameters) {
  bench::add(name, [=] {
    auto run = make();
    return Work{.run = [=] { run->backward(of_input, of_parameters); },
                .prepare =
                    [run] {
                      run->begin();
                      run->forward();
                    },
                .check = [=] { return run->gradient_checks(of_input); }};
  });
}

void add_step(const std::string& name, MakeLayer make) {
  bench::add(name, [make] {
    auto run = make();
    return Work{.run =
                    [run] {
                      run->forward();
                      run->backward(true, true);
                    },
                .prepare = [run] { run->begin(); },
                .check = [run] { return run->gradient_checks(true); }};
  });
}

}  // namespace peer
