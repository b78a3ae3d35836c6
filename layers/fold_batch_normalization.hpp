// fold_batch_normalization: for inference, a copy of a network in which every batch normalization
// directly behind a Dense or Conv2D has become part of that layer.
//
//   scale  = gamma / sqrt(moving_variance + epsilon)          by output channel
//   kernel = kernel scale        bias = (bias - moving_mean) scale + beta
//
//   const auto folded = fold_batch_normalization(net, images);
//   save_model("fast.lamina", folded.net);      // folded.largest_difference says what it cost
//
// The network is a Sequential; normalizations are looked for in it and in every Sequential inside.
// Everything else stays: names, other layers, parameters. A layer without bias gets one. What
// cannot be folded stays as well, and `kept` says why: there is another layer between, other axes
// than the output channels are normalized, the layer is tied to another one, the batch normalizes
// in inference (use_batch_statistics = true), there are banks, or the normalization lies inside a
// module that is no Sequential. The network given is only read.
//
// The arithmetic is double. largest_difference is that of any output for the example batch, between
// the two networks in inference; infinity where only one of two outputs is a number. The copy is
// for inference: trained on, it trains without normalization.
//
// Errors: StateError for a network that was never called or loaded; ArgumentError for one that is
// no Sequential, and for an example without values; what a call with the example throws.
// Thread-safety: as copying the network. Source: Jacob et al., Quantization and Training of Neural
// Networks for Efficient Integer-Arithmetic-Only Inference (2018), section 3.2.
#pragma once

#include <lamina/nn/sequential.hpp>
#include <string>
#include <vector>

namespace lamina {

struct KeptNormalization {
  std::string path;
  std::string reason;  // "'relu' before it is no Dense or Conv2D"
};

template <Scalar T>
struct FoldedNetwork {
  Sequential<T> net;
  double largest_difference = 0;
  std::vector<std::string> folded = {};  // paths in the network given
  std::vector<KeptNormalization> kept = {};
};

// `example`: a batch of inputs.
template <Scalar T>
FoldedNetwork<T> fold_batch_normalization(const Module<T>& net, const Tensor<T>& example);

extern template FoldedNetwork<float> fold_batch_normalization(const Module<float>&,
                                                              const Tensor<float>&);
extern template FoldedNetwork<double> fold_batch_normalization(const Module<double>&,
                                                               const Tensor<double>&);

}  // namespace lamina
