// The inputs of support/values.hpp and the networks of support/networks.hpp, as libtorch has them.
//
// Logical order is libtorch's (N, C, H, W); `last` asks for the memory format channels_last.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <support/shapes.hpp>
#include <support/values.hpp>

namespace peer {

// bench::OnEveryThread: the threads are made, if they are not there yet. One that began after the
// others were bound to their CPUs would stay on that of its maker.
void on_every_thread(const std::function<void()>& call);

torch::Tensor tensor(std::uint64_t stream, at::IntArrayRef shape, double low = -1, double high = 1);
torch::Tensor image(std::uint64_t stream, const bench::ImageShape& shape, bool last);
at::MemoryFormat format(bool last);

// A kernel of libtorch's shape (out, in, rows, columns) with the values that lamina's has.
torch::Tensor convolution_kernel(std::uint64_t stream, at::IntArrayRef oihw);
// Of a dense layer. After an image of more than one place its inputs are listed (H, W, C) in the
// values, and libtorch flattens to (C, H, W) whatever the memory format.
torch::Tensor dense_kernel(std::uint64_t stream, std::int64_t out, std::int64_t in,
                           bench::ImageShape image = {});

template <class Norm>
Norm norm(std::int64_t channels) {
  return Norm(
      torch::nn::BatchNormOptions(channels).eps(bench::kEpsilon).momentum(1 - bench::kMomentum));
}

// Their kernels have the values of the streams from `kernels` on. ReLU in place is the faster way,
// and not possible where a layer is called by itself.
torch::nn::Sequential make_mlp(std::uint64_t kernels = bench::kKernels);
torch::nn::Sequential make_cnn(bool last, std::uint64_t kernels = bench::kKernels,
                               bool in_place = true);
torch::nn::Sequential make_tiny();

}  // namespace peer
