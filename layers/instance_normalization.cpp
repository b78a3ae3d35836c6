#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/instance_normalization.hpp>

namespace lamina {
namespace {

constexpr const char* kWho = "instance_normalization";

}  // namespace

void InstanceNormalizationOptions::visit(OptionVisitor& visitor) {
  visitor("axis", axis);
  visit_sample_normalization(visitor, *this);
}

template <Scalar T>
InstanceNormalization<T>::InstanceNormalization(InstanceNormalizationOptions options)
    : SampleNormalization<T, InstanceNormalizationOptions>(kWho, std::move(options)) {
  require_channel_axis(kWho, this->options_.axis);
}

template <Scalar T>
ChannelBlocks InstanceNormalization<T>::channels_in(const Shape& input) const {
  if (input.rank() >= 3) {
    return {kWho, this->options_.axis, kBlockPerChannel, input, this->built_shape()};
  }
  throw ShapeError(kWho,
                   "the input must have at least 3 axes (batch, positions, channels); got input " +
                       input.to_string());
}

template <Scalar T>
void InstanceNormalization<T>::build(const Shape& input, Builder<T>& builder) {
  this->build_parameters({channels_in(input).channels()}, builder);
}

template <Scalar T>
Variable<T> InstanceNormalization<T>::forward(const Variable<T>& x, const Context<T>& ctx) const {
  const ChannelBlocks channels = channels_in(x.shape());
  return normalize_samples(x, channels.layout(), this->options_.epsilon, this->gamma_beta(ctx));
}

template class InstanceNormalization<float>;
template class InstanceNormalization<double>;

}  // namespace lamina
