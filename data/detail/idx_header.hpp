// The bytes before the elements of an IDX file of unsigned bytes. Internal.
#pragma once

#include <cstdint>
#include <lamina/autograd/tensor/shape.hpp>
#include <vector>

namespace lamina::data::detail {

std::vector<std::uint8_t> idx_header(const Shape& shape);

}  // namespace lamina::data::detail
