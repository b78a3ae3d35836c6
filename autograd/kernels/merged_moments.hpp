// Moments of parts of a set, merged into those of the whole; only the .cpp files of this folder
// include this. Squares are sum((x - mean)^2).
//
// Source: Chan, Golub, LeVeque, Algorithms for Computing the Sample Variance (1983).
#pragma once

#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina::kernels {

// Chan's update: the moments of a set and of what is added to it. Where the set has `count`
// members, its squares are sum((x - mean)^2).
class Union {
 public:
  Union(double count, double added) : share_(added / (count + added)), reduced_(count * share_) {}

  void add(double& mean, double& squares, double added_mean, double added_squares) const {
    const double difference = added_mean - mean;
    mean += difference * share_;
    squares += added_squares + difference * difference * reduced_;
  }

 private:
  double share_, reduced_;
};

// Count of a group, mean and squares of its channels.
struct GroupMoments {
  double* count;
  double* mean;
  double* squares;
};

// Moments by group of all chunks. The first has its place in the result, the others are merged into
// it.
class MergedMoments {
 public:
  // Sums that are 0.
  MergedMoments(const NormLayout& layout, std::int64_t chunks, const GroupMoments& result)
      : groups_(layout.groups),
        channels_(layout.channels),
        chunks_(chunks),
        result_(result),
        stride_(2 * layout.statistics() + layout.groups) {
    if (chunks <= 1) return;
    values_ = Tensor<double>(Shape{chunks - 1, stride_}, 0.0);
    data_ = values_.mutable_data();
  }

  GroupMoments of(std::int64_t chunk, std::int64_t group) const {
    const GroupMoments first = chunk == 0 ? result_ : of_chunk(chunk);
    const std::int64_t begin = group * channels_;
    return {first.count + group, first.mean + begin, first.squares + begin};
  }

  // In order of the chunks.
  void merge() const {
    for (std::int64_t chunk = 1; chunk < chunks_; ++chunk) {
      for (std::int64_t g = 0; g < groups_; ++g) {
        const GroupMoments part = of(chunk, g);
        if (*part.count == 0) continue;
        const Union both(result_.count[g], *part.count);
        const std::int64_t begin = g * channels_;
        for (std::int64_t c = 0; c < channels_; ++c) {
          both.add(result_.mean[begin + c], result_.squares[begin + c], part.mean[c],
                   part.squares[c]);
        }
        result_.count[g] += *part.count;
      }
    }
  }

 private:
  GroupMoments of_chunk(std::int64_t chunk) const {
    double* const mean = data_ + (chunk - 1) * stride_;
    double* const squares = mean + groups_ * channels_;
    return {squares + groups_ * channels_, mean, squares};
  }

  std::int64_t groups_, channels_, chunks_;
  GroupMoments result_;
  std::int64_t stride_;
  Tensor<double> values_;
  double* data_ = nullptr;
};

}  // namespace lamina::kernels
