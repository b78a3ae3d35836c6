// Line charts as SVG text: one panel or several side by side, with axes, ticks, a legend, and
// bands.
//
//   Chart chart{.title = "Loss", .x_axis = "training step", .panels = {{.series = {...}}}};
//   write_svg("loss.svg", chart);
//
// A series is a line through its points, with a band between `low` and `high` where those are
// given. All panels share the ranges of their axes, and one legend: series of one name have one
// color, in the order in which the names first occur. Points that are not finite, or not above 0 on
// a logarithmic axis, are left out. Colors: Okabe and Ito's, which color-blind readers can tell
// apart. Errors: lamina::DataError when nothing can be drawn or the file cannot be written.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace experiments {

struct Series {
  std::string name;
  std::vector<double> x = {}, y = {};
  std::vector<double> low = {}, high = {};  // as many as x, or none
};

struct Panel {
  std::string title = {};
  std::vector<Series> series = {};
};

struct Chart {
  std::string title = {};
  std::string x_axis = {}, y_axis = {};  // with their units
  bool logarithmic = false;  // the y axis
  std::vector<Panel> panels = {};
};

std::string to_svg(const Chart& chart);
void write_svg(const std::filesystem::path& path, const Chart& chart);

}  // namespace experiments
