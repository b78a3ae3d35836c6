#include <boost/test/unit_test.hpp>
#include <examples/program.hpp>
#include <set>
#include <sstream>
#include <support/files.hpp>

using namespace lamina::test;

namespace {

constexpr const char* kProgram = "batch_normalization_experiments";

// On drawn digits, quickly, into `folder`.
Finished run_quick(const std::filesystem::path& folder, std::vector<std::string> more) {
  std::vector<std::string> arguments{"--quick", "--data", "synthetic", "--out", folder.string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_program(kProgram, arguments);
}

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::istringstream text(read_bytes(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::set<std::string> files_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

std::int64_t lines_with(const std::vector<std::string>& lines, const std::string& start) {
  return std::count_if(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.starts_with(start); });
}

// The number after the last comma but `from_the_end`.
double number_in(const std::string& line, int from_the_end) {
  std::size_t at = line.size();
  for (int i = 0; i <= from_the_end; ++i) at = line.rfind(',', at - 1);
  return std::stod(line.substr(at + 1));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(batch_normalization_experiments)

BOOST_AUTO_TEST_CASE(all_experiments_and_their_files) {
  const TemporaryFolder folder;
  const auto out = folder / "new/folder";
  const Finished finished = run_quick(out, {"--seeds", "1"});
  BOOST_TEST(finished.status == 0, finished.output);
  BOOST_TEST(finished.output.starts_with("synthetic digits: 12000 training and 2000 test images"));
  // 5 settings, 3 of which one is shared, 4, and 2 that are shared.
  BOOST_TEST(contains(finished.output, "11/11  "));
  BOOST_TEST(contains(finished.output, read_bytes(out / "results.md")));
  BOOST_TEST((files_in(out) == std::set<std::string>{"results.md", "runs.csv", "curves.csv",
                                                     "drift.csv", "small_batches.svg",
                                                     "two_classes.svg", "large_batches.svg",
                                                     "drift_batch.svg", "drift_inference.svg"}));

  const auto runs = lines_of(out / "runs.csv");
  BOOST_REQUIRE(runs.size() == 1u + 14);
  BOOST_TEST(runs[0] == "experiment,setting,seed,test_accuracy,batch_accuracy");
  for (const char* experiment : {"small_batches", "two_classes", "large_batches", "drift"})
    BOOST_TEST(lines_with(runs, experiment) > 1);
  for (std::size_t i = 1; i < runs.size(); ++i) {
    for (const int column : {0, 1}) {
      BOOST_TEST(number_in(runs[i], column) >= 5, runs[i]);
      BOOST_TEST(number_in(runs[i], column) <= 100, runs[i]);
    }
  }
  BOOST_TEST(lines_of(out / "curves.csv").size() == 1u + 14 * 5);
  const auto drift = lines_of(out / "drift.csv");
  BOOST_TEST(drift.size() == 1u + 2 * 5 * 5);  // settings, measurements, layers
  for (std::size_t i = 1; i < drift.size(); ++i)
    BOOST_TEST((number_in(drift[i], 0) > 0 && number_in(drift[i], 1) > 0), drift[i]);
  for (const std::string& name : files_in(out)) {
    if (!name.ends_with(".svg")) continue;
    const std::string svg = read_bytes(out / name);
    BOOST_TEST(svg.ends_with("</svg>\n"), name);
    BOOST_TEST(contains(svg, "<polyline"), name);
  }
}

// So few updates say nothing about renorm; independent examples teach something even then.
BOOST_AUTO_TEST_CASE(one_experiment_and_the_same_bytes_on_any_number_of_threads) {
  const TemporaryFolder folder;
  const std::vector<std::string> two_classes{"--experiment", "two_classes", "--seeds", "3"};
  for (const std::string threads : {"1", "3"}) {
    std::vector<std::string> arguments = two_classes;
    arguments.insert(arguments.end(), {"--threads", threads, "--quiet"});
    const Finished finished = run_quick(folder / threads, arguments);
    BOOST_TEST(finished.status == 0);
    BOOST_TEST(finished.output == read_bytes(folder / threads / "results.md"));
  }
  const auto files = files_in(folder / "1");
  BOOST_TEST(
      (files == std::set<std::string>{"results.md", "runs.csv", "curves.csv", "two_classes.svg"}));
  for (const std::string& name : files)
    BOOST_TEST(read_bytes(folder / "1" / name) == read_bytes(folder / "3" / name), name);

  const auto runs = lines_of(folder / "1" / "runs.csv");
  BOOST_TEST(runs.size() == 1u + 3 * 3);
  for (const std::string seed : {"1", "2", "3"}) {
    const auto accuracy = [&](const std::string& setting) {
      const auto found = std::find_if(runs.begin(), runs.end(), [&](const std::string& line) {
        return line.starts_with("two_classes,\"" + setting + "\"," + seed + ",");
      });
      BOOST_REQUIRE(found != runs.end());
      return number_in(*found, 1);
    };
    for (const char* setting : {"renorm, two classes", "plain, two classes"}) {
      BOOST_TEST((accuracy(setting) >= 5 && accuracy(setting) <= 100), setting);
    }
    BOOST_TEST(accuracy("plain, independent examples") > 20);
  }
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_said_in_one_line) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "no folder");
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& text) {
    const Finished finished = run_quick(folder / "out", arguments);
    BOOST_TEST(finished.status == 1);
    BOOST_TEST(finished.output.starts_with("batch_normalization_experiments: "), finished.output);
    BOOST_TEST(contains(finished.output, text), finished.output);
    BOOST_TEST(std::count(finished.output.begin(), finished.output.end(), '\n') == 1);
  };
  refused({"--experiment", "three_classes"}, "--experiment: three_classes not in {");
  refused({"--seeds", "0"}, "--seeds: Value 0 not in range");
  refused({"--threads", "0"}, "--threads: Value 0 not in range");
  refused({"--unknown"}, "--unknown");
  const std::string file = (folder / "file").string();
  const Finished no_folder = run_program(kProgram, {"--quick", "--out", file + "/sub"});
  BOOST_TEST(no_folder.status == 1);
  BOOST_TEST(contains(no_folder.output, "[experiments] --out must be a folder that can be made"));
  const Finished no_data =
      run_program(kProgram, {"--quick", "--data", "nothing", "--out", (folder / "out").string()});
  BOOST_TEST(no_data.status == 1);
  BOOST_TEST(contains(no_data.output, "nothing"));
}

BOOST_AUTO_TEST_SUITE_END()
