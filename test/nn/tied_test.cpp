// Copies, moves, assignments and ties of modules.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/nn/sequential.hpp>
#include <optional>

#include "support/modules.hpp"
#include "support/numbers.hpp"

namespace lamina::test {
namespace {

const Shape kInput{2, 3};

Context<double> building(Rng& rng) {
  auto ctx = Context<double>::for_inference();
  ctx.rng = &rng;
  return ctx;
}

template <class M>
M built(M module) {
  Rng rng(7);
  module(Tensor<double>::ones(kInput), building(rng));
  return module;
}

template <class M>
Tensor<double> output(const M& module) {
  return module(random_tensor<double>(kInput, 3), Context<double>::for_inference()).value();
}

void change(Parameter<double>& parameter) {
  parameter.assign(Tensor<double>(parameter.shape(), parameter.value().data()[0] + 10));
}

// Two handles on one weight, and one of its own.
struct Pair : Module<double> {
  Scale<double> first;
  Scale<double> second = share(first);
  Scale<double> own;
  void visit(Visitor<double>& v) override {
    v("first", first);
    v("second", second);
    v("own", own);
  }
  Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
    return own(second(first(x, ctx), ctx), ctx);
  }
};

bool tied(const Scale<double>& a, const Scale<double>& b) {
  return a.weight.data() == b.weight.data();
}

BOOST_AUTO_TEST_SUITE(tied_suite)

BOOST_AUTO_TEST_CASE(a_copy_is_deep_and_equal) {
  Sequential<double> net;
  net.add<Dense>({.units = 4}).add(Scale<double>()).add<Dense>({.units = 2});
  net = built(std::move(net));
  Sequential<double> copy = net;
  BOOST_TEST(same_values(copy, net));
  BOOST_TEST(identical(output(copy), output(net)));
  const auto before = output(net);
  for (const auto& parameter : copy.parameters()) {
    parameter->assign(Tensor<double>::ones(parameter->value.shape()));
  }
  BOOST_TEST(identical(output(net), before));
  BOOST_TEST(!identical(output(copy), before));
}

BOOST_AUTO_TEST_CASE(shared_handles_see_each_other) {
  Scale<double> a = built(Scale<double>());
  Scale<double> b = share(a);
  BOOST_TEST(tied(a, b));
  change(a.weight);
  BOOST_TEST(identical(output(a), output(b)));
  // Unbuilt ones too: building one builds the other.
  Scale<double> c;
  Scale<double> d = share(c);
  Rng rng(1);
  c(Tensor<double>::ones(kInput), building(rng));
  BOOST_TEST(d.weight.defined());
}

BOOST_AUTO_TEST_CASE(ties_survive_the_copy_of_their_tree) {
  const Pair source = built(Pair());
  Pair copy = source;
  BOOST_TEST(tied(copy.first, copy.second));
  BOOST_TEST(!tied(copy.first, source.first));
  BOOST_TEST(!tied(copy.first, copy.own));
  const auto before = output(source);
  change(copy.second.weight);
  BOOST_TEST(identical(output(source), before));
  BOOST_TEST(identical(copy.first.weight.value(), copy.second.weight.value()));

  Pair of_copy = copy;
  BOOST_TEST(tied(of_copy.first, of_copy.second));
  BOOST_TEST(!tied(of_copy.first, copy.first));
}

BOOST_AUTO_TEST_CASE(two_copies_are_tied_to_nobody_but_themselves) {
  const Pair source = built(Pair());
  const Pair a = source, b = source;
  BOOST_TEST(tied(a.first, a.second));
  BOOST_TEST(tied(b.first, b.second));
  BOOST_TEST(!tied(a.first, b.first));
}

BOOST_AUTO_TEST_CASE(copies_of_parts_do_not_disturb_copies_of_the_whole) {
  Pair source = built(Pair());
  const Scale<double> part = source.second;
  const Pair copy = source;
  BOOST_TEST(tied(copy.first, copy.second));
  BOOST_TEST(!tied(copy.first, part));
  BOOST_TEST(!tied(copy.second, part));
  BOOST_TEST(!tied(source.first, part));

  // A part that is copied later has the later value, and is on its own.
  const Scale<double> early = source.first;
  change(source.first.weight);
  const Scale<double> late = source.second;
  BOOST_TEST(!tied(early, late));
  BOOST_TEST(identical(late.weight.value(), source.first.weight.value()));
  BOOST_TEST(!identical(early.weight.value(), late.weight.value()));

  // A lone parameter as well.
  const Parameter<double> lone = source.first.weight;
  BOOST_TEST((lone.data() != source.first.weight.data()));
}

BOOST_AUTO_TEST_CASE(ties_survive_in_sequentials_and_vectors) {
  Scale<double> scale;
  Sequential<double> net;
  net.add(share(scale)).add<Dense>({.units = 3}).add(share(scale));
  net = built(std::move(net));
  BOOST_TEST(net.parameters().size() == 3u);
  Sequential<double> copy = net;
  BOOST_TEST(copy.parameters().size() == 3u);
  BOOST_TEST((net.parameters()[0] != copy.parameters()[0]));

  struct Many : Module<double> {
    std::vector<Scale<double>> scales;
    void visit(Visitor<double>& v) override {
      for (std::size_t i = 0; i < scales.size(); ++i) v(std::to_string(i), scales[i]);
    }
    Variable<double> forward(const Variable<double>& x, const Context<double>&) const override {
      return x;
    }
  } many;
  many.scales.reserve(3);
  many.scales.emplace_back();
  many.scales.push_back(share(many.scales[0]));
  many.scales.emplace_back();
  const Many copied = many;
  BOOST_TEST(tied(copied.scales[0], copied.scales[1]));
  BOOST_TEST(!tied(copied.scales[0], copied.scales[2]));
  BOOST_TEST(!tied(copied.scales[0], many.scales[0]));
}

BOOST_AUTO_TEST_CASE(a_copy_that_throws_leaves_nothing_behind) {
  struct Fragile : Module<double> {
    Scale<double> first;
    struct Bomb {
      bool armed = false;
      Bomb() = default;
      Bomb(const Bomb& other) : armed(other.armed) {
        if (armed) throw std::runtime_error("bomb");
      }
    } bomb;
    Scale<double> second = share(first);
    void visit(Visitor<double>& v) override { v("first", first), v("second", second); }
    Variable<double> forward(const Variable<double>& x, const Context<double>&) const override {
      return x;
    }
  } source;
  source.bomb.armed = true;
  BOOST_CHECK_THROW(Fragile{source}, std::runtime_error);
  source.bomb.armed = false;
  const Fragile copy = source;
  BOOST_TEST(tied(copy.first, copy.second));
  BOOST_TEST(!tied(copy.first, source.first));
}

BOOST_AUTO_TEST_CASE(gradients_of_tied_weights_add_up) {
  Pair pair = built(Pair());
  Tape<double> tape;
  Rng rng(1);
  const auto x = random_tensor<double>(kInput, 5);
  tape.backward(sum(pair(x, Context<double>::for_training(tape, rng))));
  const auto& w = pair.first.weight.value();
  const auto& own = pair.own.weight.value();
  for (std::int64_t j = 0; j < 3; ++j) {
    const double column = x.at({0, j}) + x.at({1, j});
    const double expected = 2 * w.data()[j] * own.data()[j] * column;
    BOOST_TEST(std::abs(pair.second.weight.gradient().data()[j] - expected) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(assignment_keeps_what_an_optimizer_looks_at) {
  Sequential<double> net;
  net.add<Dense>({.units = 4}).add(Scale<double>());
  net = built(std::move(net));
  const auto parameters = net.parameters();
  Sequential<double> other;
  other.add<Dense>({.units = 4}).add(Scale<double>());
  Rng rng(99);
  other(Tensor<double>::ones(kInput), building(rng));

  net = other;
  BOOST_TEST(same_values(net, other));
  BOOST_TEST((net.parameters() == parameters));
  BOOST_TEST((other.parameters() != parameters));

  Sequential<double> third = other;
  for (const auto& parameter : third.parameters()) {
    parameter->assign(Tensor<double>::ones(parameter->value.shape()));
  }
  net = std::move(third);
  BOOST_TEST((net.parameters() == parameters));
  BOOST_TEST(parameters[0]->value.at({0, 0}) == 1);

  struct Net : Module<double> {
    Sequential<double> body;
    Scale<double> head;
    Net() { body.add<Dense>({.units = 4}); }
    void visit(Visitor<double>& v) override { v("body", body), v("head", head); }
    Variable<double> forward(const Variable<double>& x, const Context<double>& c) const override {
      return head(body(x, c), c);
    }
  };
  Net own = built(Net());
  const auto watched = own.parameters();
  own = built(Net());
  BOOST_TEST((own.parameters() == watched));
}

BOOST_AUTO_TEST_CASE(a_sequential_of_other_layers_replaces_all) {
  Sequential<double> net, other;
  net.add<Dense>({.units = 4});
  other.add(Scale<double>()).add<Dense>({.units = 2});
  other = built(std::move(other));
  const Sequential<double> kept = other;
  net = other;
  BOOST_TEST(same_values(net, other));
  net = Sequential<double>();
  BOOST_TEST(net.size() == 0);
  net = std::move(other);
  BOOST_TEST(same_values(net, kept));
}

BOOST_AUTO_TEST_CASE(a_fresh_module_that_is_assigned_is_built_again) {
  Scale<double> scale = built(Scale<double>());
  scale = Scale<double>();
  BOOST_TEST(!scale.built());
  Rng rng(1);
  const auto y = scale(Tensor<double>::ones({2, 5}), building(rng));
  BOOST_TEST(y.shape()[1] == 5);
}

BOOST_AUTO_TEST_CASE(moved_from_modules_can_be_copied_and_assigned) {
  Scale<double> source = built(Scale<double>());
  const auto expected = output(source);
  Scale<double> target = std::move(source);
  BOOST_TEST(identical(output(target), expected));
  source = target;
  BOOST_TEST(identical(output(source), expected));
  Scale<double> again = std::move(source);
  source = std::move(again);
  BOOST_TEST(identical(output(source), expected));
  Scale<double> gone = std::move(source);
  const Scale<double> empty = source;  // NOLINT: that is the test
  BOOST_TEST(!empty.weight.defined());
}

BOOST_AUTO_TEST_CASE(moving_keeps_parameters_of_optimizers_and_vectors) {
  std::vector<Sequential<double>> nets(1);
  nets[0].add<Dense>({.units = 4});
  nets[0] = built(std::move(nets[0]));
  const auto parameters = nets[0].parameters();
  nets.resize(100);
  BOOST_TEST((nets[0].parameters() == parameters));
}

BOOST_AUTO_TEST_CASE(counters_and_buffers_are_copied_deeply) {
  Counter counter;
  counter.set(3);
  Counter copy = counter;
  copy.set(4);
  BOOST_TEST(counter.value() == 3);
  Meter<double> meter = built(Meter<double>());
  Meter<double> other = meter;
  other.sum.assign(Tensor<double>::scalar(9));
  BOOST_TEST(meter.sum.value().item() == 0);
  Meter<double> shared = share(meter);
  shared.sum.assign(Tensor<double>::scalar(5));
  BOOST_TEST(meter.sum.value().item() == 5);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
