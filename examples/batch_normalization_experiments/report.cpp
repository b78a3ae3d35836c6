#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <lamina/autograd/tensor/error.hpp>

#include "line_chart.hpp"

namespace experiments {
namespace {

constexpr const char* kWho = "experiments";

struct Spread {
  double low, median, high;
};

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {values.front(), median, values.back()};
}

template <class Pick>
Spread spread_over(const std::vector<Outcome>& outcomes, Pick pick) {
  std::vector<double> values;
  for (const Outcome& outcome : outcomes) values.push_back(pick(outcome));
  return spread(std::move(values));
}

double epochs_at(std::int64_t step, const Setting& setting, const Data& data) {
  return static_cast<double>(step * setting.batch_size) / static_cast<double>(data.train.size());
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  if (!(file << text).flush()) {
    throw lamina::DataError(kWho, fmt::format("'{}' must be writable", path.string()));
  }
}

// ---- raw numbers ----

// f(case, outcome, seed), in the order of the tables.
template <class Function>
void for_each_run(const Result& result, Function f) {
  for (std::size_t i = 0; i < result.outcomes.size(); ++i) {
    for (std::size_t k = 0; k < result.outcomes[i].size(); ++k)
      f(result.experiment.cases[i], result.outcomes[i][k], k + 1);
  }
}

std::string runs_csv(const std::vector<Result>& results) {
  std::string text = "experiment,setting,seed,test_accuracy,batch_accuracy\n";
  for (const Result& result : results) {
    for_each_run(result, [&](const Case& run, const Outcome& outcome, std::size_t seed) {
      text += fmt::format("{},\"{}\",{},{:.4f},{:.4f}\n", result.experiment.name, run.name, seed,
                          outcome.test_accuracy, outcome.batch_accuracy);
    });
  }
  return text;
}

std::string curves_csv(const std::vector<Result>& results, const Data& data) {
  std::string text = "experiment,setting,seed,step,epochs,test_accuracy\n";
  for (const Result& result : results) {
    for_each_run(result, [&](const Case& run, const Outcome& outcome, std::size_t seed) {
      for (const Measurement& point : outcome.curve) {
        text +=
            fmt::format("{},\"{}\",{},{},{:.4f},{:.4f}\n", result.experiment.name, run.name, seed,
                        point.step, epochs_at(point.step, run.setting, data), point.test_accuracy);
      }
    });
  }
  return text;
}

std::string drift_csv(const Result& result) {
  std::string text = "setting,seed,step,layer,batch,inference\n";
  for_each_run(result, [&](const Case& run, const Outcome& outcome, std::size_t seed) {
    for (const Measurement& point : outcome.curve) {
      for (std::size_t layer = 0; layer < point.batch_drift.size(); ++layer) {
        text += fmt::format("\"{}\",{},{},{},{:.6f},{:.6f}\n", run.name, seed, point.step,
                            layer + 1, point.batch_drift[layer], point.inference_drift[layer]);
      }
    }
  });
  return text;
}

// ---- charts ----

// One line: `pick` at every measurement, median and range over the seeds.
template <class Pick>
Series series_of(const std::string& name, const Setting& setting,
                 const std::vector<Outcome>& outcomes, const Data& data, Pick pick) {
  Series series{.name = name};
  for (std::size_t i = 0; i < outcomes.front().curve.size(); ++i) {
    const Spread values =
        spread_over(outcomes, [&](const Outcome& outcome) { return pick(outcome.curve[i]); });
    series.x.push_back(epochs_at(outcomes.front().curve[i].step, setting, data));
    series.y.push_back(values.median);
    series.low.push_back(values.low);
    series.high.push_back(values.high);
  }
  return series;
}

Chart accuracy_chart(const Result& result, const Data& data) {
  Panel panel;
  for (std::size_t i = 0; i < result.outcomes.size(); ++i) {
    const auto& [name, setting] = result.experiment.cases[i];
    panel.series.push_back(
        series_of(name, setting, result.outcomes[i], data,
                  [](const Measurement& point) { return 100 - point.test_accuracy; }));
  }
  return {.title = result.experiment.title,
          .x_axis = "passes over the training data (epochs)",
          .y_axis = "test error, %",
          .logarithmic = true,
          .panels = {panel}};
}

using Distances = std::vector<double> Measurement::*;

// A panel for each setting, a line for each layer.
Chart drift_chart(const Result& result, const Data& data, const std::string& title,
                  Distances distances) {
  Chart chart{.title = title,
              .x_axis = "passes over the training data (epochs)",
              .y_axis = "distance, in moving deviations",
              .logarithmic = true};
  for (std::size_t i = 0; i < result.outcomes.size(); ++i) {
    const Setting& setting = result.experiment.cases[i].setting;
    const auto& outcomes = result.outcomes[i];
    Panel panel{.title = result.experiment.cases[i].name};
    const std::size_t layers = (outcomes.front().curve.front().*distances).size();
    for (std::size_t layer = 0; layer < layers; ++layer) {
      panel.series.push_back(
          series_of(fmt::format("layer {}", layer + 1), setting, outcomes, data,
                    [&](const Measurement& point) { return (point.*distances)[layer]; }));
    }
    chart.panels.push_back(std::move(panel));
  }
  return chart;
}

void write_drift(const std::filesystem::path& folder, const Result& result, const Data& data) {
  write_text(folder / "drift.csv", drift_csv(result));
  write_svg(folder / "drift_batch.svg",
            drift_chart(result, data, "From moving statistics to those of a training batch",
                        &Measurement::batch_drift));
  write_svg(folder / "drift_inference.svg",
            drift_chart(result, data, "From moving statistics to those they stand for in inference",
                        &Measurement::inference_drift));
}

// ---- tables ----

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (std::size_t line = 0; line < rows.size(); ++line) {
    text += "|";
    for (std::size_t i = 0; i < widths.size(); ++i) {
      text += i == 0 ? fmt::format(" {:<{}} |", rows[line][i], widths[i])
                     : fmt::format(" {:>{}} |", rows[line][i], widths[i]);
    }
    text += "\n";
    if (line > 0) continue;
    text += "|";
    for (std::size_t i = 0; i < widths.size(); ++i)
      text += fmt::format("{:-<{}}{}|", "", widths[i] + 1, i == 0 ? '-' : ':');
    text += "\n";
  }
  return text;
}

}  // namespace

