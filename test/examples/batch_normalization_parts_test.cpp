// The parts of the example batch_normalization_experiments: batches, drift, ramps, charts.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <examples/program.hpp>
#include <lamina/examples/batch_normalization_experiments/batches.hpp>
#include <lamina/examples/batch_normalization_experiments/drift.hpp>
#include <lamina/examples/batch_normalization_experiments/line_chart.hpp>
#include <lamina/examples/batch_normalization_experiments/training.hpp>
#include <lamina/lamina.hpp>
#include <set>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;
using namespace experiments;

namespace {

std::int64_t occurrences(const std::string& text, const std::string& part) {
  std::int64_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// 7 examples of class 0, 5 of class 2, 3 of class 3, none of class 1.
Tensor<std::int64_t> some_labels() {
  return Tensor<std::int64_t>({15}, {0, 2, 3, 0, 2, 0, 0, 3, 2, 0, 2, 0, 3, 2, 0});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(batch_normalization_parts)

BOOST_AUTO_TEST_CASE(independent_batches_take_every_example_once_in_a_pass) {
  BatchSampler sampler(some_labels(), Composition::independent, 6, 1);
  std::vector<std::int64_t> drawn;
  for (int batch = 0; batch < 5; ++batch) {
    const auto indices = sampler.next();
    BOOST_TEST(indices.size() == 6u);
    drawn.insert(drawn.end(), indices.begin(), indices.end());
  }
  const std::vector<std::int64_t> first(drawn.begin(), drawn.begin() + 15);
  const std::vector<std::int64_t> second(drawn.begin() + 15, drawn.end());
  BOOST_TEST(std::set<std::int64_t>(first.begin(), first.end()).size() == 15u);
  BOOST_TEST(std::set<std::int64_t>(second.begin(), second.end()).size() == 15u);
  BOOST_TEST(first != second);
  BOOST_TEST((BatchSampler(some_labels(), Composition::independent, 15, 1).next() == first));
  BOOST_TEST((BatchSampler(some_labels(), Composition::independent, 15, 2).next() != first));
}

BOOST_AUTO_TEST_CASE(batches_of_two_classes_hold_two_in_equal_parts) {
  const Tensor<std::int64_t> labels = some_labels();
  BatchSampler sampler(labels, Composition::two_classes, 8, 1);
  std::set<std::pair<std::int64_t, std::int64_t>> pairs;
  std::set<std::int64_t> examples;
  for (int batch = 0; batch < 200; ++batch) {
    const auto indices = sampler.next();
    BOOST_REQUIRE(indices.size() == 8u);
    const std::int64_t even = labels.at({indices[0]}), odd = labels.at({indices[1]});
    BOOST_TEST(even != odd);
    for (std::size_t k = 0; k < 8; ++k)
      BOOST_TEST(labels.at({indices[k]}) == (k % 2 == 0 ? even : odd));
    pairs.insert({even, odd});
    examples.insert(indices.begin(), indices.end());
  }
  BOOST_TEST(pairs.size() == 6u);      // every ordered pair of the three classes
  BOOST_TEST(examples.size() == 15u);  // and every example of each
}

BOOST_AUTO_TEST_CASE(batches_that_cannot_be_made_are_refused) {
  refuses<ArgumentError>("[batch_sampler] the batch size must be at least 1; got 0",
                         [] { BatchSampler(some_labels(), Composition::independent, 0, 1); });
  refuses<ArgumentError>("[batch_sampler] two classes must be there to draw; got 1", [] {
    BatchSampler(Tensor<std::int64_t>({3}, 7), Composition::two_classes, 4, 1);
  });
}

// Two channels, epsilon 0.25. Channel 0: mean 3, variance 2.75, so s^2 = 3; M = 1, S^2 = 1.
// Channel 1: mean 1 and s = 0.5, as the moving statistics say.
BOOST_AUTO_TEST_CASE(drift_is_the_distance_in_moving_deviations) {
  const double a = std::sqrt(2.75);
  const Tensor<float> x({2, 2}, {static_cast<float>(3 - a), 1, static_cast<float>(3 + a), 1});
  Sequential<float> net;
  net.add<BatchNormalization>({.epsilon = 0.25}).add<ReLU>();
  Tape<float> tape;
  Rng rng(1);
  net(x, Context<float>::for_training(tape, rng));
  auto& layer = dynamic_cast<BatchNormalization<float>&>(net.at(0));
  layer.moving_mean().assign(Tensor<float>({2}, {1, 1}));
  layer.moving_variance().assign(Tensor<float>({2}, {0.75, 0}));

  DriftObserver observer;
  Context<float> ctx = Context<float>::for_inference();
  ctx.observer = &observer;
  const Sequential<float>& fixed = net;
  fixed(x, ctx);
  BOOST_REQUIRE(observer.distances().size() == 1u);  // not of the ReLU
  const double expected = std::sqrt((4 + std::pow(std::sqrt(3.0) - 1, 2)) / 2);
  BOOST_TEST(observer.distances()[0] == expected, boost::test_tools::tolerance(1e-6));

  observer.reset();
  layer.moving_mean().assign(Tensor<float>({2}, {3, 1}));
  layer.moving_variance().assign(Tensor<float>({2}, {2.75, 0}));
  fixed(x, ctx);
  BOOST_TEST(observer.distances()[0] < 1e-6);
}

BOOST_AUTO_TEST_CASE(the_ramps_are_the_papers_in_proportion) {
  const RenormClipping clipping = paper_ramps(160000);
  const auto tolerance = boost::test_tools::tolerance(1e-12);
  for (const std::int64_t step : {0, 5000}) {
    BOOST_TEST(clipping.rmax->at(step) == 1, tolerance);
    BOOST_TEST(clipping.rmin->at(step) == 1, tolerance);
    BOOST_TEST(clipping.dmax->at(step) == 0, tolerance);
  }
  BOOST_TEST(clipping.dmax->at(15000) == 2.5, tolerance);
  BOOST_TEST(clipping.dmax->at(25000) == 5, tolerance);
  BOOST_TEST(clipping.rmax->at(22500) == 2, tolerance);
  BOOST_TEST(clipping.rmin->at(22500) == 0.5, tolerance);
  for (const std::int64_t step : {40000, 160000}) {
    BOOST_TEST(clipping.rmax->at(step) == 3, tolerance);
    BOOST_TEST(clipping.dmax->at(step) == 5, tolerance);
  }
}

BOOST_AUTO_TEST_CASE(a_chart_has_axes_lines_bands_and_one_legend) {
  const Chart chart{.title = "a < b & c",
                    .x_axis = "step",
                    .y_axis = "loss",
                    .panels = {{"left",
                                {{"one", {0, 1000, 12000}, {0, 1, 4}, {0, 0.5, 3}, {0, 2, 4.4}},
                                 {"two", {0, 12000}, {1, 1}}}},
                               {"right", {{"one", {0, 12000}, {2, 2}}}}}};
  const std::string svg = to_svg(chart);
  BOOST_TEST(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  BOOST_TEST(svg.ends_with("</svg>\n"));
  BOOST_TEST(contains(svg, ">a &lt; b &amp; c</text>"));
  for (const char* label : {">0<", ">1<", ">5<", ">5,000<", ">10,000<", ">loss<", ">left<"})
    BOOST_TEST(contains(svg, label), label);
  BOOST_TEST(!contains(svg, ">15,000<"));
  BOOST_TEST(occurrences(svg, ">step<") == 2);
  BOOST_TEST(occurrences(svg, "<polyline") == 3);
  BOOST_TEST(occurrences(svg, "<polygon") == 1);
  BOOST_TEST(occurrences(svg, ">one<") == 1);
  BOOST_TEST(occurrences(svg, ">two<") == 1);
  // Both lines named "one" and their legend have one color.
  BOOST_TEST(occurrences(svg, "stroke=\"#0072b2\"") == 3);
  BOOST_TEST(occurrences(svg, "stroke=\"#d55e00\"") == 2);
  // The line from the left end of the axis at 1 of 0 to 5, the height being 300 from y = 64.
  BOOST_TEST(contains(svg, "<polyline points=\"64.0,304.0 "));
}

BOOST_AUTO_TEST_CASE(a_logarithmic_chart_leaves_out_what_it_cannot_show) {
  Chart chart{.title = "t",
              .logarithmic = true,
              .panels = {{"", {{"a", {0, 1, 2, 3}, {0, 3, std::nan(""), 30}}}}}};
  const std::string svg = to_svg(chart);
  for (const char* label : {">2<", ">5<", ">10<", ">20<", ">50<"})
    BOOST_TEST(contains(svg, label), label);
  BOOST_TEST(!contains(svg, ">100<"));
  BOOST_TEST(!contains(svg, "nan"));
  const auto points = svg.find("<polyline points=\"") + 18;
  const std::string line = svg.substr(points, svg.find('"', points) - points);
  BOOST_TEST(occurrences(line, ",") == 2);

  chart.panels[0].series[0].y = {0, 0, 0, -1};
  refuses<DataError>("[line_chart] a chart must have points; got none in 't'",
                     [&] { to_svg(chart); });
  refuses<DataError>("[line_chart] '/dev/full/chart.svg' must be writable", [] {
    write_svg("/dev/full/chart.svg", {.panels = {{"", {{"a", {0, 1}, {0, 1}}}}}});
  });
}

BOOST_AUTO_TEST_SUITE_END()
