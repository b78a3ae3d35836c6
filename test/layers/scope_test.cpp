// Names, numbering and reuse in the seed's own programs are compared by golden_test (_names.json);
// here is what a C++ user meets beside them.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/layers/batch_normalization_function.hpp>
#include <lamina/layers/scope.hpp>
#include <lamina/nn/regularizers.hpp>

#include "support/refusal.hpp"

namespace lamina::test {
namespace {

struct Graph {
  Scope root;
  Tape<float> tape;
  Rng rng{1};
  Tensor<float> x = Tensor<float>({4, 3}, {1, 2, 3, 4, 5, 7, 6, 5, 4, 3, 1, 0});

  Variable<float> call(const Scope& scope, const BatchNormalizationOptions& options = {},
                       Reuse reuse = Reuse::no) {
    return batch_normalization(scope, Variable<float>(x), Context<float>::for_training(tape, rng),
                               options, reuse);
  }
};

BOOST_AUTO_TEST_SUITE(scope)

BOOST_AUTO_TEST_CASE(reused_variables_are_one_state) {
  Graph graph;
  const auto first = graph.call(graph.root, {.name = "bn"});
  const auto second = graph.call(graph.root, {.name = "bn"}, Reuse::yes);
  BOOST_TEST(graph.root.variables().size() == 4);
  const auto parameters = graph.root.parameters<float>();
  BOOST_TEST(parameters.size() == 2);
  BOOST_TEST(parameters[0]->path == "bn/gamma");
  BOOST_TEST(parameters[1]->path == "bn/beta");
  // Both calls add to the gradient of the one beta: the sum of dy, twice.
  graph.tape.backward(second, {.keep = true, .seed = Tensor<float>({4, 3}, 1.0f)});
  graph.tape.backward(first, {.seed = Tensor<float>({4, 3}, 1.0f)});
  BOOST_TEST(parameters[1]->gradient.at({0}) == 8);
}

BOOST_AUTO_TEST_CASE(penalties_are_collected_by_scope_once) {
  Graph graph;
  const Scope a = graph.root.scope("a"), b = graph.root.scope("b");
  graph.call(a, {.gamma_regularizer = l2(0.5), .name = "bn"});
  graph.call(a, {.gamma_regularizer = l2(0.5), .name = "bn"}, Reuse::yes);
  graph.call(b, {.gamma_regularizer = l1(0.25), .name = "bn"});
  const auto ctx = Context<float>::for_inference();
  BOOST_TEST(a.regularization(ctx).item() == 1.5f);
  BOOST_TEST(b.regularization(ctx).item() == 0.75f);
  BOOST_TEST(graph.root.regularization(ctx).item() == 2.25f);
}

BOOST_AUTO_TEST_CASE(collected_updates_are_the_seeds_update_operations) {
  Graph graph;
  CollectedUpdates<float> updates;
  const Context<float> ctx{
      .training = true, .updates = StateUpdates::collect, .rng = &graph.rng, .collected = &updates};
  batch_normalization(graph.root, Variable<float>(graph.x), ctx, {.momentum = 0.5, .name = "bn"});
  const std::vector<std::string> expected = {"bn/moving_mean", "bn/moving_variance"};
  BOOST_TEST(updates.paths() == expected, boost::test_tools::per_element());
  const auto inference = [&] {
    return batch_normalization(graph.root, Variable<float>(graph.x),
                               Context<float>::for_inference(), {.name = "bn"}, Reuse::yes)
        .value();
  };
  const Tensor<float> before = inference();
  BOOST_TEST(std::abs(before.at({0, 0}) - 1) < 1e-3);  // mean 0, variance 1: untouched
  updates.apply();
  BOOST_TEST(std::abs(inference().at({0, 0}) - before.at({0, 0})) > 0.1);
}

BOOST_AUTO_TEST_CASE(errors_name_the_scope_and_change_nothing) {
  Graph graph;
  const Scope block = graph.root.scope("block");
  graph.call(block, {.name = "bn"});
  refuses<StateError>(
      "[scope] a new variable needs a new name; got 'block/bn/gamma', which exists, expected "
      "another "
      "name or reuse = yes or automatic",
      [&] { graph.call(block, {.name = "bn"}); });
  refuses<StateError>(
      "[scope] a reused variable must exist; got 'block/other/gamma', which does not, expected one "
      "made by an earlier call or reuse = automatic",
      [&] { graph.call(block, {.name = "other"}, Reuse::yes); });
  const auto wide = Variable<float>(Tensor<float>({4, 5}, 1.0f));
  refuses<ShapeError>(
      "[scope] a shared variable must keep its shape; got (5) for 'block/bn/gamma', expected (3)",
      [&] {
        batch_normalization(block, wide, Context<float>::for_training(graph.tape, graph.rng),
                            {.name = "bn"}, Reuse::yes);
      });
  refuses<ArgumentError>(
      "[scope] a shared variable must keep its type; got another one for 'block/bn/gamma'", [&] {
        Tape<double> tape;
        batch_normalization(block, Variable<double>(Tensor<double>({4, 3}, 1.0)),
                            Context<double>::for_training(tape, graph.rng), {.name = "bn"},
                            Reuse::yes);
      });
  refuses<ArgumentError>(
      "[scope] a name must be made of letters, digits and _.\\/>- and begin, at the root, with a "
      "letter, digit or dot; got 'my layer'",
      [&] { graph.root.scope("my layer"); });
  BOOST_TEST(graph.root.variables().size() == 4);
}

BOOST_AUTO_TEST_CASE(an_error_inside_a_call_carries_the_scope) {
  Graph graph;
  refuses<ShapeError>(
      "[a/bn] virtual_batch_size must divide the batch in training; got input (4, 3) and "
      "virtual_batch_size 3",
      [&] { graph.call(graph.root.scope("a"), {.name = "bn", .virtual_batch_size = 3}); });
  BOOST_TEST(graph.root.variables().empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
