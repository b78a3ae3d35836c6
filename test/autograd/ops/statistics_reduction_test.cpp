#include <barrier>
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/statistics_reduction.hpp>
#include <lamina/autograd/tape.hpp>
#include <thread>

#include "support/numbers.hpp"

namespace lamina::test {
namespace {

// Where two threads meet to add up what each of them has.
class Meeting {
 public:
  void sum(std::size_t side, std::span<double> values) {
    sides_[side] = values;
    met_.arrive_and_wait();
    if (sides_[0].size() != sides_[1].size()) std::terminate();
    std::vector<double> sums(values.size());
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = sides_[0][i] + sides_[1][i];
    met_.arrive_and_wait();
    std::copy(sums.begin(), sums.end(), values.begin());
    ++sums_;
  }
  int sums() const { return sums_; }

 private:
  std::barrier<> met_{2};
  std::span<double> sides_[2];
  std::atomic<int> sums_ = 0;
};

class Half : public StatisticsReduction {
 public:
  Half(Meeting& meeting, std::size_t side) : meeting_(meeting), side_(side) {}
  void sum(std::span<double> values) override { meeting_.sum(side_, values); }

 private:
  Meeting& meeting_;
  std::size_t side_;
};

struct Problem {
  NormLayout layout;
  Tensor<double> x, dy, dx_weights, weights;  // the last may be undefined
};

Problem problem(const NormLayout& layout, bool weighted) {
  const Shape shape{layout.outer, layout.groups, layout.middle, layout.channels, layout.inner};
  Problem p{layout,
            random_tensor<double>(shape, 1, -2, 2),
            random_tensor<double>(shape, 2),
            random_tensor<double>(shape, 3),
            {}};
  if (weighted) {
    p.weights = random_tensor<double>(shape.with(3, 1), 4, 0.2, 2);
    for (std::int64_t i = 2; i < p.weights.size(); i += 5) p.weights.mutable_data()[i] = 0;
  }
  return p;
}

// The examples [begin, end) of the outer extent.
Tensor<double> part(const Tensor<double>& x, std::int64_t begin, std::int64_t end) {
  if (!x.defined()) return x;
  const std::int64_t row = x.shape().size_of_axes(1, x.rank());
  return {x.shape().with(0, end - begin),
          x.values().subspan(static_cast<std::size_t>(begin * row),
                             static_cast<std::size_t>((end - begin) * row))};
}
Problem part(const Problem& p, std::int64_t begin, std::int64_t end) {
  Problem result{p.layout, part(p.x, begin, end), part(p.dy, begin, end),
                 part(p.dx_weights, begin, end), part(p.weights, begin, end)};
  result.layout.outer = end - begin;
  return result;
}

// By example: y, dx, and of the second and third order the derivatives with respect to x and dy.
// By channel, sums over the examples: those with respect to scale and offset.
struct Results {
  Moments moments;
  std::vector<Tensor<double>> by_example, by_channel;
};

Results results_of(const Problem& p, const SharedReduction& reduction) {
  Tape<double> tape;
  const auto x = tape.watch(p.x), dy = tape.watch(p.dy);
  const auto scale = tape.watch(random_tensor<double>({p.layout.channels}, 5, 0.5, 1.5));
  const auto offset = tape.watch(random_tensor<double>({p.layout.channels}, 6));
  const auto batch = measure(p.x, p.layout, p.weights, reduction);
  const auto y = normalize_by_batch(x, batch, scale, offset, 1e-3);
  Results results{batch.moments, {y.value()}, {}};
  const auto fused = tape.gradients(sum(y * p.dy), {x, scale, offset}, {.keep = true});
  results.by_example.push_back(fused[0].value());
  results.by_channel.insert(results.by_channel.end(), {fused[1].value(), fused[2].value()});

  Variable<double> target = sum(y * dy);
  for (int order = 1; order <= 3; ++order) {
    const auto d = tape.gradients(target, {x, dy, scale}, {.create_graph = true});
    results.by_example.insert(results.by_example.end(), {d[0].value(), d[1].value()});
    results.by_channel.push_back(d[2].value());
    target = sum(square(d[0]) * p.dx_weights) + sum(d[1] * p.dx_weights);
  }
  return results;
}

struct Split {
  NormLayout layout;
  std::int64_t first;  // examples of the first half
};

const std::vector<Split> kSplits = {
    {{.outer = 7, .channels = 3}, 3},
    {{.outer = 5, .channels = 2, .inner = 3}, 1},
    {{.outer = 4, .groups = 2, .middle = 3, .channels = 2}, 3},
    {{.outer = 3, .channels = 2, .inner = 2}, 0},
    {{.outer = 2, .channels = 3}, 1},
};

BOOST_AUTO_TEST_SUITE(statistics_reduction)

BOOST_AUTO_TEST_CASE(two_halves_are_normalized_and_differentiated_as_the_whole) {
  for (const Split& split : kSplits) {
    for (const bool weighted : {false, true}) {
      const Problem whole = problem(split.layout, weighted);
      const Results expected = results_of(whole, nullptr);
      const std::int64_t cuts[] = {0, split.first, split.layout.outer};
      Meeting meeting;
      Results halves[2];
      {
        std::vector<std::jthread> threads;
        for (const std::size_t side : {0, 1}) {
          threads.emplace_back([&, side] {
            halves[side] = results_of(part(whole, cuts[side], cuts[side + 1]),
                                      std::make_shared<Half>(meeting, side));
          });
        }
      }
      BOOST_TEST(meeting.sums() > 0);
      for (const std::size_t side : {0, 1}) {
        const Results& half = halves[side];
        check_close("count", half.moments.count, expected.moments.count, 1e-14);
        check_close("mean", half.moments.mean, expected.moments.mean, 1e-14);
        check_close("variance", half.moments.variance, expected.moments.variance, 1e-14);
        for (std::size_t k = 0; k < expected.by_example.size(); ++k) {
          check_close("by example " + std::to_string(k), half.by_example[k],
                      part(expected.by_example[k], cuts[side], cuts[side + 1]), 1e-9);
        }
      }
      BOOST_TEST(identical(halves[0].moments.mean, halves[1].moments.mean));
      BOOST_TEST(identical(halves[0].moments.variance, halves[1].moments.variance));
      for (std::size_t k = 0; k < expected.by_channel.size(); ++k) {
        Tensor<double> sum = halves[0].by_channel[k];
        add_in_place(sum, halves[1].by_channel[k]);
        check_close("by channel " + std::to_string(k), sum, expected.by_channel[k], 1e-9);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_group_without_weight_in_any_share_keeps_the_given_statistics) {
  const NormLayout layout{.outer = 2, .groups = 2, .channels = 1};
  Meeting meeting;
  Moments merged[2];
  {
    std::vector<std::jthread> threads;
    for (const std::size_t side : {0, 1}) {
      threads.emplace_back([&, side] {
        const Tensor<double> x({4, 1}, {1, 2, 3, side == 0 ? 4.0 : 8.0});
        const Tensor<double> weights({4}, {0, side == 0 ? 1.0 : 0.0, 0, 1});
        merged[side] = measure(x, layout, weights, std::make_shared<Half>(meeting, side)).moments;
      });
    }
  }
  for (const Moments& m : merged) {
    check_close("count", m.count, Tensor<double>({2}, {0, 3}), 0);
    check_close("mean", m.mean, Tensor<double>({2, 1}, {0, 14.0 / 3}), 1e-15);
    check_close("variance", m.variance, Tensor<double>({2, 1}, {0, 56.0 / 9}), 1e-15);
  }
}

BOOST_AUTO_TEST_CASE(without_others_the_sum_is_the_value) {
  const Variable<float> x(Tensor<float>({2}, {1, 2}));
  BOOST_TEST(sum_over_shares(x, nullptr).value().shares_storage_with(x.value()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
