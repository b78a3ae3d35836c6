#include <pthread.h>

#include <cmath>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/autograd/ops/join.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tape.hpp>
#include <memory>
#include <stdexcept>

#include "support/allocation_counter.hpp"
#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {

namespace {

using V = Variable<double>;

V scalar(Tape<double>& tape, double value) { return tape.watch(Tensor<double>::scalar(value)); }

Tensor<double> ones(std::initializer_list<std::int64_t> shape) {
  return Tensor<double>::ones(shape);
}

// The identity, with a backward of the test's own.
template <class Function>
V custom(const V& x, Function backward) {
  return record<double>("custom", {x}, x.value(), save(x), backward);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tape)

BOOST_AUTO_TEST_CASE(gradients_of_a_small_graph) {
  Tape<double> tape;
  const V x = tape.watch(Tensor<double>({3}, {1, 2, 3})), y = tape.watch(ones({3}));
  const V shared = x * y;
  const V loss = sum(shared * shared + 3 * shared);
  const auto gradients = tape.gradients(loss, {x, y, shared});
  check_close("x", gradients[0].value(), Tensor<double>({3}, {5, 7, 9}), 1e-15);
  check_close("y", gradients[1].value(), Tensor<double>({3}, {5, 14, 27}), 1e-15);
  check_close("an inner node", gradients[2].value(), Tensor<double>({3}, {5, 7, 9}), 1e-15);
}

BOOST_AUTO_TEST_CASE(sources_of_every_kind) {
  Tape<double> tape;
  const V x = scalar(tape, 2), unrelated = tape.watch(ones({2, 3}));
  const V y = square(x), later = exp(x);
  const auto gradients = tape.gradients(y, {y, x, x, unrelated, later}, {.keep = true});
  BOOST_TEST(gradients[0].item() == 1);  // the target itself
  BOOST_TEST(gradients[1].item() == 4);
  BOOST_TEST(gradients[2].item() == 4);  // named twice
  BOOST_TEST(identical(gradients[3].value(), Tensor<double>::zeros({2, 3})));
  BOOST_TEST(gradients[4].item() == 0);  // recorded after the target
  for (const V& gradient : gradients) BOOST_TEST(!gradient.tracked());
  BOOST_TEST(tape.gradients(x, {x})[0].item() == 1);  // a leaf as the target
}

BOOST_AUTO_TEST_CASE(fourth_order) {
  Tape<double> tape;
  const V x = scalar(tape, 0.7);
  V y = sin(x) * exp(x);
  // The n-th derivative is 2^(n/2) sin(x + n pi/4) exp(x).
  for (int order = 1; order <= 4; ++order) {
    y = tape.gradients(y, {x}, {.create_graph = true})[0];
    const double expected =
        std::pow(2, order / 2.0) * std::sin(0.7 + order * std::acos(-1.0) / 4) * std::exp(0.7);
    BOOST_TEST(y.item() == expected, boost::test_tools::tolerance(1e-13));
    BOOST_TEST(y.tracked());
  }
}

BOOST_AUTO_TEST_CASE(a_seed_weighs_the_target) {
  Tape<double> tape;
  const V x = tape.watch(Tensor<double>({3}, {1, 2, 3}));
  const V y = square(x);
  const auto g = tape.gradients(y, {x}, {.seed = Tensor<double>({3}, {1, 0, -1})});
  check_close("gradient", g[0].value(), Tensor<double>({3}, {2, 0, -6}), 0);
}

BOOST_AUTO_TEST_CASE(misuse_of_targets_and_sources) {
  Tape<double> tape, other;
  const V x = tape.watch(ones({2})), constant(ones({}));
  const V foreign = other.watch(ones({}));
  const V loss = sum(x);
  refuses<ArgumentError>("[gradients] the target must be recorded on this tape; got a constant",
                         [&] { tape.gradients(constant, {x}); });
  refuses<ArgumentError>(
      "[gradients] the target must be recorded on this tape; got a variable of another tape",
      [&] { tape.gradients(foreign, {x}); });
  refuses<ArgumentError>("[gradients] the source must be recorded on this tape; got a constant",
                         [&] {
                           tape.gradients(loss, {x, constant});
                         });
  refuses<ArgumentError>(
      "[gradients] the source must be recorded on this tape; got a variable of another tape",
      [&] { tape.gradients(loss, {foreign}); });
  refuses<ArgumentError>("[backward] the loss must be recorded on this tape; got a constant",
                         [&] { tape.backward(constant); });
  refuses<ShapeError>("[gradients] a target with more than one element needs a seed; got shape (2)",
                      [&] { tape.gradients(x, {x}); });
  refuses<ShapeError>("[gradients] the seed must have the target's shape; got (2), expected ()",
                      [&] { tape.gradients(loss, {x}, {.seed = ones({2})}); });
  refuses<ShapeError>("[backward] a target with more than one element needs a seed; got shape (2)",
                      [&] { tape.backward(x); });
  // None of these changed anything.
  BOOST_TEST(tape.gradients(loss, {x})[0].value().data()[1] == 1);
}

BOOST_AUTO_TEST_CASE(a_consumed_record) {
  Tape<double> tape;
  const V x = scalar(tape, 3);
  const V y = square(x);
  BOOST_TEST(tape.gradients(y, {x}, {.keep = true})[0].item() == 6);
  BOOST_TEST(tape.gradients(y, {x})[0].item() == 6);
  refuses<StateError>(
      "[gradients] the record must not be consumed; pass .keep = true to the pass before this one",
      [&] { tape.gradients(y, {x}); });
  refuses<StateError>(
      "[backward] the record must not be consumed; call backward once per forward pass, or pass "
      ".keep = true to the first",
      [&] { tape.backward(y); });
  refuses<StateError>(
      "[square] the record must not be consumed; backward() already used it up, call clear() first "
      "or pass .keep = true",
      [&] { square(x); });
  refuses<StateError>(
      "[watch] the record must not be consumed; backward() already used it up, call clear() first "
      "or pass .keep = true",
      [&] { scalar(tape, 1); });
  tape.clear();
  BOOST_TEST(square(scalar(tape, 4)).item() == 16);
}

BOOST_AUTO_TEST_CASE(stale_variables) {
  const std::string text =
      "[square] every input must belong to a living record; got a variable whose tape was cleared "
      "or "
      "destroyed";
  V orphan;
  {
    Tape<double> tape;
    orphan = scalar(tape, 1);
    const V before = scalar(tape, 1);
    tape.clear();
    refuses<StateError>(text, [&] { square(before); });
    const V now = scalar(tape, 1);
    refuses<StateError>(
        "[gradients] the source must be recorded on this tape; got a stale variable",
        [&] { tape.gradients(now, {before}); });
    BOOST_TEST(before.item() == 1);  // its value can be read for ever
  }
  refuses<StateError>(text, [&] { square(orphan); });
  Tape<double> heir;  // takes the slot of the dead one
  const V x = scalar(heir, 1);
  refuses<StateError>(text, [&] { square(orphan); });
  BOOST_TEST(square(orphan.detached()).item() == 1);
  BOOST_TEST(square(x).tracked());
}

BOOST_AUTO_TEST_CASE(two_tapes) {
  Tape<double> a, b;
  const V x = scalar(a, 2), y = scalar(b, 3);
  refuses<StateError>("[add] all inputs must belong to one tape; got variables of two",
                      [&] { x + y; });
  const V p = square(x), q = x.detached() * y;
  BOOST_TEST(a.gradients(p, {x})[0].item() == 4);
  BOOST_TEST(b.gradients(q, {y})[0].item() == 2);
}

BOOST_AUTO_TEST_CASE(constants_are_not_recorded) {
  Tape<double> tape;
  const V c(ones({2}));
  BOOST_TEST(!exp(c * c + 1).tracked());
  BOOST_TEST(tape.nodes() == 0);
  const V x = tape.watch(ones({2}));
  BOOST_TEST((x + c).tracked());
  BOOST_TEST(!x.detached().tracked());
  BOOST_TEST(tape.nodes() == 2);
}

BOOST_AUTO_TEST_CASE(leaves_accumulate) {
  Tape<double> tape;
  const auto leaf = std::make_shared<Leaf<double>>(), idle = std::make_shared<Leaf<double>>();
  leaf->value = Tensor<double>({2}, {1, 2});
  idle->value = ones({3});
  for (int step = 1; step <= 3; ++step) {
    const V x = tape.watch(leaf), again = tape.watch(leaf);
    tape.watch(idle);
    BOOST_TEST(x.anchor().index == again.anchor().index);
    BOOST_TEST(tape.nodes() == 2);
    tape.backward(sum(x * again));
    check_close("sum of steps", leaf->gradient, Tensor<double>({2}, {2.0 * step, 4.0 * step}), 0);
    BOOST_TEST(!idle->gradient.defined());
    tape.clear();
  }
  // What a reader took earlier does not change under it.
  const Tensor<double> held = leaf->gradient;
  tape.backward(sum(tape.watch(leaf)));
  BOOST_TEST(held.data()[0] == 6);
  BOOST_TEST(leaf->gradient.data()[0] == 7);
}

BOOST_AUTO_TEST_CASE(a_gradient_of_another_shape_is_not_added_to) {
  Tape<double> tape;
  const auto leaf = std::make_shared<Leaf<double>>();
  leaf->value = ones({4});
  leaf->gradient = ones({8});
  const V loss = sum(tape.watch(leaf));
  refuses<ShapeError>(
      "[backward] the gradient of a leaf must have the shape of its value; got (8), expected (4)",
      [&] { tape.backward(loss); });
  leaf->gradient = {};
  tape.backward(loss);
  check_close("gradient", leaf->gradient, ones({4}), 0);
}

BOOST_AUTO_TEST_CASE(an_op_may_have_more_inputs_than_16_bits_count) {
  Tape<double> tape;
  const V x = tape.watch(ones({1})), constant(ones({1}));
  std::vector<V> inputs(70000, constant);
  inputs.back() = x;
  BOOST_TEST(tape.gradients(sum(concatenate<double>(inputs, 0)), {x})[0].value().item() == 1);
}

// Gradients that two inputs share are never written through.
BOOST_AUTO_TEST_CASE(gradients_do_not_alias) {
  Tape<double> tape;
  const V a = tape.watch(ones({4})), b = tape.watch(ones({4}));
  const V c = a + b;  // both get the same tensor
  const V d = c + a;  // and one gets more
  const auto seed = ones({4});
  const auto gradients = tape.gradients(d, {a, b, c}, {.seed = seed});
  check_close("a", gradients[0].value(), Tensor<double>({4}, 2.0), 0);
  check_close("b", gradients[1].value(), Tensor<double>({4}, 1.0), 0);
  check_close("c", gradients[2].value(), Tensor<double>({4}, 1.0), 0);
  check_close("the seed", seed, Tensor<double>({4}, 1.0), 0);
}

BOOST_AUTO_TEST_CASE(only_what_is_asked_for_is_computed) {
  Tape<double> tape;
  int calls = 0;
  const auto counting = [&calls](Backward<double>& b) {
    ++calls;
    b.add(0, b.gradient());
  };
  const V x = scalar(tape, 1), z = scalar(tape, 1);
  const V y = custom(x, counting);
  const V loss = custom(y, counting) + custom(z, counting);
  tape.gradients(loss, {y}, {.keep = true});
  BOOST_TEST(calls == 1);  // not the branch of z, not below y
  tape.gradients(loss, {z}, {.keep = true});
  BOOST_TEST(calls == 2);
  tape.backward(loss);
  BOOST_TEST(calls == 5);
}

BOOST_AUTO_TEST_CASE(memory_that_nodes_keep) {
  Tape<double> tape;
  const V x = tape.watch(ones({100}));
  BOOST_TEST(tape.saved_bytes() == 0);
  const V y = x + x;
  BOOST_TEST(tape.saved_bytes() == 0);
  const V z = exp(y);  // its output
  BOOST_TEST(tape.saved_bytes() == 800);
  const V w = y * V(ones({100}));  // for the gradient of y only the constant
  BOOST_TEST(tape.saved_bytes() == 1600);
  (void)(z * w);
  BOOST_TEST(tape.saved_bytes() == 3200);
  BOOST_TEST(tape.nodes() == 5);
  tape.clear();
  BOOST_TEST(tape.saved_bytes() == 0);
  BOOST_TEST(tape.nodes() == 0);
}

// What the nodes kept is freed while the pass runs, unless the record is kept.
BOOST_AUTO_TEST_CASE(memory_goes_as_the_pass_runs) {
  for (const bool keep : {false, true}) {
    Tape<double> tape;
    const V x = tape.watch(ones({100}));
    std::int64_t seen = -1;
    const V first = custom(x, [&](Backward<double>& b) {
      seen = tape.saved_bytes();
      b.add(0, b.gradient());
    });
    const V loss = sum(exp(exp(first)));
    BOOST_TEST(tape.saved_bytes() == 2400);
    tape.gradients(loss, {x}, {.keep = keep});
    BOOST_TEST(seen == (keep ? 2400 : 800));
    BOOST_TEST(tape.saved_bytes() == (keep ? 2400 : 0));
  }
}

BOOST_AUTO_TEST_CASE(an_exception_in_a_backward) {
  Tape<double> tape;
  const V x = scalar(tape, 1);
  const V y = custom(x, [](Backward<double>&) { throw std::runtime_error("broken"); });
  BOOST_CHECK_THROW(tape.gradients(y, {x}, {.keep = true}), std::runtime_error);
  refuses<StateError>(
      "[gradients] the record must not be consumed; pass .keep = true to the pass before this one",
      [&] { tape.gradients(y, {x}); });
  tape.clear();
  const V fresh = scalar(tape, 2);
  BOOST_TEST(tape.gradients(square(fresh), {fresh})[0].item() == 4);
}

BOOST_AUTO_TEST_CASE(misuse_inside_a_backward) {
  Tape<double> tape;
  const auto attempt = [&](auto backward) {
    tape.clear();
    const V x = scalar(tape, 1);
    tape.gradients(custom(x, backward), {x});
  };
  refuses<ShapeError>(
      "[custom] the gradient of input 0 must have the input's shape; got (2), expected ()",
      [&] { attempt([](Backward<double>& b) { b.add(0, V(ones({2}))); }); });
  refuses<StateError>("[clear] a backward pass must not clear its own tape",
                      [&] { attempt([&](Backward<double>&) { tape.clear(); }); });
  refuses<StateError>("[gradients] a backward pass must not start another on its tape", [&] {
    attempt([&](Backward<double>& b) { tape.gradients(b.saved(0), {b.saved(0)}); });
  });
  refuses<StateError>("[backward] a backward pass must not start another on its tape",
                      [&] { attempt([&](Backward<double>& b) { tape.backward(b.saved(0)); }); });
}

// What a closure captured is destroyed exactly once, whatever becomes of the record.
BOOST_AUTO_TEST_CASE(captures_are_destroyed) {
  const auto token = std::make_shared<int>(0);
  const auto recorded = [&](Tape<double>& tape) {
    const V x = scalar(tape, 1);
    return std::pair(x, custom(x, [token](Backward<double>& b) { b.add(0, b.gradient()); }));
  };
  {
    Tape<double> tape;
    recorded(tape);
    BOOST_TEST(token.use_count() == 2);
    tape.clear();
    BOOST_TEST(token.use_count() == 1);
    const auto [x, y] = recorded(tape);
    tape.gradients(y, {x}, {.keep = true});
    BOOST_TEST(token.use_count() == 2);
    tape.gradients(y, {x});
    BOOST_TEST(token.use_count() == 1);
    tape.clear();
    recorded(tape);
  }
  BOOST_TEST(token.use_count() == 1);
}

// Closures beyond the arena's chunk, and one that needs the largest alignment allowed.
BOOST_AUTO_TEST_CASE(large_captures) {
  struct alignas(16) Large {
    double values[20000] = {};
  };
  Tape<double> tape;
  for (int round = 0; round < 2; ++round) {
    const V x = scalar(tape, 1);
    Large large;
    large.values[19999] = 3;
    const V y =
        custom(x, [large](Backward<double>& b) { b.add(0, b.gradient() * large.values[19999]); });
    BOOST_TEST(tape.gradients(y, {x})[0].item() == 3);
    tape.clear();
  }
}

namespace {

constexpr int kLong = 1000000;

// Builds, differentiates and frees a chain of a million nodes.
void* long_chain(void* result) {
  const auto leaf = std::make_shared<Leaf<double>>();
  leaf->value = Tensor<double>::scalar(1);
  {
    Tape<double> tape;
    V x = tape.watch(leaf);
    for (int i = 0; i < kLong; ++i) x = i % 2 == 0 ? x + 1 : x * 1.0;
    tape.backward(x);
  }
  *static_cast<double*>(result) = leaf->gradient.item();
  return nullptr;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_million_nodes_on_a_small_stack) {
  pthread_attr_t attributes;
  BOOST_REQUIRE_EQUAL(pthread_attr_init(&attributes), 0);
  BOOST_REQUIRE_EQUAL(pthread_attr_setstacksize(&attributes, 256 * 1024), 0);
  pthread_t thread;
  double result = 0;
  BOOST_REQUIRE_EQUAL(pthread_create(&thread, &attributes, long_chain, &result), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  BOOST_TEST(result == 1);
}

// Ten thousand steps take no memory after the first few.
BOOST_AUTO_TEST_CASE(steps_do_not_leak) {
  Tape<float> tape;
  const auto leaf = std::make_shared<Leaf<float>>();
  leaf->value = Tensor<float>::ones({32});
  std::int64_t blocks = 0, calls = 0;
  for (int step = 0; step < 10000; ++step) {
    if (step == 5) {
      blocks = memory_counters().system_allocations;
      calls = allocations();
    }
    const auto x = tape.watch(leaf);
    tape.backward(mean(square(tanh(x * x + 1))));
    leaf->gradient = {};
    tape.clear();
  }
  if (!counts_allocations()) return;
  BOOST_TEST(memory_counters().system_allocations == blocks);
  BOOST_TEST(allocations() == calls);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
