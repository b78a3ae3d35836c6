// The same bits on one and on two threads, for a layer of each kind: output, state, and derivatives
// of first and second order, of inputs that are cut into several tiles.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/kernels/norm_blocks.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

#include "layers/batch_normalization_cases.hpp"

namespace lamina::test {
namespace {

const Shape kInput{12, 23, 29, 17};

template <Scalar T>
std::vector<Tensor<T>> trained(const Kind& kind) {
  BatchNormalization<T> layer = drawn_layer<T>(kind.options, kInput);
  Tape<T> tape;
  const auto x = tape.watch(drawn<T>(kInput, "x", 1, 2));
  const Context<T> ctx{.tape = &tape, .training = true, .step = 3};
  const auto y = layer(x, ctx, call_of<T>(kind, kInput));
  std::vector<Variable<T>> in = {x};
  for (const auto& parameter : layer.parameters()) in.push_back(tape.watch(parameter));
  std::vector<Tensor<T>> results = {y.value()};
  for (const auto& [name, value] : values_of(layer)) results.push_back(value);
  const auto seed = drawn<T>(kInput, "dy");
  for (const auto& fused : tape.gradients(y, in, {.keep = true, .seed = seed})) {
    results.push_back(fused.value());
  }
  const auto first = tape.gradients(y, in, {.create_graph = true, .seed = seed});
  for (const auto& gradient : first) results.push_back(gradient.value());
  for (const auto& second : tape.gradients(sum(first[0] * x), in)) {
    results.push_back(second.value());
  }
  const auto inferred = layer(x.value(), {.updates = StateUpdates::discard}, {.bank = kind.bank});
  results.push_back(inferred.value());
  return results;
}

using Types = std::tuple<float, double>;

BOOST_AUTO_TEST_SUITE(batch_normalization_threads)

BOOST_AUTO_TEST_CASE_TEMPLATE(two_give_the_same_bits_as_one, T, Types) {
  BOOST_TEST(kernels::Tiling({.outer = 12, .middle = 23 * 29, .channels = 17}).chunks() > 2);
  BOOST_TEST(kernels::Tiling({.outer = 12, .channels = 23, .inner = 29 * 17}).chunks() > 2);
  const int usual = threads();
  for (const Kind& kind : kinds<T>()) {
    set_threads(1);
    const auto one = trained<T>(kind);
    set_threads(2);
    const auto two = trained<T>(kind);
    BOOST_TEST_REQUIRE(one.size() == two.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      BOOST_TEST(identical(one[i], two[i]), kind.name << ": result " << i);
    }
  }
  set_threads(usual);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
