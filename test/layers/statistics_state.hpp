// What the tests of the parts of batch normalization that own buffers share: building one without a
// layer around it, and its buffers by name.
#pragma once

#include <lamina/layers/batch_statistics.hpp>
#include <lamina/nn/initializers.hpp>
#include <lamina/nn/module.hpp>
#include <map>
#include <string>
#include <vector>

namespace lamina::test {

class NamedBuffers : public Visitor<double> {
 public:
  void buffer(const std::string& path, Buffer<double>& buffer) override {
    found_[path] = &buffer;
    names_.push_back(path);
  }
  void counter(const std::string& path, Counter&) override { names_.push_back(path); }

  const std::vector<std::string>& names() const { return names_; }
  Buffer<double>& at(const std::string& name) const { return *found_.at(name); }
  std::vector<double> values(const std::string& name) const {
    const auto values = at(name).value().values();
    return {values.begin(), values.end()};
  }

 private:
  std::map<std::string, Buffer<double>*> found_;
  std::vector<std::string> names_;
};

// Calls build(builder) in a context with random streams.
template <class Build>
void build_with(const Build& build) {
  Rng rng(1);
  const Context<double> ctx{.rng = &rng};
  Builder<double> builder(ctx, "bn");
  build(builder);
}

// The statistics of one batch of four examples.
inline BatchStatistics<double> batch_of(std::vector<double> mean, std::vector<double> variance,
                                        double count = 4) {
  const auto channels = static_cast<std::int64_t>(mean.size());
  return {{.mean = Tensor<double>({1, channels}, std::move(mean)),
           .variance = Tensor<double>({1, channels}, std::move(variance)),
           .count = Tensor<double>({1}, count)},
          {.outer = 4, .channels = channels},
          {channels},
          VarianceEstimator::unbiased};
}

}  // namespace lamina::test
