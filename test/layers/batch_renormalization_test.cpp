// Renorm's correction and its state, without a layer around them.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/layers/batch_renormalization.hpp>

#include "layers/statistics_state.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Values = std::vector<double>;

// Built for two channels: renorm_mean 1, deviations the square root of 4. epsilon is 0.25.
struct Built {
  explicit Built(RenormClipping clipping = {}, double epsilon = 0.25)
      : renorm(std::move(clipping), 0.9, epsilon) {
    build_with([&](Builder<double>& builder) {
      renorm.build({2}, constant(1), constant(4), "", builder);
      builder("moving_variance", moving_variance, {2}, constant(4));
    });
    renorm.visit(buffers, "");
  }

  // {r, d} of one batch.
  std::pair<Values, Values> correction(Values mean, Values variance, std::int64_t step = 0) const {
    const Affine<double> affine = renorm.correction(Tensor<double>({2}, std::move(mean)),
                                                    Tensor<double>({2}, std::move(variance)), step);
    const auto list = [](const Variable<double>& v) {
      return Values(v.value().values().begin(), v.value().values().end());
    };
    return {list(affine.scale), list(affine.offset)};
  }

  BatchRenormalization<double> renorm;
  Buffer<double> moving_variance;
  NamedBuffers buffers;
};

BOOST_AUTO_TEST_SUITE(batch_renormalization)

BOOST_AUTO_TEST_CASE(deviations_start_at_the_root_of_the_variance) {
  const Built built;
  BOOST_TEST(built.buffers.values("moving_stddev") == Values({2, 2}));
  BOOST_TEST(built.buffers.values("renorm_stddev") == Values({2, 2}));
  BOOST_TEST(built.buffers.values("renorm_mean") == Values({1, 1}));
}

// s = sqrt(variance + epsilon), p = 2: r = s / p, d = (mean - renorm_mean) / p.
BOOST_AUTO_TEST_CASE(without_bounds_the_correction_leads_to_the_moving_statistics) {
  const auto [r, d] = Built().correction({5, -3}, {2, 8.75});
  BOOST_TEST(r == Values({0.75, 1.5}));
  BOOST_TEST(d == Values({2, -2}));
}

BOOST_AUTO_TEST_CASE(every_bound_clips_on_its_side_alone) {
  const auto clipped = [](RenormClipping clipping) {
    return Built(std::move(clipping)).correction({5, -3}, {2, 8.75});
  };
  BOOST_TEST(clipped({.rmax = 1.25}).first == Values({0.75, 1.25}));
  BOOST_TEST(clipped({.rmin = 1}).first == Values({1, 1.5}));
  BOOST_TEST(clipped({.dmax = 0.5}).second == Values({0.5, -0.5}));
  BOOST_TEST(clipped({.dmax = 0.5}).first == Values({0.75, 1.5}));
  BOOST_TEST(clipped({.rmax = 1, .rmin = 1}).first == Values({1, 1}));
}

BOOST_AUTO_TEST_CASE(bounds_follow_the_step) {
  const Built built({.rmax = [](std::int64_t step) { return static_cast<double>(step); }});
  BOOST_TEST(built.correction({1, 1}, {8.75, 8.75}, 1).first == Values({1, 1}));
  BOOST_TEST(built.correction({1, 1}, {8.75, 8.75}, 2).first == Values({1.5, 1.5}));
  const Built falling({.dmax = [](std::int64_t step) { return 1.0 - static_cast<double>(step); }});
  refuses<ArgumentError>("[batch_normalization] renorm_clipping.dmax must be at least 0; got -1",
                         [&] {
                           falling.correction({1, 1}, {4, 4}, 2);
                         });
}

BOOST_AUTO_TEST_CASE(constant_bounds_are_checked_at_once) {
  refuses<ArgumentError>(
      "[batch_normalization] renorm_clipping.rmax must be at least rmin; got rmax 1, rmin 2",
      [] { Built({.rmax = 1, .rmin = 2}); });
}

// p is never below sqrt(epsilon), and what cannot be divided by gives 0.
BOOST_AUTO_TEST_CASE(a_deviation_of_zero_has_a_floor) {
  const Built built;
  built.buffers.at("renorm_stddev").assign(Tensor<double>({2}, {0, 1}));
  BOOST_TEST(built.correction({2, 2}, {0.75, 0.75}).first == Values({2, 1}));
  const Built bare({}, 0);
  bare.buffers.at("renorm_stddev").assign(Tensor<double>({2}, 0.0));
  const auto [r, d] = bare.correction({2, 2}, {4, 4});
  BOOST_TEST(r == Values({0, 0}));
  BOOST_TEST(d == Values({0, 0}));
}

BOOST_AUTO_TEST_CASE(an_update_moves_each_buffer_by_its_rate) {
  const Built built;
  CollectedUpdates<double> updates;
  built.renorm.update(Tensor<double>({2}, {5, -3}), Tensor<double>({2}, {15.75, 0}),
                      built.moving_variance, 0.5, 0.25,
                      {.updates = StateUpdates::collect, .collected = &updates});
  BOOST_TEST(built.buffers.values("renorm_mean") == Values({1, 1}));  // not before it is applied
  updates.apply();
  BOOST_TEST(built.buffers.values("renorm_mean") == Values({2, 0}));
  BOOST_TEST(built.buffers.values("renorm_stddev") == Values({2.5, 1.625}));  // toward 4 and 0.5
  BOOST_TEST(built.buffers.values("moving_stddev") == Values({3, 1.25}));
  const auto variance = built.moving_variance.value().values();
  BOOST_TEST(Values(variance.begin(), variance.end()) == Values({8.75, 1.3125}));
}

BOOST_AUTO_TEST_CASE(a_moving_variance_is_never_negative) {
  const Built built;
  CollectedUpdates<double> updates;
  built.buffers.at("moving_stddev").assign(Tensor<double>({2}, 0.25));
  built.renorm.update(Tensor<double>({2}, 0.0), Tensor<double>({2}, 0.0), built.moving_variance, 0,
                      0, {.updates = StateUpdates::collect, .collected = &updates});
  updates.apply();
  BOOST_TEST(built.moving_variance.value().at({0}) == 0);  // 0.25^2 is below epsilon
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
