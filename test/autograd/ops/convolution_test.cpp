// Convolution against the sum in its header comment, written as seven loops; its gradients are the
// adjoints of the same loops.
#include <fmt/core.h>

#include <boost/test/unit_test.hpp>
#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/ops/convolution.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <string>

#include "support/numbers.hpp"
#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina {
namespace {

using test::Arguments;
using test::check_close;
using test::check_op;
using test::random_tensor;
using test::refuses;

struct Geometry {
  std::array<std::int64_t, 2> out;
  std::array<std::int64_t, 2> before;
};

Geometry geometry_of(const Shape& x, const Shape& kernel, const ConvolutionOptions& options) {
  Geometry geometry{};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t in = x[static_cast<int>(i) + 1];
    const std::int64_t extended = (kernel[static_cast<int>(i)] - 1) * options.dilation[i] + 1;
    const std::int64_t stride = options.strides[i];
    std::int64_t total = options.padding.before()[i] + options.padding.after()[i];
    geometry.before[i] = options.padding.before()[i];
    if (options.padding == Padding::same) {
      geometry.out[i] = (in + stride - 1) / stride;
      total = std::max<std::int64_t>(0, (geometry.out[i] - 1) * stride + extended - in);
      geometry.before[i] = total / 2;
    }
    geometry.out[i] = (in + total - extended) / stride + 1;
  }
  return geometry;
}

// Calls visit(position in x, in kernel, in y) for every product that y is made of.
template <class Visit>
void for_products(const Shape& x, const Shape& kernel, const ConvolutionOptions& options,
                  Visit&& visit) {
  const auto [out, before] = geometry_of(x, kernel, options);
  const std::int64_t group_out = kernel[3] / options.groups;
  for (std::int64_t n = 0; n < x[0]; ++n)
    for (std::int64_t i = 0; i < out[0]; ++i)
      for (std::int64_t j = 0; j < out[1]; ++j)
        for (std::int64_t a = 0; a < kernel[0]; ++a)
          for (std::int64_t b = 0; b < kernel[1]; ++b) {
            const std::int64_t row = i * options.strides[0] + a * options.dilation[0] - before[0];
            const std::int64_t column =
                j * options.strides[1] + b * options.dilation[1] - before[1];
            if (row < 0 || row >= x[1] || column < 0 || column >= x[2]) continue;
            for (std::int64_t c = 0; c < kernel[2]; ++c)
              for (std::int64_t o = 0; o < kernel[3]; ++o) {
                visit(((n * x[1] + row) * x[2] + column) * x[3] + o / group_out * kernel[2] + c,
                      ((a * kernel[1] + b) * kernel[2] + c) * kernel[3] + o,
                      ((n * out[0] + i) * out[1] + j) * kernel[3] + o);
              }
          }
}

template <Scalar T>
struct Naive {
  Tensor<T> y;
  Tensor<T> dx;
  Tensor<T> dkernel;
};

template <Scalar T>
Naive<T> naive(const Tensor<T>& x, const Tensor<T>& kernel, const Tensor<T>& dy,
               const ConvolutionOptions& options) {
  Tensor<double> y = Tensor<double>::zeros(dy.shape());
  Tensor<double> dx = Tensor<double>::zeros(x.shape());
  Tensor<double> dkernel = Tensor<double>::zeros(kernel.shape());
  double* const y_data = y.mutable_data();
  double* const dx_data = dx.mutable_data();
  double* const dkernel_data = dkernel.mutable_data();
  for_products(x.shape(), kernel.shape(), options,
               [&](std::int64_t at_x, std::int64_t at_kernel, std::int64_t at_y) {
                 const double gradient = dy.data()[at_y];
                 y_data[at_y] += double{x.data()[at_x]} * kernel.data()[at_kernel];
                 dx_data[at_x] += gradient * kernel.data()[at_kernel];
                 dkernel_data[at_kernel] += gradient * x.data()[at_x];
               });
  return {y.template cast<T>(), dx.template cast<T>(), dkernel.template cast<T>()};
}

template <Scalar T>
Tensor<T> first(const Tensor<T>& image) {
  return transpose(Variable<T>(image), {0, 3, 1, 2}).value();
}

