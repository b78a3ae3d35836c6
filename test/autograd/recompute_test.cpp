#include <algorithm>
#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/autograd/ops/linear_algebra.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/recompute.hpp>
#include <memory>
#include <tuple>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using V = Variable<double>;
using Scalars = std::tuple<float, double>;

template <Scalar T>
std::shared_ptr<Leaf<T>> leaf(const Shape& shape, std::uint64_t seed) {
  auto result = std::make_shared<Leaf<T>>();
  result->value = random_tensor<T>(shape, seed);
  return result;
}

// The function itself, or recomputed.
template <Scalar T>
Variable<T> part(bool recompute, Tape<T>& tape, const Variable<T>& x,
                 const Computation<T>& function) {
  return recompute ? recomputed<T>(tape, x, function) : function(x);
}

// x and w are used before, in and after parts, more than once in each, one part stands in another:
// sums of gradients have many terms, and any other order of adding would show.
template <Scalar T>
std::vector<Tensor<T>> intertwined(bool recompute, const GradientOptions<T>& options = {}) {
  const auto x = leaf<T>({5, 3}, 1), w = leaf<T>({3, 3}, 2);
  Tape<T> tape;
  const auto before = tanh(tape.watch(x)) + T(0.1);
  const auto weights = exp(tape.watch(w));
  const Computation<T> function = [&](const Variable<T>& in) {
    const auto a = matmul(in, weights) + in;
    const auto b = part<T>(recompute, tape, a, [&](const Variable<T>& inner) {
      return tanh(inner) * inner + matmul(before, tape.watch(w)) * in;
    });
    return b + in * square(before) + matmul(a, weights);
  };
  const auto once = part<T>(recompute, tape, before, function);
  const auto twice = part<T>(recompute, tape, once * before, function);
  const auto loss = sum(twice * before) + sum(matmul(once, weights)) + sum(square(weights));
  tape.backward(loss, options);
  return {once.value(), twice.value(), x->gradient, w->gradient};
}

// Bytes that are kept by a part of three tanh over x.
std::int64_t bytes_kept(bool recompute, Tape<double>& tape, const V& x) {
  const auto before = tape.saved_bytes();
  part<double>(recompute, tape, x, [](const V& in) { return tanh(tanh(tanh(in))); });
  return tape.saved_bytes() - before;
}

BOOST_AUTO_TEST_SUITE(recompute)

BOOST_AUTO_TEST_CASE_TEMPLATE(values_and_gradients_have_the_same_bits, T, Scalars) {
  const auto plain = intertwined<T>(false), again = intertwined<T>(true);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    BOOST_TEST(identical(again[i], plain[i]), "other bits in result " << i);
  }
  const auto plain_graph = intertwined<T>(false, {.create_graph = true});
  const auto again_graph = intertwined<T>(true, {.create_graph = true});
  for (std::size_t i = 0; i < plain.size(); ++i) {
    BOOST_TEST(identical(again_graph[i], plain_graph[i]), "recorded: other bits in result " << i);
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_kept_but_the_input) {
  Tape<double> tape;
  const V x = tape.watch(Tensor<double>::ones({7, 5}));
  BOOST_TEST(bytes_kept(false, tape, x) == 3 * x.value().bytes());
  BOOST_TEST(bytes_kept(true, tape, x) == x.value().bytes());
  const V y = recomputed<double>(tape, x, [](const V& in) { return tanh(tanh(in)); });
  tape.gradients(y, {x}, {.keep = true, .seed = x.value()});
  tape.gradients(y, {x}, {.seed = x.value()});
  BOOST_TEST(tape.saved_bytes() == 0);
}

BOOST_AUTO_TEST_CASE(is_called_once_and_again_in_each_pass_through_it) {
  Tape<double> tape;
  int calls = 0;
  const V x = tape.watch(Tensor<double>::ones({3}));
  const Computation<double> function = [&](const V& in) { return ++calls, tanh(in); };
  const V y = recomputed<double>(tape, x, function), loss = sum(y);
  BOOST_TEST(calls == 1);
  const auto first = tape.gradients(loss, {x}, {.keep = true});
  BOOST_TEST(calls == 2);
  const V other = tape.watch(Tensor<double>::ones({3}));
  tape.gradients(sum(y * other), {other}, {.keep = true});  // not through it
  BOOST_TEST(calls == 2);
  const auto second = tape.gradients(loss, {x});
  BOOST_TEST(calls == 3);
  BOOST_TEST(identical(first[0].value(), second[0].value()));
}

