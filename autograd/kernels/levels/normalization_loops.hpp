// What an instruction set has for the normalizations, as a table of functions over raw memory. Used
// by moments.cpp and normalization.cpp, which cut the work and merge the sums; they have loops of
// their own for double and for the baseline.
//
// Columns are adjacent channels: row r begins at offset[r], a channel is a column of the rows. A
// run is adjacent elements of one channel. Sums are over at most Block::kValues values of a
// channel, in chains that do not depend on the level of the numbers; `weights` may be null and
// stand for 1, a weight of 0 selects.
#pragma once

#include <cstdint>

namespace lamina::kernels {

// Coefficients by channel: y = (x - high) factor + constant.
struct ScaleCoefficients {
  const float* high;
  const float* factor;
  const float* constant;
};

// dx = (dy - w ((x - high) of_x + constant)) of_all.
struct GradientCoefficients {
  const float* high;
  const float* of_all;
  const float* of_x;
  const float* constant;
};

// The derivative of a ReLU behind y = (x - high) factor + constant: dy counts where y > 0 or is
// NaN. Null where there is none.
struct ReluGate {
  const float* factor;
  const float* constant;
};

struct BlockRows {
  int count;
  const std::int64_t* offset;
  const float* weights = nullptr;  // one per row
};

struct BlockRuns {
  int count;
  std::int64_t length;
  const std::int64_t* offset;
  const float* weights = nullptr;
  const std::int64_t* place = nullptr;  // of a run's first weight
};

// Moments so far; means count from an origin, one of the channel's values.
struct ColumnMoments {
  const float* origin;
  double* mean;
  double* squares;
  double count;
};

// The sum of the (weighted) values over the count, and about it two sums.
struct RunMoments {
  float shift, sum, squares;
};
struct RunGradientSums {
  float dy, dy_high;
};

// What one call sums at most, of channels side by side.
inline constexpr int kMostColumns = 64;

struct NormalizationLoops {
  // Merges the moments of `width` channels of a block, whose weights sum to `count`; does nothing
  // and gives false where squares overflowed or vanished.
  bool (*add_column_moments)(const float* x, const BlockRows& rows, double count, int width,
                             const ColumnMoments& to);
  // += sum(dy) and sum(dy (x - high)); an x is not looked at where its dy is 0, nor where it is not
  // finite and has weight 0.
  void (*add_column_gradients)(const float* x, const float* dy, const BlockRows& rows, int width,
                               const float* high, ReluGate gate, double* sum_dy,
                               double* sum_dy_high);
  // With `past_caches`, y is written around the caches where addresses are aligned to vectors;
  // fence() must follow on the same thread before another one looks.
  void (*scale_columns)(const float* x, const BlockRows& rows, std::int64_t channels,
                        const ScaleCoefficients& coefficients, bool relu, bool past_caches,
                        float* y);
  void (*combine_columns)(const float* x, const float* dy, const BlockRows& rows,
                          std::int64_t channels, const GradientCoefficients& coefficients,
                          ReluGate gate, bool past_caches, float* dx);

  // The same for one channel of runs; coefficients point to the channel's.
  RunMoments (*run_moments)(const float* x, const BlockRuns& runs, double count);
  RunGradientSums (*run_gradients)(const float* x, const float* dy, const BlockRuns& runs,
                                   float high, ReluGate gate);
  void (*scale_runs)(const float* x, const BlockRuns& runs, const ScaleCoefficients& coefficients,
                     bool relu, bool past_caches, float* y);
  void (*combine_runs)(const float* x, const float* dy, const BlockRuns& runs,
                       const GradientCoefficients& coefficients, ReluGate gate, bool past_caches,
                       float* dx);

  // The coefficients of one group's channels (coefficient_loops.hpp).
  void (*fill_centred_scaling)(std::int64_t channels, const double* mean, const double* variance,
                               double epsilon, const double* scale, const double* offset,
                               double* inverse, float* high, float* factor, float* constant);
  void (*fill_gradient_scaling)(std::int64_t channels, const double* mean, const double* inverse,
                                double inverse_count, const double* sum_dy,
                                const double* sum_dy_centred, float* of_x, float* constant);

  void (*fence)();
};

// Defined by levels/normalization_loops.cpp, which is compiled once per level.
namespace avx2 {
const NormalizationLoops* normalization_loops();
}
namespace avx512 {
const NormalizationLoops* normalization_loops();
}

}  // namespace lamina::kernels