std::string text_of(const Shape& x, const Shape& kernel, const ConvolutionOptions& options) {
  return fmt::format("x {} kernel {} strides {},{} dilation {},{} groups {} padding {}",
                     x.to_string(), kernel.to_string(), options.strides[0], options.strides[1],
                     options.dilation[0], options.dilation[1], options.groups,
                     options.padding.to_string());
}

template <Scalar T>
void check_against_naive(const Shape& x_shape, const Shape& kernel_shape,
                         ConvolutionOptions options, double tolerance) {
  BOOST_TEST_CONTEXT(text_of(x_shape, kernel_shape, options)) {
    const Shape y_shape = conv2d_output_shape(x_shape, kernel_shape, options);
    const Tensor<T> x = random_tensor<T>(x_shape, 1);
    const Tensor<T> kernel = random_tensor<T>(kernel_shape, 2);
    const Tensor<T> dy = random_tensor<T>(y_shape, 3);
    const Naive<T> expected = naive(x, kernel, dy, options);
    const auto check = [&](auto&& arrange) {
      check_close<T>("value", conv2d<T>(arrange(x), kernel, options).value(), arrange(expected.y),
                     tolerance);
      check_close<T>(
          "input gradient",
          conv2d_input_gradient<T>(arrange(dy), kernel, arrange(x).shape(), options).value(),
          arrange(expected.dx), tolerance);
      check_close<T>(
          "weight gradient",
          conv2d_weight_gradient<T>(arrange(x), arrange(dy), kernel_shape, options).value(),
          expected.dkernel, tolerance);
    };
    check([](const Tensor<T>& image) { return image; });
    options.layout = Layout::channels_first;
    check([](const Tensor<T>& image) { return first(image); });
  }
}

BOOST_AUTO_TEST_SUITE(convolution)

BOOST_AUTO_TEST_CASE(equals_the_naive_sum_over_every_combination_of_options) {
  int cases = 0;
  for (const Pair strides : {Pair{1, 1}, Pair{2, 1}, Pair{2, 3}, Pair{4, 4}})
    for (const Pair dilation : {Pair{1, 1}, Pair{2, 3}})
      for (const std::int64_t groups : {1, 3})
        for (const Padding& padding :
             {Padding::valid, Padding::same, Padding(0, 2, 3, 1), Padding(7, 0, 0, 8)})
          for (const Pair window : {Pair{1, 1}, Pair{3, 2}, Pair{2, 4}}) {
            const Shape x{2, 7, 11, 2 * groups};
            const Shape kernel{window[0], window[1], 2, 5 * groups};
            check_against_naive<double>(
                x, kernel,
                {.strides = strides, .padding = padding, .dilation = dilation, .groups = groups},
                1e-13);
            ++cases;
          }
  BOOST_TEST(cases == 192);
}

BOOST_AUTO_TEST_CASE(takes_extents_of_zero_and_one) {
  for (const Padding& padding : {Padding::valid, Padding::same, Padding(1, 1, 1, 1)}) {
    const ConvolutionOptions options{.padding = padding};
    check_against_naive<double>({0, 5, 7, 2}, {3, 3, 2, 3}, options, 0);
    check_against_naive<double>({2, 5, 7, 0}, {3, 3, 0, 3}, options, 0);
    check_against_naive<double>({2, 5, 7, 2}, {3, 3, 2, 0}, options, 0);
    check_against_naive<double>({1, 1, 1, 1}, {1, 1, 1, 1}, options, 1e-15);
    check_against_naive<double>({1, 3, 1, 1}, {3, 1, 1, 1}, options, 1e-15);
  }
  const ConvolutionOptions same{.padding = Padding::same};
  BOOST_TEST(conv2d_output_shape({2, 0, 7, 2}, {3, 3, 2, 3}, same).to_string() == "(2, 0, 7, 3)");
  check_against_naive<double>({3, 2, 2, 2}, {5, 5, 2, 3}, same, 1e-14);
}

