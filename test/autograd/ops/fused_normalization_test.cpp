// What normalize_by_batch and normalize_by_given do in the same pass (ReLU, max pooling), against
// the ops one by one: values, gradients, and gradients of gradients.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <limits>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using After = AfterNormalization;

struct Case {
  Shape input;
  NormLayout layout;
  After after;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const After after : {After::relu, After::relu_max_pool}) {
    for (const std::int64_t channels : {1, 3, 16, 21, 64, 70}) {
      for (const auto& [rows, columns] : {std::pair{2, 2}, {4, 6}, {5, 3}, {3, 8}}) {
        all.push_back({{6, rows, columns, channels},
                       {.outer = 6, .middle = rows * columns, .channels = channels},
                       after});
        all.push_back({{6, channels, rows, columns},
                       {.outer = 6, .channels = channels, .inner = rows * columns},
                       after});
      }
    }
    // Ghost batches: image i belongs to group i mod 3.
    all.push_back({{6, 5, 4, 7}, {.outer = 2, .groups = 3, .middle = 20, .channels = 7}, after});
    all.push_back({{6, 7, 5, 4}, {.outer = 2, .groups = 3, .channels = 7, .inner = 20}, after});
  }
  all.push_back({{40, 5}, {.outer = 40, .channels = 5}, After::relu});
  all.push_back({{3, 5, 9, 11}, {.outer = 3, .channels = 5, .inner = 99}, After::relu});
  return all;
}

std::string text_of(const Case& c) {
  return c.input.to_string() + (c.after == After::relu ? " relu" : " pooled");
}

// y, the gradients of x, scale and offset, and theirs of a second order.
struct Results {
  Tensor<float> y;
  std::vector<Tensor<float>> gradients;

  Results(const Case& c, bool fused, const Tensor<float>& x_value, bool batch_statistics,
          int order = 2) {
    Tape<float> tape;
    const std::int64_t channels = c.layout.channels;
    const auto x = tape.watch(x_value);
    const auto scale = tape.watch(random_tensor<float>({channels}, 2, -1, 2));
    const auto offset = tape.watch(random_tensor<float>({channels}, 3));
    const auto batch = measure(x_value, c.layout);
    const auto normalized = [&](After after) {
      return batch_statistics
                 ? normalize_by_batch(x, batch, scale, offset, 1e-3, after)
                 : normalize_by_given(x, c.layout, batch.moments, scale, offset, 1e-3, after);
    };
    const Variable<float> out =
        fused ? normalized(c.after) : then(c.after, normalized(After::nothing), c.layout);
    y = out.value();
    const auto loss = sum(out * Variable<float>(random_tensor<float>(y.shape(), 4)));
    const auto first =
        tape.gradients(loss, {x, scale, offset}, {.create_graph = order > 1, .keep = true});
    for (const auto& g : first) gradients.push_back(g.value());
    if (order == 1) return;
    const auto again = sum(square(first[0])) + sum(square(first[1]));
    for (const auto& g : tape.gradients(again, {x, scale})) gradients.push_back(g.value());
  }
};

void check(const Case& c, const Tensor<float>& x, int order) {
  for (const bool batch_statistics : {true, false}) {
    BOOST_TEST_CONTEXT(text_of(c) << (batch_statistics ? " by batch" : " by given")) {
      const Results got(c, true, x, batch_statistics, order);
      const Results expected(c, false, x, batch_statistics, order);
      check_close("y", got.y, expected.y, 1e-6);
      const char* const names[] = {"dx", "dscale", "doffset", "second dx", "second dscale"};
      BOOST_TEST_REQUIRE(got.gradients.size() == expected.gradients.size());
      for (std::size_t i = 0; i < got.gradients.size(); ++i) {
        check_close(names[i], got.gradients[i], expected.gradients[i], i < 3 ? 2e-5 : 1e-3);
      }
    }
  }
}

// A NaN in x: the output has one, too, and the numbers are those of the ops.
void check_nan(const Case& c) {
  for (const std::int64_t at : {0, 7, 100}) {
    Tensor<float> x = random_tensor<float>(c.input, 1);
    const auto moments = measure(x, c.layout).moments;
    x.mutable_data()[at] = std::numeric_limits<float>::quiet_NaN();
    const Variable<float> one(Tensor<float>::ones({5}));
    for (const After after : {After::relu, After::relu_max_pool}) {
      const auto fused =
          normalize_by_given(Variable<float>(x), c.layout, moments, one, one, 0, after);
      const auto expected = then(
          after, normalize_by_given(Variable<float>(x), c.layout, moments, one, one, 0), c.layout);
      check_close("y", fused.value(), expected.value(), 1e-6);
      BOOST_TEST(std::isnan(sum(fused).item()));
    }
  }
}