BOOST_AUTO_TEST_CASE(where_nothing_is_differentiated_it_is_just_called) {
  Tape<double> tape;
  int calls = 0;
  const V constant(Tensor<double>::ones({3}));
  const V y = recomputed<double>(tape, constant, [&](const V& in) { return ++calls, tanh(in); });
  BOOST_TEST(!y.tracked());
  BOOST_TEST(tape.nodes() == 0);
  const V x = tape.watch(Tensor<double>::ones({3}));
  const V same = recomputed<double>(tape, x, [&](const V& in) { return in; });
  BOOST_TEST(same.anchor().index == x.anchor().index);
  BOOST_TEST(tape.nodes() == 1);
  const V cut = recomputed<double>(tape, x, [&](const V& in) { return tanh(in.detached()); });
  BOOST_TEST(!cut.tracked());
}

BOOST_AUTO_TEST_CASE(only_what_is_asked_for_is_differentiated) {
  Tape<double> tape;
  const V x = tape.watch(Tensor<double>({2}, {1, 2})), w = tape.watch(Tensor<double>({2}, {3, 4}));
  bool wanted_w = false;
  const V y = recomputed<double>(tape, x, [&](const V& in) {
    const V probe = record<double>("probe", {w}, w.value(), save_nothing, [&](Backward<double>& b) {
      wanted_w = true;
      b.add(0, b.gradient());
    });
    return in * in * probe;
  });
  const auto of_x = tape.gradients(sum(y), {x}, {.keep = true});
  check_close("x", of_x[0].value(), Tensor<double>({2}, {6, 16}), 1e-15);
  BOOST_TEST(!wanted_w);
  const auto of_w = tape.gradients(sum(y), {w, y});
  check_close("w", of_w[0].value(), Tensor<double>({2}, {1, 4}), 1e-15);
  check_close("the result", of_w[1].value(), Tensor<double>({2}, {1, 1}), 1e-15);
  BOOST_TEST(wanted_w);
}

BOOST_AUTO_TEST_CASE(derivatives_of_higher_order_are_exact) {
  const auto function = [](bool recompute) {
    return [recompute](std::span<const V> in) {
      Tape<double>* tape = nullptr;
      for (const V& v : in) {
        if (v.tracked()) tape = static_cast<Tape<double>*>(v.anchor().slot->tape);
      }
      const auto body = [&w = in[1]](const V& x) { return tanh(matmul(x, w)) * x; };
      if (!recompute || !tape) return body(in[0]);
      // What is captured by reference is gone in the backward pass.
      return recomputed<double>(*tape, in[0],
                                [w = in[1]](const V& x) { return tanh(matmul(x, w)) * x; });
    };
  };
  const std::vector<Tensor<double>> inputs{random_tensor<double>({5, 3}, 3),
                                           random_tensor<double>({3, 3}, 4)};
  BOOST_TEST(gradient_check(function(true), inputs, {.orders = 3, .tolerance = 1e-6}).passed);

  std::vector<Tensor<double>> thirds[2];
  for (const bool recompute : {false, true}) {
    Tape<double> tape;
    const std::vector<V> in{tape.watch(inputs[0]), tape.watch(inputs[1])};
    V y = sum(square(function(recompute)(in)));
    for (int order = 1; order < 3; ++order) {
      const auto g = tape.gradients(y, in, {.create_graph = true});
      y = sum(square(g[0])) + sum(g[1]);
    }
    for (const V& g : tape.gradients(y, in)) thirds[recompute].push_back(g.value());
  }
  for (std::size_t i = 0; i < 2; ++i) {
    const double scale = *std::max_element(thirds[0][i].data(), thirds[0][i].data() + 9);
    check_close("third derivative", thirds[1][i], thirds[0][i], 1e-13 * std::max(1.0, scale));
  }
}

