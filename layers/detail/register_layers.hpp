// The parts of standard_registry(), each of which compiles by itself.
#pragma once

#include <lamina/nn/registry.hpp>

namespace lamina::detail {

template <Scalar T>
void register_activations(Registry<T>& registry);

template <Scalar T>
void register_normalizations(Registry<T>& registry);

// The other layers without parameters.
template <Scalar T>
void register_plain_layers(Registry<T>& registry);

}  // namespace lamina::detail
