// Normalization, ReLU and max pooling in one pass, in both layouts, on every level of this machine,
// against a naive form in double.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/pooled_normalization.hpp>
#include <lamina/autograd/tensor/allocator.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>

#include "support/levels.hpp"
#include "support/norm_coefficients.hpp"
#include "support/numbers.hpp"

namespace lamina::kernels {
namespace {

using test::random_tensor;

struct Inputs {
  ImageBatch batch;
  Tensor<float> x, dy;
  Tensor<double> mean, scale, offset, b, c;

  explicit Inputs(const ImageBatch& of)
      : batch(of),
        x(random_tensor<float>({of.images, of.rows, of.columns, of.channels}, 1)),
        dy(random_tensor<float>({of.images, of.rows / 2, of.columns / 2, of.channels}, 2)) {
    const Shape statistics{of.groups, of.channels};
    mean = random_tensor<double>(statistics, 3);
    scale = random_tensor<double>(statistics, 4, -2, 2);
    offset = random_tensor<double>(statistics, 5);
    b = random_tensor<double>(statistics, 6);
    c = random_tensor<double>(statistics, 7);
  }
  CentredScaling<float> scaling() const {
    return test::scaling_of<float>(layout(), mean.data(), scale.data(), offset.data());
  }
  GradientScaling<float> through() const {
    return test::gradient_scaling_of<float>(layout(), mean.data(), b.data(), c.data());
  }
  NormLayout layout() const { return {.groups = batch.groups, .channels = batch.channels}; }
};

struct Results {
  Tensor<float> y, dx;
  Tensor<double> sum_dy, sum_centred;

  explicit Results(const Inputs& in)
      : y(in.dy.shape(), 0.0F),
        dx(in.x.shape(), 0.0F),
        sum_dy(in.mean.shape(), 0.0),
        sum_centred(in.mean.shape(), 0.0) {}
};

// (images, rows, columns, channels) as (images, channels, rows, columns), and back.
Tensor<float> turned(const Tensor<float>& x, bool to_channels_first) {
  const Shape& shape = x.shape();
  const int channel_axis = to_channels_first ? 3 : 1;
  const std::int64_t channels = shape[channel_axis];
  const std::int64_t places = shape[1] * shape[2] * shape[3] / channels;
  Tensor<float> result = to_channels_first
                             ? Tensor<float>(Shape{shape[0], channels, shape[1], shape[2]}, 0.0F)
                             : Tensor<float>(Shape{shape[0], shape[2], shape[3], channels}, 0.0F);
  for (std::int64_t image = 0; image < shape[0]; ++image) {
    const float* const from = x.data() + image * places * channels;
    float* const to = result.mutable_data() + image * places * channels;
    for (std::int64_t place = 0; place < places; ++place) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t last = place * channels + c, first = c * places + place;
        to_channels_first ? to[first] = from[last] : to[last] = from[first];
      }
    }
  }
  return result;
}

Results computed(const Inputs& in, InstructionSet level, bool channels_first) {
  Results r(in);
  ImageBatch batch = in.batch;
  batch.channels_first = channels_first;
  const auto given = [&](const Tensor<float>& t) { return channels_first ? turned(t, true) : t; };
  const Tensor<float> x = given(in.x), dy = given(in.dy);
  // What is not written is found.
  r.y = Tensor<float>(dy.shape(), std::numeric_limits<float>::quiet_NaN());
  r.dx = Tensor<float>(x.shape(), std::numeric_limits<float>::quiet_NaN());
  pool_normalized(x.data(), batch, in.scaling(), r.y.mutable_data(), level);
  pooled_gradient_sums(x.data(), dy.data(), batch, in.mean.data(), in.scaling(),
                       r.sum_dy.mutable_data(), r.sum_centred.mutable_data(), level);
  combine_pooled_gradient(x.data(), dy.data(), batch, in.scaling(), in.through(),
                          r.dx.mutable_data(), level);
  if (channels_first) {
    r.y = turned(r.y, false);
    r.dx = turned(r.dx, false);
  }
  return r;
}

Results naive(const Inputs& in) {
  Results r(in);
  const ImageBatch& batch = in.batch;
  Tensor<double> dy_at(in.x.shape(), 0.0);
  for (std::int64_t image = 0; image < batch.images; ++image) {
    const std::int64_t first = image % batch.groups * batch.channels;
    for (std::int64_t c = 0; c < batch.channels; ++c) {
      const std::int64_t s = first + c;
      const auto value = [&](std::int64_t i, std::int64_t j) {
        return (static_cast<double>(in.x.at({image, i, j, c})) - in.mean.data()[s]) *
                   in.scale.data()[s] +
               in.offset.data()[s];
      };
      for (std::int64_t i = 0; i < batch.rows / 2; ++i) {
        for (std::int64_t j = 0; j < batch.columns / 2; ++j) {
          std::int64_t row = 2 * i, column = 2 * j;
          for (const auto& [u, v] : {std::pair{0, 1}, {1, 0}, {1, 1}}) {
            if (value(2 * i + u, 2 * j + v) > value(row, column))
              row = 2 * i + u, column = 2 * j + v;
          }
          const double most = value(row, column), dy = in.dy.at({image, i, j, c});
          const std::int64_t pooled =
              ((image * (batch.rows / 2) + i) * (batch.columns / 2) + j) * batch.channels + c;
          r.y.mutable_data()[pooled] = static_cast<float>(std::max(most, 0.0));
          if (!(most > 0)) continue;
          r.sum_dy.mutable_data()[s] += dy;
          r.sum_centred.mutable_data()[s] +=
              dy * (static_cast<double>(in.x.at({image, row, column, c})) - in.mean.data()[s]);
          dy_at.mutable_data()[((image * batch.rows + row) * batch.columns + column) *
                                   batch.channels +
                               c] = dy;
        }
      }
    }
  }
  for (std::int64_t i = 0; i < in.x.size(); ++i) {
    const std::int64_t image = i / (batch.rows * batch.columns * batch.channels);
    const std::int64_t s = image % batch.groups * batch.channels + i % batch.channels;
    const double through =
        (static_cast<double>(in.x.data()[i]) - in.mean.data()[s]) * in.b.data()[s] + in.c.data()[s];
    r.dx.mutable_data()[i] = static_cast<float>((dy_at.data()[i] - through) * in.scale.data()[s]);
  }
  return r;
}

