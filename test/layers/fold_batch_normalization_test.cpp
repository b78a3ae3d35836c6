#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/lamina.hpp>
#include <tuple>

#include "support/files.hpp"
#include "support/modules.hpp"
#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Scalars = std::tuple<float, double>;

// Gives a built network parameters and statistics as after training, none of them round.
template <Scalar T>
void randomize(Module<T>& net) {
  struct Randomizer : Visitor<T> {
    std::uint64_t seed = 1;
    void parameter(const std::string&, Parameter<T>& p) override {
      p.assign(random_tensor<T>(p.shape(), ++seed, -1, 1.5));
    }
    void buffer(const std::string& path, Buffer<T>& b) override {
      const bool positive = path.ends_with("variance") || path.ends_with("stddev");
      b.assign(random_tensor<T>(b.shape(), ++seed, positive ? 0.2 : -1, 2));
    }
  } randomizer;
  randomizer.walk(net);
}

template <Scalar T>
Tensor<T> inferred(const Module<T>& net, const Tensor<T>& x) {
  return net(x, Context<T>::for_inference()).value();
}

// Called once with x, then randomized.
template <Scalar T>
Sequential<T> ready(Sequential<T> net, const Tensor<T>& x) {
  Rng rng(1);
  net(x, {.updates = StateUpdates::discard, .rng = &rng});
  randomize(net);
  return net;
}

template <Scalar T>
std::vector<std::string> names_of(const Sequential<T>& net) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < net.size(); ++i) names.push_back(net.name_at(i));
  return names;
}

void same_texts(const std::vector<std::string>& found, const std::vector<std::string>& expected) {
  BOOST_TEST(found == expected, boost::test_tools::per_element());
}

template <Scalar T>
std::vector<std::string> reasons(const FoldedNetwork<T>& folded) {
  std::vector<std::string> texts;
  for (const auto& [path, reason] : folded.kept) texts.push_back(path + ": " + reason);
  return texts;
}

// Everything is folded, the outputs agree, and the network given is as before.
template <Scalar T>
FoldedNetwork<T> check_folds(const Sequential<T>& net, const Tensor<T>& x, std::size_t expected) {
  const auto before = values_of(net);
  FoldedNetwork<T> folded = fold_batch_normalization(net, x);
  BOOST_TEST(folded.folded.size() == expected);
  same_texts(reasons(folded), {});
  const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  check_close("folded", inferred(folded.net, x), inferred(net, x), tolerance);
  BOOST_TEST(folded.largest_difference < tolerance * 10);
  const auto after = values_of(net);
  BOOST_TEST_REQUIRE(after.size() == before.size());
  for (const auto& [path, value] : before) BOOST_TEST(identical(after.at(path), value), path);
  for (const auto& [path, value] : values_of(folded.net)) {
    BOOST_TEST(path.find("batch_normalization") == std::string::npos, path << " is left");
  }
  return folded;
}

template <Scalar T>
Sequential<T> image_network(Layout layout, bool use_bias) {
  const std::vector<std::int64_t> axis{layout == Layout::channels_last ? -1 : 1};
  Sequential<T> net;
  net.template add<Conv2D>({.filters = 6,
                            .kernel = {3, 2},
                            .strides = {2, 1},
                            .padding = Padding::same,
                            .layout = layout,
                            .groups = 2,
                            .use_bias = use_bias})
      .template add<BatchNormalization>({.axis = axis})
      .template add<ReLU>()
      .template add<MaxPool2D>({.pool = {2, 2}, .layout = layout})
      .template add<Flatten>()
      .template add<Dense>({.units = 7, .use_bias = use_bias})
      .template add<BatchNormalization>({.epsilon = 1e-5});
  return net;
}

BOOST_AUTO_TEST_SUITE(fold_batch_normalization_suite)

