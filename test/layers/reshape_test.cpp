#include <boost/test/unit_test.hpp>
#include <lamina/layers/reshape.hpp>

#include "support/layer_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

std::string reshaped(const std::vector<std::int64_t>& target, const Shape& input) {
  return applied(Reshape<double>({.target_shape = target}), Tensor<double>::ones(input))
      .shape()
      .to_string();
}

BOOST_AUTO_TEST_SUITE(reshape_suite)

BOOST_AUTO_TEST_CASE(battery) {
  check_layer<Flatten>({}, {2, 3, 5, 2});
  check_layer<Flatten>({}, {3, 1});
  check_layer<Reshape>({.target_shape = {5, -1}}, {2, 3, 5, 2});
  check_layer<Reshape>({.target_shape = {6}}, {3, 2, 3});
}

BOOST_AUTO_TEST_CASE(shapes) {
  const auto flat = [](const Shape& input) {
    return applied(Flatten<double>(), Tensor<double>::ones(input)).shape().to_string();
  };
  BOOST_TEST(flat({3}) == "(3, 1)");
  BOOST_TEST(flat({3, 0, 2}) == "(3, 0)");
  BOOST_TEST(flat({0, 5, 2}) == "(0, 10)");
  BOOST_TEST(reshaped({2, 6}, {3, 4, 3}) == "(3, 2, 6)");
  BOOST_TEST(reshaped({-1, 6}, {3, 4, 3}) == "(3, 2, 6)");
  BOOST_TEST(reshaped({-1}, {0, 4, 3}) == "(0, 12)");
  BOOST_TEST(reshaped({0, -1}, {3, 0}) == "(3, 0, 0)");
  BOOST_TEST(reshaped({}, {3, 1}) == "(3)");
  BOOST_TEST(Flatten<float>({.name = "f"}).name() == "f");
  BOOST_TEST(Reshape<float>({.target_shape = {1}}).type() == "reshape");
}

BOOST_AUTO_TEST_CASE(options_and_inputs_are_checked) {
  refuses<ArgumentError>(
      "[reshape] target_shape must hold extents of at least 0, or -1; got (2, -3)", [] {
        Reshape<float>({.target_shape = {2, -3}});
      });
  refuses<ArgumentError>("[reshape] target_shape must hold -1 at most once; got (-1, 2, -1)", [] {
    Reshape<float>({.target_shape = {-1, 2, -1}});
  });
  refuses<ArgumentError>(
      "[reshape] target_shape must have at most 7 axes; got (1, 1, 1, 1, 1, 1, 1, 1)", [] {
        Reshape<float>({.target_shape = {1, 1, 1, 1, 1, 1, 1, 1}});
      });
  refuses<ShapeError>(
      "[reshape] an example must have the elements of target_shape (2, 5); got input (3, 4, 3)",
      [] {
        reshaped({2, 5}, {3, 4, 3});
      });
  refuses<ShapeError>(
      "[reshape] an example must have the elements of target_shape (-1, 5); got input (3, 4, 3)",
      [] {
        reshaped({-1, 5}, {3, 4, 3});
      });
  refuses<ShapeError>(
      "[reshape] an example must have the elements of target_shape (-1, 0); got input (3, 4)", [] {
        reshaped({-1, 0}, {3, 4});
      });
  refuses<ShapeError>("[reshape] the input must have a batch axis; got input ()",
                      [] { reshaped({1}, {}); });
  refuses<ShapeError>("[flatten] the input must have a batch axis; got input ()",
                      [] { applied(Flatten<double>(), Tensor<double>::ones({})); });
  // Extents whose product does not fit are an error, not an overflow.
  BOOST_CHECK_THROW(reshaped({std::int64_t{1} << 32, std::int64_t{1} << 32}, {1, 1}), Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
