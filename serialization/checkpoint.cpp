#include <lamina/serialization/checkpoint.hpp>
#include <lamina/serialization/detail/checkpoint_content.hpp>

namespace lamina {

template <Scalar T>
void save_checkpoint(const std::string& path, const CheckpointParts<T>& parts, FileSystem& files) {
  const detail::FileTask task{.who = "save_checkpoint", .path = path};
  const StateDict state = detail::snapshot_of(parts, task);
  detail::atomic_save(files, task,
                      [&](detail::Sink& sink) { detail::write_container(sink, state, {}); });
}

template <Scalar T>
void load_checkpoint(const std::string& path, const CheckpointParts<T>& parts, FileSystem& files) {
  const detail::FileTask task{.who = "load_checkpoint", .path = path};
  detail::load_content(files, task, parts);
}

template void save_checkpoint(const std::string&, const CheckpointParts<float>&, FileSystem&);
template void save_checkpoint(const std::string&, const CheckpointParts<double>&, FileSystem&);
template void load_checkpoint(const std::string&, const CheckpointParts<float>&, FileSystem&);
template void load_checkpoint(const std::string&, const CheckpointParts<double>&, FileSystem&);

}  // namespace lamina
