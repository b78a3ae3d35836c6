// Saving a file so that at every moment, also after a power failure, either the former or the new
// one is there, whole:
//
//   temporary file in the same folder (created exclusively) -> reserve -> write -> fsync ->
//   close -> rename -> fsync of the folder
//
// Temporary names are ".<name>.tmp-<pid>-<random>-<number>". On any failure the temporary file is
// removed. Before writing, those are swept that were left for the same target: by killed processes
// of this machine, and where the file system refused to remove them.
//
// Nothing is written where the target is a folder, a device, a pipe or a socket, also behind a
// link; a link to a file is replaced itself.
//
// Errors: CheckpointError naming the target and the operation; whatever `write` throws.
// Thread-safety: any, also for one target: the last rename wins.
#pragma once

#include <functional>
#include <lamina/serialization/detail/file_error.hpp>
#include <lamina/serialization/file_system.hpp>
#include <span>
#include <vector>

namespace lamina::detail {

// Takes bytes and passes them on in large pieces. Failures are std::system_error.
class Sink {
 public:
  explicit Sink(WritableFile& file) : file_(file) {}

  // Before the first write: how many bytes will come.
  void reserve(std::uint64_t bytes) { file_.reserve(bytes); }
  void write(std::span<const std::byte> bytes);
  void flush();

 private:
  static constexpr std::size_t kCapacity = std::size_t{1} << 18;
  void pass_on(std::span<const std::byte> bytes);

  WritableFile& file_;
  std::vector<std::byte> waiting_;
};

void atomic_save(FileSystem& files, const FileTask& task, const std::function<void(Sink&)>& write);

// The same for a file of a series, which replaces nothing: it gets the first of next_name()'s names
// (files in `folder`) that nobody has, also where several processes write the series. Temporary
// files are named after the series. Returns the path.
std::string atomic_save_new(FileSystem& files, const FileTask& task, const std::string& folder,
                            const std::string& series, const std::function<void(Sink&)>& write,
                            const std::function<std::string()>& next_name);

// For files that are no longer needed: a failure is left for whoever tidies up next.
void remove_if_possible(FileSystem& files, const std::string& path) noexcept;

// The folder of a path ("." when it names none), and the name in it.
std::string folder_of(const std::string& path);
std::string name_of(const std::string& path);

}  // namespace lamina::detail
