#include <boost/test/unit_test.hpp>
#include <lamina/layers/affine.hpp>

namespace lamina {
namespace {

Affine<double> map_of(double scale, double offset) {
  return {.scale = Tensor<double>({1}, scale), .offset = Tensor<double>({1}, offset)};
}

// The composed map at x; an absent coefficient stands for 1 or 0.
double at(const Affine<double>& map, double x) {
  const double scale = map.scale.defined() ? map.scale.item() : 1;
  return x * scale + (map.offset.defined() ? map.offset.item() : 0);
}

BOOST_AUTO_TEST_SUITE(affine)

BOOST_AUTO_TEST_CASE(then_applies_the_left_map_first) {
  const Affine<double> renorm = map_of(2, 3), adjustment = map_of(5, 7),
                       gamma_beta = map_of(11, 13);
  const Affine<double> all = renorm.then(adjustment).then(gamma_beta);
  BOOST_TEST(at(all, 17) == ((17.0 * 2 + 3) * 5 + 7) * 11 + 13);
}

BOOST_AUTO_TEST_CASE(absent_coefficients_stay_absent_where_nothing_defines_them) {
  const Affine<double> nothing, scale{.scale = Tensor<double>({1}, 2.0)},
      offset{.offset = Tensor<double>({1}, 3.0)};
  BOOST_TEST(!nothing.then(nothing).scale.defined());
  BOOST_TEST(!nothing.then(nothing).offset.defined());
  BOOST_TEST(!scale.then(scale).offset.defined());
  BOOST_TEST(at(offset.then(scale), 1) == (1 + 3.0) * 2);
  BOOST_TEST(at(scale.then(offset), 1) == 1 * 2.0 + 3);
  BOOST_TEST(!offset.then(nothing).scale.defined());
  BOOST_TEST(at(nothing.then(map_of(2, 3)), 5) == 13);
  BOOST_TEST(at(map_of(2, 3).then(nothing), 5) == 13);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
