// State changes that a forward pass emits: applied, discarded, collected, counted, taken back.
#include <boost/test/unit_test.hpp>
#include <lamina/lamina.hpp>

#include "support/modules.hpp"
#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Net = Sequential<double>;

BOOST_AUTO_TEST_CASE(updates_are_applied_discarded_or_collected) {
  Net net;
  net.add(Meter<double>());
  Rng rng(1);
  Tape<double> tape;
  const auto x = Tensor<double>::ones({1, 3});
  auto ctx = Context<double>::for_training(tape, rng);
  const auto sum_of = [&] { return values_of(net).at("meter.sum").item(); };
  net(x, ctx);
  BOOST_TEST(sum_of() == 1);
  ctx.updates = StateUpdates::discard;
  net(x, ctx);
  BOOST_TEST(sum_of() == 1);
  ctx.updates = StateUpdates::collect;
  refuses<StateError>(
      "[meter: update] a context that collects updates needs a place for them; got "
      "collected = null",
      [&] { net(x, ctx); });
  CollectedUpdates<double> collected;
  ctx.collected = &collected;
  net(x, ctx);
  net(x, ctx);
  BOOST_TEST(sum_of() == 1);
  BOOST_TEST(collected.size() == 2);
  collected.apply();
  BOOST_TEST(sum_of() == 2);
  BOOST_TEST(collected.size() == 0);
  // A const module may not be written to, but may tell.
  ctx.updates = StateUpdates::apply;
  refuses<StateError>(
      "[meter: update] state changes need a module that is not const; got a const "
      "call with updates = apply, expected discard or collect",
      [&] { std::as_const(net)(x, ctx); });
  ctx.updates = StateUpdates::collect;
  std::as_const(net)(x, ctx);
  BOOST_TEST(collected.size() == 1);
}

BOOST_AUTO_TEST_CASE(updates_of_one_call_add_up_at_its_end) {
  struct Twice : Module<double> {
    Buffer<double> mean;
    mutable double seen = -1;
    void visit(Visitor<double>& v) override { v("mean", mean); }
    void build(const Shape&, Builder<double>& b) override { b("mean", mean, {}, zeros()); }
    Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
      ctx.update(mean, Tensor<double>::scalar(8), 0.5);
      ctx.update(mean,
                 [](const Tensor<double>& now) { return Tensor<double>::scalar(now.item() + 1); });
      seen = mean.value().item();
      return x;
    }
    std::string type() const override { return "twice"; }
  } module;
  Rng rng(1);
  module(Tensor<double>::ones({1}), {.rng = &rng});
  BOOST_TEST(module.seen == 0);
  BOOST_TEST(module.mean.value().item() == 5);
  struct Wrong : Twice {
    Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
      ctx.update(mean, Tensor<double>::ones({2}));
      return x;
    }
  } wrong;
  refuses<ShapeError>(
      "[twice: update] a new value of 'mean' must keep its shape; got (2), expected ()",
      [&] { wrong(Tensor<double>::ones({1}), {.rng = &rng}); });
}

BOOST_AUTO_TEST_CASE(moving_averages_move_by_their_rate) {
  struct Average : Module<double> {
    Buffer<double> mean;
    void visit(Visitor<double>& v) override { v("mean", mean); }
    void build(const Shape&, Builder<double>& b) override { b("mean", mean, {2}, zeros()); }
    Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
      ctx.update(mean, x.value(), 0.25);
      return x;
    }
  } module;
  Rng rng(1);
  Tape<double> tape;
  const Tensor<double> x({2}, {4, 8});
  const auto ctx = Context<double>::for_training(tape, rng);
  module(x, ctx);
  module(x, ctx);
  check_close("mean", module.mean.value(), Tensor<double>({2}, {1.75, 3.5}), 0);
}

BOOST_AUTO_TEST_CASE(an_average_over_a_counter_is_exact) {
  struct Average : Module<double> {
    Buffer<double> mean;
    Counter updates;
    void visit(Visitor<double>& v) override {
      v("mean", mean);
      v("updates", updates);
    }
    void build(const Shape&, Builder<double>& b) override { b("mean", mean, {}, ones()); }
    Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
      ctx.update(mean, x.value(), Rate::average_over(updates));
      ctx.count(updates);
      return x;
    }
  } module;
  Rng rng(1);
  Context<double> ctx{.rng = &rng};
  const auto feed = [&](double value) { module(Tensor<double>::scalar(value), ctx); };
  feed(4);
  BOOST_TEST(module.mean.value().item() == 4);  // what it was made with does not count
  feed(8);
  BOOST_TEST(module.mean.value().item() == 6);
  // Two calls whose changes are applied together count one after the other.
  CollectedUpdates<double> collected;
  ctx.updates = StateUpdates::collect;
  ctx.collected = &collected;
  feed(0);
  feed(8);
  BOOST_TEST(collected.size() == 4);
  BOOST_TEST(collected.paths() == (std::vector<std::string>{"mean", "mean"}),
             boost::test_tools::per_element());
  collected.apply();
  BOOST_TEST(module.mean.value().item() == 5);
  BOOST_TEST(module.updates.value() == 4);
  ctx.updates = StateUpdates::discard;
  feed(100);
  BOOST_TEST(module.updates.value() == 4);
}

BOOST_AUTO_TEST_CASE(changes_of_which_one_fails_are_all_taken_back) {
  struct Failing : Module<double> {
    Buffer<double> first, second;
    Counter updates;
    void visit(Visitor<double>& v) override {
      v("first", first);
      v("second", second);
      v("updates", updates);
    }
    void build(const Shape&, Builder<double>& b) override {
      b("first", first, {}, zeros());
      b("second", second, {}, zeros());
    }
    Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
      ctx.update(first, x.value(), 0.5);
      ctx.update(first, x.value(), 0.5);
      ctx.count(updates);
      ctx.update(second, [](const Tensor<double>& now) -> Tensor<double> {
        if (now.item() < 1) return Tensor<double>::scalar(1);
        throw NumericError("failing", "the second call fails");
      });
      return x;
    }
  } module;
  Rng rng(1);
  const Context<double> ctx{.rng = &rng};
  module(Tensor<double>::scalar(4), ctx);
  BOOST_TEST(module.first.value().item() == 3);
  BOOST_CHECK_THROW(module(Tensor<double>::scalar(4), ctx), NumericError);
  BOOST_TEST(module.first.value().item() == 3);
  BOOST_TEST(module.second.value().item() == 1);
  BOOST_TEST(module.updates.value() == 1);
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_takes_back_what_it_had_collected) {
  Net net;
  net.add<Dense>({.units = 3}).add(Meter<double>());
  Rng rng(1);
  Tape<double> tape;
  auto ctx = Context<double>::for_training(tape, rng);
  net(Tensor<double>::ones({2, 7}), ctx);
  CollectedUpdates<double> collected;
  ctx.updates = StateUpdates::collect;
  ctx.collected = &collected;
  net(Tensor<double>::ones({2, 7}), ctx);
  net.add<Dense>({.units = 1, .in_features = 5, .name = "wrong"});
  BOOST_CHECK_THROW(net(Tensor<double>::ones({2, 7}), ctx), ShapeError);
  BOOST_TEST(collected.size() == 1);
}

}  // namespace
}  // namespace lamina::test
