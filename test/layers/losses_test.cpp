// Losses beyond the recorded cases.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/layers/cross_entropy.hpp>
#include <lamina/layers/regression_loss.hpp>
#include <limits>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Labels = Tensor<std::int64_t>;
const double kNaN = std::numeric_limits<double>::quiet_NaN();
const Reduction kReductions[] = {Reduction::mean, Reduction::sum, Reduction::none};

const Variable<double> kLogits(random_tensor<double>({3, 2, 5}, 1, -2, 2));
const Labels kLabels({3, 2}, {0, 4, 2, 1, 3, 2});

BOOST_AUTO_TEST_SUITE(losses_suite)

BOOST_AUTO_TEST_CASE(derivatives) {
  const auto weights = random_tensor<double>({3, 2}, 2, 0.5, 2);
  const auto logits = kLogits.value();
  const auto distributions = random_tensor<double>({3, 2, 5}, 3, 0, 1);
  const auto target = random_tensor<double>({3, 2, 5}, 4, 2.5, 3);
  for (const Reduction reduction : kReductions) {
    const SoftmaxCrossEntropy softmax({.label_smoothing = 0.1,
                                       .class_weights = {1, 2, 0.5, 3, 0},
                                       .ignore_index = 3,
                                       .reduction = reduction});
    gradient_check([&](auto x) { return softmax(x[0], kLabels, weights); }, {logits});
    const SoftmaxCrossEntropy soft({.label_smoothing = 0.2, .reduction = reduction});
    gradient_check([&](auto x) { return soft(x[0], x[1], weights); }, {logits, distributions});
    const SigmoidCrossEntropy sigmoid(
        {.label_smoothing = 0.1, .pos_weight = {1, 2, 3, 0.5, 4}, .reduction = reduction});
    gradient_check([&](auto x) { return sigmoid(x[0], x[1], weights); }, {logits, distributions});
    const MeanSquaredError squared({.reduction = reduction});
    gradient_check([&](auto x) { return squared(x[0], x[1], weights); }, {logits, target});
    const MeanAbsoluteError absolute({.reduction = reduction});
    gradient_check([&](auto x) { return absolute(x[0], x[1], weights); }, {logits, target});
    for (const double delta : {0.1, 10.0, 3.0}) {
      const Huber huber({.delta = delta, .reduction = reduction});
      gradient_check([&](auto x) { return huber(x[0], x[1], weights); }, {logits, target});
    }
  }
}

BOOST_AUTO_TEST_CASE(float_agrees_with_double) {
  const auto x32 = kLogits.value().cast<float>();
  const Variable<double> x64(x32.cast<double>());
  const auto target = random_tensor<double>({3, 2, 5}, 4, 0, 1).cast<float>();
  const auto compare = [&](const auto& loss, const auto& t32, const auto& t64) {
    const double exact = loss(x64, t64).item();
    BOOST_TEST(std::abs(loss(Variable<float>(x32), t32).item() - exact) < 1e-6 * exact);
  };
  const auto wide = target.cast<double>();
  compare(SoftmaxCrossEntropy(), kLabels, kLabels);
  compare(SoftmaxCrossEntropy(), target, wide);
  compare(SigmoidCrossEntropy(), target, wide);
  compare(MeanSquaredError(), target, wide);
  compare(MeanAbsoluteError(), target, wide);
  compare(Huber(), target, wide);
}

BOOST_AUTO_TEST_CASE(distributions_of_one_class_are_labels) {
  auto one_hot = Tensor<double>::zeros({3, 2, 5});
  for (std::int64_t i = 0; i < 6; ++i) one_hot.mutable_data()[i * 5 + kLabels.data()[i]] = 1;
  for (const Reduction reduction : kReductions) {
    const SoftmaxCrossEntropy loss({.label_smoothing = 0.3, .reduction = reduction});
    check_close("loss", loss(kLogits, one_hot).value(), loss(kLogits, kLabels).value(), 1e-14);
  }
}

