// One training run of an experiment: a setting and a seed in, accuracies and curves out.
//
//   Outcome outcome = train({.statistics_of = 4, .renorm = true}, data, 1);
//
// The network is Hoffer's F1 made narrower: 784 inputs, five times Dense(128) - BatchNormalization
// - ReLU, Dense(10). An update takes the mean gradient of `batch_size` examples, which pass through
// the network in microbatches of `statistics_of`: these are what batch normalization sees (Ioffe
// 2017, section 4.2). The rate falls on a straight line to 0; SGD with momentum 0.9.
//
// The same setting, data and seed give the same numbers. Errors: lamina::NumericError for a loss
// that is not finite; what the library throws. Thread-safety: any number of runs at a time.
// Sources: Ioffe, Batch Renormalization (2017); Hoffer, Hubara, Soudry, Train longer, generalize
// better (2017).
#pragma once

#include <lamina/data/dataset.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <optional>
#include <string>
#include <vector>

#include "batches.hpp"

namespace experiments {

struct Setting {
  Composition composition = Composition::independent;
  std::int64_t batch_size = 32;
  std::int64_t statistics_of = 32;  // must divide batch_size
  std::optional<std::int64_t> ghost_batch = {};
  bool renorm = false;
  lamina::VarianceEstimator variance_estimator = lamina::VarianceEstimator::tensorflow;
  double momentum = 0.99;  // of the moving averages, the one of renorm too
  double learning_rate = 0.05;
  std::int64_t steps = 3000;       // updates
  std::int64_t measurements = 25;  // of the test accuracy, evenly over the run
  bool measures_drift = false;

  bool operator==(const Setting&) const = default;
};

struct Data {
  std::string source;
  lamina::Dataset train, test;
};

struct Measurement {
  std::int64_t step = 0;
  double test_accuracy = 0;  // percent, in inference mode
  // By layer, see drift.hpp; empty unless the setting asks for it.
  std::vector<double> batch_drift = {};      // of microbatches as in training, in training mode
  std::vector<double> inference_drift = {};  // of 1,000 training images, in inference mode
};

struct Outcome {
  std::vector<Measurement> curve;
  double test_accuracy = 0;  // percent, at the end
  // Percent, at the end: test examples in microbatches as in training, each normalized by its own
  // statistics.
  double batch_accuracy = 0;
};

Outcome train(const Setting& setting, const Data& data, std::uint64_t seed);

// The paper's ramps, as shares of the run (it trained for some 160,000 steps): plain batch
// normalization for 5,000 steps, then rmax from 1 to 3 until step 40,000, dmax from 0 to 5 until
// step 25,000, rmin = 1 / rmax. `calls` counts the training calls of the layer in the whole run.
lamina::RenormClipping paper_ramps(std::int64_t calls);

}  // namespace experiments
