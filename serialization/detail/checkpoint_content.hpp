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

// What a file of these parts shall hold; the tensors are shared, not copied.
template <Scalar T>
StateDict snapshot_of(const CheckpointParts<T>& parts, const FileTask& task);

// Reads and writes all parts that are asked for, or throws and leaves them as they were. Takes the
// memory of the manifest and of the tensors that the parts have. UnreadableFile when the file is
// missing, or not what it should be; another CheckpointError when it fits other parts.
template <Scalar T>
void load_content(FileSystem& files, const FileTask& task, const CheckpointParts<T>& parts);

extern template StateDict snapshot_of(const CheckpointParts<float>&, const FileTask&);
extern template StateDict snapshot_of(const CheckpointParts<double>&, const FileTask&);
extern template void load_content(FileSystem&, const FileTask&, const CheckpointParts<float>&);
extern template void load_content(FileSystem&, const FileTask&, const CheckpointParts<double>&);

}  // namespace lamina::detail
