#include <libtorch_networks.hpp>

namespace peer {

using bench::ImageShape;
using torch::Tensor;
namespace nn = torch::nn;

namespace {

Tensor from(const std::vector<float>& values, at::IntArrayRef shape) {
  return torch::from_blob(const_cast<float*>(values.data()), shape).clone();
}

}  // namespace

// at::parallel_for of the headers is a loop in a program that is compiled without OpenMP; with it,
// these are the threads that the library itself works with.
void on_every_thread(const std::function<void()>& call) {
#pragma omp parallel
  call();
}

Tensor tensor(std::uint64_t stream, at::IntArrayRef shape, double low, double high) {
  return from(bench::uniform_values(stream, c10::multiply_integers(shape), low, high), shape);
}

at::MemoryFormat format(bool last) {
  return last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

Tensor image(std::uint64_t stream, const ImageShape& s, bool last) {
  return tensor(stream, {s.count, s.height, s.width, s.channels})
      .permute({0, 3, 1, 2})
      .contiguous(format(last));
}

Tensor convolution_kernel(std::uint64_t stream, at::IntArrayRef oihw) {
  const auto count = c10::multiply_integers(oihw);
  return from(bench::kernel_values(stream, count, oihw[0]), {oihw[2], oihw[3], oihw[1], oihw[0]})
      .permute({3, 2, 0, 1});
}

Tensor dense_kernel(std::uint64_t stream, std::int64_t out, std::int64_t in, ImageShape image) {
  const Tensor kernel = from(bench::kernel_values(stream, in * out, out), {in, out});
  if (image.channels == 0) return kernel.t().contiguous();
  return kernel.view({image.height, image.width, image.channels, out})
      .permute({3, 2, 0, 1})
      .reshape({out, in});
}

namespace {

nn::Linear dense(std::uint64_t stream, std::int64_t in, std::int64_t out, bool bias,
                 ImageShape image = {}) {
  nn::Linear layer(nn::LinearOptions(in, out).bias(bias));
  torch::NoGradGuard off;
  layer->weight.copy_(dense_kernel(stream, out, in, image));
  if (bias) layer->bias.zero_();
  return layer;
}

nn::Conv2d convolution(std::uint64_t stream, std::int64_t in, std::int64_t out, bool last) {
  nn::Conv2d layer(nn::Conv2dOptions(in, out, 5).padding(2).bias(false));
  torch::NoGradGuard off;
  layer->weight.set_data(
      convolution_kernel(stream, layer->weight.sizes()).contiguous(format(last)));
  return layer;
}

nn::ReLU relu(bool in_place) { return nn::ReLU(nn::ReLUOptions(in_place)); }

}  // namespace

nn::Sequential make_mlp(std::uint64_t k) {
  return nn::Sequential(dense(k, 784, 512, false), norm<nn::BatchNorm1d>(512), relu(true),
                        dense(k + 1, 512, 512, false), norm<nn::BatchNorm1d>(512), relu(true),
                        dense(k + 2, 512, 10, true));
}

nn::Sequential make_cnn(bool last, std::uint64_t k, bool in_place) {
  // What lamina flattens has the order of its layout.
  const ImageShape flattened = last ? ImageShape{1, 64, 7, 7} : ImageShape{};
  return nn::Sequential(convolution(k, 1, 32, last), norm<nn::BatchNorm2d>(32), relu(in_place),
                        nn::MaxPool2d(nn::MaxPool2dOptions(2)), convolution(k + 1, 32, 64, last),
                        norm<nn::BatchNorm2d>(64), relu(in_place),
                        nn::MaxPool2d(nn::MaxPool2dOptions(2)), nn::Flatten(),
                        dense(k + 2, 3136, 1024, false, flattened), norm<nn::BatchNorm1d>(1024),
                        relu(in_place), dense(k + 3, 1024, 10, true));
}

nn::Sequential make_tiny() {
  const std::uint64_t k = bench::kKernels;
  return nn::Sequential(dense(k, 4, 8, true), relu(true), dense(k + 1, 8, 2, true));
}

}  // namespace peer
