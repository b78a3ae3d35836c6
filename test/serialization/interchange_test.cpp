// Weights from and to PyTorch and Keras. The files of test/golden/interchange were written by these
// packages from trained networks (record.py), with what the networks answered to a batch.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/layers/activations.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/layer_normalization.hpp>
#include <lamina/layers/pooling.hpp>
#include <lamina/layers/reshape.hpp>
#include <lamina/nn/sequential.hpp>
#include <lamina/serialization/interchange.hpp>
#include <lamina/serialization/npz.hpp>
#include <lamina/serialization/safetensors.hpp>
#include <support/numbers.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;

namespace {

std::string golden(const std::string& name) {
  return LAMINA_SOURCE_DIR "/test/golden/interchange/" + name;
}

Sequential<float> network(double epsilon, Layout layout = Layout::channels_last) {
  Sequential<float> net;
  net.add<Conv2D>({.filters = 3, .kernel = {3, 2}, .layout = layout})
      .add<BatchNormalization>(
          {.axis = {layout == Layout::channels_last ? -1 : 1}, .epsilon = epsilon})
      .add<ReLU>()
      .add<Flatten>()
      .add<Dense>({.units = 4});
  return net;
}

const Tensor<float>& floats(const StateDict& state, const std::string& name) {
  BOOST_REQUIRE(state.contains(name));
  return std::get<Tensor<float>>(*state.find(name));
}

// (N, C, H, W) -> (N, H, W, C)
Tensor<float> channels_last(const Tensor<float>& x) {
  const std::int64_t images = x.shape()[0], channels = x.shape()[1], rows = x.shape()[2],
                     columns = x.shape()[3];
  Tensor<float> y({images, rows, columns, channels}, 0.0f);
  for (std::int64_t n = 0; n < images; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < columns; ++j) y.set({n, i, j, c}, x.at({n, c, i, j}));
      }
    }
  }
  return y;
}

void answers(Sequential<float>& net, const Tensor<float>& x, const Tensor<float>& expected) {
  const Tensor<float> y = net(Variable<float>(x), Context<float>::for_inference()).value();
  BOOST_REQUIRE((y.shape() == expected.shape()));
  for (std::int64_t i = 0; i < y.size(); ++i) {
    BOOST_TEST(std::abs(y.data()[i] - expected.data()[i]) < 1e-5);
  }
}

const PyTorchOptions kFlattened{.flattened_channels = {{"dense", 3}}};

