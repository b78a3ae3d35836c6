#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/shape.hpp>
#include <vector>

#include "support/refusal.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

std::vector<std::int64_t> extents_of(const Shape& shape) { return {shape.begin(), shape.end()}; }
using Extents = std::vector<std::int64_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(shapes)

BOOST_AUTO_TEST_CASE(rank_size_and_extents_are_told) {
  const Shape scalar;
  BOOST_TEST(scalar.rank() == 0);
  BOOST_TEST(scalar.size() == 1);
  BOOST_TEST(scalar.to_string() == "()");
  const Shape shape{32, 28, 27, 3};
  BOOST_TEST(shape.rank() == 4);
  BOOST_TEST(shape.size() == 32 * 28 * 27 * 3);
  BOOST_TEST(shape[0] == 32);
  BOOST_TEST(shape[3] == 3);
  BOOST_TEST(shape[-1] == 3);
  BOOST_TEST(shape[-4] == 32);
  BOOST_TEST(shape.to_string() == "(32, 28, 27, 3)");
  BOOST_TEST(Shape{7}.to_string() == "(7)");
  BOOST_TEST((extents_of(shape) == Extents{32, 28, 27, 3}));
  BOOST_TEST((Shape{5, 0, 3}.size()) == 0);
  BOOST_TEST((Shape{1, 2, 3, 1, 2, 3, 1, 2}.size()) == 72);
}

BOOST_AUTO_TEST_CASE(shapes_are_equal_when_their_extents_are) {
  BOOST_TEST((Shape{2, 3} == Shape{2, 3}));
  BOOST_TEST(!(Shape{2, 3} == Shape{3, 2}));
  BOOST_TEST(!(Shape{2, 3} == Shape{2, 3, 1}));
  BOOST_TEST(!(Shape{} == Shape{1}));
  BOOST_TEST((Shape{2, 3, 5}.without(2) == Shape{2, 3}));
}

BOOST_AUTO_TEST_CASE(extents_are_replaced_removed_and_inserted) {
  const Shape shape{2, 3, 5};
  BOOST_TEST((shape.with(1, 7) == Shape{2, 7, 5}));
  BOOST_TEST((shape.with(-1, 0) == Shape{2, 3, 0}));
  BOOST_TEST((shape.without(0) == Shape{3, 5}));
  BOOST_TEST((shape.without(-1) == Shape{2, 3}));
  BOOST_TEST((Shape{4}.without(0) == Shape{}));
  BOOST_TEST((shape.inserted(0, 7) == Shape{7, 2, 3, 5}));
  BOOST_TEST((shape.inserted(3, 7) == Shape{2, 3, 5, 7}));
  BOOST_TEST((shape.inserted(-1, 7) == Shape{2, 3, 5, 7}));
  BOOST_TEST((Shape{}.inserted(0, 7) == Shape{7}));
  BOOST_TEST(shape.without(1).size() == 10);
  BOOST_TEST((Shape{2, 0, 5}.without(1).size()) == 10);
}

BOOST_AUTO_TEST_CASE(sizes_of_axes_are_products) {
  const Shape shape{2, 3, 5, 7};
  BOOST_TEST(shape.size_of_axes(0, 4) == 210);
  BOOST_TEST(shape.size_of_axes(1, 3) == 15);
  BOOST_TEST(shape.size_of_axes(2, 2) == 1);
}

BOOST_AUTO_TEST_CASE(impossible_shapes_are_refused) {
  refuses<ShapeError>("[shape] a tensor must have at most 8 axes; got 9, expected 0 to 8", [] {
    Shape({1, 1, 1, 1, 1, 1, 1, 1, 1});
  });
  refuses<ShapeError>("[shape] extents must not be negative; got -1", [] { Shape({2, -1}); });
  const std::int64_t large = std::int64_t{1} << 32;
  BOOST_TEST((Shape{large, large / 4}.size()) == std::int64_t{1} << 62);
  refuses<ShapeError>("[shape] the number of elements must fit in 63 bits; got an overflow", [&] {
    Shape({large, large / 2});
  });
  // An extent of zero must not hide it: slices of such a tensor would overflow.
  refuses<ShapeError>("[shape] the number of elements must fit in 63 bits; got an overflow", [&] {
    Shape({0, large, large});
  });
  refuses<ShapeError>("[shape] a tensor must have at most 8 axes; got 9, expected 0 to 8", [] {
    Shape({1, 1, 1, 1, 1, 1, 1, 1}).inserted(0, 1);
  });
  refuses<ShapeError>("[shape] extents must not be negative; got -3",
                      [] { Shape({2}).with(0, -3); });
}

BOOST_AUTO_TEST_CASE(axes_outside_are_refused) {
  const Shape shape{2, 3};
  refuses<ArgumentError>("[shape] axis must lie in [-2, 2); got 2", [&] { shape[2]; });
  refuses<ArgumentError>("[shape] axis must lie in [-2, 2); got -3", [&] { shape.without(-3); });
  refuses<ArgumentError>("[shape] axis must lie in [-3, 3); got 3", [&] { shape.inserted(3, 1); });
  refuses<ArgumentError>("[shape] axis must lie in [0, 0); got 0", [] { Shape{}[0]; });
  BOOST_TEST(normalized_axis(-1, 4, "sum") == 3);
  BOOST_TEST(normalized_axis(-4, 4, "sum") == 0);
  BOOST_TEST(normalized_axis(3, 4, "sum") == 3);
  refuses<ArgumentError>("[sum] axis must lie in [-4, 4); got 4",
                         [] { normalized_axis(4, 4, "sum"); });
}

BOOST_AUTO_TEST_CASE(shapes_broadcast_as_in_numpy) {
  const auto broadcast = [](const Shape& a, const Shape& b) {
    BOOST_TEST((broadcast_shape(a, b, "add") == broadcast_shape(b, a, "add")));
    return broadcast_shape(a, b, "add");
  };
  BOOST_TEST((broadcast({2, 3}, {2, 3}) == Shape{2, 3}));
  BOOST_TEST((broadcast({2, 3}, {}) == Shape{2, 3}));
  BOOST_TEST((broadcast({2, 3}, {3}) == Shape{2, 3}));
  BOOST_TEST((broadcast({2, 1, 5}, {3, 1}) == Shape{2, 3, 5}));
  BOOST_TEST((broadcast({1}, {0}) == Shape{0}));
  BOOST_TEST((broadcast({2, 0, 5}, {1, 1}) == Shape{2, 0, 5}));
  refuses<ShapeError>("[add] operands must broadcast to one shape; got (2, 3) and (2)", [] {
    broadcast_shape({2, 3}, {2}, "add");
  });
  refuses<ShapeError>("[add] operands must broadcast to one shape; got (0) and (2)",
                      [] { broadcast_shape({0}, {2}, "add"); });
  BOOST_TEST(broadcasts_to({3, 1}, {2, 3, 5}));
  BOOST_TEST(broadcasts_to({}, {2}));
  BOOST_TEST(!broadcasts_to({2, 3}, {3}));
  BOOST_TEST(!broadcasts_to({2}, {1}));
  BOOST_TEST(!broadcasts_to({2}, {2, 3}));
}

BOOST_AUTO_TEST_SUITE_END()
