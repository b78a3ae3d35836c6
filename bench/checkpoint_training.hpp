// What saving in the background costs a training: how long the call takes, and how much longer a
// step takes while the file is written. Printed as a table.
//
// The network is the CNN that lamina_bench trains (support/networks.hpp), with Adam; the steps are
// timed one by one. A round is some steps without a save, one call, and the steps until the file is
// written; the first of these also copies what the file still needs (copy-on-write). The medians
// over all rounds are compared, after one round that warms memory.
#pragma once

#include <cstdint>
#include <string>

namespace bench {

struct CheckpointTrainingOptions {
  std::string folder;
  std::int64_t batch_size = 128;
  std::int64_t mebibytes = 0;  // saved besides: a larger state that is written for longer
  int rounds = 10;
};

void print_checkpoint_training_heading();
void measure_checkpoint_training(const CheckpointTrainingOptions& options);

}  // namespace bench
