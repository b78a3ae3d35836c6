// The commands of lamina-checkpoint. Each prints to standard output and returns the exit code: 0,
// or 1 where it found what it looks for (a difference, a damaged file). What makes a command
// impossible is an exception, which main() turns into one line and the exit code 2.
#pragma once

#include <string>
#include <vector>

namespace lamina::tool {

struct InspectOptions {
  std::vector<std::string> files;
  std::string only = "*";  // glob on names
  bool json = false;
};
int inspect(const InspectOptions& options);

struct VerifyOptions {
  std::vector<std::string> files;
  bool json = false;
};
int verify(const VerifyOptions& options);

struct DiffOptions {
  std::string first, second;
  double tolerance = 0;  // absolute
  bool json = false;
};
int diff(const DiffOptions& options);

struct ConvertOptions {
  std::string from, to;
  std::string below;  // only names with this prefix, without it
  bool compress = false;
  bool json = false;
};
int convert(const ConvertOptions& options);

}  // namespace lamina::tool
