// NormalizationObserver: hears what every batch normalization of a call is about to normalize, with
// everything that decides its statistics: mask, bank, layout. Tools that measure layers listen to
// it (recalibrate_statistics.hpp, batch_normalization_health.hpp).
//
//   struct Counter : NormalizationObserver<float> {
//     void normalizes(const NormalizedBatch<float>& batch) override { values += batch.x.size(); }
//     std::int64_t values = 0;
//   };
//   Counter counter;
//   ctx.observer = &counter;
//
// Thread-safety: called on the thread of the module call.
#pragma once

#include <lamina/layers/batch_normalization.hpp>

namespace lamina {

// Everything belongs to the call, and must not be kept beyond it; the layer and its statistics live
// as long as the network.
template <Scalar T>
struct NormalizedBatch {
  const BatchNormalization<T>& layer;
  const MovingStatistics<T>& moving;  // of the call's bank
  const Tensor<T>& x;                 // kept axes side by side
  const NormLayout& layout;           // of x, as one batch: ghost batches are not apart
  const Tensor<T>& weights;           // of the mask; undefined: 1 everywhere
  const Shape& parameter_shape;
  VarianceEstimator estimator;  // of what the moving variance takes in
};

template <Scalar T>
class NormalizationObserver : public CallObserver<T> {
 public:
  virtual void normalizes(const NormalizedBatch<T>& batch) = 0;
  void called(const Module<T>&, const Variable<T>&, const Variable<T>&) override {}
};

}  // namespace lamina
