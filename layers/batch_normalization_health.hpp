// batch_normalization_health: whether the moving statistics of every batch normalization fit a
// batch, and which of its channels do nothing.
//
//   std::cout << batch_normalization_health(net, images).to_string();
//
//   path    updates  mean off  median  deviation off  median  dead  near epsilon
//   bn1         120      0.31    0.08           1.20    1.04  0/64          2/64
//   bn2       never      4.10    1.90           3.00    1.50  1/32          0/32
//
//   mean off        |mean - moving_mean| / sqrt(moving_variance + epsilon): the largest of a channel
//   deviation off   how many times larger or smaller the batch's sqrt(variance + epsilon) is than
//                   the moving one: the largest of a channel
//   dead            channels whose output is constant: all values equal, but for the rounding of T
//                   (a variance of at most (4 ulp mean)^2), or gamma 0
//   near epsilon    other channels with a variance below 10 epsilon, which makes them smaller by 4.7 %
//                   and more
//
// with the median channel beside the largest. updates is how often training moved the statistics;
// "never" means that inference normalizes by their initial values. The batch is measured as
// recalibrate_statistics measures its batches (every layer normalizes by the batch, so that one
// with bad statistics does not spoil the rows of those behind it; frozen ones do what they do); the
// variance is the one that the layer would store. A layer called more than once, and tied ones,
// have one row over all calls; a named bank has a row of its own. Nothing of the network changes.
//
// Errors: StateError for a network that was never called or loaded; ArgumentError for fewer than
// two values behind a mean; what a call with the batch throws. Thread-safety: as training.
#pragma once

#include <cstdint>
#include <lamina/layers/statistics_distance.hpp>
#include <lamina/nn/module.hpp>
#include <string>
#include <vector>

namespace lamina {

struct NormalizationHealth {
  std::string path;
  std::string bank;                             // empty: the layer's own statistics
  std::int64_t updates = 0;                     // 0: never
  std::int64_t channels = 0;                    //
  StatisticsDistance distance;                  // of the batch from the moving statistics
  std::vector<std::int64_t> dead = {};          // numbers of channels
  std::vector<std::int64_t> near_epsilon = {};  // numbers of channels
};

struct BatchNormalizationHealth {
  std::vector<NormalizationHealth> layers = {};  // in the order of their first call

  // An aligned table; lines end with '\n'.
  std::string to_string() const;
};

template <Scalar T>
BatchNormalizationHealth batch_normalization_health(Module<T>& net, const Tensor<T>& batch);

extern template BatchNormalizationHealth batch_normalization_health(Module<float>&,
                                                                    const Tensor<float>&);
extern template BatchNormalizationHealth batch_normalization_health(Module<double>&,
                                                                    const Tensor<double>&);

}  // namespace lamina
