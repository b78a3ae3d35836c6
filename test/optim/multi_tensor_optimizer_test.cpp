// What all optimizers share: groups, accumulation, constraints, ties, state, errors, threads,
// memory.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/optim/adam.hpp>
#include <lamina/optim/rmsprop.hpp>
#include <lamina/optim/sgd.hpp>

#include "optim/support.hpp"
#include "support/allocation_counter.hpp"
#include "support/refusal.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

Tensor<double> filled(const Shape& shape, double value) { return Tensor<double>(shape, value); }

class NonNegative : public ConstraintFunction {
 public:
  Tensor<float> project(const Tensor<float>& w) const override { return clipped(w); }
  Tensor<double> project(const Tensor<double>& w) const override { return clipped(w); }

 private:
  template <Scalar T>
  static Tensor<T> clipped(Tensor<T> w) {
    for (T& value : w.mutable_values()) value = value < 0 ? T{0} : value;
    return w;
  }
};

// Every kind of optimizer, with every slot it can have.
std::vector<OptimizerFactory> all_kinds() {
  const auto torch = OptimizerFormula::pytorch;
  return {
      sgd({.learning_rate = 0.1}),
      sgd({.learning_rate = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01}),
      sgd({.learning_rate = exponential_decay({.decay_steps = 3}),
           .momentum = 0.9,
           .dampening = 0.2,
           .formula = torch}),
      rmsprop({.momentum = 0.5, .centered = true}),
      rmsprop({.weight_decay = 0.01, .global_clipnorm = 1, .formula = torch}),
      adam({.amsgrad = true, .clipnorm = 0.5}),
      adam({.gradient_accumulation_steps = 3}),
      adamw({.clipvalue = 0.3, .formula = torch}),
  };
}

template <Scalar T>
ParameterList<T> some_parameters() {
  return {make_parameter<T>("net.kernel", random_tensor<T>({307, 257}, 1)),
          make_parameter<T>("net.bias", random_tensor<T>({13}, 2)),
          make_parameter<T>("net.scalar", random_tensor<T>({}, 3)),
          make_parameter<T>("net.empty", Tensor<T>::zeros({0, 5}))};
}

template <Scalar T>
void steps(Optimizer<T>& optimizer, const ParameterList<T>& parameters, int first, int last) {
  for (int step = first; step < last; ++step) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto seed = static_cast<std::uint64_t>(100 * step) + i;
      parameters[i]->gradient = random_tensor<T>(parameters[i]->value.shape(), seed);
    }
    optimizer.step();
    optimizer.zero_gradients();
  }
}

