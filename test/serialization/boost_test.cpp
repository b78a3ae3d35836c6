#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <boost/archive/polymorphic_binary_iarchive.hpp>
#include <boost/archive/polymorphic_binary_oarchive.hpp>
#include <boost/archive/polymorphic_text_iarchive.hpp>
#include <boost/archive/polymorphic_text_oarchive.hpp>
#include <boost/archive/polymorphic_xml_iarchive.hpp>
#include <boost/archive/polymorphic_xml_oarchive.hpp>
#include <boost/archive/text_iarchive.hpp>
#include <boost/archive/text_oarchive.hpp>
#include <boost/archive/xml_iarchive.hpp>
#include <boost/archive/xml_oarchive.hpp>
#include <boost/serialization/vector.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/optim/rmsprop.hpp>
#include <lamina/optim/sgd.hpp>
#include <lamina/serialization/boost.hpp>
#include <limits>
#include <locale>
#include <random>
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
using Binary = Archives<boost::archive::binary_oarchive, boost::archive::binary_iarchive>;
using Text = Archives<boost::archive::text_oarchive, boost::archive::text_iarchive>;
using Xml = Archives<boost::archive::xml_oarchive, boost::archive::xml_iarchive>;
using PolymorphicBinary = Archives<boost::archive::polymorphic_binary_oarchive,
                                   boost::archive::polymorphic_binary_iarchive>;
using PolymorphicText =
    Archives<boost::archive::polymorphic_text_oarchive, boost::archive::polymorphic_text_iarchive>;
using PolymorphicXml =
    Archives<boost::archive::polymorphic_xml_oarchive, boost::archive::polymorphic_xml_iarchive>;
using PolymorphicArchives = std::tuple<PolymorphicBinary, PolymorphicText, PolymorphicXml>;
using AllArchives =
    std::tuple<Binary, Text, Xml, PolymorphicBinary, PolymorphicText, PolymorphicXml>;

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
  state.add("text", std::string("<&>\"'\0\n\xff caf\u00e9", 14));
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
  const std::string archive = written<Binary>(base);
  auto net = small_network<float>();
  read<Binary>(archive, net);
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

// Where only the interface is known, as in a plugin, and the other side knows the type.
BOOST_AUTO_TEST_CASE_TEMPLATE(polymorphic_archives_by_their_interface, A, PolymorphicArchives) {
  Run<double> run;
  run.train(2);
  std::ostringstream output;
  {
    typename A::Output archive(output);
    boost::archive::polymorphic_oarchive& interface = archive;
    interface << make_nvp("value", run.net) << make_nvp("value", run.optimizer)
              << make_nvp("value", run.progress);
  }
  BOOST_TEST((output.str() == written<A>(run.net, run.optimizer, run.progress)));
  Run<double> again;
  std::istringstream input(output.str());
  typename A::Input archive(input);
  boost::archive::polymorphic_iarchive& interface = archive;
  interface >> make_nvp("value", again.net) >> make_nvp("value", again.optimizer) >>
      make_nvp("value", again.progress);
  BOOST_TEST((identical(state_of(again.net), state_of(run.net))));
  BOOST_TEST((identical(state_of(again.optimizer), state_of(run.optimizer))));
  BOOST_TEST((identical(state_of(again.progress), state_of(run.progress))));
}

