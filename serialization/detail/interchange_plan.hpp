// How the state of a network is called and laid out in another framework: one entry per value, in
// the order of visit() (interchange.hpp has the tables).
//
// Errors: as interchange.hpp, in the words of the task. Thread-safety: any.
#pragma once

#include <lamina/nn/module.hpp>
#include <lamina/serialization/detail/file_error.hpp>
#include <lamina/serialization/detail/interchange_layout.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lamina::detail {

enum class Framework { pytorch, keras };

struct InterchangeOptions {
  Framework framework = Framework::pytorch;
  const std::map<std::string, std::string>& rename;
  const std::map<std::string, std::int64_t>& flattened_channels;
  std::optional<double> epsilon;
  std::string prefix;
};

struct InterchangeEntry {
  std::string path;   // in lamina
  std::string other;  // there; empty: the other framework has no such value
  KernelLayout layout = KernelLayout::same;
  std::int64_t channels = 1;
  bool update_count = false;
};

template <Scalar T>
std::vector<InterchangeEntry> plan_interchange(Module<T>& net, const InterchangeOptions& options,
                                               const FileTask& task);

extern template std::vector<InterchangeEntry> plan_interchange(Module<float>&,
                                                               const InterchangeOptions&,
                                                               const FileTask&);
extern template std::vector<InterchangeEntry> plan_interchange(Module<double>&,
                                                               const InterchangeOptions&,
                                                               const FileTask&);

}  // namespace lamina::detail
