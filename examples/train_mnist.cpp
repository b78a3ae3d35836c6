// Trains a network on MNIST, shows how it goes, says how good it is, saves it, and proves that the
// saved file gives the same network.
//
//   train_mnist                                      a convolutional network, 3 epochs
//   train_mnist --model mlp --epochs 5
//   train_mnist --checkpoint-dir run                 Ctrl-C; then the same with --resume
//   train_mnist --data synthetic                     digits drawn by the library: needs no file
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <lamina/lamina.hpp>

using namespace lamina;

namespace {

struct Settings {
  std::string model = "cnn";
  std::optional<std::int64_t> epochs;
  std::int64_t batch_size = 128;
  std::string optimizer = "sgd";
  std::optional<double> learning_rate;
  std::optional<int> threads;
  std::uint64_t seed = 42;
  std::string data;
  std::optional<std::int64_t> examples;
  std::string checkpoint_dir;
  bool resume = false;
  bool quiet = false;
  std::string save;
};

struct Data {
  std::string source;
  Dataset train, test;
};

void at_least_one(const char* option, std::optional<std::int64_t> value) {
  if (!value || *value >= 1) return;
  throw ArgumentError("train_mnist", fmt::format("{} must be at least 1; got {}", option, *value));
}

Settings parsed(CLI::App& app, int argc, char** argv) {
  Settings s;
  const auto models = CLI::IsMember({"mlp", "cnn"});
  const auto optimizers = CLI::IsMember({"sgd", "adam", "adamw", "rmsprop"});
  app.add_option("--model", s.model, "mlp or cnn (default)")->check(models);
  app.add_option("--epochs", s.epochs, "passes over the data (default: cnn 3, mlp 5)");
  app.add_option("--batch-size", s.batch_size, "examples per step (default 128)");
  app.add_option("--optimizer", s.optimizer, "sgd (default), adam, adamw or rmsprop")
      ->check(optimizers);
  app.add_option("--learning-rate", s.learning_rate,
                 "the highest rate of the one-cycle schedule (default: sgd 0.1, others 0.003)");
  app.add_option("--threads", s.threads, "default: all processors");
  app.add_option("--seed", s.seed, "default 42");
  app.add_option("--data", s.data,
                 "a folder with the four MNIST files, plain or .gz; fashion; synthetic "
                 "(default: the files in ~/.cache/lamina, else synthetic)");
  app.add_option("--examples", s.examples, "use only the first so many training images");
  app.add_option("--checkpoint-dir", s.checkpoint_dir, "where to write a checkpoint every epoch");
  app.add_flag("--resume", s.resume, "go on from the last checkpoint in --checkpoint-dir");
  app.add_flag("--quiet", s.quiet, "print the final lines only");
  app.add_option("--save", s.save, "the model file (default: mnist.lamina in --checkpoint-dir)");
  app.parse(argc, argv);

  if (!s.epochs) s.epochs = s.model == "cnn" ? 3 : 5;
  if (!s.learning_rate) s.learning_rate = s.optimizer == "sgd" ? 0.1 : 0.003;
  if (s.save.empty()) s.save = (std::filesystem::path(s.checkpoint_dir) / "mnist.lamina").string();
  if (s.resume && s.checkpoint_dir.empty()) {
    throw ArgumentError("train_mnist", "--resume needs --checkpoint-dir; got none");
  }
  at_least_one("--epochs", s.epochs);
  at_least_one("--batch-size", s.batch_size);
  at_least_one("--examples", s.examples);
  return s;
}

Data synthetic(const std::string& why, std::optional<std::int64_t> examples) {
  return {"synthetic digits" + why,
          data::synthetic_digits({.examples = examples.value_or(12000), .seed = 1}),
          data::synthetic_digits({.examples = 2000, .seed = 2})};
}

Data loaded(const Settings& s) {
  if (s.data == "synthetic") return synthetic("", s.examples);
  const auto from = [&](const std::string& source, const data::TrainAndTest& files) {
    const bool cut = s.examples && *s.examples < files.train.size();
    return Data{source, cut ? files.train.slice(0, *s.examples) : files.train, files.test};
  };
  if (s.data == "fashion") return from("Fashion-MNIST", data::fashion_mnist());
  std::optional<std::string> folder;
  if (!s.data.empty()) folder = s.data;
  folder = data::find_mnist(folder);
  if (!folder) return synthetic(" (NOTICE: no MNIST was found; --data DIR says where)", s.examples);
  return from("MNIST in " + *folder, data::mnist(*folder));
}

// Batch normalization has a shift of its own: the layers before it need no bias.
Sequential<float> network(const std::string& model) {
  const BatchNormalizationOptions bn{.momentum = 0.9};
  Sequential<float> net;
  if (model == "mlp") {
    net.add<Flatten>();
    for (int layer = 0; layer < 2; ++layer) {
      net.add<Dense>({.units = 512, .use_bias = false}).add<BatchNormalization>(bn).add<ReLU>();
    }
  } else {
    for (const int filters : {32, 64}) {
      net.add<Conv2D>(
             {.filters = filters, .kernel = {5, 5}, .padding = Padding::same, .use_bias = false})
          .add<BatchNormalization>(bn)
          .add<ReLU>()
          .add<MaxPool2D>({.pool = {2, 2}});
    }
    net.add<Flatten>()
        .add<Dense>({.units = 1024, .use_bias = false})
        .add<BatchNormalization>(bn)
        .add<ReLU>();
  }
  net.add<Dense>({.units = 10});
  return net;
}

// The rate rises for 30 % of all steps and falls to nearly 0.
OptimizerFactory optimizer(const Settings& s, std::int64_t examples) {
  const std::int64_t steps = (examples + s.batch_size - 1) / s.batch_size;
  const Schedule rate = one_cycle({.max_learning_rate = *s.learning_rate,
                                   .total_steps = *s.epochs * steps,
                                   .anneal = Anneal::linear,
                                   .div_factor = 10});
  if (s.optimizer == "adam") return adam({.learning_rate = rate});
  if (s.optimizer == "rmsprop") return rmsprop({.learning_rate = rate});
  if (s.optimizer == "adamw") {
    return adamw({.learning_rate = rate,
                  .weight_decay = 0.01,
                  .exclude_from_weight_decay = no_decay_on_normalization()});
  }
  return sgd({.learning_rate = rate, .momentum = 0.9});
}

template <class... Arguments>
void say(const Settings& s, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  if (s.quiet) return;
  fmt::print(text, std::forward<Arguments>(arguments)...);
  std::fflush(stdout);
}

// Whether the model file gives the same network: the same outputs, bit for bit.
bool reloads(const Settings& s, Module<float>& net, const TrainerOptions<float>& options,
             const Dataset& test) {
  save_model(s.save, net);
  say(s, "saved: {} ({} bytes)\n", s.save, std::filesystem::file_size(s.save));
  ModulePointer<float> again = load_model<float>(s.save, standard_registry<float>());
  Trainer<float> before(net, options), after(*again, options);
  say(s, "accuracy after reloading: {:.2f} %\n", 100 * after.evaluate(test).at("accuracy"));
  return identical(before.predict(test), after.predict(test));
}

int train(const Settings& s) {
  if (s.threads) set_threads(*s.threads);
  // Pixels become 0 to 1, as everywhere by default, so that the model file needs no word about it:
  // batch normalization takes out mean and deviation after the first layer.
  const Data data = loaded(s);
  const Dataset &train_set = data.train, &test_set = data.test;
  Sequential<float> net = network(s.model);
  say(s, "{}: {} training and {} test images; {} threads, seed {}\n\n{}\n", data.source,
      train_set.size(), test_set.size(), threads(), s.seed,
      summary(net, {1, 28, 28, 1}).to_string());

  const TrainerOptions<float> options{.loss = SoftmaxCrossEntropy(),
                                      .optimizer = optimizer(s, train_set.size()),
                                      .metrics = {accuracy()}};
  Trainer<float> trainer(net, options);
  if (s.resume) {
    const LoadedGeneration loaded = trainer.resume(s.checkpoint_dir);
    for (const std::string& skipped : loaded.skipped) say(s, "skipped: {}\n", skipped);
    say(s, "resumed: {}\n", loaded.path);
  }
  FitOptions fit{
      .epochs = *s.epochs, .batch_size = s.batch_size, .validation = test_set, .seed = s.seed};
  if (!s.quiet) fit.callbacks.push_back(progress_bar());
  if (!s.checkpoint_dir.empty()) fit.callbacks.push_back(checkpoint({.folder = s.checkpoint_dir}));
  const History history = trainer.fit(train_set, fit);
  if (history.interrupted) {
    say(s, "interrupted{}\n", s.checkpoint_dir.empty() ? "" : ", saved: --resume goes on");
    return 130;
  }

  const double test_accuracy = 100 * trainer.evaluate(test_set).at("accuracy");
  say(s, "\naccuracy before saving: {:.2f} %\n", test_accuracy);
  const bool same = reloads(s, net, options, test_set);
  fmt::print("test accuracy: {:.2f} %\nreloaded: {}\n", test_accuracy,
             same ? "identical" : "different");
  return same ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Trains a network on MNIST.");
  try {
    return train(parsed(app, argc, argv));
  } catch (const CLI::Success& request) {
    return app.exit(request);
  } catch (const std::exception& error) {
    fmt::print(stderr, "train_mnist: {}\n", error.what());
    return 1;
  }
}
