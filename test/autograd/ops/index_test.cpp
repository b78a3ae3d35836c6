#include <boost/test/unit_test.hpp>
#include <lamina/autograd/ops/index.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

#include "support/numbers.hpp"
#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina {
namespace {

using test::Arguments;
using test::check_op;
using test::random_tensor;
using test::refuses;
using Indices = Tensor<std::int64_t>;

Indices random_indices(const Shape& shape, std::int64_t extent) {
  Indices indices = Indices::uninitialized(shape);
  std::mt19937_64 engine(11);
  std::uniform_int_distribution<std::int64_t> distribution(0, extent - 1);
  for (std::int64_t& index : indices.mutable_values()) index = distribution(engine);
  return indices;
}

struct Expected {
  Tensor<double> gathered;
  Tensor<double> scattered;  // of the gathered
};

Expected naive(const Tensor<double>& x, const Indices& indices, const Shape& result,
               std::int64_t outer, std::int64_t extent, std::int64_t inner) {
  Expected expected{Tensor<double>::zeros(result), Tensor<double>::zeros(x.shape())};
  double* const gathered = expected.gathered.mutable_data();
  double* const scattered = expected.scattered.mutable_data();
  std::int64_t at = 0;
  for (std::int64_t o = 0; o < outer; ++o)
    for (const std::int64_t index : indices.values())
      for (std::int64_t i = 0; i < inner; ++i, ++at) {
        const std::int64_t from = (o * extent + index) * inner + i;
        gathered[at] = x.data()[from];
        scattered[from] += x.data()[from];
      }
  return expected;
}

BOOST_AUTO_TEST_SUITE(index_ops)

BOOST_AUTO_TEST_CASE(gather_and_scatter_add_equal_the_naive_loops) {
  struct Case {
    Shape x;
    Shape indices;
    int axis;
    Shape result;
  };
  const int before = threads();
  for (const Case& c :
       {Case{{5, 3}, {7}, 0, {7, 3}}, Case{{5, 3}, {7}, -1, {5, 7}},
        Case{{2, 5, 3}, {2, 11}, 1, {2, 2, 11, 3}}, Case{{5, 3}, {}, 0, {3}},
        Case{{5, 3}, {0}, 0, {0, 3}}, Case{{0, 3}, {7}, 1, {0, 7}}, Case{{5, 0}, {7}, 0, {7, 0}},
        Case{{1}, {4}, 0, {4}}, Case{{13, 10007}, {17}, 0, {17, 10007}},
        Case{{331, 7, 53}, {19}, 1, {331, 19, 53}}}) {
    BOOST_TEST_CONTEXT(c.x.to_string() << " at " << c.indices.to_string()) {
      const int axis = c.axis < 0 ? c.axis + c.x.rank() : c.axis;
      const std::int64_t extent = c.x[axis];
      const Tensor<double> x = random_tensor<double>(c.x, 3);
      const Indices indices = random_indices(c.indices, extent);
      const Expected expected = naive(x, indices, c.result, c.x.size_of_axes(0, axis), extent,
                                      c.x.size_of_axes(axis + 1, c.x.rank()));
      for (const int count : {1, 2}) {
        set_threads(count);
        const Variable<double> y = gather<double>(x, indices, c.axis);
        BOOST_TEST(identical(y.value(), expected.gathered));
        BOOST_TEST(identical(scatter_add(y, indices, extent, c.axis).value(), expected.scattered));
      }
    }
  }
  set_threads(before);
}

BOOST_AUTO_TEST_CASE(one_hot_marks_the_class) {
  BOOST_TEST(identical(one_hot<float>(Indices({2}, {2, 0}), 3),
                       Tensor<float>({2, 3}, {0, 0, 1, 1, 0, 0})));
  BOOST_TEST(one_hot<double>(Indices({3, 0}, 0), 5).shape().to_string() == "(3, 0, 5)");
  BOOST_TEST(identical(one_hot<double>(Indices::scalar(1), 2), Tensor<double>({2}, {0, 1})));
}

BOOST_AUTO_TEST_CASE(errors_name_the_op_and_what_came) {
  const Variable<double> x = random_tensor<double>({3, 2}, 1);
  refuses<ArgumentError>("[gather] indices must lie in [0, 3); got 3 at position 1", [&] {
    gather(x, Indices({2}, {0, 3}));
  });
  refuses<ArgumentError>("[gather] indices must lie in [0, 3); got -1 at position 0", [&] {
    gather(x, Indices({2}, {-1, 0}));
  });
  BOOST_CHECK_THROW(gather(x, Indices({1}, {0}), 2), ArgumentError);
  refuses<ArgumentError>("[one_hot] indices must lie in [0, 10); got 10 at position 0",
                         [&] { one_hot<double>(Indices({1}, {10}), 10); });
  refuses<ShapeError>(
      "[scatter_add] the updates must have the axes of the indices at axis 0; got (3, 2), "
      "expected (2)",
      [&] {
        scatter_add(x, Indices({2}, {0, 1}), 5);
      });
  refuses<ArgumentError>("[scatter_add] indices must lie in [0, 5); got 5 at position 1", [&] {
    scatter_add(x, Indices({3}, {0, 5, 1}), 5);
  });
  refuses<ArgumentError>("[scatter_add] the extent must not be negative; got -1",
                         [&] { scatter_add(x, Indices({3}, 0), -1); });
  refuses<ShapeError>(
      "[gather] the result must have at most 8 axes; got (1, 1, 1, 1, 1) for indices "
      "(1, 1, 1, 1, 1)",
      [&] {
        gather(Variable<double>(Tensor<double>({1, 1, 1, 1, 1}, 0.0)), Indices({1, 1, 1, 1, 1}, 0));
      });
}

BOOST_AUTO_TEST_CASE(battery) {
  for (const Indices& indices : {Indices({4}, {2, 0, 2, 1}), Indices({2, 2}, {1, 1, 0, 2}),
                                 Indices::scalar(1), Indices({0}, std::int64_t{0})}) {
    for (const int axis : {0, 1, -1}) {
      check_op("gather", [&](auto x) { return gather(x[0], indices, axis); }, {},
               {{random_tensor<double>({3, 3, 5}, 1)}, {random_tensor<double>({3, 3}, 2)}},
               {.orders = 3});
    }
    const auto updates = [&](const Shape& rest) {
      Shape shape = indices.shape();
      for (const std::int64_t extent : rest) shape = shape.inserted(shape.rank(), extent);
      return random_tensor<double>(shape, 3);
    };
    check_op("scatter_add", [&](auto x) { return scatter_add(x[0], indices, 5); }, {},
             {{updates({})}, {updates({2, 3})}, {updates({0})}}, {.orders = 3});
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
