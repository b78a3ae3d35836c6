// Where the taps and the outputs of a pass lie, and the table of the tiles of direct_tile.hpp, for
// the files of levels/ alone (see vector.hpp).
#pragma once

#include <lamina/autograd/kernels/levels/direct_convolution.hpp>
#include <lamina/autograd/kernels/levels/direct_tile.hpp>
#include <lamina/autograd/kernels/levels/panel.hpp>

namespace lamina::kernels {
namespace {

// Where the window of an output begins.
LAMINA_INLINE std::int64_t origin(const DirectAxis& axis, std::int64_t output) {
  return output * axis.stride - axis.before;
}

// The taps of an output that lie inside.
LAMINA_INLINE DirectRange taps_of(const DirectAxis& axis, std::int64_t output) {
  const std::int64_t at = origin(axis, output);
  const std::int64_t first = clamp(divide_up(-at, axis.dilation), 0, axis.taps);
  return {first, clamp(divide_up(axis.in - at, axis.dilation), first, axis.taps)};
}

// The outputs among `range` that a tap reaches from inside.
LAMINA_INLINE DirectRange outputs_of(const DirectAxis& axis, std::int64_t tap, DirectRange range) {
  const std::int64_t shift = axis.before - tap * axis.dilation;
  const std::int64_t first = clamp(divide_up(shift, axis.stride), range.first, range.last);
  return {first, clamp(divide_up(axis.in + shift, axis.stride), first, range.last)};
}

// The outputs that all taps reach.
LAMINA_INLINE DirectRange inner_outputs(const DirectAxis& axis) {
  const DirectRange all{0, axis.out};
  const std::int64_t first = outputs_of(axis, 0, all).first;
  return {first, larger(first, outputs_of(axis, axis.taps - 1, all).last)};
}

// `count` in parts of nearly equal size, at most `most` each: body(first, last).
template <class Body>
LAMINA_INLINE void for_parts(DirectRange range, std::int64_t most, Body body) {
  const std::int64_t count = range.last - range.first;
  const std::int64_t parts = (count + most - 1) / most;
  for (std::int64_t i = 0; i < parts; ++i) {
    body(range.first + count * i / parts, range.first + count * (i + 1) / parts);
  }
}

// The tile functions of 1, 2, ... rows.
template <class Tile>
struct Row {
  void (*of[most_rows(1)])(const Tile&);
};

template <int vectors, bool partial, int... i>
constexpr Row<OutputTile> output_tiles(std::integer_sequence<int, i...>) {
  return {{output_tile<i + 1, vectors, partial>...}};
}
template <int vectors, int... i>
constexpr Row<GradientTile> gradient_tiles(std::integer_sequence<int, i...>) {
  return {{gradient_tile<i + 1, vectors>...}};
}
template <int vectors>
using Rows = std::make_integer_sequence<int, most_rows(vectors)>;

constexpr Row<OutputTile> kOutputTiles[2][2] = {  // [vectors - 1][partial]
    {output_tiles<1, false>(Rows<1>{}), output_tiles<1, true>(Rows<1>{})},
    {output_tiles<2, false>(Rows<2>{}), output_tiles<2, true>(Rows<2>{})}};
constexpr Row<GradientTile> kGradientTiles[2] = {gradient_tiles<1>(Rows<1>{}),
                                                 gradient_tiles<2>(Rows<2>{})};

}  // namespace
}  // namespace lamina::kernels
