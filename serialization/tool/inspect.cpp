#include <fmt/format.h>

#include <algorithm>
#include <lamina/nn/glob.hpp>
#include <lamina/serialization/tool/commands.hpp>
#include <lamina/serialization/tool/statistics.hpp>
#include <lamina/serialization/tool/tensor_file.hpp>
#include <nlohmann/json.hpp>

namespace lamina::tool {

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const std::string& name, const Statistics& s) {
  return {{"name", name},
          {"dtype", s.dtype},
          {"shape", s.shape.extents()},
          {"minimum", s.minimum},
          {"maximum", s.maximum},
          {"mean", s.mean},
          {"deviation", s.deviation},
          {"nan", s.nan},
          {"infinite", s.infinite},
          {"histogram", s.histogram},
          {"crc32c", fmt::format("{:08x}", s.checksum)}};
}

Json json_of(const StateValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::get<std::string>(value);
}

std::string file_size(std::uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

// Columns as wide as their widest cell; the first `left` of them begin, the others end together.
class Table {
 public:
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const noexcept { return rows_.empty(); }

  void print(std::size_t left) const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()));
      for (std::size_t i = 0; i < row.size(); ++i) {
        widths[i] = std::max(widths[i], characters(row[i]));
      }
    }
    for (const auto& row : rows_) {
      std::string line;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string space(widths[i] - characters(row[i]), ' ');
        line += "  ";
        line += i < left || i + 1 == row.size() ? row[i] + space : space + row[i];
      }
      line.erase(line.find_last_not_of(' ') + 1);
      fmt::print("{}\n", line);
    }
  }

 private:
  static std::size_t characters(const std::string& text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  }
  std::vector<std::vector<std::string>> rows_;
};

std::string number(double value) { return fmt::format("{:.4g}", value); }

std::string special(const Statistics& s) {
  std::string text;
  if (s.nan > 0) text += fmt::format("  {} NaN", s.nan);
  if (s.infinite > 0) text += fmt::format("  {} infinite", s.infinite);
  return text;
}

void print_heading(const TensorFile& file, std::int64_t elements, std::size_t tensors) {
  fmt::print("{}: {}, {}, {} tensors with {} elements", file.path(), name_of(file.format()),
             file_size(file.size()), tensors, elements);
  if (const CheckpointFile* checkpoint = file.checkpoint()) {
    fmt::print(", written by lamina {}", checkpoint->library_version());
    const auto modules = checkpoint->architecture();
    if (!modules.empty()) {
      fmt::print(", with its architecture ({} of {} modules)", modules.front().type,
                 modules.size() - 1);
    }
  }
  fmt::print("\n");
}

void inspect_as_text(const TensorFile& file, const std::string& only) {
  const bool utf8 = terminal_speaks_utf8();
  Table tensors, values;
  std::int64_t elements = 0;
  std::size_t count = 0;
  for (const std::string& name : file.names()) {
    if (!matches_glob(only, name)) continue;
    const StateValue value = file.read(name);
    if (const auto s = statistics_of(value)) {
      if (tensors.empty()) {
        tensors.add({"tensor", "type", "shape", "minimum", "maximum", "mean", "deviation", "CRC32C",
                     "histogram"});
      }
      elements += s->shape.size();
      ++count;
      tensors.add({name, s->dtype, s->shape.to_string(), number(s->minimum), number(s->maximum),
                   number(s->mean), number(s->deviation), fmt::format("{:08x}", s->checksum),
                   bars(*s, utf8) + special(*s)});
    } else {
      values.add({name, plain_text_of(value)});
    }
  }
  if (!file.checkpoint()) {  // a checkpoint's stand among its values
    for (const auto& [key, text] : file.metadata()) {
      values.add({"(metadata) " + key, plain_text_of(text)});
    }
  }
  print_heading(file, elements, count);
  tensors.print(3);
  values.print(2);
}

Json inspect_as_json(const TensorFile& file, const std::string& only) {
  Json tensors = Json::array(), values = Json::object();
  for (const std::string& name : file.names()) {
    if (!matches_glob(only, name)) continue;
    const StateValue value = file.read(name);
    if (const auto s = statistics_of(value)) {
      tensors.push_back(json_of(name, *s));
    } else {
      values[name] = json_of(value);
    }
  }
  Json result = {{"file", file.path()},  {"format", name_of(file.format())},
                 {"bytes", file.size()}, {"tensors", tensors},
                 {"values", values},     {"metadata", file.metadata()}};
  if (const CheckpointFile* checkpoint = file.checkpoint()) {
    result["library_version"] = checkpoint->library_version();
    Json modules = Json::array();
    for (const auto& module : checkpoint->architecture()) {
      modules.push_back({{"path", module.path}, {"type", module.type}});
    }
    result["architecture"] = modules;
  }
  return result;
}

}  // namespace

int inspect(const InspectOptions& options) {
  Json all = Json::array();
  for (const std::string& path : options.files) {
    const TensorFile file(path);
    if (options.json) {
      all.push_back(inspect_as_json(file, options.only));
    } else {
      if (path != options.files.front()) fmt::print("\n");
      inspect_as_text(file, options.only);
    }
  }
  if (options.json) fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
  return 0;
}

}  // namespace lamina::tool