BOOST_AUTO_TEST_CASE(the_formula_by_hand) {
  Sequential<double> net;
  net.add<Dense>({.units = 2}).add<BatchNormalization>({.epsilon = 0.25});
  const Tensor<double> x({2, 1}, {1, -2});
  Rng rng(1);
  net(x, {.updates = StateUpdates::discard, .rng = &rng});
  auto& dense = dynamic_cast<Dense<double>&>(net.at(0));
  auto& bn = dynamic_cast<BatchNormalization<double>&>(net.at(1));
  dense.kernel().assign(Tensor<double>({1, 2}, {3, 5}));
  dense.bias().assign(Tensor<double>({2}, {1, -1}));
  bn.gamma().assign(Tensor<double>({2}, {4, -2}));
  bn.beta().assign(Tensor<double>({2}, {10, 20}));
  bn.moving_mean().assign(Tensor<double>({2}, {2, 7}));
  bn.moving_variance().assign(Tensor<double>({2}, {3.75, 0.75}));  // deviations 2 and 1
  const auto folded = fold_batch_normalization(net, x);
  const auto values = values_of(folded.net);
  BOOST_TEST(values.size() == 2u);
  BOOST_TEST(identical(values.at("dense.kernel"), Tensor<double>({1, 2}, {6, -10})));
  BOOST_TEST(identical(values.at("dense.bias"), Tensor<double>({2}, {8, 36})));
  BOOST_TEST(folded.largest_difference == 0);
  same_texts(folded.folded, {"batch_normalization"});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(images_and_features_in_both_layouts, T, Scalars) {
  for (const Layout layout : {Layout::channels_last, Layout::channels_first}) {
    for (const bool use_bias : {false, true}) {
      const auto x = random_tensor<T>({3, 8, 10, 4}, 5);
      const auto net = ready(image_network<T>(layout, use_bias), x);
      const auto folded = check_folds(net, x, 2);
      same_texts(folded.folded, {"batch_normalization", "batch_normalization_1"});
      same_texts(names_of(folded.net), {"conv2d", "relu", "max_pool2d", "flatten", "dense"});
      // Other inputs than the example, too.
      const auto other = random_tensor<T>({2, 8, 10, 4}, 6);
      check_close("other", inferred(folded.net, other), inferred(net, other),
                  std::is_same_v<T, float> ? 1e-5 : 1e-12);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_largest_difference_is_that_of_the_outputs) {
  const auto x = random_tensor<float>({5, 8, 10, 4}, 5);
  const auto net = ready(image_network<float>(Layout::channels_last, true), x);
  const auto folded = fold_batch_normalization(net, x);
  const auto a = inferred(net, x), b = inferred(folded.net, x);
  double largest = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(double{a.data()[i]} - double{b.data()[i]}));
  }
  BOOST_TEST(largest > 0);
  BOOST_TEST(folded.largest_difference == largest);
}

BOOST_AUTO_TEST_CASE(every_option_that_inference_does_not_see_is_folded) {
  const auto x = random_tensor<double>({4, 3}, 5);
  const Adjustment doubling = [](const Shape&) {
    return ScaleAndBias<double>{.scale = Tensor<double>({1, 5}, 2.0),
                                .bias = Tensor<double>({1, 5}, 1.0)};
  };
  for (const BatchNormalizationOptions& options :
       std::vector<BatchNormalizationOptions>{{.scale = false},
                                              {.center = false},
                                              {.center = false, .scale = false},
                                              {.axis = {1}, .trainable = false},
                                              {.renorm = true},
                                              {.virtual_batch_size = 2},
                                              {.adjustment = doubling},
                                              {.use_batch_statistics = false}}) {
    Sequential<double> net;
    net.add<Dense>({.units = 5}).add<BatchNormalization>(options).add<Tanh>();
    check_folds(ready(net, x), x, 1);
  }
}

BOOST_AUTO_TEST_CASE(sequentials_inside_and_normalizations_in_a_row) {
  // The first two lie on the two sides of a border; the inner one is left without children.
  Sequential<double> inner, deep, net;
  inner.add<BatchNormalization>({.name = "bn"});
  deep.add<BatchNormalization>({.name = "bn"})
      .add<Dense>({.units = 4, .kernel_regularizer = l2(0.1), .name = "fc"});
  net.add<Dense>({.units = 6, .use_bias = false, .name = "first"})
      .add(std::move(inner))
      .append(ModulePointer<double>(std::move(deep)), "deep")
      .add<BatchNormalization>({.epsilon = 0.1, .name = "last"})
      .add<Sigmoid>();
  const auto x = random_tensor<double>({7, 3}, 5);
  net = ready(net, x);
  auto& fc = dynamic_cast<Dense<double>&>(dynamic_cast<Sequential<double>&>(net.at(2)).at(1));
  fc.kernel().set_trainable(false);
  const auto folded = fold_batch_normalization(net, x);
  BOOST_TEST(folded.largest_difference < 1e-12);
  same_texts(folded.folded, {"sequential.bn", "deep.bn", "last"});
  same_texts(reasons(folded), {});
  same_texts(names_of(folded.net), {"first", "sequential", "deep", "sigmoid"});
  const auto& first = dynamic_cast<const Dense<double>&>(folded.net.at(0));
  BOOST_TEST(first.options().use_bias);
  BOOST_TEST(first.path() == "first");
  const auto& left = dynamic_cast<const Sequential<double>&>(folded.net.at(2));
  same_texts(names_of(left), {"fc"});
  const auto& kept_fc = dynamic_cast<const Dense<double>&>(left.at(0));
  BOOST_TEST(kept_fc.kernel().path() == "deep.fc.kernel");
  BOOST_TEST(static_cast<bool>(kept_fc.options().kernel_regularizer));
  BOOST_TEST(!kept_fc.kernel().trainable());
  BOOST_TEST(kept_fc.bias().trainable());
}

// x + inner(x), with a normalization that is no child of a Sequential.
struct Block : Module<double> {
  Dense<double> dense{{.units = 4}};
  BatchNormalization<double> bn;
  Sequential<double> branch;
  Block() { branch.add<Dense>({.units = 4}).add<BatchNormalization>(); }
  void visit(Visitor<double>& v) override { v("dense", dense), v("bn", bn), v("branch", branch); }
  Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
    return x + branch(bn(dense(x, ctx), ctx), ctx);
  }
};

