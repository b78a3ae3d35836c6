// The layers without parameters, registered: a part of standard_registry() that compiles by itself.
#pragma once

#include <lamina/nn/registry.hpp>

namespace lamina::detail {

template <Scalar T>
void register_plain_layers(Registry<T>& registry);

}  // namespace lamina::detail
