#include <fmt/core.h>

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/detail/channel_blocks.hpp>
#include <lamina/layers/normalization_axes.hpp>

namespace lamina {

ChannelBlocks::ChannelBlocks(const char* who, std::int64_t axis, std::int64_t blocks,
                             const Shape& input, const std::optional<Shape>& built)
    : input_(input), blocks_(blocks) {
  const auto refused = [&](const std::string& text) {
    return ShapeError(who, text + input.to_string());
  };
  if (input.rank() < 2) {
    throw refused("the input must have at least 2 axes (batch, ..., channels); got input ");
  }
  axis_ = resolved_axes(who, {&axis, 1}, input).front();
  if (axis_ == 0) {
    throw refused(fmt::format("axis must not be that of the batch; got axis {} for input ", axis));
  }
  const std::int64_t channels = input[axis_];
  if (built && built->size() != channels) {
    throw refused(fmt::format("axis {} must have {} channels; got input ", axis, built->size()));
  }
  if (blocks == kBlockPerChannel) {
    blocks_ = channels;
    return;
  }
  if (channels % blocks != 0) {
    throw refused(fmt::format("groups must divide the channels; got {} groups for input ", blocks));
  }
  size_ = channels / blocks;
}

NormLayout ChannelBlocks::layout() const noexcept {
  return {.groups = input_[0],
          .middle = input_.size_of_axes(1, axis_),
          .channels = blocks_,
          .inner = size_ * input_.size_of_axes(axis_ + 1, input_.rank())};
}

NormLayout ChannelBlocks::channel_layout() const noexcept {
  return {.outer = input_[0],
          .middle = input_.size_of_axes(1, axis_),
          .channels = channels(),
          .inner = input_.size_of_axes(axis_ + 1, input_.rank())};
}

void require_channel_axis(const char* who, std::int64_t axis) {
  if (axis != 0) return;
  throw ArgumentError(who, "axis must not be that of the batch; got 0");
}

}  // namespace lamina
