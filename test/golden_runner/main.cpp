// golden_test: compares lamina with every golden vector under LAMINA_GOLDEN_DIR (by default those
// of the source tree; another folder may hold only some of the sub-folders). Arguments: parts of
// "folder/file.json:case"; only cases that contain one are run. Ends with "golden: N compared, N
// failed, N skipped"; exit status 1 on any failure, and where nothing was compared.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

struct Runner {
  const char* files;  // folder/file.json; folder/* serves every file without a row above it
  void (*run)(const std::filesystem::path&, GoldenReport&);
};

// nn/random_<family>.json holds further cases of a family. A file that no row serves is a failure.
const std::vector<Runner> kRunners = {
    {"batch_normalization/*", run_batch_normalization},
    {"batch_normalization_torch/*", run_batch_normalization_torch},
    {"nn/activations.json", run_activations},
    {"nn/initializers.json", run_initializers},
    {"nn/layers.json", run_layers},
    {"nn/regularizers_constraints.json", run_regularizers_constraints},
    {"nn/losses.json", run_losses},
    {"nn/ops.json", run_ops},
    {"nn/optimizers.json", run_optimizers},
    {"nn/schedules.json", run_schedules},
    {"nn/training.json", run_training},
};

void run_file(const std::string& folder, const std::filesystem::path& path, GoldenReport& report) {
  const std::string name = folder + "/" + path.filename().string();
  report.begin_file(name);
  std::string family = name;
  if (family.starts_with("nn/random_")) family.erase(3, 7);
  for (const Runner& runner : kRunners) {
    if (runner.files != family && runner.files != folder + "/*") continue;
    try {
      return runner.run(path, report);
    } catch (const std::exception& error) {
      return report.fail(name, error.what());
    }
  }
  if (!report.filtered()) report.fail(name, "not implemented in the runner");
}

void run_folder(const std::filesystem::path& root, const std::string& folder,
                GoldenReport& report) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(root / folder)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  if (files.empty()) return report.fail((root / folder).string(), "no golden vectors here");
  std::sort(files.begin(), files.end());
  for (const auto& file : files) run_file(folder, file, report);
}

}  // namespace
}  // namespace lamina::test

int main(int argc, char** argv) {
  using namespace lamina::test;
  const char* environment = std::getenv("LAMINA_GOLDEN_DIR");
  const std::filesystem::path root =
      environment && *environment ? environment : LAMINA_SOURCE_DIR "/test/golden";
  GoldenReport report(std::vector<std::string>(argv + 1, argv + argc));
  // Another folder may hold some of the families only; the source tree holds them all.
  const bool may_lack = root != LAMINA_SOURCE_DIR "/test/golden";
  for (const char* folder : {"batch_normalization", "batch_normalization_torch", "nn"}) {
    if (std::filesystem::is_directory(root / folder)) {
      run_folder(root, folder, report);
    } else if (may_lack) {
      std::printf("ABSENT %s: no such folder in %s\n", folder, root.string().c_str());
    } else {
      report.fail((root / folder).string(), "no such folder");
    }
  }
  if (report.compared() == 0) report.fail(root.string(), "nothing was compared");
  std::printf("%s\n", report.summary().c_str());
  return report.failed() == 0 ? 0 : 1;
}
