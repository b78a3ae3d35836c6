#include <algorithm>
#include <array>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/data/synthetic_digits.hpp>
#include <numbers>
#include <string>
#include <vector>

namespace lamina::data {
namespace {

struct Point {
  double x, y;
};
using Stroke = std::vector<Point>;  // neighbours are joined by lines
using Glyph = std::vector<Stroke>;

// Coordinates lie in the unit square, y downwards; angles in degrees, 0 to the right, 90 downwards.
Stroke arc(Point centre, double radius_x, double radius_y, double from, double to) {
  constexpr int kPieces = 20;
  Stroke stroke;
  for (int i = 0; i <= kPieces; ++i) {
    const double angle = (from + (to - from) * i / kPieces) * std::numbers::pi / 180.0;
    stroke.push_back(
        {centre.x + radius_x * std::cos(angle), centre.y + radius_y * std::sin(angle)});
  }
  return stroke;
}

Stroke joined(Stroke first, const Stroke& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// A line gets points in between, so that the wobble bends it.
Stroke polyline(const Stroke& corners) {
  constexpr int kPieces = 8;
  Stroke stroke{corners.front()};
  for (std::size_t i = 1; i < corners.size(); ++i) {
    for (int piece = 1; piece <= kPieces; ++piece) {
      const double t = static_cast<double>(piece) / kPieces;
      stroke.push_back({corners[i - 1].x + t * (corners[i].x - corners[i - 1].x),
                        corners[i - 1].y + t * (corners[i].y - corners[i - 1].y)});
    }
  }
  return stroke;
}

const std::array<std::vector<Glyph>, 10>& glyphs() {
  static const std::array<std::vector<Glyph>, 10> all{{
      {{arc({0.5, 0.5}, 0.25, 0.38, -90, 270)}},
      {{polyline({{0.5, 0.1}, {0.5, 0.9}})}, {polyline({{0.34, 0.27}, {0.52, 0.1}, {0.52, 0.9}})}},
      {{joined(arc({0.5, 0.32}, 0.24, 0.21, 190, 385),
               polyline({{0.69, 0.45}, {0.24, 0.89}, {0.78, 0.89}}))},
       {joined(arc({0.5, 0.32}, 0.24, 0.21, 190, 400), polyline({{0.66, 0.48}, {0.36, 0.78}})),
        arc({0.35, 0.8}, 0.11, 0.09, -80, 240), polyline({{0.42, 0.84}, {0.8, 0.9}})}},
      {{joined(arc({0.46, 0.3}, 0.24, 0.19, 200, 450), arc({0.46, 0.69}, 0.27, 0.2, 270, 520))}},
      {{polyline({{0.62, 0.1}, {0.2, 0.62}, {0.82, 0.62}}), polyline({{0.62, 0.34}, {0.62, 0.92}})},
       {polyline({{0.28, 0.12}, {0.26, 0.52}, {0.76, 0.52}}),
        polyline({{0.72, 0.12}, {0.7, 0.92}})}},
      {{joined(polyline({{0.74, 0.11}, {0.34, 0.11}, {0.3, 0.45}}),
               arc({0.47, 0.65}, 0.26, 0.24, 230, 505))}},
      {{joined(arc({0.72, 0.62}, 0.45, 0.52, 265, 180), arc({0.5, 0.68}, 0.23, 0.21, 180, -180))}},
      {{polyline({{0.22, 0.12}, {0.78, 0.12}, {0.42, 0.9}})},
       {polyline({{0.22, 0.12}, {0.78, 0.12}, {0.42, 0.9}}), polyline({{0.42, 0.5}, {0.74, 0.5}})}},
      {{arc({0.5, 0.3}, 0.2, 0.19, 90, 450), arc({0.5, 0.69}, 0.25, 0.2, -90, 270)}},
      {{arc({0.48, 0.32}, 0.22, 0.21, 0, 360), polyline({{0.7, 0.32}, {0.66, 0.65}, {0.6, 0.91}})},
       {arc({0.48, 0.32}, 0.22, 0.21, 0, 360), arc({0.36, 0.34}, 0.34, 0.56, 0, 100)}},
  }};
  return all;
}

// The random numbers of one example, asked for in a fixed order.
class Draws {
 public:
  explicit Draws(const RandomStream& stream) : stream_(stream) {}
  double between(double low, double high) { return low + (high - low) * stream_.uniform(next_++); }
  std::size_t below(std::size_t count) {
    return std::min(static_cast<std::size_t>(between(0, static_cast<double>(count))), count - 1);
  }

 private:
  const RandomStream& stream_;
  std::uint64_t next_ = 0;
};

// From the unit square to pixels: wobble, then the affine map about the centre.
class Distortion {
 public:
  Distortion(Draws& draws, double size) : size_(size) {
    const double angle = draws.between(-0.22, 0.22), slant = draws.between(-0.3, 0.3);
    const double width = draws.between(0.6, 0.85), height = draws.between(0.62, 0.82);
    xx_ = width * std::cos(angle);
    xy_ = height * (slant * std::cos(angle) - std::sin(angle));
    yx_ = width * std::sin(angle);
    yy_ = height * (slant * std::sin(angle) + std::cos(angle));
    shift_x_ = draws.between(-0.06, 0.06);
    shift_y_ = draws.between(-0.06, 0.06);
    for (double& phase : phases_) phase = draws.between(0, 2 * std::numbers::pi);
    for (double& strength : strengths_) strength = draws.between(-0.035, 0.035);
  }
  Point operator()(const Point& p) const {
    const double x = p.x - 0.5 + strengths_[0] * std::sin(6.0 * p.y + phases_[0]) +
                     strengths_[1] * std::sin(9.0 * p.x + phases_[1]);
    const double y = p.y - 0.5 + strengths_[2] * std::sin(6.0 * p.x + phases_[2]) +
                     strengths_[3] * std::sin(9.0 * p.y + phases_[3]);
    return {size_ * (0.5 + shift_x_ + xx_ * x + xy_ * y),
            size_ * (0.5 + shift_y_ + yx_ * x + yy_ * y)};
  }

 private:
  double size_, xx_, xy_, yx_, yy_, shift_x_, shift_y_;
  std::array<double, 4> phases_{}, strengths_{};
};

double distance_to_line(double x, double y, const Point& a, const Point& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const double t =
      length > 0 ? std::clamp(((x - a.x) * dx + (y - a.y) * dy) / length, 0.0, 1.0) : 0.0;
  return std::hypot(x - a.x - t * dx, y - a.y - t * dy);
}

// A canvas holds the ink of each pixel, 0 to 1; lines that cross do not add up.
struct Canvas {
  std::int64_t size;
  std::vector<double> ink;

  explicit Canvas(std::int64_t pixels)
      : size(pixels), ink(static_cast<std::size_t>(pixels * pixels), 0.0) {}

  // The edge of the pen is one pixel soft.
  void draw_line(const Point& a, const Point& b, double radius) {
    const double reach = radius + 0.5;
    const auto low = [&](double p, double q) {
      return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::min(p, q) - reach), 0, size);
    };
    const auto high = [&](double p, double q) {
      return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::max(p, q) + reach) + 1, 0,
                                      size);
    };
    for (std::int64_t row = low(a.y, b.y); row < high(a.y, b.y); ++row) {
      for (std::int64_t column = low(a.x, b.x); column < high(a.x, b.x); ++column) {
        const double distance = distance_to_line(static_cast<double>(column) + 0.5,
                                                 static_cast<double>(row) + 0.5, a, b);
        double& pixel = ink[static_cast<std::size_t>(row * size + column)];
        pixel = std::max(pixel, std::clamp(reach - distance, 0.0, 1.0));
      }
    }
  }
};

