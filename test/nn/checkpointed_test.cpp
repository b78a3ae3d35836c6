#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/layers/activations.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/nn/checkpointed.hpp>
#include <lamina/nn/regularizers.hpp>
#include <lamina/nn/summary.hpp>
#include <thread>
#include <tuple>

#include "support/modules.hpp"
#include "support/refusal.hpp"
#include "support/training_trace.hpp"

namespace lamina::test {
namespace {

using Scalars = std::tuple<float, double>;
using Net = Sequential<double>;

// Uses its input three times, a layer twice, and another one that is tied to it.
template <Scalar T>
struct Knot : Module<T> {
  Dense<T> first{{.units = 5, .kernel_regularizer = l2(0.01)}}, second = share(first);

  void visit(Visitor<T>& v) override { v("first", first), v("second", second); }
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override {
    return tanh(first(x, ctx)) * x + second(first(x, ctx), ctx) + x;
  }
};

// y = x * (1 + sum) * (1 + calls); moves both, and says so.
struct Drifting : Module<double> {
  Buffer<double> total;
  Counter calls;
  mutable int forwards = 0;

  void visit(Visitor<double>& v) override { v("total", total), v("calls", calls); }
  void build(const Shape&, Builder<double>& builder) override {
    builder("total", total, {}, zeros());
  }
  Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
    ++forwards;
    ctx.update(total, Tensor<double>::scalar(1), 0.25);
    ctx.count(calls);
    if (ctx.warn) ctx.warn->warn(path(), "drifts");
    const double factor = (1 + total.value().item()) * (1 + static_cast<double>(calls.value()));
    return square(x) * factor;
  }
};

// Draws the way it should not, from the state of the context's generator.
struct Drawing : Module<double> {
  void visit(Visitor<double>&) override {}
  Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
    const auto stream = ctx.rng->stream(path(), ctx.rng->next_step());
    return x * stream.uniform(0) * stream.uniform(1);
  }
};

// Computes what it is given.
struct Custom : Module<double> {
  std::function<Variable<double>(const Variable<double>&, const Context<double>&)> function;

  void visit(Visitor<double>&) override {}
  Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
    return function(x, ctx);
  }
};

Context<double> training(Tape<double>& tape, Rng& rng) {
  return Context<double>::for_training(tape, rng);
}

// As a block, or as a checkpointed one.
template <class Block>
void add(Sequential<typename Block::value_type>& net, bool recompute, Block block) {
  if (recompute) {
    net.add(checkpointed(std::move(block)));
  } else {
    net.add(std::move(block));
  }
}

template <Scalar T>
Sequential<T> nested(bool recompute) {
  Sequential<T> inner, outer, net;
  inner.template add<Dense>({.units = 5}).template add<Tanh>();
  add(outer, recompute, Knot<T>());
  add(outer, recompute, std::move(inner));
  outer.template add<BatchNormalization>({});
  net.template add<Dense>({.units = 5});
  add(net, recompute, std::move(outer));
  add(net, recompute, Knot<T>());
  add(net, recompute, BatchNormalization<T>());
  net.template add<Dense>({.units = 3});
  return net;
}

BOOST_AUTO_TEST_SUITE(checkpointed_suite)

BOOST_AUTO_TEST_CASE_TEMPLATE(training_has_the_bits_of_the_plain_block, T, Scalars) {
  const auto plain = nested<T>(false), recomputing = nested<T>(true);
  same_trace(training_trace(recomputing, {7, 4}), training_trace(plain, {7, 4}));
}

BOOST_AUTO_TEST_CASE(a_block_used_twice_and_its_parameters_outside) {
  const auto gradients = [](bool recompute) {
    Tape<double> tape;
    Rng rng(3);
    Knot<double> plain;
    Checkpointed<Knot<double>> block(plain);
    Knot<double>& used = recompute ? block : plain;
    const Dense<double> outside = share(used.first);
    const auto ctx = training(tape, rng);
    const auto x = tape.watch(random_tensor<double>({3, 5}, 1));
    const auto once = used(x, ctx), twice = used(once * x, ctx);
    const auto loss = sum(outside(twice, ctx)) + sum(once);
    const auto kernel = outside.kernel()(ctx), bias = outside.bias()(ctx);
    std::vector<Tensor<double>> results;
    for (const auto& g : tape.gradients(loss, {x, kernel, bias, once}))
      results.push_back(g.value());
    return results;
  };
  const auto plain = gradients(false), recomputed = gradients(true);
  for (std::size_t i = 0; i < plain.size(); ++i) BOOST_TEST(identical(plain[i], recomputed[i]));
}

