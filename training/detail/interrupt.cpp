#include <atomic>
#include <csignal>
#include <lamina/training/detail/interrupt.hpp>
#include <mutex>

namespace lamina::detail {

namespace {

std::atomic<int> signals{0};
static_assert(std::atomic<int>::is_always_lock_free);  // else not allowed in a handler

std::mutex mutex;
int living = 0;
bool installed = false;
struct sigaction former;

void remember(int) { signals.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

Interrupt::Interrupt(bool wanted) : wanted_(wanted), before_(signals.load()) {
  if (!wanted_) return;
  const std::lock_guard lock(mutex);
  if (living++ > 0) return;
  sigaction(SIGINT, nullptr, &former);
  if (former.sa_handler == SIG_IGN) return;
  struct sigaction ours {};
  ours.sa_handler = remember;
  ours.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  sigemptyset(&ours.sa_mask);
  installed = sigaction(SIGINT, &ours, nullptr) == 0;
}

Interrupt::~Interrupt() {
  if (!wanted_) return;
  const std::lock_guard lock(mutex);
  if (--living > 0 || !installed) return;
  sigaction(SIGINT, &former, nullptr);
  installed = false;
}

bool Interrupt::received() const noexcept {
  return wanted_ && signals.load(std::memory_order_relaxed) != before_;
}

}  // namespace lamina::detail
