// Files that an earlier version wrote: they load for ever.
//
// test/golden/checkpoints holds one small file per feature. Their values follow from their names by
// pattern(), so that nothing has to be computed to check them. A file is never written again once
// it is there; for a new feature, add a case below and run
//
//   LAMINA_WRITE_GOLDEN=test/golden/checkpoints build/test/serialization_test --run_test='golden*'
//
// which writes those that are missing.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <lamina/lamina.hpp>
#include <serialization/small_network.hpp>

using namespace lamina;
using namespace lamina::test;

namespace {

// Wrong files must differ, so each name has values of its own; all are exact in float.
template <Element E>
Tensor<E> pattern(const std::string& name, const Shape& shape) {
  int start = 0;
  for (const char c : name) start = (start * 7 + c) % 101;
  auto values = Tensor<E>::uninitialized(shape);
  for (std::int64_t i = 0; i < values.size(); ++i) {
    values.mutable_data()[i] = static_cast<E>(static_cast<double>((start + 5 * i) % 89 + 1) / 8);
  }
  return values;
}

// The same names and numbers, all tensors by pattern.
StateDict patterned(const StateDict& state) {
  StateDict result;
  for (const auto& [name, value] : state) {
    result.add(name, std::visit(
                         [&, &name = name](const auto& held) -> StateValue {
                           using Held = std::decay_t<decltype(held)>;
                           if constexpr (requires {
                                           typename Held::value_type;
                                           held.dtype();
                                         }) {
                             return pattern<typename Held::value_type>(name, held.shape());
                           } else {
                             return held;
                           }
                         },
                         value));
  }
  return result;
}

template <Scalar T>
void build(Module<T>& net, const Shape& input) {
  Tape<T> tape;
  Rng rng(1);
  net(Tensor<T>::ones(input), Context<T>::for_training(tape, rng));
  load_state(net, patterned(state_of(net)));
}

template <Scalar T>
Sequential<T> image_network() {
  Sequential<T> net;
  net.template add<Conv2D>({.filters = 3, .kernel = {3, 3}, .kernel_initializer = he_normal()})
      .template add<BatchNormalization>({.momentum = 0.9, .renorm = true})
      .template add<ReLU>()
      .template add<Flatten>()
      .template add<Dropout>({.rate = 0.25})
      .template add<Dense>({.units = 2, .kernel_regularizer = l2(0.5), .name = "head"});
  return net;
}

// Network, optimizer after a step, training state; all tensors by pattern.
struct GoldenRun {
  Sequential<float> net;
  std::unique_ptr<Optimizer<float>> optimizer;
  Progress<float> progress;