// Every sign and exponent with seven bits of the fraction, and the lowest bits at random.
BOOST_AUTO_TEST_CASE_TEMPLATE(floats_of_every_kind, A, AllArchives) {
  auto floats = Tensor<float>::uninitialized({65536});
  auto doubles = Tensor<double>::uninitialized({65536});
  std::mt19937_64 random(1);
  for (std::uint64_t i = 0; i < 65536; ++i) {
    floats.mutable_data()[i] =
        std::bit_cast<float>(static_cast<std::uint32_t>(i << 16 | (random() & 0xffff)));
    doubles.mutable_data()[i] = std::bit_cast<double>(i << 48 | (random() >> 16));
  }
  const std::string archive = written<A>(floats, doubles);
  Tensor<float> floats_again;
  Tensor<double> doubles_again;
  read<A>(archive, floats_again, doubles_again);
  BOOST_TEST(identical(floats, floats_again));
  BOOST_TEST(identical(doubles, doubles_again));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(tied_layers_are_stored_once, A, AllArchives) {
  const auto make = [] {
    Linear<float> linear({.units = 5});
    Sequential<float> net;
    net.add(share(linear)).add(share(linear));
    return net;
  };
  Sequential<float> net = make(), again = make();
  Tape<float> tape;
  Rng rng(3);
  net(small_input<float>(), Context<float>::for_training(tape, rng));
  read<A>(written<A>(net), again);
  BOOST_TEST(state_of(again).size() == 2);
  BOOST_TEST((identical(state_of(again), state_of(net))));
  BOOST_TEST(identical(again(small_input<float>(), Context<float>::for_inference()).value(),
                       net(small_input<float>(), Context<float>::for_inference()).value()));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(banks_of_moving_statistics, A, AllArchives) {
  const BatchNormalizationOptions options{.renorm = true, .banks = {"generated"}};
  BatchNormalization<float> net(options), again(options);
  Tape<float> tape;
  Rng rng(3);
  for (const char* bank : {"", "generated"}) {
    net(Variable<float>(small_input<float>()), Context<float>::for_training(tape, rng),
        {.bank = bank});
  }
  const std::string archive = written<A>(net);
  read<A>(archive, again);
  BOOST_TEST(state_of(again).contains("generated.moving_mean"));
  BOOST_TEST((identical(state_of(again), state_of(net))));
  BatchNormalization<float> plain({.renorm = true});
  BOOST_CHECK_THROW(read<A>(archive, plain), CheckpointError);
  BOOST_TEST(!plain.built());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(networks_without_state, A, AllArchives) {
  Sequential<float> empty, again;
  StateDict nothing, was_full;
  was_full.add("a", std::int64_t{1});
  const std::string archive = written<A>(empty, nothing);
  read<A>(archive, again, was_full);
  BOOST_TEST(state_of(again).size() == 0);
  BOOST_TEST(was_full.size() == 0);
  auto net = small_network<float>();
  refuses<StateError>(
      "[linear.kernel] a value must exist before it can be saved; got a network that was never "
      "called, built or loaded",
      [&] { written<A>(net); });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(another_optimizer_or_run_changes_nothing, A, AllArchives) {
  Run<float> run;
  run.train(1);
  SGD<float> sgd(run.net.parameters(), {.learning_rate = 0.5, .momentum = 0.9});
  const StateDict before = state_of(sgd);
  const std::string adam = written<A>(run.optimizer);
  refuses<CheckpointError>("[boost] an archive must hold the state of 'sgd'; got 'adam'",
                           [&] { read<A>(adam, sgd); });
  BOOST_TEST((identical(state_of(sgd), before)));

  Sequential<float> other;
  other.add(Linear<float>({.units = 3}));
  Tape<float> tape;
  other(small_input<float>(), Context<float>::for_training(tape, run.progress.rng));
  Adam<float> small(other.parameters(), {.learning_rate = 0.25});
  const StateDict small_before = state_of(small);
  BOOST_CHECK_EXCEPTION(read<A>(adam, small), CheckpointError, [](const CheckpointError& error) {
    const std::string text = error.what();
    return text.find("unexpected: optimizer linear_1.kernel") != std::string::npos &&
           text.find("unexpected: optimizer residual.inner.bias") != std::string::npos;
  });
  BOOST_TEST((identical(state_of(small), small_before)));

  Progress<float> bad = run.progress, target;
  bad.epoch = -1;
  // Its own visit() refuses it, when it saves already.
  refuses<ArgumentError>("[progress] epoch must not be negative; got -1", [&] { written<A>(bad); });
  StateDict wrong;
  for (const auto& [name, value] : state_of(run.progress)) {
    wrong.add(name, name == "epoch" ? StateValue(std::int64_t{-1}) : value);
  }
  const StateDict target_before = state_of(target);
  refuses<ArgumentError>("[progress] epoch must not be negative; got -1",
                         [&] { load_state(target, wrong); });
  BOOST_TEST((identical(state_of(target), target_before)));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(every_optimizer, A, AllArchives) {
  const auto comes_back = [](auto make) {
    auto net = small_network<float>(), other = small_network<float>();
    Tape<float> tape;
    Rng rng(5);
    net(small_input<float>(), Context<float>::for_training(tape, rng));
    auto optimizer = make(net), again = make(other);
    for (int step = 0; step < 3; ++step) {
      tape.clear();
      const Variable<float> y = net(small_input<float>(), Context<float>::for_training(tape, rng));
      tape.backward(mean(multiply(y, y)));
      optimizer.step();
    }
    const std::string archive = written<A>(net, optimizer);
    read<A>(archive, other, again);
    BOOST_TEST((identical(state_of(again), state_of(optimizer))), optimizer.type());
    BOOST_TEST(state_of(again).size() > 1);
  };
  comes_back([](auto& net) {
    return SGD<float>(net.parameters(), {.learning_rate = 0.1, .momentum = 0.9, .nesterov = true});
  });
  comes_back([](auto& net) {
    return RMSprop<float>(net.parameters(),
                          {.learning_rate = 0.1, .momentum = 0.5, .centered = true});
  });
  comes_back([](auto& net) {
    return Adam<float>(net.parameters(), {.learning_rate = 0.1, .amsgrad = true});
  });
}

// The class version stands in an XML archive as version="1".
BOOST_AUTO_TEST_CASE(archives_of_later_versions_are_refused) {
  const auto refused = [](auto object, auto target) {
    std::string archive = written<Xml>(object);
    const std::string now = "version=\"1\">";
    BOOST_REQUIRE(archive.find(now) != std::string::npos);
    archive.replace(archive.find(now), now.size(), "version=\"2\">");
    refuses<CheckpointError>("[boost] an archive must hold a class version up to 1; got '2'",
                             [&] { read<Xml>(archive, target); });
  };
  Run<float> run;
  run.train(1);
  refused(Tensor<float>({1}, 1.0f), Tensor<float>());
  refused(state_of(run.net), StateDict());
  refused(run.net, small_network<float>());
  refused(run.progress, Progress<float>());
  refused(Adam<float>(run.net.parameters(), {}), Adam<float>(run.net.parameters(), {}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(archives_that_end_too_early, A, AllArchives) {
  const Tensor<double> tensor({2, 3}, 0.1);
  const std::string archive = written<A>(tensor);
  Tensor<double> target({1}, 7.0);
  for (std::size_t length = 0; length < archive.size() / 2; ++length) {
    bool refused = false;
    try {
      read<A>(archive.substr(0, length), target);
    } catch (const CheckpointError&) {  // text archives read nothing where the end is
      refused = true;
    } catch (const boost::archive::archive_exception&) {
      refused = true;
    }
    BOOST_TEST(refused, "cut to " << length << " bytes");
  }
  BOOST_TEST(identical(target, Tensor<double>({1}, 7.0)));
}

BOOST_AUTO_TEST_CASE(text_that_is_no_state) {
  const auto refused = [](const std::string& message, auto&... texts) {
    const std::string archive = written<Text>(texts...);
    refuses<CheckpointError>("[boost] an archive must hold " + message, [&] {
      std::istringstream stream(archive);
      typename Text::Input input(stream);
      detail::load_state_dict(input);
    });
  };
  std::string many = "many", one = "1", name = "a", kind = "float128", number = "integer",
              word = "x y", minus = "-1";
  refused("integers; got 'many'", many);
  refused("a known kind of value; got 'float128'", one, name, kind);
  refused("integers; got 'x y'", one, name, number, word);
  std::string f32 = "float32", yes = "yes", shape = "2", bits = "3f800000 zzz";
  refused("a tensor; got 'a'", one, name, f32, name);
  refused("no negative 'count'; got '-1'", minus);
  std::string text = "text", extents = "2 -3", overflow = "4611686018427387904 4";
  refused("no negative 'length'; got '-1'", one, name, text, minus);
  refused("a shape that a tensor can have; got '2 -3'", one, name, f32, yes, extents);
  refused("a shape that a tensor can have; got '4611686018427387904 4'", one, name, f32, yes,
          overflow);
  refused("a number 'count'; got '2 -3'", extents);
  refused("hexadecimal words; got '3f800000 zzz'", one, name, f32, yes, shape, bits);
}

BOOST_AUTO_TEST_SUITE_END()