BOOST_AUTO_TEST_CASE(reductions_and_weights) {
  const auto entries = SoftmaxCrossEntropy({.reduction = Reduction::none})(kLogits, kLabels);
  BOOST_TEST(entries.shape().to_string() == "(3, 2)");
  double sum = 0, weighted = 0, counted = 0;
  const double by_row[] = {2, 0.5, 3};
  const std::vector<double> classes{1, 2, 3, 4, 5};
  for (std::int64_t i = 0; i < 6; ++i) {
    const double entry = entries.value().data()[i];
    sum += entry;
    weighted += entry * by_row[i / 2];
    counted += entry * classes[static_cast<std::size_t>(kLabels.data()[i])];
  }
  const auto close = [](const Variable<double>& loss, double expected) {
    BOOST_TEST(std::abs(loss.item() - expected) < 1e-14 * expected);
  };
  close(softmax_cross_entropy(kLogits, kLabels), sum / 6);
  close(softmax_cross_entropy(kLogits, kLabels, {.reduction = Reduction::sum}), sum);
  // Weights of the leading axis; the mean goes on dividing by the entries.
  const Tensor<double> rows({3}, {2, 0.5, 3});
  close(SoftmaxCrossEntropy()(kLogits, kLabels, rows), weighted / 6);
  // Weights of classes: the mean divides by their sum.
  close(softmax_cross_entropy(kLogits, kLabels, {.class_weights = classes}),
        counted / (1 + 5 + 3 + 2 + 4 + 3));
  // A label that is ignored, in range or not.
  const double last = entries.value().at({2, 1}) + entries.value().at({1, 0});
  close(softmax_cross_entropy(kLogits, kLabels, {.ignore_index = 2}), (sum - last) / 4);
}

BOOST_AUTO_TEST_CASE(nothing_that_counts_is_no_loss) {
  Tape<double> tape;
  const auto x = tape.watch(kLogits.value());
  const auto all_ignored = softmax_cross_entropy(x, Labels({3, 2}, -1), {.ignore_index = -1});
  BOOST_TEST(all_ignored.item() == 0);
  const auto none_left = tape.gradients(all_ignored, {x})[0];
  for (const double g : none_left.value().values()) BOOST_TEST(g == 0);
  const Variable<double> none(Tensor<double>::zeros({0, 5}));
  BOOST_TEST(softmax_cross_entropy(none, Labels({0}, std::int64_t{0})).item() == 0);
  BOOST_TEST(mean_squared_error(none, none).item() == 0);
  BOOST_TEST(sigmoid_cross_entropy(none, none).item() == 0);
  const Variable<double> thin(Tensor<double>::zeros({5, 0}));
  BOOST_TEST(mean_absolute_error(thin, thin).item() == 0);
}

BOOST_AUTO_TEST_CASE(large_logits_are_safe) {
  Tape<float> tape;
  const auto x = tape.watch(Tensor<float>({2, 3}, {1000, -1000, 0, -1000, 1000, 1000}));
  const auto loss = softmax_cross_entropy(x, Labels({2}, {1, 0}), {.reduction = Reduction::none});
  BOOST_TEST(loss.value().at({0}) == 2000);
  BOOST_TEST(std::abs(loss.value().at({1}) - 2000.6931f) < 1e-3);
  const auto gradient =
      tape.gradients(loss, {x}, {.keep = true, .seed = Tensor<float>::ones({2})})[0];
  check_close("gradient", gradient.value(), Tensor<float>({2, 3}, {1, -1, 0, -1, 0.5, 0.5}), 1e-6);
  const Tensor<float> target({2, 3}, {1, 0, 1, 0, 1, 0});
  const auto binary = sigmoid_cross_entropy(x, target, {.reduction = Reduction::sum});
  BOOST_TEST(std::abs(binary.item() - (std::log(2.0f) + 1000) / 3) < 1e-3);
  const auto of_binary = tape.gradients(binary, {x})[0];
  for (const float g : of_binary.value().values()) {
    BOOST_TEST(std::isfinite(g));
  }
}

