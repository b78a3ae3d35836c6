#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <lamina/autograd/tensor/allocator.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <numeric>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/refusal.hpp"
#include "support/sanitizers.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

template <Element T = double>
Tensor<T> counting(const Shape& shape) {
  auto tensor = Tensor<T>::uninitialized(shape);
  std::iota(tensor.mutable_values().begin(), tensor.mutable_values().end(), T{0});
  return tensor;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tensors)

BOOST_AUTO_TEST_CASE(tensors_are_made_from_values) {
  const Tensor<float> a({2, 3}, {1, 2, 3, 4, 5, 6});
  BOOST_TEST(a.at({0, 0}) == 1.0f);
  BOOST_TEST(a.at({0, 2}) == 3.0f);
  BOOST_TEST(a.at({1, 0}) == 4.0f);
  BOOST_TEST(a.rank() == 2);
  BOOST_TEST(a.size() == 6);
  BOOST_TEST(a.bytes() == 24);
  const Tensor<std::int64_t> filled(Shape{2, 2}, -7);
  for (const std::int64_t value : filled.values()) BOOST_TEST(value == -7);
  BOOST_TEST(identical(Tensor<double>::zeros({3}), Tensor<double>({3}, {0, 0, 0})));
  BOOST_TEST(identical(Tensor<double>::ones({1, 2}), Tensor<double>({1, 2}, {1, 1})));
  const std::vector<std::uint8_t> bytes{7, 255};
  BOOST_TEST(Tensor<std::uint8_t>({2}, std::span(bytes)).at({1}) == 255);
  static_assert(Tensor<float>::dtype() == DType::float32);
  static_assert(Tensor<double>::dtype() == DType::float64);
  static_assert(Tensor<std::int64_t>::dtype() == DType::int64);
  static_assert(Tensor<std::uint8_t>::dtype() == DType::uint8);
}

BOOST_AUTO_TEST_CASE(scalars_and_empty_tensors_are_tensors) {
  const auto scalar = Tensor<double>::scalar(2.5);
  BOOST_TEST(scalar.rank() == 0);
  BOOST_TEST(scalar.item() == 2.5);
  BOOST_TEST(scalar.at({}) == 2.5);
  const Tensor<float> empty(Shape{3, 0}, 1.0f);
  BOOST_TEST(empty.defined());
  BOOST_TEST(empty.size() == 0);
  BOOST_TEST(empty.values().empty());
  Tensor<float> copy = empty;
  copy.mutable_data();
  BOOST_TEST(copy.shape().to_string() == "(3, 0)");
}

BOOST_AUTO_TEST_CASE(a_default_tensor_is_undefined) {
  Tensor<float> undefined;
  BOOST_TEST(!undefined.defined());
  BOOST_TEST(undefined.shape().to_string() == "(0)");
  BOOST_TEST(undefined.size() == 0);
  BOOST_TEST((undefined.data() == nullptr));
  BOOST_TEST((undefined.mutable_data() == nullptr));
  BOOST_TEST(undefined.mutable_values().empty());
  BOOST_TEST(!undefined.unique());
  BOOST_TEST(!undefined.shares_storage_with(Tensor<float>()));
  BOOST_TEST(!undefined.cast<double>().defined());
  const Tensor<float> copy = undefined;
  BOOST_TEST(!copy.defined());
}

