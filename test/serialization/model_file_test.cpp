#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/lamina.hpp>
#include <limits>
#include <serialization/fake_file_system.hpp>
#include <serialization/small_network.hpp>
#include <support/files.hpp>
#include <support/refusal.hpp>
#include <thread>

using namespace lamina;
using namespace lamina::test;

namespace {

template <Scalar T>
Registry<T> small_registry() {
  Registry<T> registry;
  registry.template add<Linear>();
  registry.template add<Residual<T>>();
  registry.template add<Centering<T>>();
  return registry;
}

template <Scalar T>
void build(Module<T>& net, const Tensor<T>& input = small_input<T>()) {
  Tape<T> tape;
  Rng rng(5);
  net(input, Context<T>::for_training(tape, rng));
}

template <Scalar T>
Tensor<T> output(const Module<T>& net, const Tensor<T>& input = small_input<T>()) {
  return net(input, Context<T>::for_inference()).value();
}

class Doubled : public InitializerFunction {
  Tensor<float> make(const Shape& shape, const RandomStream&, float) const override {
    return Tensor<float>(shape, 2);
  }
  Tensor<double> make(const Shape& shape, const RandomStream&, double) const override {
    return Tensor<double>(shape, 2);
  }
};

// Not what it seems: a Sequential with another forward.
struct Reversed : Sequential<float> {};

// Its state depends on what no option tells.
struct Secret : Module<float> {
  explicit Secret(int layers = 1) {
    for (int i = 0; i < layers; ++i) inner.add(Linear<float>({.units = 5}));
  }
  Sequential<float> inner;
  void visit(Visitor<float>& v) override { v("inner", inner); }
  Variable<float> forward(const Variable<float>& x, const Context<float>& ctx) const override {
    return inner(x, ctx);
  }
};

FakeFileSystem saved(const Module<float>& net) {
  FakeFileSystem files;
  save_model("file", net, files);
  return files;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_files)

BOOST_AUTO_TEST_CASE(a_network_comes_back_without_its_code) {
  auto net = small_network<double>();
  build(net);
  FakeFileSystem files;
  save_model("file", net, files);
  const ModulePointer<double> model = load_model<double>("file", small_registry<double>(), files);
  BOOST_TEST(model->built());
  BOOST_TEST((identical(state_of(*model), state_of(net))));
  BOOST_TEST((identical(output(*model), output(net))));
  const auto& again = dynamic_cast<const Sequential<double>&>(*model);
  BOOST_TEST(again.size() == 3);
  BOOST_TEST(again.name_at(2) == "linear_1");
  BOOST_TEST(again.at(2).path() == "linear_1");

  FakeFileSystem second;
  save_model("file", *model, second);
  BOOST_TEST((second.files == files.files));

  // It can be trained further, and copied.
  ModulePointer<double> copy = model;
  build(*copy);
  BOOST_TEST(!identical(state_of(*copy), state_of(*model)));
}

BOOST_AUTO_TEST_CASE(every_kind_of_option_comes_back) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Sequential<float> inner;
  inner.add(Linear<float>({.units = 3,
                           .use_bias = false,
                           .factor = -0.0,
                           .kernel_initializer = truncated_normal(0.25, 1e-300),
                           .kernel_regularizer = l1_l2(0.125, 3),
                           .kernel_constraint = max_norm(2.5, {0}),
                           .integers = {INT64_MIN, 0, 7},
                           .extents = {3, 5},
                           .maybe = false,
                           .limit = kInfinity,
                           .count = -1,
                           .note = std::string("caf\u00e9\0\n", 7),
                           .name = "first"}));
  Sequential<float> net;
  net.append(ModulePointer<float>(std::move(inner)), "inside");
  net.add(Linear<float>({.units = 2}));
  build(net);
  auto files = saved(net);
  const auto model = load_model<float>("file", small_registry<float>(), files);
  auto& outer = dynamic_cast<const Sequential<float>&>(*model);
  BOOST_TEST(outer.name_at(0) == "inside");
  auto& again = dynamic_cast<const Sequential<float>&>(outer.at(0));
  BOOST_TEST(again.name_at(0) == "first");
  const LinearOptions& o = dynamic_cast<const Linear<float>&>(again.at(0)).options();
  BOOST_TEST(o.units.value == 3);
  BOOST_TEST(!o.use_bias);
  BOOST_TEST((o.factor == 0 && std::signbit(o.factor)));
  BOOST_TEST(o.kernel_initializer.describe().name == "truncated_normal");
  BOOST_TEST((o.kernel_initializer.describe().numbers ==
              truncated_normal(0.25, 1e-300).describe().numbers));
  BOOST_TEST((o.kernel_regularizer.describe().numbers == l1_l2(0.125, 3).describe().numbers));
  BOOST_TEST((o.kernel_constraint.describe().numbers == max_norm(2.5, {0}).describe().numbers));
  BOOST_TEST((o.integers == std::vector<std::int64_t>{INT64_MIN, 0, 7}));
  BOOST_TEST((o.extents == Extents2{3, 5}));
  BOOST_TEST((o.maybe == std::optional<bool>(false)));
  BOOST_TEST((o.limit == std::optional<double>(kInfinity)));
  BOOST_TEST((o.count == std::optional<std::int64_t>(-1)));
  BOOST_TEST(o.note.size() == 7u);
  const LinearOptions& plain = dynamic_cast<const Linear<float>&>(outer.at(1)).options();
  BOOST_TEST(!plain.maybe);
  BOOST_TEST(!plain.limit);
  BOOST_TEST(!plain.count);
  BOOST_TEST(!plain.kernel_initializer);
}