BOOST_AUTO_TEST_CASE(paths_names_and_initial_values_are_those_of_the_block) {
  auto plain = nested<double>(false), recomputing = nested<double>(true);
  Rng rng(5);
  const auto x = Tensor<double>::ones({2, 3});
  plain(x, {.updates = StateUpdates::discard, .rng = &rng});
  recomputing(x, {.updates = StateUpdates::discard, .rng = &rng});
  BOOST_TEST(same_values(plain, recomputing));
  BOOST_TEST(values_of(recomputing).contains("sequential.knot.first.kernel"));
  for (std::int64_t i = 0; i < plain.size(); ++i) {
    BOOST_TEST(recomputing.name_at(i) == plain.name_at(i));
    BOOST_TEST(recomputing.at(i).type() == plain.at(i).type());
    BOOST_TEST(!is_checkpointed(plain.at(i)));
  }
  BOOST_TEST(is_checkpointed(recomputing.at(2)));
  BOOST_TEST(checkpointed(Scale<double>("gain")).name() == "gain");
  static_assert(std::is_same_v<decltype(checkpointed(checkpointed(Net()))), Checkpointed<Net>>);
  const auto text = summary(recomputing, {2, 3}).to_string();
  BOOST_TEST(text.find("knot, checkpointed") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(state_changes_once_whatever_the_policy) {
  for (const auto policy : {StateUpdates::apply, StateUpdates::collect, StateUpdates::discard}) {
    Net net;
    net.add(checkpointed(Drifting()));
    const auto& block = dynamic_cast<const Drifting&>(net.at(0));
    Tape<double> tape;
    Rng rng(1);
    CollectedUpdates<double> collected;
    auto ctx = training(tape, rng);
    ctx.updates = policy;
    ctx.collected = policy == StateUpdates::collect ? &collected : nullptr;
    const auto loss = sum(net(tape.watch(Tensor<double>::ones({3})), ctx));
    BOOST_TEST(collected.size() == (policy == StateUpdates::collect ? 2 : 0));
    tape.backward(loss);
    BOOST_TEST(block.forwards == 2);
    collected.apply();
    const bool moves = policy != StateUpdates::discard;
    BOOST_TEST(block.calls.value() == (moves ? 1 : 0));
    BOOST_TEST(block.total.value().item() == (moves ? 0.25 : 0));
  }
}

// The passes see one state each, and none of them that of the backward pass.
BOOST_AUTO_TEST_CASE(the_repetition_sees_the_state_of_the_call) {
  const auto slopes = [](bool recompute) {
    Net net;
    add(net, recompute, Drifting());
    net.add(Scale<double>());
    Tape<double> tape;
    Rng rng(1);
    const auto x = tape.watch(Tensor<double>({1, 2}, {1, 2}));
    const auto first = net(x, training(tape, rng)), second = net(x, training(tape, rng));
    const auto third = net(x * 2, training(tape, rng));
    const auto result = tape.gradients(sum(first + 3 * second + third), {x})[0].value();
    return std::pair(result, values_of(net).at("drifting.total").item());
  };
  BOOST_TEST(identical(slopes(true).first, slopes(false).first));
  BOOST_TEST(slopes(true).second == slopes(false).second);
}

BOOST_AUTO_TEST_CASE(parameters_may_change_and_freeze_before_the_backward_pass) {
  const auto gradients = [](bool recompute) {
    Net net;
    add(net, recompute, Knot<double>());
    Tape<double> tape, other;
    Rng rng(1);
    const auto x = tape.watch(random_tensor<double>({2, 5}, 1));
    const auto y = sum(net(x, training(tape, rng)));
    net(x.value(), training(other, rng));  // watched by another tape
    for (const auto& parameter : net.parameters()) {
      parameter->value = Tensor<double>::ones(parameter->value.shape());
      parameter->trainable = false;
    }
    tape.backward(y);
    std::vector<Tensor<double>> results;
    for (const auto& parameter : net.parameters()) {
      results.push_back(parameter->gradient);
      BOOST_TEST(!parameter->trainable);
      BOOST_TEST(identical(parameter->value, Tensor<double>::ones(parameter->value.shape())));
    }
    return results;
  };
  const auto plain = gradients(false), recomputed = gradients(true);
  BOOST_TEST_REQUIRE(plain.size() == 2U);
  for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(identical(plain[i], recomputed[i]));
}

BOOST_AUTO_TEST_CASE(what_is_constant_is_just_called) {
  Net net;
  net.add(checkpointed(Knot<double>()));
  Tape<double> tape;
  Rng rng(1);
  const auto x = random_tensor<double>({2, 5}, 1);
  net(x, training(tape, rng));
  tape.clear();
  for (const auto& parameter : net.parameters()) parameter->trainable = false;
  BOOST_TEST(!net(x, training(tape, rng)).tracked());
  BOOST_TEST(tape.nodes() == 0);
  const Net& inferring = net;
  BOOST_TEST(!inferring(x, Context<double>::for_inference()).tracked());

  // No tape in the context, but an input that has one: as for adversarial examples.
  const auto input = tape.watch(x);
  const auto y = sum(inferring(input, Context<double>::for_inference()));
  BOOST_TEST(tape.saved_bytes() == x.bytes());
  const auto slope = tape.gradients(y, {input})[0].value();
  Knot<double> plain = dynamic_cast<const Knot<double>&>(net.at(0));
  Tape<double> second;
  const auto again = second.watch(x);
  const auto expected =
      second.gradients(sum(std::as_const(plain)(again, Context<double>::for_inference())), {again});
  BOOST_TEST(identical(slope, expected[0].value()));
}

BOOST_AUTO_TEST_CASE(many_threads_differentiate_in_the_input_of_a_const_model) {
  Net built;
  built.add(checkpointed(Knot<double>()));
  Rng rng(1);
  const auto x = random_tensor<double>({2, 5}, 1);
  built(x, {.updates = StateUpdates::discard, .rng = &rng});
  const Net& net = built;
  std::vector<Tensor<double>> slopes(4);
  {
    std::vector<std::jthread> workers;
    for (auto& slope : slopes) {
      workers.emplace_back([&] {
        Tape<double> tape;
        const auto input = tape.watch(x);
        const auto y = sum(net(input, Context<double>::for_inference()));
        slope = tape.gradients(y, {input})[0].value();
      });
    }
  }
  for (const auto& slope : slopes) BOOST_TEST(identical(slope, slopes[0]));
}

BOOST_AUTO_TEST_CASE(warnings_and_observers_hear_once) {
  struct Listener : Warnings, CallObserver<double> {
    std::vector<std::string> warned, called_paths;
    void warn(std::string_view path, std::string_view) override { warned.emplace_back(path); }
    void called(const Module<double>& module, const Variable<double>&,
                const Variable<double>&) override {
      called_paths.push_back(module.path());
    }
  } listener;
  Net inner, net;
  inner.add(Drifting());
  net.add(checkpointed(std::move(inner)));
  Tape<double> tape;
  Rng rng(1);
  auto ctx = training(tape, rng);
  ctx.warn = &listener;
  ctx.observer = &listener;
  tape.backward(sum(net(tape.watch(Tensor<double>::ones({2})), ctx)));
  const std::vector<std::string> warned{"sequential.drifting"};
  const std::vector<std::string> called{"sequential.drifting", "sequential", ""};
  BOOST_TEST(listener.warned == warned, boost::test_tools::per_element());
  BOOST_TEST(listener.called_paths == called, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(random_numbers_are_drawn_again) {
  const auto run = [](bool recompute) {
    Net net;
    add(net, recompute, Drawing());
    add(net, recompute, Drawing());
    Tape<double> tape;
    auto rng = std::make_unique<Rng>(1);
    const auto x = tape.watch(Tensor<double>::ones({3}));
    const auto y = net(x, training(tape, *rng));
    const auto step = rng->step();
    rng.reset();  // a context must outlive its call, and no more
    return std::tuple(step, y.value(), tape.gradients(sum(y), {x})[0].value());
  };
  const auto [step, y, slope] = run(false);
  const auto [again_step, again_y, again_slope] = run(true);
  BOOST_TEST(again_step == step);
  BOOST_TEST(identical(again_y, y));
  BOOST_TEST(identical(again_slope, slope));
}

BOOST_AUTO_TEST_CASE(names_may_change_before_the_backward_pass) {
  struct Named : Module<double> {
    Net block;
    void visit(Visitor<double>& v) override { v("block", block); }
    Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
      return block(x, ctx);
    }
  };
  Named named;
  add(named.block, true, Drawing());
  Tape<double> tape;
  Rng rng(1);
  const auto x = tape.watch(Tensor<double>::ones({3}));
  const auto y = named.block(x, training(tape, rng));
  const std::string former = named.block.at(0).path();
  named.name_tree();
  const std::string now = named.block.at(0).path();
  BOOST_TEST(now == "block." + former);
  BOOST_TEST(identical(tape.gradients(sum(y), {x})[0].value(), y.value()));
  BOOST_TEST(named.block.at(0).path() == now);
}

BOOST_AUTO_TEST_CASE(derivatives_of_second_order_are_right) {
  Net inner, net;
  inner.add(checkpointed(Knot<double>())).add<BatchNormalization>({});
  net.add(Scale<double>("before")).add(checkpointed(std::move(inner))).add(Scale<double>("after"));
  Rng rng(11);
  const auto x = random_tensor<double>({3, 5}, 2);
  const auto context = [&](Tape<double>* tape) {
    return Context<double>{
        .tape = tape, .training = true, .updates = StateUpdates::discard, .rng = &rng};
  };
  net(x, context(nullptr));
  const auto parameters = net.parameters();
  std::vector<Tensor<double>> inputs{x};
  for (const auto& parameter : parameters) inputs.push_back(parameter->value);
  const auto function = [&](std::span<const Variable<double>> values) {
    Tape<double>* tape = nullptr;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i].tracked()) tape = static_cast<Tape<double>*>(values[i].anchor().slot->tape);
      if (i == 0) continue;
      parameters[i - 1]->value = values[i].value();
      parameters[i - 1]->anchor = values[i].anchor();
    }
    return net(values[0], context(tape));
  };
  const auto report = gradient_check(function, inputs, {.orders = 2, .throws = false});
  BOOST_TEST(report.passed, report.text);
}