// Draws example `index` into `pixels` and returns its label.
std::int64_t draw_example(const SyntheticDigits& options, std::int64_t index,
                          std::uint8_t* pixels) {
  const RandomStream stream = Rng(options.seed).stream("data.synthetic_digits", index);
  Draws draws(stream);
  const std::size_t label = draws.below(10);
  const auto& variants = glyphs()[label];
  const Glyph& glyph = variants[draws.below(variants.size())];
  const auto size = static_cast<double>(options.size);
  const Distortion distort(draws, size);
  const double radius = draws.between(0.028, 0.06) * size;
  const double brightness = draws.between(180, 255), noise = draws.between(0, 14);

  Canvas canvas(options.size);
  for (const Stroke& stroke : glyph) {
    for (std::size_t i = 1; i < stroke.size(); ++i) {
      canvas.draw_line(distort(stroke[i - 1]), distort(stroke[i]), radius);
    }
  }
  for (std::size_t i = 0; i < canvas.ink.size(); ++i) {
    const double value = brightness * canvas.ink[i] + noise * stream.normal(i);
    pixels[i] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
  }
  return static_cast<std::int64_t>(label);
}

}  // namespace

Dataset synthetic_digits(const SyntheticDigits& options) {
  if (options.examples < 1) {
    throw ArgumentError("synthetic_digits", "the number of examples must be at least 1; got " +
                                                std::to_string(options.examples));
  }
  if (options.size < 8 || options.size > 512) {
    throw ArgumentError("synthetic_digits", "the size must lie in [8, 512] pixels; got " +
                                                std::to_string(options.size));
  }
  auto images =
      Tensor<std::uint8_t>::uninitialized({options.examples, options.size, options.size, 1});
  auto labels = Tensor<std::int64_t>::uninitialized({options.examples});
  std::uint8_t* pixels = images.mutable_data();
  std::int64_t* classes = labels.mutable_data();
  constexpr std::int64_t kTile = 16;
  parallel_for((options.examples + kTile - 1) / kTile, [&](std::int64_t tile) {
    const std::int64_t last = std::min((tile + 1) * kTile, options.examples);
    for (std::int64_t i = tile * kTile; i < last; ++i) {
      classes[i] = draw_example(options, i, pixels + i * options.size * options.size);
    }
  });
  return Dataset(std::move(images), std::move(labels));
}

}  // namespace lamina::data
