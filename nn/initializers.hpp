// The stock initializers, with Keras' names, defaults and formulas.
//
//   zeros(), ones(), constant(c)      every element alike
//   identity(gain)                    gain on the diagonal of a matrix, else 0; rank 2
//   uniform(low, high)                U[low, high)
//   normal(mean, deviation)           N(mean, deviation^2)
//   truncated_normal(mean, deviation) the same, cut at two deviations; what is drawn has 0.8796 of
//                                     the deviation, which is not corrected here
//   variance_scaling(...)             mean 0, variance s = scale / max(1, n), n a fan:
//                                     U[-sqrt(3 s), sqrt(3 s)); N(0, s); or the normal cut at two deviations,
//                                     widened so that s is the variance after the cut
//   orthogonal(gain)                  the shape flattened to a matrix (all axes but the last, last)
//                                     whose shorter side holds orthogonal vectors of length gain;
//                                     rank 2 and more
//
//   glorot_uniform, glorot_normal     scale 1 over fan_avg    (Glorot and Bengio, 2010)
//   he_uniform, he_normal             scale 2 over fan_in     (He et al., 2015)
//   lecun_uniform, lecun_normal       scale 1 over fan_in     (LeCun et al., 1998)
//   where _normal is the truncated one.
//
// Errors: ArgumentError for numbers that are not finite, a deviation or scale below 0, limits not
// in order; ShapeError from identity and orthogonal for a shape of another rank. Thread-safety:
// initializers are immutable.
#pragma once

#include <lamina/nn/initializer.hpp>

namespace lamina {

Initializer zeros();
Initializer ones();
Initializer constant(double value);
Initializer identity(double gain = 1);
Initializer uniform(double low = -0.05, double high = 0.05);
Initializer normal(double mean = 0, double deviation = 0.05);
Initializer truncated_normal(double mean = 0, double deviation = 0.05);

enum class FanMode : std::uint8_t { fan_in, fan_out, fan_avg };
enum class Distribution : std::uint8_t { truncated_normal, untruncated_normal, uniform };

struct VarianceScalingOptions {
  double scale = 1;
  FanMode mode = FanMode::fan_in;
  Distribution distribution = Distribution::truncated_normal;
};
Initializer variance_scaling(const VarianceScalingOptions& options = {});

Initializer glorot_uniform();
Initializer glorot_normal();
Initializer he_uniform();
Initializer he_normal();
Initializer lecun_uniform();
Initializer lecun_normal();

Initializer orthogonal(double gain = 1);

// Inputs and outputs of one unit: for rank 0 both 1, for rank 1 both the length, else the product
// of all axes but the last two, times the one before the last, or the last.
struct Fans {
  double in;
  double out;
};
Fans fans_of(const Shape& shape);

}  // namespace lamina
