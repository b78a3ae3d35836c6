#include <boost/test/unit_test.hpp>
#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/regularizers.hpp>
#include <lamina/nn/sequential.hpp>

#include "support/layer_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

Tensor<double> to_channels_first(const Tensor<double>& x) {
  return transpose(Variable<double>(x), {0, 3, 1, 2}).value();
}

BOOST_AUTO_TEST_SUITE(conv2d_suite)

BOOST_AUTO_TEST_CASE(battery) {
  check_layer<Conv2D>({.filters = 3, .kernel = {3, 2}}, {2, 5, 4, 2});
  check_layer<Conv2D>({.filters = 2, .kernel = {2, 3}, .strides = {2, 1}, .padding = Padding::same},
                      {1, 5, 4, 3});
  check_layer<Conv2D>({.filters = 4,
                       .kernel = {2, 2},
                       .padding = Padding(0, 1, 2, 0),
                       .layout = Layout::channels_first,
                       .dilation = {1, 2},
                       .groups = 2,
                       .exact = true,
                       .bias_initializer = uniform()},
                      {2, 2, 3, 5});
  check_layer<Conv2D>({.filters = 1,
                       .kernel = {1, 1},
                       .use_bias = false,
                       .kernel_initializer = orthogonal(),
                       .kernel_regularizer = l1_l2(0.1, 0.2),
                       .kernel_constraint = min_max_norm({.axis = {0, 1, 2}}),
                       .in_channels = 3},
                      {2, 1, 2, 3});
  check_layer<Conv2D>(
      {.filters = 2, .kernel = {2, 2}, .bias_regularizer = l2(1), .bias_constraint = non_neg()},
      {1, 2, 2, 1});
}

// Large enough for minimal filtering, whose bits differ from the direct method's.
BOOST_AUTO_TEST_CASE(exact_takes_the_direct_method) {
  const auto x = random_tensor<float>({4, 12, 12, 16}, 3);
  Conv2DOptions options{.filters = 48, .kernel = {3, 3}, .use_bias = false};
  Conv2D<float> fast(options);
  const Tensor<float> chosen = applied(fast, x);
  const Tensor<float> kernel = fast.kernel().value();
  BOOST_TEST(identical(chosen, conv2d<float>(x, kernel, {}).value()));
  options.exact = true;
  Conv2D<float> exact(options);
  applied(exact, x);
  exact.kernel().assign(kernel);
  BOOST_TEST(identical(applied(exact, x), conv2d<float>(x, kernel, {.exact = true}).value()));
}

// The switch of a call reaches convolutions at any depth, forward and in every gradient.
BOOST_AUTO_TEST_CASE(an_exact_context_is_as_exact_layers) {
  const auto make = [](bool exact) {
    Sequential<float> block;
    block.add<Conv2D>({.filters = 48, .kernel = {3, 3}, .exact = exact});
    Sequential<float> net;
    net.add<Conv2D>({.filters = 32, .kernel = {5, 5}, .padding = Padding::same, .exact = exact});
    net.add(block);
    return net;
  };
  const auto x = random_tensor<float>({4, 12, 12, 16}, 3);
  Rng rng(7);
  const auto run = [&](Sequential<float> net, bool exact) {
    Tape<float> tape;
    rng.set_step(0);
    Context<float> ctx = Context<float>::for_training(tape, rng);
    ctx.exact = exact;
    const Variable<float> y = net(x, ctx);
    tape.backward(sum(square(y)));
    std::vector<Tensor<float>> results{y.value()};
    for (const auto& parameter : net.parameters()) results.push_back(parameter->gradient);
    return results;
  };
  const auto by_layers = run(make(true), false);
  const auto by_context = run(make(false), true);
  const auto fast = run(make(false), false);
  BOOST_REQUIRE(by_layers.size() == 5U);
  for (std::size_t i = 0; i < by_layers.size(); ++i) {
    BOOST_TEST(identical(by_context[i], by_layers[i]), "result " << i);
  }
  const bool filters = kernels::instruction_set() != kernels::InstructionSet::baseline;
  BOOST_TEST(identical(fast[0], by_layers[0]) == !filters);
}

BOOST_AUTO_TEST_CASE(layouts_agree) {
  for (const Padding padding : {Padding::valid, Padding::same, Padding(1, 0, 2, 1)}) {
    Conv2D<double> last({.filters = 4,
                         .kernel = {3, 2},
                         .strides = {1, 2},
                         .padding = padding,
                         .groups = 2,
                         .bias_initializer = uniform()});
    const auto x = random_tensor<double>({2, 5, 7, 6}, 3);
    const auto y = applied(last, x);
    Conv2DOptions options = last.options();
    options.layout = Layout::channels_first;
    Conv2D<double> first(options);
    first.kernel().assign(last.kernel().value());
    first.bias().assign(last.bias().value());
    check_close("channels first", applied(first, to_channels_first(x)), to_channels_first(y),
                1e-13);
  }
}