BOOST_AUTO_TEST_CASE(checkpointed_layers_are_folded_too) {
  const auto x = random_tensor<float>({3, 8, 8, 3}, 1);
  Sequential<float> net;
  net.add(checkpointed(Conv2D<float>({.filters = 4, .kernel = {3, 3}})))
      .add(checkpointed(BatchNormalization<float>()))
      .add<Flatten>()
      .add(checkpointed(Dense<float>({.units = 5})))
      .add<BatchNormalization>({});
  const auto folded = fold_batch_normalization<float>(ready(std::move(net), x), x);
  same_texts(reasons(folded), {});
  BOOST_TEST(folded.net.size() == 3);
  BOOST_TEST(folded.largest_difference < 1e-4);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_folded_stays_and_says_why) {
  const auto x = random_tensor<double>({5, 3}, 5);
  const Dense<double> twice({.units = 4});
  Sequential<double> net;
  net.add<BatchNormalization>({.name = "first"})
      .add<Dense>({.units = 4})
      .add<ReLU>()
      .add<BatchNormalization>({.name = "behind_relu"})
      .add<Dense>({.units = 4})
      .add<BatchNormalization>({.axis = {0}, .name = "axis"})
      .add<Dense>({.units = 4})
      .add<BatchNormalization>({.axis = {0, 1}, .name = "axes"})
      .add<Dense>({.units = 4})
      .add<BatchNormalization>({.name = "batch", .use_batch_statistics = true})
      .add<Dense>({.units = 4})
      .add<BatchNormalization>({.name = "banks", .banks = {"real"}})
      .add(share(twice))
      .add<BatchNormalization>({.name = "tied"})
      .add(share(twice))
      .add(Block())
      .add<BatchNormalization>({.name = "behind_block"})
      .add<Dense>({.units = 4, .name = "zero"})
      .add<BatchNormalization>({.epsilon = 0, .name = "not_finite"})
      .add<Dense>({.units = 4})
      .add<BatchNormalization>({.name = "good"});
  net = ready(net, x);
  auto& not_finite = dynamic_cast<BatchNormalization<double>&>(net.at(18));
  not_finite.moving_variance().assign(Tensor<double>({4}, {1, -1, 1, 1}));
  const auto folded = fold_batch_normalization(net, x);
  same_texts(folded.folded, {"good"});
  same_texts(
      reasons(folded),
      {"first: there is no layer before it", "behind_relu: 'relu' before it is no Dense or Conv2D",
       "axis: its axes are not the output channels of 'dense_1'",
       "axes: its axes are not the output channels of 'dense_2'",
       "batch: use_batch_statistics is true", "banks: it has banks",
       "tied: 'dense_5' before it is tied to another layer",
       "block.bn: it lies inside a module that is no Sequential",
       "block.branch.batch_normalization: it lies inside a module that is no Sequential",
       "behind_block: 'block' before it is no Dense or Conv2D",
       "not_finite: kernel or bias of 'zero' would not be finite"});
  BOOST_TEST(folded.net.size() == net.size() - 1);
  // Of the kept ones nothing has changed; the outputs behind the last are not numbers in both.
  const auto before = values_of(net);
  for (const auto& [path, value] : values_of(folded.net)) {
    if (!path.starts_with("dense_7.")) BOOST_TEST(identical(value, before.at(path)), path);
  }
}

