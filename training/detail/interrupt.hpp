// Interrupt: while one lives, Ctrl-C (SIGINT) is remembered instead of ending the process.
//
// A second Ctrl-C finds the system's default and ends the process at once. The former handler
// returns with the destructor. A process that ignores SIGINT (under nohup, say) goes on ignoring
// it. Of several that live at once, the first owns the signal; all see it. Thread-safety: may live
// on several threads.
#pragma once

namespace lamina::detail {

class Interrupt {
 public:
  explicit Interrupt(bool wanted = true);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Whether Ctrl-C was pressed since this one was made.
  bool received() const noexcept;

 private:
  bool wanted_;
  int before_ = 0;
};

}  // namespace lamina::detail
