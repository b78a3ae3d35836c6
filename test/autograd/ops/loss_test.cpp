#include <cmath>
#include <lamina/autograd/ops/loss.hpp>

#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {

namespace {

using Labels = Tensor<std::int64_t>;

// -log_softmax(x)_c for one row, in long double.
long double surprise(const double* row, std::int64_t classes, std::int64_t c) {
  long double total = 0;
  for (std::int64_t k = 0; k < classes; ++k) total += std::exp((long double)row[k] - row[c]);
  return std::log(total);
}

// The loss of logits (n, classes) by its definition.
Tensor<double> naive(const Tensor<double>& x,
                     const std::function<double(std::int64_t, std::int64_t)>& q) {
  const std::int64_t rows = x.shape()[0], classes = x.shape()[1];
  Tensor<double> losses = Tensor<double>::zeros({rows});
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t c = 0; c < classes; ++c) {
      losses.mutable_data()[i] += static_cast<double>(static_cast<long double>(q(i, c)) *
                                                      surprise(x.data() + i * classes, classes, c));
    }
  }
  return losses;
}

const Labels kLabels({7}, {2, 0, 1, 2, 2, 1, 0});
const std::vector<double> kWeights{0.5, 2, 0};

std::vector<Arguments> logits(double size) {
  return {{random_tensor<double>({7, 3}, 1, -size, size)}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(loss)

BOOST_AUTO_TEST_CASE(labels) {
  const Labels ignoring({7}, {2, 0, -1, 2, 2, -1, 0});
  const std::vector<std::pair<Labels, CrossEntropyOptions>> cases{
      {kLabels, {}},
      {kLabels, {.label_smoothing = 0.1}},
      {kLabels, {.class_weights = kWeights}},
      {ignoring, {.ignore_index = -1}},
      {ignoring, {.label_smoothing = 0.2, .class_weights = kWeights, .ignore_index = -1}}};
  for (const auto& [labels, options] : cases) {
    check_op(
        "softmax_cross_entropy",
        [labels = labels, options = options](auto x) {
          return softmax_cross_entropy_per_example(x[0], labels, options);
        },
        [labels = labels, options = options](const Arguments& a) {
          return naive(a[0], [&](std::int64_t i, std::int64_t c) {
            const std::int64_t y = labels.data()[i];
            if (y == options.ignore_index) return 0.0;
            const double s = options.label_smoothing;
            const auto w = [&](std::int64_t k) {
              return options.class_weights.empty()
                         ? 1.0
                         : options.class_weights[static_cast<std::size_t>(k)];
            };
            return (c == y ? w(y) * (1 - s) : 0) + w(c) * s / 3;
          });
        },
        logits(3), {.orders = 3});
  }
}

BOOST_AUTO_TEST_CASE(distributions) {
  const std::vector<CrossEntropyOptions> cases{{},
                                               {.label_smoothing = 0.1},
                                               {.class_weights = kWeights},
                                               {.label_smoothing = 0.1, .class_weights = kWeights}};
  for (const CrossEntropyOptions& options : cases) {
    Arguments arguments{random_tensor<double>({7, 3}, 1, -3, 3),
                        random_tensor<double>({7, 3}, 2, 0, 1)};
    check_op(
        "softmax_cross_entropy",
        [options](auto x) { return softmax_cross_entropy_per_example(x[0], x[1], options); },
        [options](const Arguments& a) {
          return naive(a[0], [&](std::int64_t i, std::int64_t c) {
            const double s = options.label_smoothing;
            const double w = options.class_weights.empty()
                                 ? 1.0
                                 : options.class_weights[static_cast<std::size_t>(c)];
            return w * (a[1].data()[i * 3 + c] * (1 - s) + s / 3);
          });
        },
        {arguments}, {.orders = 3});
  }
}

BOOST_AUTO_TEST_CASE(classes_on_any_axis) {
  // (2, 3, 5) with the classes in the middle is the same as (2, 5, 3) with them last.
  const auto x = random_tensor<double>({2, 3, 5}, 1);
  Tensor<double> moved = Tensor<double>::uninitialized({2, 5, 3});
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t c = 0; c < 3; ++c) {
      for (std::int64_t i = 0; i < 5; ++i) moved.set({n, i, c}, x.at({n, c, i}));
    }
  }
  const Labels labels({2, 5}, {0, 1, 2, 1, 0, 2, 2, 1, 0, 0});
  const CrossEntropyOptions middle{.axis = 1, .label_smoothing = 0.1, .class_weights = kWeights};
  CrossEntropyOptions last = middle;
  last.axis = -1;
  check_close(
      "loss", softmax_cross_entropy_per_example(Variable<double>(x), labels, middle).value(),
      softmax_cross_entropy_per_example(Variable<double>(moved), labels, last).value(), 1e-15);
  check_op("softmax_cross_entropy",
           [&](auto v) { return softmax_cross_entropy_per_example(v[0], labels, middle); }, {},
           {{x}});
  check_op("softmax_cross_entropy",
           [&](auto v) { return softmax_cross_entropy_per_example(v[0], v[1], middle); }, {},
           {{x, random_tensor<double>({2, 3, 5}, 4, 0, 1)}}, {.repeated = false});
}

