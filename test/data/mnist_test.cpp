#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <lamina/data/detail/image_files.hpp>
#include <lamina/data/idx.hpp>
#include <lamina/data/mnist.hpp>
#include <optional>
#include <string>

#include "support/files.hpp"
#include "support/gzip.hpp"
#include "support/refusal.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

// Pixel j of image i is i + j; label i is i % 5.
void write_half(const TemporaryFolder& folder, const std::string& prefix, std::int64_t examples) {
  auto images = Tensor<std::uint8_t>::uninitialized({examples, 3, 2});
  auto labels = Tensor<std::uint8_t>::uninitialized({examples});
  for (std::int64_t i = 0; i < examples; ++i) {
    for (std::int64_t j = 0; j < 6; ++j) {
      images.mutable_data()[6 * i + j] = static_cast<std::uint8_t>(i + j);
    }
    labels.mutable_data()[i] = static_cast<std::uint8_t>(i % 5);
  }
  data::write_idx(folder / (prefix + "-images-idx3-ubyte"), images);
  data::write_idx(folder / (prefix + "-labels-idx1-ubyte"), labels);
}

void write_set(const TemporaryFolder& folder) {
  write_half(folder, "train", 7);
  write_half(folder, "t10k", 4);
}

const data::detail::ImageFiles kFiles{"tiny", 7, 4, 3, 2, 5, {}};

