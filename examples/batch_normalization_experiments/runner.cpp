#include "runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace experiments {
namespace {

struct Job {
  std::string label;
  const Setting* setting;
  std::uint64_t seed;
  std::vector<Outcome*> wanted;  // places for the same outcome
};

std::vector<Job> jobs_of(std::vector<Result>& results) {
  std::vector<Job> jobs;
  for (Result& result : results) {
    for (std::size_t i = 0; i < result.outcomes.size(); ++i) {
      const auto& [name, setting] = result.experiment.cases[i];
      for (std::size_t k = 0; k < result.outcomes[i].size(); ++k) {
        const std::uint64_t seed = k + 1;
        const auto same = std::find_if(jobs.begin(), jobs.end(), [&](const Job& job) {
          return *job.setting == setting && job.seed == seed;
        });
        Outcome* const place = &result.outcomes[i][k];
        if (same != jobs.end()) {
          same->wanted.push_back(place);
        } else {
          jobs.push_back({fmt::format("{}: {}, seed {}", result.experiment.name, name, seed),
                          &setting,
                          seed,
                          {place}});
        }
      }
    }
  }
  return jobs;
}

class Runner {
 public:
  Runner(std::vector<Job> jobs, const Data& data, const RunOptions& options)
      : jobs_(std::move(jobs)), data_(data), options_(options) {}

  void run() {
    {
      std::vector<std::jthread> others;
      for (int i = 1; i < options_.threads; ++i) others.emplace_back([this] { work(); });
      work();
    }
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void work() {
    for (std::size_t i = next_++; i < jobs_.size(); i = next_++) {
      try {
        finish(jobs_[i], train(*jobs_[i].setting, data_, jobs_[i].seed));
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        next_ = jobs_.size();
      }
    }
  }

  void finish(const Job& job, const Outcome& outcome) {
    for (Outcome* const place : job.wanted) *place = outcome;
    const std::lock_guard lock(mutex_);
    ++finished_;
    if (!options_.finished) return;
    options_.finished(fmt::format("{}/{}  {}", finished_, jobs_.size(), job.label), outcome);
  }

  const std::vector<Job> jobs_;
  const Data& data_;
  const RunOptions& options_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::size_t finished_ = 0;
  std::exception_ptr error_;
};

}  // namespace

std::vector<Result> run_experiments(const std::vector<Experiment>& experiments, const Data& data,
                                    const RunOptions& options) {
  std::vector<Result> results;
  for (const Experiment& experiment : experiments) {
    const std::vector<Outcome> none(static_cast<std::size_t>(options.seeds));
    results.push_back({experiment, {experiment.cases.size(), none}});
  }
  Runner(jobs_of(results), data, options).run();
  return results;
}

}  // namespace experiments
