#include <lamina/serialization/background_saver.hpp>
#include <lamina/serialization/detail/checkpoint_content.hpp>
#include <lamina/serialization/detail/generation_writing.hpp>
#include <memory>
#include <utility>

namespace lamina {

BackgroundSaver::~BackgroundSaver() {
  if (writer_.joinable()) writer_.join();
}

void BackgroundSaver::wait() {
  if (writer_.joinable()) writer_.join();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void BackgroundSaver::start(std::function<void()> write) {
  busy_.store(true, std::memory_order_release);
  try {
    writer_ = std::thread([this, write = std::move(write)]() mutable {
      try {
        write();
      } catch (...) {
        failure_ = std::current_exception();
      }
      write = nullptr;  // from here on the training need not copy what it writes
      busy_.store(false, std::memory_order_release);
    });
  } catch (...) {  // no thread to be had
    busy_.store(false, std::memory_order_release);
    throw;
  }
}

template <Scalar T>
void BackgroundSaver::save_checkpoint(const std::string& path, const CheckpointParts<T>& parts,
                                      FileSystem& files) {
  wait();
  const detail::FileTask task{.who = "save_checkpoint", .path = path};
  const auto state = std::make_shared<const StateDict>(detail::snapshot_of(parts, task));
  start([&files, task, state] {
    detail::atomic_save(files, task,
                        [&](detail::Sink& sink) { detail::write_container(sink, *state, {}); });
  });
}

template <Scalar T>
void BackgroundSaver::save_generation(const std::string& folder, const CheckpointParts<T>& parts,
                                      const GenerationOptions& options) {
  wait();
  const auto state =
      std::make_shared<const StateDict>(detail::snapshot_of_generation(folder, parts, options));
  start([folder, state, options] { detail::write_generation(folder, *state, options); });
}

#define LAMINA_INSTANTIATE(T)                                                                   \
  template void BackgroundSaver::save_checkpoint(const std::string&, const CheckpointParts<T>&, \
                                                 FileSystem&);                                  \
  template void BackgroundSaver::save_generation(const std::string&, const CheckpointParts<T>&, \
                                                 const GenerationOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
