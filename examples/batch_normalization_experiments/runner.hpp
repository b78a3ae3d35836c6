// Runs experiments: every setting with every seed, as many runs at a time as there are threads.
//
//   auto results = run_experiments(experiments, data, {.seeds = 5, .threads = 2});
//
// Runs do not depend on each other, so the results do not depend on `threads`. A setting that
// several experiments share is run once. The first error of a run ends all. Seeds are 1, 2, ...
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "experiments.hpp"

namespace experiments {

struct Result {
  Experiment experiment;
  std::vector<std::vector<Outcome>> outcomes = {};  // by case, then by seed
};

struct RunOptions {
  int seeds = 5;
  int threads = 1;
  // Hears of every run that has ended, one call at a time.
  std::function<void(const std::string& label, const Outcome& outcome)> finished = {};
};

std::vector<Result> run_experiments(const std::vector<Experiment>& experiments, const Data& data,
                                    const RunOptions& options);

}  // namespace experiments
