// Paths of parameters, names within a module, and the types that modules take from their classes.
#include <boost/test/unit_test.hpp>
#include <lamina/lamina.hpp>

#include "support/modules.hpp"
#include "support/numbers.hpp"
#include "support/refusal.hpp"
#include "support/two_level_network.hpp"

namespace lamina::test {
namespace {

template <class T>
struct Holder {
  struct Held : Module<double> {
    void visit(Visitor<double>&) override {}
    Variable<double> forward(const Variable<double>& x, const Context<double>&) const override {
      return x;
    }
  };
};

// Lists what a function says.
class Listed : public Module<double> {
 public:
  std::function<void(Visitor<double>&)> list;
  void visit(Visitor<double>& v) override { list(v); }
  Variable<double> forward(const Variable<double>& x, const Context<double>&) const override {
    return x;
  }
  std::string type() const override { return "listed"; }
};

BOOST_AUTO_TEST_SUITE(naming_suite)

BOOST_AUTO_TEST_CASE(paths_are_dotted_from_the_root) {
  Net net = network();
  Rng rng(1);
  net(Tensor<double>::ones({2, 7}), building(rng));
  std::vector<std::string> paths;
  for (const auto& parameter : net.parameters()) paths.push_back(parameter->path);
  const std::vector<std::string> expected{"block.in.kernel", "block.in.bias", "block.out.kernel",
                                          "block.out.bias",  "head.kernel",   "head.bias"};
  BOOST_TEST(paths == expected, boost::test_tools::per_element());
  BOOST_TEST(net.path() == "");
  BOOST_TEST(net.at(0).path() == "block");
}

BOOST_AUTO_TEST_CASE(a_part_keeps_the_names_that_it_has_in_the_whole) {
  const auto paths = [](Module<double>& module) {
    std::vector<std::string> list;
    for (const auto& parameter : module.parameters()) list.push_back(parameter->path);
    return list;
  };
  using Paths = std::vector<std::string>;
  const Paths whole{"block.in.kernel", "block.in.bias", "block.out.kernel",
                    "block.out.bias",  "head.kernel",   "head.bias"};
  for (const bool called : {false, true}) {
    Net net = network();
    Rng rng(1);
    if (called) net(Tensor<double>::ones({2, 7}), building(rng));
    BOOST_TEST(paths(net) == whole);
    BOOST_TEST(paths(net.at(0)) == Paths(whole.begin(), whole.begin() + 4));
    BOOST_TEST(paths(net.at(1)) == Paths(whole.begin() + 4, whole.end()));
    if (called) {
      load_state(net.at(0), state_of(net.at(0)));
      BOOST_TEST(net.at(0).parameters()[0]->path == whole[0]);
    }
    // A copy is a tree of its own.
    Dense<double> copy = dynamic_cast<Dense<double>&>(net.at(1));
    BOOST_TEST(paths(copy) == (Paths{"kernel", "bias"}));
    BOOST_TEST(paths(net) == whole);
  }
  // Named after its parts.
  Net late = network();
  BOOST_TEST(paths(late.at(1)) == (Paths{"kernel", "bias"}));
  BOOST_TEST(paths(late) == whole);
}

BOOST_AUTO_TEST_CASE(a_part_is_a_root_again_when_the_whole_is_gone) {
  Dense<double> dense({.units = 1});
  {
    Listed whole;
    whole.list = [&](Visitor<double>& v) { v("inner", dense); };
    BOOST_TEST(whole.parameters()[0]->path == "inner.kernel");
    BOOST_TEST(dense.parameters()[0]->path == "inner.kernel");
    const Listed moved = std::move(whole);
    BOOST_TEST(dense.parameters()[0]->path == "inner.kernel");
  }
  BOOST_TEST(dense.parameters()[0]->path == "kernel");
}

BOOST_AUTO_TEST_CASE(a_tree_that_moves_takes_its_names_along) {
  Block block;
  const auto parameters = block.parameters();
  Block moved = std::move(block);
  BOOST_TEST((moved.out.parameters()[0] == parameters[2]));
  BOOST_TEST(parameters[2]->path == "out.kernel");
  std::swap(moved.in, moved.out);
  BOOST_TEST(moved.in.path() == "in");
  BOOST_TEST(moved.out.path() == "out");
}

BOOST_AUTO_TEST_CASE(what_is_assigned_to_a_part_takes_its_names) {
  Block block;
  const auto watched = block.parameters();
  Rng rng(1);
  Dense<double> other({.units = 5});
  other(Tensor<double>::ones({2, 7}), building(rng));
  block.in = other;
  BOOST_TEST(block.in.kernel().path() == "in.kernel");
  BOOST_TEST(watched[0]->path == "in.kernel");
  BOOST_TEST(identical(watched[0]->value, other.kernel().value()));
  BOOST_TEST(other.kernel().path() == "kernel");
}

BOOST_AUTO_TEST_CASE(what_is_put_into_a_network_that_was_called_is_named) {
  Rng rng(1);
  const auto called = [&](Net module) {
    ModulePointer<double> pointer(std::move(module));
    (*pointer)(Tensor<double>::ones({2, 7}), building(rng));
    return pointer;
  };
  const auto single = [] {
    Net net;
    net.add<Dense>({.units = 7});
    return net;
  };
  Net net = single();
  net(Tensor<double>::ones({2, 7}), building(rng));
  net.append(called(single()), "a");
  net(Tensor<double>::ones({2, 7}), building(rng));
  BOOST_TEST(net.at(1).path() == "a");
  net.replace(1, called(single()));
  net(Tensor<double>::ones({2, 7}), building(rng));
  BOOST_TEST(net.at(1).path() == "a");
}

BOOST_AUTO_TEST_CASE(names_within_a_module_must_differ) {
  Parameter<double> a, b;
  Buffer<double> buffer;
  Counter counter;
  Dense<double> dense({.units = 1});
  Listed module;
  const auto refused = [&](const std::string& kind, auto list) {
    module.list = list;
    refuses<StateError>(
        "[visit] names within a module must differ; got two members at path 'w', the second is a " +
            kind,
        [&] { module.name_tree(); });
  };
  refused("parameter", [&](Visitor<double>& v) { v("w", a), v("w", b); });
  refused("buffer", [&](Visitor<double>& v) { v("w", a), v("w", buffer); });
  refused("counter", [&](Visitor<double>& v) { v("w", a), v("w", counter); });
  refused("module", [&](Visitor<double>& v) { v("w", a), v("w", dense); });
}

BOOST_AUTO_TEST_CASE(default_types_are_class_names) {
  struct Simple : Module<double> {
    void visit(Visitor<double>&) override {}
    Variable<double> forward(const Variable<double>& x, const Context<double>&) const override {
      return x;
    }
  };
  BOOST_TEST(Simple().type() == "simple");
  BOOST_TEST(Meter<float>().type() == "meter");
  BOOST_TEST(Holder<std::vector<float>>::Held().type() == "held");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
