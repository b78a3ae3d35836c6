// PrintedWarnings: writes every warning once, however often it is given.
//
//   PrintedWarnings warnings;                      // to standard error
//   auto ctx = Context<float>::for_inference();
//   ctx.warn = &warnings;
//
//   warning: [block1.bn] normalizing by moving statistics that no training has updated
//
// Two warnings are the same when path and message are. Thread-safety: warn() may be called from
// several threads.
#pragma once

#include <cstdio>
#include <lamina/nn/context.hpp>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace lamina {

class PrintedWarnings : public Warnings {
 public:
  // `output`: null: standard error. It must outlive the object.
  explicit PrintedWarnings(std::FILE* output = nullptr) : output_(output) {}

  void warn(std::string_view path, std::string_view message) override;

 private:
  std::FILE* output_;
  std::mutex mutex_;
  std::set<std::pair<std::string, std::string>> given_;
};

}  // namespace lamina
