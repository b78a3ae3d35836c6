#include "line_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <lamina/autograd/tensor/error.hpp>
#include <limits>

namespace experiments {
namespace {

constexpr const char* kWho = "line_chart";
constexpr std::array kColors = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
constexpr double kPanelHeight = 300, kTop = 64, kLeft = 64, kGap = 36, kRight = 20;
constexpr double kBelow = 52;  // tick labels and the name of the x axis
constexpr double kLegendRow = 20;
constexpr double kCharacter = 6.6;  // mean width of a character of 12 px

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

struct Axis {
  Range range;
  bool logarithmic = false;
  std::vector<double> ticks = {};

  bool can_show(double value) const { return std::isfinite(value) && (!logarithmic || value > 0); }
  // 0 at the lower end, 1 at the upper.
  double position(double value) const {
    const auto scaled = [&](double v) { return logarithmic ? std::log10(v) : v; };
    return (scaled(value) - scaled(range.low)) / (scaled(range.high) - scaled(range.low));
  }
};

enum class Upper { at_tick, at_data };  // where the range of an axis ends; it begins at a tick

// About five ticks at multiples of 1, 2 or 5 times a power of ten.
Axis linear_axis(Range range, Upper upper) {
  if (range.low == range.high) range.high = range.low + 1;
  const double rough = (range.high - range.low) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough) step = factor * power;
  }
  Axis axis;
  const double first = std::floor(range.low / step + 1e-9);
  const double last = upper == Upper::at_tick ? std::ceil(range.high / step - 1e-9)
                                              : std::floor(range.high / step + 1e-9);
  for (double k = first; k <= last; ++k) axis.ticks.push_back(k * step);
  axis.range = {axis.ticks.front(), std::max(axis.ticks.back(), range.high)};
  return axis;
}

// Ticks at 1, 2 and 5 times the powers of ten; the range ends on ticks.
Axis logarithmic_axis(const Range& range) {
  std::vector<double> candidates;
  for (double power = std::pow(10, std::floor(std::log10(range.low))); power <= 10 * range.high;
       power *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) candidates.push_back(factor * power);
  }
  auto first = std::upper_bound(candidates.begin(), candidates.end(), range.low * (1 + 1e-9));
  if (first != candidates.begin()) --first;
  auto last = std::lower_bound(candidates.begin(), candidates.end(), range.high * (1 - 1e-9));
  if (last == first) ++last;
  std::vector<double> ticks(first, last + 1);
  const Range ends{ticks.front(), ticks.back()};
  return {.range = ends, .logarithmic = true, .ticks = std::move(ticks)};
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

// 12000 as "12,000".
std::string tick_label(double value) {
  std::string text = fmt::format("{:.10g}", value);
  if (value < 1000 || text.find('e') != std::string::npos) return text;
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart);
  std::string text() &&;

 private:
  double panel_left(std::size_t panel) const {
    return kLeft + static_cast<double>(panel) * (panel_width_ + kGap);
  }
  double x_at(std::size_t panel, double value) const {
    return panel_left(panel) + x_.position(value) * panel_width_;
  }
  double y_at(double value) const { return kTop + (1 - y_.position(value)) * kPanelHeight; }

  void find_axes();
  void find_names();
  void write(double x, double y, const char* anchor, const std::string& words,
             const char* more = "");
  void draw_panel(std::size_t panel);
  void draw_series(std::size_t panel, const Series& series);
  void draw_legend();

  const Chart& chart_;
  double panel_width_, width_, height_ = 0;
  Axis x_, y_;
  std::vector<std::string> names_;
  std::string body_;
};

Drawing::Drawing(const Chart& chart)
    : chart_(chart),
      panel_width_(chart.panels.size() > 1 ? 360 : 600),
      width_(kLeft + kRight - kGap +
             static_cast<double>(chart.panels.size()) * (panel_width_ + kGap)) {
  find_axes();
  find_names();
  write(kLeft, 24, "start", chart.title, " font-size=\"15\" font-weight=\"bold\"");
  write(kLeft, kTop - 10, "start", chart.y_axis);
  for (std::size_t panel = 0; panel < chart.panels.size(); ++panel) draw_panel(panel);
  draw_legend();
}

void Drawing::find_axes() {
  y_.logarithmic = chart_.logarithmic;
  Range x, y;
  for (const Panel& panel : chart_.panels) {
    for (const Series& series : panel.series) {
      for (const double value : series.x) x.include(value);
      for (const auto* values : {&series.y, &series.low, &series.high}) {
        for (const double value : *values) {
          if (y_.can_show(value)) y.include(value);
        }
      }
    }
  }
  if (!(x.low <= x.high) || !(y.low <= y.high)) {
    throw lamina::DataError(
        kWho, fmt::format("a chart must have points; got none in '{}'", chart_.title));
  }
  x_ = linear_axis(x, Upper::at_data);
  y_ = chart_.logarithmic ? logarithmic_axis(y) : linear_axis(y, Upper::at_tick);
}