template <Scalar T>
void check_identical(const ParameterList<T>& a, const ParameterList<T>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    BOOST_TEST(identical(a[i]->value, b[i]->value), a[i]->path);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(groups_by_pattern_the_first_that_matches_counts) {
  const ParameterList<double> p{make_parameter("conv.kernel", filled({2}, 1)),
                                make_parameter("conv.bias", filled({2}, 1)),
                                make_parameter("dense.kernel", filled({2}, 1)),
                                make_parameter("head.kernel", filled({2}, 1))};
  SGD<double> optimizer(p, {.learning_rate = 0.1,
                            .weight_decay = 0.5,
                            .groups = {{.pattern = "conv.bias", .weight_decay = 0.0},
                                       {.pattern = "conv*", .learning_rate_factor = 0.5},
                                       {.pattern = "head*", .trainable = false}}});
  for (const auto& parameter : p) parameter->gradient = filled({2}, 1);
  optimizer.step();
  check_close("conv.kernel", p[0]->value, filled({2}, 1 - 0.05 * 0.5 - 0.05), 1e-15);
  check_close("conv.bias", p[1]->value, filled({2}, 1 - 0.1), 1e-15);
  check_close("dense.kernel", p[2]->value, filled({2}, 1 - 0.1 * 0.5 - 0.1), 1e-15);
  check_close("head.kernel", p[3]->value, filled({2}, 1), 0);
}

BOOST_AUTO_TEST_CASE(no_decay_on_normalization_spares_gamma_beta_and_biases) {
  const ParameterList<double> p{
      make_parameter("bn.gamma", filled({1}, 1)), make_parameter("beta", filled({1}, 1)),
      make_parameter("dense.bias", filled({1}, 1)), make_parameter("dense.kernel", filled({1}, 1)),
      make_parameter("supergamma", filled({1}, 1))};
  AdamW<double> optimizer(p, {.learning_rate = 0.1,
                              .weight_decay = 0.5,
                              .exclude_from_weight_decay = no_decay_on_normalization()});
  for (const auto& parameter : p) parameter->gradient = filled({1}, 0);
  optimizer.step();
  for (const std::size_t i : {0, 1, 2}) BOOST_TEST(p[i]->value.item() == 1.0);
  for (const std::size_t i : {3, 4}) {
    BOOST_TEST(p[i]->value.item() == 0.95, boost::test_tools::tolerance(1e-15));
  }
}

BOOST_AUTO_TEST_CASE(frozen_parameters_and_those_without_gradient_are_left_alone) {
  const auto moving = make_parameter("moving", filled({2}, 1));
  const auto frozen = make_parameter("frozen", filled({2}, 1));
  const auto idle = make_parameter("idle", filled({2}, 1));
  frozen->trainable = false;
  SGD<double> optimizer({moving, frozen, idle},
                        {.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.1});
  moving->gradient = filled({2}, 1);
  frozen->gradient = filled({2}, 1);
  idle->gradient = filled({2}, 1);
  optimizer.step();
  const Tensor<double> after_one = idle->value;
  optimizer.zero_gradients();
  BOOST_TEST(!moving->gradient.defined());
  moving->gradient = filled({2}, 1);
  optimizer.step();  // momentum must not carry `idle` on
  BOOST_TEST(identical(idle->value, after_one));
  check_close("frozen", frozen->value, filled({2}, 1), 0);
  BOOST_TEST(moving->value.data()[0] < after_one.data()[0]);
}

BOOST_AUTO_TEST_CASE(a_parameter_given_twice_is_updated_once) {
  const auto tied = make_parameter("tied", filled({2}, 1));
  SGD<double> optimizer({tied, tied}, {.learning_rate = 0.25});
  tied->gradient = filled({2}, 1);
  optimizer.step();
  check_close("tied", tied->value, filled({2}, 0.75), 0);
}

BOOST_AUTO_TEST_CASE(accumulated_gradients_equal_their_mean) {
  for (const bool clipped : {false, true}) {
    const auto small = make_parameter("w", random_tensor<double>({5, 3}, 1));
    const auto large = make_parameter("w", random_tensor<double>({5, 3}, 1));
    AdamOptions options{.learning_rate = 0.1};
    if (clipped) options.global_clipnorm = 0.7;
    Adam<double> whole({large}, options);
    options.gradient_accumulation_steps = 3;
    Adam<double> parts({small}, options);
    for (int step = 0; step < 4; ++step) {
      Tensor<double> mean = Tensor<double>::zeros({5, 3});
      for (int part = 0; part < 3; ++part) {
        const Tensor<double> before = small->value;
        small->gradient =
            random_tensor<double>({5, 3}, static_cast<std::uint64_t>(3 * step + part));
        for (std::int64_t i = 0; i < 15; ++i) {
          mean.mutable_data()[i] += small->gradient.data()[i] / 3;
        }
        parts.step();
        BOOST_TEST(identical(before, small->value) == (part < 2));
      }
      large->gradient = mean;
      whole.step();
      check_close("after step", small->value, large->value, 1e-12);
    }
    BOOST_TEST(parts.iterations() == 4);
  }
}

BOOST_AUTO_TEST_CASE(gradients_from_before_a_parameter_was_frozen_are_forgotten) {
  const auto w = make_parameter("w", filled({2}, 1)),
             other = make_parameter("other", filled({2}, 1));
  SGD<double> optimizer({w, other}, {.learning_rate = 1, .gradient_accumulation_steps = 2});
  const auto step = [&](bool with_gradient_of_w) {
    w->gradient = with_gradient_of_w ? filled({2}, 1) : Tensor<double>();
    other->gradient = filled({2}, 1);
    optimizer.step();
  };
  step(true);
  w->trainable = false;
  step(true);
  w->trainable = true;
  step(false);
  step(false);
  check_close("frozen", w->value, filled({2}, 1), 0);
  step(true);
  step(true);
  check_close("thawed", w->value, filled({2}, 0), 0);
  check_close("other", other->value, filled({2}, -2), 0);
}

BOOST_AUTO_TEST_CASE(a_sum_of_another_shape_is_refused_before_any_change) {
  const auto w = make_parameter("w", filled({2}, 1)),
             other = make_parameter("other", filled({2}, 1));
  SGD<double> optimizer({w, other}, {.learning_rate = 1, .gradient_accumulation_steps = 2});
  w->gradient = other->gradient = filled({2}, 1);
  optimizer.step();
  w->value = filled({3000}, 1);
  w->gradient = {};
  refuses<ShapeError>(
      "[sgd] the accumulated gradient of 'w' must have the shape of its parameter; got (2), "
      "expected (3000)",
      [&] { optimizer.step(); });
  check_close("other", other->value, filled({2}, 1), 0);
}

BOOST_AUTO_TEST_CASE(a_forgotten_backward_is_noticed_between_updates) {
  const auto w = make_parameter("w", filled({2}, 1));
  SGD<double> optimizer({w}, {.gradient_accumulation_steps = 3});
  w->gradient = filled({2}, 1);
  optimizer.step();
  optimizer.zero_gradients();
  refuses<StateError>(
      "[sgd] step needs the gradient of at least one trainable parameter; got none, backward comes "
      "first",
      [&] { optimizer.step(); });
}

BOOST_AUTO_TEST_CASE(counters_out_of_range_are_refused) {
  const auto w = make_parameter("w", filled({2}, 1));
  const auto load = [&](Optimizer<double>& optimizer, const std::string& name, std::int64_t value) {
    w->gradient = filled({2}, 1);
    optimizer.step();
    auto memory = remember<double>(optimizer);
    memory.values[name] = value;
    restore<double>(optimizer, memory);
  };
  Adam<double> adam({w}, {.formula = OptimizerFormula::pytorch});
  refuses<ArgumentError>("[adam] w.updates must be finite and at least 0; got -1",
                         [&] { load(adam, "w.updates", -1); });
  SGD<double> sgd({w}, {.gradient_accumulation_steps = 3});
  for (const std::int64_t value : {-5, 2}) {
    refuses<ArgumentError>(
        "[sgd] w.accumulated must lie in [0, accumulated_calls]; got " + std::to_string(value),
        [&] { load(sgd, "w.accumulated", value); });
    sgd = SGD<double>({w}, {.gradient_accumulation_steps = 3});
  }
}

BOOST_AUTO_TEST_CASE(a_nameless_parameter_is_not_mistaken_for_another) {
  SGD<double> optimizer(
      {make_parameter("", filled({2}, 1)), make_parameter("parameter_0", filled({2}, 1))},
      {.momentum = 0.9});
  refuses<StateError>(
      "[sgd] parameters must have different paths to have named slots; got 'parameter_0' twice",
      [&] { remember<double>(optimizer); });
}

BOOST_AUTO_TEST_CASE(constraints_act_after_the_update) {
  const auto w = make_parameter("w", Tensor<double>({3}, {0.05, 1, -3}));
  w->constraint = Constraint(std::make_shared<NonNegative>());
  SGD<double> optimizer({w}, {.learning_rate = 0.1});
  w->gradient = filled({3}, 1);
  optimizer.step();
  check_close("w", w->value, Tensor<double>({3}, {0, 0.9, 0}), 1e-15);
}

BOOST_AUTO_TEST_CASE(a_constraint_that_does_not_fit_is_refused_before_the_update) {
  const auto first = make_parameter("first", filled({3}, 1));
  const auto bias = make_parameter("bias", filled({3}, 1));
  bias->constraint = max_norm(2, {1});
  SGD<double> optimizer({first, bias});
  first->gradient = bias->gradient = filled({3}, 1);
  for (int times = 0; times < 2; ++times) BOOST_CHECK_THROW(optimizer.step(), Error);
  check_close("first", first->value, filled({3}, 1), 0);
  check_close("bias", bias->value, filled({3}, 1), 0);
}

BOOST_AUTO_TEST_CASE(schedules_count_updates_and_can_be_replaced) {
  const auto w = make_parameter("w", filled({1}, 0));
  SGD<double> optimizer(
      {w}, {.learning_rate = piecewise_constant({.boundaries = {1}, .values = {1, 0.25}})});
  for (const double expected : {-1.0, -2.0, -2.25}) {
    w->gradient = filled({1}, 1);
    optimizer.step();
    BOOST_TEST(w->value.item() == expected);
  }
  BOOST_TEST(optimizer.iterations() == 3);
  BOOST_TEST(optimizer.learning_rate() == 0.25);
  optimizer.set_learning_rate(0.5);
  BOOST_TEST(optimizer.learning_rate() == 0.5);
  refuses<ArgumentError>("[sgd] learning_rate must be finite and at least 0; got -3",
                         [&] { optimizer.set_learning_rate(-3); });
  BOOST_TEST(optimizer.learning_rate() == 0.5);
}

BOOST_AUTO_TEST_CASE(a_shared_value_is_not_written_through) {
  const auto w = make_parameter("w", filled({2}, 1));
  const Tensor<double> copy = w->value;
  w->gradient = w->value;  // the same storage as the parameter
  SGD<double> optimizer({w}, {.learning_rate = 0.25});
  optimizer.step();
  check_close("copy", copy, filled({2}, 1), 0);
  check_close("w", w->value, filled({2}, 0.75), 0);
}

BOOST_AUTO_TEST_CASE(made_before_the_network_has_values) {
  const auto late = std::make_shared<ParameterData<double>>();
  late->path = "late";
  const auto early = make_parameter("early", filled({2}, 1));
  SGD<double> optimizer({late, early}, {.learning_rate = 0.5, .momentum = 0.5});
  early->gradient = filled({2}, 1);
  optimizer.step();
  BOOST_TEST(remember<double>(optimizer).values.count("late.momentum") == 0u);
  late->value = filled({3}, 1);
  late->gradient = filled({3}, 1);
  optimizer.step();
  check_close("late", late->value, filled({3}, 0.5), 0);
  BOOST_TEST(remember<double>(optimizer).values.count("late.momentum") == 1u);
}

BOOST_AUTO_TEST_CASE(saved_and_reloaded_state_continues_to_the_same_bits) {
  for (const OptimizerFactory& factory : all_kinds()) {
    const auto a = some_parameters<float>(), b = some_parameters<float>();
    const auto whole = factory.make(a);
    steps<float>(*whole, a, 0, 8);

    const auto first = factory.make(b);
    steps<float>(*first, b, 0, 4);  // in the middle of an accumulation
    const auto memory = remember<float>(*first);
    const auto second = factory.make(b);
    restore<float>(*second, memory);
    steps<float>(*second, b, 4, 8);
    BOOST_TEST_CONTEXT(factory.type()) {
      check_identical(a, b);
      BOOST_TEST(second->iterations() == whole->iterations());
    }
  }
}

BOOST_AUTO_TEST_CASE(looking_at_the_state_changes_nothing) {
  for (const OptimizerFactory& factory : all_kinds()) {
    const auto a = some_parameters<double>(), b = some_parameters<double>();
    const auto quiet = factory.make(a), watched = factory.make(b);
    remember<double>(*watched);
    for (int step = 0; step < 5; ++step) {
      steps<double>(*quiet, a, step, step + 1);
      steps<double>(*watched, b, step, step + 1);
      remember<double>(*watched);
    }
    check_identical(a, b);
  }
}

BOOST_AUTO_TEST_CASE(the_state_is_named_by_parameter_path) {
  const auto p = some_parameters<double>();
  Adam<double> optimizer(p, {.amsgrad = true});
  std::vector<std::string> names;
  for (const auto& [name, value] : remember<double>(optimizer).values) names.push_back(name);
  std::vector<std::string> expected{"iterations", "learning_rate"};
  for (const char* path : {"net.bias", "net.empty", "net.kernel", "net.scalar"}) {
    for (const char* slot : {"momentum", "velocity", "velocity_hat"}) {
      expected.push_back(std::string(path) + "." + slot);
    }
  }
  BOOST_TEST(names == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_learning_rate_of_a_saved_state_returns) {
  const auto p = some_parameters<double>();
  const Schedule decay = exponential_decay({.initial_learning_rate = 0.3});
  SGD<double> saved(p, {.learning_rate = decay}), loaded(p, {.learning_rate = 1});
  restore<double>(loaded, remember<double>(saved));
  BOOST_TEST(loaded.learning_rate() == 0.3);

  const Schedule custom([](std::int64_t) { return 0.5; });
  SGD<double> function(p, {.learning_rate = custom});
  restore<double>(function, remember<double>(function));
  BOOST_TEST(function.learning_rate() == 0.5);
  refuses<StateError>(
      "[sgd] a learning rate that is a function cannot be stored; got constant(0.01), expected "
      "custom()",
      [&] {
        SGD<double> constant(p);
        restore<double>(function, remember<double>(constant));
      });
  BOOST_TEST(function.learning_rate() == 0.5);
}

BOOST_AUTO_TEST_CASE(threads_do_not_change_the_bits) {
  const int former = threads();
  for (const OptimizerFactory& factory : all_kinds()) {
    const auto a = some_parameters<float>(), b = some_parameters<float>();
    set_threads(1);
    steps<float>(*factory.make(a), a, 0, 3);
    set_threads(2);
    steps<float>(*factory.make(b), b, 0, 3);
    check_identical(a, b);
  }
  set_threads(former);
}

BOOST_AUTO_TEST_CASE(a_step_in_the_steady_state_allocates_nothing) {
  for (const OptimizerFactory& factory : all_kinds()) {
    const auto p = some_parameters<float>();
    const auto optimizer = factory.make(p);
    steps<float>(*optimizer, p, 0, 7);
    for (const auto& parameter : p) {
      parameter->gradient = random_tensor<float>(parameter->value.shape(), 9);
    }
    const auto system = memory_counters().system_allocations;
    const auto calls = allocations();
    for (int i = 0; i < 7; ++i) optimizer->step();
    const auto calls_after = allocations();
    const auto system_after = memory_counters().system_allocations;
    BOOST_TEST(calls_after == calls, factory.type());
    if (counts_allocations()) BOOST_TEST(system_after == system, factory.type());
  }
}

BOOST_AUTO_TEST_CASE(errors_come_before_any_change) {
  const auto first = make_parameter("first", filled({3}, 1));
  const auto second = make_parameter("second", filled({4}, 1));
  SGD<double> optimizer({first, second}, {.learning_rate = 1, .momentum = 0.5});
  refuses<StateError>(
      "[sgd] step needs the gradient of at least one trainable parameter; got none, backward comes "
      "first",
      [&] { optimizer.step(); });
  first->gradient = filled({3}, 1);
  second->gradient = filled({3}, 1);
  refuses<ShapeError>(
      "[sgd] the gradient of 'second' must have the shape of its parameter; got (3), expected (4)",
      [&] { optimizer.step(); });
  check_close("first", first->value, filled({3}, 1), 0);

  second->gradient = filled({4}, 1);
  auto memory = remember<double>(optimizer);
  memory.values["second.momentum"] = filled({2}, 0);
  restore<double>(optimizer, memory);
  refuses<ShapeError>(
      "[sgd] the momentum of 'second' must have the shape of its parameter; got (2), expected "
      "(4)",
      [&] { optimizer.step(); });
  check_close("first", first->value, filled({3}, 1), 0);
  BOOST_TEST(optimizer.iterations() == 0);

  refuses<ArgumentError>("[adam] there must be at least one parameter; got none",
                         [] { Adam<float>({}, {}); });
  refuses<ArgumentError>("[adam] parameters must not be null; got a null pointer",
                         [] { Adam<float>({nullptr}, {}); });
  second->path = "first";
  refuses<StateError>(
      "[sgd] parameters must have different paths to have named slots; got 'first' twice",
      [&] { remember<double>(optimizer); });
}

BOOST_AUTO_TEST_CASE(a_network_frozen_as_a_whole_steps_without_an_error) {
  const auto w = make_parameter("w", filled({3}, 1));
  w->trainable = false;
  SGD<double> optimizer({w});
  optimizer.step();
  BOOST_TEST(optimizer.iterations() == 1);
}

BOOST_AUTO_TEST_CASE(a_schedule_of_ones_own_is_checked_when_it_is_used) {
  const auto w = make_parameter("w", filled({1}, 1));
  SGD<double> optimizer(
      {w}, {.learning_rate = Schedule([](std::int64_t step) { return step == 0 ? 0.5 : -1.0; })});
  w->gradient = filled({1}, 1);
  optimizer.step();
  refuses<ArgumentError>("[sgd] learning_rate must be finite and at least 0; got -1",
                         [&] { optimizer.step(); });
  BOOST_TEST(w->value.item() == 0.5);
}