class Environment {
 public:
  Environment(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~Environment() { set(before_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  void set(const std::optional<std::string>& value) {
    value ? setenv(name_, value->c_str(), 1) : unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(mnist_files)

BOOST_AUTO_TEST_CASE(four_files_make_two_data_sets) {
  const TemporaryFolder folder(Medium::memory);
  write_set(folder);
  const auto packed = folder / "t10k-images-idx3-ubyte";
  write_bytes(packed.string() + ".gz", gzip(read_bytes(packed)));
  std::filesystem::remove(packed);
  const auto [train, test] = data::detail::read_image_files(folder.path(), kFiles);
  BOOST_TEST(train.size() == 7);
  BOOST_TEST(test.size() == 4);
  BOOST_TEST(train.example_shape().to_string() == "(3, 2, 1)");
  BOOST_TEST(std::get<Tensor<std::uint8_t>>(train.features()).at({6, 2, 1, 0}) == 11);
  BOOST_TEST(std::get<Tensor<std::uint8_t>>(test.features()).at({3, 0, 0, 0}) == 3);
  BOOST_TEST(train.labels().at({6}) == 1);
  BOOST_TEST(train.classes() == 5);
}

// The sums were computed by Python's hashlib from the bytes of such files.
BOOST_AUTO_TEST_CASE(checksums_are_those_of_the_unpacked_files) {
  Tensor<std::uint8_t> counting = Tensor<std::uint8_t>::uninitialized({300});
  for (std::int64_t i = 0; i < 300; ++i) {
    counting.mutable_data()[i] = static_cast<std::uint8_t>(i);
  }
  BOOST_TEST(data::detail::md5_of_idx(counting) == "46116d0257ff0fedebc0cb73af5e919e");
  BOOST_TEST(data::detail::md5_of_idx(Tensor<std::uint8_t>({2, 3}, {1, 2, 3, 253, 254, 255})) ==
             "64e544a42e72f0ef341bc9f31297a712");
  BOOST_TEST(data::detail::md5_of_idx(Tensor<std::uint8_t>(Shape{0}, 0)) ==
             "f3bc5f8a2bf83eeff93cab9c79206411");
}

BOOST_AUTO_TEST_CASE(other_bytes_than_the_original_are_refused) {
  const TemporaryFolder folder(Medium::memory);
  write_set(folder);
  auto files = kFiles;
  const auto path = folder / "t10k-labels-idx1-ubyte";
  const std::string right = data::detail::md5_of_idx(data::read_idx(path));
  files.md5[3] = right;
  BOOST_TEST(data::detail::read_image_files(folder.path(), files).test.size() == 4);
  data::write_idx(path, Tensor<std::uint8_t>({4}, {0, 1, 2, 4}));
  const std::string wrong = data::detail::md5_of_idx(data::read_idx(path));
  refuses<DataError>("[tiny] " + path.string() + " must be the original file; got MD5 " + wrong +
                         ", expected " + right,
                     [&] { data::detail::read_image_files(folder.path(), files); });
}

BOOST_AUTO_TEST_CASE(missing_files_are_listed) {
  const TemporaryFolder folder(Medium::memory);
  write_half(folder, "train", 7);
  const std::string text = folder.path().string() +
                           " must hold four IDX files, plain or .gz; got none of: "
                           "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte";
  refuses<DataError>("[mnist] " + text, [&] { data::mnist(folder.path()); });
  refuses<DataError>("[fashion_mnist] " + text, [&] { data::fashion_mnist(folder.path()); });
  refuses<DataError>("[find_mnist] " + text, [&] { data::find_mnist(folder.path()); });
}

BOOST_AUTO_TEST_CASE(other_numbers_of_images_are_refused) {
  const TemporaryFolder folder(Medium::memory);
  write_set(folder);
  refuses<DataError>("[mnist] " + (folder / "train-images-idx3-ubyte").string() +
                         " must hold (60000, 28, 28); got (7, 3, 2)",
                     [&] { data::mnist(folder.path()); });
  data::write_idx(folder / "train-labels-idx1-ubyte", Tensor<std::uint8_t>(Shape{6}, 0));
  refuses<DataError>(
      "[tiny] " + (folder / "train-labels-idx1-ubyte").string() + " must hold (7); got (6)",
      [&] { data::detail::read_image_files(folder.path(), kFiles); });
}

BOOST_AUTO_TEST_CASE(labels_above_the_classes_are_refused) {
  const TemporaryFolder folder(Medium::memory);
  write_set(folder);
  data::write_idx(folder / "t10k-labels-idx1-ubyte", Tensor<std::uint8_t>({4}, {0, 5, 2, 4}));
  refuses<DataError>(
      "[tiny] " + (folder / "t10k-labels-idx1-ubyte").string() + " must hold labels below 5; got 5",
      [&] { data::detail::read_image_files(folder.path(), kFiles); });
}

// Files of the right shapes, but black: a packed one is a few kilobytes.
BOOST_AUTO_TEST_CASE(a_set_of_the_right_size_is_not_yet_mnist) {
  const TemporaryFolder folder(Medium::memory);
  for (const auto& [name, shape] : {std::pair{"train-images-idx3-ubyte", Shape{60000, 28, 28}},
                                    std::pair{"train-labels-idx1-ubyte", Shape{60000}},
                                    std::pair{"t10k-images-idx3-ubyte", Shape{10000, 28, 28}},
                                    std::pair{"t10k-labels-idx1-ubyte", Shape{10000}}}) {
    data::write_idx(folder / name, Tensor<std::uint8_t>(shape, 0));
  }
  refuses<DataError>(
      "[mnist] " + (folder / "train-images-idx3-ubyte").string() +
          " must be the original file; got MD5 a6da02602262b4868537981e275ce881, expected "
          "6bbc9ace898e44ae57da46a324031adb",
      [&] { data::mnist(folder.path()); });
  const auto fashion = data::fashion_mnist(folder.path());
  BOOST_TEST(fashion.train.size() == 60000);
  BOOST_TEST(fashion.test.size() == 10000);
  BOOST_TEST(fashion.test.example_shape().to_string() == "(28, 28, 1)");
}

BOOST_AUTO_TEST_CASE(the_cache_is_looked_at_in_the_order_that_is_promised) {
  const TemporaryFolder folder, home, cache;
  write_set(folder);
  const auto fill = [](const std::filesystem::path& to, const std::filesystem::path& from) {
    std::filesystem::create_directories(to.parent_path());
    std::filesystem::copy(from, to);
  };
  const Environment home_variable("HOME", home.path().string());
  const Environment cache_variable("XDG_CACHE_HOME", cache.path().string());
  BOOST_TEST(!data::find_mnist());
  BOOST_TEST((data::find_mnist(folder.path()) == folder.path()));
  fill(home / ".cache/lamina", folder.path());
  BOOST_TEST(!data::find_mnist());  // where XDG_CACHE_HOME is set, ~/.cache is not looked at
  for (const auto& value : {std::optional<std::string>(), std::optional<std::string>(""),
                            std::optional<std::string>("relative")}) {
    const Environment without("XDG_CACHE_HOME", value);
    BOOST_TEST((data::find_mnist() == home / ".cache/lamina"));
  }
  fill(cache / "lamina", folder.path());
  BOOST_TEST((data::find_mnist() == cache / "lamina"));
  BOOST_TEST((data::find_mnist(folder.path()) == folder.path()));
  std::filesystem::remove(cache / "lamina/t10k-labels-idx1-ubyte");
  BOOST_TEST(!data::find_mnist());
  const Environment no_cache("XDG_CACHE_HOME", std::nullopt), no_home("HOME", std::nullopt);
  BOOST_TEST(!data::find_mnist());
}

BOOST_AUTO_TEST_SUITE_END()
