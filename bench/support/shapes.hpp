// The shapes that every program of a comparison measures.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace bench {

struct ImageShape {
  std::int64_t count, channels, height, width;

  std::int64_t size() const { return count * channels * height * width; }
  std::string name() const {
    return std::to_string(count) + "x" + std::to_string(channels) + "x" + std::to_string(height) +
           "x" + std::to_string(width);
  }
};

// Batch normalization: 51 MB, 13 MB, 6 MB.
inline constexpr std::array<ImageShape, 3> kNormalizedImages{
    {{64, 64, 56, 56}, {128, 32, 28, 28}, {32, 256, 14, 14}}};

// Batch normalization, ReLU and perhaps 2x2 max pooling, forward and backward.
inline std::string block_name(const ImageShape& shape, const std::string& layout, bool pooled) {
  return std::string("fused_blocks/") + (pooled ? "bn_relu_pool/" : "bn_relu/") + shape.name() +
         "/" + layout;
}

struct MatrixShape {
  std::int64_t rows, columns;

  std::string name() const { return std::to_string(rows) + "x" + std::to_string(columns); }
};
inline constexpr std::array<MatrixShape, 1> kNormalizedMatrices{{{4096, 128}}};
inline constexpr double kEpsilon = 1e-5;
inline constexpr double kMomentum = 0.9;  // weight of the old moving statistics

// Square kernels, odd; padded so that stride 1 keeps the extents.
struct ConvolutionShape {
  ImageShape input;
  std::int64_t kernel, filters, stride = 1, dilation = 1;

  std::int64_t padding() const { return kernel / 2 * dilation; }
  std::int64_t output_extent(std::int64_t extent) const { return (extent - 1) / stride + 1; }
  ImageShape output() const {
    return {input.count, filters, output_extent(input.height), output_extent(input.width)};
  }
  // Products with padding are not counted: nobody has to compute them.
  double flops() const {
    const double per_channels = static_cast<double>(taps(input.height) * taps(input.width));
    return 2 * per_channels * static_cast<double>(input.count * input.channels * filters);
  }
  std::string name() const {
    std::string text = input.name() + "_" + std::to_string(kernel) + "x" + std::to_string(kernel) +
                       "_" + std::to_string(filters);
    if (stride > 1) text += "_stride" + std::to_string(stride);
    if (dilation > 1) text += "_dilation" + std::to_string(dilation);
    return text;
  }

 private:
  // Of all windows along one axis: the elements that lie in the image.
  std::int64_t taps(std::int64_t extent) const {
    std::int64_t count = 0;
    for (std::int64_t out = 0; out < output_extent(extent); ++out) {
      for (std::int64_t k = 0; k < kernel; ++k) {
        const std::int64_t in = out * stride + k * dilation - padding();
        count += in >= 0 && in < extent;
      }
    }
    return count;
  }
};
inline constexpr std::array<ConvolutionShape, 14> kConvolutions{
    {{{128, 32, 14, 14}, 5, 64},
     {{64, 32, 14, 14}, 3, 64},
     {{32, 64, 56, 56}, 3, 64},
     {{128, 1, 28, 28}, 5, 32},
     // What minimal filtering does not take.
     {{32, 256, 28, 28}, 1, 64},
     {{32, 64, 28, 28}, 1, 256},
     {{16, 3, 224, 224}, 7, 64, 2},
     {{64, 3, 32, 32}, 3, 32},
     {{32, 128, 28, 28}, 3, 128, 2},
     {{32, 64, 28, 28}, 3, 64, 1, 2},
     {{32, 24, 28, 28}, 3, 40},
     {{64, 8, 28, 28}, 3, 8},
     {{32, 512, 7, 7}, 3, 512},
     {{32, 256, 28, 28}, 1, 512, 2}}};

struct DenseShape {
  std::int64_t batch, features, units;

  double flops() const { return 2.0 * static_cast<double>(batch * features * units); }
  std::string name() const {
    return std::to_string(batch) + "x" + std::to_string(features) + "x" + std::to_string(units);
  }
};
inline constexpr std::array<DenseShape, 3> kDense{
    {{128, 784, 512}, {128, 512, 512}, {128, 3136, 1024}}};

// Additions of 8 elements, one after the other.
inline constexpr int kChain = 1000;

// Training: SGD with momentum over batches that come round again.
inline constexpr std::int64_t kBatch = 128;
inline constexpr std::uint64_t kClasses = 10;
inline constexpr int kBatches = 8;
inline constexpr int kCheckedSteps = 4;
inline constexpr double kLearningRate = 0.01;
inline constexpr double kSgdMomentum = 0.9;

// The convolutional network's layers, as their cases are called.
inline constexpr std::array<const char*, 13> kCnnLayers{"01_conv2d",
                                                        "02_batch_normalization",
                                                        "03_relu",
                                                        "04_max_pool2d",
                                                        "05_conv2d",
                                                        "06_batch_normalization",
                                                        "07_relu",
                                                        "08_max_pool2d",
                                                        "09_flatten",
                                                        "10_dense",
                                                        "11_batch_normalization",
                                                        "12_relu",
                                                        "13_dense"};

// Streams of bench::uniform_values.
enum Stream : std::uint64_t {
  kSigns = 0,
  kInput,
  kOutputGradient,
  kScale,
  kShift,
  kKernels = 100,      // one for every kernel of a network
  kBatchInputs = 200,  // one for every batch
  kBatchLabels = 300,
};

}  // namespace bench
