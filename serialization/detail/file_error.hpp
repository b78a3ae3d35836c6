// How serialization says that a file is not what it must be:
//
//   [load_checkpoint] 'run/last.lamina' must be as long as its header says; got 512 bytes, expected
//   640
#pragma once

#include <lamina/autograd/tensor/error.hpp>
#include <string>
#include <system_error>

namespace lamina::detail {

// Who works on which file; made once per call and handed down.
struct FileTask {
  std::string who;   // "load_checkpoint"
  std::string path;  // as the user gave it

  [[noreturn]] void fail(const std::string& what_must_hold, const std::string& got) const {
    throw CheckpointError(who, "'" + path + "' must " + what_must_hold + "; got " + got);
  }
  // A file operation went wrong.
  [[noreturn]] void fail(const std::string& what_must_hold, const std::system_error& error) const {
    fail(what_must_hold, "'" + error.code().message() + "' from " + operation_of(error));
  }

 private:
  // what() reads "operation: message of the code".
  static std::string operation_of(const std::system_error& error) {
    const std::string text = error.what();
    return text.substr(0, text.rfind(": " + error.code().message()));
  }
};

// The file itself is missing, damaged or not of its format. Who has another one may take that.
class UnreadableFile : public CheckpointError {
  using CheckpointError::CheckpointError;
};

// Calls what only reads, and throws its CheckpointErrors as this one.
template <class Read>
auto reading(const Read& read) {
  try {
    return read();
  } catch (const CheckpointError& error) {
    throw UnreadableFile(error.who(), error.message());
  }
}

}  // namespace lamina::detail
