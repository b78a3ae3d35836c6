#include <boost/test/unit_test.hpp>
#include <lamina/lamina.hpp>

#include "support/numbers.hpp"

namespace lamina::test {
namespace {

struct Seen : NormalizationObserver<double> {
  struct Call {
    std::string path, bank;
    NormLayout layout;
    Tensor<double> x, weights;
    Shape parameter_shape;
    VarianceEstimator estimator;
  };
  std::vector<Call> calls;

  void normalizes(const NormalizedBatch<double>& batch) override {
    calls.push_back({batch.layer.path(), batch.moving.bank(), batch.layout, batch.x, batch.weights,
                     batch.parameter_shape, batch.estimator});
  }
};

// Normalizes twice: what is valid, and all by another bank.
struct Twice : Module<double> {
  BatchNormalization<double> bn{{.axis = {1}, .virtual_batch_size = 2, .banks = {"all"}}};
  void visit(Visitor<double>& v) override { v("bn", bn); }
  Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
    const auto y = bn(x, ctx, {.mask = Tensor<double>({4}, {1, 0, 1, 1})});
    return bn(y, ctx, {.bank = "all"});
  }
};

BOOST_AUTO_TEST_SUITE(normalization_observer)

BOOST_AUTO_TEST_CASE(it_hears_of_every_call_with_mask_and_bank) {
  Twice net;
  const auto x = random_tensor<double>({4, 3, 5}, 1);
  Rng rng(1);
  for (const bool training : {false, true}) {
    Seen seen;
    const auto y = net(x, {.training = training, .rng = &rng, .observer = &seen}).value();
    BOOST_TEST_REQUIRE(seen.calls.size() == 2u);
    for (const auto& call : seen.calls) {
      BOOST_TEST(call.path == "bn");
      BOOST_TEST((call.layout == NormLayout{.outer = 4, .channels = 3, .inner = 5}));
      BOOST_TEST(call.parameter_shape.to_string() == "(3)");
      BOOST_TEST((call.estimator == VarianceEstimator::biased));
    }
    BOOST_TEST(seen.calls[0].bank == "");
    BOOST_TEST(seen.calls[1].bank == "all");
    BOOST_TEST(identical(seen.calls[0].x, x));
    const auto weights = seen.calls[0].weights.values();
    BOOST_TEST_REQUIRE(weights.size() == 20u);
    for (std::size_t i = 0; i < 20; ++i) BOOST_TEST(weights[i] == (i / 5 == 1 ? 0 : 1));
    BOOST_TEST(!seen.calls[1].weights.defined());
    BOOST_TEST(!identical(seen.calls[1].x, y));
  }
}

BOOST_AUTO_TEST_CASE(kept_axes_come_side_by_side) {
  BatchNormalization<double> bn(
      {.axis = {0, 2}, .variance_estimator = VarianceEstimator::unbiased});
  const auto x = random_tensor<double>({2, 3, 5}, 1);
  Rng rng(1);
  Seen seen;
  bn(x, {.rng = &rng, .observer = &seen});
  BOOST_TEST_REQUIRE(seen.calls.size() == 1u);
  BOOST_TEST(seen.calls[0].parameter_shape.to_string() == "(2, 1, 5)");
  BOOST_TEST(seen.calls[0].layout.channels == 10);
  BOOST_TEST(seen.calls[0].x.shape().to_string() == "(3, 2, 5)");
  BOOST_TEST((seen.calls[0].estimator == VarianceEstimator::unbiased));
}

BOOST_AUTO_TEST_CASE(the_example_of_the_documentation) {
  struct Counter : NormalizationObserver<float> {
    void normalizes(const NormalizedBatch<float>& batch) override { values += batch.x.size(); }
    std::int64_t values = 0;
  };
  Counter counter;
  Sequential<float> net;
  net.add<Dense>({.units = 7}).add<BatchNormalization>().add<ReLU>().add<BatchNormalization>();
  Rng rng(1);
  Context<float> ctx{.rng = &rng};
  ctx.observer = &counter;
  net(Tensor<float>::ones({3, 2}), ctx);
  BOOST_TEST(counter.values == 2 * 21);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
