// MNIST and its look-alike Fashion-MNIST: 60,000 training and 10,000 test images of 28 x 28 pixels,
// ten classes.
//
//   const auto folder = data::find_mnist();
//   if (folder) auto [train, test] = data::mnist(*folder);
//
// A folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
// t10k-labels-idx1-ubyte, each plain or with .gz. Images are uint8 (N, 28, 28, 1), labels 0 to 9.
//
// Errors: DataError for missing files (all of them are listed), for malformed ones (data/idx.hpp),
// for files that hold other numbers of images, labels above 9, or other bytes than the original:
// the MD5 sums of the unpacked files are compared for MNIST. Thread-safety: the functions may be
// called from several threads.
#pragma once

#include <lamina/data/dataset.hpp>
#include <optional>
#include <string>

namespace lamina::data {

struct TrainAndTest {
  Dataset train;
  Dataset test;
};

TrainAndTest mnist(const std::string& folder);

// Debian's package dataset-fashion-mnist puts it where the default looks.
TrainAndTest fashion_mnist(const std::string& folder = "/usr/share/datasets/fashion-mnist");

// The folder that is given, which must hold the four files (DataError otherwise); else
// $XDG_CACHE_HOME/lamina, by default ~/.cache/lamina, where they are there; else nothing. Contents
// are not read.
std::optional<std::string> find_mnist(const std::optional<std::string>& folder = std::nullopt);

}  // namespace lamina::data
