// PGM, the simplest format of grey images (Netpbm): P5 (binary) and P2 (text), up to 8 bits per
// pixel.
//
// An image is a uint8 tensor (height, width), 0 black to 255 white; a file with a smaller largest
// value is spread to that range (value * 255 / largest, rounded).
// Errors: DataError naming the file: not readable, cut short, another format, extents or a largest
// value out of range, pixels above it, bytes behind the last pixel.
// Thread-safety: the functions may be called from several threads.
// Source: https://netpbm.sourceforge.net/doc/pgm.html
#pragma once

#include <lamina/autograd/tensor/tensor.hpp>
#include <string>

namespace lamina::data {

Tensor<std::uint8_t> read_pgm(const std::string& path);

// P5. ShapeError unless the image is (height, width).
void write_pgm(const std::string& path, const Tensor<std::uint8_t>& image);

}  // namespace lamina::data