BOOST_AUTO_TEST_CASE(sigmoid) {
  const auto oracle = [](double x, double t, double p) {
    const double s = 1 / (1 + std::exp(-x));
    return -(p * t * std::log(s) + (1 - t) * std::log(1 - s));
  };
  for (const Shape& shape : {Shape{2, 3, 5}, Shape{1}, Shape{}, Shape{0, 3}}) {
    const Arguments arguments{random_tensor<double>(shape, 1, -3, 3),
                              random_tensor<double>(shape, 2, 0, 1)};
    check_op("sigmoid_cross_entropy",
             [](auto x) { return sigmoid_cross_entropy_per_element(x[0], x[1]); },
             elementwise<2>([oracle](double x, double t) { return oracle(x, t, 1); }), {arguments},
             {.orders = 3});
  }
  const Tensor<double> p({5}, {0.5, 1, 2, 3, 0});
  check_op(
      "sigmoid_cross_entropy",
      [p]<class X>(X x) {
        using T = typename std::remove_cvref_t<decltype(x[0].value())>::value_type;
        return sigmoid_cross_entropy_per_element(x[0], x[1], p.cast<T>());
      },
      [oracle, p](const Arguments& a) {
        return elementwise<3>(oracle)({a[0], a[1], p});
      },
      {{random_tensor<double>({2, 3, 5}, 1, -3, 3), random_tensor<double>({2, 3, 5}, 2, 0, 1)}});
}

BOOST_AUTO_TEST_CASE(enormous_logits) {
  Tape<double> tape;
  const auto x = tape.watch(Tensor<double>({3, 2}, {1000, -1000, 1000, -1000, 1e308, 1e308}));
  const Labels labels({3}, {0, 1, 0});
  const auto losses = softmax_cross_entropy_per_example(x, labels);
  check_close("softmax", losses.value(), Tensor<double>({3}, {0, 2000, std::log(2.0)}), 1e-15);
  const auto slope = tape.gradients(losses, {x}, {.keep = true, .seed = Tensor<double>::ones({3})});
  check_close("its gradient", slope[0].value(), Tensor<double>({3, 2}, {0, 0, 1, -1, -0.5, 0.5}),
              1e-15);

  const auto z = tape.watch(Tensor<double>({4}, {1000, -1000, 1000, -1000}));
  const auto targets = Variable<double>(Tensor<double>({4}, {1, 0, 0, 1}));
  const auto binary = sigmoid_cross_entropy_per_element(z, targets);
  check_close("sigmoid", binary.value(), Tensor<double>({4}, {0, 0, 1000, 1000}), 1e-15);
  const auto second = tape.gradients(binary, {z}, {.seed = Tensor<double>::ones({4})});
  check_close("its gradient", second[0].value(), Tensor<double>({4}, {0, 0, 1, -1}), 1e-15);
}

// Targets need not be distributions: the derivative is sum(q) softmax(x) - q.
BOOST_AUTO_TEST_CASE(targets_whose_sum_is_0_count) {
  Tape<double> tape;
  const auto x = tape.watch(Tensor<double>({1, 2}, {0.3, 0.3}));
  const auto losses =
      softmax_cross_entropy_per_example(x, Variable<double>(Tensor<double>({1, 2}, {1, -1})));
  const auto slope = tape.gradients(losses, {x}, {.seed = Tensor<double>::ones({1})});
  check_close("gradient", slope[0].value(), Tensor<double>({1, 2}, {-1, 1}), 1e-15);
}

