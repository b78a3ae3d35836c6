// standard_registry: every module type of lamina, by its name in files. Thread-safety: a value.
#pragma once

#include <lamina/nn/registry.hpp>

namespace lamina {

template <Scalar T>
Registry<T> standard_registry();

extern template Registry<float> standard_registry<float>();
extern template Registry<double> standard_registry<double>();

}  // namespace lamina
