#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <lamina/serialization/detail/difference.hpp>
#include <lamina/serialization/tool/commands.hpp>
#include <lamina/serialization/tool/statistics.hpp>
#include <lamina/serialization/tool/tensor_file.hpp>
#include <nlohmann/json.hpp>
#include <set>

namespace lamina::tool {

namespace {

using Json = nlohmann::ordered_json;

struct Difference {
  std::string name, what;
};

// How far elements are apart; equal infinities and NaN against NaN are not.
double distance(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double apart = std::abs(a - b);
  return std::isnan(apart) ? INFINITY : apart;
}

template <Element E>
std::string compare(const Tensor<E>& a, const Tensor<E>& b, double tolerance) {
  if (!(a.shape() == b.shape())) {
    return "shape " + a.shape().to_string() + " and " + b.shape().to_string();
  }
  std::int64_t different = 0, worst = 0;
  double largest = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    if (a.data()[i] == b.data()[i]) continue;
    const double apart =
        distance(static_cast<double>(a.data()[i]), static_cast<double>(b.data()[i]));
    different += apart > tolerance;
    if (apart > largest) {
      largest = apart;
      worst = i;
    }
  }
  if (different == 0) return "";
  return fmt::format("{} of {} elements differ, most by {:.6g} ({} and {} at {})", different,
                     a.size(), largest, a.data()[worst], b.data()[worst], worst);
}

// Empty: no difference.
std::string compare(const StateValue& a, const StateValue& b, double tolerance) {
  return std::visit(
      [&](const auto& x, const auto& y) -> std::string {
        using X = std::decay_t<decltype(x)>;
        if constexpr (!std::same_as<X, std::decay_t<decltype(y)>>) {
          return detail::kind_of(a) + " and " + detail::kind_of(b);
        } else if constexpr (requires { x.dtype(); }) {
          return compare(x, y, tolerance);
        } else {
          bool same = x == y;
          if constexpr (std::same_as<X, double>) same = distance(x, y) <= tolerance;
          return same ? "" : plain_text_of(a) + " and " + plain_text_of(b);
        }
      },
      a, b);
}

std::vector<Difference> differences(const TensorFile& a, const TensorFile& b, double tolerance) {
  std::set<std::string> names(a.names().begin(), a.names().end());
  names.insert(b.names().begin(), b.names().end());
  std::vector<Difference> found;
  for (const std::string& name : names) {
    const auto in = [&](const TensorFile& file) {
      return std::binary_search(file.names().begin(), file.names().end(), name);
    };
    if (!in(a) || !in(b)) {
      found.push_back({name, "only in " + (in(a) ? a : b).path()});
      continue;
    }
    const std::string what = compare(a.read(name), b.read(name), tolerance);
    if (!what.empty()) found.push_back({name, what});
  }
  return found;
}

}  // namespace

int diff(const DiffOptions& options) {
  const TensorFile first(options.first), second(options.second);
  const std::vector<Difference> found = differences(first, second, options.tolerance);
  if (options.json) {
    Json list = Json::array();
    for (const auto& [name, what] : found) list.push_back({{"name", name}, {"what", what}});
    const Json all = {
        {"files", {options.first, options.second}}, {"same", found.empty()}, {"differences", list}};
    fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
  } else if (found.empty()) {
    fmt::print("same: {} values\n", first.names().size());
  } else {
    std::size_t widest = 0;
    for (const Difference& each : found) widest = std::max(widest, each.name.size());
    for (const auto& [name, what] : found) fmt::print("{:<{}}  {}\n", name, widest, what);
  }
  return found.empty() ? 0 : 1;
}

}  // namespace lamina::tool
