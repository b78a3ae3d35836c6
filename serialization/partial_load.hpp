// Loading a part of a checkpoint into a network: other names, other element type, a part of the
// tree, or whatever fits.
//
//   load_checkpoint("pretrained.lamina", net, {.only = "encoder*"});
//   const LoadReport report = load_checkpoint("pretrained.lamina", net,
//       {.strict = false, .rename = {{"backbone", "encoder"}}, .convert_dtype = true});
//   for (const std::string& path : report.missing) ...      // kept its value
//
// Only the tensors that are loaded are read from the file. As in PyTorch, strict = false forgives
// names that are missing or unexpected, and not a tensor of another shape or type: a mistake is
// likelier than an intention. Every difference that is not forgiven is listed in one error.
//
// Errors: CheckpointError, as checkpoint.hpp; two names that are renamed to one. After any error
// the network is as before. Thread-safety: nobody may use the network meanwhile.
#pragma once

#include <functional>
#include <initializer_list>
#include <lamina/nn/module.hpp>
#include <lamina/serialization/file_system.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace lamina {

// How paths of a file become paths of the network.
class Renaming {
 public:
  Renaming() = default;
  // {from, to}: the path `from` and all below it ("from.kernel" becomes "to.kernel"); the first
  // that applies counts. An empty `from` puts everything below `to`; an empty `to` takes `from`
  // away.
  Renaming(std::initializer_list<std::pair<std::string, std::string>> pairs);
  template <class Function>
    requires std::is_invocable_r_v<std::string, Function, const std::string&>
  Renaming(Function function) : function_(std::move(function)) {}  // NOLINT: implicit by intent

  std::string operator()(const std::string& path) const {
    return function_ ? function_(path) : path;
  }

 private:
  std::function<std::string(const std::string&)> function_;
};

struct LoadOptions {
  bool strict = true;             // missing and unexpected names are errors
  Renaming rename = {};           // from the file's paths to the network's
  std::string only = {};          // a glob on the network's paths; empty: all of them
  bool convert_dtype = false;     // float64 into float32, and back, rounding
  bool skip_other_shape = false;  // leave such values as they are, instead of an error
};

struct LoadReport {
  struct OtherShape {
    std::string path;
    Shape in_file, in_network;
  };
  // Paths of the network, in its order; each of its values that `only` selects is in exactly one of
  // the first three lists.
  std::vector<std::string> loaded;
  std::vector<std::string> missing;
  std::vector<OtherShape> other_shape;
  std::vector<std::string> unexpected;                       // after renaming
  std::vector<std::string> converted;                        // of those loaded
  std::vector<std::pair<std::string, std::string>> renamed;  // of those loaded: in the file, here
};

template <Scalar T>
LoadReport load_checkpoint(const std::string& path, Module<T>& net, const LoadOptions& options,
                           FileSystem& files = posix_file_system());

extern template LoadReport load_checkpoint(const std::string&, Module<float>&, const LoadOptions&,
                                           FileSystem&);
extern template LoadReport load_checkpoint(const std::string&, Module<double>&, const LoadOptions&,
                                           FileSystem&);

}  // namespace lamina
