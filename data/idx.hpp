// IDX, the file format of MNIST: arrays of unsigned bytes, plain or packed by gzip.
//
//   bytes 0, 1: zero    byte 2: element type (0x08, unsigned byte, is the only one read)
//   byte 3: rank        then one big-endian 32-bit extent per axis, then the elements, row-major
//
// Errors: DataError naming the file for everything that is wrong with it: missing, cut short,
// another magic or element type, a rank outside [1, 8], more or fewer elements than the header
// promises, a damaged gzip stream. No memory is taken for what a header promises and the file
// does not hold: a packed file is unpacked twice, the first time only to count.
// Thread-safety: the functions may be called from several threads.
// Source: http://yann.lecun.com/exdb/mnist (the section "file formats").
#pragma once

#include <lamina/autograd/tensor/tensor.hpp>
#include <lamina/data/dataset.hpp>
#include <string>

namespace lamina::data {

Tensor<std::uint8_t> read_idx(const std::string& path);

// Plain, never packed. ArgumentError for rank 0 or an extent that 32 bits do not hold.
void write_idx(const std::string& path, const Tensor<std::uint8_t>& tensor);

// A data set of two files: images (N, height, width), which become (N, height, width, 1), and
// labels (N). DataError when the ranks or the numbers of examples are not these.
Dataset idx_dataset(const std::string& images, const std::string& labels);

}  // namespace lamina::data