BOOST_AUTO_TEST_SUITE(fused_normalization)

BOOST_AUTO_TEST_CASE(equals_the_ops_one_by_one) {
  for (const Case& c : cases()) check(c, random_tensor<float>(c.input, 1, 2, 5), 1);
}

BOOST_AUTO_TEST_CASE(its_second_order_is_theirs) {
  for (const Case& c : cases()) check(c, random_tensor<float>(c.input, 1), 2);
}

// Ties within a window: the first of them gets the gradient, in both forms.
BOOST_AUTO_TEST_CASE(of_equal_values_the_first_wins) {
  for (const Case& c : cases()) {
    Tensor<float> x = random_tensor<float>(c.input, 1);
    for (float& value : x.mutable_values()) value = std::round(2 * value);
    check(c, x, 1);
  }
}

BOOST_AUTO_TEST_CASE(nan_reaches_the_output_and_no_gradient_of_its_window) {
  for (const Case& c :
       {Case{{2, 4, 4, 5}, {.outer = 2, .middle = 16, .channels = 5}, After::relu_max_pool},
        Case{{2, 5, 4, 4}, {.outer = 2, .channels = 5, .inner = 16}, After::relu_max_pool}}) {
    check_nan(c);
  }
}

BOOST_AUTO_TEST_CASE(weights_and_double_go_one_by_one) {
  const NormLayout layout{.outer = 2, .middle = 16, .channels = 5};
  const Variable<double> x(random_tensor<double>({2, 4, 4, 5}, 1));
  const Variable<double> none;
  Tensor<double> weights = Tensor<double>::ones({32});
  weights.mutable_data()[3] = 0;
  for (const auto& w : {Tensor<double>(), weights}) {
    const auto batch = measure(x.value(), layout, w);
    for (const After after : {After::relu, After::relu_max_pool}) {
      check_close("y", normalize_by_batch(x, batch, none, none, 1e-3, after).value(),
                  then(after, normalize_by_batch(x, batch, none, none, 1e-3), layout).value(), 0);
    }
  }
  const Variable<float> y(random_tensor<float>({2, 4, 4, 5}, 1));
  const auto weighted = measure(y.value(), layout, weights.cast<float>());
  const Variable<float> absent;
  check_close(
      "y", normalize_by_batch(y, weighted, absent, absent, 1e-3, After::relu).value(),
      then(After::relu, normalize_by_batch(y, weighted, absent, absent, 1e-3), layout).value(), 0);
}

// Parts of images, and runs of them: what a group is does not follow from the number of an image.
BOOST_AUTO_TEST_CASE(groups_of_other_than_interleaved_images_go_one_by_one) {
  const std::vector<Case> others{
      {{4, 4, 4, 3}, {.groups = 2, .middle = 32, .channels = 3}, After::relu_max_pool},
      {{4, 3, 4, 4}, {.groups = 2, .middle = 2, .channels = 3, .inner = 16}, After::relu_max_pool},
      {{2, 4, 4, 3}, {.outer = 2, .groups = 4, .middle = 4, .channels = 3}, After::relu_max_pool},
      {{3, 4, 4, 2}, {.groups = 2, .middle = 24, .channels = 2}, After::relu_max_pool}};
  for (const Case& c : others) {
    Tensor<float> x = random_tensor<float>(c.input, 1);
    float scale = 1;  // later images are another distribution
    for (float& value : x.mutable_values()) value *= scale += 0.05F;
    check(c, x, 1);
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_pooled_is_refused) {
  const Variable<float> x(random_tensor<float>({6, 5}, 1)), none;
  const NormLayout columns{.outer = 6, .channels = 5};
  refuses<ShapeError>("[max_pool2d] the input must have 4 axes; got (6, 5)", [&] {
    normalize_by_batch(x, measure(x.value(), columns), none, none, 0, After::relu_max_pool);
  });
  const Variable<float> images(random_tensor<float>({2, 4, 5, 4}, 1));
  const NormLayout by_rows{.outer = 1, .channels = 8, .inner = 20};
  for (const bool batch : {true, false}) {
    refuses<ShapeError>(
        "[normalize] what is pooled must be normalized over the last axis, or over the second one; "
        "got input (2, 4, 5, 4) and 8 channels",
        [&] {
          const auto measured = measure(images.value(), by_rows);
          batch ? normalize_by_batch(images, measured, none, none, 0, After::relu_max_pool)
                : normalize_by_given(images, by_rows, measured.moments, none, none, 0,
                                     After::relu_max_pool);
        });
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