// Large enough that every path through tiles, chunks and blocks is taken.
BOOST_AUTO_TEST_CASE(equals_the_naive_sum_where_work_is_cut_into_tiles) {
  const auto check = [](const Shape& x, const Shape& kernel, const ConvolutionOptions& options) {
    check_against_naive<double>(x, kernel, options, 1e-12);
    // Sums of up to 4433 products below 1, each rounded to 6e-8.
    check_against_naive<float>(x, kernel, options, 1e-4);
  };
  check({13, 17, 19, 7}, {5, 3, 7, 23}, {.padding = Padding::same});
  check({3, 41, 37, 16}, {3, 3, 8, 34}, {.strides = {2, 1}, .padding = Padding::same, .groups = 2});
  check({31, 11, 13, 29}, {1, 1, 29, 37}, {});
}

// Where minimal filtering is chosen: on every level the machine has, and with `exact` the direct
// method. Errors are relative to sums of up to 800 products: their rms is about 10, and filtering
// rounds to 1e-6 of it.
BOOST_AUTO_TEST_CASE(equals_the_naive_sum_where_minimal_filtering_takes_over) {
  for (const std::int64_t taps : {3, 5}) {
    for (const Padding& padding : {Padding::valid, Padding::same, Padding(0, 2, 3, 1)}) {
      for (const bool exact : {false, true}) {
        check_against_naive<float>({7, 11, 13, 32}, {taps, taps, 32, 48},
                                   {.padding = padding, .exact = exact}, 2e-4);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(exact_is_the_direct_method_and_rounds_less) {
  const Tensor<float> x = random_tensor<float>({8, 12, 12, 32}, 1);
  const Tensor<float> kernel = random_tensor<float>({3, 3, 32, 48}, 2);
  const Tensor<double> truth =
      conv2d<double>(x.cast<double>(), kernel.cast<double>(), {.padding = Padding::same}).value();
  const auto error = [&](const Tensor<float>& y) {
    double sum = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const double difference = y.data()[i] - truth.data()[i];
      sum += difference * difference;
    }
    return sum;
  };
  const ConvolutionOptions fast{.padding = Padding::same};
  const ConvolutionOptions exact{.padding = Padding::same, .exact = true};
  const Tensor<float> direct = conv2d<float>(x, kernel, exact).value();
  const Tensor<float> chosen = conv2d<float>(x, kernel, fast).value();
  if (kernels::instruction_set() == kernels::InstructionSet::baseline) {
    BOOST_TEST(identical(direct, chosen));
  } else {
    BOOST_TEST(error(direct) < error(chosen));
    BOOST_TEST(error(chosen) < 16 * error(direct));
  }
  // The derivatives inherit the option.
  const auto gradients = [&](const ConvolutionOptions& options) {
    Tape<float> tape;
    const Variable<float> input = tape.watch(x);
    const Variable<float> weights = tape.watch(kernel);
    return tape.gradients(sum(conv2d(input, weights, options)), {input, weights});
  };
  const Tensor<float> ones(direct.shape(), 1.0F);
  const auto of_exact = gradients(exact);
  BOOST_TEST(identical(of_exact[0].value(),
                       conv2d_input_gradient<float>(ones, kernel, x.shape(), exact).value()));
  BOOST_TEST(identical(of_exact[1].value(),
                       conv2d_weight_gradient<float>(x, ones, kernel.shape(), exact).value()));
}

BOOST_AUTO_TEST_CASE(gives_the_same_bits_for_one_and_two_threads) {
  const int before = threads();
  for (const Shape& kernel_shape : {Shape{5, 3, 7, 23}, Shape{1, 1, 7, 23}}) {
    const ConvolutionOptions options{.padding = Padding::same};
    const Variable<float> x = random_tensor<float>({29, 17, 19, 7}, 1);
    const Variable<float> kernel = random_tensor<float>(kernel_shape, 2);
    const Variable<float> dy = random_tensor<float>({29, 17, 19, 23}, 3);
    Naive<float> results[2];
    for (int count = 1; count <= 2; ++count) {
      set_threads(count);
      results[count - 1] = {conv2d(x, kernel, options).value(),
                            conv2d_input_gradient(dy, kernel, x.shape(), options).value(),
                            conv2d_weight_gradient(x, dy, kernel.shape(), options).value()};
    }
    BOOST_TEST(identical(results[0].y, results[1].y));
    BOOST_TEST(identical(results[0].dx, results[1].dx));
    BOOST_TEST(identical(results[0].dkernel, results[1].dkernel));
  }
  set_threads(before);
}

BOOST_AUTO_TEST_CASE(errors_name_the_op_and_what_came) {
  const auto of = [](const Shape& shape) { return Variable<double>(Tensor<double>(shape, 0.0)); };
  const Variable<double> x = of({2, 5, 7, 4});
  const Variable<double> kernel = of({3, 3, 4, 6});
  const std::string got = "; got input (2, 5, 7, 4), kernel ";
  refuses<ShapeError>("[conv2d] the input must have 4 axes, (N, H, W, C); got (5, 7, 4)", [&] {
    conv2d(of({5, 7, 4}), kernel);
  });
  refuses<ShapeError>("[conv2d] the input must have 4 axes, (N, C, H, W); got (5, 7, 4)", [&] {
    conv2d(of({5, 7, 4}), kernel, {.layout = Layout::channels_first});
  });
  refuses<ShapeError>(
      "[conv2d] the kernel must be (height, width, input channels / groups, "
      "output channels); got (3, 3, 4)",
      [&] {
        conv2d(x, of({3, 3, 4}));
      });
  BOOST_CHECK_THROW(conv2d(x, of({0, 3, 4, 6})), ShapeError);
  refuses<ShapeError>("[conv2d] the input must have the kernel's channels times groups" + got +
                          "(3, 3, 5, 6), groups 1, expected 5 channels",
                      [&] {
                        conv2d(x, of({3, 3, 5, 6}));
                      });
  BOOST_CHECK_THROW(conv2d(x, kernel, {.layout = Layout::channels_first}), ShapeError);
  refuses<ShapeError>(
      "[conv2d] groups must divide the output channels" + got + "(3, 3, 2, 5), groups 2", [&] {
        conv2d(x, of({3, 3, 2, 5}), {.groups = 2});
      });
  refuses<ShapeError>("[conv2d] the kernel must fit in the padded input" + got +
                          "(3, 3, 4, 6), dilation (3, 1), padding ((1, 0), (0, 0))",
                      [&] {
                        conv2d(x, kernel, {.padding = Padding(1, 0, 0, 0), .dilation = {3, 1}});
                      });
  refuses<ArgumentError>("[conv2d] strides must lie in [1, 2147483647]; got (1, 0)", [&] {
    conv2d(x, kernel, {.strides = {1, 0}});
  });
  refuses<ArgumentError>("[conv2d] dilation must lie in [1, 2147483647]; got (-1, 1099511627776)",
                         [&] {
                           conv2d(x, kernel, {.dilation = {-1, std::int64_t{1} << 40}});
                         });
  refuses<ArgumentError>("[conv2d] groups must be at least 1; got 0",
                         [&] { conv2d(x, kernel, {.groups = 0}); });
  refuses<ArgumentError>("[conv2d] padding must lie in [0, 2147483647]; got ((0, -1), (0, 0))",
                         [&] { conv2d(x, kernel, {.padding = Padding(0, -1, 0, 0)}); });
  refuses<ShapeError>(
      "[conv2d_input_gradient] the gradient must have the output's shape; got (2, 3, 4, 6), "
      "expected (2, 3, 5, 6)",
      [&] {
        conv2d_input_gradient(of({2, 3, 4, 6}), kernel, x.shape());
      });
  refuses<ShapeError>(
      "[conv2d_weight_gradient] the gradient must have the output's shape; got (2, 3, 5, 5), "
      "expected (2, 3, 5, 6)",
      [&] {
        conv2d_weight_gradient(x, of({2, 3, 5, 5}), kernel.shape());
      });
}

BOOST_AUTO_TEST_CASE(padding_prints_itself) {
  BOOST_TEST(Padding().to_string() == "valid");
  BOOST_TEST(Padding::same.to_string() == "same");
  BOOST_TEST(Padding(1, 2, 3, 4).to_string() == "((1, 2), (3, 4))");
}

// x, kernel and output gradient of options of every kind.
struct Row {
  Shape x;
  Shape kernel;
  ConvolutionOptions options;
};

std::vector<Row> rows() {
  return {{{2, 3, 5, 2}, {2, 3, 2, 3}, {}},
          {{1, 4, 3, 1}, {3, 2, 1, 2}, {.strides = {2, 1}, .padding = Padding::same}},
          {{2, 3, 5, 4}, {2, 2, 2, 6}, {.padding = Padding(1, 0, 0, 2), .groups = 2}},
          {{2, 5, 3, 3},
           {2, 2, 1, 3},
           {.strides = {1, 2}, .padding = Padding::same, .dilation = {2, 1}, .groups = 3}},
          {{2, 3, 2, 3}, {1, 1, 3, 2}, {}},
          {{2, 7, 5, 3}, {1, 1, 3, 2}, {}},
          {{1, 1, 1, 1}, {1, 1, 1, 1}, {}},
          {{0, 3, 3, 2}, {2, 2, 2, 3}, {}},
          {{2, 3, 3, 0}, {2, 2, 0, 3}, {.padding = Padding::same}},
          {{2, 3, 3, 2}, {2, 2, 2, 0}, {}}};
}

// Runs body(row, x, kernel, output gradient, arrange) for both layouts.
template <class Body>
void for_rows(Body&& body) {
  for (Row row : rows()) {
    const Tensor<double> x = random_tensor<double>(row.x, 1);
    const Tensor<double> kernel = random_tensor<double>(row.kernel, 2);
    const Tensor<double> dy =
        random_tensor<double>(conv2d_output_shape(row.x, row.kernel, row.options), 3);
    const Naive<double> expected = naive(x, kernel, dy, row.options);
    for (const Layout layout : {Layout::channels_last, Layout::channels_first}) {
      row.options.layout = layout;
      const auto arrange = [&](const Tensor<double>& image) {
        return layout == Layout::channels_last ? image : first(image);
      };
      BOOST_TEST_CONTEXT(text_of(row.x, row.kernel, row.options)) {
        body(row, arrange(x), kernel, arrange(dy),
             Naive<double>{arrange(expected.y), arrange(expected.dx), expected.dkernel});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(battery) {
  for_rows([](const Row& row, const auto& x, const auto& kernel, const auto& dy,
              const Naive<double>& expected) {
    const ConvolutionOptions& options = row.options;
    check_op(
        "conv2d", [&](auto v) { return conv2d(v[0], v[1], options); },
        [&](const Arguments&) { return expected.y; }, {{x, kernel}}, {.orders = 3});
    check_op(
        "conv2d_input_gradient",
        [&](auto v) { return conv2d_input_gradient(v[0], v[1], x.shape(), options); },
        [&](const Arguments&) { return expected.dx; }, {{dy, kernel}}, {.orders = 3});
    check_op(
        "conv2d_weight_gradient",
        [&](auto v) { return conv2d_weight_gradient(v[0], v[1], kernel.shape(), options); },
        [&](const Arguments&) { return expected.dkernel; }, {{x, dy}}, {.orders = 3});
  });
}

BOOST_AUTO_TEST_CASE(derivatives_over_every_combination_of_options) {
  for (const Pair strides : {Pair{1, 1}, Pair{2, 3}})
    for (const Pair dilation : {Pair{1, 1}, Pair{2, 1}})
      for (const std::int64_t groups : {1, 2})
        for (const Padding& padding : {Padding::valid, Padding::same, Padding(0, 2, 3, 1)})
          for (const Layout layout : {Layout::channels_last, Layout::channels_first}) {
            const ConvolutionOptions options{strides, padding, dilation, groups, layout};
            const Shape x =
                layout == Layout::channels_last ? Shape{1, 3, 5, groups} : Shape{1, groups, 3, 5};
            gradient_check(
                [&](std::span<const Variable<double>> v) { return conv2d(v[0], v[1], options); },
                {random_tensor<double>(x, 1), random_tensor<double>({2, 2, 1, groups}, 2)},
                {.orders = 3});
          }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
