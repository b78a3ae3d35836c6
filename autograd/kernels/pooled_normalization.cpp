#include <algorithm>
#include <lamina/autograd/kernels/gradient_parts.hpp>
#include <lamina/autograd/kernels/levels/pooled_loops.hpp>
#include <lamina/autograd/kernels/of_level.hpp>
#include <lamina/autograd/kernels/past_caches.hpp>
#include <lamina/autograd/kernels/pooled_normalization.hpp>
#include <lamina/autograd/kernels/pooled_planes.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

namespace lamina::kernels {
namespace {

// Only where can_rectify(level).
const PooledLoops& loops_of(InstructionSet level) {
  const PooledLoops* const loops = LAMINA_OF_LEVEL(level, pooled_loops());
  return *loops;
}

// Backwards, a pass begins with what the one before has read last: that is in the nearer caches
// still.
enum class Order : std::uint8_t { forwards, backwards };

// Rows of windows, numbered through all images of a group and cut into parts by shape alone: what a
// part sums belongs to one group, so that sums take no more room when there are many.
class WindowRows {
 public:
  WindowRows(const ImageBatch& batch, const float* x)
      : batch_(batch),
        x_(x),
        per_image_(batch.rows / 2),
        per_group_(batch.images / batch.groups * per_image_),
        per_part_(std::max<std::int64_t>(
            1, kElements / std::max<std::int64_t>(1, 2 * batch.columns * batch.channels))) {}

  std::int64_t parts() const { return (per_group_ + per_part_ - 1) / per_part_; }

  struct Place {
    WindowRow row;
    std::int64_t offset;     // of the upper row in x
    std::int64_t pooled;     // of the windows in y
    std::int64_t statistic;  // of the group's first channel
    bool last_of_image;
  };

  // function(part, place) for all rows of windows, those of a group's part in order on one thread;
  // finish() after each.
  template <class Function, class Finish>
  void for_each(Order order, Function&& function, Finish&& finish) const {
    const std::int64_t count = batch_.groups * parts();
    parallel_for(count, [&](std::int64_t turn) {
      const std::int64_t number = order == Order::forwards ? turn : count - 1 - turn;
      const std::int64_t group = number / parts(), part = number % parts();
      const std::int64_t end = std::min(per_group_, (part + 1) * per_part_);
      for (std::int64_t row = part * per_part_; row < end; ++row) function(part, at(group, row));
      finish();
    });
  }

 private:
  static constexpr std::int64_t kElements = 32 * 1024;

  Place at(std::int64_t group, std::int64_t number) const {
    const std::int64_t image = number / per_image_ * batch_.groups + group,
                       in_image = number % per_image_;
    const std::int64_t line = batch_.columns * batch_.channels;
    const std::int64_t offset = (image * batch_.rows + 2 * in_image) * line;
    const std::int64_t windows = batch_.columns / 2;
    return {.row = {x_ + offset, x_ + offset + line, windows, batch_.channels},
            .offset = offset,
            .pooled = (image * per_image_ + in_image) * windows * batch_.channels,
            .statistic = group * batch_.channels,
            .last_of_image = in_image + 1 == per_image_};
  }

  const ImageBatch& batch_;
  const float* x_;
  std::int64_t per_image_, per_group_, per_part_;
};

}  // namespace

void pool_normalized(const float* x, const ImageBatch& batch, const CentredScaling<float>& of,
                     float* y, InstructionSet level) {
  if (batch.channels_first) return pool_normalized_planes(x, batch, of, y, level);
  const PooledLoops& loops = loops_of(level);
  WindowRows(batch, x).for_each(
      Order::backwards,
      [&](std::int64_t, const WindowRows::Place& place) {
        const std::int64_t s = place.statistic;
        loops.pool(place.row, {of.high.data() + s, of.factor.data() + s, of.constant.data() + s},
                   y + place.pooled);
      },
      [] {});
}

void pooled_gradient_sums(const float* x, const float* dy, const ImageBatch& batch,
                          const double* mean, const CentredScaling<float>& of, double* sum_dy,
                          double* sum_dy_centred, InstructionSet level) {
  if (batch.channels_first) {
    return pooled_plane_gradient_sums(x, dy, batch, mean, of, sum_dy, sum_dy_centred, level);
  }
  const PooledLoops& loops = loops_of(level);
  const WindowRows rows(batch, x);
  const GradientParts parts(rows.parts(), batch.groups * batch.channels, sum_dy, sum_dy_centred);
  rows.for_each(
      Order::forwards,
      [&](std::int64_t part, const WindowRows::Place& place) {
        const std::int64_t s = place.statistic;
        const GradientParts::Sums sums = parts.at(part, s);
        loops.add_gradients(place.row, dy + place.pooled,
                            {of.high.data() + s, of.factor.data() + s, of.constant.data() + s},
                            sums.dy, sums.product);
      },
      [] {});
  parts.finish(mean, of.high.data());
}

void combine_pooled_gradient(const float* x, const float* dy, const ImageBatch& batch,
                             const CentredScaling<float>& of, const GradientScaling<float>& through,
                             float* dx, InstructionSet level) {
  if (batch.channels_first) {
    return combine_pooled_plane_gradient(x, dy, batch, of, through, dx, level);
  }
  const PooledLoops& loops = loops_of(level);
  const std::int64_t channels = batch.channels;
  const bool past = past_caches(2 * batch.images * batch.rows * batch.columns * channels);
  const std::int64_t line = batch.columns * channels;
  WindowRows(batch, x).for_each(
      Order::backwards,
      [&](std::int64_t, const WindowRows::Place& place) {
        const std::int64_t s = place.statistic;
        const GradientCoefficients k{of.high.data() + s, of.factor.data() + s,
                                     through.of_x.data() + s, through.constant.data() + s};
        float* const upper = dx + place.offset;
        loops.combine(place.row, dy + place.pooled, k,
                      {of.factor.data() + s, of.constant.data() + s}, past, upper, upper + line);
        const auto rest = [&](std::int64_t offset, std::int64_t positions) {
          loops.combine_rest(x + place.offset + offset, positions, channels, k, upper + offset);
        };
        if (batch.columns % 2 != 0) {
          rest(line - channels, 1);
          rest(2 * line - channels, 1);
        }
        if (batch.rows % 2 != 0 && place.last_of_image) rest(2 * line, batch.columns);
      },
      [&] { loops.fence(); });
}

}  // namespace lamina::kernels
