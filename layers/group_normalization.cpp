#include <fmt/core.h>

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/group_normalization.hpp>

namespace lamina {
namespace {

constexpr const char* kWho = "group_normalization";

}  // namespace

void GroupNormalizationOptions::visit(OptionVisitor& visitor) {
  visitor("groups", groups);
  visitor("axis", axis);
  visit_sample_normalization(visitor, *this);
}

template <Scalar T>
GroupNormalization<T>::GroupNormalization(GroupNormalizationOptions options)
    : SampleNormalization<T, GroupNormalizationOptions>(kWho, std::move(options)) {
  require_channel_axis(kWho, this->options_.axis);
  const std::int64_t groups = this->options_.groups;
  if (groups >= 1 || groups == kBlockPerChannel) return;
  throw ArgumentError(
      kWho, fmt::format("groups must be at least 1, or -1 for one per channel; got {}", groups));
}

template <Scalar T>
ChannelBlocks GroupNormalization<T>::blocks_in(const Shape& input) const {
  return {kWho, this->options_.axis, this->options_.groups, input, this->built_shape()};
}

template <Scalar T>
void GroupNormalization<T>::build(const Shape& input, Builder<T>& builder) {
  this->build_parameters({blocks_in(input).channels()}, builder);
}

template <Scalar T>
Variable<T> GroupNormalization<T>::forward(const Variable<T>& x, const Context<T>& ctx) const {
  const ChannelBlocks blocks = blocks_in(x.shape());
  const Affine<T> gamma_beta = this->gamma_beta(ctx);
  const double epsilon = this->options_.epsilon;
  // A block of one channel has one gamma and one beta, which the same pass over memory applies.
  if (blocks.size() == 1) return normalize_samples(x, blocks.layout(), epsilon, gamma_beta);
  return scale_and_shift(normalize_samples(x, blocks.layout(), epsilon), blocks.channel_layout(),
                         gamma_beta);
}

template class GroupNormalization<float>;
template class GroupNormalization<double>;

}  // namespace lamina
