// ChannelBlocks: the channels of an input (batch, ..., channels, ...) in blocks of neighbours.
//
//   const ChannelBlocks blocks("group_normalization", -1, 2, Shape{3, 5, 6});
//   blocks.channels();          // 6
//   blocks.layout();            // by (example, block): groups 3, middle 5, channels 2, inner 3
//   blocks.channel_layout();    // by channel: outer 3, middle 5, channels 6
//
// Errors, in this order: ShapeError naming `who` where the input has fewer than two axes, where the
// axis is not one of them or is that of the batch, where the number of channels is not that of the
// parameters that are built, and where the blocks do not divide it.
#pragma once

#include <cstdint>
#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/tensor/shape.hpp>
#include <optional>

namespace lamina {

// In place of a number of blocks: one for each channel.
inline constexpr std::int64_t kBlockPerChannel = -1;

class ChannelBlocks {
 public:
  ChannelBlocks(const char* who, std::int64_t axis, std::int64_t blocks, const Shape& input,
                const std::optional<Shape>& built = {});

  std::int64_t channels() const noexcept { return blocks_ * size_; }
  std::int64_t size() const noexcept { return size_; }  // channels in a block
  // One statistic for each block of each example.
  NormLayout layout() const noexcept;
  // One parameter for each channel.
  NormLayout channel_layout() const noexcept;

 private:
  Shape input_;
  int axis_ = 0;
  std::int64_t blocks_ = 0, size_ = 1;
};

// ArgumentError for the batch axis where no input is needed to know it.
void require_channel_axis(const char* who, std::int64_t axis);

}  // namespace lamina
