#include <boost/test/unit_test.hpp>
#include <lamina/layers/variance_estimator.hpp>

namespace lamina {
namespace {

bool fuses(DType dtype, int rank, std::vector<int> axes, bool fused = true) {
  return tensorflow_would_fuse(dtype, rank, axes, fused);
}

BOOST_AUTO_TEST_SUITE(variance_estimator)

BOOST_AUTO_TEST_CASE(the_seed_fuses_float32_images_and_volumes_along_axis_1_or_the_last) {
  for (const int rank : {1, 2, 3, 4, 5, 6}) {
    for (int axis = 0; axis < rank; ++axis) {
      const bool expected = (rank == 4 || rank == 5) && (axis == 1 || axis == rank - 1);
      BOOST_TEST(fuses(DType::float32, rank, {axis}) == expected,
                 "rank " << rank << " axis " << axis);
      BOOST_TEST(!fuses(DType::float64, rank, {axis}));
      BOOST_TEST(!fuses(DType::float32, rank, {axis}, false));
    }
  }
  BOOST_TEST(!fuses(DType::float32, 4, {1, 3}));
}

BOOST_AUTO_TEST_CASE(the_unbiased_factor_never_divides_by_zero) {
  BOOST_TEST(variance_factor(VarianceEstimator::biased, 5) == 1);
  BOOST_TEST(variance_factor(VarianceEstimator::unbiased, 5) == 1.25);
  BOOST_TEST(variance_factor(VarianceEstimator::unbiased, 2) == 2);
  BOOST_TEST(variance_factor(VarianceEstimator::unbiased, 1.5) == 1.5);
  BOOST_TEST(variance_factor(VarianceEstimator::unbiased, 1) == 1);
  BOOST_TEST(variance_factor(VarianceEstimator::unbiased, 0.25) == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