BOOST_AUTO_TEST_CASE(ignored_logits_may_be_anything) {
  Tape<double> tape;
  const auto x = tape.watch(Tensor<double>({2, 2}, {std::nan(""), 1, 0, 0}));
  const auto losses =
      softmax_cross_entropy_per_example(x, Labels({2}, {-1, 0}), {.ignore_index = -1});
  check_close("loss", losses.value(), Tensor<double>({2}, {0, std::log(2.0)}), 1e-15);
  const auto slope = tape.gradients(losses, {x}, {.seed = Tensor<double>::ones({2})});
  check_close("gradient", slope[0].value(), Tensor<double>({2, 2}, {0, 0, -0.5, 0.5}), 1e-15);
}

BOOST_AUTO_TEST_CASE(ignored_logits_may_be_anything_in_a_recorded_pass) {
  Tape<double> tape;
  const auto x = tape.watch(Tensor<double>({2, 2}, {std::nan(""), 1, 0, 0}));
  const auto losses =
      softmax_cross_entropy_per_example(x, Labels({2}, {-1, 0}), {.ignore_index = -1});
  const auto slope =
      tape.gradients(losses, {x}, {.create_graph = true, .seed = Tensor<double>::ones({2})})[0];
  check_close("gradient", slope.value(), Tensor<double>({2, 2}, {0, 0, -0.5, 0.5}), 1e-15);
  const auto curvature = tape.gradients(sum(square(slope)), {x})[0].value();
  BOOST_TEST(curvature.data()[0] == 0);
  BOOST_TEST(curvature.data()[2] != 0);
}

BOOST_AUTO_TEST_CASE(a_recorded_gradient_is_the_plain_one) {
  const Labels labels({4}, {2, 0, -1, 1});
  for (const CrossEntropyOptions& options :
       {CrossEntropyOptions{.label_smoothing = 0.2, .ignore_index = -1},
        CrossEntropyOptions{
            .label_smoothing = 0.3, .class_weights = kWeights, .ignore_index = -1}}) {
    Tape<double> tape;
    const auto x = tape.watch(random_tensor<double>({4, 3}, 1));
    const auto loss = sum(softmax_cross_entropy_per_example(x, labels, options));
    const auto plain = tape.gradients(loss, {x}, {.keep = true})[0];
    const auto recorded = tape.gradients(loss, {x}, {.create_graph = true})[0];
    check_close("gradient", recorded.value(), plain.value(), 1e-14);
  }
}

BOOST_AUTO_TEST_CASE(where_no_class_counts_logits_may_be_anything) {
  const Variable<double> nothing(Tensor<double>::zeros({1, 2}));
  for (const bool recorded : {false, true}) {
    for (const bool by_label : {false, true}) {
      Tape<double> tape;
      const auto x = tape.watch(Tensor<double>({1, 2}, {std::nan(""), 1}));
      const auto losses = by_label ? softmax_cross_entropy_per_example(x, Labels({1}, {0}),
                                                                       {.class_weights = {0, 1}})
                                   : softmax_cross_entropy_per_example(x, nothing);
      BOOST_TEST(losses.value().data()[0] == 0);
      const auto slope = tape.gradients(sum(losses), {x}, {.create_graph = recorded})[0];
      check_close("gradient", slope.value(), Tensor<double>::zeros({1, 2}), 0);
    }
  }
}

