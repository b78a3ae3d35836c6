#include <cmath>
#include <lamina/autograd/ops/dropout.hpp>
#include <limits>

#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {

BOOST_AUTO_TEST_SUITE(dropout_op)

BOOST_AUTO_TEST_CASE(battery) {
  for (const double rate : {0.0, 0.3, 1.0}) {
    const RandomStream stream(5, 3);
    check_op(
        "dropout", [=](auto x) { return dropout(x[0], stream, rate); },
        [=](const Arguments& a) {
          Tensor<double> result = a[0];
          std::vector<std::uint8_t> keep(static_cast<std::size_t>(result.size()));
          stream.fill_keep_mask(keep, 1 - rate);
          for (std::size_t i = 0; i < keep.size(); ++i) {
            double& v = result.mutable_values()[i];
            v = keep[i] ? v / (1 - rate) : 0;
          }
          return result;
        },
        unary_arguments());
  }
}

BOOST_AUTO_TEST_CASE(keeps_the_expected_value) {
  const Variable<float> ones(Tensor<float>::ones({200000}));
  for (const double rate : {0.1, 0.5, 0.9}) {
    const auto y = dropout(ones, RandomStream(1, 0), rate).value();
    double total = 0, dropped = 0;
    for (const float v : y.values()) {
      total += static_cast<double>(v);
      dropped += v == 0;
    }
    // Five standard deviations of a binomial mean.
    const double deviation = std::sqrt(rate * (1 - rate) / 200000);
    BOOST_TEST(std::abs(dropped / 200000 - rate) < 5 * deviation);
    BOOST_TEST(std::abs(total / 200000 - 1) < 5 * deviation / (1 - rate));
  }
}

BOOST_AUTO_TEST_CASE(keeps_no_mask) {
  Tape<float> tape;
  const auto x = tape.watch(Tensor<float>::ones({1000}));
  dropout(x, RandomStream(1, 0), 0.5);
  BOOST_TEST(tape.saved_bytes() == 0);
}

BOOST_AUTO_TEST_CASE(refusals) {
  const Variable<double> x(Tensor<double>::ones({2}));
  const RandomStream stream(1, 0);
  refuses<ArgumentError>("[dropout] rate must lie in [0, 1]; got -0.1",
                         [&] { dropout(x, stream, -0.1); });
  refuses<ArgumentError>("[dropout] rate must lie in [0, 1]; got 1.5",
                         [&] { dropout(x, stream, 1.5); });
  refuses<ArgumentError>("[dropout] rate must lie in [0, 1]; got nan",
                         [&] { dropout(x, stream, std::nan("")); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
