// How far the moving statistics of every batch normalization are from the statistics of what it is
// given.
//
//   DriftObserver observer;
//   context.observer = &observer;      // then net(images, context)
//   observer.distances();              // one per batch normalization, in the order of the calls
//
// For a layer, over its channels c, with batch mean m, batch deviation s, moving mean M and moving
// deviation S (the root of moving variance plus epsilon, as the layer divides by it):
//
//   distance = sqrt( mean_c ( (m - M)^2 + (s - S)^2 ) / S^2 )
//
// that is the 2-Wasserstein distance of two normal distributions in units of the moving deviation:
// 0 where the moving statistics are right. s is the root of the biased variance plus epsilon.
// Every call of the network begins a list of its own: call reset() before it.
// The statistics of small batches are noisy: even for the right moving statistics n independent
// normal values give about sqrt(1.5 / n).
#pragma once

#include <lamina/nn/context.hpp>
#include <vector>

namespace experiments {

class DriftObserver final : public lamina::CallObserver<float> {
 public:
  void called(const lamina::Module<float>& module, const lamina::Variable<float>& input,
              const lamina::Variable<float>& output) override;

  void reset() { distances_.clear(); }
  const std::vector<double>& distances() const noexcept { return distances_; }

 private:
  std::vector<double> distances_;
};

}  // namespace experiments
