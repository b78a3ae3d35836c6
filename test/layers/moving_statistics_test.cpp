// One set of moving statistics: its names, how it moves, and what it does with a batch that it
// should not believe.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/layers/moving_statistics.hpp>
#include <limits>

#include "layers/statistics_state.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Values = std::vector<double>;
using Names = std::vector<std::string>;

// Built for two channels, with mean 0 and variance 1.
struct Built {
  explicit Built(const BatchNormalizationOptions& options, std::string bank = "")
      : moving(std::move(bank), options) {
    build_with([&](Builder<double>& builder) { moving.build({2}, zeros(), ones(), builder); });
    moving.visit(buffers);
  }

  // One update, applied; returns how many changes there were.
  std::int64_t update(const BatchStatistics<double>& batch, Warnings* warn = nullptr) {
    CollectedUpdates<double> updates;
    moving.update(batch, "net.bn",
                  {.updates = StateUpdates::collect, .warn = warn, .collected = &updates});
    const std::int64_t changes = updates.size();
    updates.apply();
    return changes;
  }

  MovingStatistics<double> moving;
  NamedBuffers buffers;
};

BatchStatistics<double> spoilt() {
  return batch_of({1, std::numeric_limits<double>::quiet_NaN()}, {1, 1});
}

BOOST_AUTO_TEST_SUITE(moving_statistics)

BOOST_AUTO_TEST_CASE(a_bank_stands_before_every_name) {
  BOOST_TEST(Built({}).buffers.names() == Names({"moving_mean", "moving_variance", "updates"}));
  BOOST_TEST(Built({.renorm = true}, "fake").buffers.names() ==
             Names({"fake.moving_mean", "fake.moving_variance", "fake.moving_stddev",
                    "fake.renorm_mean", "fake.renorm_stddev", "fake.updates"}));
}

BOOST_AUTO_TEST_CASE(they_move_by_one_minus_momentum_toward_the_batch) {
  Built built({.momentum = 0.75});
  built.update(batch_of({4, -8}, {3, 6}));
  BOOST_TEST(built.buffers.values("moving_mean") == Values({1, -2}));
  // The stored variance is unbiased: 3 and 6 times 4 / 3.
  BOOST_TEST(built.buffers.values("moving_variance") == Values({1.75, 2.75}));
  BOOST_TEST(built.moving.updates().value() == 1);
  BOOST_TEST(built.moving.moments().mean.at({0, 1}) == -2);
  BOOST_TEST(built.moving.moments().variance.at({0, 0}) == 1.75);
}

BOOST_AUTO_TEST_CASE(cumulative_is_the_average_of_what_was_met) {
  Built built({.momentum = cumulative});
  for (const double mean : {2.0, 4.0, 9.0}) built.update(batch_of({mean, 0}, {3, 3}));
  BOOST_TEST(built.moving.mean().value().at({0}) == 5, boost::test_tools::tolerance(1e-15));
  BOOST_TEST(built.moving.variance().value().at({0}) == 4, boost::test_tools::tolerance(1e-15));
  BOOST_TEST(built.moving.updates().value() == 3);
}

BOOST_AUTO_TEST_CASE(with_renorm_the_variance_follows_the_moving_deviation) {
  Built built({.momentum = 0.5, .epsilon = 0.25, .renorm = true, .renorm_momentum = 0.75});
  built.update(batch_of({4, 4}, {8.75, 0}));  // deviations 3 and 0.5
  BOOST_TEST(built.buffers.values("moving_mean") == Values({2, 2}));
  BOOST_TEST(built.buffers.values("moving_stddev") == Values({2, 0.75}));
  BOOST_TEST(built.buffers.values("moving_variance") == Values({3.75, 0.3125}));
  BOOST_TEST(built.buffers.values("renorm_mean") == Values({1, 1}));
}

BOOST_AUTO_TEST_CASE(an_empty_batch_changes_nothing) {
  for (const bool renorm : {false, true}) {
    Built built({.renorm = renorm});
    const auto empty = batch_of({0, 0}, {0, 0}, 0);
    BOOST_TEST_REQUIRE(empty.empty);
    BOOST_TEST(built.update(empty) == 0);
    BOOST_TEST(!built.moving.correction(empty, 0).scale.defined());
  }
}

BOOST_AUTO_TEST_CASE(only_renorm_corrects) {
  const auto batch = batch_of({1, 2}, {1, 2});
  BOOST_TEST(!Built({}).moving.correction(batch, 0).scale.defined());
  BOOST_TEST(!Built({}).moving.correction(batch, 0).offset.defined());
  BOOST_TEST(Built({.renorm = true}).moving.correction(batch, 0).offset.value().at({1}) == 2);
}

BOOST_AUTO_TEST_CASE(settling_goes_all_the_way_and_is_no_update) {
  for (const bool renorm : {false, true}) {
    Built built({.epsilon = 0.25, .renorm = renorm});
    CollectedUpdates<double> updates;
    built.moving.settle(batch_of({4, -8}, {8.75, 2}),
                        {.updates = StateUpdates::collect, .collected = &updates});
    updates.apply();
    BOOST_TEST(built.buffers.values("moving_mean") == Values({4, -8}));
    BOOST_TEST(built.moving.variance().value().at({0}) == (renorm ? 8.75 : 8.75 * 4 / 3),
               boost::test_tools::tolerance(1e-15));
    BOOST_TEST(built.moving.updates().value() == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_batch_that_is_not_finite_meets_the_policy) {
  Built taking({.momentum = 0.5});
  taking.update(spoilt());
  BOOST_TEST(taking.moving.mean().value().at({0}) == 0.5);
  BOOST_TEST(std::isnan(taking.moving.mean().value().at({1})));

  struct Heard : Warnings {
    void warn(std::string_view path, std::string_view message) override {
      texts.push_back(std::string(path).append(": ").append(message));
    }
    Names texts;
  } heard;
  Built skipping({.non_finite = NonFinite::skip});
  BOOST_TEST(skipping.update(spoilt(), &heard) == 0);
  BOOST_TEST(heard.texts == Names({"net.bn: a batch with NaN or infinity left the moving "
                                   "statistics as they were"}));

  Built raising({.non_finite = NonFinite::raise});
  refuses<NumericError>(
      "[batch_normalization] non_finite = raise needs finite statistics; got a batch whose mean or "
      "variance is not",
      [&] { raising.update(spoilt()); });
  BOOST_TEST(raising.moving.updates().value() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