std::string table(const Result& result) {
  std::vector<std::vector<std::string>> rows{
      {"setting", "test accuracy, %", "range", "by the batch's own statistics, %"}};
  for (std::size_t i = 0; i < result.outcomes.size(); ++i) {
    const Spread test =
        spread_over(result.outcomes[i], [](const Outcome& o) { return o.test_accuracy; });
    const Spread batch =
        spread_over(result.outcomes[i], [](const Outcome& o) { return o.batch_accuracy; });
    rows.push_back({result.experiment.cases[i].name, fmt::format("{:.2f}", test.median),
                    fmt::format("{:.2f} to {:.2f}", test.low, test.high),
                    fmt::format("{:.2f}", batch.median)});
  }
  return fmt::format("### {}\n\n{}", result.experiment.title, aligned(rows));
}

void write_report(const std::filesystem::path& folder, const std::vector<Result>& results,
                  const Data& data) {
  std::string tables;
  for (const Result& result : results) {
    if (!tables.empty()) tables += "\n";
    tables += table(result);
    const std::string& name = result.experiment.name;
    if (name == "drift") {
      write_drift(folder, result, data);
    } else {
      write_svg(folder / fmt::format("{}.svg", name), accuracy_chart(result, data));
    }
  }
  write_text(folder / "results.md", tables);
  write_text(folder / "runs.csv", runs_csv(results));
  write_text(folder / "curves.csv", curves_csv(results, data));
}

}  // namespace experiments