// exp(-|x|) is what is left of loss and gradient, not a difference of numbers near 1.
BOOST_AUTO_TEST_CASE(confident_answers_keep_their_digits) {
  for (const float size : {10.0F, 16.0F, 20.0F, 60.0F}) {
    for (const float target : {0.0F, 1.0F}) {
      for (const float weight : {1.0F, 3.0F}) {
        for (const bool recorded : {false, true}) {
          Tape<float> tape;
          const float logit = target == 0 ? -size : size, share = target == 0 ? 1 : weight;
          const auto x = tape.watch(Tensor<float>({1}, {logit}));
          const auto loss = sigmoid_cross_entropy_per_element(
              x, Variable<float>(Tensor<float>({1}, {target})), Tensor<float>({1}, {weight}));
          const auto close = boost::test_tools::tolerance(1e-6F);
          const float tail = std::log1p(std::exp(-size)), far = 1 / (1 + std::exp(size));
          BOOST_TEST(loss.item() == share * tail, close);
          const auto slope = tape.gradients(loss, {x}, {.create_graph = recorded})[0].item();
          BOOST_TEST(slope == (target == 0 ? share * far : -share * far), close);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(weight_of_the_labels_that_count) {
  const Labels labels({4}, {0, 1, 1, -1});
  BOOST_TEST(counted_label_weight(labels, {.ignore_index = -1}) == 3);
  BOOST_TEST(counted_label_weight(labels, {.class_weights = kWeights, .ignore_index = -1}) == 4.5);
  refuses<ArgumentError>("[softmax_cross_entropy] labels must lie in [0, 3); got -1",
                         [&] { counted_label_weight(labels, {.class_weights = kWeights}); });
}

BOOST_AUTO_TEST_CASE(refusals) {
  const Variable<double> x(Tensor<double>::ones({2, 3}));
  const Labels labels({2}, {0, 1});
  const auto loss = [&](CrossEntropyOptions options) {
    softmax_cross_entropy_per_example(x, labels, options);
  };
  refuses<ArgumentError>("[softmax_cross_entropy] labels must lie in [0, 3); got 3 at (1)", [&] {
    softmax_cross_entropy_per_example(x, Labels({2}, {0, 3}));
  });
  refuses<ArgumentError>(
      "[softmax_cross_entropy] labels must lie in [0, 3); got -1 at (1, 0)", [&] {
        softmax_cross_entropy_per_example(Variable<double>(Tensor<double>::ones({2, 1, 3})),
                                          Labels({2, 1}, {0, -1}));
      });
  refuses<ShapeError>(
      "[softmax_cross_entropy] labels must have the logits' shape without the classes; got (3), "
      "expected (2)",
      [&] {
        softmax_cross_entropy_per_example(x, Labels({3}, {0, 1, 2}));
      });
  refuses<ShapeError>(
      "[softmax_cross_entropy] targets must have the logits' shape; got (2), expected (2, 3)",
      [&] { softmax_cross_entropy_per_example(x, Variable<double>(Tensor<double>::ones({2}))); });
  refuses<ShapeError>("[softmax_cross_entropy] logits must have an axis of classes; got shape ()",
                      [&] {
                        softmax_cross_entropy_per_example(
                            Variable<double>(Tensor<double>::scalar(1)), Labels({}, {0}));
                      });
  refuses<ShapeError>(
      "[softmax_cross_entropy] there must be at least one class; got logits (2, 0), classes on "
      "axis 1",
      [&] {
        softmax_cross_entropy_per_example(Variable<double>(Tensor<double>::zeros({2, 0})), labels);
      });
  refuses<ArgumentError>("[softmax_cross_entropy] axis must lie in [-2, 2); got 2",
                         [&] { loss({.axis = 2}); });
  refuses<ArgumentError>("[softmax_cross_entropy] label_smoothing must lie in [0, 1]; got 1.5",
                         [&] { loss({.label_smoothing = 1.5}); });
  refuses<ArgumentError>("[softmax_cross_entropy] label_smoothing must lie in [0, 1]; got nan",
                         [&] { loss({.label_smoothing = std::nan("")}); });
  refuses<ArgumentError>(
      "[softmax_cross_entropy] class_weights must have one entry per class; got 2, expected 3",
      [&] {
        loss({.class_weights = {1, 2}});
      });
  refuses<ArgumentError>(
      "[softmax_cross_entropy] class_weights must be finite and not negative; got -2", [&] {
        loss({.class_weights = {1, -2, 3}});
      });
  refuses<ArgumentError>(
      "[softmax_cross_entropy] ignore_index must not be given with target distributions; got -1",
      [&] { softmax_cross_entropy_per_example(x, x, {.ignore_index = -1}); });
  refuses<ShapeError>(
      "[sigmoid_cross_entropy] targets must have the logits' shape; got (3), expected (2, 3)",
      [&] { sigmoid_cross_entropy_per_element(x, Variable<double>(Tensor<double>::ones({3}))); });
  refuses<ShapeError>(
      "[sigmoid_cross_entropy] pos_weight must broadcast to the logits; got (2) for (2, 3)",
      [&] { sigmoid_cross_entropy_per_element(x, x, Tensor<double>::ones({2})); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
