// Model files: a network with its architecture, to be used by a program that does not contain its
// code.
//
//   save_model("model.lamina", net);
//   ModulePointer<float> model = load_model<float>("model.lamina", standard_registry<float>());
//   Tensor<float> logits = (*model)(images, Context<float>::for_inference()).value();
//
// The architecture is the tree of type names, options and names of Sequential's children. A type
// other than Sequential is made by its factory in the registry, from its options, with the checks
// of a user's call; what is below it, its constructor makes. Then every value is loaded strictly,
// as by load_checkpoint. The result is built and named: const calls work, also from many threads.
//
// A file carries no code: saving refuses options that hold a closure or a user's own initializer,
// regularizer or constraint, naming path and option (save_checkpoint works always).
//
// Errors: CheckpointError, with the file's name (a type that is not registered, options that a
// factory refuses, all that checkpoint.hpp names); StateError when a network that was never built
// is saved. Thread-safety: as checkpoint.hpp.
#pragma once

#include <lamina/nn/registry.hpp>
#include <lamina/serialization/file_system.hpp>
#include <map>
#include <string>

namespace lamina {

struct SaveModelOptions {
  // Texts to be saved besides, and read by CheckpointFile::metadata().
  std::map<std::string, std::string> metadata = {};
};

template <Scalar T>
void save_model(const std::string& path, const Module<T>& net, const SaveModelOptions& options,
                FileSystem& files = posix_file_system());
template <Scalar T>
void save_model(const std::string& path, const Module<T>& net,
                FileSystem& files = posix_file_system()) {
  save_model(path, net, SaveModelOptions{}, files);
}

template <Scalar T>
ModulePointer<T> load_model(const std::string& path, const Registry<T>& registry,
                            FileSystem& files = posix_file_system());

#define LAMINA_EXTERN(T)                                                                         \
  extern template void save_model(const std::string&, const Module<T>&, const SaveModelOptions&, \
                                  FileSystem&);                                                  \
  extern template ModulePointer<T> load_model(const std::string&, const Registry<T>&, FileSystem&);
LAMINA_EXTERN(float)
LAMINA_EXTERN(double)
#undef LAMINA_EXTERN

}  // namespace lamina
