#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <vector>

using namespace lamina;

namespace {

const double kInfinity = std::numeric_limits<double>::infinity();

RandomStream example_stream(std::int64_t step = 0) { return Rng(42).stream("layer.weight", step); }

// The largest distance between the empirical distribution and `distribution`, times sqrt(n).
template <class Distribution>
double kolmogorov_smirnov(std::vector<double> values, const Distribution& distribution) {
  std::sort(values.begin(), values.end());
  const double n = static_cast<double>(values.size());
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double expected = distribution(values[i]);
    largest = std::max({largest, std::abs(expected - static_cast<double>(i) / n),
                        std::abs(expected - static_cast<double>(i + 1) / n)});
  }
  return largest * std::sqrt(n);
}

double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}
double moment_of(const std::vector<double>& values, int power) {
  double sum = 0;
  for (const double value : values) sum += std::pow(value, power);
  return sum / static_cast<double>(values.size());
}
double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean_a = mean_of(a), mean_b = mean_of(b);
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

std::vector<double> uniforms(const RandomStream& stream, std::size_t n) {
  std::vector<double> values(n);
  stream.fill_uniform<double>(values, 0, 1);
  return values;
}

bool message_is(const Error& error, const std::string& text) {
  BOOST_TEST_MESSAGE(error.what());
  return error.what() == text;
}

constexpr std::size_t kMany = 100003;  // prime: the last tile and the last block are partial

}  // namespace

BOOST_AUTO_TEST_SUITE(random_numbers)

