// What an experiment gave, as a table, as raw numbers and as charts.
//
//   results.md                  the tables that the terminal shows
//   runs.csv                    experiment,setting,seed,test_accuracy,batch_accuracy
//   curves.csv                  experiment,setting,seed,step,epochs,test_accuracy
//   drift.csv                   setting,seed,step,layer,batch,inference: see drift.hpp
//   small_batches.svg, ...      the curves: median and range over the seeds
//
// Accuracies are percentages. The files depend on the numbers alone, not on the time taken or the
// number of threads. Errors: lamina::DataError when a file cannot be written.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runner.hpp"

namespace experiments {

// In Markdown, its columns aligned.
std::string table(const Result& result);

void write_report(const std::filesystem::path& folder, const std::vector<Result>& results,
                  const Data& data);

}  // namespace experiments
