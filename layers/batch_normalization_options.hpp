// BatchNormalizationOptions: every argument of tf.compat.v1.layers.batch_normalization under its
// name and with its default, and what lamina adds.
//
// Errors: check() throws ArgumentError for what no input could satisfy; bounds of renorm are
// checked by batch_renormalization.hpp.
#pragma once

#include <lamina/layers/adjustment.hpp>
#include <lamina/layers/batch_renormalization.hpp>
#include <lamina/layers/momentum.hpp>
#include <lamina/layers/variance_estimator.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

// What a batch whose mean or variance is NaN or infinite does to the moving statistics. The output
// carries the NaN in any case.
enum class NonFinite {
  propagate,  // they take it in, and keep it as TensorFlow's do (with momentum 0 until the next step)
  skip,       // they stay as they are, with a warning
  raise       // NumericError; nothing has changed
};

// PyTorch's arguments of BatchNorm1d, 2d and 3d, with its defaults. affine = false: neither gamma
// nor beta.
struct PyTorchBatchNorm {
  std::optional<double> momentum = 0.1;  // weight of the new value; none: cumulative
  double eps = 1e-5;
  bool affine = true;
  bool track_running_stats = true;
};

struct BatchNormalizationOptions {
  std::vector<std::int64_t> axis = {-1};
  Momentum momentum = 0.99;  // weight of the old value, or `cumulative`
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = {};             // zeros
  Initializer gamma_initializer = {};            // ones
  Initializer moving_mean_initializer = {};      // zeros
  Initializer moving_variance_initializer = {};  // ones
  Regularizer beta_regularizer = {};
  Regularizer gamma_regularizer = {};
  Constraint beta_constraint = {};
  Constraint gamma_constraint = {};
  bool trainable = true;  // whether gamma and beta are
  std::string name = {};
  bool renorm = false;
  RenormClipping renorm_clipping = {};
  double renorm_momentum = 0.99;
  std::optional<bool> fused = {};  // selects the estimator of the seed; never fails
  std::optional<std::int64_t> virtual_batch_size = {};
  Adjustment adjustment = {};

  // ---- beyond TensorFlow ----
  VarianceEstimator variance_estimator = VarianceEstimator::tensorflow;
  std::optional<bool> update_statistics = {};     // in training; unset: as `trainable`
  std::optional<bool> use_batch_statistics = {};  // unset: in training
  NonFinite non_finite = NonFinite::propagate;
  std::vector<std::string> banks = {};  // further sets of moving statistics, by name

  // What makes lamina's layer compute what PyTorch's computes: axis 1, momentum turned round,
  // the unbiased variance stored; without running statistics, those of the batch in inference too.
  static BatchNormalizationOptions from_pytorch(const PyTorchBatchNorm& arguments = {});

  // Whether training moves the moving statistics.
  bool follows_training() const { return update_statistics.value_or(trainable); }

  void visit(OptionVisitor& visitor);
  void check() const;
};

}  // namespace lamina