// Fills every parameter and statistic with other numbers than their initial ones.
template <class Net>
void scramble(Net& net, const Shape& input) {
  Rng rng(5);
  Tape<float> tape;
  net(Variable<float>(random_tensor<float>(input, 1)), Context<float>::for_training(tape, rng));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(interchange)

BOOST_AUTO_TEST_CASE(a_trained_network_of_pytorch_answers_the_same) {
  const StateDict io = load_npz(golden("pytorch_io.npz"));
  const StateDict weights = load_safetensors(golden("pytorch.safetensors"));
  Sequential<float> net = network(1e-5);
  load_from_pytorch(net, weights, kFlattened);
  answers(net, channels_last(floats(io, "x")), floats(io, "y"));
  BOOST_TEST(identical(to_pytorch(net, kFlattened), weights));

  // Channels first: Flatten meets what PyTorch's does.
  Sequential<float> first = network(1e-5, Layout::channels_first);
  load_from_pytorch(first, weights);
  answers(first, floats(io, "x"), floats(io, "y"));
  BOOST_TEST(identical(to_pytorch(first), weights));
}

BOOST_AUTO_TEST_CASE(a_trained_network_of_keras_answers_the_same) {
  const StateDict io = load_npz(golden("keras_io.npz"));
  for (const StateDict& weights :
       {load_npz(golden("keras.npz")), load_safetensors(golden("keras.safetensors"))}) {
    Sequential<float> net = network(1e-3);
    load_from_keras(net, weights);
    answers(net, floats(io, "x"), floats(io, "y"));
    BOOST_TEST(identical(to_keras(net, {.prefix = "sequential/"}), weights));
    BOOST_TEST(std::get<std::int64_t>(*state_of(net).find("batch_normalization.updates")) == 1);

    Sequential<float> again = network(1e-3);
    load_from_keras(again, to_keras(net));
    BOOST_TEST(identical(state_of(again), state_of(net)));
  }
}

BOOST_AUTO_TEST_CASE(layouts_change_places) {
  Sequential<float> net;
  net.add<Conv2D>({.filters = 2, .kernel = {1, 3}, .groups = 2, .use_bias = false})
      .add<Flatten>()
      .add<Dense>({.units = 2, .use_bias = false});
  scramble(net, {1, 1, 4, 2});
  const StateDict own = state_of(net);
  const StateDict torch = to_pytorch(net, {.flattened_channels = {{"dense", 2}}});
  const auto& convolution = floats(torch, "0.weight");
  BOOST_TEST((convolution.shape() == Shape{2, 1, 1, 3}));
  BOOST_TEST(convolution.at({1, 0, 0, 2}) == floats(own, "conv2d.kernel").at({0, 2, 0, 1}));
  const auto& dense = floats(torch, "2.weight");
  BOOST_TEST((dense.shape() == Shape{2, 4}));
  // Column c P + p holds row p C + c: two channels at two positions.
  for (const auto& [row, column] : {std::pair{0, 0}, {1, 2}, {2, 1}, {3, 3}}) {
    BOOST_TEST(dense.at({1, column}) == floats(own, "dense.kernel").at({row, 1}));
  }
  const auto& plain = to_pytorch(net, {.flattened_channels = {{"dense", 1}}});
  BOOST_TEST(floats(plain, "2.weight").at({1, 2}) == floats(own, "dense.kernel").at({2, 1}));
}

BOOST_AUTO_TEST_CASE(names_follow_the_tree_and_the_renames) {
  Sequential<float> block;
  block.add<Dense>({.units = 3}).add<LayerNormalization>({.epsilon = 1e-5, .name = "norm"});
  Sequential<float> net;
  net.append(ModulePointer<float>(block), "features").add<ReLU>().add<Dense>({.units = 2});
  scramble(net, {2, 5});
  const auto names = [](const StateDict& state) {
    std::string all;
    for (const auto& [name, value] : state) all += name + " ";
    return all;
  };
  BOOST_TEST(names(to_pytorch(net)) ==
             "2.bias 2.weight features.0.bias features.0.weight features.norm.bias "
             "features.norm.weight ");
  BOOST_TEST(names(to_pytorch(net, {.rename = {{"features", "f"}, {"dense", "head.fc"}},
                                    .prefix = "module."})) ==
             "module.f.0.bias module.f.0.weight module.f.norm.bias module.f.norm.weight "
             "module.head.fc.bias module.head.fc.weight ");
  BOOST_TEST(names(to_keras(net, {.rename = {{"features", "block"}}, .epsilon = 1e-5})) ==
             "block/dense/bias block/dense/kernel block/norm/beta block/norm/gamma dense/bias "
             "dense/kernel ");
}

BOOST_AUTO_TEST_CASE(every_difference_is_named_and_nothing_is_loaded) {
  Sequential<float> net = network(1e-5);
  load_from_pytorch(net, load_safetensors(golden("pytorch.safetensors")), kFlattened);
  const StateDict before = state_of(net);
  StateDict other;
  other.add("0.weight", Tensor<float>({1}, {1}));
  other.add("1.num_batches_tracked", Tensor<float>({}, {1}));
  other.add("extra", std::int64_t{1});
  refuses<CheckpointError>(
      "[load_from_pytorch] 'state' must hold the network's values under their names there; got 9 "
      "differences:\n"
      "  missing: 0.bias, expected float32\n"
      "  missing: 1.weight, expected float32\n"
      "  missing: 1.bias, expected float32\n"
      "  missing: 1.running_mean, expected float32\n"
      "  missing: 1.running_var, expected float32\n"
      "  other type: 1.num_batches_tracked is float32 (), expected int64 ()\n"
      "  missing: 4.weight, expected float32\n"
      "  missing: 4.bias, expected float32\n"
      "  unexpected: extra, an integer",
      [&] { load_from_pytorch(net, other, kFlattened); });
  StateDict shapes;
  for (const auto& [name, value] : to_pytorch(net, kFlattened)) {
    shapes.add(name, name == "0.weight" ? StateValue(Tensor<float>({1}, {1})) : value);
  }
  refuses<CheckpointError>(
      "[load_state] 'state' must fit the network; got 1 difference:\n"
      "  other shape: conv2d.kernel is (1), expected (3, 2, 2, 3)",
      [&] { load_from_pytorch(net, shapes, kFlattened); });
  BOOST_TEST(identical(state_of(net), before));
}

BOOST_AUTO_TEST_CASE(what_would_go_wrong_silently_is_refused) {
  Sequential<float> net = network(1e-3);
  const StateDict weights = load_safetensors(golden("pytorch.safetensors"));
  const std::string epsilon = "epsilon of batch_normalization is 0.001, expected 1e-05";
  const std::string flatten =
      "flattened channels of dense are not given, and Flatten met channels-last images";
  refuses<CheckpointError>(
      "[load_from_pytorch] the network must mean the same there; got 2 problems:\n  " + epsilon +
          "\n  " + flatten,
      [&] { load_from_pytorch(net, weights); });
  refuses<CheckpointError>(
      "[load_from_pytorch] the network must mean the same there; got 1 problem:\n  " + flatten,
      [&] { load_from_pytorch(net, weights, {.epsilon = {}}); });
  BOOST_TEST(!net.built());

  // The mean over all positions leaves no order to lose.
  Sequential<float> pooled;
  pooled.add<Conv2D>({.filters = 3, .kernel = {3, 2}})
      .add<GlobalAveragePool2D>()
      .add<Flatten>()
      .add<Dense>({.units = 4});
  scramble(pooled, {1, 5, 4, 2});
  BOOST_TEST(to_pytorch(pooled).size() == 4);

  Sequential<float> renorm;
  renorm.add<BatchNormalization>({.renorm = true, .banks = {"other"}});
  scramble(renorm, {4, 3});
  BOOST_CHECK_EXCEPTION(to_keras(renorm), CheckpointError, [](const Error& error) {
    const std::string text = error.what();
    for (const char* name : {"renorm_mean", "other.moving_mean", "other.updates"}) {
      BOOST_TEST(text.find("batch_normalization." + std::string(name) + " exists in lamina only") !=
                     std::string::npos,
                 name << " is not in: " << text);
    }
    return true;
  });
  Sequential<float> twice;
  twice.add<Dense>({.units = 2}).add<Dense>({.units = 2});
  scramble(twice, {1, 2});
  refuses<CheckpointError>(
      "[to_pytorch] the network must mean the same there; got 2 problems:\n"
      "  two values are called 1.weight\n  two values are called 1.bias",
      [&] {
        to_pytorch(twice, {.rename = {{"dense", "1"}}});
      });
}

BOOST_AUTO_TEST_CASE(options_name_modules_and_fit) {
  Sequential<float> net = network(1e-5);
  scramble(net, {2, 5, 4, 2});
  refuses<ArgumentError>("[to_pytorch] rename must name modules of the network; got 'conv'", [&] {
    to_pytorch(net, {.rename = {{"conv", "0"}}});
  });
  refuses<ArgumentError>(
      "[to_pytorch] flattened_channels must name dense of the network; got 'relu'", [&] {
        to_pytorch(net, {.flattened_channels = {{"relu", 3}}});
      });
  for (const std::int64_t channels : {0, -1, 2}) {
    refuses<ArgumentError>(
        "[to_pytorch] flattened_channels must divide the features of "
        "dense.kernel; got " +
            std::to_string(channels) + " for 27",
        [&] {
          to_pytorch(net, {.flattened_channels = {{"dense", channels}}});
        });
    refuses<ArgumentError>(
        "[load_from_pytorch] flattened_channels must divide the features of dense.kernel; got " +
            std::to_string(channels) + " for 27",
        [&] {
          load_from_pytorch(net, load_safetensors(golden("pytorch.safetensors")),
                            {.flattened_channels = {{"dense", channels}}});
        });
  }
  Sequential<float> unbuilt = network(1e-5);
  refuses<StateError>(
      "[conv2d.kernel] a value must exist before it can be saved; got a network "
      "that was never called, built or loaded",
      [&] { to_pytorch(unbuilt, kFlattened); });
}

BOOST_AUTO_TEST_SUITE_END()