BOOST_AUTO_TEST_CASE(scalars_and_vectors_are_predictions_too) {
  const Variable<double> p(Tensor<double>::scalar(3)), t(Tensor<double>::scalar(1));
  BOOST_TEST(mean_squared_error(p, t).item() == 4);
  BOOST_TEST(mean_absolute_error(p, t).item() == 2);
  BOOST_TEST(huber(p, t, {.delta = 0.5}).item() == 0.5 * (2 - 0.25));
  BOOST_TEST(sigmoid_cross_entropy(p, t, {.pos_weight = {2}}).item() ==
             2 * std::log1p(std::exp(-3.0)));
  const Variable<double> v(Tensor<double>({2}, {1, 4}));
  BOOST_TEST(mean_squared_error(v, Tensor<double>({2}, {1, 2})).item() == 2);
}

BOOST_AUTO_TEST_CASE(labels_are_checked) {
  const auto refused = [](const Labels& labels, const std::string& text) {
    refuses<ArgumentError>(text, [&] { softmax_cross_entropy(kLogits, labels); });
  };
  refused(Labels({3, 2}, {0, 4, 2, 5, 3, 2}),
          "[softmax_cross_entropy] labels must lie in [0, 5); got 5 at (1, 1)");
  refused(Labels({3, 2}, {0, 4, 2, 1, 3, -1}),
          "[softmax_cross_entropy] labels must lie in [0, 5); got -1 at (2, 1)");
  refuses<ShapeError>(
      "[softmax_cross_entropy] labels must have the logits' shape without the "
      "classes; got (6), expected (3, 2)",
      [] { softmax_cross_entropy(kLogits, kLabels.reshaped({6})); });
  refuses<ShapeError>(
      "[softmax_cross_entropy] targets must have the logits' shape; got (3, 5), "
      "expected (3, 2, 5)",
      [] {
        softmax_cross_entropy(kLogits, Tensor<double>::ones({3, 5}));
      });
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  refuses<ArgumentError>("[softmax_cross_entropy] label_smoothing must lie in [0, 1]; got 1.5",
                         [] { SoftmaxCrossEntropy({.label_smoothing = 1.5}); });
  refuses<ArgumentError>("[sigmoid_cross_entropy] label_smoothing must lie in [0, 1]; got nan",
                         [] { SigmoidCrossEntropy({.label_smoothing = kNaN}); });
  refuses<ArgumentError>(
      "[softmax_cross_entropy] class_weights must be finite and at least 0; got -1", [] {
        SoftmaxCrossEntropy({.class_weights = {1, -1}});
      });
  refuses<ArgumentError>(
      "[sigmoid_cross_entropy] pos_weight must be finite and at least 0; got inf",
      [] { SigmoidCrossEntropy({.pos_weight = {std::numeric_limits<double>::infinity()}}); });
  refuses<ArgumentError>("[huber] delta must be finite and above 0; got 0",
                         [] { Huber({.delta = 0}); });
  refuses<ArgumentError>(
      "[softmax_cross_entropy] class_weights must have one entry per class; got 2, expected 5", [] {
        softmax_cross_entropy(kLogits, kLabels, {.class_weights = {1, 2}});
      });
  BOOST_CHECK_THROW(sigmoid_cross_entropy(kLogits, kLogits, {.pos_weight = {1, 2}}), ShapeError);
}

BOOST_AUTO_TEST_CASE(shapes_are_checked) {
  const Variable<double> a(Tensor<double>::ones({4, 3})), b(Tensor<double>::ones({4}));
  refuses<ShapeError>(
      "[mean_squared_error] prediction and target must have the same shape; got "
      "(4, 3) and (4)",
      [&] { mean_squared_error(a, b); });
  refuses<ShapeError>(
      "[mean_absolute_error] prediction and target must have the same shape; got "
      "(4) and (4, 3)",
      [&] { mean_absolute_error(b, a); });
  refuses<ShapeError>("[huber] prediction and target must have the same shape; got (4, 3) and (4)",
                      [&] { huber(a, b); });
  refuses<ShapeError>(
      "[mean_squared_error] sample_weight must have the shape of the entries, or of their leading "
      "axes; got (3), expected (4)",
      [&] { MeanSquaredError()(a, a, Tensor<double>::ones({3})); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
