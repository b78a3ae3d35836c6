// Checkpoints: everything a run needs to go on, in one file that is whole or not there.
//
//   save_checkpoint("run/last.lamina", net, adam, state);
//   load_checkpoint("run/last.lamina", net, adam, state);   // the same bits
//
// The file is docs/checkpoint_format.md's container: checked before it is believed, checksummed,
// never half written (see detail/atomic_save.hpp). It holds parameters, buffers, counters, the
// optimizer's options, counters and slots by parameter path, and what the training state visits; no
// time, host or process: equal states give equal files, whatever the thread count.
//
// Loading is strict: names, shapes and element types must agree, and all differences are listed in
// one error. A network that was never called takes its shapes from the file and counts as built.
// What the file holds beyond what is asked for (an optimizer's state when only a network is given)
// is not read; CheckpointFile::verify() checks all of it.
//
// Errors: CheckpointError, naming the file, what must hold and what was found; StateError when a
// network that was never built is saved; ArgumentError for a key of metadata that is no name. After
// any error of a load the network, the optimizer and the training state are as before; after any
// error of a save the former file is whole.
// Thread-safety: nobody may write the network, the optimizer or the state meanwhile.
#pragma once

#include <lamina/nn/module.hpp>
#include <lamina/nn/optimizer.hpp>
#include <lamina/serialization/file_system.hpp>
#include <lamina/serialization/training_state.hpp>
#include <map>
#include <string>

namespace lamina {

// What one checkpoint is about; null: not asked for.
template <Scalar T>
struct CheckpointParts {
  Module<T>& net;
  Optimizer<T>* optimizer = nullptr;
  TrainingState<T>* state = nullptr;
  // Texts to be saved besides, and read by CheckpointFile::metadata(); loading leaves them alone.
  std::map<std::string, std::string> metadata = {};
};

template <Scalar T>
void save_checkpoint(const std::string& path, const CheckpointParts<T>& parts,
                     FileSystem& files = posix_file_system());
template <Scalar T>
void load_checkpoint(const std::string& path, const CheckpointParts<T>& parts,
                     FileSystem& files = posix_file_system());

template <Scalar T>
void save_checkpoint(const std::string& path, const Module<T>& net) {
  save_checkpoint(path, CheckpointParts<T>{const_cast<Module<T>&>(net)});  // only read
}
template <Scalar T>
void save_checkpoint(const std::string& path, Module<T>& net, Optimizer<T>& optimizer) {
  save_checkpoint(path, CheckpointParts<T>{net, &optimizer});
}
template <Scalar T>
void save_checkpoint(const std::string& path, Module<T>& net, Optimizer<T>& optimizer,
                     TrainingState<T>& state) {
  save_checkpoint(path, CheckpointParts<T>{net, &optimizer, &state});
}

template <Scalar T>
void load_checkpoint(const std::string& path, Module<T>& net) {
  load_checkpoint(path, CheckpointParts<T>{net});
}
template <Scalar T>
void load_checkpoint(const std::string& path, Module<T>& net, Optimizer<T>& optimizer) {
  load_checkpoint(path, CheckpointParts<T>{net, &optimizer});
}
template <Scalar T>
void load_checkpoint(const std::string& path, Module<T>& net, Optimizer<T>& optimizer,
                     TrainingState<T>& state) {
  load_checkpoint(path, CheckpointParts<T>{net, &optimizer, &state});
}

#define LAMINA_EXTERN(T)                                                              \
  extern template void save_checkpoint(const std::string&, const CheckpointParts<T>&, \
                                       FileSystem&);                                  \
  extern template void load_checkpoint(const std::string&, const CheckpointParts<T>&, FileSystem&);
LAMINA_EXTERN(float)
LAMINA_EXTERN(double)
#undef LAMINA_EXTERN

}  // namespace lamina