BOOST_AUTO_TEST_CASE(names_defaults_and_members) {
  Conv2D<float> conv({.filters = 6, .kernel = {3, 5}, .groups = 2, .name = "stem"});
  BOOST_TEST(conv.type() == "conv2d");
  BOOST_TEST(conv.name() == "stem");
  applied(conv, Tensor<float>::ones({2, 7, 7, 4}));
  BOOST_TEST(conv.kernel().shape().to_string() == "(3, 5, 2, 6)");
  BOOST_TEST(conv.bias().shape().to_string() == "(6)");
  BOOST_TEST(conv.options().kernel_initializer.describe().name == "glorot_uniform");
  BOOST_TEST(conv.multiply_adds({2, 7, 7, 4}, {2, 5, 3, 6}) == 2 * 5 * 3 * 6 * 3 * 5 * 2);
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  refuses<ArgumentError>("[conv2d] filters must be at least 1; got 0", [] {
    Conv2D<float>({.filters = 0, .kernel = {3, 3}});
  });
  refuses<ArgumentError>("[conv2d] kernel must be at least 1; got (3, 0)", [] {
    Conv2D<float>({.filters = 1, .kernel = {3, 0}});
  });
  refuses<ArgumentError>("[conv2d] strides must be at least 1; got (0, 1)", [] {
    Conv2D<float>({.filters = 1, .kernel = {3, 3}, .strides = {0, 1}});
  });
  refuses<ArgumentError>("[conv2d] dilation must be at least 1; got (1, -1)", [] {
    Conv2D<float>({.filters = 1, .kernel = {3, 3}, .dilation = {1, -1}});
  });
  refuses<ArgumentError>("[conv2d] padding must be at least 0; got ((1, -1), (0, 0))", [] {
    Conv2D<float>({.filters = 1, .kernel = {3, 3}, .padding = Padding(1, -1, 0, 0)});
  });
  refuses<ArgumentError>("[conv2d] groups must be at least 1; got 0", [] {
    Conv2D<float>({.filters = 1, .kernel = {3, 3}, .groups = 0});
  });
  refuses<ArgumentError>("[conv2d] groups must divide the filters; got 2 groups and 3 filters", [] {
    Conv2D<float>({.filters = 3, .kernel = {3, 3}, .groups = 2});
  });
  refuses<ArgumentError>("[conv2d] in_channels must be at least 0; got -1", [] {
    Conv2D<float>({.filters = 3, .kernel = {3, 3}, .in_channels = -1});
  });
}

BOOST_AUTO_TEST_CASE(inputs_are_checked_before_anything_is_built) {
  const auto refused = [](Conv2DOptions options, const Shape& input, const std::string& text) {
    Conv2D<double> conv(options);
    refuses<ShapeError>(text, [&] { applied(conv, Tensor<double>::ones(input)); });
    BOOST_TEST(!conv.built());
  };
  refused({.filters = 2, .kernel = {3, 3}}, {3, 4},
          "[conv2d] the input must have 4 axes (batch, height, width, channels); got input (3, 4)");
  refused({.filters = 2, .kernel = {3, 3}, .layout = Layout::channels_first}, {5},
          "[conv2d] the input must have 4 axes (batch, channels, height, width); got input (5)");
  refused({.filters = 2, .kernel = {3, 3}, .in_channels = 3}, {1, 5, 5, 4},
          "[conv2d] axis 3 must have 3 channels; got input (1, 5, 5, 4)");
  refused({.filters = 2, .kernel = {3, 3}, .groups = 2}, {1, 5, 5, 3},
          "[conv2d] axis 3 must have a multiple of 2 channels; got input (1, 5, 5, 3)");
  refused({.filters = 2, .kernel = {3, 3}, .layout = Layout::channels_first}, {1, 0, 5, 5},
          "[conv2d] axis 1 must have at least one channel; got input (1, 0, 5, 5)");
  Conv2D<double> small({.filters = 2, .kernel = {3, 3}});
  BOOST_CHECK_THROW(applied(small, Tensor<double>::ones({1, 2, 5, 1})), ShapeError);
  BOOST_TEST(!small.built());

  Conv2D<double> conv({.filters = 2, .kernel = {3, 3}});
  applied(conv, Tensor<double>::ones({1, 5, 5, 3}));
  refuses<ShapeError>("[conv2d] axis 3 must have 3 channels; got input (1, 5, 5, 1)", [&] {
    applied(conv, Tensor<double>::ones({1, 5, 5, 1}));
  });
}

BOOST_AUTO_TEST_CASE(padding_and_layout_in_files_are_checked) {
  const auto refused = [](const std::string& field, const std::any& value,
                          const std::string& text) {
    Conv2DOptions options = Conv2DOptions::blank();
    OptionStore store;
    options.visit(store);
    store.fields.insert_or_assign(field, value);
    refuses<ArgumentError>(text, [&] { options.visit(store.reading()); });
  };
  for (const std::string text : {"", "full", "((1, 2), (3", "((1, 2), (3, 4), 5)", "1 2 3 x",
                                 "((1, 2), (3, 99999999999999999999))"}) {
    refused("padding", text,
            "[padding] padding must be valid, same, or ((top, bottom), (left, right)); got '" +
                text + "'");
  }
  refused("layout", std::string("nhwc"),
          "[layout] the choice must be one of channels_last, channels_first; got 'nhwc'");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
