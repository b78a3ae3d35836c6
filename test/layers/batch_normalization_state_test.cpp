// A layer of each kind in the midst of its training: called twice before its update, copied, moved,
// assigned, saved and loaded, it continues to the same bits.
#include <boost/test/unit_test.hpp>
#include <lamina/serialization/checkpoint.hpp>
#include <lamina/serialization/state_dict.hpp>

#include "layers/batch_normalization_cases.hpp"
#include "support/files.hpp"

namespace lamina::test {
namespace {

const Shape kInput{6, 3, 4, 2};

template <Scalar T>
using Layer = BatchNormalization<T>;

template <Scalar T>
Tensor<T> batch_of(int step) {
  return drawn<T>(kInput, "x" + std::to_string(step), 0.2 * step, 1.5);
}

// One training step, with its output and the gradients of x, gamma and beta.
template <Scalar T>
std::vector<Tensor<T>> train(Layer<T>& layer, const Kind& kind, int step) {
  Tape<T> tape;
  const auto x = tape.watch(batch_of<T>(step));
  const auto y =
      layer(x, {.tape = &tape, .training = true, .step = step}, call_of<T>(kind, kInput));
  std::vector<Variable<T>> in = {x};
  for (const auto& parameter : layer.parameters()) in.push_back(tape.watch(parameter));
  std::vector<Tensor<T>> results = {y.value()};
  for (const auto& gradient : tape.gradients(y, in, {.seed = drawn<T>(kInput, "dy")})) {
    results.push_back(gradient.value());
  }
  return results;
}

template <Scalar T>
Layer<T> half_trained(const Kind& kind) {
  Layer<T> layer = drawn_layer<T>(kind.options, kInput);
  for (const int step : {1, 2}) train(layer, kind, step);
  return layer;
}

// What two more steps give, the state behind them included.
template <Scalar T>
struct Continuation {
  std::vector<Tensor<T>> results;
  StateDict state;

  Continuation(Layer<T>& layer, const Kind& kind) {
    for (const int step : {3, 4}) {
      for (auto& result : train(layer, kind, step)) results.push_back(std::move(result));
    }
    state = state_of(layer);
  }
  bool operator==(const Continuation& other) const {
    return identical(state, other.state) &&
           std::equal(results.begin(), results.end(), other.results.begin(), other.results.end(),
                      [](const auto& a, const auto& b) { return identical(a, b); });
  }
};

using Types = std::tuple<float, double>;

BOOST_AUTO_TEST_SUITE(batch_normalization_state)

BOOST_AUTO_TEST_CASE_TEMPLATE(copies_continue_to_the_same_bits, T, Types) {
  for (const Kind& kind : kinds<T>()) {
    BOOST_TEST_CONTEXT(kind.name) {
      Layer<T> layer = half_trained<T>(kind);
      const StateDict before = state_of(layer);
      Layer<T> copy = layer, to_move = layer, assigned = drawn_layer<T>(kind.options, kInput);
      train(assigned, kind, 7);
      assigned = layer;
      const Continuation<T> expected(copy, kind);
      BOOST_TEST(identical(state_of(layer), before));
      BOOST_TEST(!identical(expected.state, before));
      Layer<T> moved = std::move(to_move);
      BOOST_TEST((Continuation<T>(moved, kind) == expected));
      BOOST_TEST((Continuation<T>(assigned, kind) == expected));
      BOOST_TEST(identical(state_of(layer), before));
      BOOST_TEST((Continuation<T>(layer, kind) == expected));
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_was_saved_continues_to_the_same_bits, T, Types) {
  const TemporaryFolder folder(Medium::memory);
  const std::string file = (folder / "layer.lamina").string();
  for (const Kind& kind : kinds<T>()) {
    BOOST_TEST_CONTEXT(kind.name) {
      Layer<T> layer = half_trained<T>(kind), from_state(kind.options), from_file(kind.options);
      load_state(from_state, state_of(layer));
      save_checkpoint(file, layer);
      load_checkpoint(file, from_file);
      const Continuation<T> expected(layer, kind);
      BOOST_TEST((Continuation<T>(from_state, kind) == expected));
      BOOST_TEST((Continuation<T>(from_file, kind) == expected));
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(updates_of_two_calls_add_up_when_they_are_applied, T, Types) {
  for (const Kind& kind : kinds<T>()) {
    BOOST_TEST_CONTEXT(kind.name) {
      Layer<T> collecting = half_trained<T>(kind), applying = collecting;
      const StateDict before = state_of(collecting);
      const auto call = call_of<T>(kind, kInput);
      CollectedUpdates<T> updates;
      for (const int step : {3, 4}) {
        const Context<T> collect{.training = true,
                                 .updates = StateUpdates::collect,
                                 .step = step,
                                 .collected = &updates};
        collecting(batch_of<T>(step), collect, call);
        applying(batch_of<T>(step), {.training = true, .step = step}, call);
      }
      BOOST_TEST(identical(state_of(collecting), before));
      updates.apply();
      BOOST_TEST(identical(state_of(collecting), state_of(applying)));
      BOOST_TEST(!identical(state_of(collecting), before));
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(inference_after_ghost_training_takes_any_batch, T, Types) {
  for (const std::vector<std::int64_t>& axis : {std::vector<std::int64_t>{-1}, {1}, {1, 3}}) {
    for (const bool renorm : {false, true}) {
      const Kind kind{"ghost", {.axis = axis, .renorm = renorm, .virtual_batch_size = 3}};
      const Layer<T> layer = half_trained<T>(kind);
      const auto inference = Context<T>::for_inference();
      const auto whole = layer(batch_of<T>(0), inference).value();
      for (const std::int64_t examples : {0, 1, 2, 3, 4, 5}) {
        const auto elements = static_cast<std::size_t>(examples * 3 * 4 * 2);
        const Shape shape = kInput.with(0, examples);
        const Tensor<T> batch = batch_of<T>(0);
        const Tensor<T> part(shape, batch.values().first(elements));
        BOOST_TEST(identical(layer(part, inference).value(),
                             Tensor<T>(shape, whole.values().first(elements))));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
