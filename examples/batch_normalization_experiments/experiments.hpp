// The experiments: which settings are compared, and what each is called. Settings that several
// experiments share are equal, so that they are run once.
//
//   small_batches   Ioffe (2017), section 4.2: statistics of 4 examples, plain and renormalized
//   two_classes     Ioffe (2017), section 4.3: every batch of 32 holds two classes
//   large_batches   Hoffer et al. (2017): batches of 4,096, with and without ghost batches of 64
//   drift           Ioffe (2017), section 3: how far moving statistics are from what they stand for
#pragma once

#include <string>
#include <vector>

#include "training.hpp"

namespace experiments {

struct Case {
  std::string name;
  Setting setting;
};

struct Experiment {
  std::string name;  // of the option --experiment and of the files
  std::string title;
  std::vector<Case> cases;
};

const std::vector<std::string>& experiment_names();

// Quick: a thirtieth of the updates, to see that everything works; the numbers then say little.
Experiment experiment(const std::string& name, bool quick);

}  // namespace experiments
