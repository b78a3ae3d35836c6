#include <boost/test/unit_test.hpp>
#include <lamina/nn/options.hpp>
#include <type_traits>

#include "support/option_store.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

enum class Fruit { apple, pear };

struct Basket {
  Required<std::int64_t> count;
  Required<Extents2> size;
  Required<std::vector<std::int64_t>> places;
  Required<double> weight;
  Fruit fruit = Fruit::apple;
};

// Forgetting a required field must not compile.
static_assert(!std::is_default_constructible_v<Required<std::int64_t>>);
static_assert(!std::is_default_constructible_v<Basket>);

BOOST_AUTO_TEST_SUITE(options_suite)

BOOST_AUTO_TEST_CASE(required_fields_take_values_as_plain_ones_do) {
  const int seven = 7;
  Basket basket{.count = seven, .size = {5, 3}, .places = {1, 2, 3}, .weight = 2};
  BOOST_TEST(basket.count == 7);
  BOOST_TEST(basket.size.value[1] == 3);
  BOOST_TEST(basket.places.value.size() == 3u);
  BOOST_TEST(basket.weight == 2.0);
  const std::vector<std::int64_t> places{4};
  const Basket other{.count = 1, .size = Extents2{1, 2}, .places = places, .weight = 0.5f};
  basket = other;
  Basket copy = basket;
  BOOST_TEST(copy.places.value == places);
  copy.weight = 3;
  BOOST_TEST(copy.weight == 3.0);
  BOOST_TEST(basket.weight == 0.5);
}

BOOST_AUTO_TEST_CASE(choices_go_by_name) {
  Fruit fruit = Fruit::pear;
  OptionStore store;
  visit_choice(store, "fruit", fruit, {"apple", "pear"});
  BOOST_TEST(texts_of(store).at("fruit") == "pear");
  fruit = Fruit::apple;
  visit_choice(store.reading(), "fruit", fruit, {"apple", "pear"});
  BOOST_TEST((fruit == Fruit::pear));
  store.fields.insert_or_assign("fruit", std::string("plum"));
  refuses<ArgumentError>("[fruit] the choice must be one of apple, pear; got 'plum'", [&] {
    visit_choice(store, "fruit", fruit, {"apple", "pear"});
  });
  BOOST_TEST((fruit == Fruit::pear));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
