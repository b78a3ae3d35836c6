// MovingStatistics: what inference normalizes by, and how training moves it.
//
//   moving_mean     += rate (mean - moving_mean)            rate = 1 - momentum; `cumulative`:
//   moving_variance += rate (variance - moving_variance)    1 / (updates + 1)
//   updates         += 1
//
// With renorm, its buffers belong to it, and moving_variance follows from moving_stddev
// (batch_renormalization.hpp). A named bank holds a set of its own: its buffers are
// "<bank>.moving_mean" and so on. What a batch that holds NaN or infinity does is the option
// non_finite.
#pragma once

#include <lamina/layers/affine.hpp>
#include <lamina/layers/batch_normalization_options.hpp>
#include <lamina/layers/batch_renormalization.hpp>
#include <lamina/layers/batch_statistics.hpp>
#include <lamina/nn/module.hpp>
#include <optional>
#include <string>

namespace lamina {

template <Scalar T>
class MovingStatistics {
 public:
  // `bank`: empty for the layer's own.
  MovingStatistics(std::string bank, const BatchNormalizationOptions& options);

  void visit(Visitor<T>& visitor);
  void build(const Shape& shape, const Initializer& mean, const Initializer& variance,
             Builder<T>& builder);

  // Constants to normalize by.
  Moments moments() const;
  // Renorm's (r, d) for a batch; neither without renorm.
  Affine<T> correction(const BatchStatistics<T>& batch, std::int64_t step) const;
  // Emits one update. `path`: of the layer, for warnings.
  void update(const BatchStatistics<T>& batch, const std::string& path,
              const Context<T>& ctx) const;
  // Emits the change to where many updates by this batch would end; the counter stays.
  void settle(const BatchStatistics<T>& batch, const Context<T>& ctx) const;

  const std::string& bank() const noexcept { return bank_; }
  const Buffer<T>& mean() const noexcept { return mean_; }
  const Buffer<T>& variance() const noexcept { return variance_; }
  const Counter& updates() const noexcept { return updates_; }
  Buffer<T>& mean() noexcept { return mean_; }
  Buffer<T>& variance() noexcept { return variance_; }
  Counter& updates() noexcept { return updates_; }

 private:
  std::string prefixed(const char* name) const { return prefix_ + name; }
  void move(const BatchStatistics<T>& batch, const Rate& rate, const Rate& renorm_rate,
            const Context<T>& ctx) const;
  bool accepted(const BatchStatistics<T>& batch, const std::string& path,
                const Context<T>& ctx) const;

  std::string bank_, prefix_;
  Momentum momentum_;
  NonFinite non_finite_;
  Buffer<T> mean_, variance_;
  Counter updates_;
  std::optional<BatchRenormalization<T>> renorm_;
};

extern template class MovingStatistics<float>;
extern template class MovingStatistics<double>;

}  // namespace lamina
