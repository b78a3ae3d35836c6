// Building, calls, errors with paths, and state changes of modules.
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <lamina/lamina.hpp>
#include <thread>

#include "support/modules.hpp"
#include "support/numbers.hpp"
#include "support/refusal.hpp"
#include "support/two_level_network.hpp"

namespace user {

using namespace lamina;

// As the header of module.hpp promises: ten lines.
struct ResidualBlock : Module<float> {
  Conv2D<float> conv{{.filters = 3, .kernel = {3, 3}, .padding = Padding::same}};
  BatchNormalization<float> bn{{}};
  void visit(Visitor<float>& v) override {
    v("conv", conv);
    v("bn", bn);
  }
  Variable<float> forward(const Variable<float>& x, const Context<float>& ctx) const override {
    return relu(x + bn(conv(x, ctx), ctx));
  }
};

}  // namespace user

namespace lamina::test {
namespace {

BOOST_AUTO_TEST_SUITE(module_suite)

BOOST_AUTO_TEST_CASE(a_module_of_ten_lines) {
  user::ResidualBlock block;
  Tape<float> tape;
  Rng rng(42);
  const auto x = random_tensor<float>({2, 5, 4, 3}, 1);
  const auto y = block(x, Context<float>::for_training(tape, rng));
  BOOST_TEST(y.shape().to_string() == "(2, 5, 4, 3)");
  BOOST_TEST(block.type() == "residual_block");
  const auto parameters = block.parameters();
  BOOST_TEST_REQUIRE(parameters.size() == 4u);
  BOOST_TEST(parameters[0]->path == "conv.kernel");
  BOOST_TEST(parameters[3]->path == "bn.beta");
  tape.backward(sum(y));
  for (const auto& parameter : parameters) BOOST_TEST(parameter->gradient.defined());
  // As a child, and copied.
  tape.clear();
  Sequential<float> net;
  net.add(block).add(user::ResidualBlock());
  net(x, Context<float>::for_training(tape, rng));
  BOOST_TEST(net.parameters()[4]->path == "residual_block_1.conv.kernel");
}

BOOST_AUTO_TEST_CASE(parameters_before_the_first_call_are_the_ones_that_are_built) {
  Net net = network();
  const auto parameters = net.parameters();
  BOOST_TEST_REQUIRE(parameters.size() == 6u);
  BOOST_TEST(!parameters[0]->value.defined());
  BOOST_TEST(!net.built());
  Rng rng(1);
  net(Tensor<double>::ones({2, 7}), building(rng));
  BOOST_TEST(net.built());
  BOOST_TEST(parameters[0]->value.shape().to_string() == "(7, 5)");
  BOOST_TEST((net.parameters() == parameters));
}

BOOST_AUTO_TEST_CASE(errors_carry_the_path_of_the_innermost_module) {
  Net net = network();
  Rng rng(1);
  net(Tensor<double>::ones({2, 7}), building(rng));
  refuses<ShapeError>("[block.in] the last axis must have 7 features; got input (2, 8)", [&] {
    net(Tensor<double>::ones({2, 8}), building(rng));
  });
  // Const calls of a copy know the names too.
  const Net copy = net;
  refuses<ShapeError>("[block.in] the last axis must have 7 features; got input (2, 8)", [&] {
    copy(Tensor<double>::ones({2, 8}), Context<double>::for_inference());
  });
  // On the first call, and for a root without path: the type.
  Dense<double> dense({.units = 2});
  refuses<ShapeError>(
      "[dense] the input must have at least 2 axes (batch, ..., features); got input (3)",
      [&] { dense(Tensor<double>::ones({3}), building(rng)); });
  // An op's error inside of a layer names both.
  struct Adder : Module<double> {
    void visit(Visitor<double>&) override {}
    Variable<double> forward(const Variable<double>& x, const Context<double>&) const override {
      return add(x, Variable<double>(Tensor<double>::ones({3})));
    }
    std::string type() const override { return "adder"; }
  };
  Net outer;
  outer.add(Adder());
  try {
    outer(Tensor<double>::ones({2, 2}), building(rng));
    BOOST_ERROR("no error");
  } catch (const ShapeError& error) {
    BOOST_TEST(std::string(error.what()).starts_with("[adder: add] "));
    BOOST_TEST(error.path() == "adder");
  }
}

BOOST_AUTO_TEST_CASE(a_const_call_needs_a_built_module) {
  const Net net = network();
  refuses<StateError>(
      "[block.in] a module must be built before a const call; call it once as non-const, or load "
      "it",
      [&] {
        Net named = net;
        named.name_tree();
        std::as_const(named)(Tensor<double>::ones({2, 7}), Context<double>::for_inference());
      });
}

BOOST_AUTO_TEST_CASE(building_needs_random_numbers_and_changes_nothing_without) {
  Net net = network();
  refuses<StateError>(
      "[block.in: kernel] building parameters needs random numbers; got a context without rng",
      [&] {
        net(Tensor<double>::ones({2, 7}), Context<double>::for_inference());
      });
  BOOST_TEST(values_of(net).size() == 6u);
  for (const auto& [path, value] : values_of(net)) BOOST_TEST(!value.defined());
}

BOOST_AUTO_TEST_CASE(a_build_that_fails_takes_back_what_it_made) {
  struct WrongShape : InitializerFunction {
    Tensor<float> make(const Shape&, const RandomStream&, float) const override {
      return Tensor<float>::ones({1});
    }
    Tensor<double> make(const Shape&, const RandomStream&, double) const override {
      return Tensor<double>::ones({1});
    }
  };
  Dense<double> dense(
      {.units = 2, .bias_initializer = Initializer(std::make_shared<WrongShape>())});
  Rng rng(1);
  refuses<ShapeError>(
      "[dense: bias] an initializer must return the shape that it was asked for; got (1), expected "
      "(2)",
      [&] {
        dense(Tensor<double>::ones({2, 7}), building(rng));
      });
  BOOST_TEST(!dense.kernel().defined());
  BOOST_TEST(!dense.built());
}

// The tape of the failed call lives on.
BOOST_AUTO_TEST_CASE(a_call_after_a_failed_one_may_have_another_shape) {
  struct Picky : Module<double> {
    Dense<double> dense{{.units = 3}};
    void visit(Visitor<double>& v) override { v("dense", dense); }
    Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
      const auto y = dense(x, ctx);
      if (x.shape()[1] == 6) throw ArgumentError("picky", "not this one");
      return y;
    }
  } picky;
  Tape<double> tape;
  Rng rng(1);
  const auto ctx = Context<double>::for_training(tape, rng);
  BOOST_CHECK_THROW(picky(Tensor<double>::ones({2, 6}), ctx), ArgumentError);
  const auto loss = sum(picky(Tensor<double>::ones({2, 4}), ctx));
  tape.backward(loss, {.keep = true});
  BOOST_TEST(picky.dense.kernel().gradient().shape().to_string() == "(4, 3)");
  tape.backward(loss);
  check_close("gradient", picky.dense.kernel().gradient(), Tensor<double>({4, 3}, 4.0), 0);
}

BOOST_AUTO_TEST_CASE(build_must_define_what_visit_lists) {
  struct Forgetful : Scale<double> {
    void build(const Shape&, Builder<double>&) override {}
    std::string type() const override { return "forgetful"; }
  } module;
  Rng rng(1);
  refuses<StateError>("[forgetful] build must define every parameter and buffer that visit lists",
                      [&] {
                        module(Tensor<double>::ones({2, 7}), building(rng));
                      });
}

BOOST_AUTO_TEST_CASE(a_child_with_parameters_must_be_listed) {
  struct Hiding : Module<double> {
    Dense<double> hidden{{.units = 2}};
    void visit(Visitor<double>&) override {}
    Variable<double> forward(const Variable<double>& x, const Context<double>& c) const override {
      return hidden(x, c);
    }
  } module;
  Rng rng(1);
  refuses<StateError>(
      "[dense] a module with parameters must be listed in the visit of the module that calls it",
      [&] {
        module(Tensor<double>::ones({2, 7}), building(rng));
      });
  // Without parameters it may come and go.
  struct Passing : Module<double> {
    void visit(Visitor<double>&) override {}
    Variable<double> forward(const Variable<double>& x, const Context<double>& c) const override {
      return ReLU<double>()(x, c);
    }
  } passing;
  BOOST_TEST(passing(Tensor<double>::ones({2, 7}), building(rng)).size() == 14);
}

BOOST_AUTO_TEST_CASE(initial_values_depend_on_seed_and_path_alone) {
  Net one = network(), two;
  two.add(Block()).add<Dense>({.units = 11}).add<Dense>({.units = 2, .name = "head"});
  Rng rng(5), same(5), other(6);
  const Tensor<double> x = Tensor<double>::ones({2, 7});
  one(x, building(rng));
  two(x, building(same));
  BOOST_TEST(identical(values_of(one).at("block.in.kernel"), values_of(two).at("block.in.kernel")));
  Net third = network();
  third(x, building(other));
  BOOST_TEST(
      !identical(values_of(one).at("block.in.kernel"), values_of(third).at("block.in.kernel")));
  BOOST_TEST(!identical(values_of(one).at("block.in.kernel").reshaped({-1}),
                        values_of(one).at("head.kernel").reshaped({-1})));
  // The batch has no part in it.
  Net fourth = network();
  Rng fresh(5);
  fourth(Tensor<double>::ones({31, 7}), building(fresh));
  BOOST_TEST(same_values(one, fourth));
}

BOOST_AUTO_TEST_CASE(loaded_values_stay_and_are_checked) {
  Dense<double> dense({.units = 2});
  dense.kernel().assign(Tensor<double>::ones({3, 2}));
  Rng rng(1);
  const auto y = dense(Tensor<double>::ones({1, 3}), building(rng)).value();
  BOOST_TEST(y.at({0, 0}) == 3);

  Dense<double> wrong({.units = 2});
  wrong.kernel().assign(Tensor<double>::ones({4, 2}));
  refuses<ShapeError>(
      "[dense: kernel] the stored value must fit the input; got shape (4, 2), expected (3, 2)",
      [&] {
        wrong(Tensor<double>::ones({1, 3}), building(rng));
      });
  refuses<ShapeError>(
      "[parameter] a value assigned to 'kernel' must keep the shape; got (1), "
      "expected (4, 2)",
      [&] { wrong.kernel().assign(Tensor<double>::ones({1})); });
  Meter<double> meter;
  meter.sum.assign(Tensor<double>::ones({2}));
  refuses<ShapeError>("[buffer] a value assigned to '' must keep the shape; got (), expected (2)",
                      [&] { meter.sum.assign(Tensor<double>::scalar(1)); });
}

BOOST_AUTO_TEST_CASE(an_assigned_value_is_copied_into_the_parameter) {
  Dense<double> dense({.units = 2});
  const auto data = dense.kernel().data();
  Tensor<double> value = Tensor<double>::ones({3, 2});
  dense.kernel().assign(value);
  value.mutable_data()[0] = 7;
  BOOST_TEST(dense.kernel().value().at({0, 0}) == 1);
  BOOST_TEST((dense.kernel().data() == data));
}

BOOST_AUTO_TEST_CASE(frozen_parameters_get_no_gradient) {
  Dense<double> dense({.units = 2});
  Rng rng(1);
  Tape<double> tape;
  dense(Tensor<double>::ones({1, 3}), building(rng));
  dense.kernel().set_trainable(false);
  tape.backward(sum(dense(Tensor<double>::ones({1, 3}), Context<double>::for_training(tape, rng))));
  BOOST_TEST(!dense.kernel().gradient().defined());
  BOOST_TEST(dense.bias().gradient().defined());
}

BOOST_AUTO_TEST_CASE(the_penalty_of_the_first_step_counts_whatever_is_evaluated_first) {
  Net net;
  net.add<Dense>({.units = 2, .kernel_initializer = ones(), .kernel_regularizer = l2(0.5)});
  Rng rng(1);
  Tape<double> tape;
  const auto ctx = Context<double>::for_training(tape, rng);
  const Penalty<double> first = net.regularization(ctx);  // as if the right side came first
  BOOST_TEST(first.item() == 0);
  const auto loss = sum(net(Tensor<double>::zeros({1, 3}), ctx)) + first;
  BOOST_TEST(loss.value().item() == 3);
  tape.backward(loss);
  for (const double g : net.parameters()[0]->gradient.values()) BOOST_TEST(g == 1);
}

BOOST_AUTO_TEST_CASE(regularization_adds_up_and_has_a_gradient) {
  Net net;
  net.add<Dense>({.units = 2, .kernel_regularizer = l2(0.5)})
      .add<Dense>({.units = 2, .bias_initializer = ones(), .bias_regularizer = l1(3)});
  BOOST_TEST(net.regularization(Context<double>::for_inference()).item() == 0);
  Rng rng(1);
  net(Tensor<double>::ones({1, 3}), building(rng));
  Tape<double> tape;
  const auto ctx = Context<double>::for_training(tape, rng);
  const auto penalty = net.regularization(ctx);
  const auto kernel = values_of(net).at("dense.kernel");
  double squares = 0;
  for (const double w : kernel.values()) squares += w * w;
  BOOST_TEST(std::abs(penalty.item() - (0.5 * squares + 6)) < 1e-12);
  tape.backward(penalty);
  const auto parameters = net.parameters();
  check_close("gradient", parameters[0]->gradient, kernel, 1e-15);
  BOOST_TEST(parameters[3]->gradient.at({1}) == 3);
  BOOST_TEST(!parameters[1]->gradient.defined());
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_leaves_no_trace) {
  Net net;
  net.add<Dense>({.units = 3}).add(Meter<double>()).add<Dense>({.units = 2, .in_features = 3});
  net.add<Dense>({.units = 1, .in_features = 5, .name = "wrong"});
  Rng rng(1);
  Tape<double> tape;
  const auto ctx = Context<double>::for_training(tape, rng);
  const auto call = [&](Net& called) {
    refuses<ShapeError>("[wrong] the last axis must have 5 features; got input (2, 2)", [&] {
      called(Tensor<double>::ones({2, 7}), ctx);
    });
  };
  // The first call: nothing is built, and the next one may have another shape.
  call(net);
  for (const auto& [path, value] : values_of(net)) BOOST_TEST(!value.defined(), path);
  refuses<ShapeError>("[wrong] the last axis must have 5 features; got input (2, 2)", [&] {
    net(Tensor<double>::ones({2, 4}), ctx);
  });

  // A later call: what the layers in front did to their state is forgotten.
  Net good;
  good.add<Dense>({.units = 3}).add(Meter<double>());
  good(Tensor<double>::ones({2, 7}), ctx);
  good.add<Dense>({.units = 1, .in_features = 5, .name = "wrong"});
  refuses<ShapeError>("[wrong] the last axis must have 5 features; got input (2, 3)", [&] {
    good(Tensor<double>::ones({2, 7}), ctx);
  });
  BOOST_TEST(values_of(good).at("meter.sum").item() == 1);
  BOOST_TEST(good.at(0).built());
  BOOST_TEST(!good.at(2).built());
}

BOOST_AUTO_TEST_CASE(modules_with_a_method_of_their_own) {
  struct Sum : Module<double> {
    Dense<double> left{{.units = 2}}, right{{.units = 2}};
    void visit(Visitor<double>& v) override { v("left", left), v("right", right); }
    Variable<double> forward(const Variable<double>& x, const Context<double>& c) const override {
      return left(x, c);
    }
    Variable<double> both(const Variable<double>& a, const Variable<double>& b,
                          const Context<double>& ctx) {
      return call(ctx, [&](const Context<double>& inner) {
        return add(std::as_const(left)(a, inner), std::as_const(right)(b, inner));
      });
    }
  };
  struct Outer : Module<double> {
    Sum sum;
    void visit(Visitor<double>& v) override { v("sum", sum); }
    Variable<double> forward(const Variable<double>& x, const Context<double>&) const override {
      return x;
    }
  } outer;
  Rng rng(1);
  const auto a = Tensor<double>::ones({1, 3}), b = Tensor<double>::ones({1, 4});
  BOOST_TEST(outer.sum.both(a, b, building(rng)).shape().to_string() == "(1, 2)");
  BOOST_TEST(outer.built());
  outer.name_tree();
  refuses<ShapeError>("[sum.right] the last axis must have 4 features; got input (1, 3)",
                      [&] { outer.sum.both(a, a, building(rng)); });
}

BOOST_AUTO_TEST_CASE(an_observer_hears_of_every_call) {
  struct Listener : CallObserver<double> {
    std::vector<std::string> heard;
    void called(const Module<double>& module, const Variable<double>&,
                const Variable<double>& output) override {
      heard.push_back(module.path() + output.shape().to_string());
    }
  } listener;
  Net net = network();
  Rng rng(1);
  auto ctx = building(rng);
  ctx.observer = &listener;
  net(Tensor<double>::ones({2, 7}), ctx);
  const std::vector<std::string> expected{"block.in(2, 5)", "block.out(2, 3)", "block(2, 3)",
                                          "head(2, 2)", "(2, 2)"};
  BOOST_TEST(listener.heard == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(const_calls_on_many_threads_agree) {
  Net net = network();
  Rng rng(1);
  net(Tensor<double>::ones({2, 7}), building(rng));
  const Net copy = net;
  const auto x = random_tensor<double>({5, 7}, 3);
  const auto expected = copy(x, Context<double>::for_inference()).value();
  const Net fresh = copy;
  std::atomic<int> differing{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        if (!identical(fresh(x, Context<double>::for_inference()).value(), expected)) ++differing;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  BOOST_TEST(differing == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
