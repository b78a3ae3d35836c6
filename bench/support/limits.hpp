// The least time that the machine needs for a work, whoever programs it: counted in cases of
// machine.cpp, which are measured in the same run.
//
//   {{"machine/fma", 0.9}}                     0.9 GFLOP at the fastest measured multiply-add
//   {{"machine/copy/51380224", 1}}             one tensor of 51380224 bytes read, one written
//
// A name stands for the fastest of the cases that begin with it (instruction sets, kinds of store).
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace bench {

using Limit = std::map<std::string, double>;

inline Limit flops(double count) { return {{"machine/fma", 1e-9 * count}}; }

// Passes over tensors of the same size: one is read; one is read and one written; two are read and
// one written.
struct Passes {
  double read = 0, copy = 0, sum = 0;
};

inline std::string pass_name(const char* pass, std::int64_t elements) {
  return std::string("machine/") + pass + "/" + std::to_string(4 * elements);
}

inline Limit passes(std::int64_t elements, Passes p) {
  Limit limit;
  if (p.read > 0) limit[pass_name("read", elements)] = p.read;
  if (p.copy > 0) limit[pass_name("copy", elements)] = p.copy;
  if (p.sum > 0) limit[pass_name("sum", elements)] = p.sum;
  return limit;
}

// Batch normalization. With channels first a channel's values fit into a cache and are fetched
// once; with channels last (and in matrices) the statistics have seen everything before the first
// result.
inline Passes normalization_forward(bool channels_last) {
  return {.read = channels_last ? 1.0 : 0.0, .copy = 1};
}
inline Passes normalization_backward(bool channels_last) {
  return {.read = channels_last ? 2.0 : 0.0, .sum = 1};
}
inline Passes normalization_step(bool channels_last) {
  return {.read = channels_last ? 3.0 : 0.0, .copy = 1, .sum = 1};
}

}  // namespace bench