BOOST_AUTO_TEST_CASE(a_failed_call_names_the_path_and_changes_nothing) {
  Net inner, net;
  inner.add(Drifting()).add<Dense>({.units = 3});
  net.add(checkpointed(std::move(inner)));
  Tape<double> tape;
  Rng rng(1);
  const auto batch = [&](const Shape& shape) {
    return net(tape.watch(Tensor<double>::ones(shape)), training(tape, rng));
  };
  refuses<ShapeError>(
      "[sequential.dense] the input must have at least 2 axes (batch, ..., features); got input "
      "(4)",
      [&] { batch({4}); });
  BOOST_TEST(!net.built());
  BOOST_TEST(tape.gradients(sum(batch({2, 4})), {}, {.keep = true}).empty());
  const auto before = values_of(net);
  BOOST_CHECK_THROW(batch({2, 5}), ShapeError);
  BOOST_TEST(identical(values_of(net).at("sequential.drifting.total"),
                       before.at("sequential.drifting.total")));
  BOOST_TEST(batch({2, 4}).tracked());
}

BOOST_AUTO_TEST_CASE(a_copy_is_deep) {
  auto net = nested<double>(true);
  Tape<double> tape;
  Rng rng(1);
  net(tape.watch(random_tensor<double>({4, 3}, 1)), training(tape, rng));
  Sequential<double> copy = net;
  const auto trace = training_trace(net, {7, 3});
  for (const auto& parameter : copy.parameters()) {
    parameter->assign(Tensor<double>::zeros(parameter->value.shape()));
  }
  same_trace(training_trace(net, {7, 3}), trace);
  BOOST_TEST(is_checkpointed(copy.at(1)));
  copy = net;
  same_trace(training_trace(copy, {7, 3}), trace);
}