void Drawing::find_names() {
  for (const Panel& panel : chart_.panels) {
    for (const Series& series : panel.series) {
      if (std::find(names_.begin(), names_.end(), series.name) == names_.end())
        names_.push_back(series.name);
    }
  }
}

void Drawing::write(double x, double y, const char* anchor, const std::string& words,
                    const char* more) {
  body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                       anchor, more, escaped(words));
}

void Drawing::draw_panel(std::size_t panel) {
  const double left = panel_left(panel), right = left + panel_width_;
  const double bottom = kTop + kPanelHeight;
  for (const double tick : y_.ticks) {
    const double y = y_at(tick);
    body_ += fmt::format("<path d=\"M{:.1f} {:.1f}H{:.1f}\" stroke=\"#e3e3e3\" fill=\"none\"/>\n",
                         left, y, right);
    if (panel == 0) write(left - 8, y + 4, "end", tick_label(tick));
  }
  for (const double tick : x_.ticks) {
    const double x = x_at(panel, tick);
    body_ +=
        fmt::format("<path d=\"M{:.1f} {:.1f}v5\" stroke=\"#333\" fill=\"none\"/>\n", x, bottom);
    write(x, bottom + 19, "middle", tick_label(tick));
  }
  body_ += fmt::format("<path d=\"M{:.1f} {:.1f}V{:.1f}H{:.1f}\" stroke=\"#333\" fill=\"none\"/>\n",
                       left, kTop, bottom, right);
  write((left + right) / 2, bottom + 40, "middle", chart_.x_axis);
  const Panel& drawn = chart_.panels[panel];
  if (!drawn.title.empty()) {
    write(right, kTop - 10, "end", drawn.title, " font-weight=\"bold\"");
  }
  for (const Series& series : drawn.series) draw_series(panel, series);
}

void Drawing::draw_series(std::size_t panel, const Series& series) {
  const auto number = static_cast<std::size_t>(
      std::find(names_.begin(), names_.end(), series.name) - names_.begin());
  const char* const color = kColors[number % kColors.size()];
  const auto point = [&](double x, double y) {
    return fmt::format("{:.1f},{:.1f} ", x_at(panel, x), y_at(y));
  };
  std::string line, upper, lower;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (y_.can_show(series.y[i])) line += point(series.x[i], series.y[i]);
    if (series.low.empty() || !y_.can_show(series.low[i]) || !y_.can_show(series.high[i])) continue;
    upper += point(series.x[i], series.high[i]);
    lower.insert(0, point(series.x[i], series.low[i]));
  }
  if (!upper.empty()) {
    body_ += fmt::format("<polygon points=\"{}{}\" fill=\"{}\" fill-opacity=\"0.18\"/>\n", upper,
                         lower, color);
  }
  body_ += fmt::format(
      "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" "
      "stroke-linejoin=\"round\"/>\n",
      line, color);
}

// Below the panels, as many entries to a row as fit.
void Drawing::draw_legend() {
  double x = kLeft, y = kTop + kPanelHeight + kBelow + kLegendRow / 2;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const double entry = 30 + kCharacter * static_cast<double>(names_[i].size()) + 18;
    if (x > kLeft && x + entry > width_ - kRight + 18) {
      x = kLeft;
      y += kLegendRow;
    }
    body_ += fmt::format("<path d=\"M{:.1f} {:.1f}h22\" stroke=\"{}\" stroke-width=\"3\"/>\n", x, y,
                         kColors[i % kColors.size()]);
    write(x + 30, y + 4, "start", names_[i]);
    x += entry;
  }
  height_ = y + kLegendRow;
}

std::string Drawing::text() && {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"Helvetica, Arial, sans-serif\" "
      "font-size=\"12\" fill=\"#222\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{2}</svg>\n",
      width_, height_, body_);
}

}  // namespace

std::string to_svg(const Chart& chart) { return Drawing(chart).text(); }

void write_svg(const std::filesystem::path& path, const Chart& chart) {
  const std::string text = to_svg(chart);
  std::ofstream file(path, std::ios::trunc);
  if (!(file << text).flush()) {
    throw lamina::DataError(kWho, fmt::format("'{}' must be writable", path.string()));
  }
}

}  // namespace experiments
