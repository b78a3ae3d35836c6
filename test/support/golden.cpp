#include "support/golden.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>

namespace lamina::test {

double golden_number(const Json& json) {
  if (json.is_boolean()) return json.get<bool>() ? 1 : 0;
  if (json.is_number()) return json.get<double>();
  if (json == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json == "inf") return std::numeric_limits<double>::infinity();
  if (json == "-inf") return -std::numeric_limits<double>::infinity();
  throw std::runtime_error("not a recorded number: " + json.dump());
}

GoldenArray golden_array(const Json& json) {
  if (!json.is_object() || !json.contains("shape") || !json.contains("data")) {
    throw std::runtime_error("not a recorded array: " + json.dump().substr(0, 80));
  }
  const auto extents = json.at("shape").get<std::vector<std::int64_t>>();
  GoldenArray array{Shape(std::span<const std::int64_t>(extents)), {}};
  array.data.reserve(json.at("data").size());
  for (const Json& value : json.at("data")) array.data.push_back(golden_number(value));
  if (array.shape.size() != static_cast<std::int64_t>(array.data.size())) {
    throw std::runtime_error(fmt::format("recorded array of shape {} has {} elements",
                                         array.shape.to_string(), array.data.size()));
  }
  return array;
}

Json read_json(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) throw std::runtime_error("cannot read " + file.string());
  return Json::parse(stream);
}

const Json& cases_of(const Json& document, const std::string& list,
                     const std::set<std::string>& known) {
  static const Json kNone = Json::array();
  for (const auto& [key, value] : document.items()) {
    if (value.is_array() && !known.contains(key)) {
      throw std::runtime_error("the runner does not know the list " + key);
    }
  }
  return document.contains(list) ? document.at(list) : kNone;
}

std::string kind_of(const std::string& name, const std::set<std::string>& known) {
  for (std::size_t end = name.size(); end != 0 && end != std::string::npos;
       end = name.rfind('_', end - 1)) {
    if (known.contains(name.substr(0, end))) return name.substr(0, end);
  }
  throw CaseFailed("the runner does not know what " + name + " is");
}

ArgumentReader::ArgumentReader(const Json& object) : object_(&object) {
  if (!object.is_object()) throw CaseFailed("arguments are no object: " + object.dump());
}

const Json& ArgumentReader::at(const std::string& key) {
  read_.insert(key);
  const auto found = object_->find(key);
  if (found == object_->end()) throw CaseFailed("the case has no '" + key + "'");
  return *found;
}

void ArgumentReader::ignore(std::initializer_list<const char*> keys) {
  read_.insert(keys.begin(), keys.end());
}

void ArgumentReader::finish() const {
  std::string unread;
  for (const auto& [key, value] : object_->items()) {
    if (!read_.contains(key))
      unread += fmt::format("{}{} = {}", unread.empty() ? "" : ", ", key, value.dump());
  }
  if (!unread.empty()) throw CaseFailed("the runner does not know the argument " + unread);
}

void GoldenCase::skip_if_listed(const FeatureList& features, const std::string& feature) const {
  const auto found = features.find(feature);
  if (found != features.end()) throw CaseSkipped(feature + ": " + found->second);
}

void GoldenCase::skip_listed_arguments(const FeatureList& features, const Json& arguments) const {
  for (const auto& [key, value] : arguments.items()) {
    if (!value.is_null() && value != false) skip_if_listed(features, "argument:" + key);
  }
}

void GoldenCase::check(bool holds, const std::string& what) {
  ++comparisons_;
  if (!holds) failures_.push_back(what);
}

void GoldenCase::compare_elements(const std::string& what, const std::vector<double>& computed,
                                  const std::vector<double>& recorded, Tolerance tolerance) {
  if (computed.size() != recorded.size()) {
    return check(
        false, fmt::format("{}: {} elements, recorded {}", what, computed.size(), recorded.size()));
  }
  std::size_t outside = 0, worst = 0;
  double worst_excess = -1;
  for (std::size_t i = 0; i < recorded.size(); ++i) {
    const bool same =
        computed[i] == recorded[i] || (std::isnan(computed[i]) && std::isnan(recorded[i]));
    const double allowed =
        tolerance.absolute + tolerance.relative * std::max(1.0, std::abs(recorded[i]));
    const double difference = std::abs(computed[i] - recorded[i]);
    if (same || (std::isfinite(recorded[i]) && difference <= allowed)) continue;
    ++outside;
    const double excess =
        std::isfinite(difference) ? difference - allowed : std::numeric_limits<double>::infinity();
    if (excess > worst_excess) {
      worst_excess = excess;
      worst = i;
    }
  }
  if (outside == 0) return check(true, what);
  check(false, fmt::format("{}: {} of {} elements differ; the worst at {}: computed {:.17g}, "
                           "recorded {:.17g}, allowed {:.3g}",
                           what, outside, recorded.size(), worst, computed[worst], recorded[worst],
                           tolerance.absolute +
                               tolerance.relative * std::max(1.0, std::abs(recorded[worst]))));
}

bool GoldenReport::selected(const std::string& label) const {
  if (filters_.empty()) return true;
  for (const std::string& filter : filters_) {
    if (label.find(filter) != std::string::npos) return true;
  }
  return false;
}

void GoldenReport::run(const std::string& name, const std::function<void(GoldenCase&)>& body) {
  const std::string label = file_ + ":" + name;
  if (!selected(label)) return;
  GoldenCase test;
  try {
    body(test);
    if (test.comparisons_ == 0) test.failures_.push_back("nothing was compared");
  } catch (const CaseSkipped& reason) {
    ++skipped_;
    std::printf("SKIPPED %s: %s\n", label.c_str(), reason.what());
    return;
  } catch (const std::exception& error) {
    test.failures_.push_back(error.what());
  }
  ++compared_;
  if (test.failures_.empty()) return;
  ++failed_;
  for (const std::string& failure : test.failures_) {
    std::printf("FAILED %s: %s\n", label.c_str(), failure.c_str());
  }
}

void GoldenReport::fail(const std::string& name, const std::string& reason) {
  ++failed_;
  std::printf("FAILED %s: %s\n", name.c_str(), reason.c_str());
}

std::string GoldenReport::summary() const {
  return fmt::format("golden: {} compared, {} failed, {} skipped", compared_, failed_, skipped_);
}

}  // namespace lamina::test
