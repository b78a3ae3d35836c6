// The parameters of a list, each once and in the order of its first mention: a tied parameter is
// updated once and counts once in a norm. Errors: ArgumentError for a null pointer.
#pragma once

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/optimizer.hpp>
#include <string>
#include <unordered_set>

namespace lamina::detail {

template <Scalar T>
ParameterList<T> distinct(const std::string& who, const ParameterList<T>& parameters) {
  ParameterList<T> result;
  std::unordered_set<const void*> seen;
  for (const auto& parameter : parameters) {
    if (!parameter) throw ArgumentError(who, "parameters must not be null; got a null pointer");
    if (seen.insert(parameter.get()).second) result.push_back(parameter);
  }
  return result;
}

}  // namespace lamina::detail
