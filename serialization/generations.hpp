// Generations: the last few checkpoints of a run in one folder, so that one bad file costs one
// interval and not the run.
//
//   save_generation("run", CheckpointParts<float>{net, &adam, &state}, {.keep = 3});
//   const LoadedGeneration loaded = load_latest("run", CheckpointParts<float>{net, &adam, &state});
//
// Files are named <prefix>-<number>.lamina with ten digits, numbers ascending. A save writes the
// next number, then removes the oldest beyond `keep`, and temporary files that a killed process
// left. Loading takes the newest file that is whole; those it had to skip are reported. A whole
// file of another architecture is not skipped: that is an error.
//
// Errors: CheckpointError (nothing to load, no file is whole, all that checkpoint.hpp names),
// ArgumentError (keep < 1, a prefix that is no file name). A folder that does not exist is made by
// saving. Thread-safety: as checkpoint.hpp. Several processes may save into one folder with one
// prefix: each file gets a number that no other has, and `keep` counts the files of all of them.
#pragma once

#include <lamina/serialization/checkpoint.hpp>
#include <string>
#include <vector>

namespace lamina {

struct GenerationOptions {
  int keep = 3;
  std::string prefix = "checkpoint";
  FileSystem* file_system = nullptr;  // null: posix_file_system()
};

struct LoadedGeneration {
  std::string path;
  std::vector<std::string> skipped;  // for each newer file that was not whole, what was wrong
};

// Returns the path of the new file.
template <Scalar T>
std::string save_generation(const std::string& folder, const CheckpointParts<T>& parts,
                            const GenerationOptions& options = {});
template <Scalar T>
LoadedGeneration load_latest(const std::string& folder, const CheckpointParts<T>& parts,
                             const GenerationOptions& options = {});

// Paths of the generations in the folder, oldest first; empty when there are none.
std::vector<std::string> list_generations(const std::string& folder,
                                          const GenerationOptions& options = {});

#define LAMINA_EXTERN(T)                                                                      \
  extern template std::string save_generation(const std::string&, const CheckpointParts<T>&,  \
                                              const GenerationOptions&);                      \
  extern template LoadedGeneration load_latest(const std::string&, const CheckpointParts<T>&, \
                                               const GenerationOptions&);
LAMINA_EXTERN(float)
LAMINA_EXTERN(double)
#undef LAMINA_EXTERN

}  // namespace lamina
