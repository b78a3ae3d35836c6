#include <lamina/autograd/kernels/arithmetic.hpp>
#include <lamina/autograd/kernels/broadcast.hpp>
#include <lamina/autograd/kernels/selection.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <vector>

#include "support/numbers.hpp"

namespace lamina::test {

namespace {

using kernels::BroadcastPlan;

BroadcastPlan plan_of(const Shape& a, const Shape& b) {
  const Shape shape = broadcast_shape(a, b, "test");
  const std::array<const Shape*, 2> operands{&a, &b};
  return kernels::plan_broadcast(shape, operands);
}

std::vector<std::int64_t> extents_of(const BroadcastPlan& plan) {
  return {plan.extents.begin(), plan.extents.begin() + plan.rank};
}

// a + b by index arithmetic.
Tensor<double> naive(const Tensor<double>& a, const Tensor<double>& b) {
  const Shape shape = broadcast_shape(a.shape(), b.shape(), "test");
  Tensor<double> result = Tensor<double>::uninitialized(shape);
  const auto offset = [&](const Shape& own, std::int64_t position) {
    std::int64_t place = 0, stride = 1;
    for (int axis = shape.rank(), mine = own.rank(); mine-- > 0;) {
      --axis;
      if (own[mine] != 1) place += position % shape[axis] * stride;
      position /= shape[axis];
      stride *= own[mine];
    }
    return place;
  };
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    result.mutable_data()[i] = a.data()[offset(a.shape(), i)] + b.data()[offset(b.shape(), i)];
  }
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(broadcast)

BOOST_AUTO_TEST_CASE(neighbours_merge) {
  using List = std::vector<std::int64_t>;
  const auto same = plan_of({2, 3, 5}, {2, 3, 5});
  BOOST_TEST(extents_of(same) == List({30}));
  BOOST_TEST(same.still_operands(2) == 0u);
  const auto row = plan_of({2, 3, 7, 5}, {5});
  BOOST_TEST(extents_of(row) == List({42, 5}));
  BOOST_TEST(row.still_operands(2) == 0u);
  const auto channels = plan_of({2, 3, 7, 5}, {3, 1, 1});
  BOOST_TEST(extents_of(channels) == List({2, 3, 35}));
  BOOST_TEST(channels.still_operands(2) == 2u);
  const auto both = plan_of({2, 1, 5}, {3, 1});
  BOOST_TEST(extents_of(both) == List({2, 3, 5}));
  BOOST_TEST(both.still_operands(2) == 2u);
  const auto ones = plan_of({1, 1, 1}, {1});
  BOOST_TEST(extents_of(ones) == List({1}));
  const auto padded = plan_of({1, 4, 1, 6, 1}, {4, 1, 1, 1});
  BOOST_TEST(extents_of(padded) == List({4, 6}));
}

// Beyond a tile, where rows are cut in the middle, and by any number of threads.
BOOST_AUTO_TEST_CASE(large_operands) {
  const int before = threads();
  const std::vector<std::pair<Shape, Shape>> cases{
      {{70001}, {70001}},     {{70001}, {1}},
      {{257, 389}, {389}},    {{257, 389}, {257, 1}},
      {{3, 40009}, {3, 1}},   {{40009, 3}, {3}},
      {{31, 1, 67}, {41, 1}}, {{7, 1, 11, 1}, {1, 101, 1, 13}}};
  for (const auto& [a, b] : cases) {
    const auto x = random_tensor<double>(a, 1), y = random_tensor<double>(b, 2);
    const auto expected = naive(x, y);
    for (const int count : {1, 2}) {
      set_threads(count);
      BOOST_TEST_CONTEXT(a.to_string() << " + " << b.to_string()) {
        BOOST_TEST(identical(kernels::add(x, y), expected));
        BOOST_TEST(identical(kernels::add(y, x), expected));
      }
    }
  }
  set_threads(before);
}

BOOST_AUTO_TEST_CASE(three_operands) {
  const auto x = random_tensor<double>({31, 1, 67}, 1), y = random_tensor<double>({43, 1}, 2);
  Tensor<std::uint8_t> mask = Tensor<std::uint8_t>::uninitialized({31, 43, 1});
  for (std::int64_t i = 0; i < mask.size(); ++i) {
    mask.mutable_data()[i] = static_cast<std::uint8_t>(i % 5 == 0);
  }
  const auto result = kernels::where(mask, x, y);
  BOOST_REQUIRE_EQUAL(result.shape().to_string(), "(31, 43, 67)");
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < result.size(); ++i) {
    const std::int64_t row = i / 67, expected_row = row / 43;
    const double expected =
        mask.data()[row] ? x.data()[expected_row * 67 + i % 67] : y.data()[row % 43];
    wrong += result.data()[i] != expected;
  }
  BOOST_TEST(wrong == 0);
}

// The sum goes into the tensor itself only where nobody else holds it.
BOOST_AUTO_TEST_CASE(adding_in_place) {
  Tensor<float> sum({3}, {1, 2, 3});
  const Tensor<float> addend({3}, {10, 20, 30});
  const float* place = sum.data();
  kernels::add_in_place(sum, addend);
  BOOST_TEST(sum.data() == place);
  BOOST_TEST(identical(sum, Tensor<float>({3}, {11, 22, 33})));
  const Tensor<float> held = sum;
  kernels::add_in_place(sum, addend);
  BOOST_TEST(identical(held, Tensor<float>({3}, {11, 22, 33})));
  BOOST_TEST(identical(sum, Tensor<float>({3}, {21, 42, 63})));
  kernels::add_in_place(sum, sum);
  BOOST_TEST(identical(sum, Tensor<float>({3}, {42, 84, 126})));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