  explicit GoldenRun(const OptimizerFactory& factory) {
    net.add<Dense>({.units = 3}).add<BatchNormalization>({}).add<Dense>({.units = 2});
    optimizer = factory.make(net.parameters());
  }
  void fill() {
    Tape<float> tape;
    auto ctx = Context<float>::for_training(tape, progress.rng);
    const auto y = net(small_input<float>(), ctx);
    tape.backward(mean(multiply(y, y)));
    optimizer->step();
    optimizer->zero_gradients();
    load_state(net, patterned(state_of(net)));
    load_state(*optimizer, patterned(state_of(*optimizer)));
    progress.epoch = 7;
    progress.running_loss = -0.0;
    progress.best = "caf\u00e9";
    progress.history = {0.5, 0.25};
    progress.average = pattern<float>("average", {2, 2});
  }
  CheckpointParts<float> parts() { return {net, optimizer.get(), &progress}; }
};

StateDict every_kind() {
  StateDict state;
  state.add("f32", pattern<float>("f32", {2, 3}));
  state.add("f64", pattern<double>("f64", {3}));
  state.add("i64", pattern<std::int64_t>("i64", {2, 2}));
  state.add("u8", pattern<std::uint8_t>("u8", {5}));
  state.add("scalar", pattern<float>("scalar", {}));
  state.add("empty", Tensor<float>({0, 5}, 0));
  state.add("nan", Tensor<float>({1}, std::numeric_limits<float>::quiet_NaN()));
  state.add("integer", std::numeric_limits<std::int64_t>::min());
  state.add("number", 0.1);
  state.add("text", "caf\u00e9");
  return state;
}

template <Scalar T>
void check_model(const std::string& path) {
  auto expected = image_network<T>();
  build<T>(expected, {1, 6, 5, 2});
  const ModulePointer<T> loaded = load_model<T>(path);
  BOOST_TEST((identical(state_of(*loaded), state_of(expected))));
  const Module<T>& usable = *loaded;
  const auto input = pattern<T>("input", {2, 6, 5, 2});
  const Context<T> inference = Context<T>::for_inference();
  BOOST_TEST((identical(usable(input, inference).value(),
                        std::as_const(expected)(input, inference).value())));
}

template <Scalar T>
void write_model(const std::string& path) {
  auto net = image_network<T>();
  build<T>(net, {1, 6, 5, 2});
  save_model(path, net, {.metadata = {{"author", "lamina"}, {"note", ""}}});
}

struct Golden {
  std::string name;
  std::function<void(const std::string&)> write, check;
};

Golden run_with(const std::string& name, const OptimizerFactory& factory) {
  return {name,
          [factory](const std::string& path) {
            GoldenRun run(factory);
            run.fill();
            save_checkpoint(path, run.parts());
          },
          [factory](const std::string& path) {
            GoldenRun expected(factory), loaded(factory);
            expected.fill();
            load_checkpoint(path, loaded.parts());
            BOOST_TEST((identical(state_of(loaded.net), state_of(expected.net))));
            BOOST_TEST((identical(state_of(*loaded.optimizer), state_of(*expected.optimizer))));
            BOOST_TEST(
                (identical(state_of<float>(loaded.progress), state_of<float>(expected.progress))));
          }};
}

std::vector<Golden> goldens() {
  return {
      {"empty", [](const std::string& path) { save_state(path, {}); },
       [](const std::string& path) { BOOST_TEST(read_state(path).size() == 0); }},
      {"every_kind", [](const std::string& path) { save_state(path, every_kind()); },
       [](const std::string& path) { BOOST_TEST((identical(read_state(path), every_kind()))); }},
      {"model_float32", write_model<float>,
       [](const std::string& path) {
         check_model<float>(path);
         const std::map<std::string, std::string> metadata{{"author", "lamina"}, {"note", ""}};
         BOOST_TEST((CheckpointFile(path).metadata() == metadata));
       }},
      {"model_float64", write_model<double>, check_model<double>},
      run_with("run_sgd", sgd({.learning_rate = 0.5, .momentum = 0.75})),
      run_with("run_rmsprop", rmsprop({.learning_rate = 0.5, .momentum = 0.75, .centered = true})),
      run_with("run_adam", adam({.learning_rate = exponential_decay({}), .amsgrad = true})),
      run_with("run_adamw", adamw({.learning_rate = 0.5, .gradient_accumulation_steps = 2}))};
}

std::string path_in(const std::string& folder, const Golden& golden) {
  return folder + "/" + golden.name + ".lamina";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(golden_checkpoints)

BOOST_AUTO_TEST_CASE(files_of_earlier_versions_load) {
  if (const char* folder = std::getenv("LAMINA_WRITE_GOLDEN")) {
    for (const Golden& golden : goldens()) {
      const std::string path = path_in(folder, golden);
      if (!std::filesystem::exists(path)) golden.write(path);
    }
  }
  const std::string folder = std::string(LAMINA_SOURCE_DIR) + "/test/golden/checkpoints";
  std::size_t files = 0;
  for (const Golden& golden : goldens()) {
    BOOST_TEST_CONTEXT(golden.name) {
      const std::string path = path_in(folder, golden);
      CheckpointFile(path).verify();
      golden.check(path);
      ++files;
    }
  }
  // None is forgotten.
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".lamina") --files;
  }
  BOOST_TEST(files == 0u);
  std::cout << goldens().size() << " files of earlier versions loaded\n";
}

BOOST_AUTO_TEST_SUITE_END()
