// Layers that the one before them can compute in its own pass (Module::absorbs): these exact
// classes, without what their options add.
#pragma once

#include <lamina/layers/activations.hpp>
#include <lamina/layers/pooling.hpp>
#include <typeinfo>

namespace lamina::detail {

// The module as a Layer, not as a class derived from it, whose forward may be another.
template <class Layer, Scalar T>
const Layer* exactly(const Module<T>& module) {
  return typeid(module) == typeid(Layer) ? &dynamic_cast<const Layer&>(module) : nullptr;
}

template <Scalar T>
bool is_plain_relu(const Module<T>& module) {
  const auto* relu = exactly<ReLU<T>>(module);
  return relu && !relu->options().max_value && relu->options().negative_slope == 0 &&
         relu->options().threshold == 0;
}

// The maximum of windows of 2 x 2 side by side, over images that lie so.
template <Scalar T>
bool is_plain_pooling(const Module<T>& module, Layout layout) {
  constexpr Extents2 kWindow = {2, 2};
  const auto* pooling = exactly<MaxPool2D<T>>(module);
  return pooling && pooling->options().pool == kWindow &&
         pooling->options().strides.value_or(kWindow) == kWindow &&
         pooling->options().padding == Padding::valid && pooling->options().layout == layout;
}

}  // namespace lamina::detail