// Random123's own kat_vectors, "philox4x32 10".
BOOST_AUTO_TEST_CASE(the_generator_gives_the_known_answers) {
  using Block = std::array<std::uint32_t, 4>;
  const std::uint32_t ones = 0xffffffffu;
  BOOST_TEST((detail::philox({0, 0, 0, 0}, {0, 0}) ==
              Block{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  BOOST_TEST((detail::philox({ones, ones, ones, ones}, {ones, ones}) ==
              Block{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  BOOST_TEST((detail::philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u},
                             {0xa4093822u, 0x299f31d0u}) ==
              Block{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

// With key and step zero the first counters are those of the first known answer.
BOOST_AUTO_TEST_CASE(bits_are_the_words_of_the_counted_block) {
  const RandomStream stream(0, 0);
  BOOST_TEST(stream.bits(0) == 0xe169c58d6627e8d5u);
  BOOST_TEST(stream.bits(1) == 0x9b00dbd8bc57ac4cu);
}

// These values are what a seed means: changing them changes every recorded run.
BOOST_AUTO_TEST_CASE(the_meaning_of_a_seed_is_pinned) {
  const RandomStream stream = Rng(42).stream("conv2d.kernel", 7);
  const auto again = Rng(42).stream("conv2d.kernel", 7);
  BOOST_TEST(stream.bits(0) == again.bits(0));
  BOOST_TEST(stream.bits(0) == 0x1ff171e56c62a5f3u);
  BOOST_TEST(stream.bits(1000000007) == 0x1ec24c83257d90cdu);
  BOOST_TEST((stream.permutation(7) == std::vector<std::int64_t>{3, 1, 0, 6, 5, 2, 4}));
}

BOOST_AUTO_TEST_CASE(seed_path_step_and_element_all_matter) {
  std::map<std::uint64_t, std::string> seen;
  const auto add = [&](const RandomStream& stream, std::uint64_t element, const std::string& name) {
    const auto [where, fresh] = seen.emplace(stream.bits(element), name);
    BOOST_TEST(fresh, name << " repeats " << where->second);
  };
  for (const std::uint64_t seed : {0ull, 1ull, 42ull, 1ull << 32, ~0ull}) {
    for (const char* path : {"", "a", "b", "ab", "ba", "a.b"}) {
      for (const std::int64_t step :
           {std::int64_t{0}, std::int64_t{1}, std::int64_t{1} << 32, (std::int64_t{1} << 48) - 1}) {
        for (const std::uint64_t element : {0ull, 1ull, 2ull, 3ull, 1ull << 33, ~0ull}) {
          add(Rng(seed).stream(path, step), element,
              std::to_string(seed) + "/" + path + "/" + std::to_string(step) + "/" +
                  std::to_string(element));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(fills_equal_the_scalar_functions) {
  const RandomStream stream = example_stream(3);
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{7},
                              std::size_t{16384}, std::size_t{16385}, std::size_t{40009}}) {
    std::vector<double> uniform(n), normal(n), truncated(n);
    stream.fill_uniform<double>(uniform, -1.5, 2.5);
    stream.fill_normal<double>(normal, 0.25, 3.0);
    stream.fill_truncated_normal<double>(truncated, -0.5, 2.0);
    bool equal = true;
    for (std::size_t i = 0; i < n; ++i) {
      equal = equal && uniform[i] == -1.5 + 4.0 * stream.uniform(i) &&
              normal[i] == 0.25 + 3.0 * stream.normal(i) &&
              truncated[i] == -0.5 + 2.0 * stream.truncated_normal(i);
    }
    BOOST_TEST(equal, "n = " << n);
  }
}

BOOST_AUTO_TEST_CASE(a_shorter_fill_is_the_beginning_of_a_longer_one) {
  const RandomStream stream = example_stream();
  std::vector<std::uint8_t> few(13), many(20011);
  stream.fill_keep_mask(few, 0.5);
  stream.fill_keep_mask(many, 0.5);
  BOOST_TEST(std::equal(few.begin(), few.end(), many.begin()));
  std::vector<float> a(13), b(20011);
  stream.fill_normal<float>(a, 0, 1);
  stream.fill_normal<float>(b, 0, 1);
  BOOST_TEST(std::equal(a.begin(), a.end(), b.begin()));
}

BOOST_AUTO_TEST_CASE(the_thread_count_changes_nothing) {
  const int before = threads();
  const RandomStream stream = example_stream();
  std::vector<std::vector<float>> results;
  std::vector<std::vector<std::uint8_t>> masks;
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    std::vector<float> values(3 * kMany);
    stream.fill_uniform(std::span(values).subspan(0, kMany), 0, 1);
    stream.fill_normal(std::span(values).subspan(kMany, kMany), 0, 1);
    stream.fill_truncated_normal(std::span(values).subspan(2 * kMany, kMany), 0, 1);
    results.push_back(values);
    masks.emplace_back(kMany);
    stream.fill_keep_mask(masks.back(), 0.3);
  }
  set_threads(before);
  BOOST_TEST((results[0] == results[1] && results[0] == results[2]));
  BOOST_TEST((masks[0] == masks[1] && masks[0] == masks[2]));
}

// 1.95 is the Kolmogorov-Smirnov bound at one in a thousand; the seed is fixed, so the test is too.
BOOST_AUTO_TEST_CASE(uniform_numbers_are_uniform) {
  const auto values = uniforms(example_stream(), kMany);
  BOOST_TEST(*std::min_element(values.begin(), values.end()) >= 0.0);
  BOOST_TEST(*std::max_element(values.begin(), values.end()) < 1.0);
  BOOST_TEST(kolmogorov_smirnov(values, [](double x) { return x; }) < 1.95);
  const double n = static_cast<double>(kMany);
  BOOST_TEST(std::abs(mean_of(values) - 0.5) < 4 * std::sqrt(1 / 12.0 / n));
  BOOST_TEST(std::abs(moment_of(values, 2) - 1 / 3.0) < 4 * std::sqrt(4 / 45.0 / n));
}

BOOST_AUTO_TEST_CASE(normal_numbers_are_normal) {
  std::vector<double> values(kMany);
  example_stream().fill_normal<double>(values, 0, 1);
  BOOST_TEST(kolmogorov_smirnov(values, normal_distribution) < 1.95);
  const double n = static_cast<double>(kMany);
  BOOST_TEST(std::abs(mean_of(values)) < 4 / std::sqrt(n));
  BOOST_TEST(std::abs(moment_of(values, 2) - 1) < 4 * std::sqrt(2 / n));
  BOOST_TEST(std::abs(moment_of(values, 3)) < 4 * std::sqrt(15 / n));
  BOOST_TEST(std::abs(moment_of(values, 4) - 3) < 4 * std::sqrt(96 / n));
}

BOOST_AUTO_TEST_CASE(mean_and_deviation_are_applied) {
  std::vector<double> values(kMany);
  example_stream().fill_normal<double>(values, 5, 0.5);
  for (double& value : values) value = (value - 5) / 0.5;
  BOOST_TEST(kolmogorov_smirnov(values, normal_distribution) < 1.95);
  std::vector<float> constant(11);
  example_stream().fill_normal<float>(constant, 1.25, 0);
  BOOST_TEST((constant == std::vector<float>(11, 1.25f)));
}

BOOST_AUTO_TEST_CASE(truncated_normal_numbers_follow_the_cut_distribution) {
  std::vector<double> values(kMany);
  example_stream().fill_truncated_normal<double>(values, 0, 1);
  BOOST_TEST(*std::min_element(values.begin(), values.end()) >= -2.0);
  BOOST_TEST(*std::max_element(values.begin(), values.end()) <= 2.0);
  const double below = normal_distribution(-2), inside = 1 - 2 * below;
  BOOST_TEST(kolmogorov_smirnov(values, [&](double x) {
               return (normal_distribution(x) - below) / inside;
             }) < 1.95);
  BOOST_TEST(std::sqrt(moment_of(values, 2)) == 0.87962566103423978,
             boost::test_tools::tolerance(0.01));
}

BOOST_AUTO_TEST_CASE(the_keep_mask_keeps_with_its_probability) {
  const RandomStream stream = example_stream();
  for (const double probability : {0.1, 0.5, 0.9}) {
    std::vector<std::uint8_t> mask(kMany);
    stream.fill_keep_mask(mask, probability);
    BOOST_TEST(*std::max_element(mask.begin(), mask.end()) == 1);
    const double kept = std::accumulate(mask.begin(), mask.end(), 0.0);
    const double n = static_cast<double>(kMany);
    BOOST_TEST(std::abs(kept / n - probability) <
               4 * std::sqrt(probability * (1 - probability) / n));
  }
  std::vector<std::uint8_t> mask(1009, 2);
  stream.fill_keep_mask(mask, 1.0);
  BOOST_TEST(std::count(mask.begin(), mask.end(), 1) == 1009);
  stream.fill_keep_mask(mask, 0.0);
  BOOST_TEST(std::count(mask.begin(), mask.end(), 0) == 1009);
}

// Five deviations of an empirical correlation of independent numbers.
BOOST_AUTO_TEST_CASE(neighbours_steps_paths_and_kinds_are_independent) {
  const double bound = 5 / std::sqrt(static_cast<double>(kMany));
  const auto values = uniforms(example_stream(), kMany + 1);
  const std::vector<double> base(values.begin(), values.end() - 1);
  const std::vector<double> shifted(values.begin() + 1, values.end());
  std::vector<double> normal(kMany), truncated(kMany);
  example_stream().fill_normal<double>(normal, 0, 1);
  example_stream().fill_truncated_normal<double>(truncated, 0, 1);
  std::vector<std::uint8_t> mask(kMany);
  example_stream().fill_keep_mask(mask, 0.5);
  const std::vector<double> kept(mask.begin(), mask.end());
  BOOST_TEST(std::abs(correlation(base, shifted)) < bound);
  BOOST_TEST(std::abs(correlation(base, uniforms(example_stream(1), kMany))) < bound);
  BOOST_TEST(std::abs(correlation(base, uniforms(Rng(43).stream("layer.weight", 0), kMany))) <
             bound);
  BOOST_TEST(std::abs(correlation(base, uniforms(Rng(42).stream("layer.bias", 0), kMany))) < bound);
  BOOST_TEST(std::abs(correlation(base, normal)) < bound);
  BOOST_TEST(std::abs(correlation(base, kept)) < bound);
  BOOST_TEST(std::abs(correlation(normal, truncated)) < bound);
}

BOOST_AUTO_TEST_CASE(uniform_floats_stay_below_the_upper_limit) {
  // So close that half of the doubles between round up to the limit.
  const float low = 1.0f, high = std::nextafter(1.0f, 2.0f);
  std::vector<float> values(1009);
  example_stream().fill_uniform<float>(values, low, high);
  BOOST_TEST(std::count(values.begin(), values.end(), low) == 1009);
  example_stream().fill_uniform<float>(values, 3, 3);
  BOOST_TEST(std::count(values.begin(), values.end(), 3.0f) == 1009);
}

BOOST_AUTO_TEST_CASE(a_permutation_holds_every_number_once) {
  for (const std::int64_t n : {0, 1, 2, 3, 60013}) {
    auto order = example_stream().permutation(n);
    const auto again = example_stream().permutation(n);
    BOOST_TEST((order == again));
    std::sort(order.begin(), order.end());
    std::vector<std::int64_t> expected(static_cast<std::size_t>(n));
    std::iota(expected.begin(), expected.end(), std::int64_t{0});
    BOOST_TEST((order == expected));
  }
}

// Chi-squared with 23 degrees of freedom exceeds 49.7 once in a thousand.
BOOST_AUTO_TEST_CASE(all_orders_are_equally_likely) {
  std::map<std::vector<std::int64_t>, int> counts;
  const int trials = 24000;
  for (int step = 0; step < trials; ++step) ++counts[example_stream(step).permutation(4)];
  BOOST_TEST(counts.size() == 24u);
  double chi_squared = 0;
  for (const auto& [order, count] : counts) {
    chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  }
  BOOST_TEST(chi_squared < 49.7);
}

BOOST_AUTO_TEST_CASE(steps_advance_and_can_be_set) {
  Rng rng(7);
  BOOST_TEST(rng.seed() == 7u);
  BOOST_TEST(rng.next_step() == 0);
  BOOST_TEST(rng.next_step() == 1);
  BOOST_TEST(rng.step() == 2);
  rng.set_step(100);
  BOOST_TEST(rng.next_step() == 100);
  BOOST_TEST(rng.step() == 101);
}

BOOST_AUTO_TEST_CASE(bad_arguments_are_refused_and_nothing_is_written) {
  const RandomStream stream = example_stream();
  std::vector<double> values(5, 9.0);
  const auto refuses = [&](const std::string& text, const auto& call) {
    BOOST_CHECK_EXCEPTION(call(), ArgumentError,
                          [&](const Error& error) { return message_is(error, text); });
  };
  const std::span<double> span(values);
  refuses("[random] the step must lie in [0, 2^48); got -1", [] { Rng(1).stream("a", -1); });
  refuses("[random] the step must lie in [0, 2^48); got 281474976710656",
          [] { Rng(1).set_step(std::int64_t{1} << 48); });
  refuses("[uniform] the lower limit must not exceed the upper one; got 2.000000 and 1.000000",
          [&] { stream.fill_uniform(span, 2, 1); });
  refuses("[uniform] the upper limit must be finite; got inf",
          [&] { stream.fill_uniform(span, 2, kInfinity); });
  refuses("[uniform] the lower limit must be finite; got nan",
          [&] { stream.fill_uniform(span, std::nan(""), 2); });
  refuses("[uniform] the difference of the limits must be finite; got inf",
          [&] { stream.fill_uniform(span, -1e308, 1e308); });
  refuses("[normal] the deviation must not be negative; got -1.000000",
          [&] { stream.fill_normal(span, 0, -1); });
  refuses("[normal] the mean must be finite; got inf",
          [&] { stream.fill_normal(span, kInfinity, 1); });
  refuses("[truncated_normal] the deviation must be finite; got nan",
          [&] { stream.fill_truncated_normal(span, 0, std::nan("")); });
  refuses("[permutation] the number of elements must not be negative; got -3",
          [&] { stream.permutation(-3); });
  std::vector<std::uint8_t> mask(5, 9);
  refuses("[keep_mask] the probability must lie in [0, 1]; got 1.500000",
          [&] { stream.fill_keep_mask(mask, 1.5); });
  refuses("[keep_mask] the probability must lie in [0, 1]; got nan",
          [&] { stream.fill_keep_mask(mask, std::nan("")); });
  BOOST_TEST((values == std::vector<double>(5, 9.0)));
  BOOST_TEST((mask == std::vector<std::uint8_t>(5, 9)));
}

BOOST_AUTO_TEST_SUITE_END()
