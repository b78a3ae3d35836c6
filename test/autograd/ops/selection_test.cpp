#include <cmath>
#include <lamina/autograd/ops/selection.hpp>

#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {

namespace {

Tensor<std::uint8_t> checkered(const Shape& shape) {
  Tensor<std::uint8_t> mask = Tensor<std::uint8_t>::uninitialized(shape);
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    mask.mutable_data()[i] = static_cast<std::uint8_t>(i % 3 == 0 ? 0 : i % 3 * 2);
  }
  return mask;
}

std::vector<Tensor<double>> slopes(const Variable<double>& y, Tape<double>& tape,
                                   std::initializer_list<Variable<double>> sources) {
  std::vector<Tensor<double>> result;
  for (const auto& gradient :
       tape.gradients(y, sources, {.keep = true, .seed = Tensor<double>::ones(y.shape())})) {
    result.push_back(gradient.value());
  }
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(selection)

BOOST_AUTO_TEST_CASE(battery) {
  check_op(
      "maximum", [](auto x) { return maximum(x[0], x[1]); },
      elementwise<2>([](double a, double b) { return std::max(a, b); }), binary_arguments());
  check_op(
      "minimum", [](auto x) { return minimum(x[0], x[1]); },
      elementwise<2>([](double a, double b) { return std::min(a, b); }), binary_arguments());
  check_op(
      "clip", [](auto x) { return clip(x[0], -0.5, 1.25); },
      elementwise<1>([](double a) { return std::min(std::max(a, -0.5), 1.25); }),
      unary_arguments());
  for (const Arguments& list : binary_arguments()) {
    const Shape shape = broadcast_shape(list[0].shape(), list[1].shape(), "test");
    const auto mask = checkered(shape);
    check_op(
        "where", [mask](auto x) { return where(mask, x[0], x[1]); },
        [mask](const Arguments& x) {
          const auto first = elementwise<2>([](double a, double) { return a; })(x);
          const auto second = elementwise<2>([](double, double b) { return b; })(x);
          Tensor<double> result = Tensor<double>::uninitialized(mask.shape());
          for (std::int64_t i = 0; i < mask.size(); ++i) {
            result.mutable_data()[i] = (mask.data()[i] ? first : second).data()[i];
          }
          return result;
        },
        {list});
  }
}

BOOST_AUTO_TEST_CASE(a_small_condition_broadcasts) {
  const auto mask = checkered({3, 1});
  check_op("where", [mask](auto x) { return where(mask, x[0], x[1]); }, {},
           {{random_tensor<double>({2, 1, 5}, 1), Tensor<double>({}, 0.7)}});
  const Variable<double> a(random_tensor<double>({2, 1, 5}, 1)), b(Tensor<double>({}, 0.7));
  const auto y = where(mask, a, b).value();
  BOOST_REQUIRE_EQUAL(y.shape().to_string(), "(2, 3, 5)");
  for (std::int64_t i = 0; i < 30; ++i) {
    const double expected = i / 5 % 3 == 0 ? 0.7 : a.value().data()[i / 15 * 5 + i % 5];
    BOOST_TEST(y.data()[i] == expected);
  }
  check_op("keep_where", [mask](auto x) { return keep_where(mask, x[0]); }, {},
           {{random_tensor<double>({2, 3, 5}, 3)}, {random_tensor<double>({5}, 4)}});
}

BOOST_AUTO_TEST_CASE(ties_go_to_the_first) {
  Tape<double> tape;
  const auto a = tape.watch(Tensor<double>({3}, {1, 2, 3}));
  const auto b = tape.watch(Tensor<double>({3}, {1, 5, 3}));
  const auto largest = slopes(maximum(a, b), tape, {a, b});
  check_close("maximum, first", largest[0], Tensor<double>({3}, {1, 0, 1}), 0);
  check_close("maximum, second", largest[1], Tensor<double>({3}, {0, 1, 0}), 0);
  const auto smallest = slopes(minimum(a, b), tape, {a, b});
  check_close("minimum, first", smallest[0], Tensor<double>({3}, {1, 1, 1}), 0);
  check_close("minimum, second", smallest[1], Tensor<double>({3}, {0, 0, 0}), 0);
  const auto clipped = slopes(clip(a, 1, 2), tape, {a});
  check_close("clip on its bounds", clipped[0], Tensor<double>({3}, {1, 1, 0}), 0);
}

BOOST_AUTO_TEST_CASE(not_a_number) {
  const double nan = std::nan("");
  const Variable<double> a(Tensor<double>({3}, {nan, 1, nan})),
      b(Tensor<double>({3}, {1, nan, nan}));
  for (const auto& y : {maximum(a, b), minimum(a, b)}) {
    for (const double v : y.value().values()) BOOST_TEST(std::isnan(v));
  }
  BOOST_TEST(std::isnan(clip(a, 0, 1).value().data()[0]));

  // What is not chosen does not reach the gradient.
  Tape<double> tape;
  const auto x = tape.watch(Tensor<double>({3}, {nan, 1, nan}));
  const Tensor<std::uint8_t> mask({3}, {0, 1, 0});
  const auto kept = keep_where(mask, x);
  check_close("value", kept.value(), Tensor<double>({3}, {0, 1, 0}), 0);
  check_close("gradient", slopes(kept, tape, {x})[0], Tensor<double>({3}, {0, 1, 0}), 0);
}

BOOST_AUTO_TEST_CASE(refusals) {
  const Variable<double> a(Tensor<double>::ones({2, 3})), b(Tensor<double>::ones({4}));
  refuses<ShapeError>("[maximum] operands must broadcast to one shape; got (2, 3) and (4)",
                      [&] { maximum(a, b); });
  refuses<ShapeError>("[minimum] operands must broadcast to one shape; got (2, 3) and (4)",
                      [&] { minimum(a, b); });
  refuses<ShapeError>("[where] operands must broadcast to one shape; got (4) and (2, 3)",
                      [&] { where(Tensor<std::uint8_t>::ones({4}), a, a); });
  refuses<ArgumentError>("[clip] the lower bound must not exceed the upper; got 2 and 1",
                         [&] { clip(a, 2, 1); });
  refuses<ArgumentError>("[clip] the lower bound must not exceed the upper; got nan and 1",
                         [&] { clip(a, std::nan(""), 1); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
