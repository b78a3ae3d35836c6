#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/data/synthetic_digits.hpp>
#include <limits>
#include <numeric>
#include <vector>

#include "support/refusal.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

const Tensor<std::uint8_t>& images_of(const Dataset& dataset) {
  return std::get<Tensor<std::uint8_t>>(dataset.features());
}

bool same(const Dataset& a, const Dataset& b) {
  return identical(images_of(a), images_of(b)) && identical(a.labels(), b.labels());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(synthetic_digits_data)

BOOST_AUTO_TEST_CASE(shapes_and_labels_are_those_of_mnist) {
  const Dataset digits = data::synthetic_digits({.examples = 1000, .seed = 1});
  BOOST_TEST(digits.size() == 1000);
  BOOST_TEST(digits.example_shape().to_string() == "(28, 28, 1)");
  std::vector<int> counts(10);
  for (const std::int64_t label : digits.labels().values()) {
    ++counts.at(static_cast<std::size_t>(label));
  }
  for (const int count : counts) BOOST_TEST(std::abs(count - 100) < 40);  // four deviations
}

BOOST_AUTO_TEST_CASE(example_i_depends_on_seed_and_i_alone) {
  const int before = threads();
  const Dataset digits = data::synthetic_digits({.examples = 100, .seed = 1});
  set_threads(3);
  const Dataset longer = data::synthetic_digits({.examples = 133, .seed = 1});
  set_threads(1);
  const Dataset again = data::synthetic_digits({.examples = 100, .seed = 1});
  set_threads(before);
  BOOST_TEST(same(digits, longer.slice(0, 100)));
  BOOST_TEST(same(digits, again));
  BOOST_TEST(!same(digits, data::synthetic_digits({.examples = 100, .seed = 2})));
}

// White strokes on black that neither fill the image nor vanish, and that do not touch the border.
BOOST_AUTO_TEST_CASE(images_look_like_digits) {
  for (const std::int64_t size : {8, 17, 28, 64}) {
    const Dataset digits = data::synthetic_digits({.examples = 200, .seed = 3, .size = size});
    const auto pixels = images_of(digits).values();
    const auto area = static_cast<std::size_t>(size * size);
    for (std::size_t i = 0; i < 200; ++i) {
      const auto image = pixels.subspan(i * area, area);
      const auto bright = std::count_if(image.begin(), image.end(), [](int v) { return v > 100; });
      BOOST_TEST(bright > 0.015 * static_cast<double>(area));
      BOOST_TEST(bright < 0.4 * static_cast<double>(area));
      const auto border = image.subspan(0, static_cast<std::size_t>(size));
      BOOST_TEST(std::count_if(border.begin(), border.end(), [](int v) { return v > 100; }) <= 1);
    }
  }
}

// Learnable from 1,500 examples even by the simplest rule, the nearest neighbour.
BOOST_AUTO_TEST_CASE(the_nearest_neighbour_tells_the_digit) {
  const Dataset train = data::synthetic_digits({.examples = 1500, .seed = 10});
  const Dataset test = data::synthetic_digits({.examples = 200, .seed = 11});
  const auto known = images_of(train).values(), asked = images_of(test).values();
  int right = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    int nearest = std::numeric_limits<int>::max();
    std::size_t winner = 0;
    for (std::size_t k = 0; k < 1500; ++k) {
      int distance = 0;
      for (std::size_t j = 0; j < 784; ++j) {
        const int difference = known[784 * k + j] - asked[784 * i + j];
        distance += difference * difference;
      }
      if (distance < nearest) nearest = distance, winner = k;
    }
    right += train.labels().data()[winner] == test.labels().data()[i];
  }
  BOOST_TEST(right > 180);
}

BOOST_AUTO_TEST_CASE(bad_options_are_refused) {
  refuses<ArgumentError>("[synthetic_digits] the number of examples must be at least 1; got 0",
                         [] { data::synthetic_digits({.examples = 0}); });
  refuses<ArgumentError>("[synthetic_digits] the size must lie in [8, 512] pixels; got 7",
                         [] { data::synthetic_digits({.size = 7}); });
  refuses<ArgumentError>("[synthetic_digits] the size must lie in [8, 512] pixels; got 513",
                         [] { data::synthetic_digits({.size = 513}); });
}

BOOST_AUTO_TEST_SUITE_END()
