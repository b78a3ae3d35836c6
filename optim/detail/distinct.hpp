// The parameters of a list, each once and in the order of its first mention: a tied parameter is
// updated once and counts once in a norm. Null pointers are kept for the caller to refuse.
#pragma once

#include <lamina/nn/optimizer.hpp>
#include <unordered_set>

namespace lamina::detail {

template <Scalar T>
ParameterList<T> distinct(const ParameterList<T>& parameters) {
  ParameterList<T> result;
  std::unordered_set<const void*> seen;
  for (const auto& parameter : parameters) {
    if (seen.insert(parameter.get()).second) result.push_back(parameter);
  }
  return result;
}

}  // namespace lamina::detail
