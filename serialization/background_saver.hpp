// BackgroundSaver: writes checkpoints beside the training. A call takes the state and returns; one
// thread writes it.
//
//   BackgroundSaver saver;
//   saver.save_generation("run", CheckpointParts<float>{net, &adam, &state}, {.keep = 3});
//   ...                                     // training goes on
//   saver.wait();                           // written, or the error
//
// Taking the state copies no tensor: tensors are copy-on-write, and what the training writes while
// the file is not finished gets new memory. So there is at most one more copy of the state: a call
// waits for the save before it. The file has the same bytes as one saved in the foreground at the
// moment of the call.
//
// Errors: what can be known at once (options, a network never built) is thrown by the call; what
// goes wrong in writing by the next call, which then saves nothing, or by wait(). The destructor
// waits too, but has nobody to tell: call wait() at the end. A file system that is given must
// outlive the save.
// Thread-safety: one thread at a time.
#pragma once

#include <functional>
#include <lamina/serialization/checkpoint.hpp>
#include <lamina/serialization/generations.hpp>
#include <memory>
#include <string>

namespace lamina {

class BackgroundSaver {
 public:
  BackgroundSaver();
  BackgroundSaver(const BackgroundSaver&) = delete;
  BackgroundSaver& operator=(const BackgroundSaver&) = delete;
  ~BackgroundSaver();

  template <Scalar T>
  void save_checkpoint(const std::string& path, const CheckpointParts<T>& parts,
                       FileSystem& files = posix_file_system());
  template <Scalar T>
  void save_generation(const std::string& folder, const CheckpointParts<T>& parts,
                       const GenerationOptions& options = {});

  // Until everything is written; throws what went wrong since the last call.
  void wait();
  // Whether a save is under way.
  bool busy() const noexcept;

 private:
  struct Writer;

  void start(std::function<void()> write);

  std::unique_ptr<Writer> writer_;
};

#define LAMINA_EXTERN(T)                                                                         \
  extern template void BackgroundSaver::save_checkpoint(const std::string&,                      \
                                                        const CheckpointParts<T>&, FileSystem&); \
  extern template void BackgroundSaver::save_generation(                                         \
      const std::string&, const CheckpointParts<T>&, const GenerationOptions&);
LAMINA_EXTERN(float)
LAMINA_EXTERN(double)
#undef LAMINA_EXTERN

}  // namespace lamina
