// The experiments of the papers behind batch normalization's options, on MNIST: what renormalized
// statistics and ghost batches give, as tables, raw numbers and charts.
//
//   batch_normalization_experiments                            all, some minutes on two processors
//   batch_normalization_experiments --experiment two_classes
//   batch_normalization_experiments --quick --data synthetic   whether everything works
//
// What comes out, and what to think of it: docs/batch_normalization_experiments.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <lamina/lamina.hpp>

#include "report.hpp"

using namespace lamina;

namespace experiments {
namespace {

constexpr const char* kWho = "experiments";

struct Options {
  std::string experiment = "all";
  std::optional<int> seeds;
  std::optional<int> threads;
  std::string data;
  std::string out = "batch_normalization_experiments";
  bool quick = false;
  bool quiet = false;
};

Options parsed(CLI::App& app, int argc, char** argv) {
  Options o;
  std::vector<std::string> names = experiment_names();
  names.push_back("all");
  app.add_option("--experiment", o.experiment, "one of them only (default all)")
      ->check(CLI::IsMember(names));
  app.add_option("--seeds", o.seeds, "runs of every setting (default 5, --quick: 2)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--threads", o.threads, "runs at a time (default: all processors)")
      ->check(CLI::Range(1, 256));
  app.add_option("--data", o.data,
                 "a folder with the four MNIST files, plain or .gz; fashion; synthetic "
                 "(default: the files in ~/.cache/lamina, else synthetic)");
  app.add_option("--out", o.out, "the folder for tables, numbers and charts")
      ->capture_default_str();
  app.add_flag("--quick", o.quick, "a thirtieth of the updates: shows that everything works");
  app.add_flag("--quiet", o.quiet, "print the tables only");
  app.parse(argc, argv);
  if (!o.seeds) o.seeds = o.quick ? 2 : 5;
  if (!o.threads) o.threads = lamina::threads();
  return o;
}

Data synthetic(const std::string& why) {
  return {"synthetic digits" + why, data::synthetic_digits({.examples = 12000, .seed = 1}),
          data::synthetic_digits({.examples = 2000, .seed = 2})};
}

Data loaded(const std::string& source) {
  if (source == "synthetic") return synthetic("");
  const auto from = [](const std::string& name, const data::TrainAndTest& files) {
    return Data{name, files.train, files.test};
  };
  if (source == "fashion") return from("Fashion-MNIST", data::fashion_mnist());
  std::optional<std::string> folder;
  if (!source.empty()) folder = source;
  folder = data::find_mnist(folder);
  if (!folder) return synthetic(" (NOTICE: no MNIST was found; --data DIR says where)");
  return from("MNIST in " + *folder, data::mnist(*folder));
}

std::vector<Experiment> chosen(const Options& options) {
  std::vector<Experiment> result;
  for (const std::string& name : experiment_names()) {
    if (options.experiment == "all" || options.experiment == name)
      result.push_back(experiment(name, options.quick));
  }
  return result;
}

std::filesystem::path made_folder(const std::string& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) {
    throw DataError(kWho, fmt::format("--out must be a folder that can be made; got '{}' ({})",
                                      path, failed.message()));
  }
  return path;
}

void run(const Options& options) {
  set_threads(1);  // the networks are small: several runs side by side use the processors better
  const std::filesystem::path folder = made_folder(options.out);
  const Data data = loaded(options.data);
  RunOptions how{.seeds = *options.seeds, .threads = *options.threads};
  if (!options.quiet) {
    fmt::print("{}: {} training and {} test images; {} seeds, {} runs at a time\n\n", data.source,
               data.train.size(), data.test.size(), how.seeds, how.threads);
    how.finished = [](const std::string& label, const Outcome& outcome) {
      fmt::print("{}: {:.2f} %\n", label, outcome.test_accuracy);
      std::fflush(stdout);
    };
  }
  const std::vector<Result> results = run_experiments(chosen(options), data, how);
  write_report(folder, results, data);
  for (const Result& result : results) {
    fmt::print("{}{}", options.quiet && &result == &results.front() ? "" : "\n", table(result));
  }
  if (!options.quiet) fmt::print("\ntables, numbers and charts: {}\n", folder.string());
}

}  // namespace
}  // namespace experiments

int main(int argc, char** argv) {
  CLI::App app("The experiments of the batch normalization papers, on MNIST.");
  try {
    experiments::run(experiments::parsed(app, argc, argv));
    return 0;
  } catch (const CLI::Success& request) {
    return app.exit(request);
  } catch (const std::exception& error) {
    fmt::print(stderr, "batch_normalization_experiments: {}\n", error.what());
    return 1;
  }
}
