#include <fmt/format.h>

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/serialization/npz.hpp>
#include <lamina/serialization/safetensors.hpp>
#include <lamina/serialization/tool/commands.hpp>
#include <lamina/serialization/tool/tensor_file.hpp>
#include <nlohmann/json.hpp>

namespace lamina::tool {

int convert(const ConvertOptions& options) {
  const Format format = format_of_name(options.to);
  if (options.compress && format != Format::npz) {
    throw ArgumentError("lamina-checkpoint",
                        "--compress needs a target .npz; got '" + options.to + "'");
  }
  const TensorFile file(options.from);
  StateDict state;
  for (const std::string& name : file.names()) {
    if (name.size() <= options.below.size() || !name.starts_with(options.below)) continue;
    state.add(name.substr(options.below.size()), file.read(name));
  }
  if (state.size() == 0 && !file.names().empty()) {
    throw ArgumentError("lamina-checkpoint", "--below must be the beginning of names in '" +
                                                 options.from + "'; got '" + options.below + "'");
  }
  switch (format) {
    case Format::lamina:
      save_state(options.to, state);
      break;
    case Format::safetensors:
      save_safetensors(options.to, state,
                       file.checkpoint() ? SafetensorsMetadata() : file.metadata());
      break;
    case Format::npz:
      save_npz(options.to, state, {.compress = options.compress});
      break;
  }
  const bool left = file.checkpoint() && file.checkpoint()->has_architecture();
  if (options.json) {
    const nlohmann::ordered_json result = {{"from", options.from},
                                           {"to", options.to},
                                           {"values", state.size()},
                                           {"architecture_left_behind", left}};
    fmt::print("{}\n",
               result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}: {} values{}\n", options.to, state.size(),
               left ? "; the architecture stays behind" : "");
  }
  return 0;
}

}  // namespace lamina::tool