BOOST_AUTO_TEST_CASE(a_module_that_is_no_sequential_may_be_the_root) {
  Residual<float> block;
  const auto input = Tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  build(block, input);
  auto files = saved(block);
  const auto model = load_model<float>("file", small_registry<float>(), files);
  BOOST_TEST((identical(output(*model, input), output(block, input))));
}

BOOST_AUTO_TEST_CASE(a_loaded_model_answers_from_many_threads) {
  auto net = small_network<float>();
  build(net);
  auto files = saved(net);
  const auto model = load_model<float>("file", small_registry<float>(), files);
  const Tensor<float> expected = output(net);
  std::vector<Tensor<float>> answers(4);
  std::vector<std::thread> workers;
  for (auto& answer : answers) {
    workers.emplace_back([&] {
      for (int i = 0; i < 50; ++i) answer = output(*model);
    });
  }
  for (auto& worker : workers) worker.join();
  for (const auto& answer : answers) BOOST_TEST((identical(answer, expected)));
}

BOOST_AUTO_TEST_CASE(code_in_options_is_refused_with_path_and_option) {
  FakeFileSystem files;
  const auto refused = [&](LinearOptions options, const std::string& what) {
    Sequential<float> inner;
    inner.add(Linear<float>(std::move(options)));
    Sequential<float> net;
    net.add(std::move(inner));
    build(net);
    refuses<CheckpointError>("[save_model] 'file' must be made from options without code; got " +
                                 what + " of 'sequential.linear'",
                             [&] { save_model("file", net, files); });
    save_checkpoint("always", CheckpointParts<float>{net}, files);
  };
  refused({.units = 1, .closure = true}, "a function as option 'hook'");
  refused({.units = 1, .kernel_initializer = Initializer(std::make_shared<Doubled>())},
          "a type of the user's own as option 'kernel_initializer'");
  BOOST_TEST(!files.files.contains("file"));
}

BOOST_AUTO_TEST_CASE(types_must_be_registered) {
  auto net = small_network<float>();
  build(net);
  auto files = saved(net);
  Registry<float> registry;
  registry.add<Linear>();
  refuses<CheckpointError>(
      "[load_model] 'file' must hold only types that are registered; got 'residual' at 'residual', "
      "registered are: linear",
      [&] { load_model<float>("file", registry, files); });
  refuses<CheckpointError>(
      "[load_model] 'file' must hold only types that are registered; got 'linear' at 'linear', "
      "registered are: none",
      [&] { load_model<float>("file", Registry<float>(), files); });
}

