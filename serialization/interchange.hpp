// Weights between lamina and PyTorch or Keras: names and layouts of the layers that both have.
//
//   load_from_pytorch(net, load_safetensors("model.safetensors"));
//   save_safetensors("model.safetensors", to_pytorch(net), {{"format", "pt"}});
//
//   load_from_keras(net, load_npz("model.npz"));
//   save_npz("model.npz", to_keras(net));
//
//   layer                     lamina                        PyTorch                   Keras
//   dense                     kernel (in, out)              weight (out, in)          as lamina
//   conv2d                    kernel (rows, columns, in,    weight (out, in, rows,    as lamina
//                                     out)                          columns)
//   batch_normalization       gamma, beta                   weight, bias              as lamina
//                             moving_mean                   running_mean              as lamina
//                             moving_variance               running_var               as lamina
//                             updates                       num_batches_tracked       none
//   layer_, group_ and        gamma, beta                   weight, bias              as lamina
//   instance_normalization
//   any other module          what visit() lists, under the same names and as it is
//
// Names. PyTorch's are dotted paths; a child of a Sequential is called by the name that it was
// given, or by its index, as in torch.nn.Sequential. Keras' are variable.path: "conv2d/kernel"; the
// model's own name before all of them ("sequential/") is left out when reading. `.rename` gives
// modules (or whole subtrees) other paths, from lamina's to the other's:
//
//   load_from_pytorch(net, state, {.rename = {{"conv2d", "features.0"}, {"dense", "head"}}});
//
// Flatten. What lamina flattens after channels-last layers is in the order (rows, columns,
// channels), in PyTorch (channels, rows, columns): the rows of the Dense behind it must change
// places. `.flattened_channels` names that Dense and the number of channels that Flatten met; 1
// leaves the order as it is. A Dense that follows a Flatten and channels-last convolutions in
// Sequentials is refused without it.
//
// Options that are no weights. The epsilon of normalization layers is compared with `.epsilon`, the
// other framework's default (without value: not compared). Momentum and the estimator of the moving
// variance only matter to further training; BatchNormalizationOptions::from_pytorch makes a layer
// that has PyTorch's, its momentum turned round. Where the count of updates is missing it is 1.
//
// Errors: CheckpointError listing everything that is missing, unexpected or of another type or
// shape (nothing is loaded then), epsilons that differ, statistics that the other framework does
// not have (renorm, banks), a Flatten that nothing was said about. ArgumentError for options that
// name no module, or channels that do not divide the rows. StateError for writing a network that
// was never built. Thread-safety: as state_of and load_state.
#pragma once

#include <cstdint>
#include <lamina/nn/module.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <map>
#include <optional>
#include <string>

namespace lamina {

struct PyTorchOptions {
  std::map<std::string, std::string> rename = {};  // path of a module -> its path there
  std::map<std::string, std::int64_t> flattened_channels = {};  // path of a Dense -> channels
  std::optional<double> epsilon = 1e-5;                         // of every normalization
  std::string prefix = {};                                      // before all names: "module."
};

struct KerasOptions {
  std::map<std::string, std::string> rename = {};
  std::optional<double> epsilon = 1e-3;
  std::string prefix = {};  // before all names: "sequential/"
};

template <Scalar T>
StateDict to_pytorch(const Module<T>& net, const PyTorchOptions& options = {});
template <Scalar T>
void load_from_pytorch(Module<T>& net, const StateDict& state, const PyTorchOptions& options = {});

template <Scalar T>
StateDict to_keras(const Module<T>& net, const KerasOptions& options = {});
template <Scalar T>
void load_from_keras(Module<T>& net, const StateDict& state, const KerasOptions& options = {});

#define LAMINA_EXTERN(T)                                                                       \
  extern template StateDict to_pytorch(const Module<T>&, const PyTorchOptions&);               \
  extern template void load_from_pytorch(Module<T>&, const StateDict&, const PyTorchOptions&); \
  extern template StateDict to_keras(const Module<T>&, const KerasOptions&);                   \
  extern template void load_from_keras(Module<T>&, const StateDict&, const KerasOptions&);
LAMINA_EXTERN(float)
LAMINA_EXTERN(double)
#undef LAMINA_EXTERN

}  // namespace lamina
