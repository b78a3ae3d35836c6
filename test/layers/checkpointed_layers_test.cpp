// Layers in a checkpointed block, against the plain block, and the memory that it saves.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/allocator.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/layers/activations.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/dropout.hpp>
#include <lamina/layers/fold_batch_normalization.hpp>
#include <lamina/layers/pooling.hpp>
#include <lamina/nn/checkpointed.hpp>
#include <tuple>

#include "support/refusal.hpp"
#include "support/training_trace.hpp"

namespace lamina::test {
namespace {

using Scalars = std::tuple<float, double>;
using Options = BatchNormalizationOptions;

// A convolution, and twice a block of the same kind: what the first one computes again must come
// out as before for the second.
template <Scalar T>
Sequential<T> network(bool recompute, const Options& options, double dropped = 0.3) {
  Sequential<T> block;
  block.template add<Conv2D>({.filters = 5, .kernel = {3, 3}, .padding = Padding::same})
      .template add<BatchNormalization>(options)
      .template add<ReLU>()
      .template add<MaxPool2D>()
      .template add<Dropout>({.rate = dropped});
  Sequential<T> net;
  net.template add<Conv2D>({.filters = 3, .kernel = {2, 2}});
  for (int i = 0; i < 2; ++i) {
    if (recompute) {
      net.add(checkpointed(block));
    } else {
      net.add(block);
    }
  }
  return net;
}

const Shape kImages{6, 14, 12, 2};

template <Scalar T>
void check(
    const char* what, const Options& options, const ContextChange<T>& change = [](Context<T>&) {}) {
  BOOST_TEST_CONTEXT(what) {
    same_trace(training_trace<T>(network<T>(true, options), kImages, change),
               training_trace<T>(network<T>(false, options), kImages, change));
  }
}

// Bytes that the allocator took from the system for the work, at its peak.
template <class Work>
std::int64_t peak_of(const Work& work) {
  trim_memory_cache();
  reset_memory_peak();
  const auto before = static_cast<std::int64_t>(memory_counters().system_bytes);
  work();
  return static_cast<std::int64_t>(memory_counters().peak_bytes) - before;
}

struct Memory {
  std::int64_t saved, peak;
};

// Of one training step of six blocks, two layers with a normalization and an activation each.
Memory memory_of(bool recompute) {
  Sequential<float> net;
  for (int i = 0; i < 6; ++i) {
    Sequential<float> block;
    for (int layer = 0; layer < 2; ++layer) {
      block.add<Conv2D>({.filters = 16, .kernel = {3, 3}, .padding = Padding::same})
          .add<BatchNormalization>({})
          .add<Tanh>();
    }
    if (recompute) {
      net.add(checkpointed(std::move(block)));
    } else {
      net.add(std::move(block));
    }
  }
  const auto x = random_tensor<float>({16, 28, 28, 16}, 1);
  Rng rng(1);
  Tape<float> tape;
  const auto step = [&] {
    std::int64_t saved = 0;
    {
      const auto loss = sum(net(x, Context<float>::for_training(tape, rng)));
      saved = tape.saved_bytes();
      tape.backward(loss);
    }
    tape.clear();
    return saved;
  };
  step();  // builds, and makes gradients
  Memory memory{};
  memory.peak = peak_of([&] { memory.saved = step(); });
  return memory;
}

BOOST_AUTO_TEST_SUITE(checkpointed_layers)

BOOST_AUTO_TEST_CASE_TEMPLATE(every_kind_of_normalization_trains_to_the_same_bits, T, Scalars) {
  check<T>("plain", {});
  check<T>("renorm, which reads what it moves",
           {.renorm = true,
            .renorm_clipping = {.rmax = 1.5, .rmin = 0.5, .dmax = 0.5},
            .renorm_momentum = 0.5});
  check<T>("ghost batches", {.virtual_batch_size = 3});
  check<T>("exact averages", {.momentum = cumulative});
  check<T>("frozen", {.trainable = false, .use_batch_statistics = false});
  check<T>("moving statistics that are followed", {.use_batch_statistics = false});
  check<T>("without scale and center", {.center = false, .scale = false});
  check<T>("frozen without scale and center",
           {.center = false, .scale = false, .use_batch_statistics = false});
}

BOOST_AUTO_TEST_CASE(every_switch_of_a_context_holds_in_the_repetition) {
  check<float>("without fusion", {}, [](Context<float>& ctx) { ctx.fuse = false; });
  check<float>("exact", {}, [](Context<float>& ctx) { ctx.exact = true; });
  check<float>("inference", {}, [](Context<float>& ctx) {
    ctx.training = false;
    ctx.updates = StateUpdates::discard;
  });
  struct Silent : CallObserver<float> {
    void called(const Module<float>&, const Variable<float>&, const Variable<float>&) override {}
  } observer;
  check<float>("an observer, before whom nothing is fused", {},
               [&](Context<float>& ctx) { ctx.observer = &observer; });
}

BOOST_AUTO_TEST_CASE(one_and_two_threads_give_the_same_bits) {
  const int usual = threads();
  const auto trace_with = [](int count) {
    set_threads(count);
    return training_trace<float>(network<float>(true, {.renorm = true}), {32, 28, 28, 3});
  };
  const auto one = trace_with(1), two = trace_with(2);
  set_threads(usual);
  same_trace(two, one);
}

BOOST_AUTO_TEST_CASE(the_tape_keeps_the_inputs_of_blocks) {
  constexpr std::int64_t kActivations = 16 * 28 * 28 * 16 * sizeof(float);
  BOOST_TEST(memory_of(true).saved == 6 * kActivations);
  BOOST_TEST(memory_of(false).saved >= 36 * kActivations);
}

// Live tensors: six inputs, and a block that is being differentiated.
BOOST_AUTO_TEST_CASE(the_peak_of_memory_is_lower) {
  const auto recomputing = memory_of(true).peak, plain = memory_of(false).peak;
  BOOST_TEST(2 * recomputing < plain, recomputing << " against " << plain);
}

BOOST_AUTO_TEST_CASE(folding_looks_into_checkpointed_blocks) {
  auto net = network<double>(true, {});
  Rng rng(1);
  const auto x = random_tensor<double>(kImages, 1);
  net(x, {.training = true, .rng = &rng});
  const auto folded = fold_batch_normalization(net, x);
  BOOST_TEST(folded.folded.size() == 2U);
  BOOST_TEST(folded.largest_difference < 1e-12);
  const auto whole = fold_batch_normalization(checkpointed(net), x);
  BOOST_TEST(whole.folded.size() == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
