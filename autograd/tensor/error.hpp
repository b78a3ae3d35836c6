// The error family of lamina. Every public failure is one of these types, and its text reads
//
//   [who] what must hold; got ..., expected ...
//
// `who` is the op or layer that noticed ("matmul", "batch_normalization"). While the exception
// leaves a tree of modules it learns the dotted path of the innermost one: a layer's own error then
// reads "[encoder.block1.bn] ...", an op's error inside a layer reads "[encoder.block1.fc: matmul]
// ...".
// Thread-safety: as std::exception, an object belongs to the thread that handles it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace lamina {

class Error : public std::runtime_error {
 public:
  Error(std::string who, std::string message);

  const char* what() const noexcept override { return text_.c_str(); }

  const std::string& who() const noexcept { return who_; }
  const std::string& path() const noexcept { return path_; }
  const std::string& message() const noexcept { return message_; }

  // Names the module in which the error arose; `type` is that module's own name for itself. Only
  // the first call counts: the innermost module is the one the reader wants to know.
  void enter(std::string_view path, std::string_view type);

 private:
  std::string who_;
  std::string message_;
  std::string path_;
  std::string text_;
  bool entered_ = false;
};

// A tensor, gradient or parameter has the wrong rank or extent.
class ShapeError : public Error {
  using Error::Error;
};

// An option or argument lies outside its range.
class ArgumentError : public Error {
  using Error::Error;
};

// An operation was called at a moment when it cannot work: a consumed tape, a module never built.
class StateError : public Error {
  using Error::Error;
};

// A data set or file of data is missing, truncated or malformed.
class DataError : public Error {
  using Error::Error;
};

// A checkpoint or model file cannot be written, or is not what it should be.
class CheckpointError : public Error {
  using Error::Error;
};

// A computation produced NaN or infinity where that was forbidden.
class NumericError : public Error {
  using Error::Error;
};

}  // namespace lamina
