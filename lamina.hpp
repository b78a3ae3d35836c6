// The umbrella header: everything a user of lamina needs, and no third-party header.
#pragma once

#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/activation.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/convolution.hpp>
#include <lamina/autograd/ops/dense.hpp>
#include <lamina/autograd/ops/dropout.hpp>
#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <lamina/autograd/ops/index.hpp>
#include <lamina/autograd/ops/join.hpp>
#include <lamina/autograd/ops/linear_algebra.hpp>
#include <lamina/autograd/ops/loss.hpp>
#include <lamina/autograd/ops/moments.hpp>
#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/autograd/ops/pooling.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/selection.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/ops/softmax.hpp>
#include <lamina/autograd/ops/spatial.hpp>
#include <lamina/autograd/ops/statistics_reduction.hpp>
#include <lamina/autograd/recompute.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/autograd/tensor/allocator.hpp>
#include <lamina/autograd/tensor/axes.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/npy.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/autograd/tensor/print.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/autograd/tensor/scalar.hpp>
#include <lamina/autograd/tensor/shape.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <lamina/autograd/variable.hpp>
#include <lamina/data/data_loader.hpp>
#include <lamina/data/dataset.hpp>
#include <lamina/data/idx.hpp>
#include <lamina/data/mnist.hpp>
#include <lamina/data/pgm.hpp>
#include <lamina/data/synthetic_digits.hpp>
#include <lamina/layers/activations.hpp>
#include <lamina/layers/adjustment.hpp>
#include <lamina/layers/affine.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/batch_normalization_function.hpp>
#include <lamina/layers/batch_normalization_health.hpp>
#include <lamina/layers/batch_normalization_options.hpp>
#include <lamina/layers/batch_renormalization.hpp>
#include <lamina/layers/batch_statistics.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/cross_entropy.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/dropout.hpp>
#include <lamina/layers/fold_batch_normalization.hpp>
#include <lamina/layers/group_normalization.hpp>
#include <lamina/layers/instance_normalization.hpp>
#include <lamina/layers/layer_normalization.hpp>
#include <lamina/layers/loss.hpp>
#include <lamina/layers/momentum.hpp>
#include <lamina/layers/moving_statistics.hpp>
#include <lamina/layers/normalization_axes.hpp>
#include <lamina/layers/normalization_observer.hpp>
#include <lamina/layers/pooled_moments.hpp>
#include <lamina/layers/pooling.hpp>
#include <lamina/layers/recalibrate_statistics.hpp>
#include <lamina/layers/registry.hpp>
#include <lamina/layers/regression_loss.hpp>
#include <lamina/layers/reshape.hpp>
#include <lamina/layers/scope.hpp>
#include <lamina/layers/statistics_distance.hpp>
#include <lamina/layers/variance_estimator.hpp>
#include <lamina/nn/checkpointed.hpp>
#include <lamina/nn/constraint.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/context.hpp>
#include <lamina/nn/glob.hpp>
#include <lamina/nn/initializer.hpp>
#include <lamina/nn/initializers.hpp>
#include <lamina/nn/module.hpp>
#include <lamina/nn/module_pointer.hpp>
#include <lamina/nn/optimizer.hpp>
#include <lamina/nn/options.hpp>
#include <lamina/nn/parameter.hpp>
#include <lamina/nn/printed_warnings.hpp>
#include <lamina/nn/registry.hpp>
#include <lamina/nn/regularizer.hpp>
#include <lamina/nn/regularizers.hpp>
#include <lamina/nn/sequential.hpp>
#include <lamina/nn/state_visitor.hpp>
#include <lamina/nn/summary.hpp>
#include <lamina/nn/tied.hpp>
#include <lamina/nn/visitor.hpp>
#include <lamina/optim/adam.hpp>
#include <lamina/optim/clipping.hpp>
#include <lamina/optim/factory.hpp>
#include <lamina/optim/multi_tensor_optimizer.hpp>
#include <lamina/optim/rmsprop.hpp>
#include <lamina/optim/schedule.hpp>
#include <lamina/optim/sgd.hpp>
#include <lamina/optim/update_options.hpp>
#include <lamina/serialization/background_saver.hpp>
#include <lamina/serialization/checkpoint.hpp>
#include <lamina/serialization/checkpoint_file.hpp>
#include <lamina/serialization/file_system.hpp>
#include <lamina/serialization/generations.hpp>
#include <lamina/serialization/interchange.hpp>
#include <lamina/serialization/model_file.hpp>
#include <lamina/serialization/npz.hpp>
#include <lamina/serialization/partial_load.hpp>
#include <lamina/serialization/safetensors.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <lamina/serialization/training_state.hpp>
#include <lamina/training/callback.hpp>
#include <lamina/training/checkpointing.hpp>
#include <lamina/training/confusion_matrix.hpp>
#include <lamina/training/csv_log.hpp>
#include <lamina/training/early_stopping.hpp>
#include <lamina/training/history.hpp>
#include <lamina/training/learning_rate.hpp>
#include <lamina/training/loss_function.hpp>
#include <lamina/training/metric.hpp>
#include <lamina/training/monitor.hpp>
#include <lamina/training/progress_bar.hpp>
#include <lamina/training/trainer.hpp>

namespace lamina {

// The version of the library that is linked, "major.minor.patch".
const char* version() noexcept;

// A model file of nothing but lamina's own layers (see serialization/model_file.hpp).
template <Scalar T>
ModulePointer<T> load_model(const std::string& path) {
  return load_model<T>(path, standard_registry<T>());
}

}  // namespace lamina
