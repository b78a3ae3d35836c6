#include <algorithm>
#include <lamina/autograd/kernels/gradient_parts.hpp>
#include <lamina/autograd/kernels/levels/pooled_planes.hpp>
#include <lamina/autograd/kernels/of_level.hpp>
#include <lamina/autograd/kernels/pooled_planes.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

namespace lamina::kernels {
namespace {

// Only where can_rectify(level).
const PooledPlanes& planes_of(InstructionSet level) {
  const PooledPlanes* const planes = LAMINA_OF_LEVEL(level, pooled_planes());
  return *planes;
}

// A job has some planes of one image, or a band of rows of one plane. Images of a group are
// numbered through, and some of them are a part of the sums; all is cut by shape alone.
class PlaneBands {
 public:
  PlaneBands(const ImageBatch& batch, const float* x)
      : batch_(batch),
        x_(x),
        window_rows_(batch.rows / 2),
        plane_(batch.rows * batch.columns),
        bands_(between_1_and(plane_ / kElements, window_rows_)),
        channels_per_job_(between_1_and(kElements / plane_, batch.channels)),
        channel_jobs_((batch.channels + channels_per_job_ - 1) / channels_per_job_),
        images_per_group_(batch.images / batch.groups),
        images_per_part_(
            between_1_and(kElements / (plane_ * channels_per_job_), images_per_group_)),
        image_parts_((images_per_group_ + images_per_part_ - 1) / images_per_part_) {}

  std::int64_t parts() const { return image_parts_ * bands_; }

  struct Place {
    PlaneRows rows;
    std::int64_t part;
    std::int64_t offset;     // in x
    std::int64_t pooled;     // in y
    std::int64_t statistic;  // of the (group, channel)
    bool last_of_plane;
  };

  // function(place) for all bands of all planes, those of one statistic and part in order on one
  // thread.
  template <class Function>
  void for_each(Function&& function) const {
    parallel_for(batch_.groups * parts() * channel_jobs_, [&](std::int64_t job) {
      const std::int64_t first_channel = job % channel_jobs_ * channels_per_job_;
      const std::int64_t part = job / channel_jobs_ % parts();
      const std::int64_t group = job / channel_jobs_ / parts();
      const std::int64_t first_image = part / bands_ * images_per_part_;
      const std::int64_t last_channel =
          std::min(batch_.channels, first_channel + channels_per_job_);
      for (std::int64_t image = first_image;
           image < std::min(images_per_group_, first_image + images_per_part_); ++image) {
        for (std::int64_t channel = first_channel; channel < last_channel; ++channel) {
          function(at(group, image, channel, part));
        }
      }
    });
  }

 private:
  static constexpr std::int64_t kElements = 32 * 1024;  // of a job, in the nearer caches

  static std::int64_t between_1_and(std::int64_t value, std::int64_t most) {
    return std::max<std::int64_t>(1, std::min(most, value));
  }

  Place at(std::int64_t group, std::int64_t image, std::int64_t channel, std::int64_t part) const {
    const std::int64_t plane = (image * batch_.groups + group) * batch_.channels + channel;
    const std::int64_t band = part % bands_;
    const std::int64_t first = window_rows_ * band / bands_;
    const std::int64_t last = window_rows_ * (band + 1) / bands_;
    const std::int64_t offset = plane * plane_ + 2 * first * batch_.columns;
    return {.rows = {x_ + offset, last - first, batch_.columns},
            .part = part,
            .offset = offset,
            .pooled = (plane * window_rows_ + first) * (batch_.columns / 2),
            .statistic = group * batch_.channels + channel,
            .last_of_plane = band + 1 == bands_};
  }

  const ImageBatch& batch_;
  const float* x_;
  std::int64_t window_rows_, plane_, bands_;
  std::int64_t channels_per_job_, channel_jobs_;
  std::int64_t images_per_group_, images_per_part_, image_parts_;
};

ScaleCoefficients coefficients_at(const CentredScaling<float>& of, std::int64_t statistic) {
  return {of.high.data() + statistic, of.factor.data() + statistic, of.constant.data() + statistic};
}

}  // namespace

void pool_normalized_planes(const float* x, const ImageBatch& batch,
                            const CentredScaling<float>& of, float* y, InstructionSet level) {
  const PooledPlanes& planes = planes_of(level);
  PlaneBands(batch, x).for_each([&](const PlaneBands::Place& place) {
    planes.pool(place.rows, coefficients_at(of, place.statistic), y + place.pooled);
  });
}

void pooled_plane_gradient_sums(const float* x, const float* dy, const ImageBatch& batch,
                                const double* mean, const CentredScaling<float>& of, double* sum_dy,
                                double* sum_dy_centred, InstructionSet level) {
  const PooledPlanes& planes = planes_of(level);
  const PlaneBands bands(batch, x);
  const GradientParts parts(bands.parts(), batch.groups * batch.channels, sum_dy, sum_dy_centred);
  bands.for_each([&](const PlaneBands::Place& place) {
    const GradientParts::Sums sums = parts.at(place.part, place.statistic);
    planes.add_gradients(place.rows, dy + place.pooled, coefficients_at(of, place.statistic),
                         sums.dy, sums.product);
  });
  parts.finish(mean, of.high.data());
}

void combine_pooled_plane_gradient(const float* x, const float* dy, const ImageBatch& batch,
                                   const CentredScaling<float>& of,
                                   const GradientScaling<float>& through, float* dx,
                                   InstructionSet level) {
  const PooledPlanes& planes = planes_of(level);
  PlaneBands(batch, x).for_each([&](const PlaneBands::Place& place) {
    const std::int64_t s = place.statistic;
    const GradientCoefficients k{of.high.data() + s, of.factor.data() + s, through.of_x.data() + s,
                                 through.constant.data() + s};
    planes.combine(place.rows, dy + place.pooled, k, {of.factor.data() + s, of.constant.data() + s},
                   dx + place.offset);
    if (batch.rows % 2 == 0 || !place.last_of_plane) return;
    const std::int64_t rest = 2 * place.rows.rows * batch.columns;
    planes.combine_rest(place.rows.x + rest, batch.columns, k, dx + place.offset + rest);
  });
}

}  // namespace lamina::kernels
