// What a folder of four IDX files must hold. Internal; apart from mnist.hpp so that tests can read
// small sets of their own.
#pragma once

#include <array>
#include <cstdint>
#include <lamina/data/mnist.hpp>
#include <string>

namespace lamina::data::detail {

struct ImageFiles {
  const char* who;
  std::int64_t train_examples, test_examples;
  std::int64_t height, width, classes;
  // Of the unpacked files, in the order train images, train labels, test images, test labels; empty
  // where any bytes of the right shape will do.
  std::array<std::string, 4> md5;
};

TrainAndTest read_image_files(const std::string& folder, const ImageFiles& files);

// Lower-case hexadecimal MD5 of the IDX file that holds the tensor.
std::string md5_of_idx(const Tensor<std::uint8_t>& tensor);

}  // namespace lamina::data::detail
