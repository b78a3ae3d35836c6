#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <boost/archive/polymorphic_text_iarchive.hpp>
#include <boost/archive/polymorphic_text_oarchive.hpp>
#include <boost/archive/text_iarchive.hpp>
#include <boost/archive/text_oarchive.hpp>
#include <boost/archive/xml_iarchive.hpp>
#include <boost/archive/xml_oarchive.hpp>
#include <boost/serialization/vector.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/serialization/boost.hpp>
#include <limits>
#include <locale>
#include <serialization/small_network.hpp>
#include <sstream>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;
using boost::serialization::make_nvp;

namespace {

template <class O, class I>
struct Archives {
  using Output = O;
  using Input = I;
};
using AllArchives = std::tuple<
    Archives<boost::archive::binary_oarchive, boost::archive::binary_iarchive>,
    Archives<boost::archive::text_oarchive, boost::archive::text_iarchive>,
    Archives<boost::archive::xml_oarchive, boost::archive::xml_iarchive>,
    Archives<boost::archive::polymorphic_text_oarchive, boost::archive::polymorphic_text_iarchive>>;

template <class A, class... Values>
std::string written(Values&... values) {
  std::ostringstream stream;
  {
    typename A::Output archive(stream);
    ((archive & make_nvp("value", values)), ...);
  }
  return stream.str();
}

template <class A, class... Values>
void read(const std::string& bytes, Values&... values) {
  std::istringstream stream(bytes);
  typename A::Input archive(stream);
  ((archive & make_nvp("value", values)), ...);
}

// Groups of three digits, as in many countries.
class Grouping : public std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

class GlobalLocale {
 public:
  explicit GlobalLocale(const std::locale& locale) : before_(std::locale::global(locale)) {}
  ~GlobalLocale() { std::locale::global(before_); }

 private:
  std::locale before_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(boost_archives)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_trained_run_comes_back_to_the_same_bits, A, AllArchives) {
  Run<float> run;
  run.train(3);
  const std::string bytes = written<A>(run.net, run.optimizer, run.progress);
  Run<float> again;
  read<A>(bytes, again.net, again.optimizer, again.progress);
  BOOST_TEST((identical(state_of(again.net), state_of(run.net))));
  run.train(2);
  again.train(2);
  BOOST_TEST((identical(state_of(again.net), state_of(run.net))));
  BOOST_TEST((identical(state_of(again.optimizer), state_of(run.optimizer))));
  BOOST_TEST((identical(state_of(again.progress), state_of(run.progress))));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(every_value_of_every_kind, A, AllArchives) {
  using Limits = std::numeric_limits<double>;
  using Floats = std::numeric_limits<float>;
  StateDict state;
  state.add("f", Tensor<float>(
                     {2, 4}, {-0.0f, Floats::denorm_min(), Floats::max(), Floats::infinity(),
                              -Floats::infinity(), Floats::quiet_NaN(), std::nanf("0x123"), 0.1f}));
  state.add("d", Tensor<double>({6}, {-0.0, Limits::denorm_min(), -Limits::infinity(),
                                      -std::nan(""), std::nan("0x456"), 1.0 / 3}));
  state.add("i", Tensor<std::int64_t>({2}, {INT64_MIN, INT64_MAX}));
  std::vector<std::uint8_t> bytes(1009);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  state.add("u", Tensor<std::uint8_t>({1009}, std::span<const std::uint8_t>(bytes)));
  state.add("empty", Tensor<float>({0, 3}, 0.0f));
  state.add("scalar", Tensor<float>::scalar(2));
  state.add("integer", std::int64_t{-123456789});
  state.add("number", Limits::quiet_NaN());
  state.add("text", std::string("<&>\"'\0\n\xff caf\u00e9", 16));
  state.add("no text", std::string());
  state.add("caf\u00e9 <&>\"'", std::int64_t{1});
  StateDict again;
  const std::string archive = written<A>(state);
  read<A>(archive, again);
  BOOST_TEST((identical(state, again)));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(tensors_alone_and_in_containers, A, AllArchives) {
  const Tensor<double> defined({2, 1}, {1, 2});
  const std::vector<Tensor<double>> tensors{defined, {}, defined.reshaped({2})};
  const std::string archive = written<A>(defined, tensors);
  Tensor<double> one({1}, 7.0);
  std::vector<Tensor<double>> many;
  read<A>(archive, one, many);
  BOOST_TEST((identical(one, defined)));
  BOOST_REQUIRE(many.size() == 3u);
  BOOST_TEST((identical(many[0], defined)));
  BOOST_TEST(!many[1].defined());
  BOOST_TEST((many[2].shape() == Shape{2}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(no_locale_changes_an_archive, A, AllArchives) {
  StateDict state;
  state.add("large", std::int64_t{1234567890});
  state.add("tensor", Tensor<float>({1234}, 1e9f));
  state.add("text", std::string(2345, 'x'));
  const std::string plain = written<A>(state);
  std::string grouped;
  StateDict again;
  {
    const GlobalLocale locale(std::locale(std::locale::classic(), new Grouping));
    grouped = written<A>(state);
    read<A>(plain, again);
  }
  BOOST_TEST((identical(state, again)));
  BOOST_TEST((plain == grouped));
}

BOOST_AUTO_TEST_CASE(a_module_by_its_base_and_a_module_of_ones_own) {
  Run<float> run;
  run.train(1);
  Module<float>& base = run.net;
  const std::string archive = written<std::tuple_element_t<0, AllArchives>>(base);
  auto net = small_network<float>();
  read<std::tuple_element_t<0, AllArchives>>(archive, net);
  BOOST_TEST((identical(state_of(net), state_of(run.net))));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(another_architecture_changes_nothing, A, AllArchives) {
  Run<float> run;
  run.train(1);
  const std::string archive = written<A>(run.net);
  Run<float> other;
  other.train(1);
  Sequential<float> net;
  net.add(Linear<float>({.units = 3, .use_bias = false}));
  refuses<CheckpointError>(
      "[load_state] 'state' must fit the network; got 7 differences:\n"
      "  unexpected: linear.bias, float32 (3)\n"
      "  unexpected: linear_1.bias, float32 (2)\n"
      "  unexpected: linear_1.kernel, float32 (3, 2)\n"
      "  unexpected: residual.centering.moving_mean, float32 (3)\n"
      "  unexpected: residual.centering.updates, an integer\n"
      "  unexpected: residual.inner.bias, float32 (3)\n"
      "  unexpected: residual.inner.kernel, float32 (3, 3)",
      [&] { read<A>(archive, net); });
  BOOST_TEST(!net.built());
}

BOOST_AUTO_TEST_CASE(text_that_is_no_state) {
  using Text = Archives<boost::archive::text_oarchive, boost::archive::text_iarchive>;
  const auto refused = [](const std::string& message, auto&... texts) {
    const std::string archive = written<Text>(texts...);
    refuses<CheckpointError>("[boost] an archive must hold " + message, [&] {
      std::istringstream stream(archive);
      typename Text::Input input(stream);
      detail::load_state_dict(input);
    });
  };
  std::string many = "many", one = "1", name = "a", kind = "float128", number = "integer",
              word = "x y";
  refused("integers; got 'many'", many);
  refused("a known kind of value; got 'float128'", one, name, kind);
  refused("integers; got 'x y'", one, name, number, word);
  std::string f32 = "float32", yes = "yes", shape = "2", bits = "3f800000 zzz";
  refused("a tensor; got 'a'", one, name, f32, name);
  refused("hexadecimal words; got '3f800000 zzz'", one, name, f32, yes, shape, bits);
}

BOOST_AUTO_TEST_SUITE_END()