BOOST_AUTO_TEST_CASE(the_channels_of_an_image_are_told_by_its_layout) {
  const auto x = random_tensor<double>({2, 5, 5, 5}, 5);
  for (const Layout layout : {Layout::channels_last, Layout::channels_first}) {
    const std::int64_t other = layout == Layout::channels_last ? 1 : -1;
    Sequential<double> net;
    net.add<Conv2D>({.filters = 5, .kernel = {1, 1}, .layout = layout})
        .add<BatchNormalization>({.axis = {other}});
    const auto folded = fold_batch_normalization(ready(net, x), x);
    same_texts(reasons(folded),
               {"batch_normalization: its axes are not the output channels of 'conv2d'"});
    BOOST_TEST(folded.largest_difference == 0);
  }
  // Axis 1 is that of the units for two axes only.
  for (const Shape& shape : {Shape{4, 3}, Shape{4, 6, 3}}) {
    Sequential<double> net;
    net.add<Dense>({.units = 6}).add<BatchNormalization>({.axis = {1}});
    const auto y = random_tensor<double>(shape, 5);
    BOOST_TEST(fold_batch_normalization(ready(net, y), y).folded.size() ==
               (shape.rank() == 2 ? 1u : 0u));
  }
}

BOOST_AUTO_TEST_CASE(a_folded_network_is_saved_and_loaded_as_a_model) {
  const TemporaryFolder folder;
  const std::string given = (folder / "given").string(), path = (folder / "folded").string();
  const auto x = random_tensor<float>({3, 8, 10, 4}, 5);
  Sequential<float> inner, net = image_network<float>(Layout::channels_first, false);
  inner.add<BatchNormalization>();
  net.add(std::move(inner));
  net = ready(net, x);
  const auto folded = fold_batch_normalization(net, x);
  save_model(path, folded.net);
  const auto loaded = load_model<float>(path);
  BOOST_TEST(identical(inferred(*loaded, x), inferred(folded.net, x)));
  // And what was loaded can be folded.
  save_model(given, net);
  const auto again = fold_batch_normalization(*load_model<float>(given), x);
  BOOST_TEST(again.folded.size() == 3u);
  BOOST_TEST(identical(inferred(again.net, x), inferred(folded.net, x)));
}

BOOST_AUTO_TEST_CASE(a_trained_network_says_the_same_of_every_digit) {
  Sequential<float> net;
  net.add<Conv2D>({.filters = 8, .kernel = {5, 5}, .strides = {2, 2}, .use_bias = false})
      .add<BatchNormalization>({.momentum = 0.8})
      .add<ReLU>()
      .add<MaxPool2D>({.pool = {2, 2}})
      .add<Flatten>()
      .add<Dense>({.units = 32, .use_bias = false})
      .add<BatchNormalization>({.momentum = 0.8})
      .add<ReLU>()
      .add<Dense>({.units = 10});
  const TrainerOptions<float> options{.loss = SoftmaxCrossEntropy(),
                                      .optimizer = adam({.learning_rate = 0.01}),
                                      .metrics = {accuracy()}};
  Trainer<float> trainer(net, options);
  trainer.fit(data::synthetic_digits({.examples = 1000, .seed = 1}),
              {.epochs = 2, .batch_size = 50});
  const Dataset test = data::synthetic_digits({.examples = 300, .seed = 2});
  auto folded = fold_batch_normalization(net, test.batch<float>(0, 50).features);
  BOOST_TEST(folded.folded.size() == 2u);
  BOOST_TEST(folded.largest_difference < 1e-4);  // logits of about 10
  Trainer<float> after(folded.net, options);
  const double accuracy_before = trainer.evaluate(test).at("accuracy");
  BOOST_TEST(accuracy_before > 0.8);
  BOOST_TEST(after.evaluate(test).at("accuracy") == accuracy_before);
}

BOOST_AUTO_TEST_CASE(bad_arguments_are_refused) {
  const auto x = random_tensor<double>({5, 3}, 5);
  Sequential<double> net;
  net.add<Dense>({.units = 4}).add<BatchNormalization>();
  refuses<StateError>(
      "[fold_batch_normalization] the network must be built; got one that was never called or "
      "loaded",
      [&] { fold_batch_normalization(net, x); });
  net = ready(net, x);
  refuses<ArgumentError>(
      "[fold_batch_normalization] the network must be a Sequential; got a 'block'",
      [&] { fold_batch_normalization(Block(), x); });
  refuses<ArgumentError>(
      "[fold_batch_normalization] the example must hold values; got shape (0, 3)", [&] {
        fold_batch_normalization(net, Tensor<double>::zeros({0, 3}));
      });
  refuses<ShapeError>("[dense] the last axis must have 3 features; got input (5, 2)", [&] {
    fold_batch_normalization(net, Tensor<double>::zeros({5, 2}));
  });
}

BOOST_AUTO_TEST_CASE(the_example_of_the_documentation) {
  const TemporaryFolder folder;
  const auto images = random_tensor<float>({2, 8, 10, 4}, 5);
  const auto net = ready(image_network<float>(Layout::channels_last, false), images);
  const auto folded = fold_batch_normalization(net, images);
  save_model((folder / "fast.lamina").string(), folded.net);
  BOOST_TEST(std::isfinite(folded.largest_difference));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