BOOST_AUTO_TEST_CASE(a_block_may_move_before_the_backward_pass_but_must_live) {
  Tape<double> tape;
  Rng rng(1);
  const auto x = tape.watch(Tensor<double>::ones({2, 5}));
  auto block = std::make_unique<Checkpointed<Knot<double>>>(Knot<double>());
  const auto y = (*block)(x, training(tape, rng));
  const auto expected = tape.gradients(sum(y), {x}, {.keep = true})[0].value();
  Checkpointed<Knot<double>> copy = *block;
  auto moved = std::make_unique<Checkpointed<Knot<double>>>(std::move(*block));
  block.reset();
  BOOST_TEST(identical(tape.gradients(sum(y), {x}, {.keep = true})[0].value(), expected));
  *moved = std::move(copy);  // the values; what was recorded has those of before
  BOOST_TEST(identical(tape.gradients(sum(y), {x}, {.keep = true})[0].value(), expected));
  copy = *moved;  // of use again
  BOOST_TEST(copy(x, training(tape, rng)).shape()[1] == 5);
  moved.reset();
  refuses<StateError>(
      "[checkpointed] a block must live until the backward pass has gone through it; got one that "
      "was destroyed",
      [&] { tape.gradients(sum(y), {x}); });
}

BOOST_AUTO_TEST_CASE(what_a_block_takes_from_outside_is_differentiated) {
  const auto slopes = [](bool recompute) {
    Tape<double> tape;
    Rng rng(1);
    const auto x = tape.watch(Tensor<double>::ones({3}));
    const auto outside = exp(x) * 2;
    Custom custom;
    custom.function = [&](const auto& in, const auto&) {
      return in.detached() * outside * outside;
    };
    Net net;
    add(net, recompute, std::move(custom));
    return tape.gradients(sum(net(x, training(tape, rng))) + sum(outside), {outside, x});
  };
  const auto plain = slopes(false), recomputed = slopes(true);
  for (std::size_t i = 0; i < 2; ++i) {
    BOOST_TEST(identical(plain[i].value(), recomputed[i].value()));
  }
}

