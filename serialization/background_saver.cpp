#include <atomic>
#include <exception>
#include <lamina/serialization/background_saver.hpp>
#include <lamina/serialization/detail/checkpoint_content.hpp>
#include <lamina/serialization/detail/generation_writing.hpp>
#include <memory>
#include <thread>
#include <utility>

namespace lamina {

struct BackgroundSaver::Writer {
  ~Writer() { join(); }

  void join() {
    if (thread.joinable()) thread.join();
  }

  std::thread thread;
  std::exception_ptr failure;  // read after the thread was joined
  std::atomic<bool> busy{false};
};

BackgroundSaver::BackgroundSaver() : writer_(std::make_unique<Writer>()) {}
BackgroundSaver::~BackgroundSaver() = default;

void BackgroundSaver::wait() {
  writer_->join();
  if (writer_->failure) std::rethrow_exception(std::exchange(writer_->failure, nullptr));
}

bool BackgroundSaver::busy() const noexcept {
  return writer_->busy.load(std::memory_order_acquire);
}

void BackgroundSaver::start(std::function<void()> write) {
  Writer& writer = *writer_;
  writer.busy.store(true, std::memory_order_release);
  try {
    writer.thread = std::thread([&writer, write = std::move(write)]() mutable {
      try {
        write();
      } catch (...) {
        writer.failure = std::current_exception();
      }
      write = nullptr;  // from here on the training need not copy what it writes
      writer.busy.store(false, std::memory_order_release);
    });
  } catch (...) {  // no thread to be had
    writer.busy.store(false, std::memory_order_release);
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