BOOST_AUTO_TEST_CASE(what_cannot_be_made_again_is_refused) {
  Sequential<float> net;
  net.add(Reversed());
  refuses<CheckpointError>(
      "[save_model] 'file' must be made of modules that name their own type; got a "
      "type derived from Sequential without type() at 'sequential'",
      [&] { saved(net); });

  Secret secret(2);
  build(secret, Tensor<float>({1, 5}, 1.0f));
  auto files = saved(secret);
  Registry<float> registry;
  registry.add<Secret>();
  refuses<CheckpointError>(
      "[load_model] 'file' must describe what its types make; got a module that is "
      "not made at 'inner.linear_1'",
      [&] { load_model<float>("file", registry, files); });

  auto unbuilt = small_network<float>();
  BOOST_CHECK_THROW(saved(unbuilt), StateError);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_is_no_model_file_but_a_model_file_is_a_checkpoint) {
  auto net = small_network<float>();
  build(net);
  FakeFileSystem files;
  save_checkpoint("checkpoint", CheckpointParts<float>{net}, files);
  refuses<CheckpointError>(
      "[load_model] 'checkpoint' must be a model file (save_model writes one); got a "
      "checkpoint without architecture",
      [&] { load_model<float>("checkpoint", small_registry<float>(), files); });
  save_model("model", net, files);
  auto again = small_network<float>();
  load_checkpoint("model", CheckpointParts<float>{again}, files);
  BOOST_TEST((identical(state_of(again), state_of(net))));
  BOOST_CHECK_EXCEPTION(
      load_model<double>("model", small_registry<double>(), files), CheckpointError,
      [](const Error& error) {
        return std::string(error.what())
                   .find("other type: linear.kernel is float32 (5, 3), expected float64") !=
               std::string::npos;
      });
}

BOOST_AUTO_TEST_CASE(tied_children_are_tied_again) {
  Linear<float> linear({.units = 5});
  Sequential<float> net;
  net.add(share(linear)).add(Linear<float>({.units = 5})).add(share(linear));
  build(net);
  auto files = saved(net);
  auto model = load_model<float>("file", small_registry<float>(), files);
  BOOST_TEST((identical(output(*model), output(net))));
  BOOST_TEST(model->parameters().size() == 4u);
  auto& again = dynamic_cast<Sequential<float>&>(*model);
  auto& first = dynamic_cast<Linear<float>&>(again.at(0));
  auto& last = dynamic_cast<Linear<float>&>(again.at(2));
  BOOST_TEST(first.kernel.data() == last.kernel.data());
  const auto copy = model;
  BOOST_TEST(dynamic_cast<const Linear<float>&>(dynamic_cast<const Sequential<float>&>(*copy).at(0))
                 .kernel.data() != first.kernel.data());
}

BOOST_AUTO_TEST_CASE(ties_of_parts_are_refused) {
  Linear<float> a({.units = 5}), b({.units = 5});
  b.kernel = [&] {
    SharingScope scope;
    return Parameter<float>(a.kernel);
  }();
  Sequential<float> net;
  net.add(share(a)).add(share(b));
  build(net);
  refuses<CheckpointError>(
      "[save_model] 'file' must tie only whole children of a Sequential; got 'linear.kernel' tied "
      "to "
      "'linear_1.kernel'",
      [&] { saved(net); });
}

BOOST_AUTO_TEST_CASE(the_layers_of_the_library) {
  Sequential<float> net;
  net.add<Conv2D>({.filters = 3, .kernel = {3, 3}, .use_bias = false})
      .add<BatchNormalization>({.momentum = 0.5, .gamma_regularizer = l2(1e-4)})
      .add<ReLU>()
      .add<MaxPool2D>({.pool = {2, 2}})
      .add<Dropout>({.rate = 0.25})
      .add<Flatten>()
      .add<Dense>({.units = 4})
      .add<Softmax>();
  Tensor<float> images = Tensor<float>::uninitialized({2, 8, 7, 1});
  Rng(2).stream("images", 0).fill_normal<float>(images.mutable_values(), 0, 1);
  build(net, images);
  const TemporaryFolder folder;
  const std::string path = (folder / "model.lamina").string();
  save_model(path, net);
  const ModulePointer<float> model = load_model<float>(path);
  BOOST_TEST((identical(output(*model, images), output(net, images))));
}

