#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/detail/spatial_fields.hpp>
#include <lamina/layers/pooling.hpp>

namespace lamina {

namespace {

Pool2DOptions checked(const char* who, Pool2DOptions options) {
  require_positive(who, "pool", options.pool);
  if (options.strides) require_positive(who, "strides", *options.strides);
  require_padding(who, options.padding);
  return options;
}

PoolingOptions pooling(const Pool2DOptions& options) {
  return {.pool = options.pool,
          .strides = options.strides,
          .padding = options.padding,
          .layout = options.layout};
}

}  // namespace

void Pool2DOptions::visit(OptionVisitor& visitor) {
  visitor("pool", pool);
  visit_strides(visitor, strides);
  visit_padding(visitor, padding);
  visit_layout(visitor, layout);
}

void GlobalAveragePool2DOptions::visit(OptionVisitor& visitor) {
  visit_layout(visitor, layout);
  visitor("keepdims", keepdims);
}

template <Scalar T>
MaxPool2D<T>::MaxPool2D(Pool2DOptions options)
    : PlainLayer<T, Pool2DOptions>(checked("max_pool2d", std::move(options))) {}

template <Scalar T>
Variable<T> MaxPool2D<T>::forward(const Variable<T>& x, const Context<T>&) const {
  require_image("max_pool2d", x.shape(), this->options_.layout);
  return max_pool2d(x, pooling(this->options_));
}

template <Scalar T>
AveragePool2D<T>::AveragePool2D(Pool2DOptions options)
    : PlainLayer<T, Pool2DOptions>(checked("average_pool2d", std::move(options))) {}

template <Scalar T>
Variable<T> AveragePool2D<T>::forward(const Variable<T>& x, const Context<T>&) const {
  require_image("average_pool2d", x.shape(), this->options_.layout);
  return average_pool2d(x, pooling(this->options_));
}

template <Scalar T>
GlobalAveragePool2D<T>::GlobalAveragePool2D(GlobalAveragePool2DOptions options)
    : PlainLayer<T, GlobalAveragePool2DOptions>(std::move(options)) {}

template <Scalar T>
Variable<T> GlobalAveragePool2D<T>::forward(const Variable<T>& x, const Context<T>&) const {
  require_image("global_average_pool2d", x.shape(), this->options_.layout);
  const int rows = this->options_.layout == Layout::channels_last ? 1 : 2;
  if (x.shape()[rows] == 0 || x.shape()[rows + 1] == 0) {
    throw ShapeError("global_average_pool2d",
                     "the input must have rows and columns; got input " + x.shape().to_string());
  }
  return mean(x, {rows, rows + 1}, this->options_.keepdims);
}

template class MaxPool2D<float>;
template class MaxPool2D<double>;
template class AveragePool2D<float>;
template class AveragePool2D<double>;
template class GlobalAveragePool2D<float>;
template class GlobalAveragePool2D<double>;

}  // namespace lamina
