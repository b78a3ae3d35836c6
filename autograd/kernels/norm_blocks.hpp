// How the normalization kernels cut a NormLayout into work; only the .cpp files of this folder
// include this.
//
// A row is one (outer, middle) of a group: channels * inner contiguous elements. A tile is a range
// of rows, channels and inner elements of one group that stays in the nearer caches; tiles are
// shared among the threads. A block is a part of a tile, all channels of some rows, whose values
// are few enough to be summed in the tensor's own precision. Both are cut by shape alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

namespace lamina::kernels {

// The same statistics over the same memory with fewer extents: rows become longer, groups fewer.
// Weights do not vary along channels, so groups that have some stay.
inline NormLayout simplified(NormLayout layout, bool weighted) {
  if (layout.groups == 1) {
    layout.middle *= layout.outer;
    layout.outer = 1;
  }
  if (layout.channels == 1) {
    layout.inner *= layout.middle;
    layout.middle = 1;
  }
  if (layout.middle == 1 && !weighted) {
    layout.channels *= layout.groups;
    layout.groups = 1;
  }
  return layout;
}

struct Tile {
  std::int64_t group, chunk;  // chunks number the parts of a group's places
  std::int64_t row_begin, row_end, channel_begin, channel_end, inner_begin, inner_end;

  std::int64_t channels() const { return channel_end - channel_begin; }
};

// Up to kRows rows, `length` inner elements of each.
struct Block {
  static constexpr int kRows = 64;
  static constexpr std::int64_t kValues = 1024;  // of a channel

  int rows = 0;
  std::int64_t length = 0;
  std::int64_t offset[kRows];  // of the tile's first channel in x
  std::int64_t place[kRows];   // of the first weight
};

// function(part) for the parts of a tile in which memory is read in order: long runs are taken one
// channel after the other.
template <class Function>
void for_each_in_memory_order(const Tile& tile, Function&& function) {
  if (tile.inner_end - tile.inner_begin <= Block::kValues) return function(tile);
  Tile part = tile;
  for (std::int64_t c = tile.channel_begin; c < tile.channel_end; ++c) {
    part.channel_begin = c;
    part.channel_end = c + 1;
    function(part);
  }
}

class Tiling {
 public:
  static constexpr std::int64_t kElements = 32 * 1024;

  explicit Tiling(const NormLayout& layout) : layout_(layout) {
    const auto at_least_1 = [](std::int64_t n) { return std::max<std::int64_t>(n, 1); };
    const std::int64_t channels = at_least_1(layout.channels);
    inner_per_tile_ = std::clamp<std::int64_t>(layout.inner, 1, kElements);
    // Few rows take many channels each; many rows take enough that memory is read in long runs.
    const std::int64_t fitting = kElements / inner_per_tile_;
    channels_per_tile_ =
        std::clamp(fitting / at_least_1(rows()),
                   std::min(at_least_1(std::min<std::int64_t>(fitting, 256)), channels), channels);
    rows_per_tile_ = at_least_1(fitting / channels_per_tile_);
    row_chunks_ = chunks_of(rows(), rows_per_tile_);
    channel_chunks_ = chunks_of(layout.channels, channels_per_tile_);
    inner_chunks_ = chunks_of(layout.inner, inner_per_tile_);
  }

  std::int64_t chunks() const { return row_chunks_ * inner_chunks_; }

  // function(tile) for every tile; small work stays on the calling thread.
  template <class Function>
  void for_each_tile(Function&& function) const {
    const std::int64_t tiles = tile_count();
    if (layout_.size() <= kElements) {
      for (std::int64_t number = 0; number < tiles; ++number) function(tile(number));
    } else {
      parallel_for(tiles, [&](std::int64_t number) { function(tile(number)); });
    }
  }

  // The last tile first: what another pass has read last is in the nearer caches still.
  template <class Function>
  void for_each_tile_backwards(Function&& function) const {
    const std::int64_t tiles = tile_count();
    if (layout_.size() <= kElements) return for_each_tile(function);
    parallel_for(tiles, [&](std::int64_t number) { function(tile(tiles - 1 - number)); });
  }

  // function(block) for every block of a tile.
  template <class Function>
  void for_each_block(const Tile& tile, Function&& function) const {
    Block block;
    const std::int64_t longest = block_length(tile.inner_end - tile.inner_begin);
    for (std::int64_t inner = tile.inner_begin; inner < tile.inner_end; inner += block.length) {
      block.length = std::min(longest, tile.inner_end - inner);
      const std::int64_t rows =
          std::clamp<std::int64_t>(Block::kValues / block.length, 1, Block::kRows);
      std::int64_t outer = tile.row_begin / layout_.middle,
                   middle = tile.row_begin % layout_.middle;
      for (std::int64_t row = tile.row_begin; row < tile.row_end; row += block.rows) {
        block.rows = static_cast<int>(std::min(rows, tile.row_end - row));
        for (int r = 0; r < block.rows;) {
          const std::int64_t number =
              (outer * layout_.groups + tile.group) * layout_.middle + middle;
          const int side_by_side =
              static_cast<int>(std::min<std::int64_t>(block.rows - r, layout_.middle - middle));
          std::int64_t offset =
              (number * layout_.channels + tile.channel_begin) * layout_.inner + inner;
          std::int64_t place = number * layout_.inner + inner;
          for (const int end = r + side_by_side; r < end; ++r) {
            block.offset[r] = offset;
            block.place[r] = place;
            offset += layout_.channels * layout_.inner;
            place += layout_.inner;
          }
          middle += side_by_side;
          if (middle < layout_.middle) continue;
          middle = 0;
          ++outer;
        }
        function(block);
      }
    }
  }

 private:
  static std::int64_t chunks_of(std::int64_t extent, std::int64_t size) {
    return (extent + size - 1) / size;
  }
  std::int64_t tile_count() const { return layout_.groups * chunks() * channel_chunks_; }
  std::int64_t rows() const { return layout_.outer * layout_.middle; }

  // Of about equal blocks of a run, in whole cache lines: no short one is left at the end.
  static std::int64_t block_length(std::int64_t inner) {
    constexpr std::int64_t kLine = 16;
    if (inner <= Block::kValues) return inner;
    return chunks_of(chunks_of(inner, chunks_of(inner, Block::kValues)), kLine) * kLine;
  }

  Tile tile(std::int64_t number) const {
    const std::int64_t channel_chunk = number % channel_chunks_;
    const std::int64_t chunk = number / channel_chunks_ % chunks();
    const std::int64_t rows_before = chunk / inner_chunks_ * rows_per_tile_;
    const std::int64_t channels_before = channel_chunk * channels_per_tile_;
    const std::int64_t inner_before = chunk % inner_chunks_ * inner_per_tile_;
    return {.group = number / channel_chunks_ / chunks(),
            .chunk = chunk,
            .row_begin = rows_before,
            .row_end = std::min(rows_before + rows_per_tile_, rows()),
            .channel_begin = channels_before,
            .channel_end = std::min(channels_before + channels_per_tile_, layout_.channels),
            .inner_begin = inner_before,
            .inner_end = std::min(inner_before + inner_per_tile_, layout_.inner)};
  }

  NormLayout layout_;
  std::int64_t rows_per_tile_, channels_per_tile_, inner_per_tile_;
  std::int64_t row_chunks_, channel_chunks_, inner_chunks_;
};

}  // namespace lamina::kernels