BOOST_AUTO_TEST_CASE(normalizations_of_examples) {
  Sequential<double> net;
  net.add<InstanceNormalization>({.axis = 1, .center = false, .gamma_initializer = uniform(1, 2)})
      .add<GroupNormalization>({.groups = 3, .axis = -3, .gamma_regularizer = l2(1e-4)})
      .add<LayerNormalization>({.axis = {-1, 2}, .epsilon = 1e-5, .beta_initializer = uniform()});
  Tensor<double> images = Tensor<double>::uninitialized({2, 6, 5, 7});
  Rng(2).stream("images", 0).fill_normal<double>(images.mutable_values(), 0, 1);
  build(net, images);
  const TemporaryFolder folder;
  const std::string path = (folder / "model.lamina").string();
  save_model(path, net);
  const ModulePointer<double> model = load_model<double>(path);
  BOOST_TEST((identical(output(*model, images), output(net, images))));
  const auto& again = dynamic_cast<const Sequential<double>&>(*model);
  const auto& last = dynamic_cast<const LayerNormalization<double>&>(again.at(2));
  BOOST_TEST((last.options().axis == std::vector<std::int64_t>{-1, 2}));
  BOOST_TEST((last.beta().shape() == Shape{5, 7}));
  // What was loaded refuses other images as what was built did.
  refuses<ShapeError>(
      "[instance_normalization] axis 1 must have 6 channels; got input (2, 4, 5, 7)", [&] {
        output(*model, Tensor<double>({2, 4, 5, 7}, 1.0));
      });
}

BOOST_AUTO_TEST_CASE(checkpointed_blocks_come_back_as_such) {
  const auto network = [](bool recompute) {
    Sequential<double> block, net;
    block.add(Linear<double>({.units = 5}));
    if (recompute) {
      net.add(checkpointed(std::move(block))).add(checkpointed(Linear<double>({.units = 4})));
    } else {
      net.add(std::move(block)).add(Linear<double>({.units = 4}));
    }
    build(net);
    return net;
  };
  const auto net = network(true);
  FakeFileSystem files;
  save_model("file", net, files);
  const ModulePointer<double> model = load_model<double>("file", small_registry<double>(), files);
  const auto& loaded = dynamic_cast<const Sequential<double>&>(*model);
  BOOST_TEST(is_checkpointed(loaded.at(0)));
  BOOST_TEST(is_checkpointed(loaded.at(1)));
  BOOST_TEST(!is_checkpointed(*model));
  BOOST_TEST(dynamic_cast<const Sequential<double>&>(loaded.at(0)).size() == 1);
  BOOST_TEST((identical(output(*model), output(net))));

  save_model("whole", checkpointed(net), files);
  BOOST_TEST(is_checkpointed(*load_model<double>("whole", small_registry<double>(), files)));

  // The state is that of the plain network, in both directions.
  auto plain = network(false);
  for (const auto& parameter : plain.parameters()) {
    parameter->assign(Tensor<double>::zeros(parameter->value.shape()));
  }
  load_checkpoint("file", CheckpointParts<double>{plain}, files);
  BOOST_TEST((identical(output(plain), output(net))));

  Registry<double> forgetful;
  forgetful.add("linear", [](OptionVisitor& reader) {
    auto options = LinearOptions::blank();
    options.visit(reader);
    return ModulePointer<double>(Linear<double>(options));
  });
  refuses<CheckpointError>(
      "[load_model] 'file' must describe what its types make; got another option 'checkpointed' of "
      "'linear' at 'linear'",
      [&] { load_model<double>("file", forgetful, files); });
}

BOOST_AUTO_TEST_SUITE_END()