BOOST_AUTO_TEST_CASE(misuse_is_refused) {
  Tape<double> tape, other;
  Rng rng(1);
  const auto x = tape.watch(Tensor<double>::ones({3}));
  Variable<double> aside, foreign = other.watch(Tensor<double>::ones({3}));
  const auto called = [&](const auto& function) {
    Custom custom;
    custom.function = function;
    Net net;
    net.add(checkpointed(std::move(custom)));
    return net(x, training(tape, rng));
  };
  const auto y = [&] {
    static Net net;
    Custom custom;
    custom.function = [&](const auto& in, const auto&) { return exp(aside = exp(in)); };
    net.add(checkpointed(std::move(custom)));
    return net(x, training(tape, rng));
  }();
  refuses<StateError>(
      "[add] what is made inside a part that is recomputed must leave it as its result; got a "
      "variable that was put aside",
      [&] { y + aside; });
  refuses<ArgumentError>(
      "[custom: recomputed] the result must be recorded on this tape; got a variable of another "
      "tape",
      [&] { called([&](const auto&, const auto&) { return exp(foreign); }); });
  refuses<StateError>(
      "[custom: backward] a part that is recomputed must not start a backward pass on its tape",
      [&] {
        called([&](const auto& in, const auto& ctx) {
          ctx.tape->backward(sum(exp(in)));
          return in;
        });
      });
}

// The example of the header.
BOOST_AUTO_TEST_CASE(the_example_trains) {
  Sequential<float> net;
  for (int i = 0; i < 3; ++i) {
    Sequential<float> block;
    block.add<Dense>({.units = 64, .use_bias = false}).add<BatchNormalization>({}).add<ReLU>();
    net.add(checkpointed(std::move(block)));
  }
  net.add<Dense>({.units = 10});
  Tape<float> tape;
  Rng rng(1);
  const auto x = random_tensor<float>({16, 20}, 1);
  tape.backward(sum(net(x, Context<float>::for_training(tape, rng))));
  for (const auto& parameter : net.parameters()) BOOST_TEST(parameter->gradient.defined());
  BOOST_TEST(net.parameters()[0]->path == "sequential.dense.kernel");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