BOOST_AUTO_TEST_CASE(data_is_aligned_to_64_bytes) {
  for (const std::int64_t size : {1, 3, 17, 1000, 100003}) {
    for (int times = 0; times < 3; ++times) {
      const auto a = Tensor<std::uint8_t>::uninitialized({size});
      BOOST_TEST(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(copies_share_until_one_is_written) {
  Tensor<double> a = counting({2, 3});
  BOOST_TEST(a.unique());
  Tensor<double> b = a;
  BOOST_TEST(a.shares_storage_with(b));
  BOOST_TEST(!a.unique());
  BOOST_TEST((a.data() == b.data()));
  b.mutable_data()[0] = 7;
  BOOST_TEST(!a.shares_storage_with(b));
  BOOST_TEST(a.at({0, 0}) == 0.0);
  BOOST_TEST(b.at({0, 0}) == 7.0);
  BOOST_TEST(b.at({1, 2}) == 5.0);
  BOOST_TEST(a.unique());
  BOOST_TEST(b.unique());
  const double* before = b.data();
  b.mutable_values()[1] = 8;
  BOOST_TEST((b.data() == before));
  b.set({1, -1}, 9);
  BOOST_TEST(b.at({1, 2}) == 9.0);
}

BOOST_AUTO_TEST_CASE(moves_and_assignments_keep_the_count_of_handles) {
  Tensor<double> a = counting({2});
  Tensor<double> b = std::move(a);
  BOOST_TEST(!a.defined());
  BOOST_TEST(a.size() == 0);
  BOOST_TEST(b.unique());
  Tensor<double> c = b;
  const Tensor<double>& same = c;
  c = same;
  BOOST_TEST(c.at({1}) == 1.0);
  c = Tensor<double>();
  BOOST_TEST(b.unique());
  a = b;
  b = counting({5});
  BOOST_TEST(a.unique());
  BOOST_TEST(b.size() == 5);
  static_assert(std::is_nothrow_move_constructible_v<Tensor<float>>);
  static_assert(std::is_nothrow_copy_constructible_v<Tensor<float>>);
}

BOOST_AUTO_TEST_CASE(reshaped_tensors_share) {
  const Tensor<double> a = counting({2, 3, 5});
  const Tensor<double> b = a.reshaped({5, 6});
  BOOST_TEST(b.shares_storage_with(a));
  BOOST_TEST(b.at({4, 5}) == 29.0);
  BOOST_TEST(a.reshaped({-1}).shape().to_string() == "(30)");
  BOOST_TEST(a.reshaped({3, -1, 2}).shape().to_string() == "(3, 5, 2)");
  BOOST_TEST(a.reshaped({30, -1}).shape().to_string() == "(30, 1)");
  BOOST_TEST(a.reshaped(Shape{1, 30}).shape().to_string() == "(1, 30)");
  BOOST_TEST(Tensor<float>::scalar(3).reshaped({1, 1}).at({0, 0}) == 3.0f);
  BOOST_TEST((Tensor<float>(Shape{2, 0}, 0).reshaped({5, -1}).shape().to_string()) == "(5, 0)");
}

BOOST_AUTO_TEST_CASE(impossible_reshapes_are_refused) {
  const Tensor<double> a = counting({2, 3});
  const std::int64_t large = std::int64_t{1} << 40;
  refuses<ShapeError>(
      "[reshape] the number of elements must not change; got (7) for a tensor of shape (2, 3)",
      [&] { a.reshaped({7}); });
  refuses<ShapeError>("[reshape] -1 must stand for a whole number; got (4, -1) for shape (2, 3)",
                      [&] {
                        a.reshaped({4, -1});
                      });
  refuses<ShapeError>("[reshape] -1 must stand for a whole number; got (0, -1) for shape (2, 3)",
                      [&] {
                        a.reshaped({0, -1});
                      });
  refuses<ShapeError>("[reshape] -1 must stand for a whole number; got (-2, -1) for shape (2, 3)",
                      [&] {
                        a.reshaped({-2, -1});
                      });
  refuses<ShapeError>(
      "[reshape] -1 must stand for a whole number; got (1099511627776, "
      "1099511627776, -1) for shape (2, 3)",
      [&] {
        a.reshaped({large, large, -1});
      });
  refuses<ShapeError>("[shape] extents must not be negative; got -1", [&] {
    a.reshaped({-1, -1});
  });
}

BOOST_AUTO_TEST_CASE(indices_are_checked) {
  const Tensor<double> a = counting({2, 3});
  BOOST_TEST(a.at({-1, -3}) == 3.0);
  refuses<ArgumentError>("[at] indices must lie inside the tensor; got (0, 3) for shape (2, 3)",
                         [&] {
                           a.at({0, 3});
                         });
  refuses<ArgumentError>("[at] indices must lie inside the tensor; got (-3, 0) for shape (2, 3)",
                         [&] {
                           a.at({-3, 0});
                         });
  refuses<ArgumentError>("[at] an index must have one entry per axis; got (0) for shape (2, 3)",
                         [&] { a.at({0}); });
  refuses<ArgumentError>("[at] indices must lie inside the tensor; got (0) for shape (0)",
                         [] { Tensor<float>().at({0}); });
  Tensor<double> b = a;
  refuses<ArgumentError>("[at] indices must lie inside the tensor; got (2, 0) for shape (2, 3)",
                         [&] {
                           b.set({2, 0}, 1);
                         });
  BOOST_TEST(b.shares_storage_with(a));
}

BOOST_AUTO_TEST_CASE(values_that_do_not_fit_are_refused) {
  refuses<ShapeError>(
      "[tensor] the number of values must match the shape; got 3 values, expected 4 "
      "for (2, 2)",
      [] {
        Tensor<float>({2, 2}, {1, 2, 3});
      });
  refuses<ShapeError>("[item] the tensor must have exactly one element; got shape (2)",
                      [] { counting({2}).item(); });
  refuses<ShapeError>("[item] the tensor must have exactly one element; got shape (0)",
                      [] { Tensor<float>().item(); });
  BOOST_TEST(Tensor<float>(Shape{1, 1}, 4).item() == 4.0f);
}

// Sizes that overflow, and the ones just below where the header of the storage would make them.
BOOST_AUTO_TEST_CASE(tensors_beyond_any_memory_are_refused) {
  for (const std::int64_t size : {(std::int64_t{1} << 61) - 1, (std::int64_t{1} << 61) - 8,
                                  std::int64_t{1} << 60, std::int64_t{INT64_MAX}}) {
    refuses<ShapeError>("[tensor] the number of bytes must fit in 62 bits; got shape (" +
                            std::to_string(size) + ")",
                        [&] { Tensor<double>::uninitialized(Shape{size}); });
  }
  if (kAddressSanitizer || kThreadSanitizer) return;
  BOOST_CHECK_THROW(Tensor<double>::uninitialized(Shape{std::int64_t{1} << 58}), std::bad_alloc);
}

BOOST_AUTO_TEST_CASE(casts_convert_as_static_cast) {
  const Tensor<double> a({4}, {1.9, -1.9, 0.1, 255});
  BOOST_TEST(identical(a.cast<std::int64_t>(), Tensor<std::int64_t>({4}, {1, -1, 0, 255})));
  BOOST_TEST(identical(a.cast<float>(), Tensor<float>({4}, {1.9f, -1.9f, 0.1f, 255})));
  BOOST_TEST(a.cast<double>().shares_storage_with(a));
  const Tensor<std::uint8_t> pixels({1, 2}, {0, 255});
  BOOST_TEST(identical(pixels.cast<float>(), Tensor<float>({1, 2}, {0, 255})));
}

BOOST_AUTO_TEST_CASE(identical_compares_bits_and_shapes) {
  const double nan = std::nan("");
  BOOST_TEST(identical(Tensor<double>({1}, {nan}), Tensor<double>({1}, {nan})));
  BOOST_TEST(!identical(Tensor<double>({1}, {0.0}), Tensor<double>({1}, {-0.0})));
  BOOST_TEST(!identical(counting({2, 3}), counting({3, 2})));
  BOOST_TEST(!identical(counting({1}), counting({})));
  BOOST_TEST(!identical(Tensor<float>(), Tensor<float>(Shape{0}, 0)));
  BOOST_TEST(identical(Tensor<float>(), Tensor<float>()));
  BOOST_TEST(identical(Tensor<float>(Shape{0, 2}, 0), Tensor<float>(Shape{0, 2}, 1)));
}

// One storage, handles copied and dropped by many threads: the last one frees it, once.
BOOST_AUTO_TEST_CASE(handles_may_be_used_from_several_threads) {
  Tensor<std::int64_t> shared = counting<std::int64_t>({1000});
  std::vector<std::thread> users;
  std::vector<std::int64_t> sums(4);
  for (std::size_t user = 0; user < sums.size(); ++user) {
    users.emplace_back([&sums, user, mine = shared] {
      for (int times = 0; times < 500; ++times) {
        Tensor<std::int64_t> copy = mine;
        copy.mutable_data()[0] = static_cast<std::int64_t>(user);
        const auto values = mine.values();
        sums[user] = std::accumulate(values.begin(), values.end(), copy.data()[0]);
      }
    });
  }
  shared = Tensor<std::int64_t>();
  for (auto& user : users) user.join();
  for (std::size_t user = 0; user < sums.size(); ++user) {
    BOOST_TEST(sums[user] == 499500 + static_cast<std::int64_t>(user));
  }
}

BOOST_AUTO_TEST_SUITE_END()
