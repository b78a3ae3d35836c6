// What stands in a checkpoint file under which names, and how it gets from and into the parts of a
// run:
//
//   model/<path>           parameters, buffers, counters
//   optimizer/<name>       what the optimizer visits; "optimizer_type": its type
//   state/<name>           what the training state visits
//   metadata/<key>         texts of the program that saved
//
// Thread-safety: as checkpoint.hpp.
#pragma once

#include <lamina/serialization/checkpoint.hpp>
#include <lamina/serialization/detail/container.hpp>

namespace lamina::detail {

inline constexpr std::string_view kModelPrefix = "model/";
inline constexpr std::string_view kMetadataPrefix = "metadata/";

// ArgumentError naming a key that cannot be a name.
void add_metadata(StateDict& state, const std::map<std::string, std::string>& metadata,
                  const FileTask& task);

template <Scalar T>
void save_parts(FileSystem& files, const FileTask& task, const CheckpointParts<T>& parts);

// A file's content in memory, whole and undamaged, of those parts that are asked for.
template <Scalar T>
class LoadedContent {
 public:
  // CheckpointError when the file is missing or not what it should be.
  LoadedContent(FileSystem& files, const FileTask& task, const CheckpointParts<T>& parts);

  // Writes all parts, or throws and leaves them as they were.
  void commit(const CheckpointParts<T>& parts) const;

 private:
  FileTask task_;
  StateDict model_, optimizer_, state_;
  std::string optimizer_type_;  // empty: none in the file
};

extern template void save_parts(FileSystem&, const FileTask&, const CheckpointParts<float>&);
extern template void save_parts(FileSystem&, const FileTask&, const CheckpointParts<double>&);
extern template class LoadedContent<float>;
extern template class LoadedContent<double>;

}  // namespace lamina::detail
