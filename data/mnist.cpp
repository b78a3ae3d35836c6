#include <algorithm>
#include <boost/uuid/detail/md5.hpp>
#include <cstdlib>
#include <filesystem>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/detail/idx_header.hpp>
#include <lamina/data/detail/image_files.hpp>
#include <lamina/data/idx.hpp>
#include <lamina/data/mnist.hpp>
#include <system_error>

namespace lamina::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 4> kNames{"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                            "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

// The plain file or the packed one; nothing where there is neither.
std::optional<fs::path> file_in(const fs::path& folder, const char* name) {
  for (const char* ending : {"", ".gz"}) {
    const fs::path path = folder / (std::string(name) + ending);
    std::error_code error;
    if (fs::exists(path, error)) return path;
  }
  return std::nullopt;
}

std::string missing_in(const fs::path& folder) {
  std::string missing;
  for (const char* name : kNames) {
    if (file_in(folder, name)) continue;
    missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  return missing;
}

void require_files(const fs::path& folder, const char* who) {
  const std::string missing = missing_in(folder);
  if (missing.empty()) return;
  throw DataError(
      who, folder.string() + " must hold four IDX files, plain or .gz; got none of: " + missing);
}

Tensor<std::uint8_t> read_one(const fs::path& folder, const detail::ImageFiles& files,
                              std::size_t which, const Shape& shape) {
  const fs::path path = *file_in(folder, kNames[which]);
  Tensor<std::uint8_t> tensor = read_idx(path);
  if (!(tensor.shape() == shape)) {
    throw DataError(files.who, path.string() + " must hold " + shape.to_string() + "; got " +
                                   tensor.shape().to_string());
  }
  if (!files.md5[which].empty()) {
    const std::string md5 = detail::md5_of_idx(tensor);
    if (md5 != files.md5[which]) {
      throw DataError(files.who, path.string() + " must be the original file; got MD5 " + md5 +
                                     ", expected " + files.md5[which]);
    }
  }
  return tensor;
}

Dataset read_half(const fs::path& folder, const detail::ImageFiles& files, std::size_t first,
                  std::int64_t examples) {
  const auto images = read_one(folder, files, first, Shape{examples, files.height, files.width});
  const auto labels = read_one(folder, files, first + 1, Shape{examples});
  const auto values = labels.values();
  const std::int64_t largest = *std::max_element(values.begin(), values.end());
  if (largest >= files.classes) {
    throw DataError(files.who, file_in(folder, kNames[first + 1])->string() +
                                   " must hold labels below " + std::to_string(files.classes) +
                                   "; got " + std::to_string(largest));
  }
  return Dataset(images.reshaped(Shape{examples, files.height, files.width, 1}),
                 labels.cast<std::int64_t>());
}

}  // namespace

std::string detail::md5_of_idx(const Tensor<std::uint8_t>& tensor) {
  const auto header = idx_header(tensor.shape());
  boost::uuids::detail::md5 hash;
  hash.process_bytes(header.data(), header.size());
  hash.process_bytes(tensor.data(), static_cast<std::size_t>(tensor.size()));
  boost::uuids::detail::md5::digest_type digest;
  hash.get_digest(digest);
  // Four words, most significant byte first, in old versions of Boost; sixteen bytes in new ones.
  std::string text;
  for (const std::uint32_t part : digest) {
    for (int shift = 8 * static_cast<int>(sizeof digest[0]) - 4; shift >= 0; shift -= 4) {
      text += "0123456789abcdef"[part >> shift & 15];
    }
  }
  return text;
}

TrainAndTest detail::read_image_files(const std::string& folder, const ImageFiles& files) {
  require_files(folder, files.who);
  return {read_half(folder, files, 0, files.train_examples),
          read_half(folder, files, 2, files.test_examples)};
}

TrainAndTest mnist(const std::string& folder) {
  return detail::read_image_files(
      folder, {"mnist",
               60000,
               10000,
               28,
               28,
               10,
               {"6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624",
                "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"}});
}

TrainAndTest fashion_mnist(const std::string& folder) {
  return detail::read_image_files(folder, {"fashion_mnist", 60000, 10000, 28, 28, 10, {}});
}

std::optional<std::string> find_mnist(const std::optional<std::string>& folder) {
  if (folder) {
    require_files(*folder, "find_mnist");
    return folder;
  }
  fs::path cache;
  // As the XDG specification says, a relative path is ignored.
  if (const char* given = std::getenv("XDG_CACHE_HOME"); given && given[0] == '/') {
    cache = given;
  } else if (const char* home = std::getenv("HOME"); home && home[0] != '\0') {
    cache = fs::path(home) / ".cache";
  } else {
    return std::nullopt;
  }
  cache /= "lamina";
  if (!missing_in(cache).empty()) return std::nullopt;
  return cache.string();
}

}  // namespace lamina::data
