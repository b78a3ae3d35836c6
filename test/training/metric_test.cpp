#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/training/confusion_matrix.hpp>
#include <lamina/training/metric.hpp>
#include <limits>

#include "support/refusal.hpp"

using namespace lamina;
using lamina::test::refuses;

namespace {

const float kNaN = std::numeric_limits<float>::quiet_NaN();

Tensor<float> scores() {
  return Tensor<float>({4, 3}, {1, 2, 3,    //
                                3, 3, 1,    //
                                0, -1, -2,  //
                                -5, -5, -5});
}
Tensor<std::int64_t> labels(std::initializer_list<std::int64_t> values) {
  return Tensor<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

double value_of(const std::shared_ptr<Metric>& metric, const Tensor<std::int64_t>& y) {
  metric->reset();
  metric->update(scores(), y);
  return metric->value();
}

}  // namespace

BOOST_AUTO_TEST_CASE(accuracy_counts_the_largest_score_and_of_equal_ones_the_first) {
  BOOST_TEST(value_of(accuracy(), labels({2, 0, 0, 0})) == 1.0);
  BOOST_TEST(value_of(accuracy(), labels({2, 1, 0, 1})) == 0.5);
  BOOST_TEST(value_of(accuracy(), labels({0, 2, 2, 2})) == 0.0);
}

BOOST_AUTO_TEST_CASE(top_k_counts_the_k_largest) {
  BOOST_TEST(top_k(2)->name() == "top_2");
  BOOST_TEST(value_of(top_k(2), labels({1, 1, 1, 1})) == 1.0);
  BOOST_TEST(value_of(top_k(2), labels({0, 2, 2, 2})) == 0.0);
  BOOST_TEST(value_of(top_k(3), labels({0, 2, 2, 2})) == 1.0);
}

BOOST_AUTO_TEST_CASE(metrics_gather_over_batches_of_any_type) {
  const auto metric = accuracy();
  BOOST_TEST(std::isnan(metric->value()));
  metric->update(scores(), labels({2, 2, 2, 2}));
  metric->update(Tensor<double>({1, 2}, {0, 1}), labels({1}));
  metric->update(Tensor<double>::zeros({0, 2}), Tensor<std::int64_t>::zeros({0}));
  BOOST_TEST(metric->value() == 2.0 / 5);
  const auto copy = metric->copy();
  metric->reset();
  BOOST_TEST(std::isnan(metric->value()));
  BOOST_TEST(copy->value() == 2.0 / 5);
}

BOOST_AUTO_TEST_CASE(a_score_of_nan_is_never_a_hit) {
  const auto metric = accuracy();
  metric->update(Tensor<float>({1, 2}, {kNaN, 0}), labels({0}));
  BOOST_TEST(metric->value() == 0.0);
}

BOOST_AUTO_TEST_CASE(ignored_labels_do_not_count) {
  BOOST_TEST(value_of(accuracy({.ignore_index = -1}), labels({2, -1, -1, 2})) == 0.5);
  BOOST_TEST(std::isnan(value_of(accuracy({.ignore_index = 1}), labels({1, 1, 1, 1}))));
}

BOOST_AUTO_TEST_CASE(metrics_refuse_what_does_not_fit_and_add_nothing) {
  const auto metric = accuracy();
  refuses<ArgumentError>("[accuracy] labels must lie in [0, 3); got 3 at position 2", [&] {
    metric->update(scores(), labels({0, 1, 3, 0}));
  });
  refuses<ArgumentError>("[accuracy] labels must lie in [0, 3); got -1 at position 0", [&] {
    metric->update(scores(), labels({-1, 1, 2, 0}));
  });
  refuses<ShapeError>(
      "[accuracy] there must be one label per row of scores; got labels (2) for scores (4, 3)",
      [&] {
        metric->update(scores(), labels({0, 1}));
      });
  refuses<ShapeError>("[accuracy] scores must have shape (examples, classes); got (4)", [&] {
    metric->update(Tensor<float>::zeros({4}), labels({0, 1, 2, 0}));
  });
  refuses<ArgumentError>("[top_k] k must be at least 1; got 0", [] { top_k(0); });
  BOOST_TEST(std::isnan(metric->value()));
}

BOOST_AUTO_TEST_CASE(predicted_classes_are_the_largest_scores) {
  const Tensor<std::int64_t> classes = predicted_classes(scores());
  BOOST_TEST(identical(classes, labels({2, 0, 0, 0})));
  refuses<ShapeError>("[predicted_classes] scores must have shape (examples, classes); got (2, 0)",
                      [] {
                        predicted_classes(Tensor<float>::zeros({2, 0}));
                      });
}

BOOST_AUTO_TEST_CASE(a_score_of_nan_is_never_the_largest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor<float> x({3, 3}, {nan, 1, 2, 1, nan, 0, nan, nan, nan});
  BOOST_TEST(identical(predicted_classes(x), labels({2, 0, 0})));
  const auto metric = accuracy()->copy();
  metric->update(x, labels({2, 0, 0}));
  BOOST_TEST(metric->value() == 2.0 / 3);
}

BOOST_AUTO_TEST_CASE(confusion_matrix_by_hand) {
  ConfusionMatrix matrix(3);
  matrix.update(scores(), labels({2, 1, 0, 1}));
  matrix.add(2, 1);
  BOOST_TEST(matrix.count(2, 2) == 1);
  BOOST_TEST(matrix.count(1, 0) == 2);
  BOOST_TEST(matrix.count(0, 0) == 1);
  BOOST_TEST(matrix.count(2, 1) == 1);
  BOOST_TEST(matrix.total() == 5);
  BOOST_TEST(matrix.accuracy() == 0.4);
  BOOST_TEST(matrix.precision(0) == 1.0 / 3);
  BOOST_TEST(matrix.recall(2) == 0.5);
  BOOST_TEST(matrix.recall(1) == 0.0);
  BOOST_TEST(matrix.to_string() ==
             "    true    0    1    2    recall\n"
             "       0    1    0    0  100.00 %\n"
             "       1    2    0    0    0.00 %\n"
             "       2    0    1    1   50.00 %\n"
             "accuracy 40.00 % of 5\n");
}

BOOST_AUTO_TEST_CASE(confusion_matrix_refuses_what_does_not_fit) {
  ConfusionMatrix matrix(4);
  refuses<ShapeError>("[confusion_matrix] scores must have 4 classes; got shape (4, 3)", [&] {
    matrix.update(scores(), labels({0, 1, 2, 0}));
  });
  refuses<ArgumentError>("[confusion_matrix] classes must lie in [0, 4); got 4",
                         [&] { matrix.add(0, 4); });
  refuses<ArgumentError>("[confusion_matrix] classes must lie in [0, 4); got -1",
                         [&] { (void)matrix.count(-1, 0); });
  refuses<ArgumentError>("[confusion_matrix] classes must lie in [1, 10000]; got 0",
                         [] { ConfusionMatrix(0); });
  BOOST_TEST(matrix.total() == 0);
  BOOST_TEST(std::isnan(matrix.accuracy()));
}
