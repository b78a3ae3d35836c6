// Conv2D: a convolution over the rows and columns of images (a correlation, as everywhere in the
// field). Formula and extents: autograd/ops/convolution.hpp and spatial.hpp.
//
//   x (N, H, W, C), or (N, C, H, W) with Layout::channels_first
//   kernel (rows, columns, C / groups, filters) in both layouts;  bias (filters)
//   y (N, H', W', filters), or (N, filters, H', W')
//
// The number of channels comes from the first input, or from .in_channels.
// Errors: ArgumentError for options out of range, or groups that do not divide the filters;
// ShapeError for an input of another rank or other channels, or smaller than the kernel.
// Thread-safety: as Module. Source: Keras 3, layers.Conv2D.
#pragma once

#include <lamina/autograd/ops/convolution.hpp>
#include <lamina/nn/module.hpp>
#include <string>

namespace lamina {

struct Conv2DOptions {
  Required<std::int64_t> filters;
  Required<Extents2> kernel;
  Extents2 strides = {1, 1};
  Padding padding = Padding::valid;
  Layout layout = Layout::channels_last;
  Extents2 dilation = {1, 1};
  std::int64_t groups = 1;
  bool exact = false;  // never minimal filtering (docs/performance.md); also Context::exact
  bool use_bias = true;
  Initializer kernel_initializer = {};  // glorot_uniform
  Initializer bias_initializer = {};    // zeros
  Regularizer kernel_regularizer = {};
  Regularizer bias_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint bias_constraint = {};
  std::int64_t in_channels = 0;  // 0: those of the first input
  std::string name = {};

  void visit(OptionVisitor& visitor);
  static Conv2DOptions blank() { return {.filters = 1, .kernel = {1, 1}}; }
};

template <Scalar T>
class Conv2D : public Module<T> {
 public:
  using Options = Conv2DOptions;

  explicit Conv2D(Options options);

  void visit(Visitor<T>& visitor) override;
  void build(const Shape& input, Builder<T>& builder) override;
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;

  std::string type() const override { return "conv2d"; }
  std::string name() const override { return options_.name; }
  void visit_options(OptionVisitor& visitor) override { options_.visit(visitor); }
  std::int64_t multiply_adds(const Shape& input, const Shape& output) const override;
  const Options& options() const noexcept { return options_; }

  const Parameter<T>& kernel() const noexcept { return kernel_; }
  const Parameter<T>& bias() const noexcept { return bias_; }
  Parameter<T>& kernel() noexcept { return kernel_; }
  Parameter<T>& bias() noexcept { return bias_; }

 private:
  void require_input(const Shape& input, std::int64_t channels) const;
  ConvolutionOptions convolution() const;

  Options options_;
  Parameter<T> kernel_, bias_;
};

extern template class Conv2D<float>;
extern template class Conv2D<double>;

}  // namespace lamina
