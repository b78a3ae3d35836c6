// How the options of layers over images go through an OptionVisitor, and are checked.
#pragma once

#include <lamina/autograd/ops/spatial.hpp>
#include <lamina/nn/options.hpp>
#include <optional>

namespace lamina {

void visit_layout(OptionVisitor& visitor, Layout& layout);
// As text: "valid", "same", or "((top, bottom), (left, right))". ArgumentError for any other.
void visit_padding(OptionVisitor& visitor, Padding& padding);
// As a list: two numbers, or none where nothing was given. ArgumentError for another length.
void visit_strides(OptionVisitor& visitor, std::optional<Extents2>& strides);

// Both at least 1, else ArgumentError: "[conv2d] strides must be at least 1; got (2, 0)".
void require_positive(const char* who, const char* what, const Extents2& extents);
// No explicit padding below 0, else ArgumentError.
void require_padding(const char* who, const Padding& padding);

// ShapeError unless the input has four axes: "[conv2d] the input must have 4 axes (batch, height,
// width, channels); got input (3, 4)".
void require_image(const char* who, const Shape& input, Layout layout);
inline int channel_axis(Layout layout) { return layout == Layout::channels_last ? 3 : 1; }

}  // namespace lamina
