// recalibrate_statistics: replaces the moving statistics of every batch normalization by the exact
// statistics of a data set under the network as it is now (Precise BN).
//
//   DataLoader<float> loader(mnist.train, {.batch_size = 256});
//   const Recalibration done = recalibrate_statistics(net, loader, {.max_batches = 50});
//   done.layers.front().distance.largest_mean;     // how far the old ones were off
//
// For statistics that training left wrong: too large or too small a momentum, batches too small,
// weights averaged or pruned since, data of another kind.
//
// One pass with fixed weights, in which every layer normalizes by the batch at hand and its input
// is measured. The moments of the batches are pooled by their counts as if they had been one batch
// (pooled_moments.hpp), in double and by the masks of the calls; at the end moving_mean is their
// mean, moving_variance their variance by the layer's estimator, and with renorm moving_stddev,
// renorm_mean and renorm_stddev follow. The counter of updates becomes the number of batches.
// Layers that are called more than once, tied ones, and named banks are measured over all calls
// that share their statistics.
//
// Everything but the normalizations does what it does in inference: dropout is off, and so are
// adjustments and the corrections of renorm. Wu and Johnson's program leaves the mode of other
// layers to its caller; dropout that is on would put a larger variance into the statistics behind
// it than inference ever meets (Li et al., 2019).
//
// Layers whose statistics do not follow training (freeze(), update_statistics = false) or that were
// not called keep theirs, and are not in the result. Parameters and other buffers stay.
//
// All or nothing: when a batch fails, every statistic is as before.
// Errors: StateError for a network that was never called or loaded; ArgumentError where there is no
// batch and for max_batches < 1; NumericError naming a layer whose statistics would not be finite
// (its option non_finite = skip leaves such batches out); what a call with a batch throws, and what
// delivering one throws. Thread-safety: as training. Source: Wu and Johnson, Rethinking "Batch" in
// BatchNorm (2021), section 3; Li et al., Understanding the Disharmony between Dropout and Batch
// Normalization by Variance Shift (2019).
#pragma once

#include <functional>
#include <iterator>
#include <lamina/layers/statistics_distance.hpp>
#include <lamina/nn/module.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace lamina {

struct RecalibrationOptions {
  std::optional<std::int64_t> max_batches = {};  // unset: all that there are
};

struct RecalibratedStatistics {
  std::string path;             // of the layer; the first of several that are tied
  std::string bank;             // empty: its own statistics
  std::int64_t batches = 0;     // in which they took part
  double count = 0;             // values (or weight) behind one mean
  StatisticsDistance distance;  // of the new ones from the old ones
};

struct Recalibration {
  std::int64_t batches = 0;
  std::vector<RecalibratedStatistics> layers = {};  // in the order of their first call
};

// Gives the next batch of inputs; an undefined tensor: there are no more.
template <Scalar T>
using BatchSource = std::function<Tensor<T>()>;

template <Scalar T>
Recalibration recalibrate_statistics(Module<T>& net,
                                     const std::type_identity_t<BatchSource<T>>& next,
                                     const RecalibrationOptions& options = {});

// Of a range of tensors, or of batches with inputs in .features, as a DataLoader is; only as many
// as needed are taken from it.
template <Scalar T, class Range>
  requires requires(Range& range) { range.begin() != range.end(); }
Recalibration recalibrate_statistics(Module<T>& net, Range&& range,
                                     const RecalibrationOptions& options = {}) {
  auto at = range.begin();
  const auto end = range.end();
  bool first = true;
  const BatchSource<T> next = [&]() -> Tensor<T> {
    if (!first) ++at;
    first = false;
    if (at == end) return {};
    if constexpr (requires { (*at).features; }) {
      return (*at).features;
    } else {
      return *at;
    }
  };
  return recalibrate_statistics<T>(net, next, options);
}

extern template Recalibration recalibrate_statistics<float>(Module<float>&,
                                                            const BatchSource<float>&,
                                                            const RecalibrationOptions&);
extern template Recalibration recalibrate_statistics<double>(Module<double>&,
                                                             const BatchSource<double>&,
                                                             const RecalibrationOptions&);

}  // namespace lamina