BOOST_AUTO_TEST_SUITE(pooled_normalization)

BOOST_AUTO_TEST_CASE(only_float_beyond_the_baseline) {
  for (const InstructionSet level : test::levels_here()) {
    BOOST_TEST(can_rectify<float>(level) == (level != InstructionSet::baseline));
    BOOST_TEST(!can_rectify<double>(level));
  }
}

BOOST_AUTO_TEST_CASE(agrees_with_a_naive_form) {
  std::vector<ImageBatch> batches = {{2, 2, 2, 1},
                                     {3, 5, 4, 7},
                                     {2, 4, 7, 33},
                                     {1, 3, 3, 130},
                                     {6, 4, 4, 5, 3},
                                     {12, 30, 41, 33, 3},
                                     {8, 2, 3, 9, 8},
                                     {4, 9, 71, 2},
                                     {2, 64, 96, 64},
                                     // Planes of many parts, and many planes in one.
                                     {2, 301, 307, 2},
                                     {70, 4, 4, 130, 7}};
  for (std::int64_t channels = 1; channels <= 70; ++channels)
    batches.push_back({2, 4, 5, channels});
  for (const ImageBatch& batch : batches) {
    const Inputs in(batch);
    const Results expected = naive(in);
    for (const InstructionSet level : test::levels_with_kernels()) {
      for (const bool channels_first : {false, true}) {
        BOOST_TEST_CONTEXT(to_string(level) << " " << in.x.shape().to_string()
                                            << (channels_first ? ", channels first" : "")) {
          const Results got = computed(in, level, channels_first);
          test::check_close("y", got.y, expected.y, 2e-6);
          test::check_close("dx", got.dx, expected.dx, 2e-6);
          test::check_close("sum(dy)", got.sum_dy, expected.sum_dy, 1e-4);
          test::check_close("sum(dy (x - mean))", got.sum_centred, expected.sum_centred, 1e-4);
        }
      }
    }
  }
}

// Of small ghost batches there are as many as examples: room for all of them in every part of the
// work would grow with the square of the batch.
BOOST_AUTO_TEST_CASE(many_groups_take_no_more_room) {
  for (const bool channels_first : {false, true}) {
    const Inputs in({512, 4, 4, 64, 256, channels_first});
    for (const InstructionSet level : test::levels_with_kernels()) {
      Results r(in);
      const CentredScaling<float> of = in.scaling();
      trim_memory_cache();
      const auto before = static_cast<std::int64_t>(memory_counters().system_bytes);
      pooled_gradient_sums(in.x.data(), in.dy.data(), in.batch, in.mean.data(), of,
                           r.sum_dy.mutable_data(), r.sum_centred.mutable_data(), level);
      const auto after = static_cast<std::int64_t>(memory_counters().system_bytes);
      BOOST_TEST(after - before < in.x.bytes());
    }
  }
}

BOOST_AUTO_TEST_CASE(two_threads_give_the_same_bits) {
  const Inputs many_channels({8, 30, 30, 40, 2}), large_planes({2, 301, 307, 3});
  for (const InstructionSet level : test::levels_with_kernels()) {
    for (const Inputs* const in : {&many_channels, &large_planes}) {
      for (const bool channels_first : {false, true}) {
        set_threads(1);
        const Results one = computed(*in, level, channels_first);
        set_threads(2);
        const Results two = computed(*in, level, channels_first);
        test::check_close("y", two.y, one.y, 0);
        test::check_close("dx", two.dx, one.dx, 0);
        test::check_close("sum(dy)", two.sum_dy, one.sum_dy, 0);
        test::check_close("sum(dy (x - mean))", two.sum_centred, one.sum_centred, 0);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(without_images_there_is_nothing_to_sum) {
  for (const bool channels_first : {false, true}) {
    const Inputs in({0, 4, 4, 3, 1, channels_first});
    for (const InstructionSet level : test::levels_with_kernels()) {
      const Results got = computed(in, level, channels_first);
      test::check_close("sum(dy)", got.sum_dy, Tensor<double>({1, 3}, 0.0), 0);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