BOOST_AUTO_TEST_CASE(what_is_put_aside_is_refused) {
  Tape<double> tape;
  V aside;
  const V x = tape.watch(Tensor<double>::ones({3}));
  const V y = recomputed<double>(tape, x, [&](const V& in) { return square(aside = tanh(in)); });
  const std::string rest =
      "what is made inside a part that is recomputed must leave it as its result; got a variable "
      "that was put aside";
  refuses<StateError>("[multiply] " + rest, [&] { y* aside; });
  refuses<StateError>("[gradients] " + rest, [&] { tape.gradients(y, {aside}); });
  refuses<StateError>("[backward] " + rest, [&] { tape.backward(aside); });
  refuses<StateError>("[tanh] " + rest,
                      [&] { recomputed<double>(tape, x, [&](const V&) { return tanh(aside); }); });
  BOOST_TEST((y * aside.detached()).tracked());
  const V loss = sum(y);
  tape.gradients(loss, {x}, {.keep = true});  // now it is of the repetition
  refuses<StateError>("[multiply] " + rest, [&] { y* aside; });
  BOOST_TEST(tape.gradients(loss, {x})[0].size() == 3);
  tape.clear();
  BOOST_TEST((tape.watch(Tensor<double>::ones({3})) * 2).tracked());
}

BOOST_AUTO_TEST_CASE(a_part_that_changes_is_refused) {
  Tape<double> tape;
  int calls = 0;
  const auto pass = [&](const Computation<double>& function) {
    calls = 0;
    tape.clear();
    const V x = tape.watch(Tensor<double>::ones({3}));
    tape.backward(sum(recomputed<double>(tape, x, function)));
  };
  refuses<StateError>(
      "[recomputed] a part must give the same shape when it is computed again; got (1, 3), "
      "expected (3)",
      [&] { pass([&](const V& x) {
              return ++calls == 1 ? exp(x) : reshape(exp(x), {1, 3});
            }); });
  const std::string others =
      "[recomputed] a part must read the same variables when it is computed again; got others, or "
      "other parameters that are trainable";
  refuses<StateError>(
      others, [&] { pass([&](const V& x) { return ++calls == 1 ? exp(x) : exp(x.detached()); }); });
  refuses<StateError>(others, [&] { pass([&](const V& x) { return ++calls == 1 ? exp(x) : x; }); });
  V other;
  refuses<StateError>(others, [&] {
    pass([&](const V& x) {
      if (++calls == 1) other = tape.watch(x.value());
      return calls == 1 ? exp(x) : x * other;
    });
  });
  const auto weights = leaf<double>({3}, 1);
  refuses<StateError>(others, [&] {
    pass([&](const V& x) {
      return ++calls == 1 ? exp(x) : exp(x) * tape.watch(weights).detached();
    });
  });
  tape.clear();
  BOOST_TEST(exp(tape.watch(Tensor<double>::ones({3}))).tracked());  // still of use
}

BOOST_AUTO_TEST_CASE(passes_and_other_tapes_inside_are_refused) {
  Tape<double> tape, second;
  const V x = tape.watch(Tensor<double>::ones({3})), foreign = second.watch(x.value());
  const auto within = [&](const Computation<double>& function) {
    return [&tape, &x, function] { recomputed<double>(tape, x, function); };
  };
  const std::string no_pass =
      "a part that is recomputed must not start a backward pass on its tape";
  refuses<StateError>("[gradients] " + no_pass,
                      within([&](const V& in) { return tape.gradients(sum(exp(in)), {in})[0]; }));
  refuses<StateError>("[backward] " + no_pass,
                      within([&](const V& in) { return tape.backward(sum(exp(in))), in; }));
  refuses<StateError>("[clear] a part that is recomputed must not clear its tape",
                      within([&](const V& in) { return tape.clear(), in; }));
  refuses<StateError>("[multiply] all inputs must belong to one tape; got variables of two",
                      within([&](const V& in) { return exp(in) * foreign; }));
  refuses<ArgumentError>(
      "[recomputed] the result must be recorded on this tape; got a variable of another tape",
      within([&](const V&) { return exp(foreign); }));
  BOOST_TEST(exp(x).tracked());  // the failures left the tape as it was
  BOOST_TEST(tape.gradients(sum(exp(x)), {x})[0].defined());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
